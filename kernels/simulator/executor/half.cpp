// Arithmetic of f16, bf16 and pairs of them. One rounding, as the hardware does: what float does not hold exactly is rounded to odd.
#include "lanes.h"
#include <cmath>

namespace jedisim {

namespace {
// A double rounded to float such that a second rounding, to half, is the right one.
JEDISIM_INLINE float to_odd(double x) {
    float nearest = float(x);
    if (double(nearest) == x || !std::isfinite(nearest)) return nearest;
    u32 bits = __builtin_bit_cast(u32, nearest);
    // Back to the neighbour towards zero, then the last bit set.
    if (std::fabs(double(nearest)) > std::fabs(x)) bits--;
    return __builtin_bit_cast(float, bits | 1);
}

template<class H> JEDISIM_INLINE u32 rounded(double x) {
    if constexpr (std::is_same_v<H, Half>) return to_half(to_odd(x)).bits;
    else return to_bfloat(to_odd(x)).bits;
}

struct Add { static double of(double a, double b) { return a + b; } };
struct Subtract { static double of(double a, double b) { return a - b; } };
struct Multiply { static double of(double a, double b) { return a * b; } };
struct Minimum { static double of(double a, double b) { return b != b ? a : (a < b || (a == b && std::signbit(a))) ? a : b; } };
struct Maximum { static double of(double a, double b) { return b != b ? a : (a > b || (a == b && !std::signbit(a))) ? a : b; } };

// a b + c with what the sum loses kept in its last bit.
JEDISIM_INLINE double fused(double a, double b, double c) {
    double product = a * b, sum = product + c, part = sum - product;
    double lost = (product - (sum - part)) + (c - part);
    if (lost == 0 || !std::isfinite(sum)) return sum;
    u64 bits = __builtin_bit_cast(u64, sum);
    if ((lost < 0) == (sum > 0)) bits--;
    return __builtin_bit_cast(double, bits | 1);
}

template<class H> JEDISIM_INLINE double half_at(u32 bits) { return to_float(H{u16(bits)}); }

template<class H, class F> void binary(Warp& w, const Instruction& i, u32 mask) {
    const u32 *a = w.source<u32>(i.o[1]), *b = w.source<u32>(i.o[2]);
    map<u32>(w, i.o[0], mask, [=](int lane) {
        u32 low = rounded<H>(F::of(half_at<H>(a[lane]), half_at<H>(b[lane])));
        return low | rounded<H>(F::of(half_at<H>(a[lane] >> 16), half_at<H>(b[lane] >> 16))) << 16;
    });
}

template<class H> void multiply_add(Warp& w, const Instruction& i, u32 mask) {
    const u32 *a = w.source<u32>(i.o[1]), *b = w.source<u32>(i.o[2]), *c = w.source<u32>(i.o[3]);
    bool relu = i.bytes;
    map<u32>(w, i.o[0], mask, [=](int lane) {
        u32 result = 0;
        for (int half = 0; half < 32; half += 16) {
            u32 bits = rounded<H>(fused(half_at<H>(a[lane] >> half), half_at<H>(b[lane] >> half), half_at<H>(c[lane] >> half)));
            if (relu && (bits & 0x8000)) bits = 0;
            result |= bits << half;
        }
        return result;
    });
}

template<bool Absolute> void sign(Warp& w, const Instruction& i, u32 mask) {
    const u32* a = w.source<u32>(i.o[1]);
    map<u32>(w, i.o[0], mask, [=](int lane) { return Absolute ? a[lane] & 0x7fff7fffu : a[lane] ^ 0x80008000u; });
}

template<class H> Handler find(const Form& f, Instruction& i) {
    const std::string& base = f.base();
    if (f.has("ftz") || f.has("sat") || f.has("NaN") || f.has("oob")) return nullptr;
    if (base == "add") return binary<H, Add>;
    if (base == "sub") return binary<H, Subtract>;
    if (base == "mul") return binary<H, Multiply>;
    if (base == "min") return binary<H, Minimum>;
    if (base == "max") return binary<H, Maximum>;
    if (base == "neg") return sign<false>;
    if (base == "abs") return sign<true>;
    i.bytes = f.has("relu");
    return base == "fma" ? multiply_add<H> : nullptr;
}
} // namespace

Handler find_half(const Form& f, Instruction& i) {
    if (f.type() == "f16" || f.type() == "f16x2") return find<Half>(f, i);
    return f.type() == "bf16" || f.type() == "bf16x2" ? find<Bfloat>(f, i) : nullptr;
}

} // namespace jedisim
