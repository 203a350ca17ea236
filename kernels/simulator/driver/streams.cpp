// Streams and events.
#include "state.h"

using namespace jedisim;

namespace {
int create(void** stream, unsigned flags) {
    return with_context([&](Driver& d, Context& c) -> int {
        if (!stream || flags > 1) return InvalidValue;
        auto* made = new Stream{};
        made->context = &c;
        made->blocking = flags == 0;
        d.streams.insert(made);
        return *stream = made, Success;
    });
}

template<class F> int with_event(void* event, F body) {
    return with_context([&](Driver& d, Context& c) -> int {
        auto* e = static_cast<Event*>(event);
        return d.events.count(e) ? body(d, c, *e) : int(InvalidHandle);
    });
}
} // namespace

JEDISIM_EXPORT int cuStreamCreate(void** stream, unsigned flags) { return create(stream, flags); }
JEDISIM_EXPORT int cuStreamCreateWithPriority(void** stream, unsigned flags, int) { return create(stream, flags); }

JEDISIM_EXPORT int cuStreamDestroy_v2(void* handle) {
    return with_context([&](Driver& d, Context&) -> int {
        auto* stream = static_cast<Stream*>(handle);
        if (!d.streams.count(stream)) return InvalidHandle;
        int result = d.drain(stream);
        std::erase_if(d.captures, [&](auto& capture) { return capture->origin == stream; });
        for (Event* event : d.events)
            if (event->stream == stream) event->stream = nullptr;
        d.streams.erase(stream);
        return delete stream, result;
    });
}

JEDISIM_EXPORT int cuStreamSynchronize(void* handle) {
    return with_context([&](Driver& d, Context& c) -> int {
        Stream* stream = stream_of(d, c, handle);
        if (!stream) return InvalidHandle;
        if (stream->capture) return stream->capture->valid = false, CaptureUnsupported;
        return d.drain(stream);
    });
}

// Work is done when somebody waits; to ask is to wait.
JEDISIM_EXPORT int cuStreamQuery(void* handle) { return cuStreamSynchronize(handle); }

JEDISIM_EXPORT int cuStreamWaitEvent(void* handle, void* event, unsigned) {
    return with_event(event, [&](Driver& d, Context& c, Event& e) -> int {
        Stream* stream = stream_of(d, c, handle);
        if (!stream) return InvalidHandle;
        if (e.capture) {
            if (stream->capture && stream->capture != e.capture) return CaptureMerge;
            if (!stream->capture) {
                stream->capture = e.capture;
                stream->capture->streams.push_back(stream);
                stream->unjoined = true;
            }
            if (e.stream && e.stream->given == e.position) e.stream->unjoined = false;
            return Success;
        }
        if (stream->capture) return stream->capture->valid = false, int(CaptureUnsupported);
        // The event as it is now: it may be recorded again before this is reached.
        Event recorded = e;
        return d.give(stream, {Operation::Wait, [recorded] {
            if (recorded.stream && driver().streams.count(recorded.stream)) driver().wait(recorded);
        }});
    });
}

JEDISIM_EXPORT int cuEventCreate(void** event, unsigned flags) {
    return with_context([&](Driver& d, Context&) -> int {
        auto* made = new Event{};
        made->timing = !(flags & 2);
        d.events.insert(made);
        return *event = made, Success;
    });
}

JEDISIM_EXPORT int cuEventDestroy_v2(void* event) {
    return with_event(event, [&](Driver& d, Context& c, Event& e) -> int {
        int result = d.drain(&c); // its record may still wait in a stream
        return d.events.erase(&e), delete &e, result;
    });
}

JEDISIM_EXPORT int cuEventRecord(void* event, void* handle) {
    return with_event(event, [&](Driver& d, Context& c, Event& e) -> int {
        Stream* stream = stream_of(d, c, handle);
        if (!stream) return InvalidHandle;
        e.stream = stream;
        e.capture = stream->capture;
        if (stream->capture) return e.position = stream->given, stream->capture->valid ? Success : CaptureInvalidated;
        int result = d.give(stream, {Operation::Record, [event = &e] { event->time = now(); }});
        return e.position = stream->given, result;
    });
}

JEDISIM_EXPORT int cuEventSynchronize(void* event) {
    return with_event(event, [&](Driver& d, Context&, Event& e) -> int {
        if (e.capture) return e.capture->valid = false, CapturedEvent;
        return d.wait(e);
    });
}

JEDISIM_EXPORT int cuEventQuery(void* event) { return cuEventSynchronize(event); }

JEDISIM_EXPORT int cuEventElapsedTime(float* milliseconds, void* start, void* end) {
    return with_event(start, [&](Driver& d, Context&, Event& first) -> int {
        auto* last = static_cast<Event*>(end);
        if (!d.events.count(last)) return InvalidHandle;
        if (!first.stream || !last->stream || !first.timing || !last->timing) return InvalidHandle;
        if (first.capture || last->capture) return CapturedEvent;
        if (first.stream->done < first.position || last->stream->done < last->position) return NotReady;
        return *milliseconds = float(last->time - first.time), Success;
    });
}

JEDISIM_EXPORT int cuLaunchHostFunc(void* handle, void (*function)(void*), void* data) {
    return with_context([&](Driver& d, Context& c) -> int {
        Stream* stream = stream_of(d, c, handle);
        return stream ? d.give(stream, {Operation::Host, [=] { function(data); }}) : int(InvalidHandle);
    });
}
