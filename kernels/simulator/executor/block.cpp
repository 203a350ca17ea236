// A block of threads: its warps run one ahead of the others until a barrier stops them, in the order that was asked for.
#include "lanes.h"
#include <chrono>
#include <numeric>
#include <random>

namespace jedisim {

void Warp::start(Block& b, u32 number, u32 threads) {
    block = &b;
    code = b.kernel->code.data();
    pc = 0, join = no_join, exited = 0, index = number;
    live = mask = threads >= 32 ? all_lanes : (1u << threads) - 1;
    state = State::Running;
    barrier = 0, pending = 0, group = 0, instructions = 0;
    stack.clear();
    written.assign(b.kernel->watched.size(), 0);
    local.assign(size_t(b.kernel->local_bytes) * 32, 0xff);
}

void Block::specials(Warp& warp) const {
    const Launch& l = *launch;
    for (auto [kind, offset] : kernel->specials) {
        u32* target = warp.target<u32>(offset);
        for (u32 lane = 0; lane < 32; lane++) {
            u32 thread = warp.index * 32 + lane, value = 0;
            switch (kind) {
            case Special::TidX: value = thread % l.block[0]; break;
            case Special::TidY: value = thread / l.block[0] % l.block[1]; break;
            case Special::TidZ: value = thread / l.block[0] / l.block[1]; break;
            case Special::NtidX: case Special::NtidY: case Special::NtidZ: value = l.block[int(kind) - int(Special::NtidX)]; break;
            case Special::CtaidX: case Special::CtaidY: case Special::CtaidZ: value = index[int(kind) - int(Special::CtaidX)]; break;
            case Special::NctaidX: case Special::NctaidY: case Special::NctaidZ: value = l.grid[int(kind) - int(Special::NctaidX)]; break;
            case Special::LaneId: value = lane; break;
            case Special::WarpId: value = warp.index; break;
            case Special::NWarpId: value = u32(warps.size()); break;
            case Special::DynamicShared: value = l.dynamic_shared; break;
            case Special::TotalShared: value = shared_bytes; break;
            case Special::LaneEq: value = 1u << lane; break;
            case Special::LaneLt: value = (1u << lane) - 1; break;
            case Special::LaneLe: value = u32((2ull << lane) - 1); break;
            case Special::LaneGt: value = ~u32((2ull << lane) - 1); break;
            case Special::LaneGe: value = ~((1u << lane) - 1); break;
            default: break; // the clock stands still: nothing here is about time
            }
            target[lane] = value;
        }
    }
}

void Block::reset(u64 number) {
    const Launch& l = *launch;
    index[0] = u32(number % l.grid[0]), index[1] = u32(number / l.grid[0] % l.grid[1]), index[2] = u32(number / l.grid[0] / l.grid[1]);
    u32 threads = l.block[0] * l.block[1] * l.block[2];
    for (u32 w = 0; w < warps.size(); w++) {
        warps[w].start(*this, w, threads - w * 32);
        specials(warps[w]);
    }
    for (Barrier& barrier : barriers) barrier = {};
    order.resize(warps.size());
    std::iota(order.begin(), order.end(), 0);
    if (l.options.order == Order::Descending) std::reverse(order.begin(), order.end());
    races.start(*this);
}

void Block::run(u64 number) {
    reset(number);
    std::mt19937_64 random(launch->options.seed * 0x9e3779b97f4a7c15ull + number);
    for (;;) {
        if (launch->options.order == Order::Seeded) std::shuffle(order.begin(), order.end(), random);
        bool ran = false, alive = false;
        for (u32 w : order) {
            if (warps[w].state != State::Running) continue;
            run_warp(warps[w]);
            ran = true;
        }
        release_complete();
        for (Warp& w : warps) alive |= w.state != State::Done;
        if (!alive) break;
        if (!ran) deadlock();
    }
    for (Warp& w : warps) result->instructions += w.instructions;
}

void Block::arrive(Warp& w, const Instruction& i) {
    u32 id = first_lane(w.source<u32>(i.o[1]), w.remaining()), expected = i.o[2] == -1 ? 0 : first_lane(w.source<u32>(i.o[2]), w.remaining());
    if (id >= barrier_count) fault(w, i, "there are 16 barriers, none has the number " + std::to_string(id));
    if (expected % 32) fault(w, i, "a barrier waits for whole warps, not for " + std::to_string(expected) + " threads");
    if (expected > warps.size() * 32) fault(w, i, "the barrier waits for " + std::to_string(expected) + " threads, more than the block has");
    Barrier& barrier = barriers[id];
    if (barrier.used && barrier.expected != expected)
        fault(w, i, "barrier " + std::to_string(id) + " waits for " + std::to_string(barrier.expected) + " threads, but this warp says " + std::to_string(expected));
    if (!barrier.used) barrier = {expected, 0, true, 0, 1, {}, {}};
    barrier.arrived += 32;
    if (races.on()) races.give(w.index, barrier.clock);
    if (i.bytes >= 2) {
        u32 p = *w.source<u32>(i.o[3]);
        if (i.flags & NegatedOperand) p = ~p;
        barrier.count += u32(__builtin_popcount(p & w.remaining()));
        barrier.all &= (~p & w.remaining()) == 0;
    }
    if (i.bytes != 1) {
        w.state = State::Waiting;
        w.barrier = id;
        barrier.waiting.push_back(w.index);
    }
    if (expected && barrier.arrived >= expected) release(id);
}

// Barriers that wait for all: complete when nobody else is left. Warps that have ended do not count.
void Block::release_complete() {
    for (u32 id = 0; id < barrier_count; id++) {
        Barrier& barrier = barriers[id];
        if (!barrier.used || barrier.expected) continue;
        size_t alive = 0;
        for (Warp& w : warps) alive += w.state != State::Done;
        if (barrier.waiting.size() == alive) release(id);
    }
}

void Block::release(u32 id) {
    Barrier barrier = std::move(barriers[id]);
    barriers[id] = {};
    for (u32 index : barrier.waiting) {
        Warp& w = warps[index];
        w.state = State::Running;
        if (races.on()) races.take(index, barrier.clock);
        const Instruction& i = w.code[w.pc ? w.pc - 1 : 0];
        if (i.bytes < 2) continue;
        u32 some = barrier.count != 0;
        if (i.bytes == 2) map<u32>(w, i.o[0], w.remaining(), [&](int) { return barrier.count; });
        else set_predicate(w, i.o[0], w.remaining(), (i.bytes == 3 ? barrier.all : some) ? all_lanes : 0);
    }
}

void Block::deadlock() const {
    std::string text = "deadlock in kernel " + kernel->name + ", block (" + std::to_string(index[0]) + ", " + std::to_string(index[1]) + ", " +
                       std::to_string(index[2]) + "): nobody is left who could come to the barriers";
    for (const Warp& w : warps)
        if (w.state == State::Waiting)
            text += "\n    warp " + std::to_string(w.index) + " waits at barrier " + std::to_string(w.barrier) + ", " + kernel->where(w.pc - 1);
    throw Fault(LaunchFailed, text);
}

} // namespace jedisim
