// Capture of streams, and graphs. A graph keeps its nodes in the order in which they were captured: that order respects every dependency.
#include "state.h"

using namespace jedisim;

namespace {
// Ends a capture: its streams go back to ordinary work.
void close(Driver& d, const std::shared_ptr<Capture>& capture) {
    for (Stream* stream : capture->streams) stream->capture = nullptr, stream->unjoined = false;
    std::erase(d.captures, capture);
}

int instantiate(void** executable, void* graph) {
    return with_context([&](Driver& d, Context&) -> int {
        auto* g = static_cast<Graph*>(graph);
        if (!d.graphs.count(g)) return InvalidHandle;
        auto* made = new Executable{std::make_shared<std::vector<Operation>>(g->operations)};
        d.executables.insert(made);
        return *executable = made, Success;
    });
}
} // namespace

JEDISIM_EXPORT int cuStreamBeginCapture_v2(void* handle, int mode) {
    return with_context([&](Driver& d, Context& c) -> int {
        Stream* stream = stream_of(d, c, handle);
        if (!stream) return InvalidHandle;
        if (mode < 0 || mode > 2) return InvalidValue;
        if (stream == &c.default_stream) return CaptureUnsupported;
        if (stream->capture) return stream->capture->valid = false, CaptureUnsupported;
        auto capture = std::make_shared<Capture>(Capture{stream, mode, std::this_thread::get_id(), true, {}, {stream}});
        stream->capture = capture;
        return d.captures.push_back(capture), Success;
    });
}

JEDISIM_EXPORT int cuStreamEndCapture(void* handle, void** graph) {
    return with_context([&](Driver& d, Context& c) -> int {
        Stream* stream = stream_of(d, c, handle);
        if (!stream) return InvalidHandle;
        if (graph) *graph = nullptr;
        std::shared_ptr<Capture> capture = stream->capture;
        if (!capture) return InvalidValue;
        if (capture->mode != 2 && capture->thread != std::this_thread::get_id()) return CaptureWrongThread;
        if (capture->origin != stream) return capture->valid = false, CaptureUnmatched;
        bool joined = true;
        for (Stream* branch : capture->streams) joined &= !branch->unjoined;
        close(d, capture);
        if (!capture->valid) return CaptureInvalidated;
        if (!joined) return CaptureUnjoined;
        auto* made = new Graph{std::move(capture->operations)};
        d.graphs.insert(made);
        return *graph = made, Success;
    });
}

JEDISIM_EXPORT int cuStreamIsCapturing(void* handle, int* status) {
    return with_context([&](Driver& d, Context& c) -> int {
        Stream* stream = stream_of(d, c, handle);
        if (!stream) return InvalidHandle;
        return *status = !stream->capture ? 0 : stream->capture->valid ? 1 : 2, Success;
    });
}

JEDISIM_EXPORT int cuThreadExchangeStreamCaptureMode(int* mode) {
    if (*mode < 0 || *mode > 2) return InvalidValue;
    std::swap(capture_mode(), *mode);
    return Success;
}

JEDISIM_EXPORT int cuGraphCreate(void** graph, unsigned) {
    return with_context([&](Driver& d, Context&) -> int {
        auto* made = new Graph{};
        return d.graphs.insert(made), *graph = made, Success;
    });
}

// Nodes are addresses of their operations: they can be counted and told apart, not changed.
JEDISIM_EXPORT int cuGraphGetNodes(void* graph, void** nodes, size_t* count) {
    return with_context([&](Driver& d, Context&) -> int {
        auto* g = static_cast<Graph*>(graph);
        if (!d.graphs.count(g) || !count) return InvalidHandle;
        if (nodes)
            for (size_t n = 0; n < *count; n++) nodes[n] = n < g->operations.size() ? &g->operations[n] : nullptr;
        return *count = g->operations.size(), Success;
    });
}

// CUgraphNodeType: 0 kernel, 1 copy, 2 fill, 3 host.
JEDISIM_EXPORT int cuGraphNodeGetType(void* node, int* type) {
    return with_context([&](Driver&, Context&) -> int {
        switch (static_cast<Operation*>(node)->kind) {
        case Operation::Kernel: case Operation::Product: *type = 0; break;
        case Operation::Copy: *type = 1; break;
        case Operation::Fill: *type = 2; break;
        case Operation::Host: *type = 3; break;
        case Operation::Graph: *type = 4; break;
        default: *type = 5; break;
        }
        return Success;
    });
}

JEDISIM_EXPORT int cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long) { return instantiate(executable, graph); }
JEDISIM_EXPORT int cuGraphInstantiate_v2(void** executable, void* graph, void**, char*, size_t) { return instantiate(executable, graph); }

JEDISIM_EXPORT int cuGraphUpload(void* executable, void*) {
    return with_context([&](Driver& d, Context&) -> int { return d.executables.count(static_cast<Executable*>(executable)) ? Success : InvalidHandle; });
}

// The new graph must have nodes of the same kinds in the same order.
JEDISIM_EXPORT int cuGraphExecUpdate_v2(void* executable, void* graph, void*) {
    return with_context([&](Driver& d, Context&) -> int {
        auto* e = static_cast<Executable*>(executable);
        auto* g = static_cast<Graph*>(graph);
        if (!d.executables.count(e) || !d.graphs.count(g)) return InvalidHandle;
        bool same = std::equal(e->operations->begin(), e->operations->end(), g->operations.begin(), g->operations.end(),
            [](const Operation& a, const Operation& b) { return a.kind == b.kind; });
        if (!same) return 910; // CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE
        return e->operations = std::make_shared<std::vector<Operation>>(g->operations), Success;
    });
}

JEDISIM_EXPORT int cuGraphLaunch(void* executable, void* handle) {
    return with_context([&](Driver& d, Context& c) -> int {
        auto* e = static_cast<Executable*>(executable);
        Stream* stream = stream_of(d, c, handle);
        if (!d.executables.count(e) || !stream) return InvalidHandle;
        if (!stream->capture) d.graph_launches++;
        return d.give(stream, {Operation::Graph, [operations = e->operations] {
            for (auto& operation : *operations) operation.run();
        }});
    });
}

JEDISIM_EXPORT int cuGraphExecDestroy(void* executable) {
    return with_context([&](Driver& d, Context&) -> int {
        auto* e = static_cast<Executable*>(executable);
        return d.executables.erase(e) ? (delete e, Success) : InvalidHandle;
    });
}

JEDISIM_EXPORT int cuGraphDestroy(void* graph) {
    return with_context([&](Driver& d, Context&) -> int {
        auto* g = static_cast<Graph*>(graph);
        return d.graphs.erase(g) ? (delete g, Success) : InvalidHandle;
    });
}
