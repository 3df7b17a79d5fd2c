// The postmaster's event loop: descriptors, signals and deadlines, one epoll instance.
//
// Invariants:
//  1. The loop sleeps without a time limit unless a deadline is set; nothing is polled.
//  2. Signals handed to the loop are blocked in the process and read from a signalfd, so callbacks are never
//     interrupted and run one after the other.
//  3. A callback may add and remove watches and deadlines, its own included, at any time: a removed watch is
//     never called again, even when its event was already collected.
//  4. In a forked child the loop must not be used, nor what it has allocated; close_in_child() drops its descriptors.
#pragma once

#include <chrono>
#include <csignal>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "core/result.hpp"
#include "port/private_memory.hpp"

namespace bgw {

class EventLoop {
 public:
  using Clock = std::chrono::steady_clock;
  using Callback = std::function<void()>;
  using SignalCallback = std::function<void(int signal)>;
  using TimerId = std::uint64_t;

  EventLoop() = default;
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Creates the descriptors and takes over `signals` (blocks them; each arrival calls `on_signal`).
  Result<void> open(const std::vector<int>& signals, SignalCallback on_signal);

  // Calls `callback` whenever `fd` is readable, has hung up or failed. The caller keeps owning fd and
  // must unwatch() before closing it.
  Result<void> watch(int fd, Callback callback);
  void unwatch(int fd) noexcept;

  // Calls `callback` once, not before `when`. Returns an id that is never reused.
  TimerId call_at(Clock::time_point when, Callback callback);
  TimerId call_after(Clock::duration delay, Callback callback) {
    return call_at(Clock::now() + delay, std::move(callback));
  }
  void cancel(TimerId id) noexcept;

  // Calls `callback` from the loop as soon as the current callbacks are done.
  void call_soon(Callback callback) { soon_.push_back(std::move(callback)); }

  // Runs until stop(). A failing system call of the loop's own ends it with an error.
  Result<void> run();
  void stop() noexcept { stopping_ = true; }

  // In a forked child: closes the loop's descriptors without touching the parent's epoll set.
  void close_in_child() noexcept;

  // Moves `fd` up into the range that a child closes at once (see close_private_descriptors).
  // Returns the new descriptor; the old one is closed. On failure the old one is returned.
  static int make_private(int fd) noexcept;
  // In a forked child: closes every descriptor that make_private() has moved.
  static void close_private_descriptors() noexcept;

 private:
  struct Watch {
    int fd;
    Callback callback;
  };

  Result<void> run_once();
  void run_due_timers();
  void read_signals();
  Result<void> arm_timer();

  int epoll_fd_ = -1;
  int signal_fd_ = -1;
  int timer_fd_ = -1;
  SignalCallback on_signal_;
  std::pmr::unordered_map<int, std::shared_ptr<Watch>> watches_{&private_memory()};
  std::map<std::pair<Clock::time_point, TimerId>, Callback> timers_;
  std::unordered_map<TimerId, Clock::time_point> timer_times_;
  TimerId next_timer_ = 1;
  Clock::time_point armed_for_ = Clock::time_point::max();
  std::vector<Callback> soon_;
  bool stopping_ = false;
};

}  // namespace bgw
