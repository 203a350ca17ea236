// y = act((x - mean) / sqrt(variance + eps) * scale + shift), mean and variance over the pixels and channels of a group
//
// x, y [B, pixels, channels] of T; scale, shift [channels] of f32; act is SiLU or nothing. Statistics are f32 in two passes: the mean,
// then the squared deviations from it; pieces are joined as Chan, Golub and LeVeque (1983) do. A thread keeps its place within the
// pixel: VECTOR channels that divide a group's width, so that it knows one group.
//
// group_norm: one block an image's group. It reads the group once into shared memory, takes the mean, then the squared deviations, and
// writes. For groups that fit on the chip and are small enough for one multiprocessor, or wider than a block of threads.
// group_norm_moments, group_norm_apply: for the others. The pixels of an image are cut into chunks by its shape alone. A block of the first
// takes the moments of all groups over its chunk, a tile of TilePixels rows of threads at a time, which stays in registers between the two
// passes. A block of the second joins the chunks' moments, in order, and normalises `own` pixels.
//
// Cost: no tensor work; a read and a write of T for each element (moments and apply: two reads, the second from the L2 cache where the
// tensor is below its 50 MB on an H100), and with SiLU one exp2 and one reciprocal. Bytes bound it: 64x64x320 in F16 moves 5.2 MB an
// image, 1.8 us at 3 TB/s, against 0.7 us of special functions (16 a clock and multiprocessor).
#include "lib/math.cuh"
#include "lib/reduce.cuh"
#include "lib/types.cuh"

// width = channels / groups, a multiple of VECTOR. partial [B, groups, chunks, 2]: mean and squared deviations of chunks of `chunk` pixels.
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
    i32 kept;
    i32 silu;
    f32 eps;
};

#ifndef VECTOR
#define VECTOR 8
#define THREADS 512
#endif

typedef Vector<T, VECTOR> Values;

// Pixels of a thread in a tile of group_norm_moments: what 24 registers hold.
constexpr i32 TilePixels = sizeof(Values) > 6 ? 96 / (i32)sizeof(Values) : 16;

// The special functions' results after a Newton step, within a unit in the last place: a true division is a call that spills registers.
DEVICE f32 exact_reciprocal(f32 x) {
    const f32 r = reciprocal(x);
    return fmaf(r, fmaf(-x, r, 1.0f), r);
}

// x / y, rounded once: the mean of equal values is that value.
DEVICE f32 exact_quotient(f32 x, f32 y) {
    const f32 r = exact_reciprocal(y), q = x * r;
    return fmaf(fmaf(-q, y, x), r, q);
}

DEVICE f32 exact_inverse_root(f32 x) {
    const f32 r = inverse_root(x);
    return fmaf(0.5f * r, fmaf(-x * r, r, 1.0f), r);
}

DEVICE f32 ended(f32 v, i32 withSilu) {
    if (!withSilu) return v;
    if constexpr (sizeof(T) == 4) {
        return v * exact_reciprocal(1.0f + exp_fast(fminf(-v, 80.0f)));
    } else {
        return silu(v);
    }
}

// What a thread does to its channels.
struct Affine {
    f32 mean, factor[VECTOR], shift[VECTOR];

    __device__ __forceinline__ Affine(const GroupNormArgs& a, i32 channel, f32 mean, f32 inverse) : mean(mean) {
#pragma unroll
        for (i32 e = 0; e < VECTOR; e++) {
            factor[e] = inverse * a.scale[channel + e];
            shift[e] = a.shift[channel + e];
        }
    }

    __device__ __forceinline__ Values of(const Values& v, i32 silu) const {
        Values result;
#pragma unroll
        for (i32 e = 0; e < VECTOR; e++) result.x[e] = from_f32<T>(ended((to_f32(v.x[e]) - mean) * factor[e] + shift[e], silu));
        return result;
    }
};

DEVICE f32 sum_of(const Values& v) {
    f32 sum = 0.0f;
#pragma unroll
    for (i32 e = 0; e < VECTOR; e++) sum += to_f32(v.x[e]);
    return sum;
}

DEVICE f32 squares_of(const Values& v, f32 mean) {
    f32 sum = 0.0f;
#pragma unroll
    for (i32 e = 0; e < VECTOR; e++) sum += (to_f32(v.x[e]) - mean) * (to_f32(v.x[e]) - mean);
    return sum;
}

// Dynamic shared memory: the group, if a.kept; else it is read again. A group wider than the block takes it several times over.
extern "C" __global__ void __launch_bounds__(THREADS) group_norm(const GroupNormArgs a) {
    extern __shared__ __align__(16) u8 memory[];
    __shared__ f32 scratch[32];
    Values* kept = reinterpret_cast<Values*>(memory);
    const i32 image = blockIdx.x / a.groups, group = blockIdx.x % a.groups;
    const i32 parts = a.width / VECTOR, lanes = least(parts, THREADS), rows = THREADS / lanes, row = threadIdx.x / lanes;
    const i32 turns = row < rows ? pieces(a.pixels - row, rows) : 0;
    const u64 first = ((u64)image * a.pixels + row) * a.channels + group * a.width;
    const i64 pitch = (i64)rows * a.channels;
    const i32 keptPitch = rows * parts;
    kept += row * parts;

    f32 sum = 0.0f;
    for (i32 part = threadIdx.x % lanes; part < parts; part += lanes) {
        const T* x = a.x + first + part * VECTOR;
#pragma unroll 8
        for (i32 i = 0; i < turns; i++, x += pitch) {
            const auto v = load_vector<Values>(x);
            if (a.kept) kept[i * keptPitch + part] = v;
            sum += sum_of(v);
        }
    }
    const f32 count = (f32)a.pixels * (f32)a.width, mean = exact_quotient(block_sum<THREADS>(sum, scratch), count);

    f32 squares = 0.0f;
    for (i32 part = threadIdx.x % lanes; part < parts; part += lanes) {
        const T* x = a.x + first + part * VECTOR;
#pragma unroll 4
        for (i32 i = 0; i < turns; i++, x += pitch) {
            squares += squares_of(a.kept ? kept[i * keptPitch + part] : load_vector<Values>(x), mean);
        }
    }
    const f32 inverse = exact_inverse_root(exact_quotient(block_sum<THREADS>(squares, scratch), count) + a.eps);
    if (a.statistics && threadIdx.x == 0) store_vector(a.statistics + blockIdx.x * 2, Vector<f32, 2>{mean, inverse});

    for (i32 part = threadIdx.x % lanes; part < parts; part += lanes) {
        const Affine affine(a, group * a.width + part * VECTOR, mean, inverse);
        const T* x = a.x + first + part * VECTOR;
        T* y = a.y + first + part * VECTOR;
#pragma unroll 4
        for (i32 i = 0; i < turns; i++, x += pitch, y += pitch) {
            store_vector(y, affine.of(a.kept ? kept[i * keptPitch + part] : load_vector<Values>(x), a.silu));
        }
    }
}

// How a block lies over pixels: `rows` rows of threads, each over the channels of a pixel. With more channels than threads hold, blocks
// of a row share them (gridDim.z). A group has `entries` threads, whose `slot`s lie side by side.
struct Layout {
    i32 rows, row, channel, firstGroup, groups, group, entries, slot;

    __device__ __forceinline__ Layout(const GroupNormArgs& a) {
        const i32 partsPerGroup = a.width / VECTOR;
        groups = pieces(a.groups, gridDim.z);
        firstGroup = blockIdx.z * groups;
        groups = least(groups, a.groups - firstGroup);
        const i32 lanes = groups * partsPerGroup, lane = threadIdx.x % lanes;
        rows = THREADS / lanes;
        row = threadIdx.x / lanes;
        channel = firstGroup * a.width + lane * VECTOR;
        group = lane / partsPerGroup;
        entries = rows * partsPerGroup;
        slot = group * entries + row * partsPerGroup + lane - group * partsPerGroup;
    }
};

// The sum of what a group's threads left, the same in all lanes of the warp.
DEVICE f32 group_sum(const f32* sums, const Layout& layout, i32 group) {
    f32 sum = 0.0f;
    for (i32 i = threadIdx.x % 32; i < layout.entries; i += 32) sum += sums[group * layout.entries + i];
    return warp_sum(sum);
}

extern "C" __global__ void __launch_bounds__(THREADS) group_norm_moments(const GroupNormArgs a) {
    constexpr i32 Pixels = TilePixels, Warps = THREADS / 32;
    __shared__ f32 sums[THREADS], means[THREADS], earlierMeans[THREADS], earlierSquares[THREADS];
    const Layout layout(a);
    const bool works = layout.row < layout.rows;
    const i32 warp = threadIdx.x / 32, lane = threadIdx.x % 32, tile = Pixels * layout.rows;
    const i32 first = blockIdx.x * a.chunk, last = least(first + a.chunk, a.pixels);
    const i64 pitch = (i64)layout.rows * a.channels;
    f32 seen = 0.0f;
    for (i32 begin = first; begin < last; begin += tile) {
        const i32 pixel = begin + layout.row, mine = works ? pieces(last - pixel, layout.rows) : 0;
        const T* x = a.x + ((u64)blockIdx.y * a.pixels + pixel) * a.channels + layout.channel;
        Values values[Pixels];
#pragma unroll
        for (i32 i = 0; i < Pixels; i++) {
            values[i] = Values();
            if (i < mine) values[i] = load_vector<Values>(x + i * pitch);
        }
        f32 sum = 0.0f;
#pragma unroll
        for (i32 i = 0; i < Pixels; i++) sum += sum_of(values[i]);
        if (works) sums[layout.slot] = sum;
        __syncthreads();
        const f32 counted = (f32)least(tile, last - begin) * (f32)a.width;
        for (i32 group = warp; group < layout.groups; group += Warps) {
            const f32 mean = exact_quotient(group_sum(sums, layout, group), counted);
            if (lane == 0) means[group] = mean;
        }
        __syncthreads();
        const f32 mean = means[layout.group];
        f32 squares = 0.0f;
#pragma unroll
        for (i32 i = 0; i < Pixels; i++) squares += i < mine ? squares_of(values[i], mean) : 0.0f;
        if (works) sums[layout.slot] = squares;
        __syncthreads();
        // Joined with what the earlier tiles gave.
        const f32 share = counted * exact_reciprocal(seen + counted);
        for (i32 group = warp; group < layout.groups; group += Warps) {
            const f32 more = group_sum(sums, layout, group);
            if (lane > 0) continue;
            Vector<f32, 2> moments = {means[group], more};
            if (begin > first) {
                const f32 before = earlierMeans[group], difference = moments.x[0] - before;
                moments.x[0] = before + difference * share;
                moments.x[1] += earlierSquares[group] + difference * difference * (seen * share);
            }
            earlierMeans[group] = moments.x[0];
            earlierSquares[group] = moments.x[1];
            const u64 place = ((u64)blockIdx.y * a.groups + layout.firstGroup + group) * a.chunks + blockIdx.x;
            if (begin + tile >= last) store_vector(a.partial + place * 2, moments);
        }
        seen += counted;
        __syncthreads();
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) group_norm_apply(const GroupNormArgs a) {
    constexpr i32 Warps = THREADS / 32;
    __shared__ f32 means[THREADS], inverses[THREADS];
    const Layout layout(a);
    const i32 warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const f32 count = (f32)a.pixels * (f32)a.width;
    for (i32 group = warp; group < layout.groups; group += Warps) {
        const u64 place = (u64)blockIdx.y * a.groups + layout.firstGroup + group;
        const f32* partial = a.partial + place * a.chunks * 2;
        f32 sum = 0.0f, squares = 0.0f;
        for (i32 chunk = lane; chunk < a.chunks; chunk += 32) {
            sum += (f32)least(a.chunk, a.pixels - chunk * a.chunk) * partial[chunk * 2];
        }
        const f32 mean = exact_quotient(warp_sum(sum), (f32)a.pixels);
        for (i32 chunk = lane; chunk < a.chunks; chunk += 32) {
            const auto own = load_vector<Vector<f32, 2>>(partial + chunk * 2);
            const f32 difference = own.x[0] - mean;
            squares += own.x[1] + difference * difference * ((f32)least(a.chunk, a.pixels - chunk * a.chunk) * (f32)a.width);
        }
        const f32 inverse = exact_inverse_root(exact_quotient(warp_sum(squares), count) + a.eps);
        if (lane == 0) {
            means[group] = mean;
            inverses[group] = inverse;
            if (a.statistics && blockIdx.x == 0) store_vector(a.statistics + place * 2, Vector<f32, 2>{mean, inverse});
        }
    }
    __syncthreads();
    if (layout.row >= layout.rows) return;

    const i32 first = blockIdx.x * a.own + layout.row;
    const Affine affine(a, layout.channel, means[layout.group], inverses[layout.group]);
    const u64 base = ((u64)blockIdx.y * a.pixels + first) * a.channels + layout.channel;
    const i64 pitch = (i64)layout.rows * a.channels;
    const T* x = a.x + base;
    T* y = a.y + base;
    const i32 turns = pieces(least(a.own, a.pixels - (i32)blockIdx.x * a.own) - layout.row, layout.rows);
#pragma unroll 4
    for (i32 i = 0; i < turns; i++, x += pitch, y += pitch) store_vector(y, affine.of(load_vector<Values>(x), a.silu));
}
