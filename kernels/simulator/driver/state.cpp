#include "state.h"
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <filesystem>
#include <sys/mman.h>

namespace jedisim {

namespace {
u64 number(const char* name, u64 otherwise) {
    const char* text = std::getenv(name);
    return text && *text ? std::strtoull(text, nullptr, 10) : otherwise;
}
} // namespace

Driver& driver() {
    // Never destroyed: threads of the program may call until the process ends.
    static Driver* instance = new Driver;
    return *instance;
}

Context*& current() {
    thread_local Context* context = nullptr;
    return context;
}

int& capture_mode() {
    thread_local int mode = 0;
    return mode;
}

double now() { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

void Driver::note_read(const void* bytes, u64 count) {
    u64 hash = read_hash ? read_hash : 14695981039346656037ull;
    for (u64 i = 0; i < count; i++) hash = (hash ^ static_cast<const u8*>(bytes)[i]) * 1099511628211ull;
    read_hash = hash;
}

// The executor for this processor's vectors, or the one that JEDISIM_LEVEL names; it lies beside this library.
void load_executor(Driver& d) {
    if (d.executor) return;
    Dl_info info;
    std::filesystem::path file;
    std::error_code error;
    // Links are followed: the library may be called libcuda.so.1 elsewhere.
    if (dladdr(reinterpret_cast<void*>(&load_executor), &info) && info.dli_fname) file = std::filesystem::canonical(info.dli_fname, error);
    std::string folder = file.has_parent_path() ? file.parent_path().string() : ".";
    const char* wish = std::getenv("JEDISIM_LEVEL");
    bool large = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                 __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd");
    std::string level = wish && *wish ? wish : large ? "avx512" : "avx2";
    std::string path = folder + "/libjedisim-" + level + ".so";
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    auto* get = library ? reinterpret_cast<const Executor* (*)()>(dlsym(library, "jedisim_executor")) : nullptr;
    if (get) d.executor = get();
    else std::fprintf(stderr, "jedisim: %s\n", dlerror());
    d.devices = int(number("JEDISIM_DEVICES", 1));
    d.memory_per_device = number("JEDISIM_MEMORY", d.memory_per_device);
}

// Device memory starts as NaN, as far as that is cheap: the first gigabyte.
u64 Driver::allocate(Context* context, u64 bytes, bool pinned) {
    u64 mapped = (std::max<u64>(bytes, 1) + 4095) / 4096 * 4096;
    if (!pinned && used(context) + mapped > memory_per_device) return 0;
    void* memory = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return 0;
    if (!pinned) std::memset(memory, 0xff, std::min<u64>(bytes, 1ull << 30));
    u64 start = reinterpret_cast<u64>(memory) | (pinned ? 0 : device_bit);
    allocations[start] = {start, bytes, mapped, context, pinned, false};
    ranges.clear();
    allocation_calls += !pinned;
    return start;
}

void Driver::release(u64 start) {
    auto found = allocations.find(start);
    if (found == allocations.end()) return;
    if (!found->second.registered) munmap(host(start), found->second.mapped);
    allocations.erase(found);
    ranges.clear();
}

const Allocation* Driver::find(u64 address, u64 bytes) const {
    auto next = allocations.upper_bound(address);
    if (next == allocations.begin()) return nullptr;
    const Allocation& a = std::prev(next)->second;
    return address + bytes <= a.start + a.bytes ? &a : nullptr;
}

u64 Driver::used(const Context* context) const {
    u64 sum = 0;
    for (auto& [start, a] : allocations)
        if (!a.pinned && a.context->device == context->device) sum += a.mapped;
    return sum;
}

Stream* stream_of(Driver& d, Context& context, void* handle) {
    if (reinterpret_cast<uintptr_t>(handle) <= 2) return &context.default_stream;
    Stream* stream = static_cast<Stream*>(handle);
    return d.streams.count(stream) ? stream : nullptr;
}

int Driver::give(Stream* stream, Operation operation) {
    Context& context = *stream->context;
    bool is_default = stream == &context.default_stream;
    if (stream->capture) {
        if (!stream->capture->valid) return CaptureInvalidated;
        stream->capture->operations.push_back(std::move(operation));
        stream->unjoined = stream != stream->capture->origin;
        return Success;
    }
    // The default stream and the blocking ones wait for each other.
    for (Stream* other : streams) {
        if (other->context != &context || !other->blocking || !is_default) continue;
        if (other->capture) {
            other->capture->valid = false;
            return CaptureImplicit;
        }
        if (int result = drain(other)) return result;
    }
    if (!is_default && stream->blocking)
        if (int result = drain(&context.default_stream)) return result;
    stream->queue.push_back(std::move(operation));
    stream->given++;
    return Success;
}

int Driver::drain(Stream* stream, u64 until) {
    Context* context = stream->context;
    while (stream->done < until && !stream->queue.empty()) {
        if (context->error) return context->error;
        Operation operation = std::move(stream->queue.front());
        stream->queue.pop_front();
        stream->done++;
        try {
            operation.run();
        } catch (const Fault& fault) {
            fail(context, fault);
        }
    }
    return context->error;
}

int Driver::drain(Context* context) {
    int result = drain(&context->default_stream);
    for (Stream* stream : streams)
        if (stream->context == context && !result) result = drain(stream);
    return result;
}

int Driver::wait(const Event& event) { return event.stream ? drain(event.stream, event.position) : Success; }

void Driver::fail(Context* context, const Fault& fault) {
    context->error = fault.code;
    last_fault = fault.what();
    fault_texts[fault.code] = last_fault;
    std::fprintf(stderr, "jedisim: %s\n", fault.what());
}

// Modes: 0 global, 1 of the thread, 2 relaxed.
int Driver::forbidden() {
    int result = Success;
    for (auto& capture : captures) {
        bool own = capture->thread == std::this_thread::get_id();
        bool forbids = own ? capture->mode != 2 && capture_mode() != 2 : capture->mode == 0 && capture_mode() == 0;
        if (forbids) capture->valid = false, result = CaptureUnsupported;
    }
    return result;
}

} // namespace jedisim
