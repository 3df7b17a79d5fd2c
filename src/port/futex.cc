// The two futex operations the host uses, on words that may lie in memory shared between processes.
#include "port/futex.hpp"

#include <linux/futex.h>

#include <cerrno>
#include <ctime>

#include "port/system_call.hpp"

namespace bgw {

FutexOutcome futex_wait(const volatile int* word, int expected, std::int64_t deadline_ns) noexcept {
  timespec deadline;
  timespec* limit = nullptr;
  if (deadline_ns >= 0) {
    deadline.tv_sec = deadline_ns / nanoseconds_per_second;
    deadline.tv_nsec = deadline_ns % nanoseconds_per_second;
    limit = &deadline;
  }
  // The BITSET form is the one that takes an absolute deadline, on the monotonic clock.
  const long result = system_call(SYS_futex, address(word), FUTEX_WAIT_BITSET, expected, address(limit), 0,
                                  static_cast<long>(FUTEX_BITSET_MATCH_ANY));
  return result == -ETIMEDOUT ? FutexOutcome::timeout : FutexOutcome::look_again;
}

int futex_wake(const volatile int* word, int count) noexcept {
  const long woken = system_call(SYS_futex, address(word), FUTEX_WAKE, count);
  return woken < 0 ? 0 : static_cast<int>(woken);
}

}  // namespace bgw
