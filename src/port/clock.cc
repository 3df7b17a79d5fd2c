// Reads the kernel's clocks. clock_gettime cannot fail for these two.
#include "port/clock.hpp"

#include <ctime>
#include <limits>

namespace bgw {

std::int64_t monotonic_ns() noexcept {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * nanoseconds_per_second + now.tv_nsec;
}

std::int64_t deadline_after_ms(std::int64_t timeout_ms) noexcept {
  if (timeout_ms < 0) return no_deadline;
  std::int64_t now = monotonic_ns();
  // A caller's "for ever" of LONG_MAX milliseconds must not wrap into the past.
  if (timeout_ms > (std::numeric_limits<std::int64_t>::max() - now) / nanoseconds_per_millisecond)
    return std::numeric_limits<std::int64_t>::max();
  return now + timeout_ms * nanoseconds_per_millisecond;
}

std::int64_t wall_clock_us() noexcept {
  timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000LL + now.tv_nsec / 1000;
}

}  // namespace bgw
