// Barriers that are used well: counts, reductions, producers and consumers; equal bits in every order of the warps.
#include "harness.h"

TEST(barriers_with_names) {
    // Two warps produce, two consume: arrive tells, sync waits. Two buffers, each with a full and an empty barrier.
    Module module(R"(extern "C" __global__ void k(u32* out) {
    __shared__ u32 s[2][64]; u32 t = threadIdx.x, sum = 0;
    for (u32 i = 0; i < 10; i++) {
        u32 b = i & 1;
        if (t < 64) {
            if (i > 1) asm volatile("bar.sync %0, 128;" ::"r"(3 + b) : "memory");
            s[b][t] = i * 100 + t;
            asm volatile("bar.arrive %0, 128;" ::"r"(1 + b) : "memory");
        } else {
            asm volatile("bar.sync %0, 128;" ::"r"(1 + b) : "memory");
            sum = sum * 3 + s[b][(t + i * 7) & 63];
            if (i < 8) asm volatile("bar.arrive %0, 128;" ::"r"(3 + b) : "memory");
        }
    }
    out[t] = sum;
})");
    Buffer to(128 * 4);
    for (const char* order : {"ascending", "descending", "seed:1", "seed:2"}) {
        set("order", order);
        ok(module.run("k", {1}, {128}, 0, to.address), order);
        std::vector<u32> out = to.get<u32>();
        for (u32 t = 64; t < 128; t++) {
            u32 sum = 0;
            for (u32 i = 0; i < 10; i++) sum = sum * 3 + i * 100 + ((t + i * 7) & 63);
            check_equal(out[t], sum, std::string("consumer, ") + order);
        }
    }
}

TEST(barriers_that_reduce) {
    Module module(R"(extern "C" __global__ void k(u32* out, u32 n) {
    u32 t = threadIdx.x;
    out[t] = __syncthreads_count(t % 3 == 0) * 10 + __syncthreads_or(t == n) * 2 + (__syncthreads_and(t < n) != 0);
})");
    Buffer to(96 * 4);
    for (u32 n : {95u, 96u}) {
        ok(module.run("k", {1}, {96}, 0, to.address, n), "launch");
        for (u32 x : to.get<u32>()) check_equal(x, 320 + (n == 95 ? 2 : 0) + (n == 96), "reductions");
    }
}

// Warps that have ended are not waited for; those of a last, partial warp are whole among themselves.
TEST(barriers_after_early_returns) {
    Module module(R"(extern "C" __global__ void k(u32* out) {
    __shared__ u32 s[80]; u32 t = threadIdx.x;
    if (t < 32) return;
    s[t] = t;
    __syncthreads();
    out[t] = s[111 - t];
})");
    Buffer to(80 * 4);
    ok(module.run("k", {1}, {80}, 0, to.address), "launch");
    std::vector<u32> out = to.get<u32>();
    for (u32 t = 32; t < 80; t++) check_equal(out[t], 111 - t, "thread");
}

TEST(equal_bits_in_every_order) {
    // A sum through shared memory and one through blocks, with everything that rounds.
    Module module(R"(extern "C" __global__ void k(float* out, const float* in) {
    __shared__ float s[128]; u32 t = threadIdx.x; float x = in[blockIdx.x * 128 + t];
    for (int i = 0; i < 50; i++) x = x * 1.0001f + 0.3f / (x + 1.5f);
    s[t] = x;
    for (u32 d = 64; d; d >>= 1) { __syncthreads(); if (t < d) s[t] += s[t + d]; }
    if (t == 0) out[blockIdx.x] = s[0];
})");
    std::vector<float> in(128 * 37);
    Random random(9);
    for (auto& x : in) x = random.unit();
    Buffer from(in), to(37 * 4);
    std::vector<u32> first;
    for (const char* order : {"ascending", "descending", "seed:1", "seed:99"}) {
        for (const char* threads : {"1", "2", "3"}) {
            set("order", order), set("threads", threads);
            ok(module.run("k", {37}, {128}, 0, to.address, from.address), order);
            std::vector<u32> bits = to.get<u32>();
            if (first.empty()) first = bits;
            check(bits == first, std::string("other bits with ") + order + " and threads: " + threads);
        }
    }
    set("threads", "2");
}
