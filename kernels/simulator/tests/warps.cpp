// Instructions of a whole warp: shuffles, votes, ldmatrix, mma.sync, against the PTX manual's description of them.
#include "harness.h"
#include <cmath>
#include <immintrin.h>

TEST(shuffles) {
    Module module(R"(extern "C" __global__ void k(u32* out, const u32* in) {
    u32 t = threadIdx.x, a = in[t], all = 0xffffffffu;
    out[t] = __shfl_xor_sync(all, a, 5); out[32 + t] = __shfl_up_sync(all, a, 3); out[64 + t] = __shfl_down_sync(all, a, 7, 16); out[96 + t] = __shfl_sync(all, a, (t * 7) & 31);
    out[128 + t] = __shfl_sync(all, a, 3, 8);
    u32 r = 9, p = 9;
    asm volatile("{ .reg .pred p; shfl.sync.up.b32 %0|p, %2, 4, 0, 0xffffffff; selp.u32 %1, 1, 0, p; }" : "=r"(r), "=r"(p) : "r"(a));
    out[160 + t] = r * 2 + p;
    if (t < 16) out[192 + t] = __shfl_xor_sync(0xffffu, a, 2);
})");
    std::vector<u32> in(32);
    Random random(1);
    for (auto& x : in) x = random.bits();
    Buffer from(in), to(208 * 4);
    ok(module.run("k", {1}, {32}, 0, to.address, from.address), "launch");
    std::vector<u32> out = to.get<u32>();
    for (u32 t = 0; t < 32; t++) {
        check_equal(out[t], in[t ^ 5], "bfly");
        check_equal(out[32 + t], in[t < 3 ? t : t - 3], "up");
        check_equal(out[64 + t], in[t % 16 + 7 > 15 ? t : t + 7], "down in halves");
        check_equal(out[96 + t], in[t * 7 & 31], "idx");
        check_equal(out[128 + t], in[t / 8 * 8 + 3], "idx in eighths");
        check_equal(out[160 + t], u32(in[t < 4 ? t : t - 4] * 2 + (t >= 4)), "up with its predicate");
        if (t < 16) check_equal(out[192 + t], in[t ^ 2], "half a warp");
    }
}

TEST(votes_and_matches) {
    Module module(R"(extern "C" __global__ void k(u32* out, const u32* in) {
    u32 t = threadIdx.x, a = in[t], all = 0xffffffffu, r;
    out[t] = __ballot_sync(all, a & 1); out[32 + t] = __any_sync(all, a == 3) + 2 * __all_sync(all, a < 8) + 4 * __all_sync(all, a != 3);
    out[64 + t] = __match_any_sync(all, a); out[96 + t] = __reduce_add_sync(all, a);
    out[128 + t] = __reduce_max_sync(all, (s32)a - 4); out[160 + t] = t % 3 ? __ballot_sync(0xb6db6db6u, a & 1) : 0;
    asm volatile("bar.warp.sync 0xffffffff;");
    asm volatile("{ .reg .pred p; setp.gt.u32 p, %1, 3; vote.sync.ballot.b32 %0, !p, 0xffffffff; }" : "=r"(r) : "r"(a));
    out[192 + t] = r;
})");
    std::vector<u32> in(32);
    Random random(2);
    u32 odd = 0, small = 0, sum = 0, most = 0, some = 0, none = 1;
    for (u32 t = 0; t < 32; t++) {
        in[t] = random.bits() % 8;
        odd |= (in[t] & 1) << t, small |= u32(in[t] <= 3) << t, sum += in[t], most = std::max(most, in[t]), some |= in[t] == 3,
                                                                              none &= in[t] != 3;
    }
    Buffer from(in), to(224 * 4);
    ok(module.run("k", {1}, {32}, 0, to.address, from.address), "launch");
    std::vector<u32> out = to.get<u32>();
    for (u32 t = 0; t < 32; t++) {
        u32 equal = 0;
        for (u32 o = 0; o < 32; o++) equal |= u32(in[o] == in[t]) << o;
        check_equal(out[t], odd, "ballot"), check_equal(out[32 + t], some + 2 + 4 * none, "any and all"),
            check_equal(out[64 + t], equal, "match.any");
        check_equal(out[96 + t], sum, "redux.add"), check_equal(s32(out[128 + t]), s32(most) - 4, "redux.max");
        check_equal(out[160 + t], t % 3 ? odd & 0xb6db6db6u : 0, "ballot of some lanes"),
            check_equal(out[192 + t], small, "ballot of a negated predicate");
    }
}

TEST(matrices_from_shared_memory) {
    Module module(R"(extern "C" __global__ void k(u32* out, const u16* in) {
    __shared__ __align__(16) u16 s[4 * 64 + 8];
    u32 t = threadIdx.x, r[4], a;
    for (int i = t; i < 256; i += 32) s[i] = in[i];
    __syncthreads();
    a = (u32)__cvta_generic_to_shared(s + t * 8);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(a) : "memory");
    for (int i = 0; i < 4; i++) out[i * 32 + t] = r[i];
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(a) : "memory");
    for (int i = 0; i < 4; i++) out[128 + i * 32 + t] = r[i];
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(a) : "memory");
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];" : "=r"(r[2]), "=r"(r[3]) : "r"(a) : "memory");
    for (int i = 0; i < 4; i++) out[256 + i * 32 + t] = r[i];
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1+16];" : "=r"(r[0]) : "r"((u32)__cvta_generic_to_shared(s + (t & 7) * 8)) : "memory");
    out[384 + t] = r[0];
})");
    std::vector<u16> in(256);
    Random random(4);
    for (auto& x : in) x = u16(random.bits());
    Buffer from(in), to(416 * 4);
    ok(module.run("k", {1}, {32}, 0, to.address, from.address), "launch");
    std::vector<u32> out = to.get<u32>();
    auto element = [&](u32 matrix, u32 row, u32 column) { return u32(in[matrix * 64 + row * 8 + column]); };
    for (u32 t = 0; t < 32; t++) {
        u32 row = t / 4, column = t % 4 * 2;
        for (u32 m = 0; m < 4; m++) {
            u32 plain = element(m, row, column) | element(m, row, column + 1) << 16,
                turned = element(m, column, row) | element(m, column + 1, row) << 16;
            check_equal(out[m * 32 + t], plain, "x4"), check_equal(out[128 + m * 32 + t], turned, "x4.trans");
            if (m < 2) check_equal(out[256 + m * 32 + t], plain, "x2"), check_equal(out[320 + m * 32 + t], turned, "x2.trans");
        }
        check_equal(out[384 + t], u32(in[(column + 1) * 8 + row]) | u32(in[(column + 2) * 8 + row]) << 16, "x1.trans with an offset");
    }
}

namespace {
u32 half(float x) { return _cvtss_sh(x, 0); }
u32 bfloat(float x) { return __builtin_bit_cast(u32, x) >> 16; }

// One shape of mma: how many k, whether two values share a register. Whole numbers, so that every order of sums gives the same bits.
struct Shape { const char* kernel; int k; bool pairs; u32 (*bits)(float); };

void product(Module& module, const Shape& shape, u64 seed) {
    Random random(seed);
    std::vector<float> a(16 * shape.k), b(shape.k * 8), c(128), expected(128);
    for (auto* m : {&a, &b, &c})
        for (auto& x : *m) x = float(random.below(17) - 8);
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 8; j++) {
            expected[i * 8 + j] = c[i * 8 + j];
            for (int k = 0; k < shape.k; k++) expected[i * 8 + j] += a[i * shape.k + k] * b[k * 8 + j];
        }
    int each = shape.pairs ? 2 : 1, registers = shape.k / (4 * each); // of b; a has two rows of them
    std::vector<u32> fa(32 * 4), fb(32 * 2), fc(32 * 4);
    for (int lane = 0; lane < 32; lane++) {
        int g = lane / 4, t = lane % 4;
        for (int r = 0; r < registers; r++) {
            for (int e = 0; e < each; e++) {
                int k = r * 4 * each + t * each + e;
                fa[lane * 4 + 2 * r] |= shape.bits(a[g * shape.k + k]) << 16 * e,
                    fa[lane * 4 + 2 * r + 1] |= shape.bits(a[(g + 8) * shape.k + k]) << 16 * e;
                fb[lane * 2 + r] |= shape.bits(b[k * 8 + g]) << 16 * e;
            }
        }
        for (int i = 0; i < 4; i++) fc[lane * 4 + i] = __builtin_bit_cast(u32, c[(g + i / 2 * 8) * 8 + 2 * t + i % 2]);
    }
    Buffer da(fa), db(fb), dc(fc), dd(32 * 16);
    ok(module.run(shape.kernel, {1}, {32}, 0, da.address, db.address, dc.address, dd.address), shape.kernel);
    std::vector<float> d = dd.get<float>();
    for (int lane = 0; lane < 32; lane++)
        for (int i = 0; i < 4; i++)
            check_equal(s64(d[lane * 4 + i]), s64(expected[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2]),
                        std::string(shape.kernel) + " lane " + std::to_string(lane));
}
} // namespace

TEST(tensor_products) {
    auto kernel = [](const char* name, const char* form, int registers) {
        std::string list = registers == 2 ? "{%4,%5,%6,%7}, {%8,%9}" : "{%4,%5}, {%8}";
        return std::string("extern \"C\" __global__ void ") + name +
               "(const u32* a, const u32* b, const float* c, float* d) { u32 t = threadIdx.x; float x[4];\n" +
               "asm volatile(\"mma.sync.aligned." + form + " {%0,%1,%2,%3}, " + list +
               ", {%10,%11,%12,%13};\" : \"=f\"(x[0]), \"=f\"(x[1]), \"=f\"(x[2]), \"=f\"(x[3]) : " +
               "\"r\"(a[t*4]), \"r\"(a[t*4+1]), \"r\"(a[t*4+2]), \"r\"(a[t*4+3]), \"r\"(b[t*2]), \"r\"(b[t*2+1]), \"f\"(c[t*4]), "
               "\"f\"(c[t*4+1]), \"f\"(c[t*4+2]), \"f\"(c[t*4+3]));\n" +
               "for (int i = 0; i < 4; i++) d[t * 4 + i] = x[i]; }\n";
    };
    Module module(kernel("f16_16", "m16n8k16.row.col.f32.f16.f16.f32", 2) + kernel("bf16_16", "m16n8k16.row.col.f32.bf16.bf16.f32", 2) +
                  kernel("f16_8", "m16n8k8.row.col.f32.f16.f16.f32", 1) + kernel("bf16_8", "m16n8k8.row.col.f32.bf16.bf16.f32", 1) +
                  kernel("tf32_8", "m16n8k8.row.col.f32.tf32.tf32.f32", 2) + kernel("tf32_4", "m16n8k4.row.col.f32.tf32.tf32.f32", 1));
    auto single = [](float x) { return __builtin_bit_cast(u32, x) | 0x1fff; }; // the low bits are not read
    const Shape shapes[] = {{"f16_16", 16, true, half},  {"bf16_16", 16, true, bfloat}, {"f16_8", 8, true, half},
                            {"bf16_8", 8, true, bfloat}, {"tf32_8", 8, false, single},  {"tf32_4", 4, false, single}};
    for (auto& shape : shapes)
        for (u64 seed = 1; seed <= 4; seed++) product(module, shape, seed);
}
