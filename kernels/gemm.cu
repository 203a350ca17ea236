// y = act(x w^T + bias) + residual on tensor cores.
//
// Shapes   x [M, K], w [N, K] (GEGLU: [2 N, K], the values' rows first, then the gates'), y and residual [M, N]; x, w of type T (f16 or
//          bf16), y and residual of type T or f32, bias f32 [N] ([2 N]). K, M and N are any; ALIGNED says that K is a multiple of 8.
//          y may be the residual.
// Blocks   (tiles of COLUMNS columns, tiles of ROWS rows, splits). A warp computes WARP_ROWS x WARP_COLUMNS. Tiles of 64 k (128 bytes a row,
//          16-byte units exchanged by row against bank conflicts) come through STAGES buffers. Each element is one chain of tensor
//          instructions in ascending k, so its bits do not depend on the tile.
// GEGLU    a tile's rows of w are 8 values, their 8 gates, 8 values and so on: a lane holds both of its columns.
// Splits   where one image has few tiles, the k range is cut into a.splits stretches whose sums go to a.partial [splits, M, N or 2 N] in f32;
//          gemm_reduce adds them in order and finishes. The launcher chooses the number by one image's shape.
// Bounds   128 x 128 x 64 by four warps of 64 x 64: 512 tensor instructions a warp (each 6.5 clocks on an H100 by mma.sync) against 32 ldmatrix.x4
//          (4 clocks each for all four warps): the tensor cores bound it from K = 320 on; the small matrices of the 8 x 8 maps are bound by the
//          latency of their k loop.
#include "lib/async.cuh"
#include "lib/gemm.cuh"
#include "lib/mma.cuh"

constexpr int Depth = 64;
constexpr int WarpsDown = ROWS / WARP_ROWS;
constexpr int WarpsAcross = COLUMNS / WARP_COLUMNS;
constexpr int Threads = 32 * WarpsDown * WarpsAcross;
constexpr int RowTiles = WARP_ROWS / 16;
constexpr int ColumnTiles = WARP_COLUMNS / 8;
constexpr int StageBytes = (ROWS + COLUMNS) * Depth * 2;
constexpr int OutColumns = Geglu ? WARP_COLUMNS / 2 : WARP_COLUMNS;
constexpr int OutPitch = OutColumns + 4;

// Row r of a tile of w: its row in w, or -1 beyond the end.
DEVICE i32 weight_row(i32 r, i32 column, i32 columns) {
    if constexpr (Geglu) {
        const i32 c = column / 2 + r / 16 * 8 + r % 8;
        return c < columns ? c + (r & 8 ? columns : 0) : -1;
    } else {
        return column + r < columns ? column + r : -1;
    }
}

// Eight values of a row from k on into their unit of a tile in shared memory.
DEVICE void load_unit(u32 tile, i32 r, i32 unit, const T* source, i64 row, i32 k, i32 end, i32 pitch) {
    const u32 target = tile + r * Depth * 2 + ((unit ^ r & 7) << 4);
    if constexpr (ALIGNED) {
        const bool exists = row >= 0 && k < end;
        async_copy16(target, exists ? source + row * pitch + k : source, exists ? 16 : 0);
    } else {
        u32 x[4];
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const i32 a = k + 2 * i;
            const u32 low = row >= 0 && a < end ? source[row * pitch + a].bits : 0;
            const u32 high = row >= 0 && a + 1 < end ? source[row * pitch + a + 1].bits : 0;
            x[i] = low | high << 16;
        }
        asm volatile("st.shared.v4.b32 [%0], {%1, %2, %3, %4};" ::"r"(target), "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]) : "memory");
    }
}

// The eight k of `unit` for all rows of the tiles of x and w.
DEVICE void load_stage(u32 stage, const GemmArgs& a, i32 row, i32 column, i32 k, i32 end) {
    const i32 unit = threadIdx.x % 8;
#pragma unroll
    for (int i = 0; i < ROWS; i += Threads / 8) {
        const i32 r = i + threadIdx.x / 8;
        if (ROWS % (Threads / 8) == 0 || r < ROWS)
            load_unit(stage, r, unit, a.x, row + r < a.rows ? row + r : -1, k + unit * 8, end, a.depth);
    }
#pragma unroll
    for (int i = 0; i < COLUMNS; i += Threads / 8) {
        const i32 r = i + threadIdx.x / 8;
        if (COLUMNS % (Threads / 8) == 0 || r < COLUMNS)
            load_unit(stage + ROWS * Depth * 2, r, unit, a.w, weight_row(r, column, a.columns), k + unit * 8, end, a.depth);
    }
}

// sum += the products of one stage: x and w at the warp's first rows.
DEVICE void multiply(f32 (&sum)[RowTiles][ColumnTiles][4], u32 x, u32 w) {
    const u32 lane = threadIdx.x & 31;
    const u32 left = x + (lane & 15) * Depth * 2;
    const u32 right = w + ((lane >> 4) * 8 + (lane & 7)) * Depth * 2;
    const u32 leftUnit = (lane >> 4 ^ lane & 7) << 4;
    const u32 rightUnit = ((lane >> 3 & 1) ^ lane & 7) << 4;
#pragma unroll
    for (int i = 0; i < Depth / 16; i++) {
        u32 p[RowTiles][4];
#pragma unroll
        for (int m = 0; m < RowTiles; m++) ldmatrix_x4(p[m], left + m * 16 * Depth * 2 + (leftUnit ^ i << 5));
#pragma unroll
        for (int n = 0; n < ColumnTiles; n += 2) {
            u32 q[4];
            ldmatrix_x4(q, right + n * 8 * Depth * 2 + (rightUnit ^ i << 5));
#pragma unroll
            for (int m = 0; m < RowTiles; m++) {
                mma_16816<T>(sum[m][n], p[m], q[0], q[1]);
                mma_16816<T>(sum[m][n + 1], p[m], q[2], q[3]);
            }
        }
    }
}

// Eight finished values of a row: residual and store.
DEVICE void write_unit(const GemmArgs& a, i32 row, i32 column, const f32* values) {
    const i64 at = (i64)row * a.columns + column;
    constexpr int Count = Vector16<TY>::Count;
    if (a.columns % 8 == 0) {
#pragma unroll
        for (int i = 0; i < 8; i += Count) {
            Vector16<TY> r{};
            if (a.residual != nullptr) r = load_vector<Vector16<TY>>(a.residual + at + i);
#pragma unroll
            for (int j = 0; j < Count; j++)
                r.x[j] = from_f32<TY>(a.residual != nullptr ? values[i + j] + to_f32(r.x[j]) : values[i + j]);
            store_vector(a.y + at + i, r);
        }
    } else {
        for (int i = 0; i < 8 && column + i < a.columns; i++)
            a.y[at + i] = from_f32<TY>(a.residual != nullptr ? values[i] + to_f32(a.residual[at + i]) : values[i]);
    }
}

// Bias and activation in registers; then, 16 rows at a time, through the warp's room in shared memory to rows of 16-byte stores.
DEVICE void finish(f32 (&sum)[RowTiles][ColumnTiles][4], f32* room, const GemmArgs& a, i32 row, i32 column) {
    const i32 lane = threadIdx.x & 31;
    const i32 t = 2 * (lane & 3);
    const i32 first = Geglu ? column / 2 : column;
#pragma unroll
    for (int m = 0; m < RowTiles; m++) {
#pragma unroll
        for (int n = 0; n < ColumnTiles; n += Geglu ? 2 : 1) {
            const i32 place = (Geglu ? n / 2 : n) * 8 + t;
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const i32 r = (lane >> 2) + (e >> 1) * 8;
                const f32 gate = Geglu ? sum[m][n + (Geglu ? 1 : 0)][e] : 0.0f;
                room[r * OutPitch + place + (e & 1)] = activated(a, row + m * 16 + r, first + place + (e & 1), sum[m][n][e], gate);
            }
        }
        __syncwarp();
        for (int i = lane; i < 16 * OutColumns / 8; i += 32) {
            const i32 r = i / (OutColumns / 8);
            const i32 c = i % (OutColumns / 8) * 8;
            if (row + m * 16 + r < a.rows && first + c < a.columns) {
                f32 values[8];
#pragma unroll
                for (int j = 0; j < 8; j += 4) {
                    const Vector<f32, 4> v = load_vector<Vector<f32, 4>>(room + r * OutPitch + c + j);
#pragma unroll
                    for (int l = 0; l < 4; l++) values[j + l] = v.x[l];
                }
                write_unit(a, row + m * 16 + r, first + c, values);
            }
        }
        __syncwarp();
    }
}

// The sums of one stretch of k, in the order of w's rows.
DEVICE void write_partial(const f32 (&sum)[RowTiles][ColumnTiles][4], const GemmArgs& a, i32 row, i32 column) {
    const i32 lane = threadIdx.x & 31;
    const i32 width = Geglu ? 2 * a.columns : a.columns;
    f32* partial = a.partial + (i64)blockIdx.z * a.rows * width;
#pragma unroll
    for (int m = 0; m < RowTiles; m++)
#pragma unroll
        for (int n = 0; n < ColumnTiles; n++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const i32 r = row + m * 16 + (lane >> 2) + (e >> 1) * 8;
                const i32 c = weight_row(n * 8 + 2 * (lane & 3) + (e & 1), column, a.columns);
                if (r < a.rows && c >= 0) partial[(i64)r * width + c] = sum[m][n][e];
            }
}

extern "C" __global__ void __launch_bounds__(Threads) gemm(const GemmArgs a) {
    DYNAMIC_SHARED(memory);
    const i32 warp = threadIdx.x >> 5;
    const i32 warpRow = warp / WarpsAcross * WARP_ROWS;
    const i32 warpColumn = warp % WarpsAcross * WARP_COLUMNS;
    const i32 row = blockIdx.y * ROWS;
    const i32 column = blockIdx.x * COLUMNS;
    const i32 stretch = pieces(pieces(a.depth, Depth), a.splits) * Depth;
    const i32 begin = blockIdx.z * stretch;
    const i32 end = least(a.depth, begin + stretch);
    const i32 steps = most(0, pieces(end - begin, Depth));

    f32 sum[RowTiles][ColumnTiles][4];
#pragma unroll
    for (int m = 0; m < RowTiles; m++)
#pragma unroll
        for (int n = 0; n < ColumnTiles; n++)
#pragma unroll
            for (int e = 0; e < 4; e++) sum[m][n][e] = 0.0f;

    for (i32 s = 0; s < STAGES - 1; s++) {
        if (s < steps) load_stage(shared_address(memory + s * StageBytes), a, row, column, begin + s * Depth, end);
        async_commit();
    }
    for (i32 s = 0; s < steps; s++) {
        async_wait<STAGES - 2>();
        __syncthreads();
        const i32 next = s + STAGES - 1;
        if (next < steps) load_stage(shared_address(memory + next % STAGES * StageBytes), a, row, column, begin + next * Depth, end);
        async_commit();
        const u32 stage = shared_address(memory + s % STAGES * StageBytes);
        multiply(sum, stage + warpRow * Depth * 2, stage + (ROWS + warpColumn) * Depth * 2);
    }
    async_wait<0>();
    __syncthreads();
    if (a.splits > 1) {
        write_partial(sum, a, row + warpRow, column + warpColumn);
    } else {
        finish(sum, reinterpret_cast<f32*>(memory) + warp * 16 * OutPitch, a, row + warpRow, column + warpColumn);
    }
}

// y = act(sum of the partial sums + bias) + residual, in ascending order of the splits. Blocks (256 columns, one row), a thread for each
// element of y.
extern "C" __global__ void __launch_bounds__(256) gemm_reduce(const GemmArgs a) {
    const i32 column = blockIdx.x * 256 + threadIdx.x;
    const i64 row = blockIdx.y;
    if (column >= a.columns) return;
    const i32 width = Geglu ? 2 * a.columns : a.columns;
    const f32* from = a.partial + row * width + column;
    const i64 step = (i64)a.rows * width;
    f32 value = 0.0f;
    f32 gate = 0.0f;
    for (i32 s = 0; s < a.splits; s++) {
        value += from[s * step];
        if constexpr (Geglu) gate += from[s * step + a.columns];
    }
    finish_element(a, row, column, value, gate);
}
