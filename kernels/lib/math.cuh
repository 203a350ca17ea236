// Functions of one f32. Errors are relative to the result unless said otherwise.
#pragma once
#include "lib/types.cuh"

#define INFINITY_F32 __uint_as_float(0x7f800000u)
constexpr f32 Log2E = 1.4426950408889634f;
constexpr f32 Ln2 = 0.6931471805599453f;

// 2^x by the special function unit (16 a clock and multiprocessor): 2^-22; results below 2^-126 are 0.
DEVICE f32 exp2_fast(f32 x) {
    f32 y;
    asm volatile("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// e^x, 2^-20 for |x| below 10, growing with |x|: x log2(e) is rounded at its own size.
DEVICE f32 exp_fast(f32 x) { return exp2_fast(x * Log2E); }

// 1 / x within one unit in the last place.
DEVICE f32 reciprocal(f32 x) {
    f32 y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// 1 / sqrt(x), 2^-22.
DEVICE f32 inverse_root(f32 x) {
    f32 y;
    asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// log2(x), 2^-22: absolute for x between 1/2 and 2, relative elsewhere.
DEVICE f32 log2_fast(f32 x) {
    f32 y;
    asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// 1 / (1 + e^-x).
DEVICE f32 sigmoid(f32 x) { return reciprocal(1.0f + exp_fast(-x)); }

DEVICE f32 silu(f32 x) { return x * sigmoid(x); }

// x sigmoid(1.702 x), as in CLIP.
DEVICE f32 quick_gelu(f32 x) { return x * sigmoid(1.702f * x); }

// x Phi(x) with the exact error function (erff is built into the compiler: two units in the last place).
DEVICE f32 gelu(f32 x) { return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f)); }
