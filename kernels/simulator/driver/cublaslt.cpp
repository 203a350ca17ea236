// The part of cuBLASLt that takes one product: plain matrices and batches of them, column-major, f32 accumulation, an optional bias. There
// are three algorithms by name, which differ in nothing. Their numbers are of f32 accumulation in a fixed order, not of a GPU's tensor cores.
#include "state.h"

using namespace jedisim;

namespace {
enum Status { Ok = 0, BadHandle = 1, BadValue = 7, Unsupported = 15, Failed = 13 };

struct Description { int compute, scale; int transpose_a = 0, transpose_b = 0, epilogue = 1, bias_type = -1; u64 bias = 0; };
struct Layout { int type; u64 rows, columns; s64 leading, stride = 0; int batch = 1; };
struct Preference { u64 workspace = 0; };
struct Heuristic { u64 algorithm[8]; size_t workspace; int state; float waves; int reserved[4]; };

bool element(int type, Element& result) {
    if (type == 0) result = Element::F32;
    else if (type == 2) result = Element::F16;
    else if (type == 14) result = Element::BF16;
    else return false;
    return true;
}

template<class T> int make(void** handle, T value) { return handle ? (*handle = new T(value), Ok) : BadValue; }
template<class T> int drop(void* handle) { return delete static_cast<T*>(handle), Ok; }

template<class T> bool read(T& target, const void* value, size_t bytes) {
    if (bytes != sizeof(T)) return false;
    std::memcpy(&target, value, bytes);
    return true;
}

bool matrix(const void* layout, u64 address, Matrix& result) {
    auto* l = static_cast<const Layout*>(layout);
    result = {address, Element::F32, l->leading, l->stride};
    return element(l->type, result.type);
}

// Whether shapes and types fit together; fills all but addresses.
bool describe(const Description& d, const void* a, const void* b, const void* c, const void* out, Product& p) {
    auto *la = static_cast<const Layout*>(a), *lb = static_cast<const Layout*>(b), *ld = static_cast<const Layout*>(out),
         *lc = static_cast<const Layout*>(c);
    p.transpose_a = d.transpose_a != 0, p.transpose_b = d.transpose_b != 0;
    p.m = s64(ld->rows), p.n = s64(ld->columns), p.batch = ld->batch;
    p.k = s64(p.transpose_a ? la->rows : la->columns);
    bool fits = s64(p.transpose_a ? la->columns : la->rows) == p.m && s64(p.transpose_b ? lb->columns : lb->rows) == p.k &&
                s64(p.transpose_b ? lb->rows : lb->columns) == p.n && lc->rows == ld->rows && lc->columns == ld->columns;
    fits &= la->batch == ld->batch && lb->batch == ld->batch && la->leading >= s64(la->rows) && lb->leading >= s64(lb->rows) &&
            ld->leading >= s64(ld->rows);
    if (d.epilogue != 1 && d.epilogue != 4) return false; // default, bias
    bool bias_known = d.epilogue == 1 || element(d.bias_type < 0 ? ld->type : d.bias_type, p.bias_type);
    return fits && bias_known && matrix(a, 0, p.a) && matrix(b, 0, p.b) && matrix(c, 0, p.c) && matrix(out, 0, p.d) && p.a.type == p.b.type;
}

// All bytes of an operand have to be device memory.
bool there(Driver& d, const void* layout, u64 address) {
    auto* l = static_cast<const Layout*>(layout);
    u64 elements = u64(l->leading) * (l->columns - 1) + l->rows + u64(l->batch - 1) * u64(l->stride);
    return d.find(address, elements * (l->type == 0 ? 4 : 2)) != nullptr;
}
} // namespace

JEDISIM_EXPORT int cublasLtCreate(void** handle) { return make(handle, 1); }
JEDISIM_EXPORT int cublasLtDestroy(void* handle) { return drop<int>(handle); }
JEDISIM_EXPORT size_t cublasLtGetVersion() { return 120400; }
JEDISIM_EXPORT size_t cublasLtGetCudartVersion() { return 12040; }

JEDISIM_EXPORT const char* cublasLtGetStatusName(int status) {
    switch (status) {
    case Ok: return "CUBLAS_STATUS_SUCCESS";
    case BadHandle: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case BadValue: return "CUBLAS_STATUS_INVALID_VALUE";
    case Failed: return "CUBLAS_STATUS_EXECUTION_FAILED";
    default: return "CUBLAS_STATUS_NOT_SUPPORTED";
    }
}

JEDISIM_EXPORT int cublasLtMatmulDescCreate(void** description, int compute, int scale) {
    return make(description, Description{compute, scale});
}
JEDISIM_EXPORT int cublasLtMatmulDescDestroy(void* description) { return drop<Description>(description); }

JEDISIM_EXPORT int cublasLtMatmulDescSetAttribute(void* description, int attribute, const void* value, size_t bytes) {
    auto* d = static_cast<Description*>(description);
    switch (attribute) {
    case 3: return read(d->transpose_a, value, bytes) ? Ok : BadValue;
    case 4: return read(d->transpose_b, value, bytes) ? Ok : BadValue;
    case 7: return read(d->epilogue, value, bytes) ? Ok : BadValue;
    case 8: return read(d->bias, value, bytes) ? Ok : BadValue;
    case 26: return read(d->bias_type, value, bytes) ? Ok : BadValue;
    default: return Unsupported;
    }
}

JEDISIM_EXPORT int cublasLtMatrixLayoutCreate(void** layout, int type, u64 rows, u64 columns, s64 leading) {
    return make(layout, Layout{type, rows, columns, leading});
}
JEDISIM_EXPORT int cublasLtMatrixLayoutDestroy(void* layout) { return drop<Layout>(layout); }

// 5 the batch's count, 6 its stride.
JEDISIM_EXPORT int cublasLtMatrixLayoutSetAttribute(void* layout, int attribute, const void* value, size_t bytes) {
    auto* l = static_cast<Layout*>(layout);
    if (attribute == 5) return read(l->batch, value, bytes) ? Ok : BadValue;
    return attribute == 6 ? (read(l->stride, value, bytes) ? Ok : BadValue) : Unsupported;
}

JEDISIM_EXPORT int cublasLtMatmulPreferenceCreate(void** preference) { return make(preference, Preference{}); }
JEDISIM_EXPORT int cublasLtMatmulPreferenceDestroy(void* preference) { return drop<Preference>(preference); }
JEDISIM_EXPORT int cublasLtMatmulPreferenceSetAttribute(void* preference, int attribute, const void* value, size_t bytes) {
    if (attribute == 1) return read(static_cast<Preference*>(preference)->workspace, value, bytes) ? Ok : BadValue;
    return Ok;
}

JEDISIM_EXPORT int cublasLtMatmulAlgoGetHeuristic(void*, void* description, void* a, void* b, void* c, void* out, void*, int wanted,
                                                  Heuristic* results, int* found) {
    Product product{};
    *found = 0;
    if (wanted < 1 || !describe(*static_cast<Description*>(description), a, b, c, out, product)) return Unsupported;
    constexpr int algorithms = 3;
    for (; *found < std::min(wanted, algorithms); ++*found) results[*found] = {{1, u64(*found), 0, 0, 0, 0, 0, 0}, 0, Ok, 1, {}};
    return Ok;
}

// 0 the algorithm's number, 1 its tile, 2 parts of k (one: nothing is split), 6 its stages.
JEDISIM_EXPORT int cublasLtMatmulAlgoConfigGetAttribute(const u64* algorithm, int attribute, void* value, size_t bytes, size_t* written) {
    int result = attribute == 2 ? 1 : attribute == 1 ? int(algorithm[1]) : 0;
    if (bytes < sizeof result) return BadValue;
    std::memcpy(value, &result, sizeof result);
    if (written) *written = sizeof result;
    return Ok;
}

JEDISIM_EXPORT int cublasLtMatmul(void* handle, void* description, const float* alpha, u64 a, void* layout_a, u64 b, void* layout_b,
                                  const float* beta, u64 c, void* layout_c, u64 out, void* layout_d, const u64* algorithm, u64, size_t,
                                  void* stream_handle) {
    int status = Ok;
    int result = with_context([&](Driver& d, Context& context) -> int {
        Stream* stream = stream_of(d, context, stream_handle);
        Product product{};
        auto& what = *static_cast<Description*>(description);
        if (!handle || !stream || (algorithm && algorithm[0] != 1)) return status = BadValue, Success;
        if (!describe(what, layout_a, layout_b, layout_c, layout_d, product)) return status = Unsupported, Success;
        if (!there(d, layout_a, a) || !there(d, layout_b, b) || !there(d, layout_d, out) || (*beta != 0 && !there(d, layout_c, c)))
            return status = BadValue, Success;
        product.a.address = a, product.b.address = b, product.c.address = c, product.d.address = out;
        product.alpha = *alpha, product.beta = *beta;
        product.bias = what.epilogue == 4 ? what.bias : 0;
        if (product.bias && !d.find(product.bias, u64(product.m) * (product.bias_type == Element::F32 ? 4 : 2)))
            return status = BadValue, Success;
        return d.give(stream, {Operation::Product, [product]() mutable {
            Driver& d = driver();
            product.threads = d.options.threads;
            if (d.options.execute) d.executor->multiply(product);
            d.products++;
        }});
    });
    return result ? Failed : status;
}
