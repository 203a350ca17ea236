#include "registers.h"
#include <queue>
#include <set>

namespace jedisim {

bool has_result(const Statement& s) {
    static const std::set<std::string> without{"st", "bra", "ret", "exit", "trap", "red", "membar", "fence", "prefetch", "nanosleep", "cp", "brkpt"};
    if (s.base() == "bar" || s.base() == "barrier") return s.has("red");
    return !without.count(s.base()) && !s.operands.empty();
}

Registers::Registers(const Body& body, const Flow& flow) : body(body), flow(flow) {
    find_accesses();
    // A guarded write counts as a write here: its readers have the same guard, or are caught lane by lane.
    liveness(true);
    std::set<int> special;
    for (auto& [kind, reg] : body.specials) special.insert(reg);
    if (flow.count())
        for (int r = 0; r < int(body.registers.size()); r++)
            if ((live_in[0][r / 64] >> r % 64 & 1) && !special.count(r)) watched.push_back(r);
    liveness(false);
    allocate();
}

void Registers::find_accesses() {
    reads.resize(body.code.size());
    writes.resize(body.code.size());
    for (size_t i = 0; i < body.code.size(); i++) {
        const Statement& s = body.code[i];
        bool result = has_result(s);
        for (size_t list = 0; list < s.operands.size(); list++)
            for (auto& operand : s.operands[list])
                if (operand.reg >= 0) (result && list == 0 && operand.kind == Operand::Register ? writes : reads)[i].push_back(operand.reg);
        if (s.guarded) reads[i].push_back(s.guard.reg);
    }
}

void Registers::liveness(bool guarded_write_ends) {
    int blocks = flow.count();
    size_t size = (body.registers.size() + 63) / 64;
    std::vector<Bits> needs(blocks + 1, Bits(size)), ends = needs;
    live_in = live_out = needs;
    for (int b = 0; b < blocks; b++) {
        for (int i = flow.start[b + 1] - 1; i >= flow.start[b]; i--) {
            if (!body.code[i].guarded || guarded_write_ends)
                for (int r : writes[i]) ends[b][r / 64] |= 1ull << r % 64, needs[b][r / 64] &= ~(1ull << r % 64);
            for (int r : reads[i]) needs[b][r / 64] |= 1ull << r % 64;
        }
    }
    for (bool changed = true; changed;) {
        changed = false;
        for (int b = blocks - 1; b >= 0; b--) {
            for (size_t x = 0; x < size; x++) {
                u64 out = 0;
                for (int n : flow.next[b]) out |= live_in[n][x];
                live_out[b][x] = out;
                u64 in = needs[b][x] | (out & ~ends[b][x]);
                if (in != live_in[b][x]) live_in[b][x] = in, changed = true;
            }
        }
    }
}

// Linear scan. Writes are masked by lane, so two sides of a branch may share a slot. One bank for predicates (a bit for each lane), one
// for 32-bit and one for 64-bit registers; special registers come last and have slots of their own.
void Registers::allocate() {
    int count = int(body.registers.size());
    std::vector<int> first(count, 1 << 30), last(count, -1);
    auto extend = [&](int r, int at) { first[r] = std::min(first[r], at), last[r] = std::max(last[r], at); };
    for (int i = 0; i < int(body.code.size()); i++) {
        for (int r : reads[i]) extend(r, 2 * i);
        for (int r : writes[i]) extend(r, 2 * i + 1);
    }
    for (int b = 0; b < flow.count(); b++) {
        for (int r = 0; r < count; r++) {
            if (live_in[b][r / 64] >> r % 64 & 1) extend(r, 2 * flow.start[b]);
            if (live_out[b][r / 64] >> r % 64 & 1) extend(r, 2 * flow.start[b + 1]);
        }
    }
    std::vector<char> special(count, 0);
    for (auto& [kind, reg] : body.specials) special[reg] = 1;
    std::vector<int> order;
    for (int r = 0; r < count; r++)
        if (last[r] >= 0 && !special[r]) order.push_back(r);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return first[a] < first[b]; });

    slot.assign(count, -1);
    int used[3] = {};
    std::vector<int> free[3];
    using Ending = std::pair<int, int>; // last statement, register
    std::priority_queue<Ending, std::vector<Ending>, std::greater<>> active;
    for (int r : order) {
        while (!active.empty() && active.top().first < first[r]) {
            int done = active.top().second;
            free[int(body.registers[done].bank)].push_back(slot[done]);
            active.pop();
        }
        int bank = int(body.registers[r].bank);
        if (free[bank].empty()) slot[r] = used[bank]++;
        else slot[r] = free[bank].back(), free[bank].pop_back();
        active.push({last[r], r});
    }
    predicates = used[0], words = used[1], doubles = used[2];
    word_base = (predicates * 4 + 127) / 128 * 128;
    double_base = word_base + words * 128;
    bytes = double_base + doubles * 256;
    for (auto& [kind, reg] : body.specials) slot[reg] = -int(bytes) - 2, bytes += 128;
    sink = bytes;
    bytes += 256;
}

int Registers::offset_of(int reg) const {
    if (slot[reg] < -1) return -slot[reg] - 2;
    if (slot[reg] < 0) return int(sink);
    switch (body.registers[reg].bank) {
    case Bank::Predicate: return slot[reg] * 4;
    case Bank::Word: return int(word_base) + slot[reg] * 128;
    default: return int(double_base) + slot[reg] * 256;
    }
}

} // namespace jedisim
