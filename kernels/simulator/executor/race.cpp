#include "warp.h"

namespace jedisim {

namespace {
enum Kind { WriteAfterWrite, ReadAfterWrite, WriteAfterRead, NeverWritten, NotWaited };
const char* const texts[] = {"write after write without a barrier", "read after write without a barrier",
                             "write after read without a barrier", "read of shared memory that nobody wrote",
                             "access to the target of an asynchronous copy that was not waited for"};
} // namespace

void Races::start(const Block& block) {
    watching = block.launch->options.race;
    if (!watching) return;
    u32 count = u32(block.warps.size());
    size_t size = block.shared_bytes / block.kernel->shared_grain + 1;
    // Clocks go on from block to block and launch to launch, so that what earlier ones left counts as past and nothing has to be cleared.
    u32 top = base;
    for (u32 c : clocks) top = std::max(top, c);
    if (top > 0xf0000000u) cells.clear(), reads.clear(), top = 0;
    if (cells.size() < size) cells.resize(size);
    if (reads.size() < size * count) reads.resize(size * count);
    warps = count, grain = block.kernel->shared_grain;
    base = top;
    clocks.assign(size_t(warps) * warps, base);
    for (u32 w = 0; w < warps; w++) clock_of(w)[w] = base + 1;
    known.clear();
}

void Races::access(const Warp& warp, const Instruction& i, u32 address, u32 bytes, bool write, bool pending) {
    u32 pc = u32(&i - warp.code), me = warp.index;
    const u32* clock = clock_of(me);
    for (u32 cell = address / grain, end = (address + bytes - 1) / grain; cell <= end; cell++) {
        Cell& last = cells[cell];
        Read* readers = &reads[size_t(cell) * warps];
        bool written = last.clock > base;
        if (written && last.warp != me && last.clock > clock[last.warp])
            report(warp, i, last.pc, last.warp, write ? WriteAfterWrite : ReadAfterWrite, cell * grain);
        if (written && last.pending && (last.warp != me || last.pc != pc)) report(warp, i, last.pc, last.warp, NotWaited, cell * grain);
        if (!write) {
            if (!written) report(warp, i, pc, me, NeverWritten, cell * grain);
            readers[me] = {clock[me], pc};
            continue;
        }
        for (u32 w = 0; w < warps; w++)
            if (w != me && readers[w].clock > clock[w]) report(warp, i, readers[w].pc, w, WriteAfterRead, cell * grain);
        last = {clock[me], pc, u16(me), pending};
    }
}

void Races::report(const Warp& warp, const Instruction& i, u32 other_pc, u32 other_warp, int kind, u32 address) {
    Block& block = *warp.block;
    u32 pc = u32(&i - warp.code);
    block.result->race_count++;
    if (!known.insert({pc, other_pc, kind}).second || block.result->races.size() >= 8) return;
    std::string text = std::string(texts[kind]) + ": shared byte " + std::to_string(address) + "\n    warp " + std::to_string(warp.index) +
                       " at " + block.kernel->where(pc);
    if (kind != NeverWritten) text += "\n    warp " + std::to_string(other_warp) + " at " + block.kernel->where(other_pc);
    text += "\n    kernel " + block.kernel->name + ", block (" + std::to_string(block.index[0]) + ", " + std::to_string(block.index[1]) +
            ", " + std::to_string(block.index[2]) + ")";
    block.result->races.push_back(text);
}

void Races::give(u32 warp, std::vector<u32>& clock) {
    u32* mine = clock_of(warp);
    clock.resize(warps);
    for (u32 w = 0; w < warps; w++) clock[w] = std::max(clock[w], mine[w]);
    mine[warp]++;
}

void Races::take(u32 warp, const std::vector<u32>& clock) {
    u32* mine = clock_of(warp);
    for (u32 w = 0; w < warps; w++) mine[w] = std::max(mine[w], clock[w]);
}

} // namespace jedisim
