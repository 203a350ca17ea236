#include "flow.h"

namespace jedisim {

Flow::Flow(const std::vector<Statement>& code) {
    cut(code);
    connect(code);
    post_dominators();
}

void Flow::cut(const std::vector<Statement>& code) {
    std::vector<char> leader(code.size() + 1, 0);
    leader[0] = 1;
    for (size_t i = 0; i < code.size(); i++) {
        if (code[i].target >= 0) leader[code[i].target] = 1;
        if (code[i].target >= 0 || code[i].ends()) leader[i + 1] = 1;
    }
    block_of.resize(code.size() + 1);
    for (size_t i = 0; i < code.size(); i++) {
        if (leader[i]) start.push_back(int(i));
        block_of[i] = int(start.size()) - 1;
    }
    block_of[code.size()] = int(start.size());
    start.push_back(int(code.size()));
}

void Flow::connect(const std::vector<Statement>& code) {
    next.resize(count() + 1);
    for (int b = 0; b < count(); b++) {
        const Statement& last = code[start[b + 1] - 1];
        if (last.target >= 0) next[b].push_back(block_of[last.target]);
        else if (last.ends()) next[b].push_back(count());
        if (last.guarded || (last.target < 0 && !last.ends())) next[b].push_back(b + 1);
    }
}

// Cooper, Harvey and Kennedy, "A simple, fast dominance algorithm", on the reversed graph.
void Flow::post_dominators() {
    int exit = count();
    std::vector<std::vector<int>> before(exit + 1);
    for (int b = 0; b < exit; b++)
        for (int n : next[b]) before[n].push_back(b);

    std::vector<int> order, number(exit + 1, -1);
    std::vector<std::pair<int, size_t>> stack{{exit, 0}};
    std::vector<char> seen(exit + 1, 0);
    seen[exit] = 1;
    while (!stack.empty()) {
        auto& [block, child] = stack.back();
        if (child < before[block].size()) {
            int b = before[block][child++];
            if (!seen[b]) seen[b] = 1, stack.push_back({b, 0});
        } else {
            number[block] = int(order.size());
            order.push_back(block);
            stack.pop_back();
        }
    }

    meet.assign(exit + 1, -1);
    meet[exit] = exit;
    auto common = [&](int a, int b) {
        while (a != b) {
            while (number[a] < number[b]) a = meet[a];
            while (number[b] < number[a]) b = meet[b];
        }
        return a;
    };
    for (bool changed = true; changed;) {
        changed = false;
        for (int i = int(order.size()) - 2; i >= 0; i--) {
            int block = order[i], found = -1;
            for (int n : next[block])
                if (meet[n] >= 0) found = found < 0 ? n : common(found, n);
            if (found != meet[block]) meet[block] = found, changed = true;
        }
    }
    // Loops without a way out meet at the exit.
    for (int& m : meet)
        if (m < 0) m = exit;
}

} // namespace jedisim
