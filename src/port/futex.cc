// The two futex operations the host uses, on words that may lie in memory shared between processes.
#include "port/futex.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace bgw {

FutexOutcome futex_wait(const volatile int* word, int expected, std::int64_t deadline_ns) noexcept {
  timespec deadline;
  timespec* limit = nullptr;
  if (deadline_ns >= 0) {
    deadline.tv_sec = deadline_ns / nanoseconds_per_second;
    deadline.tv_nsec = deadline_ns % nanoseconds_per_second;
    limit = &deadline;
  }
  int kept_errno = errno;
  // The BITSET form is the one that takes an absolute deadline, on the monotonic clock.
  long result = ::syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected, limit, nullptr, FUTEX_BITSET_MATCH_ANY);
  FutexOutcome outcome = result != 0 && errno == ETIMEDOUT ? FutexOutcome::timeout : FutexOutcome::look_again;
  errno = kept_errno;
  return outcome;
}

int futex_wake(const volatile int* word, int count) noexcept {
  int kept_errno = errno;
  long woken = ::syscall(SYS_futex, word, FUTEX_WAKE, count, nullptr, nullptr, 0);
  errno = kept_errno;
  return woken < 0 ? 0 : static_cast<int>(woken);
}

}  // namespace bgw
