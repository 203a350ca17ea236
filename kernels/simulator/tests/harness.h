// Tests by name, kernels from source, buffers on the device.
#pragma once
#include "cuda.h"
#include <cstring>
#include <functional>
#include <string>
#include <vector>

using u8 = uint8_t;
using u16 = uint16_t;
using u32 = uint32_t;
using u64 = uint64_t;
using s8 = int8_t;
using s16 = int16_t;
using s32 = int32_t;
using s64 = int64_t;

struct Test {
    Test(const char* name, void (*body)());
};
#define TEST(name)                        \
    static void test_##name();            \
    static Test register_##name(#name, test_##name); \
    static void test_##name()

// A test that goes on no further; main tells why.
[[noreturn]] void give_up(const std::string& why);
void check(bool truth, const std::string& what);
void check_equal(s64 actual, s64 expected, const std::string& what);
void ok(int result, const std::string& what); // the driver's result must be 0

// PTX of CUDA source by NVRTC; kept, so that equal sources are compiled once. `name` is what #line and reports call it.
const std::string& compile(const std::string& source, const std::string& name = "kernel.cu");

class Buffer {
public:
    explicit Buffer(size_t bytes);
    template<class T> explicit Buffer(const std::vector<T>& values) : Buffer(values.size() * sizeof(T)) { put(values.data()); }
    Buffer(const Buffer&) = delete;
    ~Buffer();
    void put(const void* from);
    template<class T> std::vector<T> get() const {
        std::vector<T> values(bytes / sizeof(T));
        ok(cuMemcpyDtoH_v2(values.data(), address, bytes), "cuMemcpyDtoH");
        return values;
    }
    u64 address = 0;
    size_t bytes;
};

struct Size { unsigned x = 1, y = 1, z = 1; };

class Module {
public:
    explicit Module(const std::string& source, const std::string& name = "kernel.cu");
    Module(const Module&) = delete;
    ~Module();
    void* function(const char* name);
    // Gives the driver's result; each argument is passed by its address.
    template<class... A> int give(const char* kernel, Size grid, Size block, unsigned shared, void* stream, A... arguments) {
        void* list[] = {&arguments..., nullptr};
        return cuLaunchKernel(function(kernel), grid.x, grid.y, grid.z, block.x, block.y, block.z, shared, stream, list, nullptr);
    }
    // Launches and waits.
    template<class... A> int run(const char* kernel, Size grid, Size block, unsigned shared, A... arguments) {
        int result = give(kernel, grid, block, shared, nullptr, arguments...);
        return result ? result : cuCtxSynchronize();
    }
    void* handle = nullptr;
};

// A sound context, after a fault too; options as they are without JEDISIM_ variables.
void fresh_context();
void set(const char* name, const char* value);
std::string last_fault();
std::string report();
// The number after "name": in the report, from `from` on.
u64 count_of(const std::string& report, const std::string& name, size_t from = 0);

// Random bits with a good share of special values in them.
struct Random {
    u64 state;
    explicit Random(u64 seed) : state(seed * 0x9e3779b97f4a7c15ull + 1) {}
    u32 bits() { return state = state * 6364136223846793005ull + 1442695040888963407ull, u32(state >> 32); }
    float unit() { return float(bits() >> 8) / 16777216.f; }
    int below(int n) { return int(bits() % u32(n)); }
};

// What every source starts with.
extern const char* const prelude;
