// Control flow, barriers and the waits of asynchronous copies: decoded here, done by the loop in run.cpp and by the block.
#include "lanes.h"

namespace jedisim {

namespace {
void never(Warp&, const Instruction&, u32) {}

// bar.sync a[, b]; bar.arrive a, b; bar.red.op d, a[, b], p. Afterwards o[] = {d, a, b or -1, p}; i.bytes: 0 sync, 1 arrive, 2 popc,
// 3 and, 4 or.
bool barrier(const Form& f, Instruction& i) {
    bool reduces = f.has("red");
    int count = i.count, first = reduces ? 1 : 0;
    i.bytes = f.has("arrive") ? 1 : reduces ? (f.has("popc") ? 2 : f.has("and") ? 3 : 4) : 0;
    s32 o[4] = {reduces ? i.o[0] : -1, count > first ? i.o[first] : -1, count > first + 1 + reduces ? i.o[first + 1] : -1, reduces ? i.o[count - 1] : -1};
    std::copy(o, o + 4, i.o);
    i.control = Control::Barrier;
    return o[1] != -1 && (i.bytes != 1 || o[2] != -1);
}
} // namespace

Handler find_control(const Form& f, Instruction& i) {
    const std::string& base = f.base();
    auto control = [&](Control kind) -> Handler {
        i.control = kind;
        return never;
    };
    if (base == "ret" || base == "exit") return control(Control::Exit);
    if (base == "bar" || base == "barrier") return !f.has("warp") && !f.has("cluster") && barrier(f, i) ? never : nullptr;
    if (base == "cp" && f.has("commit_group") && !f.has("bulk")) return control(Control::Commit);
    if (base == "cp" && f.has("wait_group") && !f.has("bulk")) return control(Control::Wait);
    if (base == "cp" && f.has("wait_all")) {
        i.imm = -1;
        return control(Control::Wait);
    }
    if (base == "trap" || base == "brkpt")
        return [](Warp& w, const Instruction& i, u32 mask) { fault(w, i, IllegalInstruction, "trap, " + lanes_text(mask)); };
    return nullptr;
}

} // namespace jedisim
