// y = a + b, b repeated: y, a [count], b [period] of T, count a multiple of period; y may be a
//
// A thread adds VECTOR values, which divide the period. Cost: three accesses of T for each element (two where b stays in the cache);
// bytes bound it.
#include "lib/types.cuh"

// In vectors.
struct AddArgs {
    T* y;
    const T* a;
    const T* b;
    u32 count;
    u32 period;
};

#ifndef VECTOR
#define VECTOR 8
#endif

extern "C" __global__ void __launch_bounds__(256) add(const AddArgs a) {
    const u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= a.count) return;
    typedef Vector<T, VECTOR> Values;
    auto v = load_vector<Values>(a.a + (u64)i * VECTOR);
    const auto more = load_vector<Values>(a.b + (u64)(i % a.period) * VECTOR);
#pragma unroll
    for (i32 e = 0; e < VECTOR; e++) v.x[e] = from_f32<T>(to_f32(v.x[e]) + to_f32(more.x[e]));
    store_vector(a.y + (u64)i * VECTOR, v);
}
