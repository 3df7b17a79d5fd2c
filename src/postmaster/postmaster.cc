// The postmaster's decisions: reload, shutdown, crash and reset, and what a change of the upstream means for
// the workers. Making and burying processes is children.cc. Runs in the postmaster only, in loop callbacks:
// errors raised here have no handler and therefore end the host.
#include "postmaster/postmaster.hpp"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <vector>

#include "core/control_protocol.hpp"
#include "port/process.hpp"
#include "utils/guc_internal.hpp"

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "postmaster/postmaster.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
}
#include "postmaster/bgworker_private.hpp"
#include "postmaster/last_words.hpp"
#include "postmaster/upstream.hpp"
#include "storage/shmem_region.hpp"

bool restart_after_crash = true;

namespace bgw {

namespace {

constexpr std::chrono::seconds kKillDelay{5};  // from SIGQUIT to SIGKILL

UpstreamLevel level_of(UpstreamState state) {
  switch (state) {
    case UpstreamState::unknown:
    case UpstreamState::unreachable:
      return UpstreamLevel::none;
    case UpstreamState::hot_standby:
      return UpstreamLevel::consistent;
    case UpstreamState::read_write:
      return UpstreamLevel::read_write;
  }
  return UpstreamLevel::none;
}

}  // namespace

Postmaster::Postmaster(EventLoop& loop, PostmasterOptions options)
    : loop_(loop),
      options_(std::move(options)),
      embedded_(EmbeddedOptions{.data_directory = options_.data_directory,
                                .bindir = options_.embedded_bindir,
                                .max_connections = options_.embedded_max_connections,
                                .seed = static_cast<std::uint64_t>(::getpid())}) {}

Result<void> Postmaster::start() {
  auto pidfd = pidfd_open(::getpid());
  if (!pidfd) return pidfd.error();
  own_pidfd_ = UniqueFd(EventLoop::make_private(pidfd->release()));

  auto last_words = open_last_words();
  if (!last_words) return last_words.error();
  last_words_fd_ = *last_words;
  if (auto watching = loop_.watch(last_words_fd_, [this] { on_last_words(); }); !watching) return watching;

  add_static_workers();

  auto listening = listen_control_socket(options_.control_socket);
  if (!listening) return listening.error();
  control_socket_ = UniqueFd(EventLoop::make_private(listening->release()));
  if (auto watching = loop_.watch(control_socket_.get(), [this] { accept_control(); }); !watching)
    return watching;

  start_workers();
  bgw_set_embedded_conninfo(embedded_.conninfo().c_str());
  if (bgw_upstream_is_embedded())
    start_embedded();
  else
    start_monitor();
  return {};
}

void Postmaster::on_signal(int signal_number) {
  // Workers may run before all that were ordered are announced; whoever has seen them run and gives an order must not find
  // the host unready.
  if (announcement_pending_ && phase_ == Phase::running && signal_number != SIGUSR1) announce_upstream();
  switch (signal_number) {
    case SIGHUP:
      reload();
      break;
    case SIGTERM:
      shut_down(Shutdown::smart);
      break;
    case SIGINT:
      shut_down(Shutdown::fast);
      break;
    case SIGQUIT:
      shut_down(Shutdown::immediate);
      break;
    case SIGUSR1:
      slots_changed();
      break;
    default:
      break;
  }
}

void Postmaster::reload() {
  if (shutdown_ > Shutdown::smart) return;
  bool was_embedded = bgw_upstream_is_embedded();
  ereport(LOG, (errmsg("received SIGHUP, reloading configuration files")));
  bgw_reload_configuration();
  dismiss_spares();  // they have the old settings
  refill_spares();
  for (auto& [pid, child] : children_)
    if (child.kind == ChildKind::worker || child.kind == ChildKind::monitor || child.kind == ChildKind::backend)
      ::kill(pid, SIGHUP);
  if (phase_ != Phase::running) return;
  if (was_embedded == bgw_upstream_is_embedded()) {
    embedded_.reload();
    return;
  }
  if (was_embedded) {
    embedded_.stop(EmbeddedUpstream::StopMode::fast);
    if (monitor_pid_ == 0) start_monitor();
  } else {
    start_embedded();
  }
}

// Requests only escalate; each is logged once, the same or a milder one is ignored.
void Postmaster::shut_down(Shutdown mode) {
  if (mode <= shutdown_) return;
  Shutdown before = shutdown_;
  shutdown_ = mode;
  switch (mode) {
    case Shutdown::none:
      return;
    case Shutdown::smart:
      ereport(LOG, (errmsg("received smart shutdown request")));
      break;
    case Shutdown::fast:
      ereport(LOG, (errmsg("received fast shutdown request")));
      if (before == Shutdown::none && phase_ == Phase::running)
        ereport(LOG, (errmsg("aborting any active transactions")));
      break;
    case Shutdown::immediate:
      ereport(LOG, (errmsg("received immediate shutdown request")));
      break;
  }
  if (mode == Shutdown::immediate) {
    if (phase_ == Phase::running || phase_ == Phase::resetting) phase_ = Phase::stopping_children;
    SetQuitSignalReason(PMQUIT_FOR_STOP);
    signal_workers_and_backends(SIGQUIT);
    for (auto& [pid, child] : children_)
      if (child.kind == ChildKind::monitor) signal_child(child, SIGQUIT);
    embedded_.stop(EmbeddedUpstream::StopMode::immediate);
    arm_kill_timer();
  } else if (phase_ == Phase::running) {
    // The host has no client sessions of its own to wait for, so a smart shutdown stops the workers at once.
    phase_ = Phase::stopping_children;
    drop_unstarted_workers();
    signal_workers_and_backends(SIGTERM);
  } else if (phase_ == Phase::stopping_upstream) {
    embedded_.stop(EmbeddedUpstream::StopMode::fast);
  }
  advance();
}

// A child died in a way that may have left shared memory in disorder. The first such death stops all others.
void Postmaster::child_crashed() {
  if (phase_ == Phase::resetting) return;
  if (phase_ == Phase::stopping_children) {
    if (abnormal_ || shutdown_ == Shutdown::immediate) return;
    abnormal_ = true;
  }
  ereport(LOG, (errmsg("terminating any other active server processes")));
  if (phase_ == Phase::running) phase_ = Phase::resetting;
  SetQuitSignalReason(PMQUIT_FOR_CRASH);
  signal_workers_and_backends(SIGQUIT);
  arm_kill_timer();
}

void Postmaster::arm_kill_timer() {
  if (kill_timer_ != 0) return;
  kill_timer_ = loop_.call_after(kKillDelay, [this] {
    kill_timer_ = 0;
    if (children_.empty() || (workers_and_backends() == 0 && shutdown_ != Shutdown::immediate)) return;
    ereport(LOG, (errmsg("issuing SIGKILL to recalcitrant children")));
    for (auto& [pid, child] : children_)
      if (child.kind != ChildKind::embedded) signal_child(child, SIGKILL);
  });
}

// Moves on to the next phase when everything the present one waits for is gone.
void Postmaster::advance() {
  if (phase_ == Phase::resetting && workers_and_backends() == 0) {
    if (shutdown_ != Shutdown::none) {
      abnormal_ = true;
      phase_ = Phase::stopping_children;
    } else if (!restart_after_crash) {
      ereport(LOG, (errmsg("shutting down because restart_after_crash is off")));
      exit_status_ = 1;
      phase_ = Phase::stopping_children;
    } else {
      finish_reset();
      return;
    }
  }
  if (phase_ == Phase::stopping_children && workers_and_backends() == 0) {
    if (abnormal_) {
      ereport(LOG, (errmsg("abnormal database system shutdown")));
      exit_status_ = 1;
    }
    phase_ = Phase::stopping_monitor;
    if (monitor_pid_ != 0)
      signal_child(children_.at(monitor_pid_), shutdown_ == Shutdown::immediate ? SIGQUIT : SIGTERM);
  }
  if (phase_ == Phase::stopping_monitor && monitor_pid_ == 0) {
    phase_ = Phase::stopping_upstream;
    if (shutdown_ != Shutdown::immediate) embedded_.stop(EmbeddedUpstream::StopMode::fast);
  }
  if (phase_ == Phase::stopping_upstream && watched_embedded_pid_ == 0) finish(exit_status_);
}

void Postmaster::finish(int status) {
  ::unlink(options_.control_socket.c_str());
  exit_status_ = status;
  loop_.stop();
}

// Every child is gone: new shared memory, and all workers that may be restarted are, at once.
void Postmaster::finish_reset() {
  ereport(LOG, (errmsg("all server processes terminated; reinitializing")));
  if (kill_timer_ != 0) loop_.cancel(kill_timer_);
  kill_timer_ = 0;
  if (remove_temp_files_after_crash) RemovePgTempFiles();
  bgw_reset_shared_memory();
  StatusPage::set_reset_count(++resets_);
  phase_ = Phase::running;
  // The server drops those that are never restarted at once, and meets the others that are over when it looks
  // for workers to start.
  auto over = registry_.reset();
  std::stable_partition(over.begin(), over.end(), [](auto* worker) { return !worker->spec.restart_after; });
  auto rest = std::find_if(over.begin(), over.end(), [](auto* worker) { return worker->spec.restart_after; });
  std::for_each(over.begin(), rest, [this](auto* worker) { forget_worker(*worker); });
  place_workers_anew();
  const bool standby = registry_.upstream_level() == UpstreamLevel::consistent;
  if (standby) announce_upstream();
  start_workers();
  std::for_each(rest, over.end(), [this](auto* worker) { forget_worker(*worker); });
  if (!standby) announce_when_started();
}

void Postmaster::on_upstream_report(const UpstreamReport& report) {
  UpstreamLevel before = registry_.upstream_level();
  UpstreamLevel level = level_of(report.state);
  upstream_ = report;
  // While it is away it keeps the recovery state it had, as a restarting server would.
  UpstreamStatus status = StatusPage::upstream();
  status.level = level;
  if (level != UpstreamLevel::none) {
    status.in_recovery = level == UpstreamLevel::consistent;
    status.server_version = report.server_version_num;
  }
  StatusPage::set_upstream(status);
  registry_.upstream_changed(level);
  if (phase_ != Phase::running) return;

  if (level == UpstreamLevel::none) {
    auto stopped = registry_.stop_for_upstream();
    if (!stopped.empty())
      ereport(LOG, (errmsg_plural("stopping %zu background worker that needs the upstream",
                                  "stopping %zu background workers that need the upstream", stopped.size(),
                                  stopped.size())));
    for (WorkerRegistry::Worker* worker : stopped) signal_child(children_.at(worker->pid), SIGTERM);
    return;
  }
  // The server's order: a standby says that it is ready before it starts workers, a primary afterwards.
  const bool changed = level != before;
  if (changed && level == UpstreamLevel::consistent) announce_upstream();
  start_workers();
  if (changed && level != UpstreamLevel::consistent) announce_when_started();
}

// After the first pass of starts, which may have to wait for a spare process.
void Postmaster::announce_when_started() {
  announcement_pending_ = true;
  if (!start_pass_open_) announce_upstream();
}

void Postmaster::announce_upstream() {
  announcement_pending_ = false;
  switch (registry_.upstream_level()) {
    case UpstreamLevel::none:
      break;
    case UpstreamLevel::consistent:
      ereport(LOG, (errmsg("database system is ready to accept read-only connections")));
      break;
    case UpstreamLevel::read_write:
      ereport(LOG, (errmsg("database system is ready to accept connections")));
      break;
  }
}

// Signals that end a process go to its process group too, so that what a worker has started goes with it.
void Postmaster::signal_child(const Child& child, int signal_number) {
  ::kill(child.pid, signal_number);
  switch (signal_number) {
    case SIGINT:
    case SIGTERM:
    case SIGQUIT:
    case SIGSTOP:
    case SIGKILL:
      ::kill(-child.pid, signal_number);
      break;
    default:
      break;
  }
}

// Spares are not signalled but dismissed.
void Postmaster::signal_workers_and_backends(int signal_number) {
  dismiss_spares();
  loop_.call_soon([this] { end_start_pass(); });
  for (auto& [pid, child] : children_)
    if (child.kind == ChildKind::worker || child.kind == ChildKind::backend) signal_child(child, signal_number);
}

}  // namespace bgw

extern "C" {

// Entries in shared memory: one per worker that may run, and some for backends.
int MaxLivePostmasterChildren(void) {
  return MaxBackends;
}
}
