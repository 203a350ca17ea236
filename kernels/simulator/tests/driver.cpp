// The driver's behaviour: errors, memory, streams that work late, capture and graphs.
#include "harness.h"
#include <thread>

namespace {
const char* const add_source = R"(extern "C" __global__ void add(u32* to, u32 n, u32 x) { u32 i = blockIdx.x * blockDim.x + threadIdx.x; if (i < n) to[i] += x; })";

std::string name_of(int error) {
    const char* text = nullptr;
    cuGetErrorName(error, &text);
    return text ? text : "?";
}

struct Stream {
    void* handle = nullptr;
    Stream() { ok(cuStreamCreate(&handle, 1), "cuStreamCreate"); }
    ~Stream() { cuStreamDestroy_v2(handle); }
};
} // namespace

TEST(errors_of_the_driver) {
    void *module, *function;
    unsigned char cubin[64] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    check_equal(cuModuleLoadData(&module, cubin), 209, "machine code is refused");
    check(name_of(209) == "CUDA_ERROR_NO_BINARY_FOR_GPU", "name of 209");
    check_equal(cuModuleLoadData(&module, ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k() { frobnicate.b32 %r1; }"),
                218, "PTX that is none");
    check(last_fault().find("%r1") != std::string::npos, "what was wrong with the PTX: " + last_fault());
    check_equal(
        cuModuleLoadData(
            &module, ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k() { .reg .b32 %r<2>; frobnicate.b32 %r1, %r0; }"),
        218, "an opcode that is none");
    check(last_fault().find("frobnicate.b32 %r1, %r0") != std::string::npos, "the opcode's text: " + last_fault());
    Module m(add_source);
    check_equal(cuModuleGetFunction(&function, m.handle, "subtract"), 500, "no such function");
    Buffer b(64);
    check_equal(m.give("add", {1}, {2048}, 0, nullptr, b.address, 1u, 1u), 1, "too many threads");
    check_equal(m.give("add", {0}, {32}, 0, nullptr, b.address, 1u, 1u), 1, "an empty grid");
    check_equal(m.give("add", {1}, {32}, 60000, nullptr, b.address, 1u, 1u), 1, "shared memory that was not asked for");
    ok(cuFuncSetAttribute(m.function("add"), 8, 160000), "cuFuncSetAttribute");
    ok(m.run("add", {1}, {32}, 160000, b.address, 1u, 1u), "shared memory that was");
    check_equal(cuFuncSetAttribute(m.function("add"), 8, 170000), 1, "more shared memory than there is");
    check_equal(cuMemFree_v2(b.address + 256), 1, "free of what was never allocated");
    check_equal(cuMemcpyHtoD_v2(b.address + 32, cubin, 64), 1, "a copy past the end");
    check_equal(cuStreamSynchronize(&b), 400, "no stream");
    int value = 0;
    ok(cuDeviceGetAttribute(&value, 75, 0), "cuDeviceGetAttribute");
    check_equal(value, 8, "compute capability");
    Module limited(R"(extern "C" __global__ void __launch_bounds__(64) k() {})");
    check_equal(limited.give("k", {1}, {128}, 0, nullptr), 701, "more threads than .maxntid");
}

TEST(memory_runs_out) {
    size_t free, total, later;
    ok(cuMemGetInfo_v2(&free, &total), "cuMemGetInfo");
    u64 a, b;
    ok(cuMemAlloc_v2(&a, 1 << 20), "cuMemAlloc");
    ok(cuMemGetInfo_v2(&later, &total), "cuMemGetInfo");
    check_equal(s64(free - later), 1 << 20, "memory that is taken");
    check_equal(cuMemAlloc_v2(&b, total), 2, "more than there is");
    std::vector<u8> bytes(1 << 20);
    ok(cuMemcpyDtoH_v2(bytes.data(), a, bytes.size()), "cuMemcpyDtoH");
    for (u8 x : bytes) check(x == 0xff, "fresh memory is NaN");
    check(a >> 48 == 1, "no address of the host");
    ok(cuMemFree_v2(a), "cuMemFree");
}

// Work is done when somebody waits for it: who does not wait sees it undone.
TEST(streams_work_late) {
    Module m(add_source);
    Stream s;
    void* pinned;
    ok(cuMemHostAlloc(&pinned, 64, 0), "cuMemHostAlloc");
    u32* values = static_cast<u32*>(pinned);
    Buffer b(64);
    for (u32 i = 0; i < 16; i++) values[i] = i;
    ok(cuMemcpyHtoDAsync_v2(b.address, pinned, 64, s.handle), "HtoD");
    values[3] = 99; // too early: the copy has not been made
    ok(m.give("add", {1}, {32}, 0, s.handle, b.address, 16u, 1000u), "add");
    ok(cuMemcpyDtoHAsync_v2(pinned, b.address, 64, s.handle), "DtoH");
    check_equal(values[5], 5, "not yet");
    ok(cuStreamSynchronize(s.handle), "synchronize");
    check_equal(values[5], 1005, "now"), check_equal(values[3], 1099, "pinned memory is read late");
    // Pageable memory is read at once.
    std::vector<u32> pageable(16, 7);
    ok(cuMemcpyHtoDAsync_v2(b.address, pageable.data(), 64, s.handle), "HtoD");
    pageable.assign(16, 8);
    ok(cuMemcpyDtoHAsync_v2(pageable.data(), b.address, 64, s.handle), "DtoH");
    check_equal(pageable[15], 7, "a copy to pageable memory waits");
    ok(cuMemFreeHost(pinned), "cuMemFreeHost");
}

TEST(events_order_streams) {
    Module m(add_source);
    Stream first, second;
    void *done, *start;
    ok(cuEventCreate(&done, 0), "cuEventCreate"), ok(cuEventCreate(&start, 0), "cuEventCreate");
    Buffer b(64), copy(64);
    std::vector<u32> zeros(16);
    b.put(zeros.data());
    ok(cuEventRecord(start, first.handle), "record");
    ok(m.give("add", {1}, {32}, 0, first.handle, b.address, 16u, 5u), "add");
    ok(cuEventRecord(done, first.handle), "record");
    ok(m.give("add", {1}, {32}, 0, first.handle, b.address, 16u, 100u), "add");
    ok(cuStreamWaitEvent(second.handle, done, 0), "wait");
    ok(cuMemcpyDtoDAsync_v2(copy.address, b.address, 64, second.handle), "copy");
    ok(cuStreamSynchronize(second.handle), "synchronize");
    check_equal(copy.get<u32>()[4], 5, "the work before the event, and no other");
    float milliseconds = -1;
    ok(cuEventElapsedTime(&milliseconds, start, done), "elapsed");
    check(milliseconds >= 0, "time goes on");
    ok(cuStreamSynchronize(first.handle), "synchronize");
    ok(cuEventDestroy_v2(done), "destroy"), ok(cuEventDestroy_v2(start), "destroy");
}

TEST(capture_and_replay) {
    Module m(add_source);
    Stream s;
    Buffer b(64), c(64);
    std::vector<u32> zeros(16);
    b.put(zeros.data());
    void *graph, *executable, *other;
    ok(cuStreamBeginCapture_v2(s.handle, 1), "begin");
    int status;
    ok(cuStreamIsCapturing(s.handle, &status), "status"), check_equal(status, 1, "status");
    u32 n = 16;
    for (u32 x = 1; x <= 3; x++) ok(m.give("add", {1}, {32}, 0, s.handle, b.address, n, x), "add");
    n = 0; // arguments are kept by value
    ok(cuMemcpyDtoDAsync_v2(c.address, b.address, 64, s.handle), "copy");
    ok(cuMemsetD8Async(c.address, 1, 4, s.handle), "fill");
    ok(cuStreamEndCapture(s.handle, &graph), "end");
    check_equal(b.get<u32>()[0], 0, "nothing ran");
    size_t nodes = 0;
    ok(cuGraphGetNodes(graph, nullptr, &nodes), "nodes"), check_equal(s64(nodes), 5, "nodes");
    ok(cuGraphInstantiateWithFlags(&executable, graph, 0), "instantiate");
    ok(cuGraphDestroy(graph), "destroy");
    for (int run = 1; run <= 3; run++) {
        ok(cuGraphLaunch(executable, s.handle), "launch"), ok(cuStreamSynchronize(s.handle), "synchronize");
        check_equal(b.get<u32>()[15], 6 * run, "replay"), check_equal(c.get<u32>()[1], 6 * run, "copy"),
            check_equal(c.get<u32>()[0], 0x01010101, "fill");
    }
    // An update needs the same kinds of nodes.
    for (u32 count : {3u, 2u}) {
        ok(cuStreamBeginCapture_v2(s.handle, 1), "begin");
        for (u32 x = 1; x <= count; x++) ok(m.give("add", {1}, {32}, 0, s.handle, b.address, 16u, x * 10), "add");
        if (count == 3)
            ok(cuMemcpyDtoDAsync_v2(c.address, b.address, 64, s.handle), "copy"), ok(cuMemsetD8Async(c.address, 2, 4, s.handle), "fill");
        ok(cuStreamEndCapture(s.handle, &other), "end");
        check_equal(cuGraphExecUpdate_v2(executable, other, nullptr), count == 3 ? 0 : 910, "update");
        ok(cuGraphDestroy(other), "destroy");
    }
    ok(cuGraphLaunch(executable, s.handle), "launch"), ok(cuStreamSynchronize(s.handle), "synchronize");
    check_equal(b.get<u32>()[15], 18 + 60, "after the update");
    ok(cuGraphExecDestroy(executable), "destroy");
}

// What a capture refuses, it refuses with the driver's code, and ends with 901.
TEST(capture_refuses) {
    Module m(add_source);
    Stream s;
    Buffer b(64);
    std::vector<u32> pageable(16);
    void *graph, *handle, *event;
    u64 address;
    ok(cuEventCreate(&event, 0), "cuEventCreate");
    const std::pair<const char*, std::function<int()>> refused[] = {
        {"allocation", [&] { return cuMemAlloc_v2(&address, 64); }},
        {"pinned allocation", [&] { return cuMemHostAlloc(&handle, 64, 0); }},
        {"free", [&] { return cuMemFree_v2(b.address); }},
        {"waiting for the stream", [&] { return cuStreamSynchronize(s.handle); }},
        {"waiting for the context", [&] { return cuCtxSynchronize(); }},
        {"copy from pageable memory", [&] { return cuMemcpyHtoDAsync_v2(b.address, pageable.data(), 64, s.handle); }},
        {"copy to pageable memory", [&] { return cuMemcpyDtoHAsync_v2(pageable.data(), b.address, 64, s.handle); }},
        {"copy that waits", [&] { return cuMemcpyDtoH_v2(pageable.data(), b.address, 64); }},
        {"a second capture", [&] { return cuStreamBeginCapture_v2(s.handle, 1); }},
    };
    for (auto& [what, call] : refused) {
        ok(cuStreamBeginCapture_v2(s.handle, 1), "begin");
        ok(m.give("add", {1}, {32}, 0, s.handle, b.address, 16u, 1u), "add");
        check_equal(call(), 900, what);
        check_equal(m.give("add", {1}, {32}, 0, s.handle, b.address, 16u, 1u), 901, std::string("work after ") + what);
        check_equal(cuStreamEndCapture(s.handle, &graph), 901, std::string("the end after ") + what);
        check(!graph, "no graph");
    }
    // An event of a capture cannot be waited for on the host.
    ok(cuStreamBeginCapture_v2(s.handle, 1), "begin"), ok(cuEventRecord(event, s.handle), "record");
    check_equal(cuEventSynchronize(event), 907, "event");
    check_equal(cuStreamEndCapture(s.handle, &graph), 901, "end");
    // Another thread may allocate: the capture forbids its own thread alone.
    ok(cuStreamBeginCapture_v2(s.handle, 1), "begin");
    int elsewhere = -1, ended = -1;
    std::thread([&] {
        void* context;
        cuDevicePrimaryCtxRetain(&context, 0), cuCtxSetCurrent(context);
        elsewhere = cuMemAlloc_v2(&address, 64);
        ended = cuStreamEndCapture(s.handle, &graph);
    }).join();
    check_equal(elsewhere, 0, "allocation of another thread"), check_equal(ended, 908, "end by another thread");
    ok(cuStreamEndCapture(s.handle, &graph), "end"), ok(cuGraphDestroy(graph), "destroy");
    check_equal(cuStreamEndCapture(s.handle, &graph), 1, "an end without a begin");
    check_equal(cuStreamBeginCapture_v2(nullptr, 1), 900, "the default stream");
}

TEST(captures_that_fork) {
    Module m(add_source);
    Stream s, branch;
    Buffer b(64);
    std::vector<u32> zeros(16);
    b.put(zeros.data());
    void *graph, *fork, *join, *executable;
    ok(cuEventCreate(&fork, 2), "cuEventCreate"), ok(cuEventCreate(&join, 2), "cuEventCreate");
    for (bool joined : {false, true}) {
        ok(cuStreamBeginCapture_v2(s.handle, 1), "begin");
        ok(cuEventRecord(fork, s.handle), "record"), ok(cuStreamWaitEvent(branch.handle, fork, 0), "wait");
        ok(m.give("add", {1}, {32}, 0, branch.handle, b.address, 16u, 4u), "add");
        if (joined) ok(cuEventRecord(join, branch.handle), "record"), ok(cuStreamWaitEvent(s.handle, join, 0), "wait");
        check_equal(cuStreamEndCapture(s.handle, &graph), joined ? 0 : 904, "end");
    }
    ok(cuGraphInstantiateWithFlags(&executable, graph, 0), "instantiate"), ok(cuGraphLaunch(executable, s.handle), "launch");
    ok(cuStreamSynchronize(s.handle), "synchronize");
    check_equal(b.get<u32>()[0], 4, "the branch ran");
    ok(cuGraphExecDestroy(executable), "destroy"), ok(cuGraphDestroy(graph), "destroy");
}

TEST(products_of_matrices) {
    // y [rows, n] = x [rows, k] w [n, k]^T + bias, as column-major cuBLASLt sees it; whole numbers, so sums are exact.
    const int rows = 53, n = 37, k = 85;
    Random random(5);
    std::vector<float> x(rows * k), w(n * k), bias(n), y(rows * n);
    for (auto* v : {&x, &w, &bias})
        for (auto& e : *v) e = float(random.below(9) - 4);
    Buffer dx(x), dw(w), db(bias), dy(y.size() * 4);
    void *lt, *what, *lx, *lw, *ly;
    ok(cublasLtCreate(&lt), "create"), ok(cublasLtMatmulDescCreate(&what, 68, 0), "description");
    int transposed = 1, epilogue = 4;
    ok(cublasLtMatmulDescSetAttribute(what, 3, &transposed, 4), "transpose"),
        ok(cublasLtMatmulDescSetAttribute(what, 7, &epilogue, 4), "epilogue");
    ok(cublasLtMatmulDescSetAttribute(what, 8, &db.address, 8), "bias");
    ok(cublasLtMatrixLayoutCreate(&lw, 0, k, n, k), "w"), ok(cublasLtMatrixLayoutCreate(&lx, 0, k, rows, k), "x"),
        ok(cublasLtMatrixLayoutCreate(&ly, 0, n, rows, n), "y");
    float one = 1, zero = 0;
    ok(cublasLtMatmul(lt, what, &one, dw.address, lw, dx.address, lx, &zero, dy.address, ly, dy.address, ly, nullptr, 0, 0, nullptr),
       "product");
    ok(cuCtxSynchronize(), "synchronize");
    y = dy.get<float>();
    for (int r = 0; r < rows; r++) {
        for (int c = 0; c < n; c++) {
            float sum = bias[c];
            for (int i = 0; i < k; i++) sum += x[r * k + i] * w[c * k + i];
            check_equal(s64(y[r * n + c]), s64(sum), "element");
        }
    }
    cublasLtMatrixLayoutDestroy(lx), cublasLtMatrixLayoutDestroy(lw), cublasLtMatrixLayoutDestroy(ly), cublasLtMatmulDescDestroy(what),
        cublasLtDestroy(lt);
}
