// Types and errors that every part of the simulator uses.
#pragma once
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>

namespace jedisim {

using u8 = uint8_t;
using u16 = uint16_t;
using u32 = uint32_t;
using u64 = uint64_t;
using s8 = int8_t;
using s16 = int16_t;
using s32 = int32_t;
using s64 = int64_t;

constexpr u32 all_lanes = ~0u;

// PTX that the simulator cannot take: an unknown instruction, a call, a syntax that nobody has met yet.
struct LoadError : std::runtime_error {
    using runtime_error::runtime_error;
};

// What a kernel did wrong while it ran, with the driver's result code for it.
struct Fault : std::runtime_error {
    int code;
    Fault(int code, const std::string& text) : runtime_error(text), code(code) {}
};

// Results of the driver that a kernel's fault becomes.
enum FaultCode { IllegalAddress = 700, LaunchTimeout = 702, IllegalInstruction = 715, MisalignedAddress = 716, LaunchFailed = 719 };

// Addresses. Device memory stands at host addresses plus a bit that no host address has: a program that reads a device pointer on the
// host dies as it would on a real one. Generic addresses of the other state spaces have windows of their own.
constexpr u64 device_bit = 1ull << 48;
constexpr u64 shared_window = 0x7f00000000000000ull, local_window = 0x7e00000000000000ull, param_window = 0x7d00000000000000ull;

} // namespace jedisim
