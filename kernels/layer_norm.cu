// y = (x - mean) / sqrt(variance + eps) * scale + shift over the last dimension
//
// x [rows, width] of T, y of T or f32; scale, shift [width] of f32. LANES lanes of a warp have a row, VECTOR values at a time, and keep it
// in registers in STEPS steps; with STEPS 0 a long row is read again from the cache. Mean first, then the squared deviations: two passes,
// in f32.
//
// Cost: a read and a write of T for each element; nothing else counts. 4096 x 320 in F16 moves 5.2 MB, 1.8 us at 3 TB/s: bytes bound it.
#include "lib/reduce.cuh"
#include "lib/types.cuh"

// width is a multiple of VECTOR; x and y are aligned to VECTOR values.
// statistics: absent, or mean and 1 / sqrt(variance + eps) of each row [rows, 2], for the backward pass.
struct LayerNormArgs {
    void* y;
    const T* x;
    const f32* scale;
    const f32* shift;
    f32* statistics;
    i32 rows;
    i32 width;
    i32 f32Result;
    f32 eps;
};

#ifndef VECTOR
#define VECTOR 8
#define LANES 8
#define STEPS 5
#endif

typedef Vector<T, VECTOR> Values;

constexpr i32 Threads = 128, RowsPerBlock = Threads / LANES;

// The sum over the lanes of a row, for all of them.
DEVICE f32 row_sum(f32 x) {
#pragma unroll
    for (i32 offset = LANES / 2; offset > 0; offset /= 2) x += __shfl_xor_sync(AllLanes, x, offset);
    return x;
}

template <class E> DEVICE void write(E* y, const LayerNormArgs& a, const Values& v, f32 mean, f32 inverse, i32 column) {
    Vector<E, VECTOR> result;
#pragma unroll
    for (i32 e = 0; e < VECTOR; e++) {
        result.x[e] = from_f32<E>((to_f32(v.x[e]) - mean) * inverse * a.scale[column + e] + a.shift[column + e]);
    }
    store_vector(y + column, result);
}

DEVICE void normalise(const LayerNormArgs& a, i32 row, const Values& v, f32 mean, f32 inverse, i32 column) {
    const u64 base = (u64)row * a.width;
    if (a.f32Result) {
        write(reinterpret_cast<f32*>(a.y) + base, a, v, mean, inverse, column);
    } else {
        write(reinterpret_cast<T*>(a.y) + base, a, v, mean, inverse, column);
    }
}

// Ends the statistics of a row: 1 / sqrt(variance + eps) of a lane's squared deviations.
DEVICE f32 inverse_of(const LayerNormArgs& a, i32 row, f32 mean, f32 squares) {
    const f32 inverse = 1.0f / sqrtf(row_sum(squares) / (f32)a.width + a.eps);
    if (a.statistics && row < a.rows && threadIdx.x % LANES == 0) store_vector(a.statistics + (u64)row * 2, Vector<f32, 2>{mean, inverse});
    return inverse;
}

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

// A lane whose row is past the end works on the last one, without writing: every shuffle has all lanes.
extern "C" __global__ void __launch_bounds__(Threads) layer_norm(const LayerNormArgs a) {
    const i32 row = blockIdx.x * RowsPerBlock + threadIdx.x / LANES, first = threadIdx.x % LANES * VECTOR;
    const T* x = a.x + (u64)least(row, a.rows - 1) * a.width;
    constexpr i32 Step = LANES * VECTOR;
    f32 sum = 0.0f, squares = 0.0f;
    if constexpr (STEPS > 0) {
        Values kept[STEPS > 0 ? STEPS : 1];
#pragma unroll
        for (i32 i = 0; i < STEPS; i++) kept[i] = first + i * Step < a.width ? load_vector<Values>(x + first + i * Step) : Values();
#pragma unroll
        for (i32 i = 0; i < STEPS; i++) sum += sum_of(kept[i]);
        const f32 mean = row_sum(sum) / (f32)a.width;
#pragma unroll
        for (i32 i = 0; i < STEPS; i++) squares += first + i * Step < a.width ? squares_of(kept[i], mean) : 0.0f;
        const f32 inverse = inverse_of(a, row, mean, squares);
#pragma unroll
        for (i32 i = 0; i < STEPS; i++) {
            const i32 column = first + i * Step;
            if (column < a.width && row < a.rows) normalise(a, row, kept[i], mean, inverse, column);
        }
    } else {
        for (i32 column = first; column < a.width; column += Step) sum += sum_of(load_vector<Values>(x + column));
        const f32 mean = row_sum(sum) / (f32)a.width;
        for (i32 column = first; column < a.width; column += Step) squares += squares_of(load_vector<Values>(x + column), mean);
        const f32 inverse = inverse_of(a, row, mean, squares);
        for (i32 column = first; column < a.width && row < a.rows; column += Step) {
            normalise(a, row, load_vector<Values>(x + column), mean, inverse, column);
        }
    }
}
