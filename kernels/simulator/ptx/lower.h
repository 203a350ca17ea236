// Statements -> instructions: operands become offsets, names addresses, opcodes handlers.
#pragma once
#include "executor.h"
#include "registers.h"

namespace jedisim {

class Lowering {
public:
    // memory: where the module's variables stand.
    Lowering(const Body& body, Kernel& kernel, const Executor& executor, u64 memory);
    void run();

private:
    const Body& body;
    Kernel& kernel;
    const Executor& executor;
    u64 memory;
    Flow flow;
    Registers registers;
    std::map<int, int> watch_index; // register -> index of its lane mask
    std::map<std::pair<u64, int>, s32> constants;

    Instruction lower(int index);
    void operands(const Statement& s, Instruction& i, Form& form);
    s32 operand(const Statement& s, int list, const Operand& operand, Instruction& i);
    void address(const Statement& s, int list, const Operand& operand, Instruction& i);
    void access(const Statement& s, Instruction& i, const Form& form);
    void watch(int index, Instruction& i);
    s32 constant(u64 value, int bits);
    u64 address_of(const std::string& symbol) const;
    [[noreturn]] void fail(const Statement& s, const std::string& what) const;
};

// Bits of an immediate in operand list `list`.
int immediate_bits(const Statement& s, int list);
Pipe pipe_of(const Statement& s, Space space);

} // namespace jedisim
