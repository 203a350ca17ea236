// Each function of kernels/lib alone, for WrapperTests: one block, plain loads and stores around the function under test.
#include "lib/activation.cuh"
#include "lib/async.cuh"
#include "lib/math.cuh"
#include "lib/mma.cuh"
#include "lib/reduce.cuh"
#include "lib/shared.cuh"

struct WrapperArgs {
    void* y;
    const void* x;
    const void* w;
    i32 count;
};

DEVICE i32 global_thread() { return blockIdx.x * blockDim.x + threadIdx.x; }

// y f32 = x of T.
extern "C" __global__ void widen(const WrapperArgs a) {
    const i32 i = global_thread();
    if (i < a.count) ((f32*)a.y)[i] = to_f32(((const T*)a.x)[i]);
}

// y of T = x f32.
extern "C" __global__ void narrow(const WrapperArgs a) {
    const i32 i = global_thread();
    if (i < a.count) ((T*)a.y)[i] = from_f32<T>(((const f32*)a.x)[i]);
}

#if PAIRS
// Two by two: y u32 = pack2 of neighbours, and back in w's place after them.
extern "C" __global__ void pairs(const WrapperArgs a) {
    const i32 i = global_thread();
    if (i >= a.count / 2) return;
    const f32* x = (const f32*)a.x;
    const u32 packed = pack2<T>(x[2 * i], x[2 * i + 1]);
    ((u32*)a.y)[i] = packed;
    f32* back = (f32*)a.w;
    unpack2<T>(packed, back[2 * i], back[2 * i + 1]);
}
#endif

// y f32 = the FUNCTION-th function of x.
extern "C" __global__ void function(const WrapperArgs a) {
    const i32 i = global_thread();
    if (i >= a.count) return;
    const f32 x = ((const f32*)a.x)[i];
    f32 high = 0.0f;
    f32 low = 0.0f;
    split_tf32(x, high, low);
    const f32 results[] = {exp2_fast(x),  exp_fast(x),   reciprocal(x), inverse_root(x), log2_fast(x), sigmoid(x),
                           silu(x),       quick_gelu(x), gelu(x),       to_tf32(x),      high + low,   activate<ActivationSilu>(x),
                           activate<ActivationGelu>(x),  activate<ActivationQuickGelu>(x), activate<ActivationNone>(x)};
    ((f32*)a.y)[i] = results[FUNCTION];
}

#if PAIRS
// One warp: y [16][8] = x [16][K] w [K][8], fragments filled from memory as lib/mma.cuh says.
extern "C" __global__ void product16(const WrapperArgs a) {
    const int g = threadIdx.x / 4;
    const int t = threadIdx.x % 4;
    const T* x = (const T*)a.x;
    const T* w = (const T*)a.w;
    auto two = [](T low, T high) { return (u32)low.bits | (u32)high.bits << 16; };
    u32 left[4];
    for (int i = 0; i < 4; i++) {
        const T* at = x + (g + i % 2 * 8) * 16 + 2 * t + i / 2 * 8;
        left[i] = two(at[0], at[1]);
    }
    u32 right[2];
    for (int i = 0; i < 2; i++) right[i] = two(w[(2 * t + i * 8) * 8 + g], w[(2 * t + 1 + i * 8) * 8 + g]);
    f32 d[4] = {};
    for (int i = 0; i < 4; i++) d[i] = ((const f32*)a.y)[(g + i / 2 * 8) * 8 + 2 * t + i % 2];
    mma_16816<T>(d, left, right[0], right[1]);
    for (int i = 0; i < 4; i++) ((f32*)a.y)[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = d[i];
}

extern "C" __global__ void product8(const WrapperArgs a) {
    const int g = threadIdx.x / 4;
    const int t = threadIdx.x % 4;
    const T* x = (const T*)a.x;
    const T* w = (const T*)a.w;
    auto two = [](T low, T high) { return (u32)low.bits | (u32)high.bits << 16; };
    f32 d[4] = {};
    for (int i = 0; i < 4; i++) d[i] = ((const f32*)a.y)[(g + i / 2 * 8) * 8 + 2 * t + i % 2];
    mma_1688<T>(d, two(x[g * 8 + 2 * t], x[g * 8 + 2 * t + 1]), two(x[(g + 8) * 8 + 2 * t], x[(g + 8) * 8 + 2 * t + 1]),
                two(w[2 * t * 8 + g], w[(2 * t + 1) * 8 + g]));
    for (int i = 0; i < 4; i++) ((f32*)a.y)[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = d[i];
}

// x: 32 rows of 8 u16. y [lane][register]: what ldmatrix gives to each lane, with the address of row `lane`.
extern "C" __global__ void matrices(const WrapperArgs a) {
    __shared__ __align__(16) u16 rows[32 * 8];
    for (int i = threadIdx.x; i < 256; i += 32) rows[i] = ((const u16*)a.x)[i];
    __syncwarp();
    const u32 address = shared_address(rows + threadIdx.x * 8);
    u32 four[4];
    u32 pair[2];
    u32* y = (u32*)a.y + threadIdx.x * 12;
    ldmatrix_x4(four, address);
    for (int i = 0; i < 4; i++) y[i] = four[i];
    ldmatrix_x4_trans(four, address);
    for (int i = 0; i < 4; i++) y[4 + i] = four[i];
    ldmatrix_x2(pair, address);
    for (int i = 0; i < 2; i++) y[8 + i] = pair[i];
    ldmatrix_x2_trans(pair, address);
    for (int i = 0; i < 2; i++) y[10 + i] = pair[i];
}
#else
extern "C" __global__ void product_tf32(const WrapperArgs a) {
    const int g = threadIdx.x / 4;
    const int t = threadIdx.x % 4;
    const f32* x = (const f32*)a.x;
    const f32* w = (const f32*)a.w;
    const f32 left[4] = {x[g * 8 + t], x[(g + 8) * 8 + t], x[g * 8 + t + 4], x[(g + 8) * 8 + t + 4]};
    f32 d[4] = {};
    for (int i = 0; i < 4; i++) d[i] = ((const f32*)a.y)[(g + i / 2 * 8) * 8 + 2 * t + i % 2];
    mma_1688_tf32(d, left, w[t * 8 + g], w[(t + 4) * 8 + g]);
    for (int i = 0; i < 4; i++) ((f32*)a.y)[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = d[i];
}
#endif

// Copies in groups: of 32 units of 16 bytes the first thread % 17 bytes each; where thread % 3 is 0 alone; 4 bytes each or none. y has the
// three areas, 512, 512 and 128 bytes, filled with ones before the copies land. The last group is waited for by itself.
extern "C" __global__ void copies(const WrapperArgs a) {
    __shared__ __align__(16) u8 areas[1152];
    for (int i = threadIdx.x; i < 1152; i += 32) areas[i] = 0xff;
    __syncwarp();
    const i32 lane = threadIdx.x;
    const u8* x = (const u8*)a.x;
    const u32 target = shared_address(areas);
    async_copy16(target + lane * 16, x + lane * 16, lane % 17);
    async_commit();
    async_copy16_if(lane % 3 == 0, target + 512 + lane * 16, x + lane * 16, lane % 2 * 16);
    async_commit();
    async_copy4(target + 1024 + lane * 4, x + lane * 4, lane % 2 * 4);
    async_commit();
    async_wait<1>();
    u8* y = (u8*)a.y;
    for (int i = 0; i < 16; i++) y[lane * 16 + i] = areas[lane * 16 + i];
    for (int i = 0; i < 16; i++) y[512 + lane * 16 + i] = areas[512 + lane * 16 + i];
    async_wait<0>();
    for (int i = 0; i < 4; i++) y[1024 + lane * 4 + i] = areas[1024 + lane * 4 + i];
    __syncwarp();
    async_copy16(target + lane * 16, x + 512 + lane * 16);
    async_commit();
    async_wait<0>();
    for (int i = 0; i < 16; i++) y[1152 + lane * 16 + i] = areas[lane * 16 + i];
}

// y [thread][4]: the sum and the largest value of its warp, then of its block.
template <int Threads> DEVICE void reduce(const WrapperArgs& a) {
    __shared__ f32 scratch[32];
    const f32 x = ((const f32*)a.x)[threadIdx.x];
    f32* y = (f32*)a.y + threadIdx.x * 4;
    y[0] = warp_sum(x);
    y[1] = warp_max(x);
    y[2] = block_sum<Threads>(x, scratch);
    y[3] = block_max<Threads>(x, scratch);
}

extern "C" __global__ void reduce32(const WrapperArgs a) { reduce<32>(a); }
extern "C" __global__ void reduce96(const WrapperArgs a) { reduce<96>(a); }
extern "C" __global__ void reduce512(const WrapperArgs a) { reduce<512>(a); }
extern "C" __global__ void reduce1024(const WrapperArgs a) { reduce<1024>(a); }

// 16 bytes a thread, through the dynamic shared memory; and padded_pitch of 8 i.
extern "C" __global__ void vectors(const WrapperArgs a) {
    DYNAMIC_SHARED(memory);
    const i32 i = threadIdx.x;
    constexpr int Count = Vector16<T>::Count;
    T* room = (T*)memory;
    store_vector(room + i * Count, load_vector<Vector16<T>>((const T*)a.x + i * Count));
    __syncthreads();
    store_vector((T*)a.y + i * Count, load_vector<Vector16<T>>(room + i * Count));
    ((i32*)a.w)[i] = padded_pitch(8 * (i + 1)) * 10000 + least(i, 5) * 1000 + most(i, 5) * 100 + pieces(i, 3);
}
