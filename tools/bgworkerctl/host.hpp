// The host of a data directory as bgworkerctl sees it: whether one runs, what it says, and how it is started,
// signalled and waited for.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "core/control_protocol.hpp"
#include "core/lock_file.hpp"
#include "core/result.hpp"

namespace bgworkerctl {

using std::chrono::milliseconds;

// Exit codes; up to 4 pg_ctl's.
enum ExitCode : int {
  success = 0,
  failure = 1,
  usage = 2,
  not_running = 3,
  no_data_directory = 4,
  no_such_worker = 5,  // or more than one
  timed_out = 6,
};

// An error's message, detail and hint on stderr.
void complain(const bgw::Error& error);

// Told that a host is running, or not; sends `signal` to the process that holds the lock, and only to it.
bgw::Result<void> signal_host(const std::string& data_directory, const bgw::LockFileContents& host, int signal);

// Waits until the process is gone. False: still there after `timeout`.
bool wait_for_end(const std::string& data_directory, pid_t pid, milliseconds timeout, bool show_progress);

// One request to the running host.
bgw::Result<nlohmann::json> ask_host(const bgw::LockFileContents& host, const nlohmann::json& request,
                                     milliseconds timeout);

struct StartOptions {
  std::string program;                // bgworkerd
  std::string log_file;               // empty: DATADIR/log/bgworkerd.log
  std::vector<std::string> settings;  // NAME=VALUE
  milliseconds timeout{60'000};
  bool wait = true;
};

// Starts a host in the background, in a session of its own, as the owner of the data directory when called by
// root. Returns its pid once it answers as running (or at once without `wait`).
bgw::Result<pid_t> start_host(const std::string& data_directory, const StartOptions& options);

// The bgworkerd next to this program, else the one in PATH.
std::string find_bgworkerd();

// Tells the operator that something is being waited for: a dot per second on a terminal. Commands whose
// standard output is their answer tell it on standard error.
class Progress {
 public:
  enum class To { output, error };
  Progress(const std::string& what, bool show, To to = To::output);
  void tick();
  void end(const std::string& how);

 private:
  bool show_;
  std::ostream& stream_;
  std::chrono::steady_clock::time_point next_;
};

}  // namespace bgworkerctl
