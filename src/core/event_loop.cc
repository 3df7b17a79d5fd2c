// The event loop of the postmaster: see event_loop.hpp for its invariants. Entered by the postmaster only.
#include "core/event_loop.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "port/system_call.hpp"

namespace bgw {

namespace {

// Descriptors of the postmaster alone live from here up, so that a child drops them with one call.
constexpr int kFirstPrivateDescriptor = 512;

Error failed(const char* call) {
  return Error{.message = std::string(call) + " failed: " + std::strerror(errno), .sqlstate = "58000"};
}

}  // namespace

EventLoop::~EventLoop() {
  close_in_child();
}

int EventLoop::make_private(int fd) noexcept {
  int moved = ::fcntl(fd, F_DUPFD_CLOEXEC, kFirstPrivateDescriptor);
  if (moved < 0) return fd;
  ::close(fd);
  return moved;
}

void EventLoop::close_private_descriptors() noexcept {
  system_call(SYS_close_range, kFirstPrivateDescriptor, ~0U);
}

void EventLoop::close_in_child() noexcept {
  for (int* fd : {&epoll_fd_, &signal_fd_, &timer_fd_}) {
    if (*fd >= 0) ::close(*fd);
    *fd = -1;
  }
}

Result<void> EventLoop::open(const std::vector<int>& signals, SignalCallback on_signal) {
  on_signal_ = std::move(on_signal);
  sigset_t mask;
  sigemptyset(&mask);
  for (int signal : signals) sigaddset(&mask, signal);
  if (::sigprocmask(SIG_BLOCK, &mask, nullptr) < 0) return failed("sigprocmask");

  epoll_fd_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd_ < 0) return failed("epoll_create1");
  epoll_fd_ = make_private(epoll_fd_);
  signal_fd_ = ::signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signal_fd_ < 0) return failed("signalfd");
  signal_fd_ = make_private(signal_fd_);
  timer_fd_ = ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  if (timer_fd_ < 0) return failed("timerfd_create");
  timer_fd_ = make_private(timer_fd_);

  if (auto watching = watch(signal_fd_, [this] { read_signals(); }); !watching) return watching;
  return watch(timer_fd_, [this] {
    std::uint64_t expirations;
    [[maybe_unused]] ssize_t got = ::read(timer_fd_, &expirations, sizeof expirations);
    armed_for_ = Clock::time_point::max();
    run_due_timers();
  });
}

Result<void> EventLoop::watch(int fd, Callback callback) {
  auto watch = std::allocate_shared<Watch>(std::pmr::polymorphic_allocator<Watch>(&private_memory()),
                                           Watch{fd, std::move(callback)});
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) < 0) return failed("epoll_ctl");
  watches_[fd] = std::move(watch);
  return {};
}

void EventLoop::unwatch(int fd) noexcept {
  if (watches_.erase(fd) > 0) ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
}

EventLoop::TimerId EventLoop::call_at(Clock::time_point when, Callback callback) {
  TimerId id = next_timer_++;
  timers_.emplace(std::pair{when, id}, std::move(callback));
  timer_times_.emplace(id, when);
  return id;
}

void EventLoop::cancel(TimerId id) noexcept {
  auto found = timer_times_.find(id);
  if (found == timer_times_.end()) return;
  timers_.erase({found->second, id});
  timer_times_.erase(found);
}

void EventLoop::run_due_timers() {
  Clock::time_point now = Clock::now();
  while (!timers_.empty() && timers_.begin()->first.first <= now) {
    auto node = timers_.extract(timers_.begin());
    timer_times_.erase(node.key().second);
    node.mapped()();
  }
}

void EventLoop::read_signals() {
  signalfd_siginfo info;
  while (::read(signal_fd_, &info, sizeof info) == static_cast<ssize_t>(sizeof info))
    on_signal_(static_cast<int>(info.ssi_signo));
}

// The timerfd always stands at the earliest deadline; it is set again only when that has changed.
Result<void> EventLoop::arm_timer() {
  Clock::time_point earliest = timers_.empty() ? Clock::time_point::max() : timers_.begin()->first.first;
  if (earliest == armed_for_) return {};
  itimerspec when{};
  if (earliest != Clock::time_point::max()) {
    auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(earliest.time_since_epoch()).count();
    when.it_value.tv_sec = ns / 1'000'000'000;
    when.it_value.tv_nsec = ns % 1'000'000'000;
    if (ns <= 0) when.it_value.tv_nsec = 1;
  }
  if (::timerfd_settime(timer_fd_, TFD_TIMER_ABSTIME, &when, nullptr) < 0) return failed("timerfd_settime");
  armed_for_ = earliest;
  return {};
}

Result<void> EventLoop::run_once() {
  run_due_timers();
  std::vector<Callback> soon = std::exchange(soon_, {});
  for (Callback& callback : soon) {
    callback();
    if (stopping_) return {};
  }
  if (auto armed = arm_timer(); !armed) return armed;

  std::array<epoll_event, 64> events;
  int timeout = soon_.empty() ? -1 : 0;
  int count = ::epoll_wait(epoll_fd_, events.data(), static_cast<int>(events.size()), timeout);
  if (count < 0) {
    if (errno == EINTR) return {};
    return failed("epoll_wait");
  }
  for (int i = 0; i < count && !stopping_; i++) {
    auto found = watches_.find(events[static_cast<std::size_t>(i)].data.fd);
    if (found == watches_.end()) continue;  // removed by an earlier callback of this round
    std::shared_ptr<Watch> watch = found->second;
    watch->callback();
  }
  return {};
}

Result<void> EventLoop::run() {
  stopping_ = false;
  while (!stopping_)
    if (auto ran = run_once(); !ran) return ran;
  return {};
}

}  // namespace bgw
