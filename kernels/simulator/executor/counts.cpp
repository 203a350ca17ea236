// What a memory access costs: sectors of global memory, passes over the banks of shared memory.
#include "memory.h"

namespace jedisim {

void count_global(Warp& w, const Instruction& i, const u64* address, u32 mask, u32 bytes) {
    // Distinct sectors of 32 bytes, in a small open hash table: at most 32 lanes touch one each, or two when they are wider than aligned.
    u64 table[128];
    bool used[128] = {};
    u32 sectors = 0, lanes = 0;
    each(mask, [&](int lane) {
        lanes++;
        for (u64 sector = address[lane] >> 5, end = (address[lane] + bytes - 1) >> 5; sector <= end; sector++) {
            u32 at = u32(sector * 0x9e3779b97f4a7c15ull >> 57);
            while (used[at] && table[at] != sector) at = (at + 1) & 127;
            if (used[at]) continue;
            used[at] = true, table[at] = sector, sectors++;
        }
    });
    Site& site = w.block->sites[&i - w.code];
    site.requests++, site.units += sectors, site.ideal += (u64(lanes) * bytes + 31) / 32, site.bytes += u64(lanes) * bytes;
}

// Lanes go in groups whose bytes fill the 32 banks of four bytes; different words of one bank take a pass each, equal words are one.
void count_shared(Warp& w, const Instruction& i, const u32* address, u32 mask, u32 bytes) {
    u32 width = bytes <= 4 ? 32 : bytes == 8 ? 16 : 8, passes = 0, ideal = 0, lanes = 0;
    for (u32 group = 0; group < 32; group += width) {
        u32 words[128], count = 0, most = 0;
        u8 in_bank[32] = {};
        for (u32 lane = group; lane < group + width; lane++) {
            if (!(mask >> lane & 1)) continue;
            lanes++;
            for (u32 byte = 0; byte < bytes; byte += 4) {
                u32 word = (address[lane] + byte) >> 2;
                if (in_bank[word & 31] && std::find(words, words + count, word) != words + count) continue;
                words[count++] = word;
                most = std::max<u32>(most, ++in_bank[word & 31]);
            }
        }
        passes += most, ideal += most != 0;
    }
    Site& site = w.block->sites[&i - w.code];
    site.requests++, site.units += passes, site.ideal += ideal, site.bytes += u64(lanes) * bytes;
}

} // namespace jedisim
