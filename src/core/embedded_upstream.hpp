// The private PostgreSQL cluster that the host makes, starts and stops itself
// when no upstream is configured.
//
// Driven by the postmaster's event loop, in which it never blocks: start()
// forks initdb when there is no cluster yet, else the server; the loop hands
// every exit of pid() to on_exit(), which says what comes next. The server is a
// direct child in a process group of its own, and asks the kernel for SIGQUIT
// should the postmaster die, so it is never left running.
//
// A cluster is made under DIR/embedded.new and renamed to DIR/embedded when it
// is whole: what exists under that name is complete, and what an interrupted
// initdb leaves is thrown away.
//
// Its settings are those of initdb, then those of DIR/embedded.conf, a file of
// the owner's which postgresql.conf includes when it is there, then what the
// host relies on, which it gives on the command line.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>

#include "core/backoff.hpp"
#include "core/result.hpp"

namespace bgw {

struct EmbeddedOptions {
  std::string data_directory;  // the host's, absolute; the cluster is in
                               // embedded/, its socket in run/
  std::string bindir;          // where initdb and postgres are
  int max_connections = 40;    // see embedded_max_connections()
  std::uint64_t seed = 0;      // for the delays between restarts
  BackoffLimits backoff = {};
};

// Sessions enough for every worker, the monitor, some backends and some people.
int embedded_max_connections(int max_worker_processes);

class EmbeddedUpstream {
 public:
  using Clock = std::chrono::steady_clock;

  enum class State {
    stopped,   // not wanted, or not started yet
    making,    // initdb runs
    running,   // the server runs (the monitor knows whether it answers)
    waiting,   // died; to be started again at next_start()
    stopping,  // asked to stop
  };
  enum class StopMode { smart, fast, immediate };

  explicit EmbeddedUpstream(EmbeddedOptions options);

  // Starts it: returns the pid of the child to watch (initdb's or the
  // server's). Errors: programs missing, socket path too long, cluster of
  // another major, fork.
  Result<pid_t> start();

  // The child to watch, or 0.
  pid_t pid() const { return pid_; }
  State state() const { return state_; }

  // Tells that pid() has exited with this wait status. After it pid() is the
  // next child (the server, once initdb is done), or 0 with next_start()
  // telling when to call start() again, or 0 without one: stopped. Error: it
  // cannot be made (initdb failed) or started; state() is then `waiting` too,
  // the caller may log the error and go on, or give up at first use.
  Result<void> on_exit(int wait_status, Clock::time_point now);

  // When start() is to be called again.
  std::optional<Clock::time_point> next_start() const { return next_start_; }

  // Asks it to stop, or to stop harder; on_exit() follows. Without a child it
  // is `stopped` at once.
  void stop(StopMode mode);

  // Reload of its configuration files.
  void reload() const;

  // When a new max_connections or bindir is in force at its next start.
  void set_options(EmbeddedOptions options) { options_ = std::move(options); }

  // How to reach it: host (the run folder), port, user postgres, dbname
  // postgres.
  std::string conninfo() const;

  std::string cluster_directory() const;
  std::string run_directory() const;

 private:
  Result<pid_t> start_initdb();
  Result<pid_t> start_server();
  Result<void> finish_cluster();
  void retry_later(Clock::time_point now);

  EmbeddedOptions options_;
  Backoff backoff_;
  State state_ = State::stopped;
  pid_t pid_ = 0;
  bool pid_is_initdb_ = false;
  Clock::time_point started_{};
  std::optional<Clock::time_point> next_start_;
};

}  // namespace bgw
