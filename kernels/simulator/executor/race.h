// Races on shared memory: two warps touch the same bytes, one of them writes, and no barrier stands between. Every warp has a clock of
// what it knows of the others (a vector clock); barriers join the clocks of those who meet.
#pragma once
#include "../ptx/executor.h"
#include <set>
#include <tuple>

namespace jedisim {

struct Warp;
struct Block;

class Races {
public:
    void start(const Block& block);
    bool on() const { return watching; }
    void access(const Warp& warp, const Instruction& i, u32 address, u32 bytes, bool write, bool pending = false);
    // At a barrier: what this warp did up to here is known to the barrier; later work is not.
    void give(u32 warp, std::vector<u32>& clock);
    void take(u32 warp, const std::vector<u32>& clock);

private:
    struct Cell { u32 clock, pc; u16 warp; bool pending; };
    struct Read { u32 clock, pc; };
    bool watching = false;
    u32 warps = 0, grain = 4, base = 0;
    std::vector<u32> clocks; // [warp][warp]
    std::vector<Cell> cells; // last write of each cell of `grain` bytes
    std::vector<Read> reads; // [cell][warp]
    std::set<std::tuple<u32, u32, int>> known;

    u32* clock_of(u32 warp) { return &clocks[size_t(warp) * warps]; }
    void report(const Warp& warp, const Instruction& i, u32 other_pc, u32 other_warp, int kind, u32 address);
};

} // namespace jedisim
