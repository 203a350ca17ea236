// The characters of a PTX text: white space and comments skipped, lines counted.
#pragma once
#include "common.h"
#include <string_view>

namespace jedisim {

class Scanner {
public:
    explicit Scanner(const std::string& text) : text(text) {}

    [[noreturn]] void fail(const std::string& what) const;
    char peek(); // the next character that is no white space, '\0' at the end
    bool eat(char c);
    void expect(char c);
    // Letters, digits and _ $ % . make a word; "::" too, ":" alone ends it.
    std::string word();
    u64 number();
    static u64 number_of(const std::string& word);
    std::string string(); // between quotes
    std::string rest_of_line();
    void skip_past(char c);

    bool at_end() { return peek() == '\0'; }
    size_t position() { return peek(), at; }
    std::string cut(size_t from) const { return text.substr(from, at - from); }
    int line() const { return current; }

private:
    const std::string& text;
    size_t at = 0;
    int current = 1;
    void skip();
};

} // namespace jedisim
