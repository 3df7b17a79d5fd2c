// Waiting for the upstream's socket without becoming deaf: implemented next to the latches
// (src/storage/latch.cc), used by the session through a function pointer so that core stays free of it.
#pragma once

#include "core/wait.hpp"

#include <cstdint>

namespace bgw {

// The wait event of a process that waits for its session's upstream, beside the server's of utils/wait_event.h:
// shown as type "Upstream", event "Answer". The server has no class of this number.
constexpr std::uint32_t wait_event_upstream = 0x7F000000U;

// Sleeps until `fd` is ready for `poll_events` (POLLIN, POLLOUT), `timeout_ms` is over (-1: no limit), or a
// signal handler has left something to do. Signals are let through only while asleep, so none is missed
// between the check and the sleep. The postmaster's death counts as an interrupt.
WaitOutcome wait_for_socket(int fd, short poll_events, int timeout_ms) noexcept;

// While a session listens for notifications, every wait on MyLatch also watches its socket: `consume` is
// called when it becomes readable, and sets MyLatch if something arrived. fd -1 ends the watch.
void watch_session_socket(int fd, void (*consume)() noexcept) noexcept;

}  // namespace bgw
