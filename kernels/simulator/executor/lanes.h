// One instruction on 32 lanes: the loops here become vector instructions of the level that this file is built for.
#pragma once
#include "warp.h"
#include <immintrin.h>
#include <type_traits>

namespace jedisim {

#define JEDISIM_INLINE inline __attribute__((always_inline))
#define JEDISIM_LANES _Pragma("GCC ivdep") for (int lane = 0; lane < 32; lane++)

// Half-precision numbers: only their bits are kept, arithmetic goes through float.
struct Half { u16 bits; };
struct Bfloat { u16 bits; };

JEDISIM_INLINE float to_float(float x) { return x; }
JEDISIM_INLINE float to_float(Half x) { return _cvtsh_ss(x.bits); }
JEDISIM_INLINE float to_float(Bfloat x) { return __builtin_bit_cast(float, u32(x.bits) << 16); }
JEDISIM_INLINE Half to_half(float x) { return {u16(_cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT))}; }
JEDISIM_INLINE Bfloat to_bfloat(float x) {
    u32 bits = __builtin_bit_cast(u32, x);
    return {x != x ? u16(0x7fff) : u16((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

// 8- and 16-bit values stand in a 32-bit slot; signed ones are extended, and whoever reads them cuts them.
template<class T> JEDISIM_INLINE T get(const void* slot, int lane) {
    if constexpr (sizeof(T) >= 4) return static_cast<const T*>(slot)[lane];
    else if constexpr (std::is_integral_v<T>) return T(static_cast<const u32*>(slot)[lane]);
    else return {u16(static_cast<const u32*>(slot)[lane])};
}

template<class T> JEDISIM_INLINE void put(void* slot, int lane, T value) {
    if constexpr (sizeof(T) >= 4) static_cast<T*>(slot)[lane] = value;
    else if constexpr (std::is_integral_v<T>) static_cast<u32*>(slot)[lane] = u32(s32(value));
    else static_cast<u32*>(slot)[lane] = value.bits;
}

// target[lane] = f(lane) for the lanes of the mask.
template<class T, class F> JEDISIM_INLINE void map(Warp& w, s32 offset, u32 mask, F f) {
    void* target = w.target(offset);
    if (__builtin_expect(mask == all_lanes, 1)) {
        JEDISIM_LANES put<T>(target, lane, f(lane));
        return;
    }
    using Slot = std::conditional_t<sizeof(T) == 8, u64, u32>;
    alignas(64) Slot values[32];
    JEDISIM_LANES put<T>(values, lane, f(lane));
    Slot* slots = static_cast<Slot*>(target);
    JEDISIM_LANES slots[lane] = mask >> lane & 1 ? values[lane] : slots[lane];
}

template<class F> JEDISIM_INLINE void each(u32 mask, F f) {
    for (; mask; mask &= mask - 1) f(__builtin_ctz(mask));
}

// The lanes whose value is not 0.
JEDISIM_INLINE u32 nonzero(const u32* values) {
#ifdef __AVX512F__
    __m512i low = _mm512_load_si512(values), high = _mm512_load_si512(values + 16);
    return u32(_mm512_test_epi32_mask(low, low)) | u32(_mm512_test_epi32_mask(high, high)) << 16;
#else
    u32 result = 0;
    for (int part = 0; part < 4; part++) {
        __m256i x = _mm256_load_si256(reinterpret_cast<const __m256i*>(values) + part);
        __m256i zero = _mm256_cmpeq_epi32(x, _mm256_setzero_si256());
        result |= u32(255 ^ _mm256_movemask_ps(_mm256_castsi256_ps(zero))) << 8 * part;
    }
    return result;
#endif
}

JEDISIM_INLINE void set_predicate(Warp& w, s32 offset, u32 mask, u32 value) {
    u32* target = w.target<u32>(offset);
    *target = (*target & ~mask) | (value & mask);
}

JEDISIM_INLINE u32 first_lane(const u32* values, u32 mask) { return values[__builtin_ctz(mask)]; }

// Whoever looks a type up by its name: f.operator()<T>() gives the handler.
template<class F> Handler by_integer(const std::string& type, F f) {
    if (type == "s32") return f.template operator()<s32>();
    if (type == "u32" || type == "b32") return f.template operator()<u32>();
    if (type == "s64") return f.template operator()<s64>();
    if (type == "u64" || type == "b64") return f.template operator()<u64>();
    if (type == "s16") return f.template operator()<s16>();
    if (type == "u16" || type == "b16") return f.template operator()<u16>();
    return nullptr;
}

template<class F> Handler by_float(const std::string& type, F f) {
    if (type == "f32") return f.template operator()<float>();
    if (type == "f64") return f.template operator()<double>();
    return nullptr;
}

// Finders, one for each file of handlers: nullptr where the opcode is not theirs.
Handler find_integer(const Form&, Instruction&);
Handler find_bits(const Form&, Instruction&);
Handler find_floating(const Form&, Instruction&);
Handler find_half(const Form&, Instruction&);
Handler find_special(const Form&, Instruction&);
Handler find_convert(const Form&, Instruction&);
Handler find_compare(const Form&, Instruction&);
Handler find_move(const Form&, Instruction&);
Handler find_memory(const Form&, Instruction&);
Handler find_atomic(const Form&, Instruction&);
Handler find_collective(const Form&, Instruction&);
Handler find_matrix(const Form&, Instruction&);
Handler find_copy(const Form&, Instruction&);
Handler find_control(const Form&, Instruction&);

} // namespace jedisim
