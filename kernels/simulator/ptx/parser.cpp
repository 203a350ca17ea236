#include "parser.h"

namespace jedisim {

namespace {
u32 round_up(u64 value, u32 to) { return u32((value + to - 1) / to * to); }

Space space_of(const std::string& word) {
    if (word == ".shared") return Space::Shared;
    if (word == ".local") return Space::Local;
    return word == ".param" ? Space::Param : Space::Global;
}

bool is_state_space(const std::string& word) { return word == ".global" || word == ".const" || word == ".shared" || word == ".local"; }
} // namespace

void Parser::run() {
    bool outside = false;
    while (!in.at_end()) {
        std::string word = in.word();
        if (word == ".version" || word == ".target" || word == ".address_size") in.rest_of_line();
        else if (word == ".extern") outside = true;
        else if (word == ".visible" || word == ".weak" || word == ".common") continue;
        else if (word == ".entry") entry();
        else if (word == ".func") in.fail("calls are not executed: make the function __forceinline__, and leave out printf and assert");
        else if (is_state_space(word)) {
            std::string name;
            Symbol symbol = declaration(word, name);
            symbol.outside = outside;
            outside = false;
            globals.symbols[name] = symbol;
            in.expect(';');
        } else if (word == ".file") {
            int number = int(in.number());
            (*files)[number] = in.string();
            in.rest_of_line();
        } else if (word == ".section") in.skip_past('}');
        else in.fail("unknown at the top level: '" + word + "'");
    }
}

// [.align n] .type name[dimensions] [= values]
Symbol Parser::declaration(const std::string& space, std::string& name) {
    Symbol symbol;
    symbol.space = space_of(space);
    u32 element = 0;
    for (;;) {
        std::string word = in.word();
        if (word == ".align") symbol.align = u32(in.number());
        else if (word == ".ptr" || is_state_space(word)) continue;
        else if (word.empty()) in.fail("a declaration without a name");
        else if (word[0] == '.') element = bytes_of(word.substr(1));
        else {
            name = word;
            break;
        }
    }
    symbol.align = std::max(symbol.align, element);
    u64 bytes = element;
    while (in.eat('[')) {
        bytes = in.peek() == ']' ? 0 : bytes * in.number();
        in.expect(']');
    }
    symbol.bytes = u32(bytes);
    if (symbol.space == Space::Global) {
        symbol.address = round_up(globals.bytes.size(), symbol.align);
        globals.bytes.resize(symbol.address + symbol.bytes);
        if (in.eat('=')) initial_value(symbol, element);
    }
    return symbol;
}

void Parser::initial_value(const Symbol& symbol, u32 element) {
    u64 at = symbol.address;
    auto one = [&] {
        u64 value = in.number();
        if (at + element > symbol.address + symbol.bytes) in.fail("more values than the variable holds");
        std::memcpy(&globals.bytes[at], &value, element);
        at += element;
    };
    if (!in.eat('{')) return one();
    do one();
    while (in.eat(','));
    in.expect('}');
}

void Parser::entry() {
    body = {};
    kernel = {};
    scopes.clear();
    scope = -1;
    place = inlined = {};
    kernel.name = in.word();
    kernel.files = files;
    if (in.eat('(')) parameters();
    directives();
    in.expect('{');
    statements();
    finish();
    done(body, kernel);
}

void Parser::parameters() {
    if (in.eat(')')) return;
    do {
        in.word(); // .param
        std::string name;
        Symbol symbol = declaration(".param", name);
        symbol.address = round_up(kernel.parameter_bytes, symbol.align);
        kernel.parameters.push_back({u32(symbol.address), symbol.bytes});
        kernel.parameter_bytes = u32(symbol.address) + symbol.bytes;
        body.symbols[name] = symbol;
    } while (in.eat(','));
    in.expect(')');
}

// .maxntid and the like, up to the body
void Parser::directives() {
    while (in.peek() != '{') {
        std::string word = in.word();
        if (word.empty() || word[0] != '.') in.fail("'{' expected");
        u32 product = 1;
        if (in.peek() != '.' && in.peek() != '{')
            do product *= u32(in.number());
            while (in.eat(','));
        if (word == ".maxntid" || word == ".reqntid") kernel.max_threads = product;
    }
}

void Parser::reserve(const std::string& name, Symbol symbol) {
    u32& top = symbol.space == Space::Shared ? kernel.shared_bytes : kernel.local_bytes;
    symbol.address = round_up(top, symbol.align);
    top = u32(symbol.address) + symbol.bytes;
    body.symbols[name] = symbol;
}

// Dynamic shared memory follows what is declared with a size.
void Parser::finish() {
    for (auto& statement : body.code) {
        for (auto& list : statement.operands) {
            for (auto& operand : list) {
                if (operand.symbol.empty() || statement.base() == "bra" || body.symbols.count(operand.symbol)) continue;
                auto found = globals.symbols.find(operand.symbol);
                if (found == globals.symbols.end()) throw LoadError("ptx line " + std::to_string(statement.line) + ": unknown name " + operand.symbol);
                if (found->second.space == Space::Shared && found->second.bytes) reserve(operand.symbol, found->second);
                else if (found->second.space != Space::Shared) body.symbols[operand.symbol] = found->second;
            }
        }
        if (statement.base() == "bra") statement.target = find_label(statement.scope, statement.operands.at(0).at(0).symbol);
    }
    u32 dynamic = round_up(kernel.shared_bytes, 16);
    for (auto& [name, symbol] : globals.symbols)
        if (symbol.space == Space::Shared && !symbol.bytes) dynamic = round_up(dynamic, symbol.align);
    for (auto& [name, symbol] : globals.symbols) {
        if (symbol.space != Space::Shared || symbol.bytes) continue;
        body.symbols[name] = symbol;
        body.symbols[name].address = dynamic;
        kernel.shared_bytes = dynamic;
    }
}

} // namespace jedisim
