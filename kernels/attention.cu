// y = softmax(q k^T / sqrt(d) + bias) v for each head, on tensor cores (Dao et al., 2022, in the form for registers of 2023).
//
// Shapes   q, y [query images, query tokens, heads * d], k, v [key images, key tokens, heads * d]; T = f16 or bf16, d a multiple of 8 up
//          to 200. The keys of an image are the rows of all key images of its set. bias f32, in the same units as the scores: one value
//          for keysPerBias key rows. lse (optional) [query images, heads, query tokens] = ln of the sum of e^score.
// Blocks   (tiles of ROWS * WARPS queries of one image, heads, query images): tiles never cross images, so no bit of a result depends on
//          what else is in the batch. A warp owns ROWS queries: q stays in registers, K and V come in tiles of KEYS rows through STAGES
//          buffers of shared memory, and are worked off UNIT keys at a time: 16x8 scores by mma.sync, their exponentials, and the product
//          with v.
// Softmax  p = 2^(score log2(e) - shift) with an integer shift per query that is changed only when p would pass 2^14: then it is set so
//          that the largest p is at most 2^6. So sums are rarely rescaled, p uses the whole range of f16, and l = sum p and y = sum p v /
//          l do not depend on shift but for underflow 2^-30 below the largest. A query without keys, or with dropped ones (bias -inf)
//          alone, gives 0.
// Bounds   per 32 x 32 scores at d = 40: 2 x (4 x 2.5 + 2 x 5) tensor instructions of 16x8x16 = 40 x 6.5 clocks at the rate of mma.sync
//          on an H100, 32 exponentials a lane = 32 x 8 clocks, 10 ldmatrix.x4: tensor cores and exponentials need the same time, 0.56 ms
//          for 8 heads of 16384 x 16384; measured are 1.27 ms, since neither unit is busy while a warp waits for the other. K and V of a
//          head pass once per tile of queries through the second-level cache, which 128 queries a block keep half busy. Wider heads are
//          bound by the tensor cores.
#include "lib/async.cuh"
#include "lib/attention.cuh"
#include "lib/math.cuh"
#include "lib/mma.cuh"

// Set by the launcher: T, WIDTH (d), ROWS (16 or 32 queries a warp), WARPS, KEYS (a multiple of UNIT), UNIT (keys that are worked off
// together, a multiple of 32), STAGES, BLOCKS (least number per multiprocessor), BIAS and CAUSAL (0 or 1).
#ifndef POLYNOMIAL
#define POLYNOMIAL 0
#endif

constexpr int Threads = 32 * WARPS;
constexpr int Queries = ROWS * WARPS;
constexpr int RowTiles = ROWS / 16;
constexpr int Pitch = padded_pitch(WIDTH);
constexpr int Chunks = WIDTH / 8;
constexpr int LoadRows = Threads / Chunks;
constexpr int Steps = WIDTH / 16;
constexpr bool Tail = WIDTH % 16 != 0;
constexpr int Columns = WIDTH / 8;
constexpr int Unit = UNIT;
constexpr int UnitTiles = UNIT / 8;
constexpr int StageBytes = 2 * KEYS * Pitch * 2 + (BIAS ? KEYS * 4 : 0);
constexpr f32 Unset = -1e30f;
constexpr f32 Limit = 16384.0f;
constexpr f32 Headroom = 9.0f;
constexpr f32 Top = 6.0f;

// What a warp knows of its queries. Row r of row tile m: r = 0 is query g, r = 1 query g + 8 of the tile (g = lane / 4).
struct Rows {
    u32 q[RowTiles][Steps > 0 ? Steps : 1][4];
    u32 tail[RowTiles][2];
    f32 sum[RowTiles][Columns][4];
    f32 shift[RowTiles][2];
    f32 total[RowTiles][2];
};

// A thread copies one 16-byte unit of every LoadRows-th row of a tile.
struct Copies {
    i32 row;
    i32 place;
    bool active;
    const T* k;
    const T* v;

    DEVICE_METHOD Copies(const T* keys, const T* values, i32 pitch) {
        row = threadIdx.x / Chunks;
        active = row < LoadRows;
        place = (row * Pitch + (i32)threadIdx.x % Chunks * 8) * 2;
        k = keys + (i64)row * pitch + threadIdx.x % Chunks * 8;
        v = values + (i64)row * pitch + threadIdx.x % Chunks * 8;
    }

    // Rows of a matrix, at the thread's place of its first one; rows from `limit` on become 0.
    template <int Count> DEVICE_METHOD void run(u32 target, const T* from, i32 pitch, i32 limit) const {
#pragma unroll
        for (int r = 0; r < Count; r += LoadRows) {
            const bool mine = active && (r + LoadRows <= Count || r + row < Count);
            async_copy16_if(mine, target + place + r * Pitch * 2, from + (i64)r * pitch, r + row < limit ? 16 : 0);
        }
    }
};

// s = q k^T of 32 keys, k at the lane's address of a row tile in shared memory.
DEVICE void scores(f32 (&s)[RowTiles][UnitTiles][4], const Rows& rows, u32 keys) {
    const u32 lane = threadIdx.x & 31;
#pragma unroll
    for (int m = 0; m < RowTiles; m++)
#pragma unroll
        for (int n = 0; n < UnitTiles; n++)
#pragma unroll
            for (int e = 0; e < 4; e++) s[m][n][e] = 0.0f;
    const u32 body = keys + (((lane >> 4) * 8 + (lane & 7)) * Pitch + (lane >> 3 & 1) * 8) * 2;
#pragma unroll
    for (int i = 0; i < Steps; i++) {
#pragma unroll
        for (int n = 0; n < UnitTiles; n += 2) {
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
#pragma unroll
        for (int n = 0; n < UnitTiles; n++) {
            if (n % 4 == 0) ldmatrix_x4(b, keys + ((lane + n * 8) * Pitch + Steps * 16) * 2);
#pragma unroll
            for (int m = 0; m < RowTiles; m++) mma_1688<T>(s[m][n], rows.tail[m][0], rows.tail[m][1], b[n % 4]);
        }
    }
}

// Drops the keys from `limit` on; causal: also those behind the query.
DEVICE void mask(f32 (&s)[RowTiles][UnitTiles][4], i32 key, i32 limit, i32 query) {
    const i32 lane = threadIdx.x & 31;
#pragma unroll
    for (int m = 0; m < RowTiles; m++)
#pragma unroll
        for (int n = 0; n < UnitTiles; n++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const i32 j = key + n * 8 + 2 * (lane & 3) + (e & 1);
                const i32 i = query + m * 16 + (lane >> 2) + (e >> 1) * 8;
                if (j >= limit || (CAUSAL && j > i)) s[m][n][e] = -INFINITY_F32;
            }
}

// s = s scale + bias, in units of log2.
DEVICE void add_bias(f32 (&s)[RowTiles][UnitTiles][4], const f32* bias, f32 scale) {
    const int t = threadIdx.x & 3;
#pragma unroll
    for (int n = 0; n < UnitTiles; n++) {
        const Vector<f32, 2> b = load_vector<Vector<f32, 2>>(bias + n * 8 + 2 * t);
#pragma unroll
        for (int m = 0; m < RowTiles; m++)
#pragma unroll
            for (int e = 0; e < 4; e++) s[m][n][e] = fmaf(s[m][n][e], scale, b.x[e & 1]);
    }
}

// Raises the shift of queries whose weights come near the limit, and scales what was summed. Lanes of a query agree, since they take the
// maximum together.
DEVICE void raise_shift(Rows& rows, const f32 (&s)[RowTiles][UnitTiles][4], f32 scale) {
#pragma unroll
    for (int m = 0; m < RowTiles; m++)
#pragma unroll
        for (int r = 0; r < 2; r++) {
            f32 x = fmaxf(s[m][0][2 * r], s[m][0][2 * r + 1]);
#pragma unroll
            for (int n = 1; n < UnitTiles; n++) x = fmaxf(x, fmaxf(s[m][n][2 * r], s[m][n][2 * r + 1]));
            x = fmaxf(x, __shfl_xor_sync(AllLanes, x, 1));
            x = fmaxf(x, __shfl_xor_sync(AllLanes, x, 2)) * scale;
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

// s = 2^(s scale - shift), and its sums over this lane's keys of each query.
template <bool Exact> DEVICE void exponentials(f32 (&s)[RowTiles][UnitTiles][4], f32 (&part)[RowTiles][2], const Rows& rows, f32 scale) {
#pragma unroll
    for (int m = 0; m < RowTiles; m++)
#pragma unroll
        for (int n = 0; n < UnitTiles; n++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const f32 x = fmaf(s[m][n][e], scale, -rows.shift[m][e >> 1]);
                s[m][n][e] = !Exact && (n & 1) * 4 + e < POLYNOMIAL ? exp2_polynomial(x) : exp2_fast(x);
            }
#ifdef SEPARATE
    if (__any_sync(AllLanes, s[RowTiles - 1][UnitTiles - 1][3] < 0.0f)) asm volatile("trap;");
#endif
#pragma unroll
    for (int m = 0; m < RowTiles; m++)
#pragma unroll
        for (int r = 0; r < 2; r++) {
            f32 x[UnitTiles];
#pragma unroll
            for (int n = 0; n < UnitTiles; n++) x[n] = s[m][n][2 * r] + s[m][n][2 * r + 1];
#pragma unroll
            for (int step = 1; step < UnitTiles; step *= 2)
#pragma unroll
                for (int n = 0; n + step < UnitTiles; n += 2 * step) x[n] += x[n + step];
            part[m][r] = x[0];
        }
}

// The weights as the left operand of the product with v: [keys / 16][4].
DEVICE void pack(u32 (&p)[RowTiles][Unit / 16][4], const f32 (&s)[RowTiles][UnitTiles][4]) {
#pragma unroll
    for (int m = 0; m < RowTiles; m++)
#pragma unroll
        for (int n = 0; n < UnitTiles; n++) {
            p[m][n >> 1][(n & 1) * 2] = pack2<T>(s[m][n][0], s[m][n][1]);
            p[m][n >> 1][(n & 1) * 2 + 1] = pack2<T>(s[m][n][2], s[m][n][3]);
        }
}

// sum += p v of 32 keys.
DEVICE void add_values(Rows& rows, const u32 (&p)[RowTiles][Unit / 16][4], u32 values) {
    const u32 lane = threadIdx.x & 31;
    const u32 body = values + ((lane & 15) * Pitch + (lane >> 4) * 8) * 2;
#pragma unroll
    for (int i = 0; i < Unit / 16; i++)
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
#pragma unroll
        for (int i = 0; i < Unit / 16; i += 2) {
            u32 b[4];
            ldmatrix_x4_trans(b, values + ((lane + i * 16) * Pitch + (Columns - 1) * 8) * 2);
#pragma unroll
            for (int m = 0; m < RowTiles; m++) mma_16816<T>(rows.sum[m][Columns - 1], p[m][i], b[0], b[1]);
#pragma unroll
            for (int m = 0; m < RowTiles; m++) mma_16816<T>(rows.sum[m][Columns - 1], p[m][i + 1], b[2], b[3]);
        }
    }
}

// The scores of a unit as they enter the exponentials.
template <bool Masked>
DEVICE void finished_scores(f32 (&s)[RowTiles][UnitTiles][4], const Rows& rows, u32 keys, const f32* bias, i32 key, i32 limit,
                            i32 query, f32 scale) {
    scores(s, rows, keys);
    if constexpr (BIAS) add_bias(s, bias, scale);
    if constexpr (Masked) mask(s, key, limit, query);
}

// One tile of keys. The exponentials are taken with the shifts of before; where a lane's sum shows that one is too low (at the first keys,
// and hardly ever after), shifts are raised and the unit is done again.
template <bool Masked> DEVICE void tile(Rows& rows, u32 stage, const f32* bias, i32 key, i32 limit, i32 query, f32 scale) {
    const u32 values = stage + KEYS * Pitch * 2;
    const f32 rest = BIAS ? 1.0f : scale;
#pragma unroll(Masked ? 1 : KEYS / Unit)
    for (int u = 0; u < KEYS / Unit; u++) {
        const u32 keys = stage + u * Unit * Pitch * 2;
        f32 s[RowTiles][UnitTiles][4];
        f32 part[RowTiles][2];
        finished_scores<Masked>(s, rows, keys, bias + u * Unit, key + u * Unit, limit, query, scale);
        exponentials<Masked || BIAS>(s, part, rows, rest);
        bool above = false;
#pragma unroll
        for (int m = 0; m < RowTiles; m++) above |= part[m][0] > Limit || part[m][1] > Limit;
        if (__any_sync(AllLanes, above)) {
            finished_scores<Masked>(s, rows, keys, bias + u * Unit, key + u * Unit, limit, query, scale);
            raise_shift(rows, s, rest);
            exponentials<Masked || BIAS>(s, part, rows, rest);
        }
#pragma unroll
        for (int m = 0; m < RowTiles; m++)
#pragma unroll
            for (int r = 0; r < 2; r++) rows.total[m][r] += part[m][r];
        u32 p[RowTiles][Unit / 16][4];
        pack(p, s);
        add_values(rows, p, values + u * Unit * Pitch * 2);
    }
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

    Copies copies(k, v, pitch);
    auto load_tile = [&](i32 t) {
        if (t < tiles) {
            const u32 stage = shared_address(stages + t % STAGES * StageBytes);
            copies.run<KEYS>(stage, copies.k, pitch, count - t * KEYS);
            copies.run<KEYS>(stage + KEYS * Pitch * 2, copies.v, pitch, count - t * KEYS);
            copies.k += (i64)KEYS * pitch;
            copies.v += (i64)KEYS * pitch;
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

    const i64 queryRow = (i64)image * a.queryTokens + first;
    const Copies all(a.q + queryRow * pitch + head * WIDTH, nullptr, pitch);
    all.run<Queries>(shared_address(queries), all.k, pitch, a.queryTokens - first);
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
