// Loads and stores of all widths and spaces, atomics, asynchronous copies, the launch's own numbers.
#include "harness.h"
#include <algorithm>
#include <numeric>

TEST(vectors_of_all_widths) {
    Module module(R"(struct alignas(8) A { u16 x[4]; }; struct alignas(16) B { u32 x[4]; }; struct alignas(16) C { u64 x[2]; }; struct alignas(2) D { u8 x[2]; };
template<class V> __device__ void move(V* to, const V* from, int n) { int i = blockIdx.x * blockDim.x + threadIdx.x; if (i < n) { V v = from[i ^ 1]; to[i] = v; } }
extern "C" __global__ void w1(u8* to, const u8* from, int n) { move(to, from, n); }
extern "C" __global__ void w2(D* to, const D* from, int n) { move(to, from, n); }
extern "C" __global__ void w4(u32* to, const u32* from, int n) { move(to, from, n); }
extern "C" __global__ void w8(A* to, const A* from, int n) { move(to, from, n); }
extern "C" __global__ void w16(B* to, const B* from, int n) { move(to, from, n); }
extern "C" __global__ void w16l(C* to, const C* from, int n) { move(to, from, n); }
extern "C" __global__ void sign(s64* to, const s8* a, const s16* b, const s32* c, const u16* d, int n) {
    int i = threadIdx.x;
    if (i < n) to[i] = (s64)a[i] * 3 + (s64)b[i] * 5 + (s64)c[i] * 7 + d[i];
})");
    std::vector<u8> bytes(16 * 256);
    Random random(7);
    for (auto& b : bytes) b = u8(random.bits());
    Buffer from(bytes), to(bytes.size());
    const std::pair<const char*, int> kernels[] = {{"w1", 1}, {"w2", 2}, {"w4", 4}, {"w8", 8}, {"w16", 16}, {"w16l", 16}};
    for (auto [name, width] : kernels) {
        ok(module.run(name, {2}, {128}, 0, to.address, from.address, 250), name);
        std::vector<u8> got = to.get<u8>();
        for (int i = 0; i < 250; i++)
            check(!std::memcmp(&got[i * width], &bytes[(i ^ 1) * width], width), std::string(name) + " at " + std::to_string(i));
    }
    Buffer wide(32 * 8);
    ok(module.run("sign", {1}, {32}, 0, wide.address, from.address, from.address + 64, from.address + 128, from.address + 256, 32), "sign");
    std::vector<s64> sums = wide.get<s64>();
    for (int i = 0; i < 32; i++) {
        s16 b;
        s32 c;
        u16 d;
        std::memcpy(&b, &bytes[64 + 2 * i], 2), std::memcpy(&c, &bytes[128 + 4 * i], 4), std::memcpy(&d, &bytes[256 + 2 * i], 2);
        check_equal(sums[i], s64(s8(bytes[i])) * 3 + s64(b) * 5 + s64(c) * 7 + d, "extended loads");
    }
}

TEST(generic_addresses_and_variables) {
    Module module(R"(__device__ u32 table[4] = {5, 7, 11, 13}; __constant__ u32 fixed[3] = {100, 200, 300}; struct Args { u32 list[8]; u32* out; u32 n; };
extern "C" __global__ void k(const Args a) {
    __shared__ u32 s[64]; u32 local[8];
    u32 t = threadIdx.x;
    for (u32 i = 0; i < 8; i++) local[(i * 3 + t) & 7] = i + t;
    s[t] = t * 2;
    __syncthreads();
    const volatile u32* p = a.n == 1 ? s : a.n == 2 ? local : table;
    u32 sum = 0;
    for (u32 i = 0; i < 4; i++) sum = sum * 31 + p[(t + i) & 3];
    a.out[t] = sum + fixed[t % 3] + a.list[(t * 5) & 7];
})");
    u64 address;
    size_t bytes;
    ok(cuModuleGetGlobal_v2(&address, &bytes, module.handle, "table"), "cuModuleGetGlobal");
    check_equal(s64(bytes), 16, "size of a variable");
    Buffer out(256);
    for (u32 n = 1; n <= 3; n++) {
        struct Args { u32 list[8]; u64 out; u32 n; } args{{3, 1, 4, 1, 5, 9, 2, 6}, out.address, n};
        ok(module.run("k", {1}, {64}, 0, args), "launch");
        std::vector<u32> got = out.get<u32>();
        for (u32 t = 0; t < 64; t++) {
            u32 local[8], sum = 0;
            const u32 table[4] = {5, 7, 11, 13}, fixed[3] = {100, 200, 300};
            for (u32 i = 0; i < 8; i++) local[(i * 3 + t) & 7] = i + t;
            for (u32 i = 0; i < 4; i++) sum = sum * 31 + (n == 1 ? ((t + i) & 3) * 2 : n == 2 ? local[(t + i) & 3] : table[(t + i) & 3]);
            check_equal(got[t], sum + fixed[t % 3] + args.list[(t * 5) & 7], "thread " + std::to_string(t) + ", case " + std::to_string(n));
        }
    }
}

TEST(atomic_operations) {
    Module module(R"(extern "C" __global__ void k(u32* u, s32* s, u64* l, float* f, u32* old) {
    __shared__ u32 inside; u32 t = threadIdx.x, g = blockIdx.x * blockDim.x + t;
    if (t == 0) inside = 0;
    __syncthreads();
    atomicAdd(&inside, t);
    __syncthreads();
    if (t == 0) atomicAdd(u, inside);
    atomicMax(u + 1, g * 7919 % 1000); atomicMin(s, 5 - (s32)(g * 7919 % 1000)); atomicOr(u + 2, 1u << (g & 31)); atomicXor(u + 3, g);
    atomicAdd(l, 1ull << 33); atomicAdd(f, 0.25f); atomicExch(u + 4, 77u); atomicCAS(u + 5, 0u, g + 1); atomicInc(u + 6, 9u);
    old[g] = atomicAdd(u + 7, 1u);
})");
    Buffer u(32), s(4), l(8), f(4), old(4 * 256);
    std::vector<u8> zeros(1024);
    for (Buffer* b : {&u, &s, &l, &f}) b->put(zeros.data());
    ok(module.run("k", {4}, {64}, 0, u.address, s.address, l.address, f.address, old.address), "launch");
    std::vector<u32> got = u.get<u32>(), order = old.get<u32>();
    u32 most = 0;
    for (u32 g = 0; g < 256; g++) most = std::max(most, g * 7919 % 1000);
    check_equal(got[0], 4 * 2016, "add"), check_equal(got[1], most, "max"), check_equal(got[2], 0xffffffff, "or"),
        check_equal(got[3], 0, "xor");
    check_equal(got[4], 77, "exchange"), check(got[5] >= 1 && got[5] <= 256, "compare and swap"),
        check_equal(got[6], 256 % 10, "increment");
    check_equal(s.get<s32>()[0], 5 - s32(most), "min"), check_equal(s64(l.get<u64>()[0]), 256ll << 33, "64 bits"),
        check(f.get<float>()[0] == 64.f, "f32");
    std::sort(order.begin(), order.end());
    for (u32 g = 0; g < 256; g++) check_equal(order[g], g, "each value is seen once");
}

TEST(asynchronous_copies) {
    Module module(R"(__device__ __forceinline__ u32 at(const void* p) { return (u32)__cvta_generic_to_shared(p); }
extern "C" __global__ void k(u32* out, const u32* in) {
    __shared__ __align__(16) u32 s[3][64 * 4];
    u32 t = threadIdx.x, n = t % 5 * 4;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(at(&s[0][t * 4])), "l"(in + t * 4), "r"(n) : "memory");
    asm volatile("cp.async.commit_group;" ::: "memory");
    asm volatile("cp.async.ca.shared.global [%0], [%1], 8;" ::"r"(at(&s[1][t * 2])), "l"(in + 256 + t * 2) : "memory");
    asm volatile("cp.async.commit_group;" ::: "memory");
    asm volatile("cp.async.ca.shared.global [%0+4], [%1+8], 4;" ::"r"(at(&s[2][t])), "l"(in + t) : "memory");
    asm volatile("cp.async.wait_group 0;" ::: "memory");
    __syncthreads();
    for (int i = 0; i < 4; i++) out[t * 6 + i] = s[0][(t ^ 1) * 4 + i];
    out[t * 6 + 4] = s[1][t];
    asm volatile("cp.async.wait_all;" ::: "memory");
    __syncthreads();
    out[t * 6 + 5] = s[2][(t + 1) % 64 ? (t + 1) % 64 : 1];
})");
    std::vector<u32> in(1024);
    std::iota(in.begin(), in.end(), 1000);
    Buffer from(in), to(64 * 6 * 4);
    ok(module.run("k", {1}, {64}, 0, to.address, from.address), "launch");
    std::vector<u32> out = to.get<u32>();
    for (u32 t = 0; t < 64; t++) {
        for (u32 i = 0; i < 4; i++) check_equal(out[t * 6 + i], i < (t ^ 1) % 5 ? in[(t ^ 1) * 4 + i] : 0, "16 bytes, part of them zero");
        check_equal(out[t * 6 + 4], in[256 + t], "8 bytes");
        u32 cell = (t + 1) % 64 ? (t + 1) % 64 : 1;
        check_equal(out[t * 6 + 5], in[cell - 1 + 2], "4 bytes, with offsets");
    }
}

TEST(special_registers) {
    Module module(R"(extern "C" __global__ void k(u32* out) {
    u32 t = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z), b = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    u32 lane, warp, lt, dynamic;
    asm("mov.u32 %0, %%laneid;" : "=r"(lane)); asm("mov.u32 %0, %%warpid;" : "=r"(warp)); asm("mov.u32 %0, %%lanemask_lt;" : "=r"(lt));
    asm("mov.u32 %0, %%dynamic_smem_size;" : "=r"(dynamic));
    u32* o = out + (b * 70 + t) * 4;
    o[0] = t * 1000 + b; o[1] = lane + warp * 100; o[2] = lt; o[3] = dynamic + gridDim.z;
})");
    Buffer to(12 * 70 * 16);
    ok(module.run("k", {2, 3, 2}, {7, 5, 2}, 640, to.address), "launch");
    std::vector<u32> out = to.get<u32>();
    for (u32 b = 0; b < 12; b++) {
        for (u32 t = 0; t < 70; t++) {
            const u32* o = &out[(b * 70 + t) * 4];
            check_equal(o[0], t * 1000 + b, "thread and block");
            check_equal(o[1], t % 32 + t / 32 * 100, "lane and warp");
            check_equal(o[2], (1ll << t % 32) - 1, "lanemask_lt");
            check_equal(o[3], 642, "dynamic shared memory and grid");
        }
    }
}
