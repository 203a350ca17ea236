// PTX text -> statements, registers and symbols of each kernel.
#pragma once
#include "scanner.h"
#include "syntax.h"
#include <functional>

namespace jedisim {

// What stands around the kernels: variables with their initial bytes.
struct Globals {
    std::map<std::string, Symbol> symbols; // addresses are offsets into bytes until the module has its memory
    std::vector<u8> bytes;
};

class Parser {
public:
    // done: called after each kernel.
    Parser(const std::string& text, std::function<void(Body&, Kernel&)> done) : in(text), done(std::move(done)) {}
    void run();
    const Globals& variables() const { return globals; }
    std::shared_ptr<std::map<int, std::string>> files = std::make_shared<std::map<int, std::string>>();

private:
    Scanner in;
    std::function<void(Body&, Kernel&)> done;
    Globals globals;

    struct Scope { int parent; std::map<std::string, int> registers, labels; };
    Body body;
    Kernel kernel;
    std::vector<Scope> scopes;
    int scope = -1;
    Place place, inlined;

    Symbol declaration(const std::string& space, std::string& name);
    void initial_value(const Symbol& symbol, u32 element);
    void entry();
    void parameters();
    void directives();
    void statements();
    void statement(const std::string& first, size_t start, Operand guard, bool guarded);
    void register_declaration();
    void reserve(const std::string& name, Symbol symbol);
    void location(const std::string& text);
    Operand operand();
    Operand address();
    int find_register(const std::string& name);
    int find_label(int from, const std::string& name) const;
    void finish();
};

} // namespace jedisim
