// Latches: the flag that wakes its owner.
//
// Protocol. A Latch lies in memory that its owner and the setters share; `is_set` is a futex word.
//  1. is_set is 0 (clear), 1 (set) or -1 (poked: clear, but the owner must look around). Anybody may write 1.
//     Only the owner writes 0, in ResetLatch. -1 is written, over 0 only, by the owner's own signal handler, to
//     end a futex sleep for a reason other than the latch; the owner turns it back to 0, unless it is 1 by
//     then. Whoever asks whether a latch is set asks whether the word is 1.
//  2. maybe_sleeping is written by the owner only: 0 awake, 1 about to sleep or sleeping on the futex, 2 the
//  same
//     in poll. Being too high costs a system call, being too low would lose a wake-up.
//  3. The owner writes maybe_sleeping, then (full barrier) looks at is_set. A setter writes is_set, then (full
//     barrier) looks at maybe_sleeping. So one of the two sees the other: either the owner does not go to sleep
//     or the setter wakes it.
//  4. Waking from the futex: one FUTEX_WAKE. The kernel compares the word with 0 as it puts the owner to sleep,
//     so a set (or a poke by a handler) between the owner's look and its sleep ends the sleep at once.
//  5. Waking from poll: SIGURG to the owner, which is blocked there for life and read through a signalfd that
//  the
//     poll includes. A pending SIGURG ends the poll however early it came.
//  6. The postmaster's death: every child gets SIGPWR (pmsignal.cc); the handler pokes what is slept on. A
//  futex
//     sleep lets SIGPWR through even where the worker keeps all signals blocked; a poll watches a pidfd.
//  7. A session's socket (watch_session_socket) belongs to waits on MyLatch: such waits poll.
//
// SetLatch is for any process that can see the latch and for signal handlers; it keeps errno, makes no call
// when nobody sleeps and one when somebody does. Everything else is for the owner, outside handlers.
#include "bridge/critical.hpp"
#include "bridge/wait.hpp"
#include "port/clock.hpp"
#include "port/fd.hpp"
#include "port/futex.hpp"
#include "port/process.hpp"
#include "port/start_data.hpp"
#include "port/system_call.hpp"

#include <poll.h>
#include <sched.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <climits>
#include <csignal>
#include <ctime>

#include "storage/wait.hpp"

extern "C" {
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
#include "utils/wait_event.h"
}

static_assert(sizeof(sig_atomic_t) == sizeof(int), "Latch::is_set must be usable as a futex word");

namespace {

// What the process sleeps on, for its own SIGPWR handler. A wait without a latch sleeps on `no_latch_word`.
volatile int no_latch_word = bgw::latch_clear;
BGW_START_DATA volatile int* volatile sleeping_word = nullptr;
BGW_START_DATA volatile sig_atomic_t sleeping_in_poll = 0;

// Descriptors of this process's own, opened when first needed. A forked child finds those of its parent here
// and must not use them: `descriptors_pid` tells.
bgw::UniqueFd signal_fd;
bgw::UniqueFd postmaster_fd;
BGW_START_DATA pid_t descriptors_pid = 0;

BGW_START_DATA int watched_socket = -1;
BGW_START_DATA void (*consume_session)() noexcept = nullptr;

void forget_inherited_descriptors() {
  if (descriptors_pid == MyProcPid) return;
  if (signal_fd) signal_fd.reset();
  if (postmaster_fd) postmaster_fd.reset();
  descriptors_pid = MyProcPid;
}

int wake_up_descriptor() {
  forget_inherited_descriptors();
  if (!signal_fd) {
    sigset_t wake_up;
    sigemptyset(&wake_up);
    sigaddset(&wake_up, SIGURG);
    signal_fd.reset(signalfd(-1, &wake_up, SFD_NONBLOCK | SFD_CLOEXEC));
    if (!signal_fd) elog(FATAL, "signalfd() failed");
  }
  return signal_fd.get();
}

void drain_wake_up_descriptor() {
  signalfd_siginfo info[4];
  while (read(signal_fd.get(), info, sizeof info) == sizeof info) {
  }
}

// -1 when the kernel has no such descriptors; SIGPWR remains then.
int postmaster_descriptor() {
  forget_inherited_descriptors();
  if (!postmaster_fd) {
    {
      bgw::CriticalScope critical;
      auto opened = bgw::pidfd_open(PostmasterPid);
      if (opened) postmaster_fd = std::move(*opened);
    }
    // The number may have been nobody's, or another process's already.
    PostmasterIsAliveInternal();
    bgw::check_deferred_exit();
  }
  return postmaster_fd.get();
}

// The flag is set by the SIGPWR handler; that our parent is another process now makes it certain.
bool postmaster_is_gone() {
  return postmaster_possibly_dead && !PostmasterIsAliveInternal();
}

void announce_sleep(Latch* latch, volatile int* word, int how) {
  sleeping_word = word;
  sleeping_in_poll = how == bgw::latch_in_poll;
  if (latch) latch->maybe_sleeping = how;
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void end_sleep(Latch* latch, volatile int* word) {
  if (latch) latch->maybe_sleeping = bgw::latch_awake;
  sleeping_word = nullptr;
  sleeping_in_poll = 0;
  int poked = bgw::latch_poked;
  __atomic_compare_exchange_n(word, &poked, bgw::latch_clear, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

}  // namespace

namespace bgw {

volatile bool socket_wait_saw_postmaster_death = false;

void interrupt_sleep() noexcept {
  volatile int* word = sleeping_word;
  if (word) {
    int clear = latch_clear;
    __atomic_compare_exchange_n(word, &clear, latch_poked, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  }
  if (sleeping_in_poll) ::kill(::getpid(), SIGURG);
}

bool session_is_watched(const Latch* latch) noexcept {
  return watched_socket >= 0 && latch && latch == MyLatch;
}

WakeReason sleep_on_latch(Latch* latch, std::int64_t deadline_ns, bool watch_postmaster) {
  if (latch && latch_is_set(latch)) return WakeReason::latch;
  if (session_is_watched(latch)) {
    pollfd descriptors[extra_descriptors];
    return sleep_on_descriptors(latch, deadline_ns, watch_postmaster, descriptors, 0);
  }

  volatile int* word = latch ? &latch->is_set : &no_latch_word;
  sigset_t outer_mask;
  if (watch_postmaster) {
    bgw::change_signal_mask(SIG_UNBLOCK, bgw::mask_of(SIGPWR), &outer_mask);
  }

  WakeReason reason;
  FutexOutcome outcome = FutexOutcome::look_again;
  for (;;) {
    announce_sleep(latch, word, latch_in_futex);
    if (latch && latch_is_set(latch)) {
      reason = WakeReason::latch;
      break;
    }
    if (watch_postmaster && postmaster_is_gone()) {
      reason = WakeReason::postmaster_death;
      break;
    }
    if (outcome == FutexOutcome::timeout) {
      reason = WakeReason::timeout;
      break;
    }
    // A poke that has been looked at above must not end every sleep from now on.
    int poked = latch_poked;
    if (__atomic_compare_exchange_n(word, &poked, latch_clear, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
      continue;
    outcome = futex_wait(word, latch_clear, deadline_ns);
  }
  end_sleep(latch, word);
  if (watch_postmaster && bgw::is_in_mask(outer_mask, SIGPWR)) bgw::change_signal_mask(SIG_SETMASK, outer_mask);
  return reason;
}

WakeReason sleep_on_descriptors(Latch* latch, std::int64_t deadline_ns, bool watch_postmaster,
                                struct pollfd* descriptors, int count) {
  volatile int* word = latch ? &latch->is_set : &no_latch_word;
  int total = count;
  descriptors[total++] = {.fd = wake_up_descriptor(), .events = POLLIN, .revents = 0};
  pollfd* const wake_up = &descriptors[count];
  pollfd* postmaster = nullptr;
  if (watch_postmaster) {
    postmaster = &descriptors[total++];
    *postmaster = {.fd = postmaster_descriptor(), .events = POLLIN, .revents = 0};
  }
  pollfd* const session = &descriptors[total];

  WakeReason reason;
  bool time_is_over = false;
  for (;;) {
    announce_sleep(latch, word, latch_in_poll);
    if (latch && latch_is_set(latch)) {
      reason = WakeReason::latch;
      break;
    }
    if (watch_postmaster && postmaster_is_gone()) {
      reason = WakeReason::postmaster_death;
      break;
    }
    if (time_is_over) {
      reason = WakeReason::timeout;
      break;
    }

    const bool with_session = session_is_watched(latch);
    if (with_session) *session = {.fd = watched_socket, .events = POLLIN, .revents = 0};
    timespec limit;
    timespec* limit_or_none = nullptr;
    if (deadline_ns >= 0) {
      std::int64_t left = deadline_ns - monotonic_ns();
      if (left < 0) left = 0;
      limit = {.tv_sec = left / nanoseconds_per_second, .tv_nsec = left % nanoseconds_per_second};
      limit_or_none = &limit;
    }
    int ready = ppoll(descriptors, static_cast<nfds_t>(total + with_session), limit_or_none, nullptr);
    if (ready < 0) {
      if (errno == EINTR) continue;
      end_sleep(latch, word);
      ereport(ERROR, (errcode_for_socket_access(), errmsg("%s() failed: %m", "poll")));
    }
    if (ready == 0) {
      time_is_over = true;  // but a latch set just now comes first
      continue;
    }
    if (wake_up->revents) drain_wake_up_descriptor();
    if (with_session && session->revents) {
      void (*consume)() noexcept = consume_session;
      // A connection that is lost stays readable for ever: its owner hears of it once.
      if (session->revents & (POLLHUP | POLLERR | POLLNVAL)) watch_session_socket(-1, nullptr);
      enter_critical();
      consume();
      leave_critical();
    }
    if (postmaster && postmaster->revents) {
      postmaster_possibly_dead = true;
      reason = latch && latch_is_set(latch) ? WakeReason::latch : WakeReason::postmaster_death;
      break;
    }
    bool descriptor_is_ready = false;
    for (int i = 0; i < count; i++) descriptor_is_ready |= descriptors[i].revents != 0;
    if (descriptor_is_ready && !(latch && latch_is_set(latch))) {
      reason = WakeReason::descriptor;
      break;
    }
  }
  end_sleep(latch, word);
  return reason;
}

// Whether CHECK_FOR_INTERRUPTS() would act. While interrupts are held off the caller could only come back here.
static bool interrupt_can_be_served() noexcept {
  return InterruptPending && InterruptHoldoffCount == 0 && CritSectionCount == 0 &&
         (QueryCancelHoldoffCount == 0 || ProcDiePending || socket_wait_saw_postmaster_death);
}

// The answer to a short statement is there before this process would be asleep, and to be woken takes longer than the
// statement: so it looks for a moment whether the answer comes, as long as that has paid lately. A process whose statements are
// long, or whose server waits for a processor, sleeps at once but for every sixteenth time.
static bool answer_comes_at_once(pollfd* answer) noexcept {
  constexpr std::int64_t moment_ns = 50'000;
  constexpr int most_credit = 8;
  constexpr int try_again_after = 16;
  static int credit = most_credit, slept = 0;
  static const bool alone = [] {
    cpu_set_t usable;
    return ::sched_getaffinity(0, sizeof usable, &usable) != 0 || CPU_COUNT(&usable) < 2;
  }();
  if (alone || (credit == 0 && ++slept < try_again_after)) return false;
  slept = 0;
  const std::int64_t end = monotonic_ns() + moment_ns;
  do {
    if (::poll(answer, 1, 0) > 0) {
      credit = most_credit;
      return true;
    }
  } while (!InterruptPending && monotonic_ns() < end);
  if (credit > 0) credit--;
  return false;
}

WaitOutcome wait_for_socket(int fd, short poll_events, int timeout_ms) noexcept {
  const std::int64_t deadline_ns = deadline_after_ms(timeout_ms);
  pollfd descriptors[2] = {{.fd = fd, .events = poll_events, .revents = 0},
                           {.fd = -1, .events = POLLIN, .revents = 0}};
  if (IsUnderPostmaster) descriptors[1].fd = postmaster_descriptor();

  if (poll_events == POLLIN && timeout_ms != 0 && !exit_deferred && !InterruptPending && answer_comes_at_once(descriptors))
    return WaitOutcome::ready;

  const uint32 reported_before = *my_wait_event_info;
  pgstat_report_wait_start(wait_event_upstream);
  // Handlers run while asleep and at no other time between the look at their flags and the sleep.
  sigset_t everything, outer_mask;
  sigfillset(&everything);
  sigprocmask(SIG_SETMASK, &everything, &outer_mask);
  WaitOutcome outcome;
  for (;;) {
    if (exit_deferred || interrupt_can_be_served()) {
      outcome = WaitOutcome::interrupted;
      break;
    }
    if (IsUnderPostmaster && postmaster_is_gone()) {
      socket_wait_saw_postmaster_death = true;
      InterruptPending = true;
      outcome = WaitOutcome::interrupted;
      break;
    }
    timespec limit;
    timespec* limit_or_none = nullptr;
    if (deadline_ns >= 0) {
      std::int64_t left = deadline_ns - monotonic_ns();
      if (left < 0) left = 0;
      limit = {.tv_sec = left / nanoseconds_per_second, .tv_nsec = left % nanoseconds_per_second};
      limit_or_none = &limit;
    }
    int ready = ppoll(descriptors, 2, limit_or_none, &outer_mask);
    if (ready < 0 && errno == EINTR) continue;
    if (ready > 0 && descriptors[0].revents == 0) {
      postmaster_possibly_dead = true;
      continue;
    }
    // A failing poll is reported as ready: the caller's own use of the descriptor tells why.
    outcome = ready == 0 ? WaitOutcome::timeout : WaitOutcome::ready;
    break;
  }
  sigprocmask(SIG_SETMASK, &outer_mask, nullptr);
  pgstat_report_wait_start(reported_before);
  return outcome;
}

void watch_session_socket(int fd, void (*consume)() noexcept) noexcept {
  watched_socket = fd;
  consume_session = fd >= 0 ? consume : nullptr;
}

}  // namespace bgw

extern "C" {

void InitializeLatchSupport(void) {
  // The wake-up signal is never delivered to a handler, in no process, at no time. While blocked it is queued
  // for the signalfd even though its disposition is to be ignored.
  pqsignal(SIGURG, SIG_IGN);
  sigset_t wake_up;
  sigemptyset(&wake_up);
  sigaddset(&wake_up, SIGURG);
  sigprocmask(SIG_BLOCK, &wake_up, nullptr);
  sigaddset(&UnBlockSig, SIGURG);

  forget_inherited_descriptors();
  bgw::watch_session_socket(-1, nullptr);
  sleeping_word = nullptr;
  sleeping_in_poll = 0;
}

void ShutdownLatchSupport(void) {
  pqsignal(SIGURG, SIG_IGN);
  signal_fd.reset();
  postmaster_fd.reset();
}

// The server prepares a wait set for WaitLatch here; a futex needs none.
void InitializeLatchWaitSet(void) {}

void InitLatch(Latch* latch) {
  latch->is_set = bgw::latch_clear;
  latch->maybe_sleeping = bgw::latch_awake;
  latch->owner_pid = MyProcPid;
  latch->is_shared = false;
}

void InitSharedLatch(Latch* latch) {
  latch->is_set = bgw::latch_clear;
  latch->maybe_sleeping = bgw::latch_awake;
  latch->owner_pid = 0;
  latch->is_shared = true;
}

void OwnLatch(Latch* latch) {
  Assert(latch->is_shared);
  int owner_pid = latch->owner_pid;
  if (owner_pid != 0) elog(PANIC, "latch already owned by PID %d", owner_pid);
  latch->owner_pid = MyProcPid;
}

void DisownLatch(Latch* latch) {
  Assert(latch->is_shared);
  Assert(latch->owner_pid == MyProcPid);
  latch->owner_pid = 0;
}

void SetLatch(Latch* latch) {
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  if (latch->is_set == bgw::latch_set) return;
  if (__atomic_exchange_n(&latch->is_set, bgw::latch_set, __ATOMIC_SEQ_CST) == bgw::latch_set) return;

  switch (__atomic_load_n(&latch->maybe_sleeping, __ATOMIC_SEQ_CST)) {
    case bgw::latch_in_futex:
      bgw::futex_wake(&latch->is_set, 1);
      break;
    case bgw::latch_in_poll: {
      // The owner may have gone meanwhile; a stray SIGURG harms nobody.
      pid_t owner_pid = __atomic_load_n(&latch->owner_pid, __ATOMIC_RELAXED);
      int kept_errno = errno;
      if (owner_pid > 0) kill(owner_pid, SIGURG);
      errno = kept_errno;
      break;
    }
    default:
      break;
  }
}

void ResetLatch(Latch* latch) {
  Assert(latch->owner_pid == MyProcPid);
  latch->is_set = bgw::latch_clear;
  // What the owner looks at next must be read after the latch is clear, or a change and its set could be
  // missed.
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

int WaitLatch(Latch* latch, int wakeEvents, long timeout, uint32 wait_event_info) {
  if (!(wakeEvents & WL_LATCH_SET)) latch = nullptr;
  if (latch && latch->owner_pid != MyProcPid) elog(ERROR, "cannot wait on a latch owned by another process");
  const std::int64_t deadline_ns = wakeEvents & WL_TIMEOUT ? bgw::deadline_after_ms(timeout) : bgw::no_deadline;

  pgstat_report_wait_start(wait_event_info);
  // A child hears of its postmaster's end whether it asked or not, as in the server.
  bgw::WakeReason reason = bgw::sleep_on_latch(latch, deadline_ns, IsUnderPostmaster);
  pgstat_report_wait_end();

  switch (reason) {
    case bgw::WakeReason::latch:
      return WL_LATCH_SET;
    case bgw::WakeReason::postmaster_death:
      if (wakeEvents & WL_EXIT_ON_PM_DEATH) proc_exit(1);
      return WL_POSTMASTER_DEATH;
    case bgw::WakeReason::descriptor:
    case bgw::WakeReason::timeout:
      break;
  }
  return WL_TIMEOUT;
}

}  // extern "C"
