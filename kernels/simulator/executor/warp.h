// What a block and its warps hold while they run.
#pragma once
#include "../ptx/executor.h"
#include "race.h"

namespace jedisim {

constexpr u32 no_join = ~0u;

// An asynchronous copy: its target is poisoned when it is issued and filled at the wait that covers it.
struct Copy {
    const Instruction* at;
    u32 mask, group;
    u32 bytes; // written for each lane; `count` of them come from the source, the rest is zero
    alignas(64) u32 target[32], count[32];
    alignas(64) u64 source[32];
};

// Lanes that wait for their turn after a divergent branch.
struct Group { u32 pc, mask, join; };

enum class State : u8 { Running, Waiting, Done };

struct Block;

struct Warp {
    char* base[2]; // registers, constants
    Block* block;
    const Instruction* code;
    u32 pc, mask, join;
    u32 live, exited, index;
    State state;
    u32 barrier; // that it waits at
    std::vector<Group> stack;
    std::vector<Copy> copies;
    size_t pending;
    u32 group; // copies issued now belong to it
    u64 instructions;
    std::vector<u32> written; // lanes that wrote each watched register
    std::vector<u8> local;

    void start(Block& block, u32 index, u32 live);
    u32 remaining() const { return live & ~exited; }
    template<class T = u8> T* target(s32 offset) { return reinterpret_cast<T*>(base[0] + offset); }
    template<class T = u8> const T* source(s32 offset) const {
        return reinterpret_cast<const T*>(base[u32(offset) >> 31] + (offset & ~constant_bit));
    }
};

struct Barrier {
    u32 expected = 0, arrived = 0; // threads; expected 0: all that have not exited
    bool used = false;
    u32 count = 0, all = 1;        // of bar.red
    std::vector<u32> waiting;
    std::vector<u32> clock;        // what is known to those who arrived
};

constexpr int barrier_count = 16;

struct Block {
    const Launch* launch;
    const Kernel* kernel;
    u8* shared;
    u32 shared_bytes;
    u32 index[3];
    std::vector<Warp> warps;
    Barrier barriers[barrier_count];
    Races races;
    Site* sites; // nullptr: not counted
    LaunchResult* result;
    Range last{1, 0}; // the allocation of the last global access

    void run(u64 number);
    void arrive(Warp& warp, const Instruction& i);
    void release_complete();

private:
    std::vector<u32> order;
    void reset(u64 number);
    void release(u32 barrier);
    [[noreturn]] void deadlock() const;
    void specials(Warp& warp) const;
};

// Runs until the warp waits or is done.
void run_warp(Warp& warp);

[[noreturn]] void fault(const Warp& warp, const Instruction& i, int code, const std::string& what);
[[noreturn]] void fault(const Warp& warp, const Instruction& i, const std::string& what);
std::string lanes_text(u32 mask);

} // namespace jedisim
