// The one clock for durations and deadlines: CLOCK_MONOTONIC, in nanoseconds.
#pragma once

#include <cstdint>

namespace bgw {

inline constexpr std::int64_t nanoseconds_per_millisecond = 1'000'000;
inline constexpr std::int64_t nanoseconds_per_second = 1'000'000'000;
inline constexpr std::int64_t no_deadline = -1;

// Nanoseconds since some fixed point before the machine's start; never goes backwards. Safe in handlers.
std::int64_t monotonic_ns() noexcept;

// The moment `timeout_ms` from now; no_deadline for a negative timeout.
std::int64_t deadline_after_ms(std::int64_t timeout_ms) noexcept;

// Microseconds since 1970 of the wall clock. Safe in handlers.
std::int64_t wall_clock_us() noexcept;

}  // namespace bgw
