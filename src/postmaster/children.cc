// Making and burying the postmaster's children: workers, the monitor, the embedded upstream, and one backend
// per control connection.
//
// Every child is watched through a pidfd in the event loop, so its end is noticed at once and costs the same
// however many children there are. Runs in the postmaster only; what comes after fork_child() returned 0 is
// the child's own life and never returns here.
#include "postmaster/postmaster.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "core/control_protocol.hpp"
#include "port/process.hpp"
#include "utils/guc_internal.hpp"

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/ps_status.h"
}
#include "postmaster/bgworker_private.hpp"
#include "postmaster/child.hpp"
#include "postmaster/control_backend.hpp"
#include "postmaster/last_words.hpp"
#include "postmaster/upstream.hpp"
#include "storage/pmsignal_internal.hpp"
#include "utils/guc_internal.hpp"

namespace bgw {

namespace {

constexpr int kForksPerPass = 100;  // then the loop looks at its other events
constexpr std::chrono::seconds kMonitorRestartDelay{1};
constexpr std::chrono::milliseconds kEmbeddedRetry{200};  // nobody else is bothered by tries at our own server
constexpr std::chrono::seconds kEmbeddedStart{10};        // not worth a word before that

WorkerExit worker_exit_of(const siginfo_t& info, bool cleaned_up) {
  WorkerExit exit;
  exit.by_signal = info.si_code != CLD_EXITED;
  exit.code = info.si_status;
  exit.cleaned_up = exit.by_signal || cleaned_up;
  return exit;
}

int wait_status_of(const siginfo_t& info) {
  return info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8 : info.si_status & 0x7f;
}

}  // namespace

void Postmaster::publish(const WorkerRegistry::Worker& worker, int slot) {
  if (slot == 0 && worker.pid != 0) {
    auto found = children_.find(worker.pid);
    if (found != children_.end()) slot = found->second.slot;
  }
  const BackgroundWorker* definition = worker.spec.definition.get();
  StatusPage::set_worker(worker.slot, worker, slot, definition->bgw_library_name,
                         definition->bgw_function_name);
  ledger_.publish(worker);
}

// Takes up a child just forked: a pidfd to watch it by. Without one it cannot be supervised and is killed.
bool Postmaster::add_child(ChildKind kind, pid_t pid, int slot, WorkerRegistry::Worker* worker, UniqueFd fd) {
  if (!fd)
    if (auto pidfd = pidfd_open(pid)) fd = UniqueFd(EventLoop::make_private(pidfd->release()));
  if (fd) {
    if (auto watching = loop_.watch(fd.get(), [this, pid] { on_child_event(pid); }); watching) {
      children_.emplace(pid, Child{kind, pid, std::move(fd), slot, worker});
      supervised_ += is_supervised(kind);
      if (slot != 0) StatusPage::set_child_pid(slot, pid);
      return true;
    }
  }
  ereport(LOG, (errmsg("could not watch child process %d: %m", static_cast<int>(pid)),
                errhint("Raise the limit on open files of the user that runs bgworkerd.")));
  ::kill(pid, SIGKILL);
  int status;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (slot != 0) ReleasePostmasterChildSlot(slot);
  return false;
}

// --- workers -----------------------------------------------------------------------------------------------

void Postmaster::start_workers() {
  if (phase_ != Phase::running || start_pass_queued_) return;
  // A pass that waits for workers to be announced goes on where it was.
  if (!std::exchange(start_pass_open_, false)) starts_of_pass_ = 0;
  for (; WorkerRegistry::Worker* worker = registry_.next_to_start(); starts_of_pass_++) {
    if (starts_of_pass_ == kForksPerPass) {
      if (orders_outstanding_ > 0) break;  // their announcement calls this again
      start_pass_queued_ = true;
      loop_.call_soon([this] {
        start_pass_queued_ = false;
        start_workers();
      });
      break;
    }
    if (free_child_slots() == 0) break;  // the reaping of a child calls this again
    if (pool_for(*worker).waiting.empty()) {
      const Ordered result = order(*worker);
      if (result == Ordered::yes) continue;
      if (result == Ordered::no_room) break;  // each announcement calls this again
    }
    if (!launch_worker(*worker)) {
      start_failed(*worker);
      break;
    }
  }
  start_pass_open_ = orders_outstanding_ > 0;
  if (announcement_pending_ && !start_pass_open_) announce_upstream();
  arm_restart_timer();
  refill_spares();
  if (!start_pass_open_) end_start_pass();
}

// As in the server, requests for workers and the ends of workers are looked at after a pass of starts, not in the middle
// of it: one that was ordered may ask or end before its pid is known here. The pass is through when all are announced.
void Postmaster::end_start_pass() {
  if (orders_outstanding_ > 0) return;
  start_pass_open_ = false;
  if (std::exchange(slots_postponed_, false)) slots_changed();
  if (start_pass_open_) return;
  if (std::exchange(last_words_postponed_, false)) {
    if (!loop_.watch(last_words_fd_, [this] { on_last_words(); }))
      ereport(LOG, (errmsg("could not watch the last words of workers: %m")));
    on_last_words();
  }
  for (pid_t pid : std::exchange(postponed_ends_, {})) on_child_event(pid);
}

void Postmaster::announce_start(const WorkerRegistry::Worker& worker) const {
  ereport(DEBUG1, (errmsg_internal("starting background worker process \"%s\"", worker.spec.name.c_str())));
}

// No process could be had for it.
void Postmaster::start_failed(WorkerRegistry::Worker& worker) {
  pid_t waiter = worker.spec.notify_pid;
  if (registry_.start_failed(worker, WorkerRegistry::Clock::now())) return;
  forget_worker(worker);
  notify(waiter);
}

bool Postmaster::launch_worker(WorkerRegistry::Worker& worker) {
  announce_start(worker);
  if (hand_over(worker)) return true;
  int slot = AssignPostmasterChildSlot();
  if (slot == 0) {
    ereport(LOG, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
                  errmsg("no slot available for new worker process")));
    return false;
  }
  static BackgroundWorker definition;
  definition = *definition_of(worker);
  pid_t pid = fork_child(slot);
  if (pid == 0) run_background_worker(&definition);
  if (pid < 0) {
    ereport(LOG, (errmsg("could not fork worker process: %m")));
    ReleasePostmasterChildSlot(slot);
    return false;
  }
  if (!add_child(ChildKind::worker, pid, slot, &worker)) return false;
  registry_.started(worker, pid);
  return true;
}

void Postmaster::arm_restart_timer() {
  auto due = registry_.next_due();
  if (restart_timer_ != 0 && (!due || *due != restart_timer_at_)) {
    loop_.cancel(restart_timer_);
    restart_timer_ = 0;
  }
  if (!due || restart_timer_ != 0) return;
  restart_timer_at_ = *due;
  restart_timer_ = loop_.call_at(*due, [this] {
    restart_timer_ = 0;
    registry_.release_due(WorkerRegistry::Clock::now());
    start_workers();
    arm_restart_timer();
  });
}

void Postmaster::forget_worker(WorkerRegistry::Worker& worker) {
  ereport(DEBUG1, (errmsg_internal("unregistering background worker \"%s\"", worker.spec.name.c_str())));
  StatusPage::clear_worker(worker.slot);
  ledger_.release(worker);
  registry_.forget(worker);
}

void Postmaster::worker_exited(const Child& child, WorkerExit exit) {
  WorkerRegistry::Worker& worker = *child.worker;
  std::string what = "background worker \"" + worker.spec.type + "\"";
  pid_t waiter = worker.spec.notify_pid;
  bool quiet = phase_ == Phase::resetting || abnormal_ || shutdown_ == Shutdown::immediate;

  switch (registry_.exited(worker, exit, WorkerRegistry::Clock::now())) {
    case ExitVerdict::crash:
      if (!quiet) log_child_exit(LOG, what, child.pid, exit, true);
      child_crashed();
      break;
    case ExitVerdict::forget:
      forget_worker(worker);
      notify(waiter);
      if (!quiet) log_child_exit(exit.code == 0 ? DEBUG1 : LOG, what, child.pid, exit, false);
      break;
    case ExitVerdict::restart:
      notify(waiter);
      if (!quiet) log_child_exit(exit.code == 0 ? DEBUG1 : LOG, what, child.pid, exit, false);
      break;
  }
}

// Workers whose last exit handler has run: they are over, and may be started again, while the kernel takes them
// down.
void Postmaster::on_last_words() {
  if (start_pass_open_) {
    if (!last_words_postponed_) loop_.unwatch(last_words_fd_);
    last_words_postponed_ = true;
    return;
  }
  while (auto words = read_last_words()) {
    if (words->pid == 0) {
      loop_.unwatch(last_words_fd_);
      return;
    }
    auto found = children_.find(words->pid);
    if (found == children_.end() || words->status > 1 || phase_ != Phase::running) continue;
    Child& child = found->second;
    if (child.kind != ChildKind::worker || child.worker == nullptr) continue;
    child.last_words = words->status;
    registry_.stop_notifications(words->pid);
    worker_exited(child, WorkerExit{.code = words->status});
    child.worker = nullptr;
  }
  start_workers();
}

void Postmaster::log_child_exit(int level, const std::string& what, pid_t pid, WorkerExit exit,
                                bool with_activity) {
  const char* name = what.c_str();
  int number = static_cast<int>(pid);
  char activity[1024] = "";
  if (with_activity) {
    const char* last = pgstat_get_crashed_backend_activity(number, activity, sizeof activity);
    if (last == nullptr) activity[0] = '\0';
  }
  if (exit.by_signal)
    ereport(level, (errmsg("%s (PID %d) was terminated by signal %d: %s", name, number, exit.code,
                           pg_strsignal(exit.code)),
                    activity[0] ? errdetail("Failed process was running: %s", activity) : 0));
  else
    ereport(level, (errmsg("%s (PID %d) exited with exit code %d", name, number, exit.code),
                    activity[0] ? errdetail("Failed process was running: %s", activity) : 0));
}

// --- the end of a child ------------------------------------------------------------------------------------

void Postmaster::on_child_event(pid_t pid) {
  on_last_words();
  auto found = children_.find(pid);
  if (found == children_.end()) return;
  if (start_pass_open_ && found->second.kind == ChildKind::worker) {
    loop_.unwatch(found->second.pidfd.get());
    postponed_ends_.push_back(pid);
    return;
  }
  siginfo_t info{};
  if (::waitid(P_PIDFD, static_cast<id_t>(found->second.pidfd.get()), &info, WEXITED | WNOHANG) < 0 ||
      info.si_pid == 0)
    return;

  loop_.unwatch(found->second.pidfd.get());
  Child child = std::move(children_.extract(found).mapped());
  child.pidfd.reset();
  supervised_ -= is_supervised(child.kind);
  registry_.stop_notifications(pid);
  bool cleaned_up = child.slot == 0 || ReleasePostmasterChildSlot(child.slot);
  if (child.slot != 0) StatusPage::set_child_pid(child.slot, 0);
  WorkerExit exit = worker_exit_of(info, cleaned_up);

  switch (child.kind) {
    case ChildKind::worker:
      if (!child.last_words) {
        worker_exited(child, exit);
      } else if (exit.by_signal || exit.code != *child.last_words || !exit.cleaned_up) {
        if (phase_ != Phase::resetting && !abnormal_ && shutdown_ != Shutdown::immediate)
          log_child_exit(LOG, "background worker", child.pid, exit, false);
        child_crashed();
      }
      break;
    case ChildKind::spare:
      spare_exited(child, exit);
      break;
    case ChildKind::fork_server:
      fork_server_exited(child, exit);
      break;
    case ChildKind::backend:
      control_backends_--;
      if (exit.by_signal || exit.code > 1 || !exit.cleaned_up) {
        if (phase_ != Phase::resetting && !abnormal_ && shutdown_ != Shutdown::immediate)
          log_child_exit(LOG, "server process", child.pid, exit, true);
        child_crashed();
      }
      break;
    case ChildKind::monitor:
      monitor_pid_ = 0;
      loop_.unwatch(monitor_pipe_.get());
      monitor_pipe_.reset();
      if (shutdown_ == Shutdown::none && phase_ < Phase::stopping_monitor) {
        log_child_exit(LOG, "upstream monitor", child.pid, exit, false);
        loop_.call_after(kMonitorRestartDelay, [this] {
          if (monitor_pid_ == 0 && shutdown_ == Shutdown::none) start_monitor();
        });
      }
      break;
    case ChildKind::embedded:
      embedded_exited(wait_status_of(info));
      break;
  }
  ledger_.check_damage(WorkerRegistry::Clock::now());
  advance();
  start_workers();
}

// --- the monitor -------------------------------------------------------------------------------------------

void Postmaster::start_monitor() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) {
    ereport(LOG, (errmsg("could not create pipe for the upstream monitor: %m")));
    return;
  }
  UniqueFd write_end(ends[1]);
  monitor_pipe_ = UniqueFd(EventLoop::make_private(ends[0]));
  ::fcntl(monitor_pipe_.get(), F_SETFL, O_NONBLOCK);
  pid_t pid = fork_child(0);
  if (pid == 0) run_monitor_child(write_end.get());
  if (pid < 0) {
    ereport(LOG, (errmsg("could not fork upstream monitor process: %m")));
    monitor_pipe_.reset();
    return;
  }
  if (!add_child(ChildKind::monitor, pid, 0)) return;
  monitor_pid_ = pid;
  auto watching = loop_.watch(monitor_pipe_.get(), [this] {
    UpstreamReport report;
    ssize_t got = ::read(monitor_pipe_.get(), &report, sizeof report);
    if (got == static_cast<ssize_t>(sizeof report))
      on_upstream_report(report);
    else if (got == 0)
      loop_.unwatch(monitor_pipe_.get());  // it has closed its end; its exit follows
  });
  if (!watching)
    ereport(LOG, (errmsg("could not watch the upstream monitor: %s", watching.error().message.c_str())));
}

void Postmaster::run_monitor_child(int report_fd) {
  init_ps_display("monitor");
  // The pidfd of the postmaster is among the descriptors that a child closes first: open it anew.
  auto postmaster = pidfd_open(PostmasterPid);
  MonitorProcess process;
  process.options.conninfo = bgw_upstream_conninfo();
  const UpstreamPatience patience = upstream_patience(std::chrono::milliseconds(upstream_timeout));
  process.options.check_interval = patience.check_interval;
  process.options.answer_deadline = patience.answer_deadline;
  process.options.seed = static_cast<std::uint64_t>(MyProcPid);
  if (bgw_upstream_is_embedded()) {
    process.options.backoff.cap = kEmbeddedRetry;
    process.options.expected_within = kEmbeddedStart;
  }
  process.report_fd = report_fd;
  process.postmaster_fd = postmaster ? postmaster->get() : -1;
  process.reload = [] {
    ProcessConfigFile(PGC_SIGHUP);
    return MonitorProcess::Settings{
        .conninfo = bgw_upstream_conninfo(),
        .patience = upstream_patience(std::chrono::milliseconds(upstream_timeout))};
  };
  process.remaining_children = [] { return StatusPage::child_pids(); };
  proc_exit(run_monitor(process));
}

// --- the embedded upstream ---------------------------------------------------------------------------------

void Postmaster::start_embedded() {
  auto started = embedded_.start();
  if (!started) {
    ereport(LOG, (errmsg("could not start the embedded upstream: %s", started.error().one_line().c_str())));
    if (auto next = embedded_.next_start())
      loop_.call_at(*next, [this] {
        if (phase_ <= Phase::resetting && bgw_upstream_is_embedded()) start_embedded();
      });
    return;
  }
  watch_embedded();
}

void Postmaster::watch_embedded() {
  watched_embedded_pid_ = embedded_.pid();
  if (watched_embedded_pid_ != 0 && !add_child(ChildKind::embedded, watched_embedded_pid_, 0))
    watched_embedded_pid_ = 0;
  // Before there is a server there is nothing to monitor.
  if (embedded_.state() == EmbeddedUpstream::State::running && monitor_pid_ == 0) start_monitor();
}

void Postmaster::embedded_exited(int wait_status) {
  watched_embedded_pid_ = 0;
  auto next = embedded_.on_exit(wait_status, EmbeddedUpstream::Clock::now());
  if (!next) ereport(LOG, (errmsg("embedded upstream: %s", next.error().one_line().c_str())));
  if (embedded_.pid() != 0) {
    watch_embedded();
  } else if (auto when = embedded_.next_start()) {
    loop_.call_at(*when, [this] {
      if (phase_ <= Phase::resetting && watched_embedded_pid_ == 0 && bgw_upstream_is_embedded())
        start_embedded();
    });
  }
}

// --- control connections -----------------------------------------------------------------------------------

// Tells a client why it is not served. Nothing is waited for.
static void refuse(int connection_fd, const Error& error) {
  const std::string line = to_line(error_reply(error));
  (void)::send(connection_fd, line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void Postmaster::accept_control() {
  auto accepted = accept_control_connection(control_socket_.get());
  if (!accepted) {
    ereport(LOG, (errmsg("could not accept control connection: %s", accepted.error().message.c_str())));
    return;
  }
  if (!accepted->has_value()) return;
  int connection = (*accepted)->get();
  if (shutdown_ != Shutdown::none) {
    refuse(connection, {.message = "the database system is shutting down", .sqlstate = "57P03"});
    return;
  }
  if (phase_ != Phase::running) {
    refuse(connection, {.message = "the database system is in recovery mode",
                        .sqlstate = "57P03",
                        .hint = "The host is being reset after a crash. Try again in a moment."});
    return;
  }
  int slot = may_serve_another() ? AssignPostmasterChildSlot() : 0;
  if (slot == 0) {
    refuse(connection, {.message = "sorry, too many clients already", .sqlstate = "53300"});
    return;
  }
  pid_t pid = fork_child(slot);
  if (pid == 0) run_control_backend(connection);
  if (pid < 0) {
    ereport(LOG, (errmsg("could not fork process for control connection: %m")));
    ReleasePostmasterChildSlot(slot);
    return;
  }
  if (add_child(ChildKind::backend, pid, slot)) control_backends_++;
}

// Spares take their places in shared memory from the same number.
bool Postmaster::may_serve_another() const {
  return control_backends_ <
         std::max(1, std::min(kMaxControlBackends, MaxConnections - 2 * spare_worker_processes));
}

void Postmaster::run_control_backend(int connection_fd) {
  ControlBackendFacts facts;
  facts.data_directory = options_.data_directory;
  facts.control_socket = options_.control_socket;
  facts.upstream_reason = upstream_.reason;
  serve_control_backend(connection_fd, facts);
}

}  // namespace bgw
