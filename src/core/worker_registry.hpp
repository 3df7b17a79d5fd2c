// The postmaster's list of workers and the rules by which they start, restart and are forgotten.
//
// Pure logic: no process is made and no clock is read here. The postmaster tells the registry what happened
// and asks it what to do; so the rules can be tested with a clock that stands still.
//
// Invariants:
//  1. A worker is in exactly one state, and only change_state() changes it.
//  2. A running worker has a pid and no other one has; by_pid_ holds exactly the running ones.
//  3. The start queue holds exactly the workers in state `startable`, not those that are `ordered`; the due list exactly those in
//     `waiting_restart`. Their cost per change is O(1) and O(log n): nothing scans all workers but a change
//     of the upstream's state, a reset and a shutdown.
//  4. by_notify_pid_ holds exactly the workers whose notify_pid is not 0, under it.
//  5. A worker is forgotten (removed) only by forget(), after which no reference to it is valid.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <memory_resource>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <sys/types.h>

struct BackgroundWorker;  // the server's; carried and never looked into here

namespace bgw {

// How far the upstream has come, in the order in which workers may wait for it.
enum class UpstreamLevel { none, consistent, read_write };

// When a worker may be started first: BgWorkerStartTime by another name, so that core needs no server header.
enum class StartWhen { postmaster_start, consistent_state, recovery_finished };

struct WorkerSpec {
  std::string name;
  std::string type;
  StartWhen start_when = StartWhen::postmaster_start;
  std::optional<std::chrono::seconds> restart_after;  // nullopt: never restarted
  bool needs_database = false;
  bool is_static = true;
  bool is_parallel = false;  // of the class that max_parallel_workers limits
  int flags = 0;
  pid_t notify_pid = 0;  // child that is told of starts and ends; 0: none
  std::shared_ptr<BackgroundWorker> definition;
};

enum class WorkerState {
  waiting_state,    // the upstream has not reached what the worker waits for
  startable,        // in the start queue
  ordered,          // a process is being made for it elsewhere: started(), start_failed() or not_started() follows
  running,          // has a process
  waiting_restart,  // exited with code 1; its interval is not over
};

// How a worker's process ended, as the postmaster judged it.
struct WorkerExit {
  bool by_signal = false;
  int code = 0;            // exit code, or the signal's number
  bool cleaned_up = true;  // ran its exit callbacks: false after _exit()
};

enum class ExitVerdict {
  forget,   // ended for good
  restart,  // will be started again: at once, after its interval, or when the upstream is back
  crash,    // the host must be reset
};

class WorkerRegistry {
 public:
  using Clock = std::chrono::steady_clock;

  struct Worker {
    WorkerSpec spec;
    int slot = -1;  // position in the shared slot array, kept for the worker's life
    WorkerState state = WorkerState::waiting_state;
    pid_t pid = 0;
    bool terminate = false;             // asked to end for good
    bool started_in_slot = false;       // had a process since it was put into its slot
    bool stopped_for_upstream = false;  // told to stop because the upstream went away
    std::uint64_t starts = 0;
    std::optional<WorkerExit> last_exit;
    std::chrono::system_clock::time_point since{};  // of the present state

   private:
    friend class WorkerRegistry;
    std::pmr::list<Worker>::iterator self;
    std::optional<std::pmr::list<Worker*>::iterator> queued;
    std::optional<std::pmr::multimap<Clock::time_point, Worker*>::iterator> due;
    std::list<Worker*>::iterator notified;  // valid while notify_pid is not 0
  };

  // What the registry keeps is allocated from `memory`, which must outlive it.
  explicit WorkerRegistry(std::pmr::memory_resource& memory = *std::pmr::get_default_resource())
      : workers_(&memory), queue_(&memory), due_(&memory), by_pid_(&memory), by_notify_pid_(&memory) {}

  // Called after every change of a worker's state, for the status that operators see.
  using Observer = std::function<void(const Worker&)>;
  void set_observer(Observer observer) { observer_ = std::move(observer); }

  // Adds a worker at the head of the list: of several that become startable together, the last one added
  // starts first, as in the server.
  Worker& add(WorkerSpec spec, int slot);

  // The upstream came up, went down or was promoted. Makes the workers startable that may start now. Those
  // that were waiting for their interval after losing a database that is back now start at once.
  void upstream_changed(UpstreamLevel level);
  UpstreamLevel upstream_level() const { return level_; }

  // The next worker to start, or nullptr; it stays queued until ordered(), started() or start_failed().
  Worker* next_to_start();
  void ordered(Worker& worker);
  void started(Worker& worker, pid_t pid);
  // An ordered worker will not get the process: it is the next to start, if it still may.
  void not_started(Worker& worker);
  // No process could be made. True: it will be tried again after its interval. False: forget it.
  [[nodiscard]] bool start_failed(Worker& worker, Clock::time_point now);

  // The worker's process has ended. After `forget` the caller calls forget().
  [[nodiscard]] ExitVerdict exited(Worker& worker, WorkerExit exit, Clock::time_point now);

  // Asked for through a handle. True: the worker has no process, nor will it get one, and is to be forgotten now.
  [[nodiscard]] bool terminate(Worker& worker);

  void forget(Worker& worker);

  // The process that was to be told of workers is gone: forgets it as such. Costs as much as it had workers.
  void stop_notifications(pid_t notify_pid);

  // The workers that never had a process and have somebody waiting for them: for a shutdown, which will not
  // start them any more.
  std::vector<Worker*> unstarted_with_waiter();

  // Makes startable what is due by `now`.
  void release_due(Clock::time_point now);
  std::optional<Clock::time_point> next_due() const;

  // After a crash, every process being gone: restartable workers become startable with no regard to their
  // interval; the others are returned, to be forgotten by the caller. Nobody is told of any of them any more,
  // and none is in a slot: the caller puts those that stay into new ones. None is ordered.
  [[nodiscard]] std::vector<Worker*> reset();

  // The running workers that asked for a database, marked as stopped because the upstream went away. The ordered ones
  // are marked too: the caller stops them when it knows their pid.
  std::vector<Worker*> stop_for_upstream();

  Worker* find_pid(pid_t pid);
  std::size_t size() const { return workers_.size(); }
  std::size_t running() const { return by_pid_.size(); }
  // How many are in the start queue, of those with and of those without a database.
  std::size_t startable(bool needs_database) const { return startable_[needs_database ? 1 : 0]; }
  void for_each(const std::function<void(Worker&)>& visit);

 private:
  bool may_start(const Worker& worker) const;
  void change_state(Worker& worker, WorkerState state, std::optional<Clock::time_point> due = std::nullopt);
  void make_startable_or_wait(Worker& worker);
  void clear_notify(Worker& worker);

  std::pmr::list<Worker> workers_;  // head: registered last
  std::pmr::list<Worker*> queue_;
  std::size_t startable_[2] = {};  // in the queue: without and with a database
  std::pmr::multimap<Clock::time_point, Worker*> due_;
  std::pmr::unordered_map<pid_t, Worker*> by_pid_;
  std::pmr::unordered_map<pid_t, std::list<Worker*>> by_notify_pid_;
  UpstreamLevel level_ = UpstreamLevel::none;
  UpstreamLevel highest_ = UpstreamLevel::none;  // since the host started
  Observer observer_;
};

std::string_view to_string(WorkerState state);

}  // namespace bgw
