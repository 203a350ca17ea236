// Counts: sectors, passes over banks, bytes, instructions by unit, launches.
#include "harness.h"

namespace {
// The numbers of the site whose line is `line` of counts.cu.
u64 at(const std::string& report, int line, const char* name) {
    size_t from = report.find("\"line\":\"counts.cu:" + std::to_string(line) + "\"");
    check(from != std::string::npos, "no site at line " + std::to_string(line) + ": " + report);
    return count_of(report, name, from);
}
} // namespace

TEST(sectors_and_bank_conflicts) {
    Module module(R"(extern "C" __global__ void k(float* out, const float* in) {
    __shared__ float s[33 * 32]; u32 t = threadIdx.x; float x = 0;
    x += in[t];
    x += in[t * 8];
    x += in[t / 32];
    s[t] = x; s[t + 32] = x; for (u32 i = 2; i < 33; i++) s[i * 32 + t] = i;
    __syncthreads();
    x += s[t * 32];
    x += s[t * 33];
    x += s[t * 2];
    x += s[5];
    out[t] = x;
})", "counts.cu");
    Buffer in(1024 * 4), out(128);
    set("count", "1");
    jedisimReset();
    ok(module.run("k", {1}, {32}, 0, out.address, in.address), "launch");
    std::string r = report();
    check_equal(s64(at(r, 3, "units")), 4, "neighbours: 128 bytes in 4 sectors"),
        check_equal(s64(at(r, 3, "ideal")), 4, "and that is ideal");
    check_equal(s64(at(r, 4, "units")), 32, "far apart: a sector each"), check_equal(s64(at(r, 5, "units")), 1, "one address");
    check_equal(s64(at(r, 8, "units")), 32, "one bank"), check_equal(s64(at(r, 9, "units")), 1, "padded rows"),
        check_equal(s64(at(r, 10, "units")), 2, "every other bank");
    check_equal(s64(at(r, 11, "units")), 1, "one word"), check_equal(s64(at(r, 12, "bytes")), 128, "bytes");
    check_equal(s64(count_of(r, "launches")), 1, "launches"), check_equal(s64(count_of(r, "allocations")), 0, "allocations");
    check_equal(s64(count_of(r, "barrier")), 1, "barriers of warps");
}

TEST(instructions_by_unit) {
    Module module(R"(extern "C" __global__ void k(float* out, float a) {
    u32 t = threadIdx.x; float x = a + t, d[4] = {}, e;
    asm volatile("ex2.approx.f32 %0, %1;" : "=f"(e) : "f"(x));
    asm volatile("fma.rn.f32 %0, %1, %1, %1;" : "=f"(x) : "f"(e)); asm volatile("fma.rn.f32 %0, %0, %0, %0;" : "+f"(x));
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%4,%4,%4}, {%4,%4}, {%0,%1,%2,%3};" : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(0));
    x += __shfl_xor_sync(0xffffffffu, x, 1);
    out[t] = x + d[0];
})", "counts.cu");
    Buffer out(64 * 4);
    set("count", "1");
    jedisimReset();
    ok(module.run("k", {3}, {64}, 0, out.address, 0.5f), "launch");
    std::string r = report();
    check_equal(s64(count_of(r, "tensor")), 6, "tensor products of six warps"),
        check_equal(s64(count_of(r, "special")), 6, "special functions"), check_equal(s64(count_of(r, "shuffle")), 6, "shuffles");
    check_equal(s64(count_of(r, "float")), 6 * 5, "sums and products"), check_equal(s64(count_of(r, "global")), 6, "stores"),
        check_equal(s64(count_of(r, "blocks")), 3, "blocks");
    check_equal(s64(at(r, 5, "executed")), 6, "tensor products of the line");
}

TEST(nothing_is_computed_where_that_is_the_wish) {
    Module module(R"(extern "C" __global__ void k(float* out) { out[threadIdx.x] = 1; })", "counts.cu");
    Buffer out(std::vector<float>(32, 5.0f));
    set("execute", "0");
    jedisimReset();
    ok(module.run("k", {1}, {32}, 0, out.address), "launch");
    check_equal(s64(count_of(report(), "launches")), 1, "launches");
    check_equal(s64(out.get<float>()[0]), 5, "what was there stays");
    set("execute", "1");
    ok(module.run("k", {1}, {32}, 0, out.address), "launch");
    check_equal(s64(out.get<float>()[0]), 1, "computed");
}
