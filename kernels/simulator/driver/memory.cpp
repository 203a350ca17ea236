// Device memory, pinned memory, copies and fills.
#include "state.h"

using namespace jedisim;

namespace {
int take(u64* address, size_t bytes, bool pinned) {
    return with_context([&](Driver& d, Context& c) -> int {
        if (int result = d.forbidden()) return result;
        if (!address || !bytes) return InvalidValue;
        *address = d.allocate(&c, bytes, pinned);
        return *address ? Success : OutOfMemory;
    });
}

int free_memory(u64 address, bool pinned) {
    return with_context([&](Driver& d, Context& c) -> int {
        if (!address) return Success;
        if (int result = d.forbidden()) return result;
        auto found = d.allocations.find(address);
        if (found == d.allocations.end() || found->second.pinned != pinned || found->second.registered) return InvalidValue;
        // Memory is freed after the work that uses it.
        int result = d.drain(&c);
        d.release(address);
        return result;
    });
}

bool on_device(u64 address) { return address & device_bit; }

// Memory of the host that the driver knows of, or of the device.
bool known(Driver& d, u64 address, size_t bytes) { return d.find(address, bytes) != nullptr; }

int copy_async(u64 to, u64 from, size_t bytes, void* handle) {
    return with_context([&](Driver& d, Context& c) -> int {
        Stream* stream = stream_of(d, c, handle);
        if (!stream) return InvalidHandle;
        if (!bytes) return Success;
        if ((on_device(to) && !known(d, to, bytes)) || (on_device(from) && !known(d, from, bytes))) return InvalidValue;
        bool pageable_to = !on_device(to) && !known(d, to, bytes), pageable_from = !on_device(from) && !known(d, from, bytes);
        if (stream->capture && (pageable_to || pageable_from)) {
            stream->capture->valid = false;
            return CaptureUnsupported;
        }
        if (!stream->capture) d.copies++, d.copied_bytes += bytes, d.pageable_copies += pageable_to || pageable_from;
        // Pageable memory is read before the call returns, and written before it returns.
        if (pageable_from) {
            auto kept = std::make_shared<std::vector<u8>>(static_cast<u8*>(host(from)), static_cast<u8*>(host(from)) + bytes);
            return d.give(stream, {Operation::Copy, [=] { std::memcpy(host(to), kept->data(), bytes); }});
        }
        u64 waits = !stream->capture && on_device(to) && !on_device(from) ? bytes : 0;
        d.most_under_way = std::max(d.most_under_way, d.under_way += waits);
        int result = d.give(stream, {Operation::Copy, [=] {
            driver().under_way -= waits;
            std::memmove(host(to), host(from), bytes);
            if (on_device(from) && !on_device(to)) driver().note_read(host(to), bytes);
        }});
        return result || !pageable_to ? result : d.drain(stream);
    });
}

int copy(u64 to, u64 from, size_t bytes) {
    return with_context([&](Driver& d, Context& c) -> int {
        if (int result = d.forbidden()) return result;
        if ((on_device(to) && !known(d, to, bytes)) || (on_device(from) && !known(d, from, bytes))) return InvalidValue;
        d.copies++, d.copied_bytes += bytes;
        int result = d.give(&c.default_stream, {Operation::Copy, [=] { std::memmove(host(to), host(from), bytes); }});
        return result ? result : d.drain(&c.default_stream);
    });
}

template<class T> int fill(u64 address, T value, size_t count, void* handle, bool wait) {
    return with_context([&](Driver& d, Context& c) -> int {
        if (wait)
            if (int result = d.forbidden()) return result;
        Stream* stream = stream_of(d, c, handle);
        if (!stream) return InvalidHandle;
        if (!count) return Success;
        if (address % sizeof(T) || !known(d, address, count * sizeof(T))) return InvalidValue;
        int result = d.give(stream, {Operation::Fill, [=] { std::fill_n(static_cast<T*>(host(address)), count, value); }});
        return result || !wait ? result : d.drain(stream);
    });
}

u64 number(const void* p) { return reinterpret_cast<u64>(p); }
} // namespace

JEDISIM_EXPORT int cuMemGetInfo_v2(size_t* free, size_t* total) {
    return with_context([&](Driver& d, Context& c) -> int {
        return *total = d.memory_per_device, *free = d.memory_per_device - std::min(d.used(&c), d.memory_per_device), Success;
    });
}

JEDISIM_EXPORT int cuMemAlloc_v2(u64* address, size_t bytes) { return take(address, bytes, false); }
JEDISIM_EXPORT int cuMemFree_v2(u64 address) { return free_memory(address, false); }
JEDISIM_EXPORT int cuMemHostAlloc(void** address, size_t bytes, unsigned) { return take(reinterpret_cast<u64*>(address), bytes, true); }
JEDISIM_EXPORT int cuMemAllocHost_v2(void** address, size_t bytes) { return take(reinterpret_cast<u64*>(address), bytes, true); }
JEDISIM_EXPORT int cuMemFreeHost(void* address) { return free_memory(number(address), true); }

JEDISIM_EXPORT int cuMemHostRegister_v2(void* address, size_t bytes, unsigned) {
    return with_context([&](Driver& d, Context& c) -> int {
        if (int result = d.forbidden()) return result;
        if (!address || !bytes || d.find(number(address), 1)) return InvalidValue;
        d.allocations[number(address)] = {number(address), bytes, 0, &c, true, true};
        return d.ranges.clear(), Success;
    });
}

JEDISIM_EXPORT int cuMemHostUnregister(void* address) {
    return with_context([&](Driver& d, Context& c) -> int {
        auto found = d.allocations.find(number(address));
        if (found == d.allocations.end() || !found->second.registered) return InvalidValue;
        int result = d.drain(&c);
        return d.release(number(address)), result;
    });
}

JEDISIM_EXPORT int cuMemcpyHtoD_v2(u64 to, const void* from, size_t bytes) { return copy(to, number(from), bytes); }
JEDISIM_EXPORT int cuMemcpyDtoH_v2(void* to, u64 from, size_t bytes) { return copy(number(to), from, bytes); }
JEDISIM_EXPORT int cuMemcpyDtoD_v2(u64 to, u64 from, size_t bytes) { return copy(to, from, bytes); }
JEDISIM_EXPORT int cuMemcpy(u64 to, u64 from, size_t bytes) { return copy(to, from, bytes); }
JEDISIM_EXPORT int cuMemcpyHtoDAsync_v2(u64 to, const void* from, size_t bytes, void* s) { return copy_async(to, number(from), bytes, s); }
JEDISIM_EXPORT int cuMemcpyDtoHAsync_v2(void* to, u64 from, size_t bytes, void* s) { return copy_async(number(to), from, bytes, s); }
JEDISIM_EXPORT int cuMemcpyDtoDAsync_v2(u64 to, u64 from, size_t bytes, void* s) { return copy_async(to, from, bytes, s); }
JEDISIM_EXPORT int cuMemcpyAsync(u64 to, u64 from, size_t bytes, void* s) { return copy_async(to, from, bytes, s); }

JEDISIM_EXPORT int cuMemsetD8_v2(u64 address, unsigned char value, size_t count) { return fill<u8>(address, value, count, nullptr, true); }
JEDISIM_EXPORT int cuMemsetD16_v2(u64 address, unsigned short value, size_t count) {
    return fill<u16>(address, value, count, nullptr, true);
}
JEDISIM_EXPORT int cuMemsetD32_v2(u64 address, unsigned value, size_t count) { return fill<u32>(address, value, count, nullptr, true); }
JEDISIM_EXPORT int cuMemsetD8Async(u64 address, unsigned char value, size_t count, void* s) {
    return fill<u8>(address, value, count, s, false);
}
JEDISIM_EXPORT int cuMemsetD16Async(u64 address, unsigned short value, size_t count, void* s) {
    return fill<u16>(address, value, count, s, false);
}
JEDISIM_EXPORT int cuMemsetD32Async(u64 address, unsigned value, size_t count, void* s) {
    return fill<u32>(address, value, count, s, false);
}
