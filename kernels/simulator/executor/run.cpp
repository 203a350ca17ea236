// The loop over a warp's instructions.
//
// Lanes that part at a branch are kept in groups. All groups that part inside one region meet where the region ends, at the branch's
// immediate post-dominator; until then the group with the lowest address runs, and groups that come to the same address become one. So
// break, continue and goto meet again as early as their order in the code allows.
#include "memory.h"

namespace jedisim {

namespace {
class Run {
public:
    explicit Run(Warp& w) : w(w), code(w.code), pc(w.pc), mask(w.mask), join(w.join) {}

    template<bool Counted> void go() {
        Site* sites = w.block->sites;
        for (;;) {
            if ((code[pc].flags & Leader) && join != no_join) meet();
            const Instruction& i = code[pc];
            u32 m = mask;
            if (i.guard >= 0) {
                u32 p = *w.source<u32>(i.guard);
                m &= i.flags & NegatedGuard ? ~p : p;
            }
            executed++;
            if constexpr (Counted) sites[pc].executed++;
            if (__builtin_expect(i.control != Control::None, 0)) {
                if (i.check) check(i, m);
                if (i.control != Control::Check) {
                    if (!control(i, m)) break;
                    continue;
                }
            }
            if (m) i.run(w, i, m);
            pc++;
        }
        w.pc = pc, w.mask = mask, w.join = join;
        w.instructions += executed;
    }

private:
    Warp& w;
    const Instruction* code;
    u32 pc, mask, join;
    u64 executed = 0;

    void set_mask(u32 value) { mask = w.mask = value; }

    bool resume() {
        while (!w.stack.empty()) {
            Group group = w.stack.back();
            w.stack.pop_back();
            group.mask &= ~w.exited;
            if (!group.mask) continue;
            pc = group.pc, join = group.join;
            set_mask(group.mask);
            return true;
        }
        return false;
    }

    // At the start of a block: leave a region that ends here, then take the groups of this region in the order of their addresses.
    void meet() {
        while (pc == join) resume();
        if (join == no_join) return;
        for (size_t at = w.stack.size(); at > 0 && w.stack[at - 1].join == join;) {
            Group& group = w.stack[at - 1];
            group.mask &= ~w.exited;
            if (group.pc == pc || !group.mask) {
                mask |= group.mask;
                w.stack.erase(w.stack.begin() + long(at) - 1);
                at = std::min(at - 1, w.stack.size());
            } else if (group.pc < pc) {
                std::swap(group.pc, pc);
                std::swap(group.mask, mask);
                at = w.stack.size();
            } else {
                at--;
            }
        }
        w.mask = mask;
    }

    void check(const Instruction& i, u32 m) {
        const Kernel& kernel = *w.block->kernel;
        for (const Watch& watch : kernel.checks[i.check - 1]) {
            u32& written = w.written[watch.index];
            if (watch.write) written |= m;
            else if (m & ~written)
                fault(w, i, "reads register " + kernel.watched[watch.index] + ", which was never written on this path (an uninitialised variable, or a wrong constraint of inline assembly): " + lanes_text(m & ~written));
        }
    }

    void whole(const Instruction& i, u32 m) {
        if (m && m != w.remaining()) fault(w, i, "executed by " + lanes_text(m) + " of " + lanes_text(w.remaining()) + ": the lanes of a warp have to come here together");
    }

    // False: the warp waits or is done.
    bool control(const Instruction& i, u32 m) {
        switch (i.control) {
        case Control::Branch: branch(i, m); return true;
        case Control::Exit: return exit(i, m);
        case Control::Barrier:
            pc++;
            if (!m) return true;
            if (m != w.remaining()) fault(w, i, "barrier in divergent code: " + lanes_text(m) + " of " + lanes_text(w.remaining()));
            w.block->arrive(w, i);
            return w.state == State::Running;
        case Control::Commit:
            whole(i, m);
            w.group += m != 0;
            break;
        default:
            whole(i, m);
            if (m) wait_copies(w, i.imm == -1 ? ~0u : u32(i.imm));
            break;
        }
        pc++;
        return true;
    }

    void branch(const Instruction& i, u32 taken) {
        if (i.target <= pc && executed > w.block->launch->options.budget)
            fault(w, i, LaunchTimeout, "an endless loop: more than " + std::to_string(w.block->launch->options.budget) + " instructions of one warp without a barrier");
        u32 rest = mask & ~taken;
        if (!rest) {
            pc = i.target;
        } else if (!taken) {
            pc++;
        } else {
            if (i.join != join) w.stack.push_back({i.join, mask, join});
            join = i.join;
            if (i.target == join) {
                set_mask(rest), pc++;
            } else if (pc + 1 == join) {
                set_mask(taken), pc = i.target;
            } else {
                w.stack.push_back({pc + 1, rest, join});
                set_mask(taken), pc = i.target;
            }
        }
    }

    bool exit(const Instruction& i, u32 m) {
        w.exited |= m;
        set_mask(mask & ~m);
        if (mask) {
            pc++;
            return true;
        }
        if (resume()) return true;
        if (w.pending) fault(w, i, "the warp ends with asynchronous copies that it never waited for, the first from " + w.block->kernel->where(u32(w.copies[0].at - w.code)));
        w.state = State::Done;
        return false;
    }
};
} // namespace

void run_warp(Warp& w) {
    if (w.block->sites) Run(w).go<true>();
    else Run(w).go<false>();
}

} // namespace jedisim
