// The seam between what reads PTX and what executes it. The executor is built once for each level of vector instructions and chosen at
// load; it exports one function, jedisim_executor.
#pragma once
#include "syntax.h"
#include <functional>
#include <string>

namespace jedisim {

// An instruction's opcode and the form of its operands, for the choice of a handler.
struct Form {
    const Statement& statement;
    std::vector<int> sizes;   // operands in each list
    std::vector<char> wide;   // of all operands in order: a 64-bit register
    std::vector<char> predicate;
    const std::string& base() const { return statement.base(); }
    const std::string& type() const { return statement.type(); }
    // The last but one part: the target type of cvt.
    const std::string& before() const { return statement.parts[statement.parts.size() - 2]; }
    bool has(std::string_view part) const { return statement.has(part); }
};

struct Range { u64 start, bytes; u64 host() const { return start & ~device_bit; } };

// What one instruction did, over all warps.
struct Site {
    u64 executed = 0;                    // by warps
    u64 requests = 0, units = 0, ideal = 0; // memory: sectors of 32 bytes, or passes over the 32 banks; ideal: as few as the bytes allow
    u64 bytes = 0;
    void add(const Site& other) {
        executed += other.executed, requests += other.requests, units += other.units, ideal += other.ideal, bytes += other.bytes;
    }
};

enum class Order { Ascending, Descending, Seeded };

struct Options {
    int threads = 2;
    Order order = Order::Ascending;
    u64 seed = 1;
    bool race = false, count = false, execute = true;
    u64 alike = 0;            // with race: so many launches alike are watched; 0: all
    u64 budget = 400'000'000; // instructions of a warp between two barriers
};

struct Launch {
    const Kernel* kernel;
    u32 grid[3], block[3], dynamic_shared;
    const u8* parameters;
    const std::vector<Range>* memory; // sorted by address
    Options options;
};

struct LaunchResult {
    u64 instructions = 0, race_count = 0;
    std::vector<std::string> races; // the first few
    std::vector<Site> sites;        // of each instruction, when counted
};

struct Executor {
    const char* level;
    // Fills the instruction's handler; false: not known.
    bool (*find)(const Form&, Instruction&);
    void (*launch)(const Launch&, LaunchResult&); // throws Fault
    // y = alpha op(a) op(b) + beta y, column-major, as cuBLAS has it; see driver/cublaslt.cpp
    void (*multiply)(const struct Product&);
};

// Matrix types that a product may have.
enum class Element : u8 { F32, F16, BF16 };

struct Matrix { u64 address; Element type; s64 leading, stride; }; // stride: between the matrices of a batch

struct Product {
    Matrix a, b, c, d;
    bool transpose_a, transpose_b;
    s64 m, n, k, batch;
    float alpha, beta;
    u64 bias;            // m values for each row of d; 0: none
    Element bias_type;
    int threads;
};

} // namespace jedisim

extern "C" const jedisim::Executor* jedisim_executor();
