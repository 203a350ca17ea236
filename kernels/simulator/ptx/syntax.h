// PTX as it is written: what the parser makes and flow, registers and lowering read.
#pragma once
#include "program.h"
#include <algorithm>
#include <string_view>

namespace jedisim {

enum class Bank : u8 { Predicate, Word, Double }; // 8 and 16 bits live in words

struct Register { std::string name; Bank bank; };

struct Operand {
    enum Kind { None, Register, Immediate, Address, Symbol } kind = None;
    int reg = -1;
    u64 value = 0; // immediate, or an address's offset
    bool negated = false;
    std::string symbol;
};

struct Statement {
    std::vector<std::string> parts; // the opcode, cut at its dots
    std::vector<std::vector<Operand>> operands;
    Operand guard;
    bool guarded = false;
    int line = 0, scope = 0, target = -1;
    Place place, inlined;
    std::string text;

    const std::string& base() const { return parts[0]; }
    const std::string& type() const { return parts.back(); }
    bool has(std::string_view part) const { return std::find(parts.begin(), parts.end(), part) != parts.end(); }
    bool ends() const { return base() == "ret" || base() == "exit" || base() == "trap"; }
};

// A variable that is declared in PTX. The address of a parameter, shared or local one is an offset.
struct Symbol { Space space = Space::Global; u64 address = 0; u32 align = 1, bytes = 0; bool outside = false; };

struct Body {
    std::vector<Statement> code;
    std::vector<Register> registers;
    std::map<Special, int> specials; // special register -> register
    std::map<std::string, Symbol> symbols;
};

// Bytes of a type's name: u32 -> 4, f16x2 -> 4, b8 -> 1.
u32 bytes_of(std::string_view type);

} // namespace jedisim
