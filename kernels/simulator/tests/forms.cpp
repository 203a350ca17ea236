// Every form of an instruction that works lane by lane, against the same in C++, on random and special values.
#include "harness.h"
#include <cmath>
#include <immintrin.h>
#include <limits>

namespace {
u32 reversed(u32 x) {
    u32 r = 0;
    for (int bit = 0; bit < 32; bit++) r |= (x >> bit & 1) << (31 - bit);
    return r;
}

u32 field_of(u32 a, u32 b, u32 c, bool sign) {
    u32 at = b & 255, n = c & 255, r = 0;
    u32 top = !sign || !n ? 0 : a >> std::min(at + n - 1, 31u) & 1;
    for (u32 bit = 0; bit < 32; bit++) r |= (bit < n && at + bit < 32 ? a >> (at + bit) & 1 : top) << bit;
    return r;
}

u32 inserted(u32 a, u32 b, u32 c) {
    u32 at = c & 255;
    for (u32 bit = 0; bit < 7 && at + bit < 32; bit++) b = (b & ~(1u << (at + bit))) | (a >> bit & 1) << (at + bit);
    return b;
}

u32 permuted(u32 a, u32 b, u32 c) {
    u32 r = 0;
    for (int i = 0; i < 4; i++) {
        u32 pick = c >> 4 * i & 15, byte = u32((u64(b) << 32 | a) >> 8 * (pick & 7)) & 255;
        r |= (pick & 8 ? (byte & 128 ? 255 : 0) : byte) << 8 * i;
    }
    return r;
}

u32 bytes_dot(u32 a, u32 b) {
    s32 sum = 0;
    for (int i = 0; i < 4; i++) sum += s8(a >> 8 * i) * s8(b >> 8 * i);
    return u32(sum);
}

// A NaN gives way to a number, whether it signals or not.
template<class T> T least(T a, T b) { return a != a ? b : b != b ? a : a < b || (a == b && std::signbit(a)) ? a : b; }
template<class T> T most(T a, T b) { return a != a ? b : b != b ? a : a > b || (a == b && !std::signbit(a)) ? a : b; }

float flushed(float x) { return std::fabs(x) < std::numeric_limits<float>::min() ? std::copysign(0.f, x) : x; }
float saturated(float x) { return x > 0 ? std::min(x, 1.f) : 0; }
u16 half_bits(float x) { return u16(_cvtss_sh(x, 0)); }
float half_value(u16 x) { return _cvtsh_ss(x); }
u16 bfloat_bits(float x) {
    u32 bits;
    std::memcpy(&bits, &x, 4);
    u32 low = bits & 0xffff, high = bits >> 16;
    return u16(x != x ? 0x7fff : high + (low > 0x8000 || (low == 0x8000 && (high & 1))));
}
u32 tf32_bits(float x) {
    u32 bits;
    std::memcpy(&bits, &x, 4);
    return std::isfinite(x) ? (bits + 0x1000) & ~0x1fffu : bits;
}

// The nearest half of product + c, in 113 bits. A c that even those lose beside the product decides where the product alone lies in the
// middle.
using Long = __float128;

template<class Value> u16 nearest(Long product, Long c, Value value, u16 guess) {
    u16 best = guess;
    auto difference = [&](u16 h) { return (product - value(h)) + c; };
    auto size = [](Long x) { return x < 0 ? -x : x; };
    for (int d = -2; d <= 2; d++) {
        u16 h = u16(guess + d);
        if (!std::isfinite(value(h)) || (h & 0x8000) != (guess & 0x8000) || h == best) continue;
        Long mine = size(difference(h)), other = size(difference(best));
        bool lost = c != 0 && mine != 0 && (product - value(h)) == difference(h);
        if (mine < other || (mine == other && (lost ? (value(h) > value(best)) == (c > 0) : !(h & 1)))) best = h;
    }
    return best;
}

u16 half_fma(u16 a, u16 b, u16 c) {
    Long product = Long(half_value(a)) * half_value(b);
    u16 guess = half_bits(float(product + half_value(c)));
    return std::isfinite(half_value(guess)) ? nearest(product, half_value(c), half_value, guess) : guess;
}

float bfloat_value(u16 x) {
    u32 bits = u32(x) << 16;
    float f;
    std::memcpy(&f, &bits, 4);
    return f;
}

u16 bfloat_fma(u16 a, u16 b, u16 c) {
    Long product = Long(bfloat_value(a)) * bfloat_value(b);
    u16 guess = bfloat_bits(float(product + bfloat_value(c)));
    return std::isfinite(bfloat_value(guess)) ? nearest(product, bfloat_value(c), bfloat_value, guess) : guess;
}

u32 halves_fma(u32 a, u32 b, u32 c) {
    return u32(half_fma(u16(a >> 16), u16(b >> 16), u16(c >> 16))) << 16 | half_fma(u16(a), u16(b), u16(c));
}
u32 bfloats_fma(u32 a, u32 b, u32 c) {
    return u32(bfloat_fma(u16(a >> 16), u16(b >> 16), u16(c >> 16))) << 16 | bfloat_fma(u16(a), u16(b), u16(c));
}

template<class T> T to_integer(double x) {
    if (x != x) return sizeof(T) == 8 ? T(1ull << 63) : T(0);
    if (x <= double(std::numeric_limits<T>::min())) return std::numeric_limits<T>::min();
    return x >= double(std::numeric_limits<T>::max()) ? std::numeric_limits<T>::max() : T(x);
}

// ---- values
template<class T> T value(Random& random, int i) {
    T result;
    u64 bits = u64(random.bits()) << 32 | random.bits();
    if constexpr (std::is_floating_point_v<T>) {
        static const double special[] = {0.,     -0.,  1.,       -1.,       0.5, 1.5,    2.5,    -2.5, 1e-40,
                                         -1e-40, 1e30, INFINITY, -INFINITY, NAN, 65504., 65520., 1e-7};
        int kind = random.below(8);
        if (kind == 0) return T(special[random.below(int(std::size(special)))]);
        if (kind < 5) return T((random.unit() - 0.5f) * (kind < 3 ? 8.f : 3000.f));
    } else {
        int kind = random.below(6);
        if (kind == 0) bits = u64(random.below(40));
        if (kind == 1) bits = i % 3 == 0 ? ~0ull : 1ull << (sizeof(T) * 8 - 1);
        if (kind == 2) bits &= 0x3f;
    }
    std::memcpy(&result, &bits, sizeof(T));
    return result;
}

bool nan_half(u32 h, int kind) { return kind == -1 ? (h & 0x7fff) > 0x7c00 : (h & 0x7fff) > 0x7f80; }

// allowed: units in the last place; -1 and -2: halves and bfloats, where one NaN is as good as another.
template<class T> bool close(T got, T wanted, int allowed) {
    if constexpr (std::is_floating_point_v<T>) {
        if (got != got || wanted != wanted) return got != got && wanted != wanted;
        if (allowed == 0) return got == wanted && std::signbit(got) == std::signbit(wanted);
        return got == wanted || std::fabs(got - wanted) <= T(allowed) * std::max(std::fabs(wanted) * T(1.2e-7), T(1e-37));
    } else if (allowed < 0) {
        for (unsigned half = 0; half < sizeof(T) * 8; half += 16) {
            u32 g = u32(u64(got) >> half) & 0xffff, w = u32(u64(wanted) >> half) & 0xffff;
            if (g != w && !(nan_half(g, allowed) && nan_half(w, allowed))) return false;
        }
        return true;
    } else {
        return got == wanted;
    }
}

struct Form {
    const char* name;
    std::string source;
    std::function<void(Module&)> run;
};

template<class R, class A, class B, class C> void compare(Module& module, const char* name, R (*expected)(A, B, C), int allowed) {
    constexpr int count = 32 * 40;
    Random random(u64(name[0]) * 131 + u64(name[1]));
    std::vector<A> a(count);
    std::vector<B> b(count);
    std::vector<C> c(count);
    for (int i = 0; i < count; i++) a[i] = value<A>(random, i), b[i] = value<B>(random, i + 1), c[i] = value<C>(random, i + 2);
    Buffer da(a), db(b), dc(c), dr(count * sizeof(R));
    // Some lanes rest, so that the masked path is met, too.
    ok(module.run(name, {count / 128}, {128}, 0, da.address, db.address, dc.address, dr.address, count - 20), name);
    std::vector<R> r = dr.get<R>();
    for (int i = 0; i < count - 20; i++) {
        R wanted = expected(a[i], b[i], c[i]);
        if (close(r[i], wanted, allowed)) continue;
        char text[200];
        std::snprintf(text, sizeof text, "%s(%.17g, %.17g, %.17g) gives %.17g, expected %.17g", name, double(a[i]), double(b[i]),
                      double(c[i]), double(r[i]), double(wanted));
        give_up(text);
    }
    u8 untouched[sizeof(R)];
    std::memset(untouched, 0xff, sizeof untouched);
    check(!std::memcmp(&r[count - 1], untouched, sizeof(R)), std::string(name) + " wrote for a lane that rested");
}

#define TEXT(...) #__VA_ARGS__
#define FORM(name, R, rc, A, ac, B, bc, C, cc, ptx, expected, allowed)                                                      \
    {#name,                                                                                                               \
        "extern \"C\" __global__ void " #name "(const " TEXT(A) "* a, const " TEXT(B) "* b, const " TEXT(C) "* c, " TEXT(R) \
        "* r, int count) { int i = blockIdx.x * blockDim.x + threadIdx.x; if (i >= count) return; " TEXT(R) " x; asm volatile(\"" ptx \
        "\" : \"=" rc "\"(x) : \"" ac "\"(a[i]), \"" bc "\"(b[i]), \"" cc "\"(c[i])); r[i] = x; }\n",                       \
        [](Module& module) {                                                                                              \
            compare<R, A, B, C>(module, #name, [](A a, B b, C c) -> R { (void)a, (void)b, (void)c; return R(expected); }, allowed); \
        }},

const Form forms[] = {
#include "forms.inc"
};

std::string all_sources() {
    std::string text;
    for (auto& form : forms) text += form.source;
    return text;
}
} // namespace

TEST(forms_of_instructions) {
    Module module(all_sources(), "forms.cu");
    for (auto& form : forms) form.run(module);
}
