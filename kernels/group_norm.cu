// y = act((x - mean) / sqrt(variance + eps) * scale + shift), mean and variance over the pixels and channels of a group
//
// x, y [B, pixels, channels] of T; scale, shift [channels] of f32; act is SiLU or nothing. Statistics are f32 and never a difference of
// large sums: squared deviations from a mean that is known, joined as Chan, Golub and LeVeque (1983) do.
//
// group_norm: one block an image's group. It reads the group once into shared memory, takes the mean, then the squared deviations, and
// writes. For groups that fit on the chip. A thread keeps its place within the pixel, VECTOR channels that divide a group's width.
// group_norm_moments, group_norm_apply: for larger groups. An image is cut into gridDim.x chunks of pixels (by its shape alone); a block
// takes the moments of all groups over its chunk (a thread: VECTOR channels of several pixels, which it holds in registers between its two
// passes); then a block joins the chunks' moments, in order, and normalises its chunk.
//
// Cost: no tensor work; a read and a write of T for each element (moments and apply: two reads, the second from the L2 cache where the
// tensor is below its 50 MB on an H100), and with SiLU one exp2 and one reciprocal. Bytes bound it: 64x64x320 in F16 moves 5.2 MB an
// image, 1.8 us at 3 TB/s, against 0.1 us of special functions.
#include "lib/math.cuh"
#include "lib/reduce.cuh"
#include "lib/types.cuh"

// width = channels / groups. partial [B, chunks, groups, 2]: mean and squared deviations. chunk: pixels of a chunk.
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
    i32 chunk;
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

struct Moments {
    f32 count, mean, squares;

    __device__ __forceinline__ void join(const Moments& b) {
        const f32 all = count + b.count, share = all > 0.0f ? b.count / all : 0.0f, difference = b.mean - mean;
        mean += difference * share;
        squares += b.squares + difference * difference * count * share;
        count = all;
    }

    // The moments of the warp's lanes, in lane 0.
    __device__ __forceinline__ void join_lanes() {
#pragma unroll
        for (i32 offset = 16; offset > 0; offset /= 2) {
            join({__shfl_down_sync(AllLanes, count, offset), __shfl_down_sync(AllLanes, mean, offset),
                __shfl_down_sync(AllLanes, squares, offset)});
        }
    }
};

// How a block lies over the pixels of its chunk.
struct Layout {
    i32 parts, lanes, rows, row, lane, begin, count;

    __device__ __forceinline__ Layout(const GroupNormArgs& a) {
        parts = a.channels / VECTOR;
        lanes = least(parts, THREADS);
        rows = THREADS / lanes;
        row = threadIdx.x / lanes;
        lane = threadIdx.x % lanes;
        begin = blockIdx.x * a.chunk;
        count = least(a.chunk, a.pixels - begin);
    }

    // Pixels of a row of threads.
    __device__ __forceinline__ i32 of(i32 row) const { return count > row ? (count - row + rows - 1) / rows : 0; }
};

// Dynamic shared memory: rows x channels pairs of f32.
extern "C" __global__ void __launch_bounds__(THREADS) group_norm_moments(const GroupNormArgs a) {
    extern __shared__ __align__(16) u8 memory[];
    constexpr i32 Batch = 8;
    Vector<f32, 2>* rowMoments = reinterpret_cast<Vector<f32, 2>*>(memory);
    const Layout layout(a);
    const u64 base = ((u64)blockIdx.y * a.pixels + layout.begin) * a.channels;
    for (i32 part = layout.lane; part < layout.parts && layout.row < layout.rows; part += layout.lanes) {
        f32 mean[VECTOR] = {}, squares[VECTOR] = {};
        f32 seen = 0.0f;
        for (i32 pixel = layout.row; pixel < layout.count; pixel += Batch * layout.rows) {
            Values values[Batch];
            i32 held = 0;
#pragma unroll
            for (i32 i = 0; i < Batch; i++) {
                const i32 at = pixel + i * layout.rows;
                if (at < layout.count) {
                    values[i] = load_vector<Values>(a.x + base + (u64)at * a.channels + part * VECTOR);
                    held++;
                } else {
                    values[i] = Values();
                }
            }
            const f32 all = seen + (f32)held, share = (f32)held / all, each = 1.0f / (f32)held;
#pragma unroll
            for (i32 e = 0; e < VECTOR; e++) {
                f32 sum = 0.0f, more = 0.0f;
#pragma unroll
                for (i32 i = 0; i < Batch; i++) sum += to_f32(values[i].x[e]);
                const f32 own = sum * each;
#pragma unroll
                for (i32 i = 0; i < Batch; i++) {
                    const f32 d = to_f32(values[i].x[e]) - own;
                    more += i < held ? d * d : 0.0f;
                }
                const f32 difference = own - mean[e];
                mean[e] += difference * share;
                squares[e] += more + difference * difference * seen * share;
            }
            seen = all;
        }
#pragma unroll
        for (i32 e = 0; e < VECTOR; e++) rowMoments[layout.row * a.channels + part * VECTOR + e] = {mean[e], squares[e]};
    }
    __syncthreads();

    const i32 warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    for (i32 group = warp; group < a.groups; group += THREADS / 32) {
        Moments moments = {0.0f, 0.0f, 0.0f};
        for (i32 i = lane; i < layout.rows * a.width; i += 32) {
            const i32 row = i / a.width;
            const auto own = rowMoments[row * a.channels + group * a.width + i - row * a.width];
            moments.join({(f32)layout.of(row), own.x[0], own.x[1]});
        }
        moments.join_lanes();
        if (lane == 0) {
            const Vector<f32, 2> result = {moments.mean, moments.squares};
            store_vector(a.partial + (((u64)blockIdx.y * gridDim.x + blockIdx.x) * a.groups + group) * 2, result);
        }
    }
}

// Dynamic shared memory: groups pairs of f32.
extern "C" __global__ void __launch_bounds__(THREADS) group_norm_apply(const GroupNormArgs a) {
    extern __shared__ __align__(16) u8 memory[];
    Vector<f32, 2>* groups = reinterpret_cast<Vector<f32, 2>*>(memory);
    const i32 warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    for (i32 group = warp; group < a.groups; group += THREADS / 32) {
        Moments moments = {0.0f, 0.0f, 0.0f};
        for (i32 chunk = lane; chunk < gridDim.x; chunk += 32) {
            const auto own = load_vector<Vector<f32, 2>>(a.partial + (((u64)blockIdx.y * gridDim.x + chunk) * a.groups + group) * 2);
            moments.join({(f32)least(a.chunk, a.pixels - chunk * a.chunk) * (f32)a.width, own.x[0], own.x[1]});
        }
        moments.join_lanes();
        if (lane == 0) {
            const Vector<f32, 2> result = {moments.mean, 1.0f / sqrtf(moments.squares / moments.count + a.eps)};
            groups[group] = result;
            if (a.statistics && blockIdx.x == 0) store_vector(a.statistics + (blockIdx.y * a.groups + group) * 2, result);
        }
    }
    __syncthreads();

    const Layout layout(a);
    const u64 base = ((u64)blockIdx.y * a.pixels + layout.begin) * a.channels;
    for (i32 part = layout.lane; part < layout.parts && layout.row < layout.rows; part += layout.lanes) {
        Affine affine(a, part * VECTOR);
        f32 mean[VECTOR];
#pragma unroll
        for (i32 e = 0; e < VECTOR; e++) {
            const auto own = groups[(part * VECTOR + e) / a.width];
            mean[e] = own.x[0];
            affine.scale[e] *= own.x[1];
        }
#pragma unroll 4
        for (i32 pixel = layout.row; pixel < layout.count; pixel += layout.rows) {
            const u64 place = base + (u64)pixel * a.channels + part * VECTOR;
            auto v = load_vector<Values>(a.x + place);
#pragma unroll
            for (i32 e = 0; e < VECTOR; e++) {
                v.x[e] = from_f32<T>(ended((to_f32(v.x[e]) - mean[e]) * affine.scale[e] + affine.shift[e], a.silu));
            }
            store_vector(a.y + place, v);
        }
    }
}
