// What bgworkerctl and a host say to each other over DIR/run/control.sock: one
// JSON object per line as the request, one per line as the reply, any number of
// them on one connection.
//
// A request has "op" and whatever that operation takes. A reply has "ok": true
// and the answer's fields, or "ok": false and "error": {message, sqlstate,
// detail, hint, and of an error that a backend raised also severity, query and
// context}. Unknown fields are ignored by both sides, so that a tool and a
// host of different versions understand each other.
//
// Before its reply a host may send interim lines, which have no "ok":
// {"notice": {...}} with the fields of an error, {"row": [text or null, ...]},
// and {"progress": {"what": ..., ...}}.
//
//   op         takes
//   status
//   ps
//   wake       worker: name, PID or handle
//   terminate  worker; wait
//   launch     library, function; name, type, arg, extra, start_time, restart,
//              database, wait
//   call       module, function, args: [text or null, ...]; returns, strict,
//              database, user
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/result.hpp"
#include "port/fd.hpp"

namespace bgw {

// --- what is said
// -----------------------------------------------------------------------------------------

// One registered worker, as `bgworkerctl ps` shows it. Empty strings and zeros
// mean "none".
struct WorkerRow {
  std::string name;
  std::string type;
  std::string library;
  std::string function;
  pid_t pid = 0;
  std::string state;               // "waiting", "starting", "running", "stopping", "crashed",
                                   // "restarting", …
  std::vector<std::string> flags;  // "shmem", "database", "parallel"
  std::string start_time;          // "postmaster start", "consistent state", "recovery finished"
  int restart_time = -1;           // seconds; -1: never
  long long starts = 0;            // how many times it was started
  std::string last_exit;           // "", "exit code 1", "signal 9: Killed"
  double since = 0;                // when it entered `state`, seconds since the epoch; 0 unknown
  std::string wait_event_type;
  std::string wait_event;
  std::string activity;  // what it reported last, or the statement it runs
  unsigned long long transactions = 0;  // that this process of it has ended
  bool dynamic = false;
  int slot = -1;
  unsigned long long generation = 0;
  std::string handle;  // worker_handle_text()
};

struct HostStatus {
  pid_t pid = 0;
  double started = 0;   // seconds since the epoch
  std::string state;    // "starting", "running", "stopping"
  std::string version;  // of the host
  std::string abi;      // "PostgreSQL 15.20 …"
  std::string data_directory;
  int workers = 0;  // registered
  int running = 0;  // of them with a process
  int max_worker_processes = 0;
  std::string upstream_state;   // upstream_state_name()
  std::string upstream;         // conninfo without the password
  std::string upstream_reason;  // why it is unreachable
  int upstream_version = 0;     // 150020
  bool embedded = false;
};

// What an operator sees in the "state" field while the host takes work.
inline constexpr const char* host_running = "running";

nlohmann::json to_json_value(const WorkerRow& row);
nlohmann::json to_json_value(const HostStatus& status);
// Fields that are missing or of another type keep their defaults.
WorkerRow worker_row_from_json(const nlohmann::json& value);
HostStatus host_status_from_json(const nlohmann::json& value);

// {"ok":true,"workers":[…],"host":{…}} and {"ok":true,"host":{…}}.
nlohmann::json ps_reply(const HostStatus& status, const std::vector<WorkerRow>& rows);
nlohmann::json status_reply(const HostStatus& status);
nlohmann::json error_reply(const Error& error);

struct ControlRequest {
  std::string op;
  nlohmann::json arguments;  // the whole object
};

// One line as a request; errors name what is wrong with it.
Result<ControlRequest> parse_request(std::string_view line);
// One line as a reply: the object, or the error that the host sent, whose fields
// as they came are put into `fields` if that is given. An interim line is an
// object, too, without "ok".
Result<nlohmann::json> parse_reply(std::string_view line, nlohmann::json* fields = nullptr);
// One object as a line, with its newline; bytes that are not UTF-8 are
// replaced.
std::string to_line(const nlohmann::json& value);

// What names a worker for good, whoever takes its slot later: "SLOT:GENERATION",
// and after a host's first reset, which begins to count anew,
// "SLOT:GENERATION.RESETS".
std::string worker_handle_text(int slot, unsigned long long generation, unsigned long long resets);

// A conninfo string or URI with every secret in it shown as ********.
std::string without_password(const std::string& conninfo);

// --- how it is carried
// ------------------------------------------------------------------------------------

// Cuts a stream of bytes into lines. A line longer than the limit is an error,
// after which it is useless.
class LineBuffer {
 public:
  explicit LineBuffer(std::size_t limit = 16 * 1024 * 1024) : limit_(limit) {}
  Result<void> add(std::string_view bytes);
  // The next whole line, without its newline.
  std::optional<std::string> next();
  // Bytes of a line that is not whole yet.
  std::size_t pending() const { return bytes_.size() - start_; }

 private:
  std::size_t limit_;
  std::string bytes_;
  std::size_t start_ = 0;
  std::size_t searched_ = 0;
};

// The listening socket (non-blocking, close-on-exec, mode 0600) at `path`; a
// socket left behind there is replaced, so call it with the lock file held.
// Errors: path too long, not a socket, a system call's.
Result<UniqueFd> listen_control_socket(const std::string& path);

// Takes one connection: close-on-exec, blocking. No value when nobody is there
// any more.
Result<std::optional<UniqueFd>> accept_control_connection(int listening_fd);

// Whether the peer of a connection may command this host: root, or the user
// this process runs as.
Result<void> check_peer(int fd);

// Serves a connection without a backend process around it (tests do): reads
// requests from `fd` and answers each with what `handler` returns, until the
// peer closes the connection, a system call fails, or `stop_fd` (a pidfd, pipe
// or signalfd; -1: none) is readable. The peer is checked first. A malformed
// request is answered with an error and ends the connection.
using ControlHandler = std::function<nlohmann::json(const ControlRequest&)>;
Result<void> serve_control_connection(int fd, const ControlHandler& handler, int stop_fd = -1);

// The tool's side: a connection to a host.
class ControlClient {
 public:
  using Clock = std::chrono::steady_clock;
  static Result<ControlClient> connect(const std::string& socket_path, std::chrono::milliseconds timeout);
  // Sends one request and waits for its reply: the object, or the host's error.
  // Interim lines go to `interim` as they come, `idle` is called once a second
  // while nothing comes; either may be empty. A timeout of zero or less is none.
  using Interim = std::function<void(const nlohmann::json&)>;
  Result<nlohmann::json> ask(const nlohmann::json& request, std::chrono::milliseconds timeout,
                             const Interim& interim = {}, const std::function<void()>& idle = {});
  // After ask() has given the host's error: all that the host said of it, as an
  // object. Null when the error is not the host's.
  const nlohmann::json& error_fields() const { return error_fields_; }

 private:
  explicit ControlClient(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
  LineBuffer lines_;
  nlohmann::json error_fields_;
};

}  // namespace bgw
