// Integer arithmetic and logic.
#include "lanes.h"
#include <limits>

namespace jedisim {

namespace {
template<class T> using Unsigned = std::make_unsigned_t<T>;
template<class T> using Double = std::conditional_t<sizeof(T) == 2, std::conditional_t<std::is_signed_v<T>, s32, u32>,
    std::conditional_t<sizeof(T) == 4, std::conditional_t<std::is_signed_v<T>, s64, u64>,
        std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>>>;

struct Add { template<class T> static T of(T a, T b) { return T(u64(a) + u64(b)); } };
struct Subtract { template<class T> static T of(T a, T b) { return T(u64(a) - u64(b)); } };
struct MultiplyLow { template<class T> static T of(T a, T b) { return T(Unsigned<Double<T>>(a) * Unsigned<Double<T>>(b)); } };
struct MultiplyHigh { template<class T> static T of(T a, T b) { return T((Double<T>(a) * Double<T>(b)) >> (8 * sizeof(T))); } };
// A GPU gives all ones for x / 0 and x for x % 0.
struct Divide {
    template<class T> static T of(T a, T b) {
        if (b == 0) return T(-1);
        return std::is_signed_v<T> && b == T(-1) ? T(0 - u64(a)) : T(a / b);
    }
};
struct Remainder {
    template<class T> static T of(T a, T b) {
        if (b == 0) return a;
        return std::is_signed_v<T> && b == T(-1) ? T(0) : T(a % b);
    }
};
struct Minimum { template<class T> static T of(T a, T b) { return a < b ? a : b; } };
struct Maximum { template<class T> static T of(T a, T b) { return a > b ? a : b; } };
struct And { template<class T> static T of(T a, T b) { return a & b; } };
struct Or { template<class T> static T of(T a, T b) { return a | b; } };
struct Xor { template<class T> static T of(T a, T b) { return a ^ b; } };
struct Not { template<class T> static T of(T a) { return T(~a); } };
struct Negate { template<class T> static T of(T a) { return T(0 - u64(a)); } };
struct Absolute { template<class T> static T of(T a) { return a < T(0) ? T(0 - u64(a)) : a; } };

template<class T, class F> void binary(Warp& w, const Instruction& i, u32 mask) {
    const void *a = w.source(i.o[1]), *b = w.source(i.o[2]);
    map<T>(w, i.o[0], mask, [=](int lane) { return F::template of<T>(get<T>(a, lane), get<T>(b, lane)); });
}

template<class T, class F> void unary(Warp& w, const Instruction& i, u32 mask) {
    const void* a = w.source(i.o[1]);
    map<T>(w, i.o[0], mask, [=](int lane) { return F::template of<T>(get<T>(a, lane)); });
}

template<class T, bool Left> void shift(Warp& w, const Instruction& i, u32 mask) {
    const void* a = w.source(i.o[1]);
    const u32* by = w.source<u32>(i.o[2]);
    constexpr u32 bits = sizeof(T) * 8;
    map<T>(w, i.o[0], mask, [=](int lane) -> T {
        T x = get<T>(a, lane);
        u32 n = by[lane], inside = n & (bits - 1);
        if constexpr (Left) return n < bits ? T(Unsigned<T>(x) << inside) : T(0);
        else if constexpr (std::is_signed_v<T>) return T(x >> (n < bits ? n : bits - 1));
        else return n < bits ? T(x >> inside) : T(0);
    });
}

template<class T, bool High> void multiply_add(Warp& w, const Instruction& i, u32 mask) {
    const void *a = w.source(i.o[1]), *b = w.source(i.o[2]), *c = w.source(i.o[3]);
    using Product = std::conditional_t<High, MultiplyHigh, MultiplyLow>;
    map<T>(w, i.o[0], mask, [=](int lane) { return T(u64(Product::template of<T>(get<T>(a, lane), get<T>(b, lane))) + u64(get<T>(c, lane))); });
}

template<class T, bool Plus> void wide(Warp& w, const Instruction& i, u32 mask) {
    using W = Double<T>;
    const void *a = w.source(i.o[1]), *b = w.source(i.o[2]), *c = Plus ? w.source(i.o[3]) : a;
    map<W>(w, i.o[0], mask, [=](int lane) {
        Unsigned<W> product = Unsigned<W>(W(get<T>(a, lane)) * W(get<T>(b, lane)));
        if constexpr (Plus) product += Unsigned<W>(get<W>(c, lane));
        return W(product);
    });
}

template<bool Plus> Handler find_wide(const std::string& type) {
    if (type == "s32") return wide<s32, Plus>;
    if (type == "u32") return wide<u32, Plus>;
    if (type == "s16") return wide<s16, Plus>;
    return type == "u16" ? wide<u16, Plus> : nullptr;
}

template<class F> Handler find_binary(const std::string& type) {
    return by_integer(type, []<class T>() -> Handler { return binary<T, F>; });
}

template<class F> Handler find_unary(const std::string& type) {
    return by_integer(type, []<class T>() -> Handler { return unary<T, F>; });
}

template<int Operation> void predicate(Warp& w, const Instruction& i, u32 mask) {
    u32 a = *w.source<u32>(i.o[1]), b = Operation < 3 ? *w.source<u32>(i.o[2]) : 0;
    set_predicate(w, i.o[0], mask, Operation == 0 ? a & b : Operation == 1 ? a | b : Operation == 2 ? a ^ b : Operation == 3 ? ~a : a);
}

// c + |a - b|
template<class T> void sad(Warp& w, const Instruction& i, u32 mask) {
    const void *a = w.source(i.o[1]), *b = w.source(i.o[2]), *c = w.source(i.o[3]);
    map<T>(w, i.o[0], mask, [=](int lane) {
        T x = get<T>(a, lane), y = get<T>(b, lane);
        return T(u64(get<T>(c, lane)) + (x > y ? u64(x) - u64(y) : u64(y) - u64(x)));
    });
}

// Four products of bytes, or two of 16 bits with bytes, added to c. i.bytes: 1 the first operand is signed, 2 the second; 4 high bytes.
template<int Count> void dot_product(Warp& w, const Instruction& i, u32 mask) {
    const u32 *a = w.source<u32>(i.o[1]), *b = w.source<u32>(i.o[2]), *c = w.source<u32>(i.o[3]);
    int kind = i.bytes, from = Count == 2 && (kind & 4) ? 16 : 0;
    map<u32>(w, i.o[0], mask, [=](int lane) {
        u32 sum = c[lane];
        for (int n = 0; n < Count; n++) {
            u32 x = Count == 4 ? a[lane] >> 8 * n & 0xff : a[lane] >> 16 * n & 0xffff, y = b[lane] >> (8 * n + from) & 0xff;
            s32 p = !(kind & 1) ? s32(x) : Count == 4 ? s32(s8(x)) : s32(s16(x)), q = kind & 2 ? s32(s8(y)) : s32(y);
            sum += u32(p * q);
        }
        return sum;
    });
}

Handler find_logic(const Form& f) {
    const std::string &base = f.base(), &type = f.type();
    if (type == "pred") {
        if (base == "and") return predicate<0>;
        if (base == "or") return predicate<1>;
        if (base == "xor") return predicate<2>;
        if (base == "not") return predicate<3>;
        return base == "mov" ? predicate<4> : nullptr;
    }
    if (base == "and") return find_binary<And>(type);
    if (base == "or") return find_binary<Or>(type);
    if (base == "xor") return find_binary<Xor>(type);
    if (base == "not") return find_unary<Not>(type);
    if (base == "shl") return by_integer(type, []<class T>() -> Handler { return shift<T, true>; });
    if (base == "shr") return by_integer(type, []<class T>() -> Handler { return shift<T, false>; });
    return nullptr;
}
} // namespace

Handler find_integer(const Form& f, Instruction& i) {
    const std::string &base = f.base(), &type = f.type();
    if (Handler logic = find_logic(f)) return logic;
    if (f.has("cc") || f.has("sat") || base == "addc" || base == "subc") return nullptr;
    if (base == "add") return find_binary<Add>(type);
    if (base == "sub") return find_binary<Subtract>(type);
    if (base == "mul" && f.has("wide")) return find_wide<false>(type);
    if (base == "mul" && f.has("hi")) return find_binary<MultiplyHigh>(type);
    if (base == "mul" && f.has("lo")) return find_binary<MultiplyLow>(type);
    if (base == "mad" && f.has("wide")) return find_wide<true>(type);
    if (base == "mad" && f.has("hi")) return by_integer(type, []<class T>() -> Handler { return multiply_add<T, true>; });
    if (base == "mad" && f.has("lo")) return by_integer(type, []<class T>() -> Handler { return multiply_add<T, false>; });
    if (base == "div") return find_binary<Divide>(type);
    if (base == "rem") return find_binary<Remainder>(type);
    if (base == "min") return find_binary<Minimum>(type);
    if (base == "max") return find_binary<Maximum>(type);
    if (base == "neg") return find_unary<Negate>(type);
    if (base == "abs") return find_unary<Absolute>(type);
    if (base == "sad") return by_integer(type, []<class T>() -> Handler { return sad<T>; });
    if (base == "dp4a" || base == "dp2a") {
        size_t first = base == "dp4a" ? 1 : 2;
        i.bytes = u8((f.statement.parts[first] == "s32") | (f.statement.parts[first + 1] == "s32") << 1 | f.has("hi") << 2);
        return base == "dp4a" ? dot_product<4> : dot_product<2>;
    }
    return nullptr;
}

} // namespace jedisim
