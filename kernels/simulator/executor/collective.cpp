// Instructions by which the lanes of a warp look at each other: shfl, vote, match, redux, bar.warp.
#include "lanes.h"

namespace jedisim {

namespace {
// All lanes that the mask names have to execute the instruction together, and each that executes it has to be named.
void check_members(Warp& w, const Instruction& i, u32 mask, u32 members) {
    u32 expected = members & w.remaining();
    if (mask & ~members) fault(w, i, "its member mask leaves out lanes that execute it: " + lanes_text(mask & ~members));
    if (expected & ~mask) fault(w, i, "its member mask names lanes that do not execute it: " + lanes_text(expected & ~mask));
}

enum Mode { Butterfly, Up, Down, Index };

// result[lane] = from[source[lane]]
void permute(const u32* from, const s32* source, u32* result) {
#ifdef __AVX512F__
    __m512i low = _mm512_load_si512(from), high = _mm512_load_si512(from + 16);
    for (int half = 0; half < 32; half += 16)
        _mm512_store_si512(result + half, _mm512_permutex2var_epi32(low, _mm512_load_si512(source + half), high));
#else
    JEDISIM_LANES result[lane] = from[source[lane]];
#endif
}

template<int Way> void shuffle(Warp& w, const Instruction& i, u32 mask) {
    int at = i.count == 6 ? 2 : 1; // d|p
    alignas(64) u32 result[32], valid[32];
    alignas(64) s32 source[32];
    const u32 *from = w.source<u32>(i.o[at]), *by = w.source<u32>(i.o[at + 1]), *clamp = w.source<u32>(i.o[at + 2]);
    check_members(w, i, mask, first_lane(w.source<u32>(i.o[at + 3]), mask));
    JEDISIM_LANES {
        s32 b = s32(by[lane] & 31), c = s32(clamp[lane] & 31), segment = s32(clamp[lane] >> 8 & 31);
        s32 top = (lane & segment) | (c & ~segment);
        s32 wanted = Way == Butterfly ? lane ^ b : Way == Up ? lane - b : Way == Down ? lane + b : (lane & segment) | (b & ~segment);
        valid[lane] = Way == Up ? wanted >= top : wanted <= top;
        source[lane] = valid[lane] ? wanted : lane;
    }
    if (mask != all_lanes)
        each(mask, [&](int lane) {
            if (!(mask >> source[lane] & 1))
                fault(w, i, "lane " + std::to_string(lane) + " reads lane " + std::to_string(source[lane]) + ", which does not take part");
        });
    permute(from, source, result);
    map<u32>(w, i.o[0], mask, [&](int lane) { return result[lane]; });
    if (at == 2) set_predicate(w, i.o[1], mask, nonzero(valid));
}

enum Vote { Ballot, All, Any, Uniform };

void vote(Warp& w, const Instruction& i, u32 mask) {
    check_members(w, i, mask, first_lane(w.source<u32>(i.o[2]), mask));
    u32 p = *w.source<u32>(i.o[1]);
    if (i.flags & NegatedOperand) p = ~p;
    p &= mask;
    if (i.bytes == Ballot) return map<u32>(w, i.o[0], mask, [=](int) { return p; });
    bool truth = i.bytes == All ? p == mask : i.bytes == Any ? p != 0 : p == mask || p == 0;
    set_predicate(w, i.o[0], mask, truth ? all_lanes : 0);
}

template<class T> void match(Warp& w, const Instruction& i, u32 mask) {
    bool pair = i.count == 4;
    const T* a = w.source<T>(i.o[pair ? 2 : 1]);
    check_members(w, i, mask, first_lane(w.source<u32>(i.o[pair ? 3 : 2]), mask));
    u32 equal[32];
    bool same = true;
    each(mask, [&](int lane) {
        equal[lane] = 0;
        each(mask, [&](int other) { equal[lane] |= u32(a[other] == a[lane]) << other; });
        same &= equal[lane] == mask;
    });
    bool all = i.bytes;
    map<u32>(w, i.o[0], mask, [&](int lane) { return !(mask >> lane & 1) ? 0 : all ? (same ? mask : 0) : equal[lane]; });
    if (pair) set_predicate(w, i.o[1], mask, same ? all_lanes : 0);
}

enum Reduction { Sum, Least, Most, And, Or, Xor };

template<class T> void reduce(Warp& w, const Instruction& i, u32 mask) {
    const T* a = w.source<T>(i.o[1]);
    check_members(w, i, mask, first_lane(w.source<u32>(i.o[2]), mask));
    T result = a[__builtin_ctz(mask)];
    each(mask & (mask - 1), [&](int lane) {
        switch (i.bytes) {
        case Sum: result = T(u32(result) + u32(a[lane])); break;
        case Least: result = std::min(result, a[lane]); break;
        case Most: result = std::max(result, a[lane]); break;
        case And: result &= a[lane]; break;
        case Or: result |= a[lane]; break;
        default: result ^= a[lane]; break;
        }
    });
    map<T>(w, i.o[0], mask, [=](int) { return result; });
}

void active_mask(Warp& w, const Instruction& i, u32 mask) {
    map<u32>(w, i.o[0], mask, [=](int) { return mask; });
}

void warp_barrier(Warp& w, const Instruction& i, u32 mask) { check_members(w, i, mask, first_lane(w.source<u32>(i.o[0]), mask)); }

void nothing(Warp&, const Instruction&, u32) {}
} // namespace

Handler find_collective(const Form& f, Instruction& i) {
    const std::string& base = f.base();
    if (base == "shfl") {
        if (!f.has("sync")) return nullptr;
        return f.has("bfly") ? shuffle<Butterfly> : f.has("up") ? shuffle<Up> : f.has("down") ? shuffle<Down> : shuffle<Index>;
    }
    if (base == "vote") {
        if (!f.has("sync")) return nullptr;
        i.bytes = f.has("ballot") ? Ballot : f.has("all") ? All : f.has("any") ? Any : Uniform;
        // The predicate may be negated; the flag belongs to it, not to the mask.
        return vote;
    }
    if (base == "match") {
        i.bytes = f.has("all");
        return bytes_of(f.type()) == 8 ? match<u64> : match<u32>;
    }
    if (base == "redux") {
        i.bytes = f.has("add") ? Sum : f.has("min") ? Least : f.has("max") ? Most : f.has("and") ? And : f.has("or") ? Or : Xor;
        return f.type() == "s32" ? reduce<s32> : reduce<u32>;
    }
    if (base == "activemask") return active_mask;
    if (base == "bar" && f.has("warp")) return warp_barrier;
    return base == "membar" || base == "fence" || base == "nanosleep" ? nothing : nullptr;
}

} // namespace jedisim
