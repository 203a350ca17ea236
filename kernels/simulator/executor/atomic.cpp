// atom and red. Lanes go in ascending order; blocks that run at once take turns.
#include "memory.h"
#include <mutex>

namespace jedisim {

namespace {
struct Add { template<class T> static T of(T old, T a, T) { return T(old + a); } };
struct Minimum { template<class T> static T of(T old, T a, T) { return a < old ? a : old; } };
struct Maximum { template<class T> static T of(T old, T a, T) { return a > old ? a : old; } };
struct And { template<class T> static T of(T old, T a, T) { return old & a; } };
struct Or { template<class T> static T of(T old, T a, T) { return old | a; } };
struct Xor { template<class T> static T of(T old, T a, T) { return old ^ a; } };
struct Exchange { template<class T> static T of(T, T a, T) { return a; } };
struct CompareAndSwap { template<class T> static T of(T old, T a, T b) { return old == a ? b : old; } };
struct Increment { template<class T> static T of(T old, T a, T) { return old >= a ? 0 : old + 1; } };
struct Decrement { template<class T> static T of(T old, T a, T) { return old == 0 || old > a ? a : old - 1; } };

std::mutex global_turn;

template<class T, class F, bool Result> void atomic(Warp& w, const Instruction& i, u32 mask) {
    alignas(64) u64 address[32];
    addresses(w, i, i.o[Result], address);
    Space space = i.space == Space::Generic ? resolve_generic(w, i, address, mask) : i.space;
    u8* base = w.block->shared;
    std::unique_lock<std::mutex> turn(global_turn, std::defer_lock);
    if (space == Space::Shared) {
        alignas(64) u32 small[32];
        JEDISIM_LANES small[lane] = u32(address[lane]);
        check_shared(w, i, small, mask, sizeof(T), true, false);
    } else if (space == Space::Global) {
        base = reinterpret_cast<u8*>(check_global(w, i, address, mask, sizeof(T), true));
        if (w.block->sites) count_global(w, i, address, mask, sizeof(T));
        turn.lock();
    } else {
        fault(w, i, "an atomic operation reaches neither shared nor global memory");
    }
    alignas(64) T a[32], b[32] = {};
    std::memcpy(a, w.source(i.o[Result + 1]), sizeof a);
    if (i.count > Result + 2) std::memcpy(b, w.source(i.o[Result + 2]), sizeof b);
    T* target = Result ? w.target<T>(i.o[0]) : nullptr;
    each(mask, [&](int lane) {
        T old;
        std::memcpy(&old, base + address[lane], sizeof(T));
        T value = F::template of<T>(old, a[lane], b[lane]);
        std::memcpy(base + address[lane], &value, sizeof(T));
        if (target) target[lane] = old;
    });
}

template<class T, class F> Handler form(const Form& f) { return f.base() == "atom" ? atomic<T, F, true> : atomic<T, F, false>; }

template<class F> Handler integers(const Form& f) {
    const std::string& type = f.type();
    if (type == "u32" || type == "b32") return form<u32, F>(f);
    if (type == "s32") return form<s32, F>(f);
    if (type == "u64" || type == "b64") return form<u64, F>(f);
    return type == "s64" ? form<s64, F>(f) : nullptr;
}
} // namespace

Handler find_atomic(const Form& f, Instruction&) {
    if (f.base() != "atom" && f.base() != "red") return nullptr;
    if (f.has("add")) return f.type() == "f32" ? form<float, Add>(f) : f.type() == "f64" ? form<double, Add>(f) : integers<Add>(f);
    if (f.has("min")) return integers<Minimum>(f);
    if (f.has("max")) return integers<Maximum>(f);
    if (f.has("and")) return integers<And>(f);
    if (f.has("or")) return integers<Or>(f);
    if (f.has("xor")) return integers<Xor>(f);
    if (f.has("exch")) return integers<Exchange>(f);
    if (f.has("cas")) return integers<CompareAndSwap>(f);
    if (f.type() != "u32") return nullptr;
    return f.has("inc") ? form<u32, Increment>(f) : f.has("dec") ? form<u32, Decrement>(f) : nullptr;
}

} // namespace jedisim
