// Arithmetic of 32 and 64 bits. Only rounding to nearest is known; .ftz flushes what is denormal.
#include "lanes.h"
#include <cmath>

namespace jedisim {

namespace {
struct Add { template<class T> static T of(T a, T b) { return a + b; } };
struct Subtract { template<class T> static T of(T a, T b) { return a - b; } };
struct Multiply { template<class T> static T of(T a, T b) { return a * b; } };
struct Divide { template<class T> static T of(T a, T b) { return a / b; } };
// A NaN gives way to a number...
struct Minimum { template<class T> static T of(T a, T b) { return b != b ? a : (a < b || (a == b && std::signbit(a))) ? a : b; } };
struct Maximum { template<class T> static T of(T a, T b) { return b != b ? a : (a > b || (a == b && !std::signbit(a))) ? a : b; } };
// ... unless .NaN asks for it.
struct MinimumNan { template<class T> static T of(T a, T b) { return a != a || b != b ? T(NAN) : Minimum::of(a, b); } };
struct MaximumNan { template<class T> static T of(T a, T b) { return a != a || b != b ? T(NAN) : Maximum::of(a, b); } };
struct Negate { template<class T> static T of(T a) { return -a; } };
struct Absolute { template<class T> static T of(T a) { return std::fabs(a); } };
struct SquareRoot { template<class T> static T of(T a) { return std::sqrt(a); } };
struct Reciprocal { template<class T> static T of(T a) { return T(1) / a; } };
struct CopySign { template<class T> static T of(T a, T b) { return std::copysign(b, a); } };

// Flushing keeps the sign.
template<bool Flush> JEDISIM_INLINE float flushed(float x) {
    if constexpr (!Flush) return x;
    u32 bits = __builtin_bit_cast(u32, x);
    return __builtin_bit_cast(float, (bits & 0x7f800000u) == 0 ? bits & 0x80000000u : bits);
}
template<bool> JEDISIM_INLINE double flushed(double x) { return x; }

template<bool Saturate, class T> JEDISIM_INLINE T saturated(T x) {
    if constexpr (!Saturate) return x;
    return x > T(0) ? (x < T(1) ? x : T(1)) : T(0);
}

template<class T, class F, bool Flush> void binary(Warp& w, const Instruction& i, u32 mask) {
    const T *a = w.source<T>(i.o[1]), *b = w.source<T>(i.o[2]);
    map<T>(w, i.o[0], mask, [=](int lane) { return flushed<Flush>(F::template of<T>(flushed<Flush>(a[lane]), flushed<Flush>(b[lane]))); });
}

template<class T, class F, bool Flush> void unary(Warp& w, const Instruction& i, u32 mask) {
    const T* a = w.source<T>(i.o[1]);
    map<T>(w, i.o[0], mask, [=](int lane) { return flushed<Flush>(F::template of<T>(flushed<Flush>(a[lane]))); });
}

template<class T, bool Flush> void multiply_add(Warp& w, const Instruction& i, u32 mask) {
    const T *a = w.source<T>(i.o[1]), *b = w.source<T>(i.o[2]), *c = w.source<T>(i.o[3]);
    map<T>(w, i.o[0], mask, [=](int lane) {
        if constexpr (sizeof(T) == 8) return __builtin_fma(a[lane], b[lane], c[lane]);
        else return flushed<Flush>(__builtin_fmaf(flushed<Flush>(a[lane]), flushed<Flush>(b[lane]), flushed<Flush>(c[lane])));
    });
}

// Saturation of the result of another handler's instruction, in place.
template<Handler Inner> void saturating(Warp& w, const Instruction& i, u32 mask) {
    Inner(w, i, mask);
    const float* result = w.source<float>(i.o[0]);
    map<float>(w, i.o[0], mask, [=](int lane) { return saturated<true>(result[lane]); });
}

template<class F> Handler find_binary(const Form& f) {
    if (f.type() == "f64") return binary<double, F, false>;
    if (f.type() != "f32") return nullptr;
    if (f.has("sat")) return f.has("ftz") ? saturating<binary<float, F, true>> : saturating<binary<float, F, false>>;
    return f.has("ftz") ? binary<float, F, true> : binary<float, F, false>;
}

template<class F> Handler find_unary(const Form& f) {
    if (f.type() == "f64") return unary<double, F, false>;
    if (f.type() != "f32") return nullptr;
    return f.has("ftz") ? unary<float, F, true> : unary<float, F, false>;
}

Handler find_multiply_add(const Form& f) {
    if (f.type() == "f64") return multiply_add<double, false>;
    if (f.type() != "f32") return nullptr;
    if (f.has("sat")) return f.has("ftz") ? saturating<multiply_add<float, true>> : saturating<multiply_add<float, false>>;
    return f.has("ftz") ? multiply_add<float, true> : multiply_add<float, false>;
}
} // namespace

Handler find_floating(const Form& f, Instruction&) {
    const std::string& base = f.base();
    if (f.type() != "f32" && f.type() != "f64") return nullptr;
    if (f.has("rz") || f.has("rm") || f.has("rp") || f.has("xorsign")) return nullptr;
    if (base == "add") return find_binary<Add>(f);
    if (base == "sub") return find_binary<Subtract>(f);
    if (base == "mul") return find_binary<Multiply>(f);
    if (base == "div") return find_binary<Divide>(f); // the approximate forms too: exact is within their bounds
    if (base == "fma" || base == "mad") return find_multiply_add(f);
    if (base == "min" && f.statement.operands.size() == 3) return f.has("NaN") ? find_binary<MinimumNan>(f) : find_binary<Minimum>(f);
    if (base == "max" && f.statement.operands.size() == 3) return f.has("NaN") ? find_binary<MaximumNan>(f) : find_binary<Maximum>(f);
    if (base == "neg") return find_unary<Negate>(f);
    if (base == "abs") return find_unary<Absolute>(f);
    if (base == "sqrt") return find_unary<SquareRoot>(f);
    if (base == "rcp") return find_unary<Reciprocal>(f);
    return base == "copysign" ? find_binary<CopySign>(f) : nullptr;
}

} // namespace jedisim
