// The functions of the special function unit. They are more exact here than on a GPU, and give the same bits at every level.
#include "lanes.h"
#include <cmath>

namespace jedisim {

namespace {
// 2^x by a polynomial on [-0.5, 0.5]: relative error at most 2^-22.1 (a GPU's ex2.approx: 2^-22.5, 2 ulp). Written without branches, so
// that 16 lanes go at once.
JEDISIM_INLINE float exp2_of(float x) {
    float clamped = x < -151.f ? -151.f : x > 129.f ? 129.f : x;
    float whole = __builtin_nearbyintf(clamped), part = clamped - whole;
    float p = 1.54035304e-4f;
    p = __builtin_fmaf(p, part, 1.33335581e-3f);
    p = __builtin_fmaf(p, part, 9.61812911e-3f);
    p = __builtin_fmaf(p, part, 5.55041087e-2f);
    p = __builtin_fmaf(p, part, 2.40226507e-1f);
    p = __builtin_fmaf(p, part, 6.93147181e-1f);
    p = __builtin_fmaf(p, part, 1.f);
    // Two factors: the exponent may be below what one holds.
    s32 exponent = s32(whole), half = exponent >> 1;
    float first = __builtin_bit_cast(float, u32(half + 127) << 23), second = __builtin_bit_cast(float, u32(exponent - half + 127) << 23);
    float result = p * first * second;
    return x != x ? x : result;
}

struct Exp2 { static float of(float x) { return exp2_of(x); } };
struct Exp2Flush {
    static float of(float x) {
        float y = exp2_of(x);
        return y < 1.17549435e-38f ? 0.f : y;
    }
};
struct ReciprocalRoot { static float of(float x) { return 1.f / __builtin_sqrtf(x); } };
struct Log2 { static float of(float x) { return std::log2(x); } };
struct Sine { static float of(float x) { return std::sin(x); } };
struct Cosine { static float of(float x) { return std::cos(x); } };
struct Tangent { static float of(float x) { return std::tanh(x); } };

template<class F> void unary(Warp& w, const Instruction& i, u32 mask) {
    const float* a = w.source<float>(i.o[1]);
    map<float>(w, i.o[0], mask, [=](int lane) { return F::of(a[lane]); });
}

// Both halves of a register, or the lower alone.
template<class H, class F> void halves(Warp& w, const Instruction& i, u32 mask) {
    const u32* a = w.source<u32>(i.o[1]);
    map<u32>(w, i.o[0], mask, [=](int lane) {
        auto one = [](u32 bits) -> u32 {
            float y = F::of(to_float(H{u16(bits)}));
            if constexpr (std::is_same_v<H, Half>) return to_half(y).bits;
            else return to_bfloat(y).bits;
        };
        return one(a[lane]) | one(a[lane] >> 16) << 16;
    });
}

template<class F> Handler find_unary(const Form& f) {
    if (f.type() == "f32") return unary<F>;
    if (f.type() == "f16" || f.type() == "f16x2") return halves<Half, F>;
    return f.type() == "bf16" || f.type() == "bf16x2" ? halves<Bfloat, F> : nullptr;
}

void reciprocal_root(Warp& w, const Instruction& i, u32 mask) {
    const double* a = w.source<double>(i.o[1]);
    map<double>(w, i.o[0], mask, [=](int lane) { return 1. / __builtin_sqrt(a[lane]); });
}
} // namespace

Handler find_special(const Form& f, Instruction&) {
    const std::string& base = f.base();
    if (base == "ex2") return f.has("ftz") && f.type() == "f32" ? unary<Exp2Flush> : find_unary<Exp2>(f);
    if (base == "tanh") return find_unary<Tangent>(f);
    if (base == "rsqrt" && f.type() == "f64") return reciprocal_root;
    if (f.type() != "f32") return nullptr;
    if (base == "rsqrt") return unary<ReciprocalRoot>;
    if (base == "lg2") return unary<Log2>;
    if (base == "sin") return unary<Sine>;
    return base == "cos" ? unary<Cosine> : nullptr;
}

} // namespace jedisim
