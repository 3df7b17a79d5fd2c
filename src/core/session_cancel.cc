// Asking the upstream to stop. libpq's own cancel request blocks while it connects and until the server has
// closed that connection again; it is made by a thread of its own, with every signal blocked, so that a network
// that answers nothing costs the caller no more than it is willing to wait. The thread touches only the cancel
// object and the state it shares.
//
// A busy server may have stopped the statement long before it closes the connection of the request: whoever
// waits for the statement waits for that alone. But a request that is still under way might stop whatever is
// sent next, so nothing is sent until it is over (settle_cancel), unless it is known to have hit what it was
// meant for.
#include "core/libpq.hpp"
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <memory>

#include "core/session.hpp"
#include "port/clock.hpp"
#include "port/fd.hpp"

namespace bgw {

struct Session::CancelJob {
  PGcancel* cancel = nullptr;
  UniqueFd finished;  // an eventfd, readable once the request is over
  ~CancelJob() { PQfreeCancel(cancel); }
};

void* Session::run_cancel(void* argument) {
  std::unique_ptr<std::shared_ptr<CancelJob>> job(static_cast<std::shared_ptr<CancelJob>*>(argument));
  char error[256];
  // A request that fails is not worth a message: the caller closes the session if nothing stops.
  [[maybe_unused]] int sent = PQcancel((*job)->cancel, error, sizeof(error));
  eventfd_write((*job)->finished.get(), 1);
  return nullptr;
}

namespace {

// Until one of two descriptors is readable; false if neither is within the time.
bool readable(int one, int other, int limit_ms) noexcept {
  const std::int64_t deadline = deadline_after_ms(limit_ms);
  pollfd descriptors[2] = {{one, POLLIN, 0}, {other, POLLIN, 0}};
  for (;;) {
    const std::int64_t left =
        std::max<std::int64_t>(0, deadline - monotonic_ns()) / nanoseconds_per_millisecond;
    const int ready = ::poll(descriptors, 2, static_cast<int>(left));
    if (ready > 0) return true;
    if (ready == 0 || left == 0) return false;
  }
}

}  // namespace

void Session::start_cancel() noexcept {
  if (!conn_ || lost_ || in_flight_.empty() || cancel_under_way()) return;
  cancel_job_.reset();
  auto job = std::make_shared<CancelJob>();
  job->cancel = PQgetCancel(conn_);
  job->finished = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!job->cancel || !job->finished) return;
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
  cancel_job_ = std::move(job);
}

bool Session::cancel_under_way() const noexcept {
  return cancel_job_ && !readable(cancel_job_->finished.get(), -1, 0);
}

void Session::cancel(int limit_ms) noexcept {
  start_cancel();
  if (cancel_job_) readable(cancel_job_->finished.get(), socket(), limit_ms);
}

void Session::settle_cancel() noexcept {
  if (!cancel_job_) return;
  constexpr int longest_request_ms = 1000;
  readable(cancel_job_->finished.get(), -1, longest_request_ms);
  cancel_job_.reset();
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

bool Session::stop(int limit_ms) noexcept {
  // A request that overtakes the statement finds nothing to stop, so it is made again until something stops.
  constexpr int first_pause_ms = 50, longest_pause_ms = 1000;
  const std::int64_t deadline = deadline_after_ms(limit_ms);
  for (int pause = first_pause_ms;; pause = std::min(2 * pause, longest_pause_ms)) {
    start_cancel();
    const std::int64_t left = (deadline - monotonic_ns()) / nanoseconds_per_millisecond;
    if (left <= pause) return drain(static_cast<int>(std::max<std::int64_t>(left, 1)));
    if (finish_within(pause)) return true;
  }
}

}  // namespace bgw
