// y = relu?(conv(x, w) + bias + rowBias[image]) + residual
//
// x [B, H, W, I] of T, w [O, k, k, I] of T, bias [O] of f32, rowBias [B, O] of T; residual and y [B, H', W', O] of T, or both of f32 (the
// last layer of a network); y may be the residual. Output pixel (p, q) meets input pixel ((p stride + r - border) / u, ...) for tap (r, s);
// u = 2 doubles the input by repetition; what lies outside of the (doubled) input is 0. So RightBottom is a border of 0 with more outputs.
//
// Who: an implicit product [pixels x K] [K x O] with K = (tap, channel), on tensor cores. A block computes ROWS output pixels (of all
// images, in order) times COLUMNS outputs; WARPS = 10 m + n lays m x n warps over that tile, and SLICES such sets of warps share the K of
// each slab. A slab is 128 bytes of K of one tap (or, with GATHER, of the flat K); STAGES slabs are under way by cp.async. A row of a slab
// is eight 16-byte chunks, chunk c of row r stored at c ^ (r % 8), so that neither the copies nor ldmatrix meet a bank twice.
// gridDim.y > 1 splits K in pieces of whole slabs whose F32 sums go to `partial`; conv2d_join adds them in order. Tiles, slices and splits
// follow from the shape of one image and the type: the bits do not depend on the batch.
// GATHER takes any I (conv_in's 4, 9 or 3 channels, patches of an image) by single loads; otherwise 16 bytes hold channels of one pixel.
// f32 takes three products of tf32 (mma.cuh): the layout in bytes is that of the two-byte types.
//
// Cost, 64x64x320 -> 320, one image, F16: 7.5 GFLOP; x, y, w once are 7.1 MB (2.4 us of an H100's memory), mma.sync at 62 % of 989 TFLOP/s
// 12.3 us. Per warp and 16 of K, a 64 x 80 tile reads 4.6 KB of shared memory (36 clocks) for 65 clocks of tensor core: the tensor core
// bounds it. 8x8x1280 -> 1280: 29.5 MB of weights (9.8 us at 3 TB/s) against 3.1 us an image: memory bounds it below 4 images.
#include "lib/async.cuh"
#include "lib/mma.cuh"
#include "lib/shared.cuh"
#include "lib/types.cuh"

// Sizes count elements. pixels = B outputHeight outputWidth; slabs: slabs of K for each piece of a split. x and w are aligned to 16 bytes;
// without GATHER inputs is a multiple of 16 bytes. outputWidth, outputHeight < 16384.
struct Conv2dArgs {
    void* y;
    const T* x;
    const T* w;
    const f32* bias;
    const T* rowBias;
    const void* residual;
    f32* partial;
    i32 pixels;
    i32 height;
    i32 width;
    i32 inputs;
    i32 outputHeight;
    i32 outputWidth;
    i32 outputs;
    i32 kernel;
    i32 stride;
    i32 border;
    i32 upsample;
    i32 slabs;
    i32 splits;
    i32 relu;
    i32 f32Result;
};

#ifndef ROWS
#define ROWS 128
#define COLUMNS 128
#define WARPS 22
#define SLICES 1
#define STAGES 3
#define GATHER 0
#endif

constexpr i32 WarpsM = WARPS / 10, WarpsN = WARPS % 10, TileWarps = WarpsM * WarpsN, Threads = TileWarps * SLICES * 32;
constexpr i32 RowBytes = 128, Chunks = RowBytes / 16, Elements = 16 / sizeof(T), Slab = RowBytes / sizeof(T);
constexpr i32 Steps = RowBytes / 32 / SLICES;
constexpr i32 M = ROWS / WarpsM, N = COLUMNS / WarpsN, TilesM = M / 16, PairsN = N / 16;
constexpr i32 CopyRows = Threads / Chunks, CopiesA = pieces(ROWS, CopyRows), CopiesB = pieces(COLUMNS, CopyRows);
constexpr u32 StageBytes = (ROWS + COLUMNS) * RowBytes;
constexpr i32 SumPitch = COLUMNS + 8;
static_assert(ROWS % WarpsM == 0 && M % 16 == 0 && COLUMNS % WarpsN == 0 && N % 16 == 0 && ROWS % CopyRows == 0 && Steps % 2 == 0, "tile");
constexpr u32 Nowhere = 0xffffffffu;

// One step of 32 bytes of K on a 16 x 8 tile.
DEVICE void multiply(f32 (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    if constexpr (sizeof(T) == 2) {
        mma_16816<T>(d, a, b0, b1);
    } else {
        f32 ah[4], al[4], bh[2], bl[2];
#pragma unroll
        for (i32 i = 0; i < 4; i++) split_tf32(__uint_as_float(a[i]), ah[i], al[i]);
        split_tf32(__uint_as_float(b0), bh[0], bl[0]);
        split_tf32(__uint_as_float(b1), bh[1], bl[1]);
        mma_1688_tf32(d, al, bh[0], bh[1]);
        mma_1688_tf32(d, ah, bl[0], bl[1]);
        mma_1688_tf32(d, ah, bh[0], bh[1]);
    }
}

// The place of output pixel m in the input: its image's first element and the corner of its window, two numbers of 16 bits.
struct alignas(8) Window {
    u32 image;
    u32 corner;

    static __device__ __forceinline__ Window at(const Conv2dArgs& a, i32 m, i32 unit) {
        const i32 area = a.outputHeight * a.outputWidth, image = m / area, pixel = m - image * area;
        const i32 p = pixel / a.outputWidth, q = pixel - p * a.outputWidth;
        const u32 corner = (u32)(p * a.stride - a.border) << 16 | ((u32)(q * a.stride - a.border) & 0xffff);
        return {(u32)image * (u32)(a.height * a.width) * (u32)(a.inputs / unit), m < a.pixels ? corner : 0x80008000u};
    }

    // Index of the input pixel that tap (r, s) meets, within its image; -1 outside.
    __device__ __forceinline__ i32 pixel(const Conv2dArgs& a, i32 r, i32 s) const {
        const i32 y = ((i32)corner >> 16) + r, x = (i32)(short)(corner & 0xffff) + s;
        const bool inside = (u32)y < (u32)(a.height << a.upsample) && (u32)x < (u32)(a.width << a.upsample);
        return inside ? (y >> a.upsample) * a.width + (x >> a.upsample) : -1;
    }
};

// Brings slabs of K to shared memory. A thread copies one chunk of every CopyRows-th row.
struct Loader {
    const Conv2dArgs& a;
    const Window* windows;
    const i32 chunk, row, column, taps, chunks;
    u32 sources[CopiesA];
    i32 tap, position;

    // windows: of the tile's rows, in shared memory.
    __device__ __forceinline__ Loader(const Conv2dArgs& a, const Window* tile, i32 n, i32 slab)
        : a(a), windows(tile + threadIdx.x / Chunks), chunk(threadIdx.x % Chunks), row(threadIdx.x / Chunks), column(n + row),
          taps(a.kernel * a.kernel), chunks(GATHER ? taps * a.inputs : a.inputs / Elements) {
        const i32 slabsPerTap = pieces(chunks, Chunks);
        tap = GATHER ? 0 : slab / slabsPerTap;
        position = GATHER ? slab * Slab : (slab - tap * slabsPerTap) * Chunks;
        if constexpr (!GATHER) turn();
    }

    // The rows' pixels for this tap.
    __device__ __forceinline__ void turn() {
        const i32 r = tap / a.kernel, s = tap - r * a.kernel;
#pragma unroll
        for (i32 i = 0; i < CopiesA; i++) {
            const Window window = windows[i * CopyRows];
            const i32 pixel = window.pixel(a, r, s);
            sources[i] = pixel < 0 ? Nowhere : window.image + (u32)pixel * (u32)chunks;
        }
    }

    static __device__ __forceinline__ u32 place(i32 row, i32 chunk) { return row * RowBytes + ((chunk ^ (row & 7)) << 4); }

    // Part `part` of `parts` of the slab at hand, to the stage at `target`; `wanted` is false past the end of K, where zeros go.
    __device__ __forceinline__ void load(u32 target, i32 part, i32 parts, bool wanted) {
        const u32 to = target + place(row, chunk);
        const bool here = wanted && position + chunk < chunks;
        const u8* x = reinterpret_cast<const u8*>(a.x) + (u64)(position + chunk) * 16;
        const u8* w = reinterpret_cast<const u8*>(a.w) + (u64)((u32)column * (u32)(taps * chunks) + tap * chunks + position + chunk) * 16;
#pragma unroll
        for (i32 i = 0; i < CopiesA + CopiesB; i++) {
            if (i * parts / (CopiesA + CopiesB) != part) continue;
            if (i < CopiesA) {
                const bool there = here && sources[i < CopiesA ? i : 0] != Nowhere;
                const u8* from = there ? x + (u64)sources[i < CopiesA ? i : 0] * 16 : reinterpret_cast<const u8*>(a.x);
                async_copy16(to + i * CopyRows * RowBytes, from, there ? 16 : 0);
            } else if (const i32 j = i - CopiesA; COLUMNS % CopyRows == 0 || row + j * CopyRows < COLUMNS) {
                const bool there = here && column + j * CopyRows < a.outputs;
                const u8* from = there ? w + (u64)(j * CopyRows) * (u32)(taps * chunks) * 16 : reinterpret_cast<const u8*>(a.w);
                async_copy16(to + (ROWS + j * CopyRows) * RowBytes, from, there ? 16 : 0);
            }
        }
    }

    // To the next slab.
    __device__ __forceinline__ void advance() {
        if constexpr (GATHER) {
            position += Slab;
        } else {
            position += Chunks;
            if (position >= chunks) {
                position = 0;
                tap++;
                turn();
            }
        }
    }

    // The whole slab element by element, through registers; here K is flat and `chunks` its length.
    __device__ __forceinline__ void gather(u8* target) {
        Vector16<T> xs[CopiesA], ws[CopiesB];
#pragma unroll
        for (i32 e = 0; e < Elements; e++) {
            const i32 k = position + chunk * Elements + e, t = k / a.inputs, c = k - t * a.inputs, r = t / a.kernel, s = t - r * a.kernel;
#pragma unroll
            for (i32 i = 0; i < CopiesA; i++) {
                const Window window = windows[i * CopyRows];
                const i32 pixel = k < chunks ? window.pixel(a, r, s) : -1;
                xs[i].x[e] = pixel < 0 ? T() : a.x[window.image + (u32)pixel * (u32)a.inputs + c];
            }
#pragma unroll
            for (i32 i = 0; i < CopiesB; i++) {
                const i32 n = column + i * CopyRows;
                ws[i].x[e] = k < chunks && n < a.outputs ? a.w[(u64)n * chunks + k] : T();
            }
        }
        u8* to = target + place(row, chunk);
#pragma unroll
        for (i32 i = 0; i < CopiesA; i++) *reinterpret_cast<Vector16<T>*>(to + i * CopyRows * RowBytes) = xs[i];
#pragma unroll
        for (i32 i = 0; i < CopiesB; i++) {
            if (COLUMNS % CopyRows == 0 || row + i * CopyRows < COLUMNS) {
                *reinterpret_cast<Vector16<T>*>(to + (ROWS + i * CopyRows) * RowBytes) = ws[i];
            }
        }
    }
};

// Ends W neighbouring sums of pixel m, outputs n on.
template <i32 W> DEVICE void finish(const Conv2dArgs& a, i32 m, i32 n, const Vector<f32, W>& sums) {
    const u64 place = (u64)m * a.outputs + n;
    Vector<f32, W> v = sums;
    if (a.bias) {
        const auto bias = load_vector<Vector<f32, W>>(a.bias + n);
#pragma unroll
        for (i32 i = 0; i < W; i++) v.x[i] += bias.x[i];
    }
    if (a.rowBias) {
        const auto bias = load_vector<Vector<T, W>>(a.rowBias + (u64)(m / (a.outputHeight * a.outputWidth)) * a.outputs + n);
#pragma unroll
        for (i32 i = 0; i < W; i++) v.x[i] += to_f32(bias.x[i]);
    }
    if (a.relu) {
#pragma unroll
        for (i32 i = 0; i < W; i++) v.x[i] = fmaxf(v.x[i], 0.0f);
    }
    if (a.f32Result) {
        if (a.residual) {
            const auto more = load_vector<Vector<f32, W>>(reinterpret_cast<const f32*>(a.residual) + place);
#pragma unroll
            for (i32 i = 0; i < W; i++) v.x[i] += more.x[i];
        }
        store_vector(reinterpret_cast<f32*>(a.y) + place, v);
        return;
    }
    if (a.residual) {
        const auto more = load_vector<Vector<T, W>>(reinterpret_cast<const T*>(a.residual) + place);
#pragma unroll
        for (i32 i = 0; i < W; i++) v.x[i] += to_f32(more.x[i]);
    }
    Vector<T, W> result;
#pragma unroll
    for (i32 i = 0; i < W; i++) result.x[i] = from_f32<T>(v.x[i]);
    store_vector(reinterpret_cast<T*>(a.y) + place, result);
}

// The tile's sums from shared memory to y or to this piece's part of `partial`, W at a time.
template <i32 W> DEVICE void write(const Conv2dArgs& a, const f32* sums, i32 m0, i32 n0) {
    for (i32 i = threadIdx.x; i < ROWS * COLUMNS / W; i += Threads) {
        const i32 row = i / (COLUMNS / W), column = i % (COLUMNS / W) * W, m = m0 + row, n = n0 + column;
        if (m >= a.pixels || n >= a.outputs) continue;
        const auto v = load_vector<Vector<f32, W>>(sums + row * SumPitch + column);
        if (a.partial) {
            store_vector(a.partial + ((u64)blockIdx.y * a.pixels + m) * a.outputs + n, v);
        } else {
            finish<W>(a, m, n, v);
        }
    }
}

extern "C" __global__ void __launch_bounds__(Threads) conv2d(const Conv2dArgs a) {
    DYNAMIC_SHARED(memory);
    const i32 lane = threadIdx.x % 32, warp = threadIdx.x / 32, slice = warp / TileWarps, place = warp % TileWarps;
    const i32 tilesN = pieces(a.outputs, COLUMNS), m0 = blockIdx.x / tilesN * ROWS, n0 = blockIdx.x % tilesN * COLUMNS;
    const i32 warpM = place / WarpsN * M, warpN = place % WarpsN * N;
    const i32 all = GATHER ? pieces(a.kernel * a.kernel * a.inputs, Slab) : a.kernel * a.kernel * pieces(a.inputs, Slab);
    const i32 first = blockIdx.y * a.slabs, count = least(a.slabs, all - first);

    __shared__ Window windows[ROWS];
    for (i32 i = threadIdx.x; i < ROWS; i += Threads) windows[i] = Window::at(a, m0 + i, GATHER ? 1 : Elements);
    __syncthreads();

    const u32 base = shared_address(memory);
    Loader loader(a, windows, n0, first);
#pragma unroll
    for (i32 i = 0; i < STAGES - 1; i++) {
        if constexpr (GATHER) {
            if (i < count) loader.gather(memory + i * StageBytes);
        } else {
            loader.load(base + i * StageBytes, 0, 1, i < count);
        }
        async_commit();
        loader.advance();
    }

    f32 sums[TilesM][2 * PairsN][4];
#pragma unroll
    for (i32 i = 0; i < TilesM; i++) {
#pragma unroll
        for (i32 j = 0; j < 2 * PairsN; j++) {
#pragma unroll
            for (i32 e = 0; e < 4; e++) sums[i][j][e] = 0.0f;
        }
    }

    // ldmatrix rows of this lane: see mma.cuh. Rows of tiles are multiples of 8, so r % 8 is the lane's alone.
    const u32 turn = lane & 7;
    const u32 rowA = base + (warpM + (lane & 15)) * RowBytes, rowB = base + (ROWS + warpN + (lane >> 4) * 8 + (lane & 7)) * RowBytes;
    const u32 chunkA = slice * Steps * 2 + (lane >> 4), chunkB = slice * Steps * 2 + ((lane >> 3) & 1);
    u32 as[2][TilesM][4], bs[2][4];
    const auto load_a = [&](u32 stage, i32 step) {
#pragma unroll
        for (i32 i = 0; i < TilesM; i++) {
            ldmatrix_x4(as[step % 2][i], rowA + stage + i * 16 * RowBytes + (((chunkA + 2 * step) ^ turn) << 4));
        }
    };
    const auto load_b = [&](u32 stage, i32 step, i32 pair) {
        ldmatrix_x4(bs[(step * PairsN + pair) % 2], rowB + stage + pair * 16 * RowBytes + (((chunkB + 2 * step) ^ turn) << 4));
    };
    async_wait<STAGES - 2>();
    __syncthreads();
    load_a(0, 0);
    load_b(0, 0, 0);

    // Before the last products of a slab all of it is in registers: there the block moves on to the next one, whose first fragments arrive
    // during those products. The copies of the slab STAGES - 1 ahead are spread over the others.
    u32 reading = 0, writing = (STAGES - 1) * StageBytes;
    for (i32 k = 0; k < count; k++) {
        const bool wanted = k + STAGES - 1 < count;
        if constexpr (GATHER) {
            if (wanted) loader.gather(memory + writing);
        }
        const u32 after = k + 1 == count ? reading : reading + StageBytes == STAGES * StageBytes ? 0 : reading + StageBytes;
#pragma unroll
        for (i32 step = 0; step < Steps; step++) {
#pragma unroll
            for (i32 j = 0; j < PairsN; j++) {
                constexpr i32 Places = Steps * PairsN;
                const i32 at = step * PairsN + j;
                if (at == Places - 1) {
                    async_commit();
                    async_wait<STAGES - 2>();
                    __syncthreads();
                    load_a(after, 0);
                    load_b(after, 0, 0);
                } else {
                    if (j + 1 < PairsN) {
                        load_b(reading, step, j + 1);
                    } else {
                        load_b(reading, step + 1, 0);
                    }
                    if (j == 0 && step + 1 < Steps) load_a(reading, step + 1);
                    if constexpr (!GATHER) loader.load(base + writing, at, Places - 1, wanted);
                }
#pragma unroll
                for (i32 i = 0; i < TilesM; i++) {
                    multiply(sums[i][2 * j], as[step % 2][i], bs[at % 2][0], bs[at % 2][1]);
                    multiply(sums[i][2 * j + 1], as[step % 2][i], bs[at % 2][2], bs[at % 2][3]);
                }
            }
        }
        loader.advance();
        writing = writing + StageBytes == STAGES * StageBytes ? 0 : writing + StageBytes;
        reading = after;
    }

    // The slices' sums meet in shared memory, in order.
    async_wait<0>();
    f32* tile = reinterpret_cast<f32*>(memory);
#pragma unroll
    for (i32 turnOf = 0; turnOf < SLICES; turnOf++) {
        __syncthreads();
        if (slice != turnOf) continue;
#pragma unroll
        for (i32 i = 0; i < TilesM; i++) {
#pragma unroll
            for (i32 j = 0; j < 2 * PairsN; j++) {
#pragma unroll
                for (i32 half = 0; half < 2; half++) {
                    f32* to = tile + (warpM + i * 16 + half * 8 + lane / 4) * SumPitch + warpN + j * 8 + lane % 4 * 2;
                    Vector<f32, 2> v = {sums[i][j][2 * half], sums[i][j][2 * half + 1]};
                    if (turnOf > 0) {
                        const auto before = load_vector<Vector<f32, 2>>(to);
                        v.x[0] += before.x[0];
                        v.x[1] += before.x[1];
                    }
                    store_vector(to, v);
                }
            }
        }
    }
    __syncthreads();
    if (a.outputs % Elements == 0) {
        write<Elements>(a, tile, m0, n0);
    } else {
        write<1>(a, tile, m0, n0);
    }
}

// The sums of a split, in the order of the pieces; a thread ends W outputs of a pixel.
template <i32 W> DEVICE void join(const Conv2dArgs& a) {
    const u32 groups = a.outputs / W, i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= (u32)a.pixels * groups) return;
    const u64 pitch = (u64)a.pixels * a.outputs;
    Vector<f32, W> sum = load_vector<Vector<f32, W>>(a.partial + (u64)i * W);
    for (i32 piece = 1; piece < a.splits; piece++) {
        const auto more = load_vector<Vector<f32, W>>(a.partial + piece * pitch + (u64)i * W);
#pragma unroll
        for (i32 e = 0; e < W; e++) sum.x[e] += more.x[e];
    }
    finish<W>(a, (i32)(i / groups), (i32)(i % groups) * W, sum);
}

extern "C" __global__ void __launch_bounds__(256) conv2d_join(const Conv2dArgs a) {
    if (a.outputs % Elements == 0) {
        join<Elements>(a);
    } else {
        join<1>(a);
    }
}
