// How instructions are called in reports and counts.
#include "lower.h"
#include <set>

namespace jedisim {

const char* name_of(Pipe pipe) {
    static const char* const names[pipe_count] = {"control", "integer", "float", "double", "convert", "special", "tensor", "shuffle", "shared", "global", "local", "barrier"};
    return names[int(pipe)];
}

Pipe pipe_of(const Statement& s, Space space) {
    static const std::set<std::string> special{"ex2", "rcp", "rsqrt", "sqrt", "sin", "cos", "lg2", "tanh", "div"};
    static const std::set<std::string> arithmetic{"add", "sub", "mul", "fma", "mad"};
    static const std::set<std::string> shuffle{"shfl", "vote", "redux", "match", "activemask"};
    static const std::set<std::string> barrier{"bar", "barrier", "membar", "fence", "nanosleep"};
    const std::string &base = s.base(), &type = s.type();
    bool floating = type[0] == 'f' || type.compare(0, 2, "bf") == 0;
    if (base == "bra" || s.ends()) return Pipe::Control;
    if (base == "mma") return Pipe::Tensor;
    if (base == "cp") return s.operands.size() > 1 ? Pipe::Global : Pipe::Barrier;
    if (base == "ldmatrix") return Pipe::Shared;
    if (base == "ld" || base == "st" || base == "atom" || base == "red" || base == "ldu") {
        if (space == Space::Shared) return Pipe::Shared;
        if (space == Space::Param) return Pipe::Integer; // constant memory: an operand on a GPU
        return space == Space::Local ? Pipe::Local : Pipe::Global;
    }
    if (shuffle.count(base)) return Pipe::Shuffle;
    if (barrier.count(base)) return Pipe::Barrier;
    if (type == "f64") return Pipe::Double;
    if (special.count(base) && floating) return Pipe::Special;
    if (base == "cvt") return Pipe::Convert;
    return arithmetic.count(base) && floating ? Pipe::Float : Pipe::Integer;
}

std::string Kernel::line_of(u32 pc) const {
    const Source& s = source[pc];
    auto file = files->find(s.place.file);
    if (s.place.file == 0 || file == files->end()) return "ptx line " + std::to_string(s.line);
    return file->second + ":" + std::to_string(s.place.line);
}

std::string Kernel::where(u32 pc) const {
    const Source& s = source[pc];
    std::string result = line_of(pc);
    auto caller = files->find(s.inlined.file);
    if (s.inlined.file && caller != files->end()) result += " (inlined at " + caller->second + ":" + std::to_string(s.inlined.line) + ")";
    if (s.place.file) result += ", ptx line " + std::to_string(s.line);
    return result + ": " + s.text;
}

} // namespace jedisim
