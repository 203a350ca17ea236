// Sums and maxima over the lanes of a warp and the warps of a block, in an order that depends on nothing but the block's size:
// a tree over the lanes (every lane gets the same bits), then one over the warps.
#pragma once
#include "lib/types.cuh"

constexpr u32 AllLanes = 0xffffffffu;

DEVICE f32 warp_sum(f32 x) {
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2) x += __shfl_xor_sync(AllLanes, x, offset);
    return x;
}

DEVICE f32 warp_max(f32 x) {
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2) x = fmaxf(x, __shfl_xor_sync(AllLanes, x, offset));
    return x;
}

// The sum over a block of Threads threads (a multiple of 32, at most 1024), for all of them. scratch: 32 f32 of shared memory,
// free for reuse by others after the next barrier.
template <int Threads> DEVICE f32 block_sum(f32 x, f32* scratch) {
    constexpr int Warps = Threads / 32;
    const int lane = threadIdx.x & 31;
    x = warp_sum(x);
    __syncthreads();
    if (lane == 0) scratch[threadIdx.x >> 5] = x;
    __syncthreads();
    return warp_sum(lane < Warps ? scratch[lane] : 0.0f);
}

// The largest value of a block, for all threads; the rest as block_sum.
template <int Threads> DEVICE f32 block_max(f32 x, f32* scratch) {
    constexpr int Warps = Threads / 32;
    const int lane = threadIdx.x & 31;
    x = warp_max(x);
    __syncthreads();
    if (lane == 0) scratch[threadIdx.x >> 5] = x;
    __syncthreads();
    return warp_max(lane < Warps ? scratch[lane] : scratch[0]);
}
