// Sleeping on a word of memory until somebody changes it (futex(2)), across processes.
//
// Contract: a waiter names the value it believes the word to have; the kernel compares and goes to sleep as one
// step, so a change made before the sleep is never missed. Waits may end for no reason: callers look again.
// All functions are safe in signal handlers and keep errno.
#pragma once

#include <cstdint>

#include "port/clock.hpp"

namespace bgw {

enum class FutexOutcome {
  look_again,  // woken, interrupted by a signal handler, or the word no longer had the value
  timeout,     // the deadline has passed
};

// `deadline_ns` is a moment of monotonic_ns(), or no_deadline.
FutexOutcome futex_wait(const volatile int* word, int expected, std::int64_t deadline_ns) noexcept;

// Wakes at most `count` waiters; returns how many there were.
int futex_wake(const volatile int* word, int count) noexcept;

}  // namespace bgw
