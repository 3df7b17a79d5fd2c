// The supervising process: starts, watches, restarts and stops every other process of the host.
//
// It runs on an EventLoop and never sleeps elsewhere. It takes no lock and trusts nothing in shared memory:
// what it decides by is in its own memory, and what it writes to the status page it never reads back.
//
// Phases, each entered once and in this order except that `resetting` returns to `running`:
//   running            workers are started as their turn comes
//   resetting          a child crashed: all children were told to quit, none is started
//   stopping_children  shutting down: workers and backends were told to end
//   stopping_monitor   they are gone; the monitor is ending
//   stopping_upstream  the embedded upstream is ending
#pragma once

#include <sys/types.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/embedded_upstream.hpp"
#include "core/event_loop.hpp"
#include "core/monitor.hpp"
#include "core/status_page.hpp"
#include "core/worker_registry.hpp"
#include "core/worker_slots.hpp"
#include "port/fd.hpp"
#include "port/private_memory.hpp"
#include "postmaster/fork_server.hpp"

namespace bgw {

// Control connections served at the same time, one process each; fewer where max_connections leaves no room.
inline constexpr int kMaxControlBackends = 64;

struct PostmasterOptions {
  std::string data_directory;  // absolute
  std::string control_socket;  // absolute path of the socket to listen on
  std::string embedded_bindir;
  int embedded_max_connections = 40;
};

class Postmaster {
 public:
  Postmaster(EventLoop& loop, PostmasterOptions options);

  // After the modules are loaded and shared memory is there: takes over the registered workers, opens the
  // control socket, starts the workers that wait for nothing, the upstream and the monitor.
  Result<void> start();

  // A signal from the loop.
  void on_signal(int signal_number);

  // The status to exit with, valid once the loop has stopped.
  int exit_status() const { return exit_status_; }

 private:
  enum class Phase { running, resetting, stopping_children, stopping_monitor, stopping_upstream };
  enum class Shutdown { none, smart, fast, immediate };
  enum class ChildKind { worker, spare, fork_server, backend, monitor, embedded };

  static bool is_supervised(ChildKind kind) {
    return kind == ChildKind::worker || kind == ChildKind::spare || kind == ChildKind::backend;
  }

  struct Child {
    ChildKind kind;
    pid_t pid;
    UniqueFd pidfd;
    int slot = 0;                              // MyPMChildSlot of the process; 0: none
    WorkerRegistry::Worker* worker = nullptr;  // of a worker that has not said its last words
    UniqueFd order_pipe = {};                  // of a spare: what it is to become is written here
    std::optional<int> last_words = {};        // of a worker: the exit status it announced; not reaped yet
  };

  // children.cc: making and burying processes
  void start_workers();
  void announce_start(const WorkerRegistry::Worker& worker) const;
  bool launch_worker(WorkerRegistry::Worker& worker);
  void start_monitor();
  void start_embedded();
  void watch_embedded();
  void accept_control();
  bool add_child(ChildKind kind, pid_t pid, int slot, WorkerRegistry::Worker* worker = nullptr,
                 UniqueFd pidfd = {});
  void start_failed(WorkerRegistry::Worker& worker);
  void end_start_pass();
  void on_child_event(pid_t pid);
  void on_last_words();
  void worker_exited(const Child& child, WorkerExit exit);
  void embedded_exited(int wait_status);
  void log_child_exit(int level, const std::string& what, pid_t pid, WorkerExit exit, bool with_activity);
  void forget_worker(WorkerRegistry::Worker& worker);
  void publish(const WorkerRegistry::Worker& worker, int slot = 0);
  void arm_restart_timer();
  [[noreturn]] void run_monitor_child(int report_fd);
  [[noreturn]] void run_control_backend(int connection_fd);
  bool may_serve_another() const;

  // Spares of one kind and who makes them: those for workers with a database have libpq loaded, the others have not.
  struct SparePool {
    bool database = false;
    bool wanted = false;         // a worker of this kind has been started
    std::vector<pid_t> waiting;  // for an order
    bool refill_queued = false;
    pid_t fork_server = 0;  // the present one; 0: none
    EventLoop::Clock::time_point fork_server_not_before{};
  };

  // One process asked for and not announced yet: a spare, or the worker that was ordered and its slot.
  struct Request {
    WorkerRegistry::Worker* worker = nullptr;
    int slot = 0;
  };

  // One that is retired has no requests any more; it answers those it had, and ends.
  struct ForkServer {
    SparePool& pool;
    UniqueFd socket;
    MadeNote note;
    pid_t last_announced = 0;
    std::deque<Request> outstanding = {};  // in the order in which they will be answered
    EventLoop::Clock::time_point silent_since{};  // when something is outstanding: since then nothing was heard of it
  };

  // dynamic_workers.cc: registrations and who is told of workers
  SlotLedger::Actions slot_actions();
  void add_static_workers();
  void place_workers_anew();
  void slots_changed();
  WorkerRegistry::Worker* worker_registered(int slot, const void* request, bool terminated);
  void terminate_worker(WorkerRegistry::Worker& worker);
  BackgroundWorker* definition_of(WorkerRegistry::Worker& worker);
  bool may_be_notified(pid_t pid) const;
  void notify(pid_t pid) const;
  void drop_unstarted_workers();

  // spares.cc: processes made ahead of need, and by others than the postmaster
  enum class Ordered { yes, no_room, no };
  bool hand_over(WorkerRegistry::Worker& worker);
  SparePool& pool_for(const WorkerRegistry::Worker& worker) { return pools_[worker.spec.needs_database ? 1 : 0]; }
  Ordered order(WorkerRegistry::Worker& worker);
  bool start_fork_server(SparePool& pool);
  void ask_for_spares(SparePool& pool, int count);
  void expect(ForkServer& server, const std::vector<Request>& requests);
  void watch_fork_servers();
  void on_announcements(pid_t server_pid);
  void take(ForkServer& server, Announcement process, bool present);
  void take_spare(SparePool& pool, Announcement spare, bool wanted);
  void take_ordered(const Request& request, Announcement process, bool current_settings);
  void order_failed(const Request& request);
  void give_up_requests(ForkServer& server);
  void retire_fork_server(SparePool& pool);
  void fork_server_exited(const Child& child, WorkerExit exit);
  void refill_spares();
  void refill(SparePool& pool);
  void pause_refill();
  void dismiss_spares();
  void spare_exited(const Child& child, WorkerExit exit);

  // postmaster.cc: states
  void reload();
  void shut_down(Shutdown mode);
  void child_crashed();
  void advance();
  void finish_reset();
  void finish(int status);
  void on_upstream_report(const UpstreamReport& report);
  void announce_upstream();
  void announce_when_started();
  void signal_child(const Child& child, int signal_number);
  void signal_workers_and_backends(int signal_number);
  void arm_kill_timer();
  std::size_t workers_and_backends() const { return supervised_ + static_cast<std::size_t>(orders_outstanding_); }

  EventLoop& loop_;
  PostmasterOptions options_;
  // Private memory: forks copy none of it, and no child looks at it.
  WorkerRegistry registry_{private_memory()};
  SlotLedger ledger_{slot_actions(), private_memory()};
  std::pmr::unordered_map<pid_t, Child> children_{&private_memory()};
  std::size_t supervised_ = 0;  // of children_, the workers, spares and backends
  EmbeddedUpstream embedded_;
  UniqueFd control_socket_;
  UniqueFd monitor_pipe_;
  UniqueFd own_pidfd_;
  std::vector<pid_t> postponed_ends_;   // workers that have ended during the pass of starts
  bool last_words_postponed_ = false;
  int orders_outstanding_ = 0;          // workers that fork servers are making
  bool start_pass_open_ = false;        // the last pass of starts has not ended: workers were ordered and not announced yet
  bool slots_postponed_ = false;        // until then
  int starts_of_pass_ = 0;
  bool announcement_pending_ = false;   // that the upstream is ready, until the first pass of starts is through
  int last_words_fd_ = -1;
  pid_t monitor_pid_ = 0;
  pid_t watched_embedded_pid_ = 0;
  Phase phase_ = Phase::running;
  Shutdown shutdown_ = Shutdown::none;
  bool abnormal_ = false;  // a child crashed while shutting down
  int exit_status_ = 0;
  std::uint64_t resets_ = 0;
  EventLoop::TimerId restart_timer_ = 0;
  EventLoop::Clock::time_point restart_timer_at_{};
  EventLoop::TimerId kill_timer_ = 0;
  EventLoop::TimerId patience_timer_ = 0;  // with fork servers that were asked
  bool start_pass_queued_ = false;
  int control_backends_ = 0;
  SparePool pools_[2] = {{.database = false}, {.database = true}};
  std::unordered_map<pid_t, ForkServer> fork_servers_;  // the present ones, and retired ones that have not ended
  UpstreamReport upstream_;
};

}  // namespace bgw
