// Basic blocks, and where the lanes of a divergent branch meet again.
#pragma once
#include "syntax.h"

namespace jedisim {

struct Flow {
    std::vector<int> start;             // first statement of each block; one more: the end
    std::vector<int> block_of;          // of each statement; one more: the exit
    std::vector<std::vector<int>> next; // successors; block count() is the exit
    std::vector<int> meet;              // immediate post-dominator

    explicit Flow(const std::vector<Statement>& code);
    int count() const { return int(start.size()) - 1; }
    bool leads(int statement) const { return start[block_of[statement]] == statement; }

private:
    void cut(const std::vector<Statement>& code);
    void connect(const std::vector<Statement>& code);
    void post_dominators();
};

} // namespace jedisim
