// The body of a kernel: scopes, registers, labels, statements and their operands.
#include "parser.h"

namespace jedisim {

namespace {
const char* const special_names[] = {"%tid.x", "%tid.y", "%tid.z", "%ntid.x", "%ntid.y", "%ntid.z", "%ctaid.x", "%ctaid.y", "%ctaid.z",
    "%nctaid.x", "%nctaid.y", "%nctaid.z", "%laneid", "%warpid", "%nwarpid", "%dynamic_smem_size", "%total_smem_size", "%clock",
    "%lanemask_eq", "%lanemask_lt", "%lanemask_le", "%lanemask_gt", "%lanemask_ge"};
static_assert(std::size(special_names) == size_t(Special::Count));

std::vector<std::string> cut(const std::string& text) {
    std::vector<std::string> parts;
    size_t from = 0, dot;
    while ((dot = text.find('.', from)) != std::string::npos) parts.push_back(text.substr(from, dot - from)), from = dot + 1;
    parts.push_back(text.substr(from));
    return parts;
}

// One line and single blanks: for reports.
std::string tidy(const std::string& text) {
    std::string result;
    for (char c : text) {
        bool blank = c == '\n' || c == '\t' || c == ' ';
        if (!blank) result += c;
        else if (!result.empty() && result.back() != ' ') result += ' ';
    }
    return result;
}
} // namespace

void Parser::statements() {
    scopes.push_back({-1, {}, {}});
    scope = 0;
    for (;;) {
        size_t start = in.position();
        if (in.at_end()) in.fail("a kernel without an end");
        if (in.eat('{')) {
            scopes.push_back({scope, {}, {}});
            scope = int(scopes.size()) - 1;
        } else if (in.eat('}')) {
            if ((scope = scopes[scope].parent) < 0) return;
        } else if (!in.eat(';')) {
            bool guarded = in.eat('@');
            Operand guard = guarded ? operand() : Operand{};
            statement(in.word(), start, guard, guarded);
        }
    }
}

void Parser::statement(const std::string& word, size_t start, Operand guard, bool guarded) {
    if (!guarded && in.peek() == ':') {
        in.expect(':');
        scopes[scope].labels[word] = int(body.code.size());
        return;
    }
    if (word == ".reg") return register_declaration();
    if (word == ".loc") return location(in.rest_of_line());
    if (word == ".pragma") return in.skip_past(';');
    if (word == ".shared" || word == ".local") {
        std::string name;
        Symbol symbol = declaration(word, name);
        return reserve(name, symbol);
    }
    if (word.empty() || word[0] == '.') in.fail("unknown statement '" + word + "'");
    Statement s;
    s.line = in.line();
    s.scope = scope;
    s.place = place;
    s.inlined = inlined;
    s.guard = guard;
    s.guarded = guarded;
    s.parts = cut(word);
    while (in.peek() != ';') {
        std::vector<Operand> list;
        if (in.eat('{')) {
            do list.push_back(operand());
            while (in.eat(','));
            in.expect('}');
        } else {
            list.push_back(operand());
            if (in.eat('|')) list.push_back(operand());
        }
        s.operands.push_back(std::move(list));
        if (!in.eat(',') && in.peek() != ';') in.fail("',' or ';' expected in " + word);
    }
    s.text = tidy(in.cut(start));
    in.expect(';');
    body.code.push_back(std::move(s));
}

void Parser::register_declaration() {
    std::string type = in.word().substr(1);
    u32 bytes = bytes_of(type);
    Bank bank = type == "pred" ? Bank::Predicate : bytes == 8 ? Bank::Double : Bank::Word;
    auto add = [&](const std::string& name) {
        scopes[scope].registers[name] = int(body.registers.size());
        body.registers.push_back({name, bank});
    };
    do {
        std::string name = in.word();
        if (in.eat('<')) {
            u64 count = in.number();
            in.expect('>');
            for (u64 i = 0; i < count; i++) add(name + std::to_string(i));
        } else {
            add(name);
        }
    } while (in.eat(','));
    in.expect(';');
}

// .loc file line column [, function_name label, inlined_at file line column]
void Parser::location(const std::string& text) {
    inlined = {};
    std::sscanf(text.c_str(), "%d %d", &place.file, &place.line);
    size_t at = text.find("inlined_at");
    if (at != std::string::npos) std::sscanf(text.c_str() + at + 10, "%d %d", &inlined.file, &inlined.line);
}

int Parser::find_register(const std::string& name) {
    for (int s = scope; s >= 0; s = scopes[s].parent) {
        auto found = scopes[s].registers.find(name);
        if (found != scopes[s].registers.end()) return found->second;
    }
    for (int i = 0; i < int(Special::Count); i++) {
        if (name != special_names[i] && !(Special(i) == Special::Clock && name == "%clock_lo")) continue;
        auto [entry, fresh] = body.specials.insert({Special(i), int(body.registers.size())});
        if (fresh) body.registers.push_back({name, Bank::Word});
        return entry->second;
    }
    return -1;
}

int Parser::find_label(int from, const std::string& name) const {
    for (int s = from; s >= 0; s = scopes[s].parent) {
        auto found = scopes[s].labels.find(name);
        if (found != scopes[s].labels.end()) return found->second;
    }
    throw LoadError("unknown label " + name);
}

Operand Parser::address() {
    Operand base = operand();
    s64 offset = base.kind == Operand::Immediate ? s64(base.value) : 0;
    if (in.eat('+')) offset += s64(in.number());
    if (in.peek() == ',') in.fail("tensor addresses are not executed");
    in.expect(']');
    base.kind = Operand::Address;
    base.value = u64(offset);
    return base;
}

Operand Parser::operand() {
    Operand result;
    char c = in.peek();
    if (in.eat('[')) return address();
    if (in.eat('!')) {
        result = operand();
        result.negated = true;
        return result;
    }
    if (c == '-' || (c >= '0' && c <= '9')) {
        result.kind = Operand::Immediate;
        result.value = in.number();
        return result;
    }
    std::string word = in.word();
    if (word.empty()) in.fail(std::string("an operand expected at '") + c + "'");
    if (word == "_") return result;
    if (word == "WARP_SZ") {
        result.kind = Operand::Immediate;
        result.value = 32;
        return result;
    }
    result.reg = find_register(word);
    if (result.reg >= 0) {
        result.kind = Operand::Register;
        return result;
    }
    if (word[0] == '%') in.fail("unknown register " + word);
    result.kind = Operand::Symbol;
    result.symbol = word;
    return result;
}

} // namespace jedisim
