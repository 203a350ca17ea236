// Planted bugs: each must be caught, with the line of the source that is to blame, and stop the context until it is made anew.
#include "harness.h"

namespace {
struct Bug {
    const char* source; // the line with BUG in it must be told; the one with OTHER, too, where there is one
    unsigned threads;
    u32 n;
    int result;
    const char* words;
};

int line_with(const std::string& source, const char* mark) {
    size_t at = source.find(mark);
    if (at == std::string::npos) return 0;
    int line = 1;
    for (size_t i = 0; i < at; i++) line += source[i] == '\n';
    return line;
}

void expect(const Bug& bug, const char* order = "ascending") {
    fresh_context();
    set("order", order);
    std::string source =
        std::string("extern \"C\" __global__ void k(u32* o, const u32* in, u32 n) { u32 t = threadIdx.x; __shared__ u32 s[256];\n") +
        bug.source + "\n}";
    Module module(source, "bug.cu");
    std::vector<u32> values(128);
    for (u32 i = 0; i < 128; i++) values[i] = i * 3;
    Buffer in(values), out(512);
    int result = module.run("k", {1}, {bug.threads}, 0, out.address, in.address, bug.n);
    std::string told = last_fault();
    check_equal(result, bug.result, std::string("result of ") + bug.source + " (" + told + ")");
    check(told.find(bug.words) != std::string::npos, std::string("expected '") + bug.words + "' in: " + told);
    for (const char* mark : {"BUG", "OTHER"}) {
        int line = line_with(source, mark);
        std::string place = "bug.cu:" + std::to_string(line);
        if (line) check(told.find(place) != std::string::npos, "expected " + place + " in: " + told);
    }
    check(told.find("kernel k") != std::string::npos, "the kernel's name is missing: " + told);
    check_equal(cuCtxSynchronize(), bug.result, "the error stays");
    fresh_context();
    ok(cuCtxSynchronize(), "a new context works");
}
} // namespace

TEST(bounds_of_global_memory) {
    expect({"o[t + 1 + n] = in[t]; // BUG", 128, 0, 700, "global store of 4 bytes outside every allocation"});
    expect({"o[t] = in[(s32)t - 1]; // BUG", 128, 0, 700, "global load of 4 bytes outside every allocation"});
    expect({"o[t] = *(const u32*)(u64)(n + 64); // BUG", 32, 0, 700, "outside every allocation"});
    expect({"if (t == 77) o[0] = in[1000000]; // BUG", 128, 0, 700, "lane 13"});
}

TEST(bounds_of_shared_memory) {
    expect({"s[t * 2 + n] = in[t]; // BUG\n __syncthreads(); o[t] = s[t];", 128, 200, 700, "shared store of 4 bytes"});
    expect({"s[t] = in[t]; __syncthreads();\n o[t] = s[t + n]; // BUG", 128, 200, 700, "shared load of 4 bytes"});
}

TEST(alignment) {
    expect({"*(uint2*)(o + t * 2 % 100 + 1) = make_uint2(1, 2); // BUG", 32, 0, 716, "misaligned global address, 8 bytes"});
    expect({"uint4* p = (uint4*)(s + n);\n p[t] = make_uint4(1, 2, 3, t); // BUG\n __syncthreads(); o[t] = s[t];", 32, 2, 716,
            "misaligned shared address, 16 bytes"});
}

TEST(races_between_warps) {
    // A barrier is missing between a write and a read, a read and a write, two writes.
    const char* read_early = "s[t] = in[t]; // OTHER\n\n o[t] = s[t ^ 32]; // BUG";
    const char* write_early =
        "s[t] = in[t]; __syncthreads();\n u32 x = s[t ^ 32]; // OTHER\n s[t] = x + 1; // BUG\n __syncthreads(); o[t] = s[t];";
    const char* twice = "s[t & 31] = t; // BUG\n __syncthreads(); o[t] = s[t & 31];";
    for (const char* order : {"ascending", "descending", "seed:3"}) {
        // In whichever order the warps go, one of the two accesses comes without a barrier.
        expect({read_early, 64, 0, 719, "without a barrier"}, order);
        expect({write_early, 64, 0, 719, "without a barrier"}, order);
        expect({twice, 64, 0, 719, "write after write"}, order);
    }
    // A named barrier of two warps does not order the third.
    expect({"s[t] = in[t]; // OTHER\n if (t < 64) asm volatile(\"bar.sync 1, 64;\" ::: \"memory\");\n o[t] = s[(t + 32) % 96]; // BUG", 96,
            0, 719, "without a barrier"});
}

// A race that depends on what lies in memory tells launches that are watched from those that are not.
TEST(launches_alike_are_watched_so_often) {
    const char* source = R"(extern "C" __global__ void k(const u32* in, u32* out, u32 n) {
    __shared__ u32 s[64];
    s[threadIdx.x] = n;
    if (!in[0]) __syncthreads();
    out[threadIdx.x] = s[threadIdx.x ^ 32];
})";
    auto raced = [&](int before, u32 n) {
        fresh_context();
        set("alike", "2");
        Module module(source);
        Buffer in(std::vector<u32>{0}), other(std::vector<u32>{1}), out(256);
        for (int k = 0; k < before; k++) ok(module.run("k", {1}, {64}, 0, in.address, out.address, 5u), "a launch without a race");
        return module.run("k", {1}, {64}, 0, other.address, out.address, n) == 719;
    };
    check(raced(0, 5) && raced(1, 5), "the first two launches alike are watched");
    check(!raced(2, 5), "the third is not");
    check(raced(2, 6), "another argument makes another launch");
}

TEST(unwritten_shared_memory) {
    expect({"if (t < 30) s[t] = in[t];\n __syncthreads();\n o[t] = s[t]; // BUG", 64, 0, 719, "that nobody wrote"});
}

TEST(unwritten_registers) {
    expect({"u32 x; if (n > 1000) x = 3;\n asm volatile(\"{ .reg .u32 y; .reg .pred p; setp.gt.u32 p, %2, 1000; @p mov.u32 y, 3; add.u32 "
            "%0, y, %1; }\" : \"=r\"(x) : \"r\"(in[t]), \"r\"(n)); // BUG\n o[t] = x;",
            64, 0, 719, "never written on this path"});
    expect({"float d;\n asm volatile(\"{ .reg .f32 c; fma.rn.f32 %0, %1, %1, c; }\" : \"=f\"(d) : \"f\"((float)t)); // BUG\n o[t] = d;", 32,
            0, 719, "never written"});
}

TEST(barriers_in_divergent_code) {
    expect({"if (t & 1) { s[t] = 1;\n __syncthreads(); // BUG\n } o[t] = s[t | 1];", 64, 0, 719, "barrier in divergent code"});
    expect({"u32 r = in[t]; if ((t & 31) < 16)\n r += __shfl_xor_sync(0xffffffffu, r, 1); // BUG\n o[t] = r;", 64, 0, 719,
            "names lanes that do not execute it"});
    expect({"u32 r = in[t];\n if (t < 48) r += __reduce_add_sync(0xffffu, r); // BUG\n o[t] = r;", 64, 0, 719, "leaves out lanes"});
}

TEST(barriers_that_nobody_completes) {
    expect({"if (t < 32)\n asm volatile(\"bar.sync 3, 64;\"); // BUG\n o[t] = t;", 64, 0, 719, "deadlock"});
    expect({"if (t < 32) {\n asm volatile(\"bar.sync 3;\"); // BUG\n } else {\n asm volatile(\"bar.sync 4;\"); // OTHER\n }", 64, 0, 719,
            "waits at barrier 4"});
    expect({"if (t < 32) asm volatile(\"bar.arrive 3, 64;\"); else\n asm volatile(\"bar.sync 3, 96;\"); // BUG", 64, 0, 719,
            "more than the block has"});
}

TEST(copies_without_a_wait) {
    const std::string copy = "u32 a = (u32)__cvta_generic_to_shared(s + t);\n asm volatile(\"cp.async.ca.shared.global [%0], [%1], 4;\" :: "
                             "\"r\"(a), \"l\"(in + t) : \"memory\"); // OTHER\n";
    const std::string early =
        copy + "asm volatile(\"cp.async.commit_group;\");\n o[t] = s[t]; // BUG\n asm volatile(\"cp.async.wait_group 0;\" ::: \"memory\");";
    expect({early.c_str(), 64, 0, 719, "was not waited for"});
    const std::string weak = copy + "asm volatile(\"cp.async.commit_group;\"); asm volatile(\"cp.async.wait_group 1;\" ::: \"memory\"); "
                                    "__syncthreads();\n o[t] = s[t]; // BUG\n asm volatile(\"cp.async.wait_all;\");";
    expect({weak.c_str(), 64, 0, 719, "was not waited for"});
    const std::string never = copy + "o[t] = 1;";
    expect({never.c_str(), 64, 0, 719, "never waited for"});
    const std::string no_barrier = copy + "asm volatile(\"cp.async.wait_all;\" ::: \"memory\");\n o[t] = s[t ^ 32]; // BUG";
    expect({no_barrier.c_str(), 64, 0, 719, "without a barrier"});
}

// Without the race detector a copy that was not waited for still shows: its target is NaN.
TEST(early_reads_see_no_numbers) {
    set("race", "0");
    Module module(R"(extern "C" __global__ void k(u32* o, const u32* in) {
    __shared__ u32 s[32]; u32 t = threadIdx.x, a = (u32)__cvta_generic_to_shared(s + t);
    o[64 + t] = ((volatile u32*)s)[t];
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" :: "r"(a), "l"(in + t) : "memory");
    o[t] = ((volatile u32*)s)[t];
    asm volatile("cp.async.wait_all;" ::: "memory");
    o[32 + t] = ((volatile u32*)s)[t];
})");
    std::vector<u32> in(32, 5);
    Buffer from(in), to(96 * 4);
    ok(module.run("k", {1}, {32}, 0, to.address, from.address), "launch");
    std::vector<u32> out = to.get<u32>();
    for (int t = 0; t < 32; t++) check(out[t] == ~0u && out[32 + t] == 5 && out[64 + t] == ~0u, "poison before, numbers after");
}

TEST(endless_loops) { expect({"while (((volatile u32*)o)[0] != 1234567) // BUG\n ;\n o[t] = 1;", 32, 0, 702, "endless loop"}); }

TEST(traps) { expect({"if (in[t] == 93)\n asm volatile(\"trap;\"); // BUG\n o[t] = 1;", 64, 0, 715, "trap, lane 31"}); }

TEST(mixed_state_spaces) {
    expect({"s[t] = 1; __syncthreads(); const volatile u32* p = t & 1 ? s : in;\n o[t] = p[t]; // BUG", 64, 0, 719, "two state spaces"});
}
