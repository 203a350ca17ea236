// y = act(x w^T + bias) + residual by multiply-adds in f32; the arguments and shapes of gemm.cu with T = f32, sizes are any.
//
// Blocks   (tiles of 64 columns of w, tiles of 64 rows): 256 threads of 4 x 4 sums. Tiles of 16 k lie transposed in shared memory, the
//          next one is already in registers. Each element is one chain of multiply-adds in ascending k. GEGLU: a thread's columns are two
//          values and their gates.
// Bounds   a thread reads 8 values of shared memory for 16 multiply-adds: about half of the f32 peak (30 of 60 TFLOP/s on an H100). F32
//          is there to compare with, not to be fast.
#include "lib/gemm.cuh"

constexpr int Tile = 64;
constexpr int Depth = 16;
constexpr int Pitch = Tile + 4;
constexpr int Threads = 256;

// The row of w at place c of a tile, or -1: with GEGLU of four neighbouring places two are values and two their gates.
DEVICE i32 weight_row(const GemmArgs& a, i32 c) {
    if constexpr (Geglu) {
        const i32 column = blockIdx.x * (Tile / 2) + c / 4 * 2 + (c & 1);
        return column < a.columns ? column + (c & 2 ? a.columns : 0) : -1;
    } else {
        const i32 column = blockIdx.x * Tile + c;
        return column < a.columns ? column : -1;
    }
}

DEVICE f32 element(const f32* source, i64 row, i32 k, i32 depth) { return row >= 0 && k < depth ? source[row * depth + k] : 0.0f; }

extern "C" __global__ void __launch_bounds__(Threads) gemm_f32(const GemmArgs a) {
    __shared__ __align__(16) f32 left[Depth * Pitch];
    __shared__ __align__(16) f32 right[Depth * Pitch];
    const i32 k = threadIdx.x % Depth;
    const i32 place = threadIdx.x / Depth;
    const i32 row = threadIdx.x / 16 * 4;
    const i32 column = threadIdx.x % 16 * 4;
    f32 sum[4][4] = {};
    f32 x[4];
    f32 w[4];
    i64 rows[4];
    i64 columns[4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const i32 r = blockIdx.y * Tile + place + i * 16;
        rows[i] = r < a.rows ? r : -1;
        columns[i] = weight_row(a, place + i * 16);
        x[i] = element(a.x, rows[i], k, a.depth);
        w[i] = element(a.w, columns[i], k, a.depth);
    }
    for (i32 start = 0; start < a.depth; start += Depth) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            left[k * Pitch + place + i * 16] = x[i];
            right[k * Pitch + place + i * 16] = w[i];
        }
        __syncthreads();
#pragma unroll
        for (int i = 0; i < 4; i++) {
            x[i] = element(a.x, rows[i], start + Depth + k, a.depth);
            w[i] = element(a.w, columns[i], start + Depth + k, a.depth);
        }
#pragma unroll
        for (int d = 0; d < Depth; d++) {
            const Vector<f32, 4> p = load_vector<Vector<f32, 4>>(left + d * Pitch + row);
            const Vector<f32, 4> q = load_vector<Vector<f32, 4>>(right + d * Pitch + column);
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++) sum[i][j] = fmaf(p.x[i], q.x[j], sum[i][j]);
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const i64 r = blockIdx.y * Tile + row + i;
        if (r >= a.rows) continue;
#pragma unroll
        for (int j = 0; j < (Geglu ? 2 : 4); j++) {
            const i32 c = Geglu ? blockIdx.x * (Tile / 2) + column / 2 + j : blockIdx.x * Tile + column + j;
            if (c < a.columns) finish_element(a, r, c, sum[i][j], Geglu ? sum[i][j + 2] : 0.0f);
        }
    }
}
