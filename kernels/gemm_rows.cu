// y = act(x w^T + bias) + residual for few rows: the products of vectors (time embeddings, pooled text). Arguments and shapes of gemm.cu,
// any type.
//
// Blocks   (groups of 8 COLUMNS columns, groups of 8 rows). A warp owns COLUMNS columns; its lanes share the k of a row in units of 16
//          bytes, and a tree over the lanes adds up. A row's bits do not depend on the others. ALIGNED: K is a multiple of a unit.
// Bounds   w is read once: 2 N K bytes at 3 TB/s, 1.1 microseconds for 1280 x 1280 on an H100; so a launch costs more than the work.
#include "lib/gemm.cuh"
#include "lib/reduce.cuh"

constexpr int Rows = 8;
constexpr int Warps = 8;
constexpr int Unit = ALIGNED ? Vector16<T>::Count : 1;
constexpr int Sums = Geglu ? 2 * COLUMNS : COLUMNS;

extern "C" __global__ void __launch_bounds__(32 * Warps) gemm_rows(const GemmArgs a) {
    const i32 lane = threadIdx.x & 31;
    const i32 column = (blockIdx.x * Warps + (threadIdx.x >> 5)) * COLUMNS;
    const i32 row = blockIdx.y * Rows;
    if (column >= a.columns) return;
    const T* w[Sums];
#pragma unroll
    for (int c = 0; c < Sums; c++) {
        const i32 own = least(column + c % COLUMNS, a.columns - 1) + (c >= COLUMNS ? a.columns : 0);
        w[c] = a.w + (i64)own * a.depth;
    }
    f32 sum[Rows][Sums] = {};
    for (i32 k = lane * Unit; k < a.depth; k += 32 * Unit) {
        Vector<T, Unit> right[Sums];
#pragma unroll
        for (int c = 0; c < Sums; c++) right[c] = load_vector<Vector<T, Unit>>(w[c] + k);
#pragma unroll
        for (int r = 0; r < Rows; r++) {
            if (row + r < a.rows) {
                const Vector<T, Unit> left = load_vector<Vector<T, Unit>>(a.x + (i64)(row + r) * a.depth + k);
#pragma unroll
                for (int c = 0; c < Sums; c++)
#pragma unroll
                    for (int i = 0; i < Unit; i++) sum[r][c] = fmaf(to_f32(left.x[i]), to_f32(right[c].x[i]), sum[r][c]);
            }
        }
    }
#pragma unroll
    for (int r = 0; r < Rows; r++) {
#pragma unroll
        for (int c = 0; c < Sums; c++) sum[r][c] = warp_sum(sum[r][c]);
        if (lane == 0 && row + r < a.rows) {
#pragma unroll
            for (int c = 0; c < COLUMNS; c++)
                if (column + c < a.columns) finish_element(a, row + r, column + c, sum[r][c], Geglu ? sum[r][c + COLUMNS] : 0.0f);
        }
    }
}
