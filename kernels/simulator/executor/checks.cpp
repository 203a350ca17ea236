// Bounds and alignment of accesses; how a fault is told.
#include "memory.h"

namespace jedisim {

std::string lanes_text(u32 mask) {
    if (mask == all_lanes) return "all lanes";
    std::string result = mask & (mask - 1) ? "lanes " : "lane ";
    for (int lane = 0; lane < 32; lane++) {
        if (!(mask >> lane & 1)) continue;
        int last = lane;
        while (last < 31 && (mask >> (last + 1) & 1)) last++;
        if (result.back() != ' ') result += ",";
        result += std::to_string(lane);
        if (last > lane) result += "-" + std::to_string(last);
        lane = last;
    }
    return result;
}

void fault(const Warp& warp, const Instruction& i, int code, const std::string& what) {
    const Block& block = *warp.block;
    throw Fault(code, what + "\n    at " + block.kernel->where(u32(&i - warp.code)) + "\n    kernel " + block.kernel->name + ", block (" +
                          std::to_string(block.index[0]) + ", " + std::to_string(block.index[1]) + ", " + std::to_string(block.index[2]) + "), warp " +
                          std::to_string(warp.index));
}

void fault(const Warp& warp, const Instruction& i, const std::string& what) { fault(warp, i, LaunchFailed, what); }

namespace {
std::string hex(u64 value) {
    char text[24];
    std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
    return text;
}

// The last allocation that starts at or before the address.
const Range* below(const Block& block, u64 address) {
    auto& memory = *block.launch->memory;
    auto next = std::upper_bound(memory.begin(), memory.end(), address, [](u64 a, const Range& r) { return a < r.start; });
    return next == memory.begin() ? nullptr : &*std::prev(next);
}

bool inside(Block& block, u64 low, u64 high) {
    if (low >= block.last.start && high <= block.last.start + block.last.bytes) return true;
    const Range* range = below(block, low);
    if (!range || high > range->start + range->bytes) return false;
    block.last = *range;
    return true;
}

[[noreturn]] void outside(Warp& w, const Instruction& i, int lane, u64 address, u32 bytes, bool store) {
    std::string what = std::string("global ") + (store ? "store" : "load") + " of " + std::to_string(bytes) + " bytes outside every allocation: lane " +
                       std::to_string(lane) + ", address " + hex(address);
    if (const Range* range = below(*w.block, address))
        what += ", " + std::to_string(s64(address - range->start - range->bytes)) + " bytes past the end of an allocation of " + std::to_string(range->bytes) +
                " bytes";
    fault(w, i, IllegalAddress, what);
}
} // namespace

u64 check_global(Warp& w, const Instruction& i, const u64* address, u32 mask, u32 bytes, bool store) {
    u64 low = ~0ull, high = 0, all = 0;
    if (mask == all_lanes) {
        JEDISIM_LANES {
            low = address[lane] < low ? address[lane] : low;
            high = address[lane] > high ? address[lane] : high;
            all |= address[lane];
        }
    } else {
        each(mask, [&](int lane) { low = std::min(low, address[lane]), high = std::max(high, address[lane]), all |= address[lane]; });
    }
    if (all & (bytes - 1)) {
        u32 wrong = 0;
        each(mask, [&](int lane) { wrong |= u32((address[lane] & (bytes - 1)) != 0) << lane; });
        fault(w, i, MisalignedAddress, "misaligned global address, " + std::to_string(bytes) + " bytes at " + hex(address[__builtin_ctz(wrong)]) + ": " + lanes_text(wrong));
    }
    Block& block = *w.block;
    if (!inside(block, low, high + bytes)) {
        u64 kinds = 0;
        each(mask, [&](int lane) {
            if (!inside(block, address[lane], address[lane] + bytes)) outside(w, i, lane, address[lane], bytes, store);
            kinds |= address[lane] & device_bit ? 2 : 1;
        });
        if (kinds == 3) fault(w, i, "one access reaches device memory and pinned memory at once: not modelled");
    }
    return low & device_bit ? 0 - device_bit : 0;
}

void check_shared(Warp& w, const Instruction& i, const u32* address, u32 mask, u32 bytes, bool write, bool race) {
    u32 high = 0, all = 0;
    if (mask == all_lanes) {
        JEDISIM_LANES {
            high = address[lane] > high ? address[lane] : high;
            all |= address[lane];
        }
    } else {
        each(mask, [&](int lane) { high = std::max(high, address[lane]), all |= address[lane]; });
    }
    Block& block = *w.block;
    if (u64(high) + bytes > block.shared_bytes)
        fault(w, i, IllegalAddress, std::string("shared ") + (write ? "store" : "load") + " of " + std::to_string(bytes) + " bytes at " + std::to_string(high) +
                                        ", outside the block's " + std::to_string(block.shared_bytes) + " bytes");
    if (all & (bytes - 1)) fault(w, i, MisalignedAddress, "misaligned shared address, " + std::to_string(bytes) + " bytes");
    if (block.sites) count_shared(w, i, address, mask, bytes);
    if (race && block.races.on()) each(mask, [&](int lane) { block.races.access(w, i, address[lane], bytes, write); });
}

Space resolve_generic(Warp& w, const Instruction& i, u64* address, u32 mask) {
    u32 shared = 0, local = 0, param = 0;
    each(mask, [&](int lane) {
        shared |= u32(address[lane] >> 56 == shared_window >> 56) << lane;
        local |= u32(address[lane] >> 56 == local_window >> 56) << lane;
        param |= u32(address[lane] >> 56 == param_window >> 56) << lane;
    });
    u32 windows = shared | local | param;
    if (!windows) return Space::Global;
    if (windows != mask || (shared != mask && local != mask && param != mask)) fault(w, i, "one generic access reaches two state spaces: not modelled");
    JEDISIM_LANES address[lane] &= 0xffffffffull;
    return shared ? Space::Shared : local ? Space::Local : Space::Param;
}

} // namespace jedisim
