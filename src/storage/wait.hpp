// The inside of waiting, shared by latch.cc, wait_event_set.cc and pmsignal.cc. The protocol stands at the top
// of latch.cc.
#pragma once

#include <cstdint>

extern "C" {
#include "postgres.h"
#include "storage/latch.h"
}

struct pollfd;

namespace bgw {

// Values of Latch::is_set.
inline constexpr int latch_clear = 0;
inline constexpr int latch_set = 1;
inline constexpr int latch_poked = -1;

// Values of Latch::maybe_sleeping.
inline constexpr int latch_awake = 0;
inline constexpr int latch_in_futex = 1;
inline constexpr int latch_in_poll = 2;

inline bool latch_is_set(const Latch* latch) noexcept {
  return __atomic_load_n(&latch->is_set, __ATOMIC_SEQ_CST) == latch_set;
}

// Why a sleep ended.
enum class WakeReason { latch, descriptor, postmaster_death, timeout };

// Sleeps until the latch (may be null) is set, `deadline_ns` has passed, or, with `watch_postmaster`, the
// postmaster is gone. Raises no error.
WakeReason sleep_on_latch(Latch* latch, std::int64_t deadline_ns, bool watch_postmaster);

// The same, and until one of `descriptors` has an event. `descriptors` must have room for three more entries
// behind its `count`.
WakeReason sleep_on_descriptors(Latch* latch, std::int64_t deadline_ns, bool watch_postmaster,
                                struct pollfd* descriptors, int count);
inline constexpr int extra_descriptors = 3;

// Whether waits on this latch must look at a session's socket too (watch_session_socket()).
bool session_is_watched(const Latch* latch) noexcept;

// For the handler of the signal that says the postmaster died: ends a sleep that is going on or about to begin.
void interrupt_sleep() noexcept;

// Set when wait_for_socket() came back because the postmaster is gone; ProcessInterrupts() acts on it.
extern volatile bool socket_wait_saw_postmaster_death;

}  // namespace bgw
