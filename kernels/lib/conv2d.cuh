// How conv2d.cu reads: its arguments, its sizes, which input pixel a tap meets, and slabs of K on their way to shared memory. ROWS,
// COLUMNS, WARPS, SLICES, STAGES and MODE are described there.
#pragma once
#include "lib/async.cuh"
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
