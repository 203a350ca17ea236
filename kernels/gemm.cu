// y = act(x w^T + bias) + residual on tensor cores.
//
// Shapes   x [M, K], w [N, K] (GEGLU: [2 N, K], the values' rows first, then the gates'), y and residual [M, N]; x, w of type T (f16 or
//          bf16), y and residual of type T or f32, bias f32 [N] ([2 N]). K, M and N are any; ALIGNED says that K is a multiple of 8. y
//          may be the residual.
// Blocks   (tiles of COLUMNS columns, tiles of ROWS rows, splits). A warp computes WARP_ROWS x WARP_COLUMNS. Tiles of 64 k (128 bytes a
//          row, 16-byte units exchanged by row against bank conflicts) come through STAGES buffers. Each element is one chain of tensor
//          instructions in ascending k, so its bits do not depend on the tile.
// GEGLU    a tile's rows of w are 8 values, their 8 gates, 8 values and so on: a lane holds both of its columns.
// Order    while a step of 16 k is multiplied, the operands of the next are read and a third of the copies of a later stage is issued;
//          the barrier stands before the last step's products.
// Splits   where one image has few tiles, the k range is cut into a.splits stretches whose sums go to a.partial [splits, M, N or 2 N] in
//          f32; gemm_reduce adds them in order and finishes. The launcher chooses the number by one image's shape.
// Bounds   128 x 128 x 64 by four warps of 64 x 64: 512 tensor instructions a warp (each 6.5 clocks on an H100 by mma.sync) against 32
//          ldmatrix.x4 (4 clocks each for all four warps): the tensor cores bound it from K = 320 on; the small matrices of the 8 x 8
//          maps are bound by the latency of their k loop.
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
constexpr int OutPitch = WARP_COLUMNS + 8;

// Row r of a tile of w: its row in w, or -1 beyond the end.
DEVICE i32 weight_row(i32 r, i32 column, i32 columns) {
    if constexpr (Geglu) {
        const i32 c = column / 2 + r / 16 * 8 + r % 8;
        return c < columns ? c + (r & 8 ? columns : 0) : -1;
    } else {
        return column + r < columns ? column + r : -1;
    }
}

// Copies of one thread: the same unit (8 k, 16 bytes) of every Threads / 8-th row of both tiles. Rows beyond the end repeat the last
// one: what comes of them is not stored.
struct Copies {
    static constexpr int Step = Threads / 8;
    static constexpr int Left = ROWS / Step;
    static constexpr int Right = COLUMNS / Step;

    u32 left[Left];
    u32 right[Right];

    DEVICE_METHOD void prepare(const GemmArgs& a, i32 row, i32 column) {
        const u32 unit = threadIdx.x % 8 * 8;
#pragma unroll
        for (int i = 0; i < Left; i++) {
            const i32 r = least(row + i * Step + (i32)threadIdx.x / 8, a.rows - 1);
            left[i] = (u32)r * (u32)a.depth + unit;
        }
#pragma unroll
        for (int i = 0; i < Right; i++) {
            const i32 r = weight_row(i * Step + threadIdx.x / 8, column, a.columns);
            right[i] = (u32)(r < 0 ? 0 : r) * (u32)a.depth + unit;
        }
    }

    // The copies of a stage in Parts parts, so that they can go between products.
    template <int Part, int Parts> DEVICE_METHOD void run(u32 stage, const GemmArgs& a, i32 k, i32 end) const {
        const i32 r = threadIdx.x / 8;
        const u32 target = stage + r * Depth * 2 + ((threadIdx.x % 8 ^ r & 7) << 4);
        const i32 rest = end - k - (i32)(threadIdx.x % 8 * 8);
        constexpr int Total = Left + Right;
#pragma unroll
        for (int i = Total * Part / Parts; i < Total * (Part + 1) / Parts; i++) {
            if (i < Left) {
                copy(target + i * Step * Depth * 2, a.x + left[i < Left ? i : 0] + k, rest);
            } else {
                copy(target + (ROWS + (i - Left) * Step) * Depth * 2, a.w + right[i < Left ? 0 : i - Left] + k, rest);
            }
        }
    }

    // Eight values, those from `count` on 0.
    static DEVICE_METHOD void copy(u32 target, const T* from, i32 count) {
        if constexpr (ALIGNED) {
            async_copy16(target, count > 0 ? from : from - threadIdx.x % 8 * 8, count > 0 ? 16 : 0);
        } else {
            u32 x[4];
#pragma unroll
            for (int i = 0; i < 4; i++) {
                const u32 low = 2 * i < count ? from[2 * i].bits : 0;
                const u32 high = 2 * i + 1 < count ? from[2 * i + 1].bits : 0;
                x[i] = low | high << 16;
            }
            asm volatile("st.shared.v4.b32 [%0], {%1, %2, %3, %4};" ::"r"(target), "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]) : "memory");
        }
    }
};

static_assert(WARP_COLUMNS % 16 == 0 && WARP_ROWS % 16 == 0, "a warp has whole pairs of tiles");
static_assert(ROWS % (Threads / 8) == 0 && COLUMNS % (Threads / 8) == 0 && Threads / 8 % 8 == 0, "threads share tiles evenly");

// Operands of one step of 16 k.
struct Fragments {
    u32 left[RowTiles][4];
    u32 right[ColumnTiles / 2][4];

    // x and w: a stage at the warp's first rows.
    DEVICE_METHOD void load(u32 x, u32 w, int step) {
        const u32 lane = threadIdx.x & 31;
        const u32 xs = x + (lane & 15) * Depth * 2 + ((lane >> 4 ^ lane & 7) << 4 ^ step << 5);
        const u32 ws = w + ((lane >> 4) * 8 + (lane & 7)) * Depth * 2 + (((lane >> 3 & 1) ^ lane & 7) << 4 ^ step << 5);
#pragma unroll
        for (int m = 0; m < RowTiles; m++) ldmatrix_x4(left[m], xs + m * 16 * Depth * 2);
#pragma unroll
        for (int n = 0; n < ColumnTiles / 2; n++) ldmatrix_x4(right[n], ws + n * 16 * Depth * 2);
    }
};

DEVICE void multiply(f32 (&sum)[RowTiles][ColumnTiles][4], const Fragments& f) {
#pragma unroll
    for (int n = 0; n < ColumnTiles; n++)
#pragma unroll
        for (int m = 0; m < RowTiles; m++) mma_16816<T>(sum[m][n], f.left[m], f.right[n / 2][n % 2 * 2], f.right[n / 2][n % 2 * 2 + 1]);
}

// Eight neighbouring f32 of which the first `count` exist.
DEVICE void load_eight(f32 (&x)[8], const f32* from, i32 count) {
    if (count >= 8 && (u64)from % 16 == 0) {
#pragma unroll
        for (int i = 0; i < 8; i += 4) {
            const Vector<f32, 4> v = load_vector<Vector<f32, 4>>(from + i);
#pragma unroll
            for (int j = 0; j < 4; j++) x[i + j] = v.x[j];
        }
    } else {
#pragma unroll
        for (int i = 0; i < 8; i++) x[i] = i < count ? from[i] : 0.0f;
    }
}

// Ends eight columns of one row of y, whose sums lie in shared memory.
DEVICE void finish_eight(const GemmArgs& a, const f32* sums, i32 row, i32 column) {
    const i32 count = a.columns - column;
    f32 x[8];
    f32 b[8];
    load_eight(x, sums, 8);
    if (a.bias != nullptr) {
        load_eight(b, a.bias + column, count);
#pragma unroll
        for (int i = 0; i < 8; i++) x[i] += b[i];
    }
    f32 gate[8];
    if constexpr (Geglu) {
        load_eight(gate, sums + 8, 8);
        if (a.bias != nullptr) {
            load_eight(b, a.bias + a.columns + column, count);
#pragma unroll
            for (int i = 0; i < 8; i++) gate[i] += b[i];
        }
    }
    if (a.preActivation != nullptr) {
        T* kept = a.preActivation + (i64)row * (Geglu ? 2 * a.columns : a.columns) + column;
        for (int i = 0; i < least(count, 8); i++) {
            kept[i] = from_f32<T>(x[i]);
            if constexpr (Geglu) kept[a.columns + i] = from_f32<T>(gate[i]);
        }
    }
#pragma unroll
    for (int i = 0; i < 8; i++) {
        if constexpr (Geglu) {
            x[i] *= gelu(gate[i]);
        } else {
            x[i] = activate<ACTIVATION>(x[i]);
        }
    }
    const i64 at = (i64)row * a.columns + column;
    constexpr int Count = Vector16<TY>::Count;
    if (a.columns % 8 == 0) {
#pragma unroll
        for (int i = 0; i < 8; i += Count) {
            Vector16<TY> r;
            if (a.residual != nullptr) {
                r = load_vector<Vector16<TY>>(a.residual + at + i);
#pragma unroll
                for (int j = 0; j < Count; j++) x[i + j] += to_f32(r.x[j]);
            }
#pragma unroll
            for (int j = 0; j < Count; j++) r.x[j] = from_f32<TY>(x[i + j]);
            store_vector(a.y + at + i, r);
        }
    } else {
#pragma unroll
        for (int i = 0; i < 8; i++)
            if (i < count) a.y[at + i] = from_f32<TY>(a.residual != nullptr ? x[i] + to_f32(a.residual[at + i]) : x[i]);
    }
}

// The sums of one stretch of k, in the order of w's rows.
DEVICE void keep_eight(const GemmArgs& a, const f32* sums, i32 row, i32 place, i32 column) {
    const i32 width = Geglu ? 2 * a.columns : a.columns;
    const i32 c = weight_row(place, column, a.columns);
    const i32 count = Geglu && c >= a.columns ? width - c : a.columns - c;
    f32* to = a.partial + ((i64)blockIdx.z * a.rows + row) * width + c;
    if (c >= 0)
        for (i32 i = 0; i < least(count, 8); i++) to[i] = sums[i];
}

// The warp's sums go through its room in shared memory, so that a lane ends eight neighbouring columns: rows of 16-byte stores.
DEVICE void finish(const f32 (&sum)[RowTiles][ColumnTiles][4], f32* room, const GemmArgs& a, i32 row, i32 column) {
    const i32 lane = threadIdx.x & 31;
    f32* own = room + (lane >> 2) * OutPitch + 2 * (lane & 3);
#pragma unroll
    for (int m = 0; m < RowTiles; m++)
#pragma unroll
        for (int n = 0; n < ColumnTiles; n++)
#pragma unroll
            for (int r = 0; r < 2; r++)
                store_vector(own + (m * 16 + r * 8) * OutPitch + n * 8, Vector<f32, 2>{{sum[m][n][2 * r], sum[m][n][2 * r + 1]}});
    __syncwarp();
    if (a.splits > 1) {
#pragma unroll 1
        for (i32 i = lane; i < WARP_ROWS * ColumnTiles; i += 32) {
            const i32 r = i / ColumnTiles;
            const i32 place = i % ColumnTiles * 8;
            if (row + r < a.rows) keep_eight(a, room + r * OutPitch + place, row + r, place, column);
        }
        return;
    }
    constexpr int Units = WARP_COLUMNS / (Geglu ? 16 : 8);
    const i32 first = Geglu ? column / 2 : column;
#pragma unroll 1
    for (i32 i = lane; i < WARP_ROWS * Units; i += 32) {
        const i32 r = i / Units;
        const i32 unit = i % Units;
        if (row + r < a.rows && first + unit * 8 < a.columns)
            finish_eight(a, room + r * OutPitch + unit * (Geglu ? 16 : 8), row + r, first + unit * 8);
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

    Copies copies;
    copies.prepare(a, row, column);
    for (i32 s = 0; s < STAGES - 1; s++) {
        if (s < steps) copies.run<0, 1>(shared_address(memory + s * StageBytes), a, begin + s * Depth, end);
        async_commit();
    }
    async_wait<STAGES - 2>();
    __syncthreads();
    const u32 x = shared_address(memory) + warpRow * Depth * 2;
    const u32 w = shared_address(memory) + (ROWS + warpColumn) * Depth * 2;
    Fragments f[2];
    if (steps > 0) f[0].load(x, w, 0);
    u32 stage = 0;
    u32 free = (STAGES - 1) * StageBytes;
    for (i32 s = 0; s < steps; s++) {
        const i32 k = begin + (s + STAGES - 1) * Depth;
        const bool more = s + STAGES - 1 < steps;
        f[1].load(x + stage, w + stage, 1);
        if (more) copies.run<0, 3>(shared_address(memory) + free, a, k, end);
        multiply(sum, f[0]);
        f[0].load(x + stage, w + stage, 2);
        if (more) copies.run<1, 3>(shared_address(memory) + free, a, k, end);
        multiply(sum, f[1]);
        f[1].load(x + stage, w + stage, 3);
        if (more) copies.run<2, 3>(shared_address(memory) + free, a, k, end);
        async_commit();
        multiply(sum, f[0]);
        free = stage;
        stage = stage + StageBytes == STAGES * StageBytes ? 0 : stage + StageBytes;
        async_wait<STAGES - 2>();
        __syncthreads();
        if (s + 1 < steps) f[0].load(x + stage, w + stage, 0);
        multiply(sum, f[1]);
    }
    async_wait<0>();
    __syncthreads();
    finish(sum, reinterpret_cast<f32*>(memory) + warp * WARP_ROWS * OutPitch, a, row + warpRow, column + warpColumn);
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
