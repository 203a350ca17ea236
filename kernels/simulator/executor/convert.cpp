// cvt: between integers, to and from f32, f64, f16, bf16 and pairs of the last two.
#include "lanes.h"
#include <cmath>
#include <limits>

namespace jedisim {

namespace {
enum Rounding { None, Zero, Nearest, Down, Up };

template<Rounding R> JEDISIM_INLINE double round_to(double x) {
    if constexpr (R == Zero) return std::trunc(x);
    if constexpr (R == Down) return std::floor(x);
    if constexpr (R == Up) return std::ceil(x);
    return std::nearbyint(x);
}

template<Rounding R> JEDISIM_INLINE float round_to(float x) {
    if constexpr (R == Zero) return std::trunc(x);
    if constexpr (R == Down) return std::floor(x);
    if constexpr (R == Up) return std::ceil(x);
    return std::nearbyint(x);
}

// Out of range: the nearest integer that there is; NaN: 0 (of 64 bits: the top bit).
template<class T, class S, Rounding R> void float_to_integer(Warp& w, const Instruction& i, u32 mask) {
    const S* a = w.source<S>(i.o[1]);
    map<T>(w, i.o[0], mask, [=](int lane) -> T {
        constexpr double low = double(std::numeric_limits<T>::min()), high = double(std::numeric_limits<T>::max());
        double x = round_to<R>(double(a[lane]));
        if (x != x) return sizeof(T) == 8 ? T(1ull << 63) : T(0);
        return x <= low ? std::numeric_limits<T>::min() : x >= high ? std::numeric_limits<T>::max() : T(x);
    });
}

template<class T, class S> void plain(Warp& w, const Instruction& i, u32 mask) {
    const void* a = w.source(i.o[1]);
    map<T>(w, i.o[0], mask, [=](int lane) { return T(get<S>(a, lane)); });
}

template<class T, Rounding R> void to_whole(Warp& w, const Instruction& i, u32 mask) {
    const T* a = w.source<T>(i.o[1]);
    map<T>(w, i.o[0], mask, [=](int lane) { return round_to<R>(a[lane]); });
}

void saturate(Warp& w, const Instruction& i, u32 mask) {
    const float* a = w.source<float>(i.o[1]);
    map<float>(w, i.o[0], mask, [=](int lane) { return a[lane] > 0.f ? (a[lane] < 1.f ? a[lane] : 1.f) : 0.f; });
}

// 32 halves to floats and back, 8 at a time.
JEDISIM_INLINE void widen(const u32* halves, float* floats) {
    for (int at = 0; at < 32; at += 8) {
        __m256i x = _mm256_and_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(halves + at)), _mm256_set1_epi32(0xffff));
        __m128i packed = _mm_packus_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
        _mm256_storeu_ps(floats + at, _mm256_cvtph_ps(packed));
    }
}

JEDISIM_INLINE void narrow(const float* floats, u32* halves) {
    for (int at = 0; at < 32; at += 8) {
        __m128i packed = _mm256_cvtps_ph(_mm256_loadu_ps(floats + at), _MM_FROUND_TO_NEAREST_INT);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(halves + at), _mm256_cvtepu16_epi32(packed));
    }
}

void half_from_float(Warp& w, const Instruction& i, u32 mask) {
    alignas(64) u32 halves[32];
    narrow(w.source<float>(i.o[1]), halves);
    map<u32>(w, i.o[0], mask, [&](int lane) { return halves[lane]; });
}

void float_from_half(Warp& w, const Instruction& i, u32 mask) {
    alignas(64) float floats[32];
    widen(w.source<u32>(i.o[1]), floats);
    map<float>(w, i.o[0], mask, [&](int lane) { return floats[lane]; });
}

// d = {a, b}: a becomes the upper half.
void halves_from_floats(Warp& w, const Instruction& i, u32 mask) {
    alignas(64) u32 high[32], low[32];
    narrow(w.source<float>(i.o[1]), high);
    narrow(w.source<float>(i.o[2]), low);
    map<u32>(w, i.o[0], mask, [&](int lane) { return high[lane] << 16 | low[lane]; });
}

void bfloat_from_float(Warp& w, const Instruction& i, u32 mask) {
    const float* a = w.source<float>(i.o[1]);
    map<u32>(w, i.o[0], mask, [=](int lane) { return u32(to_bfloat(a[lane]).bits); });
}

void float_from_bfloat(Warp& w, const Instruction& i, u32 mask) {
    const u32* a = w.source<u32>(i.o[1]);
    map<u32>(w, i.o[0], mask, [=](int lane) { return a[lane] << 16; });
}

void bfloats_from_floats(Warp& w, const Instruction& i, u32 mask) {
    const float *a = w.source<float>(i.o[1]), *b = w.source<float>(i.o[2]);
    map<u32>(w, i.o[0], mask, [=](int lane) { return u32(to_bfloat(a[lane]).bits) << 16 | to_bfloat(b[lane]).bits; });
}

// Ten bits of mantissa; rna rounds half away from zero.
void tf32_from_float(Warp& w, const Instruction& i, u32 mask) {
    const u32* a = w.source<u32>(i.o[1]);
    map<u32>(w, i.o[0], mask, [=](int lane) {
        u32 x = a[lane];
        return (x & 0x7f800000u) == 0x7f800000u ? x : (x + 0x1000u) & 0xffffe000u;
    });
}

template<class H, class S> void half_from(Warp& w, const Instruction& i, u32 mask) {
    const void* a = w.source(i.o[1]);
    map<H>(w, i.o[0], mask, [=](int lane) {
        float x = float(get<S>(a, lane));
        if constexpr (std::is_same_v<H, Half>) return to_half(x);
        else return to_bfloat(x);
    });
}

template<class T, class H, Rounding R> void half_to(Warp& w, const Instruction& i, u32 mask) {
    const void* a = w.source(i.o[1]);
    map<T>(w, i.o[0], mask, [=](int lane) -> T {
        double x = to_float(get<H>(a, lane));
        if constexpr (std::is_floating_point_v<T>) return T(x);
        constexpr double low = double(std::numeric_limits<T>::min()), high = double(std::numeric_limits<T>::max());
        x = round_to<R>(x);
        return x != x ? T(0) : x <= low ? std::numeric_limits<T>::min() : x >= high ? std::numeric_limits<T>::max() : T(x);
    });
}

Handler find_half(const Form& f) {
    const std::string &to = f.before(), &from = f.type();
    bool nearest = f.has("rn"), pair = f.statement.operands.size() == 3;
    if (f.has("relu") || f.has("sat")) return nullptr;
    if (from == "f32" && nearest && pair) return to == "f16x2" ? halves_from_floats : to == "bf16x2" ? bfloats_from_floats : nullptr;
    if (pair) return nullptr;
    if (to == "f16" && from == "f32" && nearest) return half_from_float;
    if (to == "bf16" && from == "f32" && nearest) return bfloat_from_float;
    if (to == "f32" && from == "f16") return float_from_half;
    if (to == "f32" && from == "bf16") return float_from_bfloat;
    if (to == "tf32" && from == "f32" && f.has("rna")) return tf32_from_float;
    if (from == "f16" && to == "f64") return half_to<double, Half, None>;
    if (from == "f16" && f.has("rzi")) return by_integer(to, []<class T>() -> Handler { return half_to<T, Half, Zero>; });
    if (from == "f16" && f.has("rni")) return by_integer(to, []<class T>() -> Handler { return half_to<T, Half, Nearest>; });
    // f16 has too few bits for a second rounding to matter only when the first is exact: 16-bit integers.
    if (to == "f16" && nearest && (from == "s16" || from == "u16")) return from == "s16" ? half_from<Half, s16> : half_from<Half, u16>;
    return nullptr;
}

template<class F> Handler by_any_integer(const std::string& type, F f) {
    if (type == "s8") return f.template operator()<s8>();
    if (type == "u8") return f.template operator()<u8>();
    return by_integer(type, f);
}

template<class S> Handler to_integer(const std::string& to, Rounding r) {
    return by_any_integer(to, [=]<class T>() -> Handler {
        switch (r) {
        case Zero: return float_to_integer<T, S, Zero>;
        case Nearest: return float_to_integer<T, S, Nearest>;
        case Down: return float_to_integer<T, S, Down>;
        case Up: return float_to_integer<T, S, Up>;
        default: return nullptr;
        }
    });
}

template<class T> Handler whole(Rounding r) {
    switch (r) {
    case Zero: return to_whole<T, Zero>;
    case Nearest: return to_whole<T, Nearest>;
    case Down: return to_whole<T, Down>;
    case Up: return to_whole<T, Up>;
    default: return plain<T, T>;
    }
}
} // namespace

Handler find_convert(const Form& f, Instruction&) {
    if (f.base() != "cvt") return nullptr;
    const std::string &to = f.before(), &from = f.type();
    auto is_half = [](const std::string& type) { return type.find("16") != type.npos && type.find('f') != type.npos; };
    if (is_half(to) || is_half(from) || to == "tf32") return find_half(f);
    // A register wider than its type would have to be extended: nobody has met that yet.
    if ((f.wide[0] != 0) != (bytes_of(to) == 8) || (f.wide[1] && bytes_of(from) != 8)) return nullptr;
    Rounding r = f.has("rzi") ? Zero : f.has("rni") ? Nearest : f.has("rmi") ? Down : f.has("rpi") ? Up : None;
    bool real_to = to[0] == 'f', real_from = from[0] == 'f';
    if (f.has("rz") || f.has("rm") || f.has("rp")) return nullptr;
    if (f.has("sat")) return to == "f32" && from == "f32" && r == None ? saturate : nullptr;
    if (real_to && to == from) return to == "f32" ? whole<float>(r) : whole<double>(r);
    if (real_to && real_from) return to == "f32" ? plain<float, double> : plain<double, float>;
    if (real_from) return from == "f32" ? to_integer<float>(to, r) : to_integer<double>(to, r);
    if (to == "f32") return by_any_integer(from, []<class S>() -> Handler { return plain<float, S>; });
    if (to == "f64") return by_any_integer(from, []<class S>() -> Handler { return plain<double, S>; });
    return by_any_integer(to, [&]<class T>() { return by_any_integer(from, []<class S>() -> Handler { return plain<T, S>; }); });
}

} // namespace jedisim
