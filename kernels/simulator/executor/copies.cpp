// cp.async. The target turns to NaN when the copy is issued and gets its bytes at the wait that covers it: whoever reads too early, or
// writes over what others still read, sees it.
#include "memory.h"

namespace jedisim {

namespace {
// Operands: target, source, bytes to copy, [bytes to read | predicate: read nothing].
void copy_async(Warp& w, const Instruction& i, u32 mask) {
    if (w.pending == w.copies.size()) w.copies.resize(std::max<size_t>(16, 2 * w.copies.size()));
    Copy& copy = w.copies[w.pending++];
    copy.at = &i, copy.mask = mask, copy.group = w.group, copy.bytes = i.bytes;
    if (i.flags & WideAddress) {
        const u64* target = w.source<u64>(i.o[0]);
        JEDISIM_LANES copy.target[lane] = u32(target[lane] + u64(i.imm));
    } else {
        const u32* target = w.source<u32>(i.o[0]);
        JEDISIM_LANES copy.target[lane] = target[lane] + u32(i.imm);
    }
    const u64* source = w.source<u64>(i.o[1]);
    JEDISIM_LANES copy.source[lane] = source[lane] + u64(s64(i.second));
    u32 bytes = i.bytes, reading = 0;
    if (i.count > 3) {
        const u32* count = w.source<u32>(i.o[3]);
        JEDISIM_LANES copy.count[lane] = count[lane];
    } else {
        JEDISIM_LANES copy.count[lane] = bytes;
    }
    each(mask, [&](int lane) {
        if (copy.count[lane] > bytes) fault(w, i, "cp.async reads " + std::to_string(copy.count[lane]) + " bytes to copy " + std::to_string(bytes));
        reading |= u32(copy.count[lane] != 0) << lane;
    });
    Block& block = *w.block;
    check_shared(w, i, copy.target, mask, bytes, true, false);
    if (reading) {
        u64 shift = check_global(w, i, copy.source, reading, bytes, false);
        JEDISIM_LANES copy.source[lane] += shift;
        if (block.sites) {
            // Both sides count: the instruction is a global one, its passes over the banks are left out.
            Site& site = block.sites[&i - w.code];
            site = {site.executed, site.requests - 1, site.units, site.ideal, site.bytes};
            count_global(w, i, copy.source, reading, bytes);
        }
    }
    each(mask, [&](int lane) {
        if (block.races.on()) block.races.access(w, i, copy.target[lane], bytes, true, true);
        std::memset(block.shared + copy.target[lane], 0xff, bytes);
    });
}

void land(Warp& w, const Copy& copy) {
    Block& block = *w.block;
    each(copy.mask, [&](int lane) {
        u8* target = block.shared + copy.target[lane];
        const void* source = reinterpret_cast<const void*>(copy.source[lane]);
        if (copy.bytes == 16 && copy.count[lane] == 16) {
            std::memcpy(target, source, 16);
        } else {
            std::memset(target, 0, copy.bytes);
            std::memcpy(target, source, copy.count[lane]);
        }
        if (block.races.on()) block.races.access(w, *copy.at, copy.target[lane], copy.bytes, true);
    });
}
} // namespace

void wait_copies(Warp& w, u32 keep) {
    size_t kept = 0;
    for (size_t c = 0; c < w.pending; c++) {
        if (keep == ~0u || w.copies[c].group + keep < w.group) land(w, w.copies[c]);
        else if (kept++ != c) w.copies[kept - 1] = w.copies[c];
    }
    w.pending = kept;
}

Handler find_copy(const Form& f, Instruction& i) {
    auto& parts = f.statement.parts;
    if (f.base() != "cp" || parts.size() < 3 || parts[1] != "async") return nullptr;
    if (parts[2] != "ca" && parts[2] != "cg") return nullptr;
    if (i.bytes != 4 && i.bytes != 8 && i.bytes != 16) return nullptr;
    // The form with a predicate instead of a size is not known.
    if (f.predicate.size() > 3 && f.predicate[3]) return nullptr;
    return copy_async;
}

} // namespace jedisim
