// y = [cos(t f_0), .., cos(t f_(half - 1)), sin(t f_0), ..], f_i = 10000^(-i / half); t [count] of f32, y [count, 2 half] of T
//
// The angles are double: in f32 they are up to 6e-5 off at t = 999. A thread gives one frequency's cosine and sine.
// Cost: some 60 operations in double for each of a few hundred pairs; the launch bounds it.
#include "lib/types.cuh"

struct TimestepEmbeddingArgs {
    T* y;
    const f32* t;
    i32 count;
    i32 half;
};

// e^x for x in [-10, 0]: 2^n e^r with |r| <= ln 2 / 2, e^r by its series.
DEVICE double exponential(double x) {
    const i32 n = (i32)(x * 1.4426950408889634 - 0.5);
    const double r = fma((double)n, -0.6931471805599453, x);
    double sum = 1.0;
#pragma unroll
    for (i32 k = 14; k > 0; k--) sum = fma(sum * r, 1.0 / k, 1.0);
    return sum * __longlong_as_double((i64)(1023 + n) << 52);
}

// Cosine and sine: the quarter turns are taken off, the rest, at most pi / 4, goes into the series.
DEVICE void cosine_sine(double x, double& cosine, double& sine) {
    const double turns = x * 0.63661977236758134;
    const i32 n = (i32)(turns + (turns < 0 ? -0.5 : 0.5));
    const double r = fma((double)n, -6.123233995736766e-17, fma((double)n, -1.5707963267948966, x)), square = r * r;
    double c = 1.0, s = 1.0;
#pragma unroll
    for (i32 k = 16; k > 0; k -= 2) {
        c = fma(c * square, -1.0 / (k * (k - 1)), 1.0);
        s = fma(s * square, -1.0 / (k * (k + 1)), 1.0);
    }
    s *= r;
    cosine = (n & 1 ? s : c) * (n + 1 & 2 ? -1.0 : 1.0);
    sine = (n & 1 ? c : s) * (n & 2 ? -1.0 : 1.0);
}

extern "C" __global__ void __launch_bounds__(128) timestep_embedding(const TimestepEmbeddingArgs a) {
    const i32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= a.count * a.half) return;
    const i32 row = i / a.half, k = i - row * a.half;
    double cosine, sine;
    cosine_sine((double)a.t[row] * exponential(-9.210340371976184 * k / a.half), cosine, sine);
    T* y = a.y + (u64)row * 2 * a.half;
    y[k] = from_f32<T>((f32)cosine);
    y[a.half + k] = from_f32<T>((f32)sine);
}
