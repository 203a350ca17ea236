// setp, set and selp.
#include "lanes.h"

namespace jedisim {

namespace {
// Of floats, the plain comparisons are false where one side is NaN, ...u are true; ne is ordered, neu is not.
template<class A> JEDISIM_INLINE bool less(A a, A b) { return a < b; }
struct Equal { template<class T> static bool of(T a, T b) { return a == b; } };
struct NotEqual { template<class T> static bool of(T a, T b) { return std::is_floating_point_v<T> ? less(a, b) || less(b, a) : a != b; } };
struct Less { template<class T> static bool of(T a, T b) { return a < b; } };
struct LessEqual { template<class T> static bool of(T a, T b) { return a <= b; } };
struct Greater { template<class T> static bool of(T a, T b) { return a > b; } };
struct GreaterEqual { template<class T> static bool of(T a, T b) { return a >= b; } };
struct EqualU { template<class T> static bool of(T a, T b) { return !(less(a, b) || less(b, a)); } };
struct NotEqualU { template<class T> static bool of(T a, T b) { return !(a == b); } };
struct LessU { template<class T> static bool of(T a, T b) { return !(a >= b); } };
struct LessEqualU { template<class T> static bool of(T a, T b) { return !(a > b); } };
struct GreaterU { template<class T> static bool of(T a, T b) { return !(a <= b); } };
struct GreaterEqualU { template<class T> static bool of(T a, T b) { return !(a < b); } };
struct Numbers { template<class T> static bool of(T a, T b) { return a == a && b == b; } };
struct AnyNan { template<class T> static bool of(T a, T b) { return a != a || b != b; } };

template<class T> JEDISIM_INLINE auto comparable(T x) {
    if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, Bfloat>) return to_float(x);
    else return x;
}

template<class T, class F> u32 compared(const void* a, const void* b) {
    alignas(64) u32 truth[32];
    JEDISIM_LANES truth[lane] = F::of(comparable(get<T>(a, lane)), comparable(get<T>(b, lane))) ? ~0u : 0u;
    return nonzero(truth);
}

using Comparison = u32 (*)(const void* a, const void* b);

// p = a < b
template<class T, class F> void simple(Warp& w, const Instruction& i, u32 mask) {
    set_predicate(w, i.o[0], mask, compared<T, F>(w.source(i.o[1]), w.source(i.o[2])));
}

// p|q = (a < b) op c, (not a < b) op c. i.bytes: 0 no c, 1 and, 2 or, 3 xor; 4: there is a q. i.imm: the comparison.
void combined(Warp& w, const Instruction& i, u32 mask) {
    int at = i.bytes & 4 ? 2 : 1, operation = i.bytes & 3;
    u32 result = reinterpret_cast<Comparison>(i.imm)(w.source(i.o[at]), w.source(i.o[at + 1])), inverse = ~result;
    if (operation) {
        u32 c = *w.source<u32>(i.o[at + 2]);
        if (i.flags & NegatedOperand) c = ~c;
        result = operation == 1 ? result & c : operation == 2 ? result | c : result ^ c;
        inverse = operation == 1 ? inverse & c : operation == 2 ? inverse | c : inverse ^ c;
    }
    if (i.bytes & 4) set_predicate(w, i.o[1], mask, inverse);
    set_predicate(w, i.o[0], mask, result);
}

// All ones or 1.0 where true; i.bytes: as float.
void set(Warp& w, const Instruction& i, u32 mask) {
    u32 truth = reinterpret_cast<Comparison>(i.imm)(w.source(i.o[1]), w.source(i.o[2])), value = i.bytes ? 0x3f800000u : ~0u;
    map<u32>(w, i.o[0], mask, [=](int lane) { return truth >> lane & 1 ? value : 0; });
}

// Floats: the comparison is one of theirs alone.
template<class F, bool Floats = false> Handler by_type(const Form& f, Instruction& i) {
    bool set_value = f.base() == "set", plain = f.statement.operands.size() == 3 && f.sizes[0] == 1;
    auto handler = [&]<class T>() -> Handler {
        if (!set_value && plain) return simple<T, F>;
        i.imm = reinterpret_cast<s64>(&compared<T, F>);
        return set_value ? set : combined;
    };
    const std::string& type = f.type();
    if (type == "f16") return handler.template operator()<Half>();
    if (type == "bf16") return handler.template operator()<Bfloat>();
    Handler real = by_float(type, handler);
    if constexpr (Floats) return real;
    else return real ? real : by_integer(type, handler);
}

Handler by_comparison(const Form& f, Instruction& i, const std::string& name) {
    if (name == "eq") return by_type<Equal>(f, i);
    if (name == "ne") return by_type<NotEqual>(f, i);
    if (name == "lt" || name == "lo") return by_type<Less>(f, i);
    if (name == "le" || name == "ls") return by_type<LessEqual>(f, i);
    if (name == "gt" || name == "hi") return by_type<Greater>(f, i);
    if (name == "ge" || name == "hs") return by_type<GreaterEqual>(f, i);
    if (name == "equ") return by_type<EqualU, true>(f, i);
    if (name == "neu") return by_type<NotEqualU, true>(f, i);
    if (name == "ltu") return by_type<LessU, true>(f, i);
    if (name == "leu") return by_type<LessEqualU, true>(f, i);
    if (name == "gtu") return by_type<GreaterU, true>(f, i);
    if (name == "geu") return by_type<GreaterEqualU, true>(f, i);
    if (name == "num") return by_type<Numbers, true>(f, i);
    return name == "nan" ? by_type<AnyNan, true>(f, i) : nullptr;
}

template<class T> void select(Warp& w, const Instruction& i, u32 mask) {
    const T *a = w.source<T>(i.o[1]), *b = w.source<T>(i.o[2]);
    u32 choice = *w.source<u32>(i.o[3]);
    map<T>(w, i.o[0], mask, [=](int lane) {
        T x = a[lane], y = b[lane];
        return choice >> lane & 1 ? x : y;
    });
}
} // namespace

Handler find_compare(const Form& f, Instruction& i) {
    const std::string& base = f.base();
    if (base == "selp") return bytes_of(f.type()) == 8 ? select<u64> : select<u32>;
    if (base == "set") {
        if (f.statement.operands.size() != 3 || f.type() == "f16" || bytes_of(f.before()) != 4) return nullptr;
        i.bytes = f.before() == "f32";
        return by_comparison(f, i, f.statement.parts[1]);
    }
    if (base != "setp") return nullptr;
    i.bytes = u8((f.has("and") ? 1 : f.has("or") ? 2 : f.has("xor") ? 3 : 0) | (f.sizes[0] == 2 ? 4 : 0));
    return by_comparison(f, i, f.statement.parts[1]);
}

} // namespace jedisim
