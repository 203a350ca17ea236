// y = softmax(q k^T / sqrt(d) + bias) v for each head, by multiply-adds in f32: any element type, any head width up to 512.
//
// Shapes   as in attention.cu, whose struct of arguments this is. T = f32, f16 or bf16, WIDTH = d, any.
// Blocks   (tiles of 4 x QUERIES queries of one image, heads, query images). A warp owns QUERIES queries. For the scores a lane owns one
//          of 32 keys, for the product with v it owns the columns lane, lane + 32, and so on. A tile of 32 keys and one of values take
//          turns in one buffer of shared memory, widened to f32.
// Softmax  the usual streaming one; every query's sums over d and over the keys are chains in ascending order.
// Bounds   2 d multiply-adds a score and head, each with 1 + 4 / QUERIES reads of shared memory: a tenth of the f32 peak. It serves F32,
//          where the tensor cores round to 10 bits, and head widths that no fragment fits.
#include "lib/math.cuh"
#include "lib/reduce.cuh"
#include "lib/shared.cuh"
#include "lib/attention.cuh"

constexpr int Warps = 4;
constexpr int Threads = 32 * Warps;
constexpr int Keys = 32;
constexpr int Pitch = WIDTH % 2 == 1 ? WIDTH : WIDTH + 1;
constexpr int Slots = (WIDTH + 31) / 32;

// 32 rows from `first` on; rows from `count` on are 0.
DEVICE void load_rows(f32* target, const T* source, i32 pitch, i32 first, i32 count) {
    for (i32 i = threadIdx.x; i < Keys * WIDTH; i += Threads) {
        const i32 row = i / WIDTH;
        const i32 column = i % WIDTH;
        target[row * Pitch + column] = first + row < count ? to_f32(source[(i64)(first + row) * pitch + column]) : 0.0f;
    }
}

extern "C" __global__ void __launch_bounds__(Threads) attention_plain(const AttentionArgs a) {
    DYNAMIC_SHARED(memory);
    const i32 lane = threadIdx.x & 31;
    const i32 warp = threadIdx.x >> 5;
    f32* tile = reinterpret_cast<f32*>(memory);
    f32* q = tile + Keys * Pitch + warp * WIDTH * QUERIES;
    const i32 image = blockIdx.z;
    const i32 head = blockIdx.y;
    const i32 first = (blockIdx.x * Warps + warp) * QUERIES;
    const i32 pitch = a.heads * WIDTH;
    const T* from = a.q + (i64)image * a.queryTokens * pitch + head * WIDTH;
    for (i32 i = lane; i < QUERIES * WIDTH; i += 32) {
        const i32 row = i / WIDTH;
        const i32 column = i % WIDTH;
        q[column * QUERIES + row] = first + row < a.queryTokens ? to_f32(from[(i64)(first + row) * pitch + column]) : 0.0f;
    }

    i64 keyRow;
    i32 count;
    key_rows(a, image, keyRow, count);
    const i32 limit = a.causal ? least(count, (i32)(blockIdx.x + 1) * Warps * QUERIES) : count;
    const T* k = a.k + keyRow * pitch + head * WIDTH;
    const T* v = a.v + keyRow * pitch + head * WIDTH;

    f32 sum[QUERIES][Slots];
    f32 largest[QUERIES];
    f32 total[QUERIES];
#pragma unroll
    for (int i = 0; i < QUERIES; i++) {
        largest[i] = -INFINITY_F32;
        total[i] = 0.0f;
#pragma unroll
        for (int s = 0; s < Slots; s++) sum[i][s] = 0.0f;
    }

    for (i32 start = 0; start < limit; start += Keys) {
        __syncthreads();
        load_rows(tile, k, pitch, start, count);
        __syncthreads();
        f32 p[QUERIES];
#pragma unroll
        for (int i = 0; i < QUERIES; i++) p[i] = 0.0f;
        for (i32 c = 0; c < WIDTH; c++) {
            const f32 key = tile[lane * Pitch + c];
#pragma unroll
            for (int i = 0; i < QUERIES; i++) p[i] = fmaf(q[c * QUERIES + i], key, p[i]);
        }
        const i32 key = start + lane;
        const f32 bias = a.bias != nullptr && key < count ? a.bias[(keyRow + key) / a.keysPerBias] * Log2E : 0.0f;
#pragma unroll
        for (int i = 0; i < QUERIES; i++) {
            const bool seen = key < count && !(a.causal && key > first + i);
            const f32 score = seen ? fmaf(p[i], a.scale, bias) : -INFINITY_F32;
            const f32 now = fmaxf(largest[i], warp_max(score));
            const f32 origin = now == -INFINITY_F32 ? 0.0f : now;
            const f32 factor = exp2_fast(largest[i] - origin);
            largest[i] = now;
            p[i] = exp2_fast(score - origin);
            total[i] = total[i] * factor + p[i];
#pragma unroll
            for (int s = 0; s < Slots; s++) sum[i][s] *= factor;
        }
        __syncthreads();
        load_rows(tile, v, pitch, start, count);
        __syncthreads();
        for (i32 j = 0; j < Keys; j++) {
            f32 weight[QUERIES];
#pragma unroll
            for (int i = 0; i < QUERIES; i++) weight[i] = __shfl_sync(AllLanes, p[i], j);
#pragma unroll
            for (int s = 0; s < Slots; s++) {
                const f32 value = s * 32 + lane < WIDTH ? tile[j * Pitch + s * 32 + lane] : 0.0f;
#pragma unroll
                for (int i = 0; i < QUERIES; i++) sum[i][s] = fmaf(weight[i], value, sum[i][s]);
            }
        }
    }

    T* y = a.y + (i64)image * a.queryTokens * pitch + head * WIDTH;
#pragma unroll
    for (int i = 0; i < QUERIES; i++) {
        const f32 whole = warp_sum(total[i]);
        const f32 inverse = whole == 0.0f ? 0.0f : 1.0f / whole;
        if (first + i < a.queryTokens) {
            if (a.lse != nullptr && lane == 0) {
                const i64 at = ((i64)image * a.heads + head) * a.queryTokens + first + i;
                a.lse[at] = whole == 0.0f ? -INFINITY_F32 : (largest[i] + log2_fast(whole)) * Ln2;
            }
#pragma unroll
            for (int s = 0; s < Slots; s++)
                if (s * 32 + lane < WIDTH) y[(i64)(first + i) * pitch + s * 32 + lane] = from_f32<T>(sum[i][s] * inverse);
        }
    }
}
