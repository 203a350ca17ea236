// y = act((x - mean) / sqrt(variance + eps) * scale + shift), mean and variance over the pixels and channels of a group
//
// x, y [B, pixels, channels] of T; scale, shift [channels] of f32; act is SiLU or nothing. Statistics are f32 in two passes: the mean,
// then the squared deviations from it; pieces are joined as Chan, Golub and LeVeque (1983) do.
//
// group_norm: one block an image's group. It reads the group once into shared memory, takes the mean, then the squared deviations, and
// writes. For groups that fit on the chip. A thread keeps its place within the pixel, VECTOR channels that divide a group's width.
// group_norm_moments, group_norm_apply: for larger groups. The pixels of an image are cut into gridDim.x chunks, by its shape alone. A
// block of the first takes the moments of all groups over its chunk, TILE pixels at a time: it reads them twice, the second time from the
// first-level cache. A block of the second joins the chunks' moments in order and normalises its own chunk. A thread has VECTOR channels of
// every rows-th pixel.
//
// Cost: no tensor work; a read and a write of T for each element (moments and apply: two reads, the second from the L2 cache where the
// tensor is below its 50 MB on an H100), and with SiLU one exp2 and one reciprocal. Bytes bound it: 64x64x320 in F16 moves 5.2 MB an
// image, 1.8 us at 3 TB/s, against 0.7 us of special functions (16 a clock and multiprocessor).
#include "lib/math.cuh"
#include "lib/reduce.cuh"
#include "lib/types.cuh"

// width = channels / groups. partial [B, chunks, groups, 2]: mean and squared deviations of chunks of `chunk` pixels. own: pixels of a
// block of group_norm_apply. tile: pixels that a block of group_norm_moments takes at a time.
// statistics: absent, or mean and 1 / sqrt(variance + eps) of each group [B, groups, 2], for the backward pass.
struct GroupNormArgs {
    T* y;
    const T* x;
    const f32* scale;
    const f32* shift;
    f32* partial;
    f32* statistics;
    i32 pixels;
    i32 channels;
    i32 groups;
    i32 width;
    i32 chunks;
    i32 chunk;
    i32 own;
    i32 tile;
    i32 silu;
    f32 eps;
};

#ifndef VECTOR
#define VECTOR 8
#define THREADS 512
#endif

typedef Vector<T, VECTOR> Values;

DEVICE f32 ended(f32 v, i32 withSilu) {
    if (!withSilu) return v;
    if constexpr (sizeof(T) == 4) {
        return v / (1.0f + exp_fast(-v));
    } else {
        return silu(v);
    }
}

// The factor and the shift of a thread's channels.
struct Affine {
    f32 scale[VECTOR], shift[VECTOR];

    __device__ __forceinline__ Affine(const GroupNormArgs& a, i32 channel) {
#pragma unroll
        for (i32 e = 0; e < VECTOR; e++) {
            scale[e] = a.scale[channel + e];
            shift[e] = a.shift[channel + e];
        }
    }
};

extern "C" __global__ void __launch_bounds__(THREADS) group_norm(const GroupNormArgs a) {
    extern __shared__ __align__(16) u8 memory[];
    __shared__ f32 scratch[32];
    T* kept = reinterpret_cast<T*>(memory);
    const i32 image = blockIdx.x / a.groups, group = blockIdx.x % a.groups;
    const i32 parts = a.width / VECTOR, rows = THREADS / parts, row = threadIdx.x / parts, part = threadIdx.x % parts * VECTOR;
    const i32 first = row < rows ? row : a.pixels;
    const u64 base = (u64)image * a.pixels * a.channels + group * a.width + part;

    f32 sum = 0.0f;
#pragma unroll 8
    for (i32 pixel = first; pixel < a.pixels; pixel += rows) {
        const auto v = load_vector<Values>(a.x + base + (u64)pixel * a.channels);
        store_vector(kept + pixel * a.width + part, v);
#pragma unroll
        for (i32 e = 0; e < VECTOR; e++) sum += to_f32(v.x[e]);
    }
    const f32 count = (f32)a.pixels * (f32)a.width, mean = block_sum<THREADS>(sum, scratch) / count;

    f32 squares = 0.0f;
#pragma unroll 4
    for (i32 pixel = first; pixel < a.pixels; pixel += rows) {
        const auto v = load_vector<Values>(kept + pixel * a.width + part);
#pragma unroll
        for (i32 e = 0; e < VECTOR; e++) squares += (to_f32(v.x[e]) - mean) * (to_f32(v.x[e]) - mean);
    }
    const f32 inverse = 1.0f / sqrtf(block_sum<THREADS>(squares, scratch) / count + a.eps);

    if (a.statistics && threadIdx.x == 0) store_vector(a.statistics + blockIdx.x * 2, Vector<f32, 2>{mean, inverse});

    const Affine affine(a, group * a.width + part);
#pragma unroll 4
    for (i32 pixel = first; pixel < a.pixels; pixel += rows) {
        auto v = load_vector<Values>(kept + pixel * a.width + part);
#pragma unroll
        for (i32 e = 0; e < VECTOR; e++) {
            v.x[e] = from_f32<T>(ended((to_f32(v.x[e]) - mean) * (inverse * affine.scale[e]) + affine.shift[e], a.silu));
        }
        store_vector(a.y + base + (u64)pixel * a.channels, v);
    }
}

// How a block lies over pixels: `rows` rows of threads, each over the channels of a pixel; with very many channels one row in several
// steps.
struct Layout {
    i32 parts, lanes, rows, row, lane;

    __device__ __forceinline__ Layout(const GroupNormArgs& a) {
        parts = a.channels / VECTOR;
        lanes = least(parts, THREADS);
        rows = THREADS / lanes;
        row = threadIdx.x / lanes;
        lane = row < rows ? threadIdx.x % lanes : parts;
    }
};

// The sum over a group's channels of the sums that each row of threads left for each channel.
DEVICE f32 group_sum(const f32* sums, i32 rows, i32 channels, i32 group, i32 width) {
    f32 sum = 0.0f;
    for (i32 i = threadIdx.x % 32; i < rows * width; i += 32) {
        const i32 row = i / width;
        sum += sums[row * channels + group * width + i - row * width];
    }
    return warp_sum(sum);
}

// Dynamic shared memory: (rows + 1) channels f32.
extern "C" __global__ void __launch_bounds__(THREADS) group_norm_moments(const GroupNormArgs a) {
    extern __shared__ __align__(32) u8 memory[];
    const Layout layout(a);
    f32* sums = reinterpret_cast<f32*>(memory);
    f32* means = sums + layout.rows * a.channels;
    const i32 warp = threadIdx.x / 32, lane = threadIdx.x % 32, first = blockIdx.x * a.chunk, end = least(first + a.chunk, a.pixels);
    constexpr i32 Turns = pieces(64, THREADS / 32);
    f32 mean[Turns] = {}, squares[Turns] = {}, seen = 0.0f;
    for (i32 begin = first; begin < end; begin += a.tile) {
        const i32 count = least(a.tile, end - begin);
        const T* x = a.x + ((u64)blockIdx.y * a.pixels + begin) * a.channels;
        const f32 values = (f32)count * (f32)a.width, all = seen + values, share = values / all;
        for (i32 part = layout.lane; part < layout.parts; part += layout.lanes) {
            Vector<f32, VECTOR> sum = {};
#pragma unroll 8
            for (i32 pixel = layout.row; pixel < count; pixel += layout.rows) {
                const auto v = load_vector<Values>(x + (u64)pixel * a.channels + part * VECTOR);
#pragma unroll
                for (i32 e = 0; e < VECTOR; e++) sum.x[e] += to_f32(v.x[e]);
            }
            store_vector(sums + layout.row * a.channels + part * VECTOR, sum);
        }
        __syncthreads();
#pragma unroll
        for (i32 i = 0; i < Turns; i++) {
            const i32 group = warp + i * (THREADS / 32);
            if (group >= a.groups) break;
            const f32 own = group_sum(sums, layout.rows, a.channels, group, a.width) / values, difference = own - mean[i];
            for (i32 c = lane; c < a.width; c += 32) means[group * a.width + c] = own;
            mean[i] += difference * share;
            squares[i] += difference * difference * seen * share;
        }
        __syncthreads();
        for (i32 part = layout.lane; part < layout.parts; part += layout.lanes) {
            const auto own = load_vector<Vector<f32, VECTOR>>(means + part * VECTOR);
            Vector<f32, VECTOR> sum = {};
#pragma unroll 8
            for (i32 pixel = layout.row; pixel < count; pixel += layout.rows) {
                const auto v = load_vector<Values>(x + (u64)pixel * a.channels + part * VECTOR);
#pragma unroll
                for (i32 e = 0; e < VECTOR; e++) sum.x[e] += (to_f32(v.x[e]) - own.x[e]) * (to_f32(v.x[e]) - own.x[e]);
            }
            store_vector(sums + layout.row * a.channels + part * VECTOR, sum);
        }
        __syncthreads();
#pragma unroll
        for (i32 i = 0; i < Turns; i++) {
            const i32 group = warp + i * (THREADS / 32);
            if (group >= a.groups) break;
            squares[i] += group_sum(sums, layout.rows, a.channels, group, a.width);
        }
        seen = all;
        __syncthreads();
    }
#pragma unroll
    for (i32 i = 0; i < Turns; i++) {
        const i32 group = warp + i * (THREADS / 32);
        if (group < a.groups && lane == 0) {
            const u64 place = ((u64)blockIdx.y * a.chunks + blockIdx.x) * a.groups + group;
            store_vector(a.partial + place * 2, Vector<f32, 2>{mean[i], squares[i]});
        }
    }
}

// Dynamic shared memory: 3 channels f32.
extern "C" __global__ void __launch_bounds__(THREADS) group_norm_apply(const GroupNormArgs a) {
    extern __shared__ __align__(32) u8 memory[];
    f32* means = reinterpret_cast<f32*>(memory);
    f32* factors = means + a.channels;
    f32* shifts = factors + a.channels;
    const i32 warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const f32 count = (f32)a.pixels * (f32)a.width;
    for (i32 group = warp; group < a.groups; group += THREADS / 32) {
        const f32* partial = a.partial + ((u64)blockIdx.y * a.chunks * a.groups + group) * 2;
        f32 sum = 0.0f, squares = 0.0f;
        for (i32 chunk = lane; chunk < a.chunks; chunk += 32) {
            sum += (f32)least(a.chunk, a.pixels - chunk * a.chunk) * partial[(u64)chunk * a.groups * 2];
        }
        const f32 mean = warp_sum(sum) / (f32)a.pixels;
        for (i32 chunk = lane; chunk < a.chunks; chunk += 32) {
            const auto own = load_vector<Vector<f32, 2>>(partial + (u64)chunk * a.groups * 2);
            const f32 values = (f32)least(a.chunk, a.pixels - chunk * a.chunk) * (f32)a.width, difference = own.x[0] - mean;
            squares += own.x[1] + difference * difference * values;
        }
        const f32 inverse = 1.0f / sqrtf(warp_sum(squares) / count + a.eps);
        if (a.statistics && blockIdx.x == 0 && lane == 0) {
            store_vector(a.statistics + (blockIdx.y * a.groups + group) * 2, Vector<f32, 2>{mean, inverse});
        }
        for (i32 c = group * a.width + lane; c < (group + 1) * a.width; c += 32) {
            means[c] = mean;
            factors[c] = inverse * a.scale[c];
            shifts[c] = a.shift[c];
        }
    }
    __syncthreads();

    const Layout layout(a);
    const i32 first = blockIdx.x * a.own, pixels = least(a.own, a.pixels - first);
    const u64 base = ((u64)blockIdx.y * a.pixels + first) * a.channels;
    for (i32 part = layout.lane; part < layout.parts; part += layout.lanes) {
        const auto mean = load_vector<Vector<f32, VECTOR>>(means + part * VECTOR);
        const auto factor = load_vector<Vector<f32, VECTOR>>(factors + part * VECTOR);
        const auto shift = load_vector<Vector<f32, VECTOR>>(shifts + part * VECTOR);
#pragma unroll 4
        for (i32 pixel = layout.row; pixel < pixels; pixel += layout.rows) {
            const u64 place = base + (u64)pixel * a.channels + part * VECTOR;
            auto v = load_vector<Values>(a.x + place);
#pragma unroll
            for (i32 e = 0; e < VECTOR; e++) {
                v.x[e] = from_f32<T>(ended((to_f32(v.x[e]) - mean.x[e]) * factor.x[e] + shift.x[e], a.silu));
            }
            store_vector(a.y + place, v);
        }
    }
}
