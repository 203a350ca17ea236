// Addresses of an instruction's lanes, their checks and their counts.
#pragma once
#include "lanes.h"

namespace jedisim {

// address[lane] = register + offset, or the offset alone.
JEDISIM_INLINE void addresses(const Warp& w, const Instruction& i, s32 offset, u64* address) {
    u64 imm = u64(i.imm);
    if (offset == -1) {
        JEDISIM_LANES address[lane] = imm;
    } else if (i.flags & WideAddress) {
        const u64* base = w.source<u64>(offset);
        JEDISIM_LANES address[lane] = base[lane] + imm;
    } else {
        const u32* base = w.source<u32>(offset);
        u32 small = u32(imm);
        JEDISIM_LANES address[lane] = base[lane] + small;
    }
}

// Throws unless all lanes are aligned and inside allocations. Gives what to add to an address to reach it from the host.
u64 check_global(Warp& w, const Instruction& i, const u64* address, u32 mask, u32 bytes, bool store);
void check_shared(Warp& w, const Instruction& i, const u32* address, u32 mask, u32 bytes, bool write, bool race = true);

void count_global(Warp& w, const Instruction& i, const u64* address, u32 mask, u32 bytes);
void count_shared(Warp& w, const Instruction& i, const u32* address, u32 mask, u32 bytes);

// The state space of a generic address; cuts the window off.
Space resolve_generic(Warp& w, const Instruction& i, u64* address, u32 mask);

// Lands the copies that a wait covers: all but the last `keep` groups, or with keep = ~0u all.
void wait_copies(Warp& w, u32 keep);

} // namespace jedisim
