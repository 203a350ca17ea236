// The functions of the CUDA driver that the tests call, as cuda.h declares them. Any program on the driver API links like this.
#pragma once
#include <cstddef>
#include <cstdint>

extern "C" {
int cuInit(unsigned flags);
int cuDeviceGetCount(int* count);
int cuDeviceGetAttribute(int* value, int attribute, int device);
int cuDevicePrimaryCtxRetain(void** context, int device);
int cuDevicePrimaryCtxReset_v2(int device);
int cuCtxSetCurrent(void* context);
int cuCtxSynchronize();
int cuMemGetInfo_v2(size_t* free, size_t* total);
int cuMemAlloc_v2(uint64_t* address, size_t bytes);
int cuMemFree_v2(uint64_t address);
int cuMemHostAlloc(void** address, size_t bytes, unsigned flags);
int cuMemFreeHost(void* address);
int cuMemcpyHtoD_v2(uint64_t to, const void* from, size_t bytes);
int cuMemcpyDtoH_v2(void* to, uint64_t from, size_t bytes);
int cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, void* stream);
int cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, void* stream);
int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void* stream);
int cuMemsetD8Async(uint64_t address, unsigned char value, size_t count, void* stream);
int cuModuleLoadData(void** module, const void* image);
int cuModuleUnload(void* module);
int cuModuleGetFunction(void** function, void* module, const char* name);
int cuModuleGetGlobal_v2(uint64_t* address, size_t* bytes, void* module, const char* name);
int cuFuncSetAttribute(void* function, int attribute, int value);
int cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared,
                   void* stream, void** parameters, void** extra);
int cuStreamCreate(void** stream, unsigned flags);
int cuStreamDestroy_v2(void* stream);
int cuStreamSynchronize(void* stream);
int cuStreamWaitEvent(void* stream, void* event, unsigned flags);
int cuStreamBeginCapture_v2(void* stream, int mode);
int cuStreamEndCapture(void* stream, void** graph);
int cuStreamIsCapturing(void* stream, int* status);
int cuEventCreate(void** event, unsigned flags);
int cuEventDestroy_v2(void* event);
int cuEventRecord(void* event, void* stream);
int cuEventSynchronize(void* event);
int cuEventElapsedTime(float* milliseconds, void* start, void* end);
int cuGraphGetNodes(void* graph, void** nodes, size_t* count);
int cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long flags);
int cuGraphExecUpdate_v2(void* executable, void* graph, void* info);
int cuGraphLaunch(void* executable, void* stream);
int cuGraphExecDestroy(void* executable);
int cuGraphDestroy(void* graph);
int cuGetErrorName(int error, const char** text);
int cuGetErrorString(int error, const char** text);

int cublasLtCreate(void** handle);
int cublasLtDestroy(void* handle);
int cublasLtMatmulDescCreate(void** description, int compute, int scale);
int cublasLtMatmulDescDestroy(void* description);
int cublasLtMatmulDescSetAttribute(void* description, int attribute, const void* value, size_t bytes);
int cublasLtMatrixLayoutCreate(void** layout, int type, uint64_t rows, uint64_t columns, int64_t leading);
int cublasLtMatrixLayoutDestroy(void* layout);
int cublasLtMatmul(void* handle, void* description, const float* alpha, uint64_t a, void* layout_a, uint64_t b, void* layout_b,
                   const float* beta, uint64_t c, void* layout_c, uint64_t d, void* layout_d, const uint64_t* algorithm, uint64_t workspace,
                   size_t workspace_bytes, void* stream);

int jedisimSet(const char* name, const char* value);
int jedisimReset();
size_t jedisimReport(char* buffer, size_t size);
size_t jedisimLastFault(char* buffer, size_t size);
}
