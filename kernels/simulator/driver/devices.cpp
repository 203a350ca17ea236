// Devices and contexts.
#include "state.h"
#include <cstdlib>
#include <string>

using namespace jedisim;

namespace {
// CU_DEVICE_ATTRIBUTE_*, as an A100 has them.
const std::map<int, int> attributes{
    {1, 1024},      {2, 1024},        {3, 1024},   {4, 64},       {5, 2147483647}, {6, 65535},   {7, 65535}, {8, 49152},    {9, 65536},
    {10, 32},       {11, 2147483647}, {12, 65536}, {13, 1410000}, {14, 512},       {15, 1},      {16, 108},  {17, 0},       {18, 0},
    {19, 1},        {20, 0},          {31, 1},     {32, 0},       {33, 0},         {34, 0},      {35, 0},    {36, 1215000}, {37, 5120},
    {38, 41943040}, {39, 2048},       {40, 3},     {41, 1},       {75, 8},         {76, 0},      {78, 1},    {79, 1},       {80, 1},
    {81, 167936},   {82, 65536},      {83, 0},     {89, 0},       {95, 1},         {97, 166912}, {106, 32},  {111, 1024},   {115, 0}};

// What other GPUs have otherwise, by the name in JEDISIM_GPU: programs choose their kernels by it.
const std::map<std::string, std::map<int, int>> others{
    {"a100", {}},
    {"rtx3090", {{16, 82}, {75, 8}, {76, 6}, {39, 1536}, {81, 102400}, {97, 101376}, {106, 16}}},
    {"rtx4090", {{16, 128}, {75, 8}, {76, 9}, {39, 1536}, {81, 102400}, {97, 101376}, {106, 24}}},
    {"h100", {{16, 132}, {75, 9}, {76, 0}, {81, 233472}, {97, 232448}, {106, 32}}}};

int attribute_of(int attribute) {
    const char* name = std::getenv("JEDISIM_GPU");
    auto other = others.find(name ? name : "a100");
    if (other != others.end())
        if (auto found = other->second.find(attribute); found != other->second.end()) return found->second;
    auto found = attributes.find(attribute);
    return found == attributes.end() ? 0 : found->second;
}

int visible_devices(int count) {
    const char* text = std::getenv("CUDA_VISIBLE_DEVICES");
    if (!text) return count;
    int visible = 0;
    for (const char* at = text; *at;) {
        char* end;
        long index = std::strtol(at, &end, 10);
        if (end == at || index < 0 || index >= count) break;
        visible++;
        at = *end == ',' ? end + 1 : end;
    }
    return visible;
}

int initialize(Driver& d) {
    load_executor(d);
    if (!d.executor) return Unknown;
    d.devices = visible_devices(d.devices);
    if (d.devices <= 0) return NoDevice;
    d.initialized = true;
    return Success;
}

template<class F> int with_device(int device, F body) {
    return guarded([&](Driver& d) -> int {
        if (!d.initialized) return NotInitialized;
        return device < 0 || device >= d.devices ? InvalidDevice : body(d);
    });
}

Context* make_context(Driver& d, int device) {
    Context* context = new Context{};
    context->device = device;
    context->default_stream.context = context;
    context->default_stream.blocking = true;
    d.contexts.insert(context);
    return context;
}

void destroy(Driver& d, Context* context) {
    std::vector<u64> owned;
    for (auto& [start, a] : d.allocations)
        if (a.context == context) owned.push_back(start);
    for (u64 start : owned) d.release(start);
    std::erase_if(d.streams, [&](Stream* s) { return s->context == context && (delete s, true); });
    std::erase_if(d.modules, [&](LoadedModule* m) {
        if (m->context != context) return false;
        for (auto& [name, function] : m->functions) d.functions.erase(function.get());
        delete m;
        return true;
    });
    std::erase_if(d.captures, [&](auto& capture) { return !d.streams.count(capture->origin); });
    d.contexts.erase(context);
    delete context;
}
} // namespace

JEDISIM_EXPORT int cuInit(unsigned flags) {
    return guarded([&](Driver& d) -> int { return flags ? InvalidValue : d.initialized ? Success : initialize(d); });
}

JEDISIM_EXPORT int cuDriverGetVersion(int* version) { return version ? (*version = 12040, Success) : InvalidValue; }

JEDISIM_EXPORT int cuDeviceGetCount(int* count) {
    return guarded([&](Driver& d) -> int { return d.initialized ? (*count = d.devices, Success) : NotInitialized; });
}

JEDISIM_EXPORT int cuDeviceGet(int* device, int ordinal) {
    return with_device(ordinal, [&](Driver&) -> int { return *device = ordinal, Success; });
}

JEDISIM_EXPORT int cuDeviceGetName(char* name, int length, int device) {
    return with_device(device, [&](Driver& d) -> int {
        std::snprintf(name, size_t(length), "PTX simulator (%s)", d.executor->level);
        return Success;
    });
}

JEDISIM_EXPORT int cuDeviceGetUuid_v2(unsigned char* uuid, int device) {
    return with_device(device, [&](Driver&) -> int {
        std::memset(uuid, 0, 16);
        std::memcpy(uuid, "jedisim", 7);
        uuid[15] = static_cast<unsigned char>(device);
        return Success;
    });
}

JEDISIM_EXPORT int cuDeviceTotalMem_v2(size_t* bytes, int device) {
    return with_device(device, [&](Driver& d) -> int { return *bytes = d.memory_per_device, Success; });
}

JEDISIM_EXPORT int cuDeviceGetAttribute(int* value, int attribute, int device) {
    return with_device(device, [&](Driver&) -> int { return *value = attribute_of(attribute), attribute > 0 ? Success : InvalidValue; });
}

JEDISIM_EXPORT int cuDevicePrimaryCtxRetain(void** context, int device) {
    return with_device(device, [&](Driver& d) -> int {
        Context*& primary = d.primary[device];
        if (!primary) primary = make_context(d, device), primary->primary = true;
        primary->holders++;
        return *context = primary, Success;
    });
}

JEDISIM_EXPORT int cuDevicePrimaryCtxRelease_v2(int device) {
    return with_device(device, [&](Driver& d) -> int {
        Context*& primary = d.primary[device];
        if (!primary) return InvalidContext;
        if (--primary->holders > 0) return Success;
        destroy(d, primary);
        return primary = nullptr, Success;
    });
}

JEDISIM_EXPORT int cuDevicePrimaryCtxReset_v2(int device) {
    return with_device(device, [&](Driver& d) -> int {
        Context*& primary = d.primary[device];
        if (primary) destroy(d, primary);
        return primary = nullptr, Success;
    });
}

JEDISIM_EXPORT int cuCtxCreate_v2(void** context, unsigned, int device) {
    return with_device(device, [&](Driver& d) -> int { return *context = current() = make_context(d, device), Success; });
}

JEDISIM_EXPORT int cuCtxDestroy_v2(void* context) {
    return guarded([&](Driver& d) -> int {
        Context* c = static_cast<Context*>(context);
        if (!d.contexts.count(c) || c->primary) return InvalidContext;
        if (current() == c) current() = nullptr;
        return destroy(d, c), Success;
    });
}

JEDISIM_EXPORT int cuCtxSetCurrent(void* context) {
    return guarded([&](Driver& d) -> int {
        if (context && !d.contexts.count(static_cast<Context*>(context))) return InvalidContext;
        return current() = static_cast<Context*>(context), Success;
    });
}

JEDISIM_EXPORT int cuCtxGetCurrent(void** context) {
    return guarded([&](Driver& d) -> int { return *context = d.contexts.count(current()) ? current() : nullptr, Success; });
}

JEDISIM_EXPORT int cuCtxGetDevice(int* device) {
    return with_context([&](Driver&, Context& c) -> int { return *device = c.device, Success; });
}

JEDISIM_EXPORT int cuCtxSynchronize() {
    return with_context([&](Driver& d, Context& c) -> int {
        if (int result = d.forbidden()) return result;
        return d.drain(&c);
    });
}
