#include "lower.h"
#include "module.h"
#include "parser.h"

namespace jedisim {

int immediate_bits(const Statement& s, int list) {
    const std::string& base = s.base();
    auto bits = [](const std::string& type) { return bytes_of(type) == 8 ? 64 : 32; };
    if (base == "shl" || base == "shr") return list == 2 ? 32 : bits(s.type());
    if ((base == "bfe" && list >= 2) || (base == "bfi" && list >= 3)) return 32;
    if (base == "cvt" || base == "setp" || base == "set" || base == "st" || base == "mov") return bits(s.type());
    if (base == "shfl" || base == "bar" || base == "barrier" || base == "cp" || base == "vote") return 32;
    if (s.has("wide")) return list == 3 && bytes_of(s.type()) == 4 ? 64 : 32;
    for (auto& part : s.parts)
        if (part == "b64" || part == "u64" || part == "s64" || part == "f64") return 64;
    return 32;
}

Lowering::Lowering(const Body& body, Kernel& kernel, const Executor& executor, u64 memory)
    : body(body), kernel(kernel), executor(executor), memory(memory), flow(body.code), registers(body, flow) {}

void Lowering::fail(const Statement& s, const std::string& what) const {
    std::string place = "ptx line " + std::to_string(s.line);
    if (s.place.file && kernel.files->count(s.place.file)) place = kernel.files->at(s.place.file) + ":" + std::to_string(s.place.line) + ", " + place;
    throw LoadError(kernel.name + ", " + place + ": " + what + ": " + s.text);
}

void Lowering::run() {
    for (int r : registers.watched) {
        watch_index[r] = int(kernel.watched.size());
        kernel.watched.push_back(body.registers[r].name);
    }
    kernel.register_bytes = registers.bytes;
    kernel.predicates = u32(registers.predicates), kernel.words = u32(registers.words), kernel.doubles = u32(registers.doubles);
    for (auto& [kind, reg] : body.specials) kernel.specials.push_back({kind, registers.offset_of(reg)});
    for (int i = 0; i < int(body.code.size()); i++) {
        const Statement& s = body.code[i];
        Instruction instruction = lower(i);
        kernel.source.push_back({s.line, s.text, s.text.substr(s.guarded ? s.text.find(' ') + 1 : 0), s.place, s.inlined, pipe_of(s, instruction.space)});
        std::string& opcode = kernel.source.back().opcode;
        opcode = opcode.substr(0, opcode.find(' '));
        kernel.code.push_back(instruction);
    }
    Instruction end;
    end.control = Control::Exit;
    kernel.code.push_back(end);
    kernel.source.push_back({0, "(end of the kernel)", "ret", {}, {}, Pipe::Control});
}

Instruction Lowering::lower(int index) {
    const Statement& s = body.code[index];
    Instruction i;
    if (s.guarded) {
        i.guard = registers.offset_of(s.guard.reg);
        if (s.guard.negated) i.flags |= NegatedGuard;
    }
    if (flow.leads(index)) i.flags |= Leader;
    if (s.target >= 0) {
        i.control = Control::Branch;
        i.target = u32(s.target);
        i.join = u32(flow.start[flow.meet[flow.block_of[index]]]);
        return i;
    }
    Form form{s, {}, {}, {}};
    access(s, i, form);
    operands(s, i, form);
    if (!executor.find(form, i)) fail(s, s.base() == "call" ? "calls are not executed, make the function __forceinline__" : "not known to the simulator");
    watch(index, i);
    return i;
}

// Space, element and vector of memory accesses.
void Lowering::access(const Statement& s, Instruction& i, const Form&) {
    const std::string& base = s.base();
    bool atomic = base == "atom" || base == "red";
    if (base == "ldmatrix") i.space = Space::Shared, i.bytes = 16;
    if (base == "cp") i.space = Space::Shared;
    if (base != "ld" && base != "st" && !atomic && base != "ldu") return;
    i.space = s.has("global") || s.has("const")            ? Space::Global
              : s.has("shared") || s.has("shared::cta")    ? Space::Shared
              : s.has("param")                             ? Space::Param
              : s.has("local")                             ? Space::Local
                                                           : Space::Generic;
    i.bytes = u8(bytes_of(s.type()));
    i.vector = s.has("v2") ? 2 : s.has("v4") ? 4 : 1;
    if (i.space == Space::Shared || i.space == Space::Generic) kernel.shared_grain = std::min<u32>(kernel.shared_grain, i.bytes * i.vector);
    size_t data = base == "st" ? 1 : 0;
    if (!atomic)
        for (auto& o : s.operands.at(data))
            if (o.reg >= 0 ? body.registers[o.reg].bank == Bank::Double : i.bytes == 8) i.flags |= WideData;
}

void Lowering::operands(const Statement& s, Instruction& i, Form& form) {
    std::vector<s32> all;
    for (int list = 0; list < int(s.operands.size()); list++) {
        form.sizes.push_back(int(s.operands[list].size()));
        for (auto& o : s.operands[list]) {
            all.push_back(operand(s, list, o, i));
            form.wide.push_back(o.kind == Operand::Register && body.registers[o.reg].bank == Bank::Double);
            form.predicate.push_back(o.kind == Operand::Register && body.registers[o.reg].bank == Bank::Predicate);
            if (o.negated) i.flags |= NegatedOperand;
        }
    }
    i.count = u8(all.size());
    if (all.size() > std::size(i.o)) {
        i.second = s32(kernel.lists.size());
        kernel.lists.insert(kernel.lists.end(), all.begin(), all.end());
    }
    for (size_t o = 0; o < all.size() && o < std::size(i.o); o++) i.o[o] = all[o];
}

s32 Lowering::operand(const Statement& s, int list, const Operand& o, Instruction& i) {
    switch (o.kind) {
    case Operand::Register: return registers.offset_of(o.reg);
    case Operand::Immediate:
        if (s.base() == "cp") i.bytes = list == 2 ? u8(o.value) : i.bytes;
        if (s.base() != "cp" && list == int(s.operands.size()) - 1) i.imm = s64(o.value);
        if (s.base() == "cp" && s.operands.size() == 1) i.imm = s64(o.value); // wait_group n
        return constant(o.value, immediate_bits(s, list));
    case Operand::Symbol: return constant(address_of(o.symbol), immediate_bits(s, list));
    case Operand::Address: address(s, list, o, i); return o.reg >= 0 ? registers.offset_of(o.reg) : -1;
    default: return s32(registers.sink);
    }
}

void Lowering::address(const Statement& s, int list, const Operand& o, Instruction& i) {
    s64 offset = s64(o.value) + s64(o.symbol.empty() ? 0 : address_of(o.symbol));
    if (s.base() == "cp") {
        if (o.reg < 0) fail(s, "an address without a register");
        if (list == 0 && body.registers[o.reg].bank == Bank::Double) i.flags |= WideAddress;
        if (list == 0) i.imm = offset;
        else i.second = s32(offset);
        return;
    }
    i.imm = offset;
    if (o.reg >= 0 && body.registers[o.reg].bank == Bank::Double) i.flags |= WideAddress;
}

s32 Lowering::constant(u64 value, int bits) {
    auto [entry, fresh] = constants.insert({{value, bits}, 0});
    if (fresh) {
        size_t at = kernel.constants.size();
        kernel.constants.resize(at + (bits == 64 ? 256 : 128));
        for (int lane = 0; lane < 32; lane++) std::memcpy(&kernel.constants[at + size_t(lane) * bits / 8], &value, size_t(bits) / 8);
        entry->second = s32(at) | constant_bit;
    }
    return entry->second;
}

u64 Lowering::address_of(const std::string& name) const {
    auto found = body.symbols.find(name);
    if (found == body.symbols.end()) throw LoadError(kernel.name + ": unknown name " + name);
    return found->second.address + (found->second.space == Space::Global ? memory : 0);
}

void Lowering::watch(int index, Instruction& i) {
    std::vector<Watch> watches;
    // A move hands an unwritten value on: compilers make such moves, only a use is wrong.
    if (body.code[index].base() != "mov")
        for (int r : registers.reads[index])
            if (watch_index.count(r)) watches.push_back({watch_index[r], false});
    for (int r : registers.writes[index])
        if (watch_index.count(r)) watches.push_back({watch_index[r], true});
    if (watches.empty()) return;
    kernel.checks.push_back(std::move(watches));
    if (kernel.checks.size() > 0xffff) throw LoadError(kernel.name + ": too many registers that are read before they are written");
    i.check = u16(kernel.checks.size());
    if (i.control == Control::None) i.control = Control::Check;
}

std::unique_ptr<Module> load(const std::string& text, const Executor& executor, const std::function<u64(u64)>& allocate) {
    auto module = std::make_unique<Module>();
    std::vector<std::pair<Body, std::unique_ptr<Kernel>>> parsed;
    Parser parser(text, [&](Body& body, Kernel& kernel) { parsed.emplace_back(std::move(body), std::make_unique<Kernel>(std::move(kernel))); });
    parser.run();
    const Globals& globals = parser.variables();
    if (!globals.bytes.empty()) {
        module->memory = allocate(globals.bytes.size());
        std::memcpy(reinterpret_cast<void*>(module->memory & ~device_bit), globals.bytes.data(), globals.bytes.size());
    }
    for (auto& [name, symbol] : globals.symbols)
        if (symbol.space == Space::Global) module->variables[name] = {module->memory + symbol.address, symbol.bytes};
    for (auto& [body, kernel] : parsed) {
        Lowering(body, *kernel, executor, module->memory).run();
        module->kernels[kernel->name] = std::move(kernel);
    }
    return module;
}

} // namespace jedisim
