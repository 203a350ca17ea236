// y = softmax(q k^T / sqrt(d) + bias) v for each head, on tensor cores (Dao et al., 2022, in the form for registers of 2023).
//
// Shapes   q, y [query images, query tokens, heads * d], k, v [key images, key tokens, heads * d]; T = f16 or bf16, d a multiple of 8 up
//          to 256. The keys of an image are the rows of all key images of its set. bias f32, in the same units as the scores: one value
//          for keysPerBias key rows. lse (optional) [query images, heads, query tokens] = ln of the sum of e^score.
// Blocks   (tiles of ROWS * WARPS queries of one image, heads, query images): tiles never cross images, so no bit of a result depends on
//          what else is in the batch. A warp owns ROWS queries: q stays in registers, K and V come in tiles of KEYS rows through STAGES
//          buffers of shared memory, and are worked off 32 keys at a time: 16x8 scores by mma.sync, their exponentials, and the product with v.
// Softmax  p = 2^(score log2(e) - shift) with an integer shift per query that is changed only when p would pass 2^14: then it is set so that
//          the largest p is at most 2^6. So sums are rarely rescaled, p uses the whole range of f16, and l = sum p and y = sum p v / l do not
//          depend on shift but for underflow 2^-30 below the largest. A query without keys, or with dropped ones (bias -inf) alone, gives 0.
// Bounds   per 32 x 32 scores at d = 40: 2 x (4 x 2.5 + 2 x 5) tensor instructions of 16x8x16 = 40 x 6.5 clocks at the rate of mma.sync on an
//          H100, 32 exponentials a lane = 32 x 8 clocks, 10 ldmatrix.x4: tensor cores and exponentials need the same time, 0.56 ms for 8 heads
//          of 16384 x 16384. K and V of a head pass once per tile of queries through the second-level cache: 256 queries a block
//          keep that below half of the time. Wider heads are bound by the tensor cores.
#include "lib/async.cuh"
#include "lib/attention.cuh"
#include "lib/math.cuh"
#include "lib/mma.cuh"

// Set by the launcher: T, WIDTH (d), ROWS (16 or 32 queries a warp), WARPS, KEYS (a multiple of 32), STAGES, BLOCKS (least number
// per multiprocessor), BIAS and CAUSAL (0 or 1). POLYNOMIAL: how many of eight exponentials go through multiply-adds.
#ifndef POLYNOMIAL
#define POLYNOMIAL 0
#endif

constexpr int Threads = 32 * WARPS;
constexpr int Queries = ROWS * WARPS;
constexpr int RowTiles = ROWS / 16;
constexpr int Pitch = padded_pitch(WIDTH);
constexpr int Steps = WIDTH / 16;
constexpr bool Tail = WIDTH % 16 != 0;
constexpr int Columns = WIDTH / 8;
constexpr int Chunks = WIDTH / 8;
constexpr int LoadRows = Threads / Chunks;
constexpr int StageBytes = 2 * KEYS * Pitch * 2 + (BIAS ? KEYS * 4 : 0);
constexpr f32 Unset = -1e30f;
constexpr f32 Headroom = 14.0f;
constexpr f32 Top = 6.0f;

// What a warp knows of its queries. Row r of row tile m: r = 0 is query g, r = 1 query g + 8 of the tile (g = lane / 4).
struct Rows {
    u32 q[RowTiles][Steps > 0 ? Steps : 1][4];
    u32 tail[RowTiles][2];
    f32 sum[RowTiles][Columns][4];
    f32 shift[RowTiles][2];
    f32 total[RowTiles][2];
};

// Rows [first, first + count) of a matrix of which `limit` rows exist; the others become 0.
template <int Count> DEVICE void load_rows(u32 target, const T* source, i32 pitch, i32 first, i32 limit) {
    const int row = threadIdx.x / Chunks;
    const int chunk = threadIdx.x % Chunks;
    if (row >= LoadRows) return;
    const i32 offset = (first + row) * pitch + chunk * 8;
#pragma unroll
    for (int r = 0; r < Count; r += LoadRows) {
        if (r + row < Count) {
            const bool exists = first + row + r < limit;
            async_copy16(target + ((r + row) * Pitch + chunk * 8) * 2, source + (exists ? offset + r * pitch : 0), exists ? 16 : 0);
        }
    }
}

// s = q k^T of 32 keys, k at the lane's address of a row tile in shared memory.
DEVICE void scores(f32 (&s)[RowTiles][4][4], const Rows& rows, u32 keys) {
    const u32 lane = threadIdx.x & 31;
#pragma unroll
    for (int m = 0; m < RowTiles; m++)
#pragma unroll
        for (int n = 0; n < 4; n++)
#pragma unroll
            for (int e = 0; e < 4; e++) s[m][n][e] = 0.0f;
    const u32 body = keys + (((lane >> 4) * 8 + (lane & 7)) * Pitch + (lane >> 3 & 1) * 8) * 2;
#pragma unroll
    for (int i = 0; i < Steps; i++) {
#pragma unroll
        for (int n = 0; n < 4; n += 2) {
            u32 b[4];
            ldmatrix_x4(b, body + (n * 8 * Pitch + i * 16) * 2);
#pragma unroll
            for (int m = 0; m < RowTiles; m++) {
                mma_16816<T>(s[m][n], rows.q[m][i], b[0], b[1]);
                mma_16816<T>(s[m][n + 1], rows.q[m][i], b[2], b[3]);
            }
        }
    }
    if constexpr (Tail) {
        u32 b[4];
        ldmatrix_x4(b, keys + (lane * Pitch + Steps * 16) * 2);
#pragma unroll
        for (int n = 0; n < 4; n++)
#pragma unroll
            for (int m = 0; m < RowTiles; m++) {
#ifdef PADDED_TAIL
                const u32 padded[4] = {rows.tail[m][0], rows.tail[m][1], 0, 0};
                mma_16816<T>(s[m][n], padded, b[n], 0);
#else
                mma_1688<T>(s[m][n], rows.tail[m][0], rows.tail[m][1], b[n]);
#endif
            }
    }
}

// Drops the keys from `limit` on; causal: also those behind the query.
DEVICE void mask(f32 (&s)[RowTiles][4][4], i32 key, i32 limit, i32 query) {
    const i32 lane = threadIdx.x & 31;
#pragma unroll
    for (int m = 0; m < RowTiles; m++)
#pragma unroll
        for (int n = 0; n < 4; n++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const i32 j = key + n * 8 + 2 * (lane & 3) + (e & 1);
                const i32 i = query + m * 16 + (lane >> 2) + (e >> 1) * 8;
                if (j >= limit || (CAUSAL && j > i)) s[m][n][e] = -INFINITY_F32;
            }
}

// s = s scale + bias, in units of log2.
DEVICE void add_bias(f32 (&s)[RowTiles][4][4], const f32* bias, f32 scale) {
    const int t = threadIdx.x & 3;
#pragma unroll
    for (int n = 0; n < 4; n++) {
        const Vector<f32, 2> b = load_vector<Vector<f32, 2>>(bias + n * 8 + 2 * t);
#pragma unroll
        for (int m = 0; m < RowTiles; m++)
#pragma unroll
            for (int e = 0; e < 4; e++) s[m][n][e] = fmaf(s[m][n][e], scale, b.x[e & 1]);
    }
}

// Raises the shift of queries whose largest p would pass the headroom. Lanes of a query agree, since they take the maximum together.
DEVICE void raise_shift(Rows& rows, const f32 (&s)[RowTiles][4][4], f32 scale) {
    f32 largest[RowTiles][2];
    bool above = false;
#pragma unroll
    for (int m = 0; m < RowTiles; m++)
#pragma unroll
        for (int r = 0; r < 2; r++) {
            f32 x = fmaxf(s[m][0][2 * r], s[m][0][2 * r + 1]);
#pragma unroll
            for (int n = 1; n < 4; n++) x = fmaxf(x, fmaxf(s[m][n][2 * r], s[m][n][2 * r + 1]));
            largest[m][r] = x * scale;
            above |= largest[m][r] > rows.shift[m][r] + Headroom;
        }
    if (!__any_sync(AllLanes, above)) return;
#pragma unroll
    for (int m = 0; m < RowTiles; m++)
#pragma unroll
        for (int r = 0; r < 2; r++) {
            f32 x = largest[m][r];
            x = fmaxf(x, __shfl_xor_sync(AllLanes, x, 1));
            x = fmaxf(x, __shfl_xor_sync(AllLanes, x, 2));
            const f32 old = rows.shift[m][r];
            const f32 now = x > old + Headroom ? ceilf(x) - Top : old;
            const f32 factor = exp2_fast(old - now);
            rows.shift[m][r] = now;
            rows.total[m][r] *= factor;
#pragma unroll
            for (int n = 0; n < Columns; n++) {
                rows.sum[m][n][2 * r] *= factor;
                rows.sum[m][n][2 * r + 1] *= factor;
            }
        }
}

// 2^x for x from -inf up to 2^7 without the special function unit: 2^(nearest integer) times a cubic, relative error 7.5e-05.
DEVICE f32 exp2_polynomial(f32 x) {
    const f32 magic = 12582912.0f;
    x = fmaxf(x, -126.0f);
    const f32 shifted = x + magic;
    const f32 f = x - (shifted - magic);
    f32 p = fmaf(f, 0.0551716672f, 0.2426111221f);
    p = fmaf(f, p, 0.6932609858f);
    p = fmaf(f, p, 0.9999280736f);
    return __uint_as_float(__float_as_uint(p) + (__float_as_uint(shifted) << 23));
}

// p = 2^(s scale - shift), packed as the left operand of the product with v: [keys / 16][4].
template <bool Exact> DEVICE void weights(u32 (&p)[RowTiles][2][4], Rows& rows, const f32 (&s)[RowTiles][4][4], f32 scale) {
#pragma unroll
    for (int m = 0; m < RowTiles; m++)
#pragma unroll
        for (int n = 0; n < 4; n++) {
            f32 w[4];
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const f32 x = fmaf(s[m][n][e], scale, -rows.shift[m][e >> 1]);
                w[e] = !Exact && (n & 1) * 4 + e < POLYNOMIAL ? exp2_polynomial(x) : exp2_fast(x);
                rows.total[m][e >> 1] += w[e];
            }
            p[m][n >> 1][(n & 1) * 2] = pack2<T>(w[0], w[1]);
            p[m][n >> 1][(n & 1) * 2 + 1] = pack2<T>(w[2], w[3]);
        }
}

// sum += p v of 32 keys.
DEVICE void add_values(Rows& rows, const u32 (&p)[RowTiles][2][4], u32 values) {
    const u32 lane = threadIdx.x & 31;
    const u32 body = values + ((lane & 15) * Pitch + (lane >> 4) * 8) * 2;
#pragma unroll
    for (int i = 0; i < 2; i++)
#pragma unroll
        for (int n = 0; n + 1 < Columns; n += 2) {
            u32 b[4];
            ldmatrix_x4_trans(b, body + (i * 16 * Pitch + n * 8) * 2);
#pragma unroll
            for (int m = 0; m < RowTiles; m++) {
                mma_16816<T>(rows.sum[m][n], p[m][i], b[0], b[1]);
                mma_16816<T>(rows.sum[m][n + 1], p[m][i], b[2], b[3]);
            }
        }
    if constexpr (Columns % 2 == 1) {
        u32 b[4];
        ldmatrix_x4_trans(b, values + (lane * Pitch + (Columns - 1) * 8) * 2);
#pragma unroll
        for (int m = 0; m < RowTiles; m++) {
            mma_16816<T>(rows.sum[m][Columns - 1], p[m][0], b[0], b[1]);
            mma_16816<T>(rows.sum[m][Columns - 1], p[m][1], b[2], b[3]);
        }
    }
}

// One tile of keys. The scores of the next 32 keys are computed beside the exponentials of these.
template <bool Masked> DEVICE void tile(Rows& rows, u32 stage, const f32* bias, i32 key, i32 limit, i32 query, f32 scale) {
    const u32 values = stage + KEYS * Pitch * 2;
    const f32 rest = BIAS ? 1.0f : scale;
#ifdef PIPELINED
    f32 s[2][RowTiles][4][4];
    scores(s[0], rows, stage);
#pragma unroll
    for (int u = 0; u < KEYS / 32; u++) {
        if constexpr (BIAS) add_bias(s[u & 1], bias + u * 32, scale);
        if constexpr (Masked) mask(s[u & 1], key + u * 32, limit, query);
        raise_shift(rows, s[u & 1], rest);
        if (u + 1 < KEYS / 32) scores(s[u + 1 & 1], rows, stage + (u + 1) * 32 * Pitch * 2);
        u32 p[RowTiles][2][4];
        weights<Masked || BIAS>(p, rows, s[u & 1], rest);
        add_values(rows, p, values + u * 32 * Pitch * 2);
    }
#else
#pragma unroll(Masked ? 1 : KEYS / 32)
    for (int u = 0; u < KEYS / 32; u++) {
        f32 s[RowTiles][4][4];
        scores(s, rows, stage + u * 32 * Pitch * 2);
        if constexpr (BIAS) add_bias(s, bias + u * 32, scale);
        if constexpr (Masked) mask(s, key + u * 32, limit, query);
        raise_shift(rows, s, rest);
        u32 p[RowTiles][2][4];
        weights<Masked || BIAS>(p, rows, s, rest);
        add_values(rows, p, values + u * 32 * Pitch * 2);
    }
#endif
}

// Divides by the totals and writes the warp's queries through its part of shared memory, 16 bytes a lane.
DEVICE void write(Rows& rows, T* room, const AttentionArgs& a, i32 image, i32 head, i32 first) {
    const int lane = threadIdx.x & 31;
#pragma unroll
    for (int m = 0; m < RowTiles; m++)
#pragma unroll
        for (int r = 0; r < 2; r++) {
            f32 total = rows.total[m][r];
            total += __shfl_xor_sync(AllLanes, total, 1);
            total += __shfl_xor_sync(AllLanes, total, 2);
            const f32 inverse = total > 0.0f ? 1.0f / total : (total == 0.0f ? 0.0f : total);
            const int row = m * 16 + (lane >> 2) + r * 8;
            if (a.lse != nullptr && (lane & 3) == 0 && first + row < a.queryTokens)
                a.lse[((i64)image * a.heads + head) * a.queryTokens + first + row] = (rows.shift[m][r] + log2_fast(total)) * Ln2;
#pragma unroll
            for (int n = 0; n < Columns; n++)
                store_vector(reinterpret_cast<u32*>(room + row * Pitch + n * 8 + 2 * (lane & 3)),
                             pack2<T>(rows.sum[m][n][2 * r] * inverse, rows.sum[m][n][2 * r + 1] * inverse));
        }
    __syncwarp();
    const i64 pitch = (i64)a.heads * WIDTH;
    T* y = a.y + ((i64)image * a.queryTokens + first) * pitch + head * WIDTH;
    for (int i = lane; i < ROWS * Chunks; i += 32) {
        const int row = i / Chunks;
        const int chunk = i % Chunks;
        if (first + row < a.queryTokens)
            store_vector(y + row * pitch + chunk * 8, load_vector<Vector16<T>>(room + row * Pitch + chunk * 8));
    }
}

extern "C" __global__ void __launch_bounds__(Threads, BLOCKS) attention(const AttentionArgs a) {
    DYNAMIC_SHARED(memory);
    T* queries = reinterpret_cast<T*>(memory);
    u8* stages = memory + Queries * Pitch * 2;
    const int lane = threadIdx.x & 31;
    const int warp = threadIdx.x >> 5;
    const i32 image = blockIdx.z;
    const i32 head = blockIdx.y;
    const i32 first = blockIdx.x * Queries;
    const i32 pitch = a.heads * WIDTH;

    i64 keyRow;
    i32 count;
    key_rows(a, image, keyRow, count);
    const i32 limit = CAUSAL ? least(count, first + Queries) : count;
    const i32 tiles = pieces(limit, KEYS);
    const T* k = a.k + keyRow * pitch + head * WIDTH;
    const T* v = a.v + keyRow * pitch + head * WIDTH;

    auto load_tile = [&](i32 t) {
        if (t < tiles) {
            const u32 stage = shared_address(stages + t % STAGES * StageBytes);
            load_rows<KEYS>(stage, k, pitch, t * KEYS, count);
            load_rows<KEYS>(stage + KEYS * Pitch * 2, v, pitch, t * KEYS, count);
            if constexpr (BIAS) {
                f32* bias = reinterpret_cast<f32*>(stages + t % STAGES * StageBytes + 2 * KEYS * Pitch * 2);
                for (int i = threadIdx.x; i < KEYS; i += Threads) {
                    const i32 key = t * KEYS + i;
                    bias[i] = key < count ? a.bias[(keyRow + key) / a.keysPerBias] * Log2E : -INFINITY_F32;
                }
            }
        }
        async_commit();
    };

    load_rows<Queries>(shared_address(queries), a.q + (i64)image * a.queryTokens * pitch + head * WIDTH, pitch, first, a.queryTokens);
    async_commit();
    for (i32 t = 0; t < STAGES - 1; t++) load_tile(t);
    async_wait<STAGES - 1>();
    __syncthreads();

    Rows rows;
    T* own = queries + warp * ROWS * Pitch;
#pragma unroll
    for (int m = 0; m < RowTiles; m++) {
        const u32 address = shared_address(own + (m * 16 + (lane & 15)) * Pitch + (lane >> 4) * 8);
#pragma unroll
        for (int i = 0; i < Steps; i++) ldmatrix_x4(rows.q[m][i], address + i * 32);
        if constexpr (Tail) ldmatrix_x2(rows.tail[m], shared_address(own + (m * 16 + (lane & 15)) * Pitch + Steps * 16));
#pragma unroll
        for (int r = 0; r < 2; r++) {
            rows.shift[m][r] = Unset;
            rows.total[m][r] = 0.0f;
        }
#pragma unroll
        for (int n = 0; n < Columns; n++)
#pragma unroll
            for (int e = 0; e < 4; e++) rows.sum[m][n][e] = 0.0f;
    }

    const i32 query = first + warp * ROWS;
    for (i32 t = 0; t < tiles; t++) {
        async_wait<STAGES - 2>();
        __syncthreads();
        load_tile(t + STAGES - 1);
        const u8* stage = stages + t % STAGES * StageBytes;
        const f32* bias = reinterpret_cast<const f32*>(stage + 2 * KEYS * Pitch * 2);
        const bool whole = (BIAS || (t + 1) * KEYS <= count) && (!CAUSAL || (t + 1) * KEYS <= query + 1);
        if (whole) {
            tile<false>(rows, shared_address(stage), bias, t * KEYS, count, query, a.scale);
        } else {
            tile<true>(rows, shared_address(stage), bias, t * KEYS, count, query, a.scale);
        }
    }
    write(rows, own, a, image, head, query);
}
