// y = softmax(q k^T / sqrt(d) + bias) v for each head on tensor cores, where a head is too wide for one warp's registers (d = 512 of the
// VAE).
//
// Shapes   as in attention.cu, whose struct of arguments this is. T = f16 or bf16; d a multiple of 32 columns for each of the warps that
//          share a row (see ColumnTiles).
// Blocks   (tiles of QUERIES queries of one image, heads, query images). The block's warps share everything: q, one tile of KEYS keys and
//          one of values lie in shared memory; a warp computes the scores of 16 queries with its share of the keys; 4 threads a query
//          make the softmax of them; then a warp adds to 32 queries of its share of the columns.
// Order    while the scores are computed the values arrive, and while those are multiplied the next keys do.
// Softmax  as in attention.cu: integer shifts, raised when a weight would pass 2^14.
// Bounds   a block of 64 queries and 64 keys at d = 512: 256 tensor instructions and 136 ldmatrix a warp and tile: shared memory needs
//          1.3 times the tensor cores' time. It runs once an image.
#include "lib/async.cuh"
#include "lib/attention.cuh"
#include "lib/math.cuh"
#include "lib/mma.cuh"

// Set by the launcher: T, WIDTH, QUERIES (32 or 64), KEYS, WARPS.
constexpr int Threads = 32 * WARPS;
constexpr int Pitch = padded_pitch(WIDTH);
constexpr int Chunks = WIDTH / 8;
constexpr int RowGroups = QUERIES / 16;
constexpr int KeyGroups = WARPS / RowGroups;
constexpr int KeyTiles = KEYS / KeyGroups / 8;
constexpr int RowPairs = QUERIES / 32;
constexpr int ColumnGroups = WARPS / RowPairs;
constexpr int ColumnTiles = WIDTH / ColumnGroups / 8;
constexpr int ScorePitch = KEYS + 4;
constexpr int WeightPitch = KEYS + 8;
constexpr int Lanes = Threads / QUERIES;
constexpr f32 Unset = -1e30f;
constexpr f32 Headroom = 14.0f;
constexpr f32 Top = 6.0f;

static_assert(KeyTiles >= 1 && KEYS % (8 * KeyGroups) == 0, "each group of warps needs whole tiles of keys");
static_assert(WIDTH % (16 * ColumnGroups) == 0 && KEYS % 16 == 0, "columns are shared in pairs of tiles");
static_assert(Lanes == 4, "the softmax has four threads a query");

DEVICE void load_rows(u32 target, const T* source, i32 pitch, i32 count, i32 first, i32 limit) {
    for (i32 i = threadIdx.x; i < count * Chunks; i += Threads) {
        const i32 row = i / Chunks;
        const i32 chunk = i % Chunks;
        const bool exists = first + row < limit;
        const T* from = exists ? source + (i64)(first + row) * pitch + chunk * 8 : source;
        async_copy16(target + (row * Pitch + chunk * 8) * 2, from, exists ? 16 : 0);
    }
}

// Scores of 16 queries and KeyTiles x 8 keys, to shared memory.
DEVICE void scores(f32* out, u32 queries, u32 keys) {
    const i32 lane = threadIdx.x & 31;
    const u32 left = queries + ((lane & 15) * Pitch + (lane >> 4) * 8) * 2;
    f32 s[KeyTiles][4] = {};
    if constexpr (KeyTiles % 2 == 0) {
        const u32 right = keys + (((lane >> 4) * 8 + (lane & 7)) * Pitch + (lane >> 3 & 1) * 8) * 2;
#pragma unroll 4
        for (int i = 0; i < WIDTH / 16; i++) {
            u32 a[4];
            ldmatrix_x4(a, left + i * 32);
#pragma unroll
            for (int n = 0; n < KeyTiles; n += 2) {
                u32 b[4];
                ldmatrix_x4(b, right + n * 8 * Pitch * 2 + i * 32);
                mma_16816<T>(s[n], a, b[0], b[1]);
                mma_16816<T>(s[n + 1], a, b[2], b[3]);
            }
        }
    } else {
        const u32 right = keys + ((lane & 7) * Pitch + (lane >> 3 & 1) * 8) * 2;
#pragma unroll 4
        for (int i = 0; i < WIDTH / 16; i++) {
            u32 a[4];
            ldmatrix_x4(a, left + i * 32);
#pragma unroll
            for (int n = 0; n < KeyTiles; n++) {
                u32 b[2];
                ldmatrix_x2(b, right + n * 8 * Pitch * 2 + i * 32);
                mma_16816<T>(s[n], a, b[0], b[1]);
            }
        }
    }
#pragma unroll
    for (int n = 0; n < KeyTiles; n++)
#pragma unroll
        for (int e = 0; e < 4; e++) out[((lane >> 2) + (e >> 1) * 8) * ScorePitch + n * 8 + 2 * (lane & 3) + (e & 1)] = s[n][e];
}

extern "C" __global__ void __launch_bounds__(Threads) attention_wide(const AttentionArgs a) {
    DYNAMIC_SHARED(memory);
    T* queries = reinterpret_cast<T*>(memory);
    T* keys = queries + QUERIES * Pitch;
    T* values = keys + KEYS * Pitch;
    T* weights = values + KEYS * Pitch;
    f32* room = reinterpret_cast<f32*>(weights + QUERIES * WeightPitch);
    f32* factors = room + QUERIES * ScorePitch;
    const i32 lane = threadIdx.x & 31;
    const i32 warp = threadIdx.x >> 5;
    const i32 image = blockIdx.z;
    const i32 head = blockIdx.y;
    const i32 first = blockIdx.x * QUERIES;
    const i32 pitch = a.heads * WIDTH;

    i64 keyRow;
    i32 count;
    key_rows(a, image, keyRow, count);
    const i32 limit = a.causal ? least(count, first + QUERIES) : count;
    const T* k = a.k + keyRow * pitch + head * WIDTH;
    const T* v = a.v + keyRow * pitch + head * WIDTH;
    load_rows(shared_address(queries), a.q + (i64)image * a.queryTokens * pitch + head * WIDTH, pitch, QUERIES, first, a.queryTokens);
    load_rows(shared_address(keys), k, pitch, KEYS, 0, limit);
    async_commit();

    f32 sum[2][ColumnTiles][4] = {};
    const i32 rowGroup = warp % RowGroups * 16;
    const i32 keyGroup = warp / RowGroups * (KeyTiles * 8);
    const i32 rowPair = warp % RowPairs * 32;
    const i32 column = warp / RowPairs * (ColumnTiles * 8);
    const i32 mine = threadIdx.x / Lanes;
    f32 shift = Unset;
    f32 total = 0.0f;

    for (i32 start = 0; start < limit; start += KEYS) {
        async_wait<0>();
        __syncthreads();
        load_rows(shared_address(values), v, pitch, KEYS, start, limit);
        async_commit();
        scores(
            room + rowGroup * ScorePitch + keyGroup, shared_address(queries + rowGroup * Pitch), shared_address(keys + keyGroup * Pitch));
        __syncthreads();
        load_rows(shared_address(keys), k, pitch, KEYS, start + KEYS, limit);
        async_commit();

        f32 s[KEYS / Lanes];
        f32 largest = -INFINITY_F32;
#pragma unroll
        for (int i = 0; i < KEYS / Lanes; i++) {
            const i32 j = i * Lanes + threadIdx.x % Lanes;
            const i32 key = start + j;
            const bool seen = key < limit && !(a.causal && key > first + mine);
            const f32 bias = a.bias != nullptr && seen ? a.bias[(keyRow + key) / a.keysPerBias] * Log2E : 0.0f;
            s[i] = seen ? fmaf(room[mine * ScorePitch + j], a.scale, bias) : -INFINITY_F32;
            largest = fmaxf(largest, s[i]);
        }
        largest = fmaxf(largest, __shfl_xor_sync(AllLanes, largest, 1));
        largest = fmaxf(largest, __shfl_xor_sync(AllLanes, largest, 2));
        const f32 now = largest > shift + Headroom ? ceilf(largest) - Top : shift;
        const f32 factor = exp2_fast(shift - now);
        shift = now;
        total *= factor;
#pragma unroll
        for (int i = 0; i < KEYS / Lanes; i++) {
            const f32 p = exp2_fast(s[i] - shift);
            total += p;
            weights[mine * WeightPitch + i * Lanes + threadIdx.x % Lanes] = from_f32<T>(p);
        }
        if (threadIdx.x % Lanes == 0) factors[mine] = factor;
        async_wait<1>();
        __syncthreads();

#pragma unroll
        for (int m = 0; m < 2; m++) {
            const f32 upper = factors[rowPair + m * 16 + (lane >> 2)];
            const f32 lower = factors[rowPair + m * 16 + (lane >> 2) + 8];
            if (__any_sync(AllLanes, upper != 1.0f || lower != 1.0f)) {
#pragma unroll
                for (int n = 0; n < ColumnTiles; n++) {
                    sum[m][n][0] *= upper;
                    sum[m][n][1] *= upper;
                    sum[m][n][2] *= lower;
                    sum[m][n][3] *= lower;
                }
            }
        }
        const u32 left = shared_address(weights + (rowPair + (lane & 15)) * WeightPitch + (lane >> 4) * 8);
        const u32 right = shared_address(values + (lane & 15) * Pitch + column + (lane >> 4) * 8);
#pragma unroll
        for (int i = 0; i < KEYS / 16; i++) {
            u32 p[2][4];
            ldmatrix_x4(p[0], left + i * 32);
            ldmatrix_x4(p[1], left + 16 * WeightPitch * 2 + i * 32);
#pragma unroll
            for (int n = 0; n < ColumnTiles; n += 2) {
                u32 b[4];
                ldmatrix_x4_trans(b, right + (i * 16 * Pitch + n * 8) * 2);
#pragma unroll
                for (int m = 0; m < 2; m++) {
                    mma_16816<T>(sum[m][n], p[m], b[0], b[1]);
                    mma_16816<T>(sum[m][n + 1], p[m], b[2], b[3]);
                }
            }
        }
    }

    async_wait<0>();
    total += __shfl_xor_sync(AllLanes, total, 1);
    total += __shfl_xor_sync(AllLanes, total, 2);
    __syncthreads();
    if (threadIdx.x % Lanes == 0) {
        factors[mine] = total == 0.0f ? 0.0f : 1.0f / total;
        if (a.lse != nullptr && first + mine < a.queryTokens)
            a.lse[((i64)image * a.heads + head) * a.queryTokens + first + mine] = (shift + log2_fast(total)) * Ln2;
    }
    __syncthreads();
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const i32 row = rowPair + m * 16 + (lane >> 2) + r * 8;
            const f32 inverse = factors[row];
            T* y = a.y + ((i64)image * a.queryTokens + first + row) * pitch + head * WIDTH + column + 2 * (lane & 3);
            if (first + row < a.queryTokens) {
#pragma unroll
                for (int n = 0; n < ColumnTiles; n++)
                    store_vector(reinterpret_cast<u32*>(y + n * 8), pack2<T>(sum[m][n][2 * r] * inverse, sum[m][n][2 * r + 1] * inverse));
            }
        }
}
