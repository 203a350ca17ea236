#include "harness.h"
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <map>

namespace {
struct Failure { std::string why; };
struct Case { const char* name; void (*body)(); };

std::vector<Case>& cases() {
    static std::vector<Case> all;
    return all;
}

// NVRTC, opened from JEDISIM_NVRTC or the folder that the build names.
struct Compiler {
    int (*create)(void**, const char*, const char*, int, const char**, const char**);
    int (*compile)(void*, int, const char**);
    int (*log_size)(void*, size_t*);
    int (*log)(void*, char*);
    int (*ptx_size)(void*, size_t*);
    int (*ptx)(void*, char*);
    int (*destroy)(void**);
    std::string missing;

    Compiler() {
        const char* named = std::getenv("JEDISIM_NVRTC");
        std::string folder = named && *named ? named : JEDISIM_NVRTC_FOLDER;
        dlopen((folder + "/libnvrtc-builtins.so.12.4").c_str(), RTLD_NOW);
        void* library = dlopen((folder + "/libnvrtc.so.12").c_str(), RTLD_NOW);
        if (!library) library = dlopen("libnvrtc.so.12", RTLD_NOW);
        if (!library) {
            missing = "no NVRTC in " + folder + " (kernels/simulator/get-nvrtc brings it)";
            return;
        }
        auto take = [&](auto& function, const char* name) {
            function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
        };
        take(create, "nvrtcCreateProgram"), take(compile, "nvrtcCompileProgram"), take(log_size, "nvrtcGetProgramLogSize");
        take(log, "nvrtcGetProgramLog"), take(ptx_size, "nvrtcGetPTXSize"), take(ptx, "nvrtcGetPTX"), take(destroy, "nvrtcDestroyProgram");
    }
};

Compiler& compiler() {
    static Compiler instance;
    return instance;
}
} // namespace

const char* const prelude = R"(typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32; typedef unsigned long long u64;
typedef signed char s8; typedef short s16; typedef int s32; typedef long long s64;
)";

Test::Test(const char* name, void (*body)()) { cases().push_back({name, body}); }

void give_up(const std::string& why) { throw Failure{why}; }

void check(bool truth, const std::string& what) {
    if (!truth) give_up(what);
}

void check_equal(s64 actual, s64 expected, const std::string& what) {
    if (actual != expected) give_up(what + ": " + std::to_string(actual) + ", expected " + std::to_string(expected));
}

void ok(int result, const std::string& what) {
    if (!result) return;
    const char* text = nullptr;
    cuGetErrorString(result, &text);
    give_up(what + ": " + std::to_string(result) + ", " + (text ? text : "?"));
}

const std::string& compile(const std::string& source, const std::string& name) {
    static std::map<std::string, std::string> known;
    auto [entry, fresh] = known.insert({name + '\n' + source, ""});
    if (!fresh) return entry->second;
    Compiler& c = compiler();
    void* program;
    const char* options[] = {"--gpu-architecture=compute_80", "--std=c++17", "-lineinfo"};
    c.create(&program, source.c_str(), name.c_str(), 0, nullptr, nullptr);
    int result = c.compile(program, 3, options);
    size_t size = 0;
    if (result) {
        c.log_size(program, &size);
        std::string log(size, '\0');
        c.log(program, log.data());
        give_up("does not compile: " + log);
    }
    c.ptx_size(program, &size);
    entry->second.resize(size);
    c.ptx(program, entry->second.data());
    c.destroy(&program);
    return entry->second;
}

Buffer::Buffer(size_t bytes) : bytes(bytes) { ok(cuMemAlloc_v2(&address, bytes), "cuMemAlloc"); }
Buffer::~Buffer() { cuMemFree_v2(address); }
void Buffer::put(const void* from) { ok(cuMemcpyHtoD_v2(address, from, bytes), "cuMemcpyHtoD"); }

Module::Module(const std::string& source, const std::string& name) {
    ok(cuModuleLoadData(&handle, compile(prelude + std::string("#line 1\n") + source, name).c_str()), "cuModuleLoadData");
}
Module::~Module() { cuModuleUnload(handle); }

void* Module::function(const char* name) {
    void* result = nullptr;
    ok(cuModuleGetFunction(&result, handle, name), std::string("cuModuleGetFunction ") + name);
    return result;
}

void set(const char* name, const char* value) { ok(jedisimSet(name, value), std::string("jedisimSet ") + name); }

void fresh_context() {
    void* context;
    cuDevicePrimaryCtxReset_v2(0);
    ok(cuInit(0), "cuInit");
    ok(cuDevicePrimaryCtxRetain(&context, 0), "cuDevicePrimaryCtxRetain");
    ok(cuCtxSetCurrent(context), "cuCtxSetCurrent");
    set("order", "ascending"), set("race", "1"), set("alike", "0"), set("count", "0"), set("execute", "1"), set("budget", "3000000");
    jedisimReset();
}

namespace {
std::string text_of(size_t (*get)(char*, size_t)) {
    std::string text(get(nullptr, 0), '\0');
    get(text.data(), text.size());
    text.pop_back();
    return text;
}
} // namespace

std::string last_fault() { return text_of(jedisimLastFault); }
std::string report() { return text_of(jedisimReport); }

u64 count_of(const std::string& report, const std::string& name, size_t from) {
    size_t at = report.find("\"" + name + "\":", from);
    if (at == std::string::npos) give_up("no " + name + " in the report");
    return std::strtoull(report.c_str() + at + name.size() + 3, nullptr, 10);
}

// Arguments: --list, or names of tests; none: all. A line for each test: "passed NAME", "failed NAME: why", "skipped NAME: why".
int main(int argc, char** argv) {
    int passed = 0, failed = 0, skipped = 0;
    if (argc == 2 && std::string(argv[1]) == "--list") {
        for (auto& test : cases()) std::printf("%s\n", test.name);
        return 0;
    }
    for (auto& test : cases()) {
        bool wanted = argc < 2;
        for (int i = 1; i < argc; i++) wanted |= std::string(argv[i]) == test.name;
        if (!wanted) continue;
        if (!compiler().missing.empty()) {
            skipped++;
            std::printf("skipped %s: %s\n", test.name, compiler().missing.c_str());
            continue;
        }
        try {
            fresh_context();
            test.body();
            passed++;
            std::printf("passed %s\n", test.name);
        } catch (const Failure& failure) {
            failed++;
            std::string why = failure.why;
            for (char& c : why) c = c == '\n' ? ' ' : c;
            std::printf("failed %s: %s\n", test.name, why.c_str());
        }
        std::fflush(stdout);
    }
    std::printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed != 0;
}
