// Spare processes: forked before they are needed, so that starting a worker is a hand-over and not a fork.
//
// A spare has done everything that all children do first and sleeps in read() on a pipe of its own. Its order
// is the whole registration of the worker it is to become, so what is handed over need not have existed when it
// was forked. Closing the pipe dismisses it; so does the postmaster's death, which closes the pipe too.
//
// A spare is a copy of the postmaster as it was: with settings of that moment, and attached to the shared
// memory of that moment. Spares are therefore dismissed at every reload, reset and shutdown. They hold a child
// slot but touch nothing in shared memory, so that the death of an idle one, however it comes, is no crash.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "postmaster/postmaster.hpp"
#include "utils/guc_internal.hpp"

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
}
#include "postmaster/bgworker_private.hpp"
#include "postmaster/child.hpp"

int spare_worker_processes = 4;

namespace bgw {

namespace {

constexpr std::chrono::seconds kAfterADeath{1};  // before the next spare is made when one died on its own
// From a start to the next fork while more than half of the spares are left: the worker just started wants the
// processor more.
constexpr std::chrono::milliseconds kRefillDelay{1};

[[noreturn]] void wait_for_order(int order_fd) {
  static BackgroundWorker order;
  auto* at = reinterpret_cast<char*>(&order);
  for (size_t have = 0; have < sizeof order;) {
    ssize_t got = ::read(order_fd, at + have, sizeof order - have);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) ::_exit(0);  // dismissed
    have += static_cast<size_t>(got);
  }
  ::close(order_fd);
  run_background_worker(&order);
}

}  // namespace

// Gives the worker to a spare; false when there is none to take it.
bool Postmaster::hand_over(WorkerRegistry::Worker& worker) {
  while (!spares_.empty()) {
    Child& spare = children_.at(spares_.back());
    spares_.pop_back();
    // Smaller than PIPE_BUF and into an empty pipe: written whole, or not at all.
    static_assert(sizeof(BackgroundWorker) <= 4096);
    ssize_t written = ::write(spare.order_pipe.get(), registered_worker(worker.slot), sizeof(BackgroundWorker));
    spare.order_pipe.reset();
    if (written != static_cast<ssize_t>(sizeof(BackgroundWorker)))
      continue;  // it is dead; its end is reported yet
    spare.kind = ChildKind::worker;
    spare.worker = &worker;
    registry_.started(worker, spare.pid);
    return true;
  }
  return false;
}

void Postmaster::refill_spares() {
  if (refill_queued_ || phase_ != Phase::running || shutdown_ != Shutdown::none) return;
  if (registry_.size() == 0 || spares_.size() >= static_cast<std::size_t>(spare_worker_processes)) return;
  refill_queued_ = true;
  // One at a time, so that events of other children are looked at in between.
  auto refill = [this] {
    refill_queued_ = false;
    if (phase_ == Phase::running && shutdown_ == Shutdown::none && make_spare()) refill_spares();
  };
  if (spares_.size() * 2 <= static_cast<std::size_t>(spare_worker_processes))
    loop_.call_soon(std::move(refill));
  else
    loop_.call_after(kRefillDelay, std::move(refill));
}

bool Postmaster::make_spare() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) return false;
  UniqueFd read_end(ends[0]);
  UniqueFd write_end(EventLoop::make_private(ends[1]));
  int slot = AssignPostmasterChildSlot();
  if (slot == 0) return false;
  pid_t pid = fork_child(slot);
  if (pid == 0) wait_for_order(read_end.get());
  if (pid < 0) {
    ReleasePostmasterChildSlot(slot);
    return false;
  }
  if (!add_child(ChildKind::spare, pid, slot)) return false;
  children_.at(pid).order_pipe = std::move(write_end);
  spares_.push_back(pid);
  return true;
}

void Postmaster::dismiss_spares() {
  for (pid_t pid : spares_) children_.at(pid).order_pipe.reset();
  spares_.clear();
}

void Postmaster::spare_exited(const Child& child, WorkerExit exit) {
  bool was_waiting = std::erase(spares_, child.pid) > 0;
  if (!was_waiting) {  // dismissed
    refill_spares();
    return;
  }
  log_child_exit(LOG, "spare process", child.pid, exit, false);
  loop_.call_after(kAfterADeath, [this] { refill_spares(); });
}

}  // namespace bgw
