// Runs in the monitor process only. The thread shares nothing with the rest of it but a descriptor that tells
// it to end.
#include "core/guardian.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <thread>

#include "port/fd.hpp"

namespace bgw {

namespace {

using Clock = std::chrono::steady_clock;

// Without a descriptor (none left, or a kernel without pidfds) the pid has to do.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid), fd_(static_cast<int>(syscall(SYS_pidfd_open, pid, 0u))) {
    gone_ = !fd_ && errno == ESRCH;
  }

  bool gone() {
    if (gone_) return true;
    if (fd_) {
      pollfd item{fd_.get(), POLLIN, 0};
      gone_ = poll(&item, 1, 0) > 0;
    } else {
      gone_ = kill(pid_, 0) != 0;
    }
    if (gone_) fd_.reset();
    return gone_;
  }

  void end() {
    // While it exists its pid is its own, and so is the group of that number.
    if (getpgid(pid_) == pid_) kill(-pid_, SIGKILL);
    if (!fd_ || syscall(SYS_pidfd_send_signal, fd_.get(), SIGKILL, nullptr, 0u) != 0) kill(pid_, SIGKILL);
  }

  int fd() const { return fd_.get(); }

 private:
  pid_t pid_;
  UniqueFd fd_;
  bool gone_ = false;
};

class Children {
 public:
  explicit Children(const ChildrenFunction& list) : list_(list) {}

  void look() {
    if (!list_) return;
    for (pid_t pid : list_())
      if (pid > 1 && pid != getpid()) known_.try_emplace(pid, pid);
  }

  // Waits until all are gone or the time is over; true when all are gone.
  bool wait_until(Clock::time_point end) {
    for (;;) {
      std::vector<pollfd> items;
      bool all_gone = true, need_looking = false;
      for (auto& [pid, child] : known_) {
        if (child.gone()) continue;
        all_gone = false;
        if (child.fd() >= 0)
          items.push_back({child.fd(), POLLIN, 0});
        else
          need_looking = true;
      }
      if (all_gone) return true;
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
      if (left <= 0) return false;
      // One exit wakes it; the rest is looked at again with the next turn.
      poll(items.data(), items.size(), static_cast<int>(need_looking ? std::min<long>(left, 20) : left));
    }
  }

  int end_all() {
    int ended = 0;
    for (auto& [pid, child] : known_) {
      if (child.gone()) continue;
      child.end();
      ended++;
    }
    return ended;
  }

 private:
  const ChildrenFunction& list_;
  std::map<pid_t, Child> known_;
};

}  // namespace

int guard_children_after_death(const ChildrenFunction& children, std::chrono::milliseconds grace) {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  Children known(children);
  known.look();
  known.wait_until(Clock::now() + grace);
  int killed = 0;
  for (int round = 0; round < 10; round++) {
    known.look();  // one that was being forked at the moment of the death
    const int ended = known.end_all();
    if (ended == 0) break;
    if (round == 0) killed = ended;
    known.wait_until(Clock::now() + std::chrono::milliseconds(200));
  }
  return killed;
}

struct Guardian::State {
  UniqueFd stop;
  std::thread thread;
};

Guardian::Guardian(int postmaster_fd, ChildrenFunction children, std::chrono::milliseconds grace)
    : state_(std::make_unique<State>()) {
  state_->stop.reset(eventfd(0, EFD_CLOEXEC));
  const int stop_fd = state_->stop.get();
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  state_->thread = std::thread([postmaster_fd, stop_fd, children = std::move(children), grace] {
    pollfd items[2] = {{postmaster_fd, POLLIN, 0}, {stop_fd, POLLIN, 0}};
    while (poll(items, 2, -1) < 0 && errno == EINTR) continue;
    if (items[0].revents == 0) return;
    guard_children_after_death(children, grace);
    _exit(1);
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Guardian::~Guardian() {
  const std::uint64_t one = 1;
  [[maybe_unused]] ssize_t written = write(state_->stop.get(), &one, sizeof(one));
  state_->thread.join();
}

}  // namespace bgw
