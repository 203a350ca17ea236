// What the driver keeps: contexts, memory, modules, streams with the work that waits in them, captures and graphs.
//
// Work of a stream is done when somebody waits for it, not when it is given: a program that forgets to wait reads what was there before, as
// it may on a GPU. Each exported function holds the one lock.
#pragma once
#include "../ptx/module.h"
#include <atomic>
#include <deque>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>

namespace jedisim {

// Values of CUresult that the simulator returns.
enum Result : int {
    Success = 0,
    InvalidValue = 1,
    OutOfMemory = 2,
    NotInitialized = 3,
    NoDevice = 100,
    InvalidDevice = 101,
    InvalidImage = 200,
    InvalidContext = 201,
    NoBinaryForGpu = 209,
    InvalidPtx = 218,
    InvalidHandle = 400,
    NotFound = 500,
    NotReady = 600,
    OutOfResources = 701,
    NotPermitted = 800,
    NotSupported = 801,
    CaptureUnsupported = 900,
    CaptureInvalidated = 901,
    CaptureMerge = 902,
    CaptureUnmatched = 903,
    CaptureUnjoined = 904,
    CaptureImplicit = 906,
    CapturedEvent = 907,
    CaptureWrongThread = 908,
    Unknown = 999
};

// One piece of a stream's work, or a node of a graph.
struct Operation {
    enum Kind { Kernel, Copy, Fill, Product, Host, Graph, Record, Wait, Empty } kind;
    std::function<void()> run;
};

struct Context;
struct Capture;

struct Stream {
    Context* context;
    bool blocking;                      // waits for the default stream, and it for this one
    std::deque<Operation> queue;
    u64 given = 0, done = 0;            // operations, counted from the start
    std::shared_ptr<Capture> capture;   // that this stream's work goes to, instead of the queue
    bool unjoined = false;              // a branch of a capture that the origin has not waited for
};

struct Event {
    Stream* stream = nullptr;
    u64 position = 0;                   // of the stream's work, when it was recorded
    std::shared_ptr<Capture> capture;   // recorded inside this capture
    bool timing = true;
    double time = 0;                    // milliseconds
};

struct Capture {
    Stream* origin;
    int mode;
    std::thread::id thread;
    bool valid = true;
    std::vector<Operation> operations;
    std::vector<Stream*> streams;
};

struct Graph { std::vector<Operation> operations; };
struct Executable { std::shared_ptr<const std::vector<Operation>> operations; };

struct Allocation { u64 start, bytes, mapped; Context* context; bool pinned, registered; };

struct LoadedModule;
struct Function { const Kernel* kernel; LoadedModule* module; int max_dynamic = 48 * 1024; };
struct LoadedModule { Context* context; std::unique_ptr<Module> code; std::map<std::string, std::unique_ptr<Function>> functions; };

struct Context {
    int device;
    bool primary = false;
    int holders = 0;
    int error = 0; // an error that ended it
    Stream default_stream{};
};

// What one kernel did since the last reset.
struct Totals {
    u64 launches = 0, blocks = 0, threads = 0, instructions = 0;
    u64 pipes[pipe_count] = {};
    std::map<std::pair<std::string, std::string>, Site> sites; // (line, opcode): memory accesses and tensor products
    std::map<std::string, u64> watched;                        // launches alike whose races were watched
};

struct Driver {
    std::recursive_mutex lock;
    bool initialized = false;
    int devices = 1;
    u64 memory_per_device = 8ull << 30;
    Options options;
    const Executor* executor = nullptr;
    std::string executor_error;

    std::map<u64, Allocation> allocations; // by start
    std::vector<Range> ranges;             // the same, for the executor
    std::set<Context*> contexts;
    std::map<int, Context*> primary;
    std::set<Stream*> streams;
    std::set<Event*> events;
    std::set<LoadedModule*> modules;
    std::set<Function*> functions;
    std::set<Graph*> graphs;
    std::set<Executable*> executables;
    std::vector<std::shared_ptr<Capture>> captures;

    std::map<std::string, Totals> totals;
    u64 allocation_calls = 0, launches = 0, graph_launches = 0, copies = 0, copied_bytes = 0, pageable_copies = 0, products = 0;
    u64 under_way = 0, most_under_way = 0;                  // bytes of copies from pinned memory that were given and are not done
    u64 read_hash = 0;                                      // of all bytes that went to the host, in order (FNV-1a)
    std::string last_fault;
    std::map<int, std::string> fault_texts;

    void note_read(const void* bytes, u64 count);
    u64 allocate(Context* context, u64 bytes, bool pinned); // 0: no memory
    void release(u64 start);
    const Allocation* find(u64 address, u64 bytes) const;   // the allocation that holds the bytes
    u64 used(const Context* context) const;

    int give(Stream* stream, Operation operation);          // to its queue, or to its capture
    int drain(Stream* stream, u64 until);                   // does the work up to a position
    int drain(Stream* stream) { return drain(stream, stream->given); }
    int drain(Context* context);
    int wait(const Event& event);
    void fail(Context* context, const Fault& fault);
    int forbidden();                                        // whether a capture forbids this thread's call; ends the capture if so
};

Driver& driver();
Context*& current(); // of this thread
int& capture_mode(); // of this thread: what captures forbid it, see cuThreadExchangeStreamCaptureMode

// The body of an exported function: takes the lock, turns exceptions into results.
template<class F> int guarded(F body) {
    Driver& d = driver();
    std::lock_guard lock(d.lock);
    try {
        return body(d);
    } catch (const std::bad_alloc&) {
        return OutOfMemory;
    }
}

// The same with the thread's context, which must be there and sound.
template<class F> int with_context(F body) {
    return guarded([&](Driver& d) -> int {
        if (!d.initialized) return NotInitialized;
        Context* context = current();
        if (!context || !d.contexts.count(context)) return InvalidContext;
        if (context->error) return context->error;
        return body(d, *context);
    });
}

// Handles 0 to 2 are the default stream.
Stream* stream_of(Driver& d, Context& context, void* handle); // nullptr: no such stream

inline void* host(u64 address) { return reinterpret_cast<void*>(address & ~device_bit); }

void load_executor(Driver& d);
double now(); // milliseconds

} // namespace jedisim

#define JEDISIM_EXPORT extern "C" __attribute__((visibility("default")))
