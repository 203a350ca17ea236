// Control flow: functions with loops, breaks, early returns and arrays, compiled by NVRTC and by this compiler, must agree for every lane.
#include "harness.h"
#include <cmath>

namespace {
#define FUNCTION(name, ...)                                   \
    static u32 name(u32 t, const u32* in) __VA_ARGS__          \
    static const char* const name##_text = "static __device__ __forceinline__ u32 " #name "(u32 t, const u32* in) " #__VA_ARGS__ "\n";

FUNCTION(collatz, {
    u32 x = in[t];
    u32 n = 0;
    while (x != 1 && n < 200) {
        x = x & 1 ? 3 * x + 1 : x >> 1;
        if (x % 11 == 7) {
            n += 5;
            continue;
        }
        if (n > 150) break;
        n++;
    }
    return n * 65537 + x;
})

FUNCTION(cases, {
    u32 x = in[t];
    switch (x % 9) {
    case 0: return x * 3;
    case 1: return x ^ 0x55;
    case 2: x += 7; [[fallthrough]];
    case 3: return x << 3;
    case 4: return ~x;
    case 5: return x / 7;
    case 6: return x % 13;
    case 7: return 5;
    default: return x - 9;
    }
})

FUNCTION(nested, {
    u32 a = in[t];
    u32 s = 0;
    for (u32 i = 0; i < (a & 7); i++) {
        for (u32 j = 0; j < (a >> 3 & 3) + i; j++) {
            if (((a ^ j) & 5) == 4) {
                s += i * j;
                if (s > 40) goto out;
            } else {
                s ^= j + 1;
            }
        }
        s += i;
    }
out:
    return s + a;
})

FUNCTION(wide, {
    s64 a = s64(u64(in[t]) << 32 | in[(t + 7) & 1023]);
    s64 b = s64(s32(in[(t + 3) & 1023])) | 1;
    u64 r = u64(a / b) + u64(a % b) + (u64(a) >> (in[t] & 63)) + u64(a >> (in[t] & 31)) + u64(a) * u64(b);
    return u32(r ^ r >> 32);
})

FUNCTION(narrow, {
    s16 a = s16(in[t]);
    s16 b = s16(in[t] >> 16);
    u16 c = u16(a * b);
    u16 d = u16(a + b);
    s8 e = s8(a - 3);
    u8 g = u8(b * 5);
    s16 q = s16(a < b ? a / (b | 1) : b % (a | 1));
    return u32(s32(q)) * 3 + (c ^ d) + u32(s32(e)) * 17 + g + (a > s16(d) ? 1u : 0u);
})

FUNCTION(array, {
    u32 a[16];
    for (int i = 0; i < 16; i++) a[i] = in[(t + i) & 1023] & 255;
    for (int i = 0; i < 16; i++) {
        u32 j = a[i] & 15;
        u32 x = a[i];
        a[i] = a[j];
        a[j] = x + 1;
    }
    u32 s = 0;
    for (int i = 0; i < 16; i++) s = s * 31 + a[i];
    return s;
})

FUNCTION(early, {
    if (in[t] % 5 == 0) return 1;
    u32 s = 0;
    for (u32 i = 0; i < in[t] % 23; i++) {
        s += in[(t + i) & 1023] & 15;
        if (s > 60) return s * 2;
    }
    return t % 7 == 3 ? s + 100 : s;
})

FUNCTION(real, {
    double a = in[t] * 1e-3;
    double b = s32(in[(t + 1) & 1023]) | 1;
    double r = a / b + double(float(a));
    r = r * r - b;
    float f = float(s32(in[t])) * 1e-3f;
    float g = float(in[(t + 1) & 1023] & 0xffff) - 20000.f;
    return u32(s64(r * 1e-6)) + (r > 0 ? 7u : 0u) + u32(s32(f + g)) + (f < g ? 1u : 0u);
})

struct Function { const char* name; u32 (*body)(u32, const u32*); const char* text; };
#define ENTRY(name) {#name, name, name##_text}
const Function functions[] = {ENTRY(collatz), ENTRY(cases), ENTRY(nested), ENTRY(wide),
                              ENTRY(narrow),  ENTRY(array), ENTRY(early),  ENTRY(real)};

std::string source() {
    std::string text;
    for (auto& f : functions) {
        text += f.text;
        text += std::string("extern \"C\" __global__ void run_") + f.name +
                "(const u32* in, u32* out) { u32 t = blockIdx.x * blockDim.x + threadIdx.x; out[t] = " + f.name + "(t, in); }\n";
    }
    return text;
}
} // namespace

TEST(divergent_control_flow) {
    Module module(source(), "functions.cu");
    std::vector<u32> in(1024);
    Random random(3);
    for (int i = 0; i < 1024; i++) in[i] = random.bits() >> (i & 15);
    Buffer from(in), to(4096);
    for (auto& f : functions) {
        for (const char* order : {"ascending", "descending", "seed:5"}) {
            set("order", order);
            ok(module.run((std::string("run_") + f.name).c_str(), {8}, {128}, 0, from.address, to.address), f.name);
            std::vector<u32> out = to.get<u32>();
            for (u32 i = 0; i < 1024; i++)
                check_equal(out[i], f.body(i, in.data()), std::string(f.name) + " of thread " + std::to_string(i));
        }
    }
}

// Lanes that part and meet again must be together at the shuffle that follows.
TEST(lanes_meet_after_a_branch) {
    Module module(R"(extern "C" __global__ void k(u32* out) {
    u32 t = threadIdx.x, s = 0;
    for (u32 i = 0; i < 40; i++) {
        if ((t * 7 + i) % 5 == 0) continue;
        if (i > t + 8) break;
        s += i ^ t;
    }
    out[t] = s + __shfl_xor_sync(0xffffffffu, s, 1) * 3 + __popc(__activemask());
})");
    Buffer out(128);
    ok(module.run("k", {1}, {32}, 0, out.address), "launch");
    auto sum = [](u32 t) {
        u32 s = 0;
        for (u32 i = 0; i < 40; i++) {
            if ((t * 7 + i) % 5 == 0) continue;
            if (i > t + 8) break;
            s += i ^ t;
        }
        return s;
    };
    std::vector<u32> r = out.get<u32>();
    for (u32 t = 0; t < 32; t++) check_equal(r[t], sum(t) + sum(t ^ 1) * 3 + 32, "thread " + std::to_string(t));
}
