// y = conv(x, w) + bias + rowBias[image] + residual, with relu the larger of that and 0
//
// x [B, H, W, I] of T, w [O, k, k, I] of T, bias [O] of f32, rowBias [B, O] of T; residual and y [B, H', W', O] of T, or both of f32 (the
// last layer of a network); y may be the residual. Output pixel (p, q) meets input pixel ((p stride + r - border) / u, ...) for tap (r, s);
// u = 2 doubles the input by repetition; what lies outside of the (doubled) input is 0. So RightBottom is a border of 0 with more outputs.
//
// Who: an implicit product [pixels x K] [K x O] with K = (tap, channel), on tensor cores. A block computes ROWS output pixels (of all
// images, in order) times COLUMNS outputs; WARPS = 10 m + n lays m x n warps over that tile, and SLICES such sets of warps share the K of
// each slab. A slab is 128 bytes of K of one tap (MODE Gather: of the flat K); STAGES slabs are under way by cp.async. A row of a slab
// is eight 16-byte chunks, chunk c of row r stored at c ^ (r % 8), so that neither the copies nor ldmatrix meet a bank twice.
// gridDim.y > 1 splits K in pieces of whole slabs whose F32 sums go to `partial`; conv2d_join adds them in order. Tiles, slices and splits
// follow from the shape of one image and the type: the bits do not depend on the batch.
// MODE Gather takes any I (conv_in's 4, 9 or 3 channels, patches of an image) by single loads; otherwise 16 bytes hold channels of one
// pixel, and Whole knows that COLUMNS divide O and slabs I, while Edges asks.
// f32 takes multiply-adds: three products of tf32 are twice as fast but add with truncation, outside of f32's tolerance.
//
// Cost, 64x64x320 -> 320, one image, F16: 7.5 GFLOP; x, y, w once are 7.1 MB (2.4 us of an H100's memory), mma.sync at 62 % of 989 TFLOP/s
// 12.3 us. Per warp and 16 of K, a 64 x 80 tile reads 4.6 KB of shared memory (36 clocks) for 65 clocks of tensor core: the tensor core
// bounds it. 8x8x1280 -> 1280: 29.5 MB of weights (9.8 us at 3 TB/s) against 3.1 us an image: memory bounds it below 4 images.
#include "lib/conv2d.cuh"
#include "lib/mma.cuh"

typedef f32 Sums[TilesM][2 * PairsN][4];

// The tile's sums over `count` slabs, of which STAGES - 1 are under way: two-byte types on tensor cores.
DEVICE void multiply(Sums& sums, Loader& loader, u8* memory, i32 warpM, i32 warpN, i32 slice, i32 count) {
    const i32 lane = threadIdx.x % 32;
    const u32 base = shared_address(memory);
    // The lane's chunk of step 0; that of another step differs by an exclusive or.
    const u32 atA = held(base + Loader::place(warpM + (lane & 15), slice * Steps * 2 + (lane >> 4)));
    const u32 atB = held(base + Loader::place(ROWS + warpN + (lane >> 4) * 8 + (lane & 7), slice * Steps * 2 + ((lane >> 3) & 1)));
    u32 as[2][TilesM][4], bs[2][4];
    const auto load_a = [&](u32 stage, i32 step) {
#pragma unroll
        for (i32 i = 0; i < TilesM; i++) ldmatrix_x4(as[step % 2][i], (atA ^ (step * 32)) + stage + i * 16 * RowBytes);
    };
    const auto load_b = [&](u32 stage, i32 step, i32 pair) {
        ldmatrix_x4(bs[(step * PairsN + pair) % 2], (atB ^ (step * 32)) + stage + pair * 16 * RowBytes);
    };
    async_wait<STAGES - 2>();
    __syncthreads();
    load_a(0, 0);
    load_b(0, 0, 0);

    // Before the last products of a slab all of it is in registers: there the block moves on to the next one, whose first fragments arrive
    // during those products. The copies of the slab STAGES - 1 ahead are spread over the others.
    u32 reading = 0, writing = (STAGES - 1) * StageBytes;
    for (i32 k = 0; k < count; k++) {
        if constexpr (MODE == Gather) {
            if (k + STAGES - 1 < count) loader.gather(memory + writing);
        }
        const u32 after = k + 1 == count ? reading : reading + StageBytes == STAGES * StageBytes ? 0 : reading + StageBytes;
#pragma unroll
        for (i32 step = 0; step < Steps; step++) {
#pragma unroll
            for (i32 j = 0; j < PairsN; j++) {
                constexpr i32 Places = Steps * PairsN;
                const i32 at = step * PairsN + j;
                if (at == Places - 1) {
                    async_commit();
                    async_wait<STAGES - 2>();
                    __syncthreads();
                    load_a(after, 0);
                    load_b(after, 0, 0);
                } else {
                    if (j + 1 < PairsN) {
                        load_b(reading, step, j + 1);
                    } else {
                        load_b(reading, step + 1, 0);
                    }
                    if (j == 0 && step + 1 < Steps) load_a(reading, step + 1);
                    if constexpr (MODE != Gather) loader.load(base + writing, at, Places - 1);
                }
#pragma unroll
                for (i32 i = 0; i < TilesM; i++) {
                    mma_16816<T>(sums[i][2 * j], as[step % 2][i], bs[at % 2][0], bs[at % 2][1]);
                    mma_16816<T>(sums[i][2 * j + 1], as[step % 2][i], bs[at % 2][2], bs[at % 2][3]);
                }
            }
        }
        loader.advance(k + STAGES < count);
        writing = writing + StageBytes == STAGES * StageBytes ? 0 : writing + StageBytes;
        reading = after;
    }
}

// The same by multiply-adds, whose order over K is that of a plain loop: f32. A lane has the accumulators that tensor cores would give it.
DEVICE void multiply_add(Sums& sums, Loader& loader, u8* memory, i32 warpM, i32 warpN, i32 slice, i32 count) {
    const i32 lane = threadIdx.x % 32, rowA = warpM + lane / 4, rowB = ROWS + warpN + lane % 4 * 2;
    typedef Vector<f32, 4> Four;
    u32 reading = 0, writing = (STAGES - 1) * StageBytes;
    for (i32 k = 0; k < count; k++) {
        async_wait<STAGES - 2>();
        __syncthreads();
        if constexpr (MODE == Gather) {
            if (k + STAGES - 1 < count) loader.gather(memory + writing);
        } else {
            loader.load(shared_address(memory) + writing, 0, 1);
        }
        async_commit();
        loader.advance(k + STAGES < count);
        const u8* stage = memory + reading;
        for (i32 chunk = slice * (Chunks / SLICES); chunk < (slice + 1) * (Chunks / SLICES); chunk++) {
            Four as[TilesM][2];
#pragma unroll
            for (i32 i = 0; i < 2 * TilesM; i++) {
                as[i / 2][i % 2] = *reinterpret_cast<const Four*>(stage + Loader::place(rowA + i * 8, chunk));
            }
#pragma unroll
            for (i32 j = 0; j < 2 * PairsN; j++) {
#pragma unroll
                for (i32 n = 0; n < 2; n++) {
                    const Four b = *reinterpret_cast<const Four*>(stage + Loader::place(rowB + j * 8 + n, chunk));
#pragma unroll
                    for (i32 e = 0; e < 4 * 2 * TilesM; e++) {
                        const i32 i = e % (2 * TilesM), step = e / (2 * TilesM);
                        f32& sum = sums[i / 2][j][i % 2 * 2 + n];
                        sum = fmaf(as[i / 2][i % 2].x[step], b.x[step], sum);
                    }
                }
            }
        }
        writing = writing + StageBytes == STAGES * StageBytes ? 0 : writing + StageBytes;
        reading = reading + StageBytes == STAGES * StageBytes ? 0 : reading + StageBytes;
    }
    async_wait<0>();
}

// Ends W neighbouring sums of pixel m, outputs n on. Y is the type of y and of the residual (zeros without one).
template <class Y, i32 W> DEVICE void finish(const Conv2dArgs& a, i32 m, i32 n, const Vector<f32, W>& sums, const Vector<Y, W>& residual) {
    Vector<f32, W> v = sums;
    if (a.bias) {
        const auto bias = load_vector<Vector<f32, W>>(a.bias + n);
#pragma unroll
        for (i32 i = 0; i < W; i++) v.x[i] += bias.x[i];
    }
    if (a.rowBias) {
        const auto bias = load_vector<Vector<T, W>>(a.rowBias + (u64)(m / (a.outputHeight * a.outputWidth)) * a.outputs + n);
#pragma unroll
        for (i32 i = 0; i < W; i++) v.x[i] += to_f32(bias.x[i]);
    }
    Vector<Y, W> result;
#pragma unroll
    for (i32 i = 0; i < W; i++) {
        const f32 value = v.x[i] + to_f32(residual.x[i]);
        result.x[i] = from_f32<Y>(a.relu && value < 0.0f ? 0.0f : value);
    }
    store_vector(reinterpret_cast<Y*>(a.y) + (u64)m * a.outputs + n, result);
}

// The tile's sums from shared memory to y or to this piece's part of `partial`, W at a time. Several residuals are under way at once:
// each is read before the place, which may be the same in y, is written.
template <class Y, i32 W> DEVICE void write(const Conv2dArgs& a, const f32* sums, i32 m0, i32 n0) {
    constexpr i32 Batch = 4;
    const bool more = a.residual && !a.partial;
    for (i32 begin = threadIdx.x; begin < ROWS * COLUMNS / W; begin += Batch * Threads) {
        Vector<Y, W> residuals[Batch];
#pragma unroll
        for (i32 k = 0; k < Batch; k++) {
            const i32 i = begin + k * Threads, m = m0 + i / (COLUMNS / W), n = n0 + i % (COLUMNS / W) * W;
            residuals[k] = Vector<Y, W>();
            if (more && i < ROWS * COLUMNS / W && m < a.pixels && n < a.outputs) {
                residuals[k] = load_vector<Vector<Y, W>>(reinterpret_cast<const Y*>(a.residual) + (u64)m * a.outputs + n);
            }
        }
#pragma unroll
        for (i32 k = 0; k < Batch; k++) {
            const i32 i = begin + k * Threads, row = i / (COLUMNS / W), column = i % (COLUMNS / W) * W, m = m0 + row, n = n0 + column;
            if (i >= ROWS * COLUMNS / W || m >= a.pixels || n >= a.outputs) continue;
            const auto v = load_vector<Vector<f32, W>>(sums + row * SumPitch + column);
            if (a.partial) {
                store_vector(a.partial + ((u64)blockIdx.y * a.pixels + m) * a.outputs + n, v);
            } else {
                finish<Y, W>(a, m, n, v, residuals[k]);
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(Threads) conv2d(const Conv2dArgs a) {
    DYNAMIC_SHARED(memory);
    const i32 lane = threadIdx.x % 32, warp = threadIdx.x / 32, slice = warp / TileWarps, place = warp % TileWarps;
    const i32 tilesN = pieces(a.outputs, COLUMNS), m0 = blockIdx.x / tilesN * ROWS, n0 = blockIdx.x % tilesN * COLUMNS;
    const i32 warpM = place / WarpsN * M, warpN = place % WarpsN * N;
    const i32 all = MODE == Gather ? pieces(a.kernel * a.kernel * a.inputs, Slab) : a.kernel * a.kernel * pieces(a.inputs, Slab);
    const i32 first = blockIdx.y * a.slabs, count = least(a.slabs, all - first);

    Window* windows = reinterpret_cast<Window*>(memory + STAGES * StageBytes);
    for (i32 i = threadIdx.x; i < ROWS; i += Threads) windows[i] = Window::at(a, m0 + i, MODE == Gather ? 1 : Elements);
    __syncthreads();

    const u32 base = shared_address(memory);
    Loader loader(a, windows, n0, first);
#pragma unroll
    for (i32 i = 0; i < STAGES - 1; i++) {
        if constexpr (MODE == Gather) {
            if (i < count) loader.gather(memory + i * StageBytes);
        } else {
            loader.load(base + i * StageBytes, 0, 1);
        }
        async_commit();
        loader.advance(i + 1 < count);
    }

    Sums sums;
#pragma unroll
    for (i32 i = 0; i < TilesM; i++) {
#pragma unroll
        for (i32 j = 0; j < 2 * PairsN; j++) {
#pragma unroll
            for (i32 e = 0; e < 4; e++) sums[i][j][e] = 0.0f;
        }
    }

    if constexpr (sizeof(T) == 2) {
        multiply(sums, loader, memory, warpM, warpN, slice, count);
    } else {
        multiply_add(sums, loader, memory, warpM, warpN, slice, count);
    }

    // The slices' sums meet in shared memory, in order.
    async_wait<0>();
    f32* tile = reinterpret_cast<f32*>(memory);
#pragma unroll
    for (i32 turnOf = 0; turnOf < SLICES; turnOf++) {
        __syncthreads();
        if (slice != turnOf) continue;
#pragma unroll
        for (i32 i = 0; i < TilesM; i++) {
#pragma unroll
            for (i32 j = 0; j < 2 * PairsN; j++) {
#pragma unroll
                for (i32 half = 0; half < 2; half++) {
                    f32* to = tile + (warpM + i * 16 + half * 8 + lane / 4) * SumPitch + warpN + j * 8 + lane % 4 * 2;
                    Vector<f32, 2> v = {sums[i][j][2 * half], sums[i][j][2 * half + 1]};
                    if (turnOf > 0) {
                        const auto before = load_vector<Vector<f32, 2>>(to);
                        v.x[0] += before.x[0];
                        v.x[1] += before.x[1];
                    }
                    store_vector(to, v);
                }
            }
        }
    }
    __syncthreads();
    const bool whole = a.outputs % Elements == 0;
    if (a.f32Result) {
        whole ? write<f32, Elements>(a, tile, m0, n0) : write<f32, 1>(a, tile, m0, n0);
    } else {
        whole ? write<T, Elements>(a, tile, m0, n0) : write<T, 1>(a, tile, m0, n0);
    }
}

// The sums of a split, in the order of the pieces; a thread ends W outputs of a pixel.
template <class Y, i32 W> DEVICE void join(const Conv2dArgs& a) {
    const u32 groups = a.outputs / W, i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= (u32)a.pixels * groups) return;
    const u64 pitch = (u64)a.pixels * a.outputs;
    Vector<Y, W> residual = Vector<Y, W>();
    if (a.residual) residual = load_vector<Vector<Y, W>>(reinterpret_cast<const Y*>(a.residual) + (u64)i * W);
    Vector<f32, W> sum = load_vector<Vector<f32, W>>(a.partial + (u64)i * W);
    for (i32 piece = 1; piece < a.splits; piece++) {
        const auto more = load_vector<Vector<f32, W>>(a.partial + piece * pitch + (u64)i * W);
#pragma unroll
        for (i32 e = 0; e < W; e++) sum.x[e] += more.x[e];
    }
    finish<Y, W>(a, (i32)(i / groups), (i32)(i % groups) * W, sum, residual);
}

extern "C" __global__ void __launch_bounds__(256) conv2d_join(const Conv2dArgs a) {
    const bool whole = a.outputs % Elements == 0;
    if (a.f32Result) {
        whole ? join<f32, Elements>(a) : join<f32, 1>(a);
    } else {
        whole ? join<T, Elements>(a) : join<T, 1>(a);
    }
}
