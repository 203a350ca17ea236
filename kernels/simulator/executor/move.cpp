// mov: copies, and vectors packed into a register or taken out of it.
#include "lanes.h"

namespace jedisim {

namespace {
template<class T> void copy(Warp& w, const Instruction& i, u32 mask) {
    const T* a = w.source<T>(i.o[1]);
    map<T>(w, i.o[0], mask, [=](int lane) { return a[lane]; });
}

// d = {parts...}: i.vector parts of `Bits` bits each.
template<class T, int Bits> void pack(Warp& w, const Instruction& i, u32 mask) {
    alignas(64) T sum[32] = {};
    for (int part = 0; part < i.vector; part++) {
        const u32* a = w.source<u32>(i.o[1 + part]);
        JEDISIM_LANES sum[lane] |= T(a[lane] & (Bits == 32 ? ~0u : (1u << (Bits & 31)) - 1)) << (part * Bits);
    }
    map<T>(w, i.o[0], mask, [&](int lane) { return sum[lane]; });
}

template<class T, int Bits> void unpack(Warp& w, const Instruction& i, u32 mask) {
    alignas(64) T a[32];
    std::memcpy(a, w.source(i.o[i.vector]), sizeof a);
    for (int part = 0; part < i.vector; part++)
        map<u32>(w, i.o[part], mask, [&](int lane) { return u32(a[lane] >> (part * Bits)) & (Bits == 32 ? ~0u : (1u << (Bits & 31)) - 1); });
}
} // namespace

Handler find_move(const Form& f, Instruction& i) {
    if (f.base() != "mov" || f.type() == "pred") return nullptr;
    bool large = bytes_of(f.type()) == 8, packs = f.sizes[1] > 1;
    int parts = std::max(f.sizes[0], f.sizes[1]);
    if (parts == 1) return f.wide[0] != (bytes_of(f.type()) == 8) ? nullptr : large ? copy<u64> : copy<u32>;
    i.vector = u8(parts);
    if (large && parts == 2) return packs ? pack<u64, 32> : unpack<u64, 32>;
    if (large && parts == 4) return packs ? pack<u64, 16> : unpack<u64, 16>;
    if (bytes_of(f.type()) == 4 && parts == 2) return packs ? pack<u32, 16> : unpack<u32, 16>;
    if (bytes_of(f.type()) == 4 && parts == 4) return packs ? pack<u32, 8> : unpack<u32, 8>;
    return bytes_of(f.type()) == 2 && parts == 2 ? (packs ? pack<u32, 8> : unpack<u32, 8>) : nullptr;
}

} // namespace jedisim
