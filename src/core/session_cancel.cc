// Asking the upstream to stop. libpq's own cancel request blocks while it connects; it is made by a thread
// of its own, with every signal blocked, so that a network that answers nothing costs the caller no more
// than it is willing to wait. The thread touches only the cancel object and the state it shares.
#include "core/libpq.hpp"
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "core/session.hpp"
#include "port/clock.hpp"

namespace bgw {

namespace {

struct CancelJob {
  PGcancel* cancel = nullptr;
  std::mutex mutex;
  std::condition_variable finished;
  bool done = false;
  ~CancelJob() { PQfreeCancel(cancel); }
};

void* run_cancel(void* argument) {
  std::unique_ptr<std::shared_ptr<CancelJob>> job(static_cast<std::shared_ptr<CancelJob>*>(argument));
  char error[256];
  // A request that fails is not worth a message: the caller closes the session if nothing stops.
  [[maybe_unused]] int sent = PQcancel((*job)->cancel, error, sizeof(error));
  std::lock_guard<std::mutex> lock((*job)->mutex);
  (*job)->done = true;
  (*job)->finished.notify_all();
  return nullptr;
}

}  // namespace

void Session::cancel(int limit_ms) noexcept {
  if (!conn_ || lost_ || in_flight_.empty()) return;
  auto job = std::make_shared<CancelJob>();
  job->cancel = PQgetCancel(conn_);
  if (!job->cancel) return;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  pthread_t thread;
  auto* argument = new std::shared_ptr<CancelJob>(job);
  int failed = pthread_create(&thread, nullptr, run_cancel, argument);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (failed) {
    delete argument;
    return;
  }
  pthread_detach(thread);
  std::unique_lock<std::mutex> lock(job->mutex);
  job->finished.wait_for(lock, std::chrono::milliseconds(limit_ms), [&] { return job->done; });
}

bool Session::finish_within(int limit_ms) noexcept {
  if (!busy()) return true;
  static thread_local std::int64_t deadline;
  deadline = deadline_after_ms(limit_ms);
  WaitFunction saved = wait_;
  wait_ = [](int fd, short events, int) noexcept {
    std::int64_t left = (deadline - monotonic_ns()) / nanoseconds_per_millisecond;
    if (left <= 0) return WaitOutcome::interrupted;
    pollfd p{fd, events, 0};
    ::poll(&p, 1, static_cast<int>(left));
    return WaitOutcome::ready;
  };
  Step step = resume();
  wait_ = saved;
  return step == Step::done;
}

bool Session::drain(int limit_ms) noexcept {
  if (finish_within(limit_ms)) return true;
  close();
  return false;
}

bool Session::stop(int cancel_limit_ms, int limit_ms) noexcept {
  // A request that overtakes the statement finds nothing to stop, so it is made again until something stops.
  constexpr int first_pause_ms = 50, longest_pause_ms = 1000;
  const std::int64_t deadline = deadline_after_ms(limit_ms);
  for (int pause = first_pause_ms;; pause = std::min(2 * pause, longest_pause_ms)) {
    cancel(cancel_limit_ms);
    const std::int64_t left = (deadline - monotonic_ns()) / nanoseconds_per_millisecond;
    if (left <= pause) return drain(static_cast<int>(std::max<std::int64_t>(left, 1)));
    if (finish_within(pause)) return true;
  }
}

}  // namespace bgw
