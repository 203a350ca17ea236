// Shared memory: addresses, the dynamic part, and ldmatrix.
#pragma once
#include "lib/types.cuh"

// The block's dynamic shared memory, given its size by the launch.
#define DYNAMIC_SHARED(name) extern __shared__ __align__(128) u8 name[]

// The 32-bit address that ldmatrix and cp.async take.
DEVICE u32 shared_address(const void* p) { return (u32)__cvta_generic_to_shared(p); }

// The row pitch in elements (two bytes each) at which the eight 16-byte rows of an 8x8 matrix lie in different banks: an odd number
// of 16-byte units. width is a multiple of 8.
DEVICE constexpr int padded_pitch(int width) { return width / 8 % 2 == 1 ? width : width + 8; }

// ldmatrix (PTX ISA, "Warp-level matrix load instruction"): loads 8x8 matrices of two-byte elements. Lane i gives the address of one
// row of 16 bytes: lanes 0-7 the rows of matrix 0, lanes 8-15 of matrix 1, and so on. Lane i receives, of matrix m, the elements
// [i / 4][2 (i % 4)] (lower half) and [i / 4][2 (i % 4) + 1] (upper half) in r[m].
DEVICE void ldmatrix_x4(u32 (&r)[4], u32 address) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}

DEVICE void ldmatrix_x2(u32 (&r)[2], u32 address) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(address) : "memory");
}

// The same matrices transposed: lane i receives the elements [2 (i % 4)][i / 4] and [2 (i % 4) + 1][i / 4].
DEVICE void ldmatrix_x4_trans(u32 (&r)[4], u32 address) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}

DEVICE void ldmatrix_x2_trans(u32 (&r)[2], u32 address) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(address) : "memory");
}
