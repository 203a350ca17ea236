// Bit fields, counts of bits, permutations of bytes, any function of three inputs.
#include "lanes.h"

namespace jedisim {

namespace {
u32 reversed(u32 x) {
    x = (x >> 1 & 0x55555555) | (x & 0x55555555) << 1;
    x = (x >> 2 & 0x33333333) | (x & 0x33333333) << 2;
    x = (x >> 4 & 0x0f0f0f0f) | (x & 0x0f0f0f0f) << 4;
    return __builtin_bswap32(x);
}

struct Popcount { static u32 of(u64 x) { return u32(__builtin_popcountll(x)); } };
struct LeadingZeros32 { static u32 of(u64 x) { return x ? u32(__builtin_clz(u32(x))) : 32; } };
struct LeadingZeros64 { static u32 of(u64 x) { return x ? u32(__builtin_clzll(x)) : 64; } };

template<class T, class F> void count(Warp& w, const Instruction& i, u32 mask) {
    const T* a = w.source<T>(i.o[1]);
    map<u32>(w, i.o[0], mask, [=](int lane) { return F::of(a[lane]); });
}

template<class T> void reverse(Warp& w, const Instruction& i, u32 mask) {
    const T* a = w.source<T>(i.o[1]);
    map<T>(w, i.o[0], mask, [=](int lane) -> T {
        if constexpr (sizeof(T) == 8) return u64(reversed(u32(a[lane]))) << 32 | reversed(u32(a[lane] >> 32));
        else return reversed(a[lane]);
    });
}

// The highest bit that differs from the sign; i.bytes: as a shift amount instead.
template<class T> void find_bit(Warp& w, const Instruction& i, u32 mask) {
    const T* a = w.source<T>(i.o[1]);
    bool amount = i.bytes;
    constexpr u32 top = sizeof(T) * 8 - 1;
    map<u32>(w, i.o[0], mask, [=](int lane) -> u32 {
        u64 x = a[lane] < T(0) ? u64(~a[lane]) : u64(a[lane]);
        if (sizeof(T) == 4) x = u32(x);
        if (!x) return ~0u;
        u32 bit = 63 - u32(__builtin_clzll(x));
        return amount ? top - bit : bit;
    });
}

template<class T> void insert(Warp& w, const Instruction& i, u32 mask) {
    const T *a = w.source<T>(i.o[1]), *b = w.source<T>(i.o[2]);
    const u32 *position = w.source<u32>(i.o[3]), *length = w.source<u32>(i.o[4]);
    constexpr u32 bits = sizeof(T) * 8;
    map<T>(w, i.o[0], mask, [=](int lane) -> T {
        u32 at = position[lane] & 255, n = length[lane] & 255;
        T field = at >= bits ? T(0) : T((n >= bits ? ~T(0) : T((T(1) << n) - 1)) << at);
        return T((b[lane] & ~field) | (T(a[lane] << (at & (bits - 1))) & field));
    });
}

template<class T> void extract(Warp& w, const Instruction& i, u32 mask) {
    const T* a = w.source<T>(i.o[1]);
    const u32 *position = w.source<u32>(i.o[2]), *length = w.source<u32>(i.o[3]);
    constexpr u32 bits = sizeof(T) * 8;
    map<T>(w, i.o[0], mask, [=](int lane) -> T {
        u32 at = position[lane] & 255, n = length[lane] & 255;
        if (n == 0) return 0;
        // Beyond the top the field is filled with the sign.
        T x = a[lane];
        T filled = at < bits ? T(x >> at) : x < T(0) ? T(-1) : T(0);
        if (n >= bits) return filled;
        using U = std::make_unsigned_t<T>;
        return T(T(U(filled) << (bits - n)) >> (bits - n));
    });
}

// Funnel shift of c:b... i.bytes: 1 clamps the amount at 32, 2 goes right.
void funnel(Warp& w, const Instruction& i, u32 mask) {
    const u32 *low = w.source<u32>(i.o[1]), *high = w.source<u32>(i.o[2]), *by = w.source<u32>(i.o[3]);
    int kind = i.bytes;
    map<u32>(w, i.o[0], mask, [=](int lane) {
        u64 both = u64(high[lane]) << 32 | low[lane];
        u32 n = kind & 1 ? std::min(by[lane], 32u) : by[lane] & 31;
        return kind & 2 ? u32(both >> n) : u32(both << n >> 32);
    });
}

void permute(Warp& w, const Instruction& i, u32 mask) {
    const u32 *a = w.source<u32>(i.o[1]), *b = w.source<u32>(i.o[2]), *choice = w.source<u32>(i.o[3]);
    map<u32>(w, i.o[0], mask, [=](int lane) {
        u64 both = u64(b[lane]) << 32 | a[lane];
        u32 result = 0;
        for (int byte = 0; byte < 4; byte++) {
            u32 pick = choice[lane] >> 4 * byte & 15, value = u32(both >> 8 * (pick & 7)) & 255;
            if (pick & 8) value = value & 128 ? 255 : 0;
            result |= value << 8 * byte;
        }
        return result;
    });
}

void lookup(Warp& w, const Instruction& i, u32 mask) {
    const u32 *a = w.source<u32>(i.o[1]), *b = w.source<u32>(i.o[2]), *c = w.source<u32>(i.o[3]);
    u32 keep[8];
    for (int bit = 0; bit < 8; bit++) keep[bit] = i.imm >> bit & 1 ? ~0u : 0;
    map<u32>(w, i.o[0], mask, [=](int lane) {
        u32 x = a[lane], y = b[lane], z = c[lane];
        return (keep[0] & ~x & ~y & ~z) | (keep[1] & ~x & ~y & z) | (keep[2] & ~x & y & ~z) | (keep[3] & ~x & y & z) | (keep[4] & x & ~y & ~z) |
               (keep[5] & x & ~y & z) | (keep[6] & x & y & ~z) | (keep[7] & x & y & z);
    });
}
} // namespace

Handler find_bits(const Form& f, Instruction& i) {
    const std::string &base = f.base(), &type = f.type();
    bool large = bytes_of(type) == 8;
    if (base == "popc") return large ? count<u64, Popcount> : count<u32, Popcount>;
    if (base == "clz") return large ? count<u64, LeadingZeros64> : count<u32, LeadingZeros32>;
    if (base == "brev") return large ? reverse<u64> : reverse<u32>;
    if (base == "bfind") {
        i.bytes = f.has("shiftamt");
        if (type[0] == 's') return large ? find_bit<s64> : find_bit<s32>;
        return large ? find_bit<u64> : find_bit<u32>;
    }
    if (base == "bfi") return large ? insert<u64> : insert<u32>;
    if (base == "bfe") {
        if (type[0] == 's') return large ? extract<s64> : extract<s32>;
        return large ? extract<u64> : extract<u32>;
    }
    if (base == "shf") {
        i.bytes = u8(f.has("clamp") | f.has("r") << 1);
        return funnel;
    }
    if (base == "prmt") return f.statement.parts.size() == 2 ? permute : nullptr;
    return base == "lop3" && f.statement.operands.size() == 5 ? lookup : nullptr;
}

} // namespace jedisim
