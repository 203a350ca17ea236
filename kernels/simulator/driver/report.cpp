// What a real driver does not have: options, counts and the text of the last fault. Names begin with jedisim.
#include "state.h"
#include <cstdlib>

using namespace jedisim;

namespace {
std::string quoted(const std::string& text) {
    std::string result = "\"";
    for (char c : text) {
        if (c == '"' || c == '\\') result += '\\';
        if (c == '\n') result += "\\n";
        else result += c;
    }
    return result + '"';
}

std::string pair(const char* name, u64 value) { return quoted(name) + ":" + std::to_string(value); }

std::string json(const Site& s) {
    return pair("executed", s.executed) + "," + pair("requests", s.requests) + "," + pair("units", s.units) + "," + pair("ideal", s.ideal) +
           "," + pair("bytes", s.bytes);
}

std::string json(const std::string& name, const Totals& t) {
    std::string text = "{" + quoted("kernel") + ":" + quoted(name) + "," + pair("launches", t.launches) + "," + pair("blocks", t.blocks) +
                       "," + pair("threads", t.threads) + "," + pair("instructions", t.instructions) + ",\"pipes\":{";
    for (int p = 0; p < pipe_count; p++) text += (p ? "," : "") + pair(name_of(Pipe(p)), t.pipes[p]);
    text += "},\"sites\":[";
    bool first = true;
    for (auto& [key, site] : t.sites) {
        text += (first ? "" : ",") + std::string("{\"line\":") + quoted(key.first) + ",\"opcode\":" + quoted(key.second) + "," +
                json(site) + "}";
        first = false;
    }
    return text + "]}";
}

// ascending, descending, seed:7
bool set_order(Options& o, const std::string& value) {
    if (value.empty() || value == "ascending") o.order = Order::Ascending;
    else if (value == "descending") o.order = Order::Descending;
    else if (value.rfind("seed:", 0) == 0) o.order = Order::Seeded, o.seed = std::strtoull(value.c_str() + 5, nullptr, 10);
    else return false;
    return true;
}

bool set(Options& o, const std::string& name, const std::string& value) {
    if (name == "order") return set_order(o, value);
    u64 number = std::strtoull(value.c_str(), nullptr, 10);
    if (name == "race") o.race = number;
    else if (name == "alike") o.alike = number;
    else if (name == "count") o.count = number;
    else if (name == "threads") o.threads = int(std::max<u64>(1, number));
    else if (name == "budget") o.budget = number;
    else if (name == "execute") o.execute = number;
    else return false;
    return true;
}

// JEDISIM_ORDER and so on, once.
const bool from_environment = [] {
    Options& o = driver().options;
    if (unsigned processors = std::thread::hardware_concurrency()) o.threads = int(processors);
    for (const char* name : {"order", "race", "alike", "count", "threads", "budget", "execute"}) {
        std::string variable = "JEDISIM_";
        for (const char* c = name; *c; c++) variable += char(*c - 32);
        const char* value = std::getenv(variable.c_str());
        if (value && *value && !set(o, name, value)) std::fprintf(stderr, "jedisim: %s cannot be '%s'\n", variable.c_str(), value);
    }
    return true;
}();
} // namespace

// order: ascending | descending | seed:N; race, count, execute: 0 | 1; alike, threads, budget: numbers. For launches that are
// done from now on.
JEDISIM_EXPORT int jedisimSet(const char* name, const char* value) {
    return guarded([&](Driver& d) -> int { return set(d.options, name, value) ? Success : InvalidValue; });
}

// The counts since the last reset as JSON. Gives the bytes that it takes with the ending zero; fills the buffer as far as it goes.
JEDISIM_EXPORT size_t jedisimReport(char* buffer, size_t size) {
    Driver& d = driver();
    std::lock_guard lock(d.lock);
    std::string text = "{" + pair("allocations", d.allocation_calls) + "," + pair("launches", d.launches) + "," +
                       pair("graphLaunches", d.graph_launches) + "," + pair("copies", d.copies) + "," +
                       pair("copiedBytes", d.copied_bytes) + "," + pair("pageableCopies", d.pageable_copies) + "," +
                       pair("bytesUnderWay", d.under_way) + "," + pair("mostBytesUnderWay", d.most_under_way) + "," +
                       quoted("readHash") + ":" + quoted(std::to_string(d.read_hash)) + "," + pair("products", d.products) + ",\"kernels\":[";
    bool first = true;
    for (auto& [name, totals] : d.totals) text += (first ? "" : ",") + json(name, totals), first = false;
    text += "]}";
    if (buffer && size) std::snprintf(buffer, size, "%s", text.c_str());
    return text.size() + 1;
}

JEDISIM_EXPORT int jedisimReset() {
    return guarded([&](Driver& d) -> int {
        d.totals.clear();
        d.allocation_calls = d.launches = d.graph_launches = d.copies = d.copied_bytes = d.pageable_copies = d.products = d.read_hash = 0;
        d.most_under_way = d.under_way;
        d.last_fault.clear();
        d.fault_texts.clear();
        return Success;
    });
}

// The last fault of a kernel, or what was wrong with the last PTX; "" where there was none. As jedisimReport.
JEDISIM_EXPORT size_t jedisimLastFault(char* buffer, size_t size) {
    Driver& d = driver();
    std::lock_guard lock(d.lock);
    if (buffer && size) std::snprintf(buffer, size, "%s", d.last_fault.c_str());
    return d.last_fault.size() + 1;
}
