// y = sum of c[i] x[i]: y, x[i] [count] of f32, c [terms] of f32 in device memory; y may be any of the x
//
// A term whose coefficient is 0 is not read: its tensor may hold NaN. A thread sums VECTOR values in the order of the terms.
// Cost: a read for each term in use and a write; bytes bound it (a latent of 64x64x4 is 64 KB: the launch does).
#include "lib/types.cuh"

// count is in vectors; terms at most 32.
struct CombineArgs {
    f32* y;
    const f32* c;
    const f32* x[32];
    u32 count;
    i32 terms;
};

#ifndef VECTOR
#define VECTOR 4
#endif

extern "C" __global__ void __launch_bounds__(256) combine(const CombineArgs a) {
    const u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= a.count) return;
    Vector<f32, VECTOR> sum = {};
    for (i32 term = 0; term < a.terms; term++) {
        const f32 factor = a.c[term];
        if (factor == 0.0f) continue;
        const auto v = load_vector<Vector<f32, VECTOR>>(a.x[term] + (u64)i * VECTOR);
#pragma unroll
        for (i32 e = 0; e < VECTOR; e++) sum.x[e] = fmaf(factor, v.x[e], sum.x[e]);
    }
    store_vector(a.y + (u64)i * VECTOR, sum);
}
