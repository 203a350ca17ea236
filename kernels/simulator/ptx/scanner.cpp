#include "scanner.h"
#include <cctype>

namespace jedisim {

namespace {
bool in_word(char c) { return std::isalnum(u8(c)) || c == '_' || c == '$' || c == '%' || c == '.'; }
} // namespace

void Scanner::fail(const std::string& what) const { throw LoadError("ptx line " + std::to_string(current) + ": " + what); }

void Scanner::skip() {
    for (;;) {
        while (at < text.size() && std::isspace(u8(text[at]))) current += text[at++] == '\n';
        if (text.compare(at, 2, "//") == 0) {
            while (at < text.size() && text[at] != '\n') at++;
        } else if (text.compare(at, 2, "/*") == 0) {
            size_t end = text.find("*/", at);
            if (end == std::string::npos) fail("a comment without an end");
            while (at < end + 2) current += text[at++] == '\n';
        } else {
            return;
        }
    }
}

char Scanner::peek() {
    skip();
    return at < text.size() ? text[at] : '\0';
}

bool Scanner::eat(char c) {
    if (peek() != c) return false;
    at++;
    return true;
}

void Scanner::expect(char c) {
    if (!eat(c)) fail(std::string("'") + c + "' expected at '" + text.substr(at, 20) + "'");
}

std::string Scanner::word() {
    skip();
    size_t from = at;
    while (at < text.size()) {
        if (in_word(text[at])) at++;
        else if (text[at] == ':' && text.compare(at, 2, "::") == 0) at += 2;
        else break;
    }
    return text.substr(from, at - from);
}

u64 Scanner::number_of(const std::string& word) {
    bool bits = word.size() > 2 && word[0] == '0' && ((word.size() == 10 && (word[1] | 32) == 'f') || (word.size() == 18 && (word[1] | 32) == 'd'));
    char* end = nullptr;
    u64 value = bits ? std::strtoull(word.c_str() + 2, &end, 16) : std::strtoull(word.c_str(), &end, 0);
    while (*end == 'U' || *end == 'u') end++;
    if (word.empty() || *end) throw LoadError("not a number: '" + word + "'");
    return value;
}

u64 Scanner::number() {
    bool negative = eat('-');
    u64 value = number_of(word());
    return negative ? 0 - value : value;
}

std::string Scanner::string() {
    expect('"');
    size_t end = text.find('"', at);
    if (end == std::string::npos) fail("a string without an end");
    std::string result = text.substr(at, end - at);
    at = end + 1;
    return result;
}

std::string Scanner::rest_of_line() {
    size_t end = std::min(text.find('\n', at), text.size());
    std::string result = text.substr(at, end - at);
    at = end;
    return result;
}

void Scanner::skip_past(char c) {
    while (at < text.size() && text[at] != c) current += text[at++] == '\n';
    if (at < text.size()) at++;
}

} // namespace jedisim
