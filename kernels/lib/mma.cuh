// Tensor cores: D = A B + D for one warp, accumulators in f32 (PTX ISA, "Matrix fragments for mma").
// Lane l has group g = l / 4 and place t = l % 4.
//
//   D, C 16x8 (all shapes)  d[0] = [g][2t]    d[1] = [g][2t + 1]    d[2] = [g + 8][2t]    d[3] = [g + 8][2t + 1]
//
//   m16n8k16, f16 and bf16: two values a register, the lower index in the lower half
//   A 16x16  a[0] = [g][2t, 2t + 1]      a[1] = [g + 8][2t, 2t + 1]      a[2] = [g][2t + 8, 2t + 9]    a[3] = [g + 8][2t + 8, 2t + 9]
//   B 16x8   b0 = [2t, 2t + 1][g]        b1 = [2t + 8, 2t + 9][g]
//   m16n8k8, f16 and bf16: the k < 8 half of it
//   A 16x8   a0 = [g][2t, 2t + 1]        a1 = [g + 8][2t, 2t + 1]
//   B 8x8    b0 = [2t, 2t + 1][g]
//   m16n8k8, tf32: an f32 whose last 13 bits are ignored (round with to_tf32)
//   A 16x8   a[0] = [g][t]               a[1] = [g + 8][t]               a[2] = [g][t + 4]             a[3] = [g + 8][t + 4]
//   B 8x8    b0 = [t][g]                 b1 = [t + 4][g]
//
// In shared memory, ldmatrix_x4 gives A from rows of k: lane l's address is row l % 16, columns 8 (l / 16) on. ldmatrix gives B from rows
// [n][k] (a weight, the keys); its transposed form gives B from rows [k][n] (the values).
#pragma once
#include "lib/types.cuh"

template <class E> DEVICE void mma_16816(f32 (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    if constexpr (same_type<E, f16>::value) {
        asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
            : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
    } else {
        asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
            : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
    }
}

template <class E> DEVICE void mma_1688(f32 (&d)[4], u32 a0, u32 a1, u32 b0) {
    if constexpr (same_type<E, f16>::value) {
        asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
            : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
            : "r"(a0), "r"(a1), "r"(b0));
    } else {
        asm("mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
            : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
            : "r"(a0), "r"(a1), "r"(b0));
    }
}

// The nearest value of 10 mantissa bits (ties away from 0), as an f32.
DEVICE f32 to_tf32(f32 x) {
    u32 y;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
    return __uint_as_float(y);
}

DEVICE void mma_1688_tf32(f32 (&d)[4], const f32 (&a)[4], f32 b0, f32 b1) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])), "r"(__float_as_uint(a[3])),
          "r"(__float_as_uint(b0)), "r"(__float_as_uint(b1)));
}

// A product at the precision of f32 from three of tf32: x = high + low with high = tf32(x), and the product of the two low parts (2^-22)
// is left out. The small products first.
DEVICE void split_tf32(f32 x, f32& high, f32& low) {
    high = to_tf32(x);
    low = to_tf32(x - high);
}
