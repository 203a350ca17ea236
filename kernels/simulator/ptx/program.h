// A kernel as it is executed: one Instruction does its work for the 32 lanes of a warp at once.
#pragma once
#include "common.h"
#include <map>
#include <memory>
#include <vector>

namespace jedisim {

struct Warp;
struct Instruction;
using Handler = void (*)(Warp&, const Instruction&, u32 mask);

enum class Space : u8 { Generic, Global, Shared, Param, Local };

// What the loop over instructions does itself; everything else is a handler's work.
enum class Control : u8 { None, Check, Branch, Exit, Barrier, Commit, Wait };

// The unit that an instruction keeps busy on a GPU.
enum class Pipe : u8 { Control, Integer, Float, Double, Convert, Special, Tensor, Shuffle, Shared, Global, Local, Barrier };
constexpr int pipe_count = 12;
const char* name_of(Pipe pipe);

// Operands are byte offsets into the warp's registers, or with the top bit set into the kernel's constants.
struct Instruction {
    Handler run = nullptr;
    s32 o[6] = {-1, -1, -1, -1, -1, -1};
    s32 guard = -1;             // predicate register, -1: none
    u32 target = 0;             // of a branch
    u32 join = 0;               // of a branch: where its two sides meet at the latest
    s32 second = 0;             // offset of a second address; first operand of a list longer than o in Kernel::lists
    s64 imm = 0;                // offset of an address, or the last operand when it is an immediate
    Control control = Control::None;
    u8 vector = 1, bytes = 0;   // of memory accesses: elements, bytes of one
    Space space = Space::Generic;
    u8 flags = 0;
    u8 count = 0;               // operands
    u16 check = 0;              // 1 + entry in Kernel::checks; 0: none
};
static_assert(sizeof(Instruction) == 64, "an instruction fills one cache line");

enum Flag : u8 {
    WideAddress = 1,    // the address register has 64 bits
    NegatedOperand = 2, // the last operand is a negated predicate
    WideData = 4,       // loaded or stored registers have 64 bits
    NegatedGuard = 8,
    Leader = 16,        // first of a basic block
};

constexpr s32 constant_bit = s32(0x80000000u);

struct Place { int file = 0, line = 0; };

struct Source {
    int line = 0; // of the PTX
    std::string text, opcode;
    Place place, inlined; // in the .cu, with -lineinfo; inlined: the call that it was inlined at
    Pipe pipe = Pipe::Control;
};

enum class Special : u8 {
    TidX, TidY, TidZ, NtidX, NtidY, NtidZ, CtaidX, CtaidY, CtaidZ, NctaidX, NctaidY, NctaidZ, LaneId, WarpId, NWarpId, DynamicShared,
    TotalShared, Clock, LaneEq, LaneLt, LaneLe, LaneGt, LaneGe, Count
};

// A register that some path leaves unwritten: watched lane by lane while the kernel runs.
struct Watch { int index; bool write; };

struct Parameter { u32 offset, size; };

struct Kernel {
    std::string name;
    std::vector<Instruction> code;
    std::vector<Source> source; // one for each instruction
    std::vector<s32> lists;     // operand lists longer than Instruction::o
    std::vector<u8> constants;  // immediates, broadcast to 32 lanes
    std::vector<std::pair<Special, s32>> specials;
    std::vector<std::vector<Watch>> checks;
    std::vector<std::string> watched; // names of the watched registers
    std::vector<Parameter> parameters;
    u32 parameter_bytes = 0, shared_bytes = 0, local_bytes = 0, register_bytes = 0;
    u32 shared_grain = 4;                          // the smallest access to shared memory: what races are watched by
    u32 predicates = 0, words = 0, doubles = 0;    // physical registers
    u32 max_threads = 1024;                        // .maxntid
    std::shared_ptr<std::map<int, std::string>> files;

    // "kernel.cu:12 (inlined at kernel.cu:80), ptx line 345: add.s32 ..."
    std::string where(u32 pc) const;
    // "kernel.cu:12" or "ptx line 345"
    std::string line_of(u32 pc) const;
};

struct Variable { u64 address; u64 bytes; };

struct Module {
    std::map<std::string, std::unique_ptr<Kernel>> kernels;
    std::map<std::string, Variable> variables; // .global and .const
    u64 memory = 0;                            // device memory of the variables, 0: none
};

} // namespace jedisim
