// Modules, functions and launches.
#include "state.h"
#include <algorithm>
#include <cstdio>

using namespace jedisim;

namespace {
constexpr int most_shared = 166912; // of a block, as an A100 has it; without asking 48 KB

int load_module(void** result, const void* image, std::string& log) {
    return with_context([&](Driver& d, Context& c) -> int {
        if (int forbidden = d.forbidden()) return forbidden;
        if (!image || !result) return InvalidValue;
        // Machine code, alone or in a fat binary: a driver without the matching GPU says the same, and gets the PTX.
        u32 magic;
        std::memcpy(&magic, image, 4);
        if (std::memcmp(image, "\177ELF", 4) == 0 || magic == 0xba55ed50u || magic == 0x466243b1u) return NoBinaryForGpu;
        auto loaded = std::make_unique<LoadedModule>();
        loaded->context = &c;
        try {
            loaded->code = load(static_cast<const char*>(image), *d.executor, [&](u64 bytes) {
                u64 memory = d.allocate(&c, bytes, false);
                if (!memory) throw std::bad_alloc();
                return memory;
            });
        } catch (const LoadError& error) {
            log = d.last_fault = error.what();
            d.fault_texts[InvalidPtx] = log;
            std::fprintf(stderr, "jedisim: %s\n", error.what());
            return InvalidPtx;
        }
        for (auto& [name, kernel] : loaded->code->kernels) {
            auto function = std::make_unique<Function>(Function{kernel.get(), loaded.get()});
            d.functions.insert(function.get());
            loaded->functions[name] = std::move(function);
        }
        d.modules.insert(loaded.get());
        *result = loaded.release();
        return Success;
    });
}

// Adds what a launch did to the kernel's totals.
void count(Driver& d, const Launch& l, const LaunchResult& r) {
    const Kernel& kernel = *l.kernel;
    Totals& t = d.totals[kernel.name];
    u64 blocks = u64(l.grid[0]) * l.grid[1] * l.grid[2];
    t.launches++, t.blocks += blocks, t.threads += blocks * l.block[0] * l.block[1] * l.block[2], t.instructions += r.instructions;
    d.launches++;
    for (u32 pc = 0; pc < r.sites.size(); pc++) {
        const Site& site = r.sites[pc];
        if (!site.executed) continue;
        t.pipes[int(kernel.source[pc].pipe)] += site.executed;
        if (site.requests || kernel.source[pc].pipe == Pipe::Tensor) t.sites[{kernel.line_of(pc), kernel.source[pc].opcode}].add(site);
    }
}

// Whether as many launches of this kernel, with this grid and these arguments but for addresses, were watched as shall be. Which of the
// addresses are equal, and how they are aligned, is part of it.
bool watched_enough(Driver& d, const Launch& l, const std::vector<u8>& parameters) {
    std::string key(reinterpret_cast<const char*>(l.grid), sizeof l.grid);
    key.append(reinterpret_cast<const char*>(l.block), sizeof l.block);
    key.append(reinterpret_cast<const char*>(&l.dynamic_shared), sizeof l.dynamic_shared);
    std::vector<u64> addresses;
    for (size_t at = 0; at + 8 <= parameters.size(); at += 8) {
        u64 word;
        std::memcpy(&word, &parameters[at], 8);
        if (word >> 47 == device_bit >> 47) {
            size_t same = size_t(std::find(addresses.begin(), addresses.end(), word) - addresses.begin());
            if (same == addresses.size()) addresses.push_back(word);
            word = device_bit | same << 8 | word % 128;
        }
        key.append(reinterpret_cast<const char*>(&word), 8);
    }
    return d.totals[l.kernel->name].watched[key]++ >= l.options.alike;
}

void run_kernel(const Launch& launch, const std::vector<u8>& parameters) {
    Driver& d = driver();
    if (d.ranges.empty())
        for (auto& [start, a] : d.allocations) d.ranges.push_back({start, a.bytes});
    Launch l = launch;
    l.parameters = parameters.data();
    l.memory = &d.ranges;
    l.options = d.options;
    LaunchResult result;
    if (!l.options.execute) return count(d, l, result);
    if (l.options.race && l.options.alike) l.options.race = !watched_enough(d, l, parameters);
    d.executor->launch(l, result);
    count(d, l, result);
    if (!result.race_count) return;
    std::string text = std::to_string(result.race_count) + " races on shared memory";
    for (auto& race : result.races) text += "\n  " + race;
    throw Fault(LaunchFailed, text);
}

int check(const Launch& l, const Function& f) {
    u64 threads = u64(l.block[0]) * l.block[1] * l.block[2];
    for (int axis = 0; axis < 3; axis++)
        if (!l.grid[axis] || !l.block[axis]) return InvalidValue;
    if (threads > 1024 || l.block[2] > 64 || l.grid[0] > 0x7fffffffu || l.grid[1] > 65535 || l.grid[2] > 65535) return InvalidValue;
    if (l.dynamic_shared > u32(f.max_dynamic)) return InvalidValue;
    if (l.dynamic_shared + f.kernel->shared_bytes > u32(most_shared)) return InvalidValue;
    return threads > f.kernel->max_threads ? OutOfResources : Success;
}

std::vector<u8> gather(const Kernel& kernel, void** parameters, void** extra, int& error) {
    std::vector<u8> bytes(kernel.parameter_bytes + 16);
    error = Success;
    if (parameters) {
        for (size_t p = 0; p < kernel.parameters.size(); p++)
            std::memcpy(&bytes[kernel.parameters[p].offset], parameters[p], kernel.parameters[p].size);
    } else if (extra) {
        const void* buffer = nullptr;
        size_t size = 0;
        for (; *extra; extra += 2) {
            if (*extra == reinterpret_cast<void*>(1)) buffer = extra[1];
            else if (*extra == reinterpret_cast<void*>(2)) size = *static_cast<size_t*>(extra[1]);
        }
        if (!buffer || size > bytes.size()) error = InvalidValue;
        else std::memcpy(bytes.data(), buffer, size);
    } else if (!kernel.parameters.empty()) {
        error = InvalidValue;
    }
    return bytes;
}
} // namespace

JEDISIM_EXPORT int cuModuleLoadData(void** module, const void* image) {
    std::string log;
    return load_module(module, image, log);
}

// Of the options, the buffer for errors is filled (5 the buffer, 6 its size).
JEDISIM_EXPORT int cuModuleLoadDataEx(void** module, const void* image, unsigned count, int* options, void** values) {
    std::string log;
    int result = load_module(module, image, log);
    char* buffer = nullptr;
    size_t size = 0;
    for (unsigned i = 0; i < count; i++) {
        if (options[i] == 5) buffer = static_cast<char*>(values[i]);
        if (options[i] == 6) size = reinterpret_cast<size_t>(values[i]) & 0xffffffffu;
    }
    if (buffer && size) std::snprintf(buffer, size, "%s", log.c_str());
    return result;
}

JEDISIM_EXPORT int cuModuleUnload(void* module) {
    return with_context([&](Driver& d, Context& c) -> int {
        auto* m = static_cast<LoadedModule*>(module);
        if (!d.modules.count(m)) return InvalidHandle;
        if (int result = d.forbidden()) return result;
        int result = d.drain(&c);
        for (auto& [name, function] : m->functions) d.functions.erase(function.get());
        if (m->code->memory) d.release(m->code->memory);
        d.modules.erase(m);
        delete m;
        return result;
    });
}

JEDISIM_EXPORT int cuModuleGetFunction(void** function, void* module, const char* name) {
    return with_context([&](Driver& d, Context&) -> int {
        auto* m = static_cast<LoadedModule*>(module);
        if (!d.modules.count(m)) return InvalidHandle;
        auto found = m->functions.find(name);
        return found == m->functions.end() ? NotFound : (*function = found->second.get(), Success);
    });
}

JEDISIM_EXPORT int cuModuleGetGlobal_v2(u64* address, size_t* bytes, void* module, const char* name) {
    return with_context([&](Driver& d, Context&) -> int {
        auto* m = static_cast<LoadedModule*>(module);
        if (!d.modules.count(m)) return InvalidHandle;
        auto found = m->code->variables.find(name);
        if (found == m->code->variables.end()) return NotFound;
        if (address) *address = found->second.address;
        if (bytes) *bytes = found->second.bytes;
        return Success;
    });
}

// Only the size of dynamic shared memory (8) means something here; what is asked for less often is accepted.
JEDISIM_EXPORT int cuFuncSetAttribute(void* function, int attribute, int value) {
    return with_context([&](Driver& d, Context&) -> int {
        auto* f = static_cast<Function*>(function);
        if (!d.functions.count(f)) return InvalidHandle;
        if (attribute != 8) return attribute == 9 ? Success : InvalidValue;
        if (value < 0 || value + s64(f->kernel->shared_bytes) > most_shared) return InvalidValue;
        return f->max_dynamic = value, Success;
    });
}

JEDISIM_EXPORT int cuFuncGetAttribute(int* value, int attribute, void* function) {
    return with_context([&](Driver& d, Context&) -> int {
        auto* f = static_cast<Function*>(function);
        if (!d.functions.count(f)) return InvalidHandle;
        const Kernel& k = *f->kernel;
        const int values[] = {
            int(k.max_threads), int(k.shared_bytes), 0, int(k.local_bytes), int(k.words + 2 * k.doubles), 80, 80, 0, f->max_dynamic, -1};
        return attribute < 0 || attribute > 9 ? InvalidValue : (*value = values[attribute], Success);
    });
}

JEDISIM_EXPORT int cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                                  unsigned shared, void* handle, void** parameters, void** extra) {
    return with_context([&](Driver& d, Context& c) -> int {
        auto* f = static_cast<Function*>(function);
        Stream* stream = stream_of(d, c, handle);
        if (!d.functions.count(f) || !stream) return InvalidHandle;
        Launch launch{f->kernel, {gx, gy, gz}, {bx, by, bz}, shared, nullptr, nullptr, {}};
        if (int result = check(launch, *f)) return result;
        int error;
        std::vector<u8> bytes = gather(*f->kernel, parameters, extra, error);
        if (error) return error;
        return d.give(stream, {Operation::Kernel, [launch, bytes = std::move(bytes)] { run_kernel(launch, bytes); }});
    });
}
