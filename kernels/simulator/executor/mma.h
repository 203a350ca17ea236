// The product of 16 x K and K x 8 fragments, held as the PTX manual spreads them over a warp.
//
// A register of a holds, in lane 4 g + t, row g (or g + 8) and column t of eight columns (pairs of 16-bit values: columns 2 t and 2 t + 1);
// one of b column g and rows t. c and d: row g, columns 2 t and 2 t + 1 in registers 0 and 1, row g + 8 in 2 and 3. So for one k the four
// lanes of a row need one value of a, broadcast within the quad, and lane 4 g + t of all rows the same two values of b: both are cheap
// shuffles of vectors.
#pragma once
#include "lanes.h"

namespace jedisim {

enum class Fragment { Half, Bfloat, Tf32 };

#ifdef __AVX512F__
using Vector = __m512;
JEDISIM_INLINE Vector load_vector(const float* p) { return _mm512_load_ps(p); }
JEDISIM_INLINE void store_vector(float* p, Vector v) { _mm512_store_ps(p, v); }
JEDISIM_INLINE Vector multiply_add(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
JEDISIM_INLINE Vector broadcast_quad(const float* p) { return _mm512_broadcast_f32x4(_mm_load_ps(p)); }
template<int J> JEDISIM_INLINE Vector broadcast_in_quads(Vector v) { return _mm512_permute_ps(v, J * 0x55); }
JEDISIM_INLINE Vector halves_to_floats(const u32* p, int high) {
    __m512i x = _mm512_load_si512(p);
    return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(high ? _mm512_srli_epi32(x, 16) : x));
}
#else
using Vector = __m256;
JEDISIM_INLINE Vector load_vector(const float* p) { return _mm256_load_ps(p); }
JEDISIM_INLINE void store_vector(float* p, Vector v) { _mm256_store_ps(p, v); }
JEDISIM_INLINE Vector multiply_add(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
JEDISIM_INLINE Vector broadcast_quad(const float* p) { return _mm256_broadcast_ps(reinterpret_cast<const __m128*>(p)); }
template<int J> JEDISIM_INLINE Vector broadcast_in_quads(Vector v) { return _mm256_permute_ps(v, J * 0x55); }
JEDISIM_INLINE Vector halves_to_floats(const u32* p, int high) {
    __m256i x = _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
    x = high ? _mm256_srli_epi32(x, 16) : _mm256_and_si256(x, _mm256_set1_epi32(0xffff));
    return _mm256_cvtph_ps(_mm_packus_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1)));
}
#endif
constexpr int width = sizeof(Vector) / 4, vectors = 32 / width;

// One half of a register's lanes as floats: 16-bit types have two halves, tf32 one (its low 13 bits are not read).
template<Fragment Type> JEDISIM_INLINE void unpack(const void* source, int half, float* target) {
    const u32* bits = static_cast<const u32*>(source);
    u32* out = reinterpret_cast<u32*>(target);
    if constexpr (Type == Fragment::Half) {
        for (int v = 0; v < vectors; v++) store_vector(target + v * width, halves_to_floats(bits + v * width, half));
    } else if constexpr (Type == Fragment::Bfloat) {
        if (half) JEDISIM_LANES out[lane] = bits[lane] & 0xffff0000u;
        else JEDISIM_LANES out[lane] = bits[lane] << 16;
    } else {
        JEDISIM_LANES out[lane] = bits[lane] & 0xffffe000u;
    }
}

// For each j of four k: the even columns of b's row j together, then the odd ones.
JEDISIM_INLINE void arrange(const float* b, float (*even)[4], float (*odd)[4]) {
#ifdef __AVX512F__
    const __m512i pick = _mm512_setr_epi32(0, 8, 16, 24, 1, 9, 17, 25, 2, 10, 18, 26, 3, 11, 19, 27);
    __m512 low = _mm512_load_ps(b), high = _mm512_load_ps(b + 16);
    _mm512_store_ps(even[0], _mm512_permutex2var_ps(low, pick, high));
    _mm512_store_ps(odd[0], _mm512_permutex2var_ps(low, _mm512_add_epi32(pick, _mm512_set1_epi32(4)), high));
#else
    for (int j = 0; j < 4; j++)
        for (int t = 0; t < 4; t++) even[j][t] = b[8 * t + j], odd[j][t] = b[8 * t + 4 + j];
#endif
}

template<int J, int Rows> JEDISIM_INLINE void step(Vector (&sum)[Rows][2][vectors], const float (*a)[32], const float (*even)[4], const float (*odd)[4]) {
    Vector left = broadcast_quad(even[J]), right = broadcast_quad(odd[J]);
    for (int row = 0; row < Rows; row++) {
        for (int v = 0; v < vectors; v++) {
            Vector x = broadcast_in_quads<J>(load_vector(a[row] + v * width));
            sum[row][0][v] = multiply_add(x, left, sum[row][0][v]);
            sum[row][1][v] = multiply_add(x, right, sum[row][1][v]);
        }
    }
}

// Registers: of b; a has twice as many, row g and row g + 8 by turns.
template<Fragment Type, int Registers> JEDISIM_INLINE void multiply_fragments(void** d, const void** a, const void** b, const void** c) {
    constexpr int halves = Type == Fragment::Tf32 ? 1 : 2, steps = Registers * halves;
    alignas(64) float rows[steps][2][32], even[steps][4][4], odd[steps][4][4], column[32];
    for (int r = 0; r < Registers; r++) {
        for (int half = 0; half < halves; half++) {
            int s = r * halves + half;
            unpack<Type>(b[r], half, column);
            arrange(column, even[s], odd[s]);
            for (int row = 0; row < 2; row++) unpack<Type>(a[2 * r + row], half, rows[s][row]);
        }
    }
    // AVX-512 has registers for both rows' sums, AVX2 for one: then c is set aside, for d may stand where another row's c stood.
    constexpr int at_once = vectors == 2 ? 2 : 1;
    alignas(64) float aside[at_once == 1 ? 4 : 1][32];
    if constexpr (at_once == 1)
        for (int r = 0; r < 4; r++) std::memcpy(aside[r], c[r], sizeof aside[r]), c[r] = aside[r];
    for (int first = 0; first < 2; first += at_once) {
        Vector sum[at_once][2][vectors];
        for (int row = 0; row < at_once; row++)
            for (int side = 0; side < 2; side++)
                for (int v = 0; v < vectors; v++) sum[row][side][v] = load_vector(static_cast<const float*>(c[2 * (first + row) + side]) + v * width);
#pragma GCC unroll 4
        for (int s = 0; s < steps; s++) {
            step<0, at_once>(sum, rows[s] + first, even[s], odd[s]);
            step<1, at_once>(sum, rows[s] + first, even[s], odd[s]);
            step<2, at_once>(sum, rows[s] + first, even[s], odd[s]);
            step<3, at_once>(sum, rows[s] + first, even[s], odd[s]);
        }
        for (int row = 0; row < at_once; row++)
            for (int side = 0; side < 2; side++)
                for (int v = 0; v < vectors; v++) store_vector(static_cast<float*>(d[2 * (first + row) + side]) + v * width, sum[row][side][v]);
    }
}

} // namespace jedisim
