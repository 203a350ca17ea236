// y = conv(x, w) + bias + rowBias[image] + residual, with relu the larger of that and 0
//
// x [B, H, W, I] of T, w [O, k, k, I] of T, bias [O] of f32, rowBias [B, O] of T; residual and y [B, H', W', O] of T, or both of f32 (the
// last layer of a network); y may be the residual. Output pixel (p, q) meets input pixel ((p stride + r - border) / u, ...) for tap (r, s);
// u = 2 doubles the input by repetition; what lies outside of the (doubled) input is 0. So RightBottom is a border of 0 with more outputs.
//
// Who: an implicit product [pixels x K] [K x O] with K = (tap, channel), on tensor cores. A block computes ROWS output pixels (of all
// images, in order) times COLUMNS outputs; WARPS = 10 m + n lays m x n warps over that tile, and SLICES such sets of warps share the K of
// each slab. A slab is 128 bytes of K of one tap (MODE Gather: of the flat K); STAGES slabs are under way by cp.async. A row of a slab
// is eight 16-byte chunks, chunk c of row r stored at c ^ (r % 8), so that neither the copies nor ldmatrix meet a bank twice.
// gridDim.y > 1 splits K in pieces of whole slabs whose F32 sums go to `partial`; conv2d_join adds them in order. Tiles, slices and splits
// follow from the shape of one image and the type: the bits do not depend on the batch.
// MODE Gather takes any I (conv_in's 4, 9 or 3 channels, patches of an image) by single loads; otherwise 16 bytes hold channels of one
// pixel, and Whole knows that COLUMNS divide O and slabs I, while Edges asks.
// f32 takes multiply-adds: three products of tf32 are twice as fast but add with truncation, outside of f32's tolerance.
//
// Cost, 64x64x320 -> 320, one image, F16: 7.5 GFLOP; x, y, w once are 7.1 MB (2.4 us of an H100's memory), mma.sync at 62 % of 989 TFLOP/s
// 12.3 us. Per warp and 16 of K, a 64 x 80 tile reads 4.6 KB of shared memory (36 clocks) for 65 clocks of tensor core: the tensor core
// bounds it. 8x8x1280 -> 1280: 29.5 MB of weights (9.8 us at 3 TB/s) against 3.1 us an image: memory bounds it below 4 images.
#include "lib/async.cuh"
#include "lib/mma.cuh"
#include "lib/shared.cuh"
#include "lib/types.cuh"

// Dynamic shared memory: STAGES slabs and a window of 8 bytes for each row; later, in their place, the tile's sums in f32, 8 to a row more.
// Sizes count elements. pixels = B outputHeight outputWidth; slabs: slabs of K for each piece of a split. x and w are aligned to 16 bytes;
// with Whole and Edges inputs is a multiple of 16 bytes. outputWidth, outputHeight < 16384.
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
    i32 f32Result;
    i32 relu;
};

#ifndef ROWS
#define ROWS 128
#define COLUMNS 128
#define WARPS 22
#define SLICES 1
#define STAGES 3
#define MODE 0
#endif

constexpr i32 Whole = 0, Edges = 1, Gather = 2;
constexpr i32 WarpsM = WARPS / 10, WarpsN = WARPS % 10, TileWarps = WarpsM * WarpsN, Threads = TileWarps * SLICES * 32;
constexpr i32 RowBytes = 128, Chunks = RowBytes / 16, Elements = 16 / sizeof(T), Slab = RowBytes / sizeof(T);
constexpr i32 Steps = RowBytes / 32 / SLICES;
constexpr i32 M = ROWS / WarpsM, N = COLUMNS / WarpsN, TilesM = M / 16, PairsN = N / 16;
constexpr i32 CopyRows = Threads / Chunks, CopiesA = pieces(ROWS, CopyRows), CopiesB = pieces(COLUMNS, CopyRows);
constexpr u32 StageBytes = (ROWS + COLUMNS) * RowBytes;
constexpr i32 SumPitch = COLUMNS + 8;
static_assert(ROWS % WarpsM == 0 && M % 16 == 0 && COLUMNS % WarpsN == 0 && N % 16 == 0 && ROWS % CopyRows == 0 && Steps % 2 == 0, "tile");

// A value that the compiler has to keep in a register: it would rather compute it again in every turn of the loop.
DEVICE u32 held(u32 x) {
    asm volatile("" : "+r"(x));
    return x;
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

// Brings slabs of K to shared memory. A thread copies one chunk of every CopyRows-th row. What a copy takes besides itself is what the loop
// pays: an address is a pointer that moves on by a slab and an offset that changes with the tap.
struct Loader {
    const Conv2dArgs& a;
    const Window* windows;
    const i32 chunk, row, column, taps, chunks;
    const u8* x;
    const u8* w;
    u32 sources[CopiesA];
    u32 insideA, insideB, bytes, home;
    i32 tap, position;

    // windows: of the tile's rows, in shared memory.
    __device__ __forceinline__ Loader(const Conv2dArgs& a, const Window* tile, i32 n, i32 slab)
        : a(a), windows(tile + threadIdx.x / Chunks), chunk(threadIdx.x % Chunks), row(threadIdx.x / Chunks), column(n + row),
          taps(a.kernel * a.kernel), chunks(MODE == Gather ? taps * a.inputs : a.inputs / Elements), insideB(0), bytes(16),
          home(held(place(threadIdx.x / Chunks, threadIdx.x % Chunks))) {
        if constexpr (MODE == Gather) {
            position = slab * Slab;
        } else {
            const i32 slabsPerTap = pieces(chunks, Chunks);
            tap = slab / slabsPerTap;
            position = (slab - tap * slabsPerTap) * Chunks;
#pragma unroll
            for (i32 i = 0; i < CopiesB; i++) insideB |= (column + i * CopyRows < a.outputs ? 1u : 0u) << i;
            turn();
        }
    }

    // The rows' pixels for this tap.
    __device__ __forceinline__ void turn() {
        const i32 r = tap / a.kernel, s = tap - r * a.kernel;
        x = reinterpret_cast<const u8*>(a.x) + (position + chunk) * 16;
        w = reinterpret_cast<const u8*>(a.w) + ((u64)((u32)column * (u32)taps + tap) * (u32)chunks + position + chunk) * 16;
        bytes = MODE == Whole || position + chunk < chunks ? 16 : 0;
        insideA = 0;
#pragma unroll
        for (i32 i = 0; i < CopiesA; i++) {
            const Window window = windows[i * CopyRows];
            const i32 pixel = window.pixel(a, r, s);
            sources[i] = pixel < 0 ? 0 : window.image + (u32)pixel * (u32)chunks;
            insideA |= (pixel < 0 ? 0u : 1u) << i;
        }
    }

    static __device__ __forceinline__ u32 place(i32 row, i32 chunk) { return row * RowBytes + ((chunk ^ (row & 7)) << 4); }

    // 16 where bit i of a mask is set.
    static __device__ __forceinline__ u32 sixteen(u32 mask, i32 i) { return (i <= 4 ? mask << (4 - i) : mask >> (i - 4)) & 16; }

    // Part `part` of `parts` of the slab at hand, to the stage at `target`.
    __device__ __forceinline__ void load(u32 target, i32 part, i32 parts) {
        const u32 to = target + home;
#pragma unroll
        for (i32 i = 0; i < CopiesA + CopiesB; i++) {
            if (i * parts / (CopiesA + CopiesB) != part) continue;
            if (i < CopiesA) {
                const u32 source = sources[i < CopiesA ? i : 0];
                const u32 size = MODE == Whole ? sixteen(insideA, i) : sixteen(insideA, i) & bytes;
                async_copy16(to + i * CopyRows * RowBytes, x + (u64)source * 16, size);
            } else if (const i32 j = i - CopiesA; COLUMNS % CopyRows == 0 || row + j * CopyRows < COLUMNS) {
                const u8* from = w + (u64)((u32)(CopyRows * taps) * (u32)chunks) * (j * 16);
                async_copy16(to + (ROWS + j * CopyRows) * RowBytes, from, MODE == Whole ? bytes : sixteen(insideB, j) & bytes);
            }
        }
    }

    // To the next slab; past the last one zeros are brought, which nobody reads.
    __device__ __forceinline__ void advance(bool more) {
        if constexpr (MODE == Gather) {
            position += Slab;
            return;
        }
        position += Chunks;
        x += RowBytes;
        w += RowBytes;
        if (MODE == Edges) bytes = position + chunk < chunks ? 16 : 0;
        if (!more) {
            insideA = 0;
            bytes = 0;
        } else if (position >= chunks) {
            position = 0;
            tap++;
            turn();
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
        u8* to = target + home;
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

typedef f32 Sums[TilesM][2 * PairsN][4];

// The tile's sums over `count` slabs, of which STAGES - 1 are under way: two-byte types on tensor cores.
DEVICE void multiply(Sums& sums, Loader& loader, u8* memory, i32 warpM, i32 warpN, i32 slice, i32 count) {
    const i32 lane = threadIdx.x % 32;
    const u32 base = shared_address(memory);
    // The lane's chunk of step 0; that of another step differs by an exclusive or.
    const u32 atA = held(base + Loader::place(warpM + (lane & 15), slice * Steps * 2 + (lane >> 4)));
    const u32 atB = held(base + Loader::place(ROWS + warpN + (lane >> 4) * 8 + (lane & 7), slice * Steps * 2 + ((lane >> 3) & 1)));
    u32 as[2][TilesM][4], bs[2][4];
    const auto load_a = [&](u32 stage, i32 step) {
#pragma unroll
        for (i32 i = 0; i < TilesM; i++) ldmatrix_x4(as[step % 2][i], (atA ^ (step * 32)) + stage + i * 16 * RowBytes);
    };
    const auto load_b = [&](u32 stage, i32 step, i32 pair) {
        ldmatrix_x4(bs[(step * PairsN + pair) % 2], (atB ^ (step * 32)) + stage + pair * 16 * RowBytes);
    };
    async_wait<STAGES - 2>();
    __syncthreads();
    load_a(0, 0);
    load_b(0, 0, 0);

    // Before the last products of a slab all of it is in registers: there the block moves on to the next one, whose first fragments arrive
    // during those products. The copies of the slab STAGES - 1 ahead are spread over the others.
    u32 reading = 0, writing = (STAGES - 1) * StageBytes;
    for (i32 k = 0; k < count; k++) {
        if constexpr (MODE == Gather) {
            if (k + STAGES - 1 < count) loader.gather(memory + writing);
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
                    if constexpr (MODE != Gather) loader.load(base + writing, at, Places - 1);
                }
#pragma unroll
                for (i32 i = 0; i < TilesM; i++) {
                    mma_16816<T>(sums[i][2 * j], as[step % 2][i], bs[at % 2][0], bs[at % 2][1]);
                    mma_16816<T>(sums[i][2 * j + 1], as[step % 2][i], bs[at % 2][2], bs[at % 2][3]);
                }
            }
        }
        loader.advance(k + STAGES < count);
        writing = writing + StageBytes == STAGES * StageBytes ? 0 : writing + StageBytes;
        reading = after;
    }
}

// The same by multiply-adds, whose order over K is that of a plain loop: f32. A lane has the accumulators that tensor cores would give it.
DEVICE void multiply_add(Sums& sums, Loader& loader, u8* memory, i32 warpM, i32 warpN, i32 slice, i32 count) {
    const i32 lane = threadIdx.x % 32, rowA = warpM + lane / 4, rowB = ROWS + warpN + lane % 4 * 2;
    typedef Vector<f32, 4> Four;
    u32 reading = 0, writing = (STAGES - 1) * StageBytes;
    for (i32 k = 0; k < count; k++) {
        async_wait<STAGES - 2>();
        __syncthreads();
        if constexpr (MODE == Gather) {
            if (k + STAGES - 1 < count) loader.gather(memory + writing);
        } else {
            loader.load(shared_address(memory) + writing, 0, 1);
        }
        async_commit();
        loader.advance(k + STAGES < count);
        const u8* stage = memory + reading;
        for (i32 chunk = slice * (Chunks / SLICES); chunk < (slice + 1) * (Chunks / SLICES); chunk++) {
            Four as[TilesM][2];
#pragma unroll
            for (i32 i = 0; i < 2 * TilesM; i++) {
                as[i / 2][i % 2] = *reinterpret_cast<const Four*>(stage + Loader::place(rowA + i * 8, chunk));
            }
#pragma unroll
            for (i32 j = 0; j < 2 * PairsN; j++) {
#pragma unroll
                for (i32 n = 0; n < 2; n++) {
                    const Four b = *reinterpret_cast<const Four*>(stage + Loader::place(rowB + j * 8 + n, chunk));
#pragma unroll
                    for (i32 e = 0; e < 4 * 2 * TilesM; e++) {
                        const i32 i = e % (2 * TilesM), step = e / (2 * TilesM);
                        f32& sum = sums[i / 2][j][i % 2 * 2 + n];
                        sum = fmaf(as[i / 2][i % 2].x[step], b.x[step], sum);
                    }
                }
            }
        }
        writing = writing + StageBytes == STAGES * StageBytes ? 0 : writing + StageBytes;
        reading = reading + StageBytes == STAGES * StageBytes ? 0 : reading + StageBytes;
    }
    async_wait<0>();
}

// Ends W neighbouring sums of pixel m, outputs n on. Y is the type of y and of the residual (zeros without one).
template <class Y, i32 W> DEVICE void finish(const Conv2dArgs& a, i32 m, i32 n, const Vector<f32, W>& sums, const Vector<Y, W>& residual) {
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
    Vector<Y, W> result;
#pragma unroll
    for (i32 i = 0; i < W; i++) {
        const f32 value = v.x[i] + to_f32(residual.x[i]);
        result.x[i] = from_f32<Y>(a.relu && value < 0.0f ? 0.0f : value);
    }
    store_vector(reinterpret_cast<Y*>(a.y) + (u64)m * a.outputs + n, result);
}

// The tile's sums from shared memory to y or to this piece's part of `partial`, W at a time. Several residuals are under way at once:
// each is read before the place, which may be the same in y, is written.
template <class Y, i32 W> DEVICE void write(const Conv2dArgs& a, const f32* sums, i32 m0, i32 n0) {
    constexpr i32 Batch = 4;
    const bool more = a.residual && !a.partial;
    for (i32 begin = threadIdx.x; begin < ROWS * COLUMNS / W; begin += Batch * Threads) {
        Vector<Y, W> residuals[Batch];
#pragma unroll
        for (i32 k = 0; k < Batch; k++) {
            const i32 i = begin + k * Threads, m = m0 + i / (COLUMNS / W), n = n0 + i % (COLUMNS / W) * W;
            residuals[k] = Vector<Y, W>();
            if (more && i < ROWS * COLUMNS / W && m < a.pixels && n < a.outputs) {
                residuals[k] = load_vector<Vector<Y, W>>(reinterpret_cast<const Y*>(a.residual) + (u64)m * a.outputs + n);
            }
        }
#pragma unroll
        for (i32 k = 0; k < Batch; k++) {
            const i32 i = begin + k * Threads, row = i / (COLUMNS / W), column = i % (COLUMNS / W) * W, m = m0 + row, n = n0 + column;
            if (i >= ROWS * COLUMNS / W || m >= a.pixels || n >= a.outputs) continue;
            const auto v = load_vector<Vector<f32, W>>(sums + row * SumPitch + column);
            if (a.partial) {
                store_vector(a.partial + ((u64)blockIdx.y * a.pixels + m) * a.outputs + n, v);
            } else {
                finish<Y, W>(a, m, n, v, residuals[k]);
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(Threads) conv2d(const Conv2dArgs a) {
    DYNAMIC_SHARED(memory);
    const i32 lane = threadIdx.x % 32, warp = threadIdx.x / 32, slice = warp / TileWarps, place = warp % TileWarps;
    const i32 tilesN = pieces(a.outputs, COLUMNS), m0 = blockIdx.x / tilesN * ROWS, n0 = blockIdx.x % tilesN * COLUMNS;
    const i32 warpM = place / WarpsN * M, warpN = place % WarpsN * N;
    const i32 all = MODE == Gather ? pieces(a.kernel * a.kernel * a.inputs, Slab) : a.kernel * a.kernel * pieces(a.inputs, Slab);
    const i32 first = blockIdx.y * a.slabs, count = least(a.slabs, all - first);

    Window* windows = reinterpret_cast<Window*>(memory + STAGES * StageBytes);
    for (i32 i = threadIdx.x; i < ROWS; i += Threads) windows[i] = Window::at(a, m0 + i, MODE == Gather ? 1 : Elements);
    __syncthreads();

    const u32 base = shared_address(memory);
    Loader loader(a, windows, n0, first);
#pragma unroll
    for (i32 i = 0; i < STAGES - 1; i++) {
        if constexpr (MODE == Gather) {
            if (i < count) loader.gather(memory + i * StageBytes);
        } else {
            loader.load(base + i * StageBytes, 0, 1);
        }
        async_commit();
        loader.advance(i + 1 < count);
    }

    Sums sums;
#pragma unroll
    for (i32 i = 0; i < TilesM; i++) {
#pragma unroll
        for (i32 j = 0; j < 2 * PairsN; j++) {
#pragma unroll
            for (i32 e = 0; e < 4; e++) sums[i][j][e] = 0.0f;
        }
    }

    if constexpr (sizeof(T) == 2) {
        multiply(sums, loader, memory, warpM, warpN, slice, count);
    } else {
        multiply_add(sums, loader, memory, warpM, warpN, slice, count);
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
    const bool whole = a.outputs % Elements == 0;
    if (a.f32Result) {
        whole ? write<f32, Elements>(a, tile, m0, n0) : write<f32, 1>(a, tile, m0, n0);
    } else {
        whole ? write<T, Elements>(a, tile, m0, n0) : write<T, 1>(a, tile, m0, n0);
    }
}

// The sums of a split, in the order of the pieces; a thread ends W outputs of a pixel.
template <class Y, i32 W> DEVICE void join(const Conv2dArgs& a) {
    const u32 groups = a.outputs / W, i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= (u32)a.pixels * groups) return;
    const u64 pitch = (u64)a.pixels * a.outputs;
    Vector<Y, W> residual = Vector<Y, W>();
    if (a.residual) residual = load_vector<Vector<Y, W>>(reinterpret_cast<const Y*>(a.residual) + (u64)i * W);
    Vector<f32, W> sum = load_vector<Vector<f32, W>>(a.partial + (u64)i * W);
    for (i32 piece = 1; piece < a.splits; piece++) {
        const auto more = load_vector<Vector<f32, W>>(a.partial + piece * pitch + (u64)i * W);
#pragma unroll
        for (i32 e = 0; e < W; e++) sum.x[e] += more.x[e];
    }
    finish<Y, W>(a, (i32)(i / groups), (i32)(i % groups) * W, sum, residual);
}

extern "C" __global__ void __launch_bounds__(256) conv2d_join(const Conv2dArgs a) {
    const bool whole = a.outputs % Elements == 0;
    if (a.f32Result) {
        whole ? join<f32, Elements>(a) : join<f32, 1>(a);
    } else {
        whole ? join<T, Elements>(a) : join<T, 1>(a);
    }
}
