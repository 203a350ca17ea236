// ld, st and the addresses of state spaces.
#include "memory.h"

namespace jedisim {

namespace {
// Where an access goes: host = base + address[lane].
struct Target { u8* base; Space space; };

Target resolve(Warp& w, const Instruction& i, u64* address, u32 mask, u32 bytes, bool store) {
    Space space = i.space == Space::Generic ? resolve_generic(w, i, address, mask) : i.space;
    Block& block = *w.block;
    switch (space) {
    case Space::Shared: {
        alignas(64) u32 small[32];
        JEDISIM_LANES small[lane] = u32(address[lane]);
        check_shared(w, i, small, mask, bytes, store);
        return {block.shared, space};
    }
    case Space::Param: {
        each(mask, [&](int lane) {
            if (address[lane] + bytes > block.kernel->parameter_bytes) fault(w, i, IllegalAddress, "parameter address outside the kernel's parameters");
        });
        return {const_cast<u8*>(block.launch->parameters), space};
    }
    case Space::Local: {
        u32 frame = block.kernel->local_bytes;
        each(mask, [&](int lane) {
            if (u32(address[lane]) + u64(bytes) > frame) fault(w, i, IllegalAddress, "local address outside the thread's " + std::to_string(frame) + " bytes");
        });
        JEDISIM_LANES address[lane] = u32(address[lane]) + u64(lane) * frame;
        return {w.local.data(), space};
    }
    default: {
        u64 shift = check_global(w, i, address, mask, bytes, store);
        if (block.sites) count_global(w, i, address, mask, bytes);
        return {reinterpret_cast<u8*>(shift), Space::Global};
    }
    }
}

// T: what is in memory; R: the register. A narrow register takes 8 and 16 bits extended; a wide one takes 32, too.
template<class T, class R> void load(Warp& w, const Instruction& i, u32 mask) {
    alignas(64) u64 address[32];
    addresses(w, i, i.o[i.vector], address);
    Target t = resolve(w, i, address, mask, sizeof(T) * i.vector, false);
    using Extended = std::conditional_t<std::is_signed_v<T>, std::make_signed_t<R>, R>;
    for (int part = 0; part < i.vector; part++) {
        R* target = w.target<R>(i.o[part]);
        const u8* base = t.base + part * sizeof(T);
        auto one = [&](int lane) {
            T value;
            std::memcpy(&value, base + address[lane], sizeof(T));
            target[lane] = R(Extended(value));
        };
        if (mask == all_lanes)
            for (int lane = 0; lane < 32; lane++) one(lane);
        else each(mask, one);
    }
}

template<class T, class R> void store(Warp& w, const Instruction& i, u32 mask) {
    alignas(64) u64 address[32];
    addresses(w, i, i.o[0], address);
    Target t = resolve(w, i, address, mask, sizeof(T) * i.vector, true);
    for (int part = 0; part < i.vector; part++) {
        const R* source = w.source<R>(i.o[1 + part]);
        u8* base = t.base + part * sizeof(T);
        auto one = [&](int lane) {
            T value = T(source[lane]);
            std::memcpy(base + address[lane], &value, sizeof(T));
        };
        if (mask == all_lanes)
            for (int lane = 0; lane < 32; lane++) one(lane);
        else each(mask, one);
    }
}

template<class R> Handler find_load(const std::string& type) {
    bool is_signed = type[0] == 's';
    switch (bytes_of(type)) {
    case 1: return is_signed ? load<s8, R> : load<u8, R>;
    case 2: return is_signed ? load<s16, R> : load<u16, R>;
    case 4: return is_signed ? load<s32, R> : load<u32, R>;
    default: return sizeof(R) == 8 ? load<u64, u64> : nullptr;
    }
}

template<class R> Handler find_store(const std::string& type) {
    switch (bytes_of(type)) {
    case 1: return store<u8, R>;
    case 2: return store<u16, R>;
    case 4: return store<u32, R>;
    default: return sizeof(R) == 8 ? store<u64, u64> : nullptr;
    }
}

u64 window_of(const Instruction& i) {
    return i.space == Space::Shared ? shared_window : i.space == Space::Local ? local_window : i.space == Space::Param ? param_window : 0;
}

template<bool To> void convert_address(Warp& w, const Instruction& i, u32 mask) {
    const void* a = w.source(i.o[1]);
    u64 window = window_of(i);
    if (i.flags & WideData) map<u64>(w, i.o[0], mask, [=](int lane) { return get<u64>(a, lane) + (To ? 0 - window : window); });
    else map<u32>(w, i.o[0], mask, [=](int lane) { return get<u32>(a, lane); });
}

void is_space(Warp& w, const Instruction& i, u32 mask) {
    const u64* a = w.source<u64>(i.o[1]);
    u64 window = window_of(i) >> 56;
    u32 result = 0;
    for (int lane = 0; lane < 32; lane++) result |= u32(a[lane] >> 56 == window) << lane;
    set_predicate(w, i.o[0], mask, result);
}

void nothing(Warp&, const Instruction&, u32) {}

Space named_space(const Form& f) {
    return f.has("shared") || f.has("shared::cta") ? Space::Shared : f.has("local") ? Space::Local : f.has("param") ? Space::Param : Space::Global;
}
} // namespace

Handler find_memory(const Form& f, Instruction& i) {
    const std::string &base = f.base(), &type = f.type();
    bool wide = i.flags & WideData;
    if (base == "ld" || base == "ldu") return wide ? find_load<u64>(type) : find_load<u32>(type);
    if (base == "st") return wide ? find_store<u64>(type) : find_store<u32>(type);
    if (base == "prefetch" || base == "prefetchu") return nothing;
    if (base == "isspacep") {
        i.space = named_space(f);
        return f.wide[1] ? is_space : nullptr;
    }
    if (base != "cvta") return nullptr;
    i.space = named_space(f);
    if (f.wide[0]) i.flags |= WideData;
    return f.has("to") ? convert_address<true> : convert_address<false>;
}

} // namespace jedisim
