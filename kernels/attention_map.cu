// map[query, key] = mean over the heads of softmax(q k^T / sqrt(d) + bias) for one set: what a query looks at.
//
// Shapes   q [queries, heads * d], k [keys, heads * d] (the tokens of all images of the set), map f32 [queries, keys]; bias f32, one
//          value per keysPerBias keys, in the units of the scores. T any storage type, WIDTH = d.
// Blocks   tiles of 32 queries; a warp owns 8 of them, a lane one of 32 keys at a time. First, for each head, the maximum and total of
//          every query over all keys; then, tile by tile of keys, the scores again for each head, and the mean in registers. Every key
//          dropped: 0.
// Bounds   4 d multiply-adds a score and head, with 1.5 reads of shared memory for 8 of them: 1.5 ms for 4096 x 4096 and 640 channels.
//          Used where correspondences are asked for, at the coarse levels.
#include "lib/attention.cuh"
#include "lib/math.cuh"
#include "lib/shared.cuh"

struct AttentionMapArgs {
    f32* map;
    const T* q;
    const T* k;
    const f32* bias;
    i32 queries;
    i32 keys;
    i32 heads;
    i32 keysPerBias;
    f32 scale;
};

constexpr int Warps = 4;
constexpr int Threads = 32 * Warps;
constexpr int Keys = 32;
constexpr int Rows = 8;
constexpr int Pitch = WIDTH % 2 == 1 ? WIDTH : WIDTH + 1;

DEVICE void load_queries(f32* target, const AttentionMapArgs& a, i32 head, i32 first) {
    const i32 lane = threadIdx.x & 31;
    __syncwarp();
    for (i32 i = lane; i < Rows * WIDTH; i += 32) {
        const i32 row = i / WIDTH;
        const i32 column = i % WIDTH;
        target[column * Rows + row] =
            first + row < a.queries ? to_f32(a.q[((i64)(first + row) * a.heads + head) * WIDTH + column]) : 0.0f;
    }
    __syncwarp();
}

// Scores, in units of log2, of the warp's queries and the key of this lane.
DEVICE void scores(f32 (&s)[Rows], f32* tile, const f32* q, const AttentionMapArgs& a, i32 head, i32 start) {
    const i32 lane = threadIdx.x & 31;
    __syncthreads();
    for (i32 i = threadIdx.x; i < Keys * WIDTH; i += Threads) {
        const i32 row = i / WIDTH;
        const i32 column = i % WIDTH;
        tile[row * Pitch + column] = start + row < a.keys ? to_f32(a.k[((i64)(start + row) * a.heads + head) * WIDTH + column]) : 0.0f;
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < Rows; i++) s[i] = 0.0f;
    for (i32 c = 0; c < WIDTH; c++) {
        const f32 key = tile[lane * Pitch + c];
#pragma unroll
        for (int i = 0; i < Rows; i++) s[i] = fmaf(q[c * Rows + i], key, s[i]);
    }
    const i32 key = start + lane;
    const f32 bias = a.bias != nullptr && key < a.keys ? a.bias[key / a.keysPerBias] * Log2E : 0.0f;
#pragma unroll
    for (int i = 0; i < Rows; i++) s[i] = key < a.keys ? fmaf(s[i], a.scale, bias) : -INFINITY_F32;
}

extern "C" __global__ void __launch_bounds__(Threads) attention_map(const AttentionMapArgs a) {
    DYNAMIC_SHARED(memory);
    const i32 lane = threadIdx.x & 31;
    const i32 warp = threadIdx.x >> 5;
    f32* tile = reinterpret_cast<f32*>(memory);
    f32* q = tile + Keys * Pitch + warp * WIDTH * Rows;
    // For each head and query of the warp: the maximum, and one over heads times the total.
    f32* known = tile + Keys * Pitch + Warps * WIDTH * Rows + warp * a.heads * Rows * 2;
    const i32 first = (blockIdx.x * Warps + warp) * Rows;
    f32 s[Rows];

    for (i32 head = 0; head < a.heads; head++) {
        load_queries(q, a, head, first);
        f32 largest[Rows];
        f32 total[Rows];
#pragma unroll
        for (int i = 0; i < Rows; i++) {
            largest[i] = -INFINITY_F32;
            total[i] = 0.0f;
        }
        for (i32 start = 0; start < a.keys; start += Keys) {
            scores(s, tile, q, a, head, start);
#pragma unroll
            for (int i = 0; i < Rows; i++) {
                const f32 now = fmaxf(largest[i], s[i]);
                const f32 origin = now == -INFINITY_F32 ? 0.0f : now;
                total[i] = total[i] * exp2_fast(largest[i] - origin) + exp2_fast(s[i] - origin);
                largest[i] = now;
            }
        }
#pragma unroll
        for (int i = 0; i < Rows; i++) {
            const f32 now = warp_max(largest[i]);
            const f32 origin = now == -INFINITY_F32 ? 0.0f : now;
            const f32 whole = warp_sum(total[i] * exp2_fast(largest[i] - origin));
            if (lane == 0) {
                known[(head * Rows + i) * 2] = origin;
                known[(head * Rows + i) * 2 + 1] = whole == 0.0f ? 0.0f : 1.0f / (whole * (f32)a.heads);
            }
        }
    }

    for (i32 start = 0; start < a.keys; start += Keys) {
        f32 mean[Rows];
#pragma unroll
        for (int i = 0; i < Rows; i++) mean[i] = 0.0f;
        for (i32 head = 0; head < a.heads; head++) {
            load_queries(q, a, head, first);
            scores(s, tile, q, a, head, start);
#pragma unroll
            for (int i = 0; i < Rows; i++)
                mean[i] = fmaf(exp2_fast(s[i] - known[(head * Rows + i) * 2]), known[(head * Rows + i) * 2 + 1], mean[i]);
        }
#pragma unroll
        for (int i = 0; i < Rows; i++)
            if (first + i < a.queries && start + lane < a.keys) a.map[(i64)(first + i) * a.keys + start + lane] = mean[i];
    }
}
