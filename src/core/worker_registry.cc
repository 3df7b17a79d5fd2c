// The rules of starting and restarting: see worker_registry.hpp. Used by the postmaster only.
#include "core/worker_registry.hpp"

#include <algorithm>

namespace bgw {

std::string_view to_string(WorkerState state) {
  switch (state) {
    case WorkerState::waiting_state:
      return "waiting for upstream";
    case WorkerState::startable:
    case WorkerState::ordered:
      return "starting";
    case WorkerState::running:
      return "running";
    case WorkerState::waiting_restart:
      return "waiting for restart";
  }
  return "unknown";
}

// The one place where a state changes; keeps the queue, the due list and the pid index in step.
void WorkerRegistry::change_state(Worker& worker, WorkerState state, std::optional<Clock::time_point> due) {
  if (worker.queued) {
    queue_.erase(*worker.queued);
    startable_[worker.spec.needs_database ? 1 : 0]--;
    worker.queued.reset();
  }
  if (worker.due) {
    due_.erase(*worker.due);
    worker.due.reset();
  }
  if (worker.state == WorkerState::running && worker.pid != 0) {
    by_pid_.erase(worker.pid);
    worker.pid = 0;
  }
  worker.state = state;
  worker.since = std::chrono::system_clock::now();
  switch (state) {
    case WorkerState::waiting_state:
      break;
    case WorkerState::startable:
      queue_.push_front(&worker);
      startable_[worker.spec.needs_database ? 1 : 0]++;
      worker.queued = queue_.begin();
      break;
    case WorkerState::ordered:
    case WorkerState::running:
      break;
    case WorkerState::waiting_restart:
      worker.due = due_.emplace(*due, &worker);
      break;
  }
}

// A worker without a database asks how far the upstream has ever come: once it was let start it is
// restarted whether or not the upstream happens to be up. One with a database needs it now.
bool WorkerRegistry::may_start(const Worker& worker) const {
  UpstreamLevel level = worker.spec.needs_database ? level_ : highest_;
  switch (worker.spec.start_when) {
    case StartWhen::postmaster_start:
      return true;
    case StartWhen::consistent_state:
      return level >= UpstreamLevel::consistent;
    case StartWhen::recovery_finished:
      return level >= UpstreamLevel::read_write;
  }
  return true;  // out-of-range start times are not checked by the server either
}

void WorkerRegistry::make_startable_or_wait(Worker& worker) {
  change_state(worker, may_start(worker) ? WorkerState::startable : WorkerState::waiting_state);
  if (observer_) observer_(worker);
}

WorkerRegistry::Worker& WorkerRegistry::add(WorkerSpec spec, int slot) {
  Worker& worker = workers_.emplace_front();
  worker.self = workers_.begin();
  worker.spec = std::move(spec);
  worker.slot = slot;
  if (pid_t notify = worker.spec.notify_pid; notify != 0) {
    std::list<Worker*>& waiting = by_notify_pid_[notify];
    worker.notified = waiting.insert(waiting.end(), &worker);
  }
  make_startable_or_wait(worker);
  return worker;
}

void WorkerRegistry::upstream_changed(UpstreamLevel level) {
  bool came_back = level > level_;
  level_ = level;
  highest_ = std::max(highest_, level);
  // From tail to head, because each goes to the front of the queue: the head of the list starts first.
  for (auto it = workers_.rbegin(); it != workers_.rend(); ++it) {
    Worker& worker = *it;
    switch (worker.state) {
      case WorkerState::waiting_state:
        if (may_start(worker)) make_startable_or_wait(worker);
        break;
      case WorkerState::startable:
        if (!may_start(worker)) make_startable_or_wait(worker);
        break;
      case WorkerState::waiting_restart:
        if (came_back && worker.spec.needs_database && may_start(worker)) make_startable_or_wait(worker);
        break;
      case WorkerState::ordered:
      case WorkerState::running:
        break;
    }
  }
}

WorkerRegistry::Worker* WorkerRegistry::next_to_start() {
  return queue_.empty() ? nullptr : queue_.front();
}

void WorkerRegistry::ordered(Worker& worker) {
  worker.stopped_for_upstream = false;
  change_state(worker, WorkerState::ordered);
}

void WorkerRegistry::not_started(Worker& worker) {
  worker.stopped_for_upstream = false;
  make_startable_or_wait(worker);
}

void WorkerRegistry::started(Worker& worker, pid_t pid) {
  if (worker.state != WorkerState::ordered) worker.stopped_for_upstream = false;
  change_state(worker, WorkerState::running);
  worker.pid = pid;
  by_pid_[pid] = &worker;
  worker.starts++;
  worker.started_in_slot = true;
  if (observer_) observer_(worker);
}

bool WorkerRegistry::start_failed(Worker& worker, Clock::time_point now) {
  if (!worker.spec.restart_after) return false;
  change_state(worker, WorkerState::waiting_restart, now + *worker.spec.restart_after);
  if (observer_) observer_(worker);
  return true;
}

ExitVerdict WorkerRegistry::exited(Worker& worker, WorkerExit exit, Clock::time_point now) {
  worker.last_exit = exit;
  bool stopped_for_upstream = worker.stopped_for_upstream;
  worker.stopped_for_upstream = false;
  // Recorded before the judgement on a crash: a worker that left with code 0 is not started again, even when
  // leaving without its callbacks makes it a crash.
  if (!exit.by_signal && exit.code == 0 && !stopped_for_upstream) worker.terminate = true;

  bool crashed = exit.by_signal || (exit.code != 0 && exit.code != 1) || !exit.cleaned_up;
  if (crashed) {
    change_state(worker, WorkerState::waiting_state);
    if (observer_) observer_(worker);
    return ExitVerdict::crash;
  }
  if (worker.terminate) {
    change_state(worker, WorkerState::waiting_state);
    return ExitVerdict::forget;
  }
  if (stopped_for_upstream && (worker.spec.restart_after || worker.spec.is_static)) {
    make_startable_or_wait(worker);
    return ExitVerdict::restart;
  }
  if (!worker.spec.restart_after) {
    change_state(worker, WorkerState::waiting_state);
    return ExitVerdict::forget;
  }
  if (worker.spec.restart_after->count() == 0) {
    make_startable_or_wait(worker);
  } else {
    change_state(worker, WorkerState::waiting_restart, now + *worker.spec.restart_after);
    if (observer_) observer_(worker);
  }
  return ExitVerdict::restart;
}

bool WorkerRegistry::terminate(Worker& worker) {
  worker.terminate = true;
  return worker.state != WorkerState::running && worker.state != WorkerState::ordered;
}

void WorkerRegistry::forget(Worker& worker) {
  change_state(worker, WorkerState::waiting_state);
  clear_notify(worker);
  workers_.erase(worker.self);
}

void WorkerRegistry::clear_notify(Worker& worker) {
  if (worker.spec.notify_pid == 0) return;
  auto found = by_notify_pid_.find(worker.spec.notify_pid);
  found->second.erase(worker.notified);
  if (found->second.empty()) by_notify_pid_.erase(found);
  worker.spec.notify_pid = 0;
}

void WorkerRegistry::stop_notifications(pid_t notify_pid) {
  auto found = by_notify_pid_.extract(notify_pid);
  if (found.empty()) return;
  for (Worker* worker : found.mapped()) worker->spec.notify_pid = 0;
}

std::vector<WorkerRegistry::Worker*> WorkerRegistry::unstarted_with_waiter() {
  std::vector<Worker*> unstarted;
  for (Worker& worker : workers_)
    if (!worker.started_in_slot && worker.state != WorkerState::ordered && worker.spec.notify_pid != 0)
      unstarted.push_back(&worker);
  return unstarted;
}

void WorkerRegistry::release_due(Clock::time_point now) {
  while (!due_.empty() && due_.begin()->first <= now) make_startable_or_wait(*due_.begin()->second);
}

std::optional<WorkerRegistry::Clock::time_point> WorkerRegistry::next_due() const {
  if (due_.empty()) return std::nullopt;
  return due_.begin()->first;
}

std::vector<WorkerRegistry::Worker*> WorkerRegistry::reset() {
  std::vector<Worker*> to_forget;
  for (auto it = workers_.rbegin(); it != workers_.rend(); ++it) {
    Worker& worker = *it;
    worker.stopped_for_upstream = false;
    worker.started_in_slot = false;
    worker.slot = -1;
    clear_notify(worker);
    if (!worker.spec.restart_after || worker.terminate) {
      change_state(worker, WorkerState::waiting_state);
      to_forget.push_back(&worker);
    } else {
      make_startable_or_wait(worker);
    }
  }
  std::reverse(to_forget.begin(), to_forget.end());
  return to_forget;
}

std::vector<WorkerRegistry::Worker*> WorkerRegistry::stop_for_upstream() {
  std::vector<Worker*> stopped;
  for (Worker& worker : workers_) {
    const bool is_running = worker.state == WorkerState::running;
    if (!worker.spec.needs_database || (!is_running && worker.state != WorkerState::ordered)) continue;
    worker.stopped_for_upstream = true;
    if (is_running) stopped.push_back(&worker);
  }
  return stopped;
}

WorkerRegistry::Worker* WorkerRegistry::find_pid(pid_t pid) {
  auto found = by_pid_.find(pid);
  return found == by_pid_.end() ? nullptr : found->second;
}

void WorkerRegistry::for_each(const std::function<void(Worker&)>& visit) {
  for (auto it = workers_.begin(); it != workers_.end();) visit(*it++);
}

}  // namespace bgw
