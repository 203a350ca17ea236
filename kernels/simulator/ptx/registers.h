// Which registers each statement reads and writes, which are live together, and where each one stands in a warp's register file.
#pragma once
#include "flow.h"

namespace jedisim {

class Registers {
public:
    Registers(const Body& body, const Flow& flow);

    int offset_of(int reg) const;
    std::vector<std::vector<int>> reads, writes; // of each statement
    std::vector<int> watched;                    // registers that some path reads before it writes them
    int predicates = 0, words = 0, doubles = 0;  // physical registers
    u32 sink = 0;                                // for results that nobody wants
    u32 bytes = 0;

private:
    using Bits = std::vector<u64>;
    const Body& body;
    const Flow& flow;
    std::vector<int> slot;
    std::vector<Bits> live_in, live_out; // of each block
    u32 word_base = 0, double_base = 0;

    void find_accesses();
    void liveness(bool guarded_write_ends);
    void allocate();
};

// Whether the first operand list is written.
bool has_result(const Statement& statement);

} // namespace jedisim
