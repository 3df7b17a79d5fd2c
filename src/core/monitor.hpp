// What the upstream is doing: unreachable, a hot standby, or read-write.
//
// Monitor is the state machine around one non-blocking libpq connection; it
// sleeps nowhere and reads no clock, so that it can be driven by any loop and
// tested with a fake one. run_monitor() is the process around it: the
// postmaster forks it, it reports each change through a pipe, and it is also
// the guardian that ends the other children when the postmaster is gone and
// they do not go by themselves.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/backoff.hpp"
#include "core/guardian.hpp"

struct pg_conn;
struct pg_result;

namespace bgw {

enum class UpstreamState : std::int32_t {
  unknown,      // not yet known
  unreachable,  // no connection, or it does not accept one (starting up,
                // shutting down, too many clients)
  hot_standby,  // answers, in recovery
  read_write,   // answers, not in recovery
};

// "unknown", "unreachable", "hot standby", "read-write".
const char* upstream_state_name(UpstreamState state);

// One message on the report pipe: written with one write(), and small enough that a pipe never splits it.
//
// A report whose state and incarnation are those of the one before brings only another reason or backend_pid:
// there is nothing to do about it but to show it. Between two different incarnations there always was a
// report of `unreachable`.
struct UpstreamReport {
  UpstreamState state = UpstreamState::unknown;
  std::int32_t server_version_num = 0;  // 150020; 0 while unreachable
  std::int32_t backend_pid = 0;         // of the monitor's own session; 0 while unreachable
  std::uint32_t incarnation = 0;        // counts the lives of the upstream as seen from here, from 1
  std::uint64_t system_identifier = 0;  // 0 where the role may not ask
  char reason[304] = {};                // why it is unreachable, first line; "" otherwise
};

struct MonitorOptions {
  std::string conninfo;                                // libpq connection string or URI
  std::chrono::milliseconds connect_deadline{10'000};  // for one attempt, all of its hosts together
  std::chrono::milliseconds answer_deadline{30'000};   // for one answer of the upstream
  std::chrono::milliseconds standby_interval{500};     // how often a standby is asked whether it still is one
  std::chrono::milliseconds check_interval{0};         // how often a read-write server is asked; 0: never
  // The longest delay between tries while nobody answers or the server says that it is starting or stopping:
  // that is over at any moment. One that refuses us waits up to backoff.cap, and its log is spared.
  std::chrono::milliseconds absence_cap{500};
  // Being unreachable from the start on is reported, but not logged, for this long: the upstream is ours and
  // is being started.
  std::chrono::milliseconds expected_within{0};
  BackoffLimits backoff = {};
  std::uint64_t seed = 0;
};

// How long the upstream may take to answer, as the setting bgworkerd.upstream_timeout has it: a third of it passes
// between questions and the rest is for the answer, so that silence of the whole time is noticed in time. 0: silence
// is left to the network; only a new connection's first answer has a deadline.
struct UpstreamPatience {
  std::chrono::milliseconds check_interval{0};
  std::chrono::milliseconds answer_deadline{30'000};
};
UpstreamPatience upstream_patience(std::chrono::milliseconds timeout);

// For the embedded upstream, which is local: quick retries, and no complaint while it is being made.
MonitorOptions embedded_monitor_options(std::string conninfo);

class Monitor {
 public:
  using Clock = std::chrono::steady_clock;
  using ReportFunction = std::function<void(const UpstreamReport&)>;

  Monitor(MonitorOptions options, ReportFunction report);
  ~Monitor();
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  // What to wait for: `fd` -1 means no socket; `until` without a value means no
  // time limit.
  struct Wait {
    int fd = -1;
    short events = 0;  // POLLIN, POLLOUT
    std::optional<Clock::time_point> until;
  };
  Wait wait() const;

  // Does what is due: `revents` is what poll() said of wait().fd (0: nothing).
  // Call it first with 0 to begin.
  void step(short revents, Clock::time_point now);

  // From now on another upstream, or the same with other parameters: drops the
  // connection if that changed.
  void set_conninfo(std::string conninfo, Clock::time_point now);

  void set_patience(UpstreamPatience patience, Clock::time_point now);

  const UpstreamReport& current() const { return current_; }

  // Tries at once if it was waiting to retry, and quickly from now on.
  void retry_now(Clock::time_point now);

 private:
  enum class Phase { idle, connecting, asking, watching };
  enum class Question { state, identifier };

  void begin_connecting(Clock::time_point now);
  void continue_connecting(Clock::time_point now);
  void ask(Question question, Clock::time_point now);
  void flush(Clock::time_point now);
  void read_answer(Clock::time_point now);
  void answered(Clock::time_point now);
  void watch(short revents, Clock::time_point now);
  void connection_lost(Clock::time_point now);
  // `refused`: it is there, and does not let us in.
  void unreachable(const std::string& reason, Clock::time_point now, bool refused = false);
  void schedule_check(Clock::time_point now);
  void forget_failures();
  void drop_connection();
  void publish(const UpstreamReport& report, Clock::time_point now);
  bool fallback_database() const;
  static void notice(void* self, const pg_result* result);

  MonitorOptions options_;
  ReportFunction report_;
  Backoff backoff_;          // while the upstream refuses us
  Backoff absence_backoff_;  // while it is not there
  Phase phase_ = Phase::idle;
  pg_conn* connection_ = nullptr;
  int poll_status_ = 0;                   // what PQconnectPoll waits for
  bool flush_pending_ = false;            // a question is not wholly sent yet
  std::optional<Clock::time_point> due_;  // retry, deadline or next question, by phase; none: now, if idle
  bool begun_ = false;
  Clock::time_point first_try_{};

  Question question_ = Question::state;
  UpstreamReport answer_;         // what this connection has answered so far
  std::string start_time_;        // of the upstream, as it prints it
  std::string known_start_time_;  // of the incarnation in current_
  bool identifier_asked_ = false;
  std::string farewell_sqlstate_, farewell_;  // the last thing the upstream said unasked
  bool refused_ = false;                      // why the last try failed
  bool quiet_reconnect_ = false;              // only our session was ended: look again before saying anything
  bool try_template1_ = false;                // there is no database "postgres"
  int rotation_ = 0;                          // which of several hosts to try first

  UpstreamReport current_;                 // what was reported last
  std::vector<std::string> reasons_said_;  // since the state last changed
};

// The monitor process. The caller has forked it, closed what it does not need and set its title.
struct MonitorProcess {
  MonitorOptions options;
  int report_fd = -1;  // write end of the pipe to the postmaster; one UpstreamReport per change
  int postmaster_fd =
      -1;  // the postmaster's pidfd (or the read end of a pipe it holds open): readable = it died
  // On SIGHUP: what is now in force; not set: SIGHUP is ignored.
  struct Settings {
    std::string conninfo;
    UpstreamPatience patience;
  };
  std::function<Settings()> reload;
  // The children still to be ended when the postmaster is gone; called in another thread, reads shared memory.
  ChildrenFunction remaining_children;
  std::chrono::milliseconds grace{500};
};

// Runs until SIGTERM (returns 0), SIGQUIT (returns 2) or the postmaster's death (ends the process with status
// 1 after guarding the children's end). SIGUSR1: try to connect now. SIGINT is ignored: a terminal sends it to
// everybody, and the postmaster decides. Changes the signal mask and dispositions for good. While libpq looks
// up a name, SIGTERM and SIGQUIT end the process at once, with the same status.
int run_monitor(const MonitorProcess& process);

}  // namespace bgw
