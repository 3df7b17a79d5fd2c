// The state machine around the monitor's connection. It runs in the monitor process (and in unit tests), in
// one thread; no signal handler enters it. It makes no blocking call but libpq's look-up of host names.
//
// What counts as the upstream going away: a connection that cannot be made, or one that breaks. Except that
// somebody may end this one session only (pg_terminate_backend, an idle timeout): then the upstream says so in
// its last message, and the monitor connects anew and says nothing if it meets the same life of the same
// server, told by its start time.
#include "core/monitor.hpp"

#include "core/libpq.hpp"
#include <poll.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include "core/log.hpp"

namespace bgw {

namespace {

constexpr std::chrono::milliseconds quiet_reconnect_deadline{1000};
constexpr std::size_t reasons_remembered = 8;

constexpr const char* state_question =
    "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.pg_backend_pid(),"
    " extract(epoch from pg_catalog.pg_postmaster_start_time())";
constexpr const char* identifier_question = "SELECT system_identifier FROM pg_catalog.pg_control_system()";

// Unless the connection string says otherwise: a host that vanished without a word is noticed within half a
// minute, and one that does not answer to a connection request gives way to the next in the list.
constexpr struct {
  const char* name;
  const char* value;
} defaults[] = {
    {"fallback_application_name", "bgworkerd monitor"},
    {"keepalives", "1"},
    {"keepalives_idle", "10"},
    {"keepalives_interval", "5"},
    {"keepalives_count", "4"},
    {"tcp_user_timeout", "5000"},
};

struct Failure {
  std::string sqlstate;  // empty if the server gave none
  std::string reason;
};

// The first line of a libpq message, with the SQLSTATE that verbose messages have after "FATAL:  " taken out.
Failure parse_failure(const char* message) {
  std::string_view text = message ? message : "";
  while (!text.empty() && (text.front() == '\n' || text.front() == ' ')) text.remove_prefix(1);
  text = text.substr(0, text.find('\n'));
  Failure failure{.sqlstate = {}, .reason = std::string(text)};
  const auto is_code = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'); };
  for (std::size_t at = failure.reason.find(":  "); at != std::string::npos;
       at = failure.reason.find(":  ", at + 1)) {
    const std::string code = failure.reason.substr(at + 3, 5);
    if (code.size() != 5 || !std::all_of(code.begin(), code.end(), is_code)) continue;
    if (failure.reason.compare(at + 8, 2, ": ") != 0) continue;
    failure.sqlstate = code;
    failure.reason.erase(at + 3, 7);
    break;
  }
  return failure;
}

std::string seconds(std::chrono::milliseconds time) {
  char text[32];
  std::snprintf(text, sizeof(text), "%g s", static_cast<double>(time.count()) / 1000);
  return text;
}

// A comma-separated list that starts with its n-th member; one member is left as it is.
std::string rotated(const std::string& list, int by) {
  std::vector<std::string> members(1);
  for (char c : list) {
    if (c == ',')
      members.emplace_back();
    else
      members.back().push_back(c);
  }
  std::rotate(members.begin(), members.begin() + by % static_cast<int>(members.size()), members.end());
  std::string result = members[0];
  for (std::size_t i = 1; i < members.size(); i++) result.append(",").append(members[i]);
  return result;
}

std::uint64_t to_number(PGresult* result, int column) {
  return std::strtoull(PQgetvalue(result, 0, column), nullptr, 10);
}

bool same(const UpstreamReport& a, const UpstreamReport& b) {
  return a.state == b.state && a.server_version_num == b.server_version_num && a.backend_pid == b.backend_pid &&
         a.incarnation == b.incarnation && a.system_identifier == b.system_identifier &&
         std::strcmp(a.reason, b.reason) == 0;
}

}  // namespace

const char* upstream_state_name(UpstreamState state) {
  switch (state) {
    case UpstreamState::unknown:
      return "unknown";
    case UpstreamState::unreachable:
      return "unreachable";
    case UpstreamState::hot_standby:
      return "hot standby";
    case UpstreamState::read_write:
      return "read-write";
  }
  return "invalid";
}

MonitorOptions embedded_monitor_options(std::string conninfo) {
  MonitorOptions options;
  options.conninfo = std::move(conninfo);
  options.expected_within = std::chrono::seconds(60);
  options.backoff = {
      .first = std::chrono::milliseconds(50), .cap = std::chrono::milliseconds(200), .jitter = 0.25};
  return options;
}

UpstreamPatience upstream_patience(std::chrono::milliseconds timeout) {
  if (timeout.count() <= 0) return {};
  const std::chrono::milliseconds interval = timeout / 3;
  return {.check_interval = interval, .answer_deadline = timeout - interval};
}

namespace {

BackoffLimits absence_limits(const MonitorOptions& options) {
  BackoffLimits limits = options.backoff;
  limits.cap = std::min(limits.cap, options.absence_cap);
  return limits;
}

}  // namespace

Monitor::Monitor(MonitorOptions options, ReportFunction report)
    : options_(std::move(options)),
      report_(std::move(report)),
      backoff_(options_.seed, options_.backoff),
      absence_backoff_(options_.seed, absence_limits(options_)) {}

Monitor::~Monitor() {
  drop_connection();
}

Monitor::Wait Monitor::wait() const {
  switch (phase_) {
    case Phase::idle:
      return {.until = due_ ? due_ : std::optional(Clock::time_point{})};
    case Phase::connecting:
      return {.fd = PQsocket(connection_),
              .events = static_cast<short>(poll_status_ == PGRES_POLLING_READING ? POLLIN : POLLOUT),
              .until = due_};
    case Phase::asking:
      return {.fd = PQsocket(connection_),
              .events = static_cast<short>(POLLIN | (flush_pending_ ? POLLOUT : 0)),
              .until = due_};
    case Phase::watching:
      return {.fd = PQsocket(connection_), .events = POLLIN, .until = due_};
  }
  return {};
}

void Monitor::step(short revents, Clock::time_point now) {
  const bool due = !due_ || now >= *due_;
  switch (phase_) {
    case Phase::idle:
      if (due) begin_connecting(now);
      break;
    case Phase::connecting:
      if (revents != 0) {
        continue_connecting(now);
      } else if (due) {
        rotation_++;  // perhaps it was the first of several hosts that held it up
        unreachable("no connection within " + seconds(options_.connect_deadline), now);
      }
      break;
    case Phase::asking:
      if (revents != 0) {
        flush(now);
        if (phase_ == Phase::asking) read_answer(now);
      } else if (due) {
        rotation_++;  // another of several hosts may be better off
        unreachable("no answer within " + seconds(options_.answer_deadline), now);
      }
      break;
    case Phase::watching:
      watch(revents, now);
      break;
  }
}

void Monitor::set_conninfo(std::string conninfo, Clock::time_point now) {
  if (conninfo == options_.conninfo) return;
  options_.conninfo = std::move(conninfo);
  rotation_ = 0;
  try_template1_ = false;
  quiet_reconnect_ = false;
  forget_failures();
  drop_connection();
  // Workers' sessions belong to the upstream of before; what is behind the new string has to be found out.
  if (current_.state == UpstreamState::hot_standby || current_.state == UpstreamState::read_write)
    unreachable("the connection string was changed", now);
  forget_failures();
  phase_ = Phase::idle;
  due_ = now;
}

void Monitor::retry_now(Clock::time_point now) {
  forget_failures();
  if (phase_ == Phase::idle) due_ = now;
}

void Monitor::forget_failures() {
  backoff_.reset();
  absence_backoff_.reset();
}

void Monitor::set_patience(UpstreamPatience patience, Clock::time_point now) {
  options_.answer_deadline = patience.answer_deadline;
  options_.check_interval = patience.check_interval;
  if (phase_ == Phase::watching) schedule_check(now);
}

// When a connected upstream is asked again.
void Monitor::schedule_check(Clock::time_point now) {
  std::chrono::milliseconds interval = options_.check_interval;
  if (answer_.state == UpstreamState::hot_standby) interval = options_.standby_interval;
  if (interval.count() > 0)
    due_ = now + interval;
  else
    due_.reset();
}

void Monitor::drop_connection() {
  if (connection_ != nullptr) PQfinish(connection_);
  connection_ = nullptr;
  flush_pending_ = false;
  phase_ = Phase::idle;
}

// Whether the database's name is ours to choose.
bool Monitor::fallback_database() const {
  std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> given(
      PQconninfoParse(options_.conninfo.c_str(), nullptr), PQconninfoFree);
  if (!given) return false;
  for (const PQconninfoOption* option = given.get(); option->keyword != nullptr; option++) {
    const std::string_view name = option->keyword;
    if ((name == "dbname" || name == "service") && option->val != nullptr && *option->val != '\0') return false;
  }
  return std::getenv("PGDATABASE") == nullptr && std::getenv("PGSERVICE") == nullptr;
}

void Monitor::begin_connecting(Clock::time_point now) {
  if (!begun_) {
    begun_ = true;
    first_try_ = now;
  }
  drop_connection();
  farewell_.clear();
  farewell_sqlstate_.clear();
  identifier_asked_ = false;
  start_time_.clear();
  answer_ = {};

  char* message = nullptr;
  std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> given(
      PQconninfoParse(options_.conninfo.c_str(), &message), PQconninfoFree);
  if (!given) {
    const std::string reason = parse_failure(message ? message : "out of memory").reason;
    PQfreemem(message);
    unreachable(reason, now);
    return;
  }
  std::vector<std::string> values;
  std::vector<const char*> names;
  for (const PQconninfoOption* option = given.get(); option->keyword != nullptr; option++) {
    const std::string_view name = option->keyword;
    if (option->val == nullptr) continue;
    names.push_back(option->keyword);
    values.push_back(name == "host" || name == "hostaddr" || name == "port" ? rotated(option->val, rotation_)
                                                                            : option->val);
  }
  const auto add = [&](const char* name, const char* value) {
    if (std::any_of(names.begin(), names.end(), [&](const char* n) { return std::strcmp(n, name) == 0; }))
      return;
    names.push_back(name);
    values.emplace_back(value);
  };
  for (const auto& setting : defaults) add(setting.name, setting.value);
  if (fallback_database()) add("dbname", try_template1_ ? "template1" : "postgres");

  std::vector<const char*> pointers;
  for (const std::string& value : values) pointers.push_back(value.c_str());
  names.push_back(nullptr);
  pointers.push_back(nullptr);
  connection_ = PQconnectStartParams(names.data(), pointers.data(), 0);
  if (connection_ == nullptr) {
    unreachable("out of memory", now);
    return;
  }
  PQsetNoticeReceiver(connection_, notice, this);
  PQsetErrorVerbosity(connection_, PQERRORS_VERBOSE);  // the only way to learn why a connection is refused
  if (PQstatus(connection_) == CONNECTION_BAD) {
    unreachable(parse_failure(PQerrorMessage(connection_)).reason, now);
    return;
  }
  phase_ = Phase::connecting;
  poll_status_ = PGRES_POLLING_WRITING;
  due_ = now + (quiet_reconnect_ ? std::min(quiet_reconnect_deadline, options_.connect_deadline)
                                 : options_.connect_deadline);
}

void Monitor::continue_connecting(Clock::time_point now) {
  poll_status_ = PQconnectPoll(connection_);
  if (poll_status_ == PGRES_POLLING_OK) {
    PQsetnonblocking(connection_, 1);
    answer_.server_version_num = PQserverVersion(connection_);
    ask(Question::state, now);
  } else if (poll_status_ == PGRES_POLLING_FAILED) {
    const Failure failure = parse_failure(PQerrorMessage(connection_));
    if (failure.sqlstate == "3D000" && !try_template1_ && fallback_database()) {
      try_template1_ = true;
      begin_connecting(now);
      return;
    }
    // Class 57 is "starting up" and "shutting down"; without a code it was not the server that spoke.
    unreachable(failure.reason, now, !failure.sqlstate.empty() && !failure.sqlstate.starts_with("57"));
  }
}

void Monitor::ask(Question question, Clock::time_point now) {
  question_ = question;
  phase_ = Phase::asking;
  due_ = now + options_.answer_deadline;
  if (PQsendQuery(connection_, question == Question::state ? state_question : identifier_question) == 0) {
    connection_lost(now);
    return;
  }
  flush(now);
}

void Monitor::flush(Clock::time_point now) {
  const int status = PQflush(connection_);
  flush_pending_ = status > 0;
  if (status < 0) connection_lost(now);
}

void Monitor::read_answer(Clock::time_point now) {
  const bool healthy = PQconsumeInput(connection_) != 0;
  std::string failure;
  while (phase_ == Phase::asking && PQisBusy(connection_) == 0) {
    std::unique_ptr<PGresult, void (*)(PGresult*)> result(PQgetResult(connection_), PQclear);
    if (result == nullptr) {
      if (!failure.empty())
        unreachable(failure, now);
      else
        answered(now);
      return;
    }
    if (PQresultStatus(result.get()) == PGRES_TUPLES_OK && PQntuples(result.get()) == 1) {
      if (question_ == Question::identifier) {
        answer_.system_identifier = to_number(result.get(), 0);
      } else {
        answer_.state =
            *PQgetvalue(result.get(), 0, 0) == 't' ? UpstreamState::hot_standby : UpstreamState::read_write;
        answer_.backend_pid = static_cast<std::int32_t>(to_number(result.get(), 1));
        start_time_ = PQgetvalue(result.get(), 0, 2);
      }
      continue;
    }
    const char* sqlstate = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
    const char* severity = PQresultErrorField(result.get(), PG_DIAG_SEVERITY_NONLOCALIZED);
    if (severity != nullptr && (std::strcmp(severity, "FATAL") == 0 || std::strcmp(severity, "PANIC") == 0))
      notice(this, result.get());  // the session's end; the broken connection follows
    else if (question_ == Question::state)
      failure = parse_failure(PQresultErrorMessage(result.get())).reason;
    else if (sqlstate == nullptr)
      break;  // libpq's own: the connection is broken
  }
  if (!healthy || PQstatus(connection_) == CONNECTION_BAD) connection_lost(now);
}

// A question has its answer: the next one, or what all of them come to.
void Monitor::answered(Clock::time_point now) {
  if (PQstatus(connection_) == CONNECTION_BAD || answer_.state == UpstreamState::unknown) {
    connection_lost(now);
    return;
  }
  if (!identifier_asked_) {
    identifier_asked_ = true;
    ask(Question::identifier, now);
    return;
  }
  forget_failures();
  quiet_reconnect_ = false;
  const bool was_reachable =
      current_.state == UpstreamState::hot_standby || current_.state == UpstreamState::read_write;
  if (was_reachable &&
      (known_start_time_ != start_time_ || current_.system_identifier != answer_.system_identifier)) {
    UpstreamReport gone{.state = UpstreamState::unreachable, .incarnation = current_.incarnation};
    std::snprintf(gone.reason, sizeof(gone.reason), "%s", "the server was restarted");
    publish(gone, now);
  }
  known_start_time_ = start_time_;
  answer_.incarnation =
      current_.state == UpstreamState::hot_standby || current_.state == UpstreamState::read_write
          ? current_.incarnation
          : current_.incarnation + 1;
  phase_ = Phase::watching;
  schedule_check(now);
  publish(answer_, now);
}

void Monitor::watch(short revents, Clock::time_point now) {
  if (revents != 0) {
    const bool healthy = PQconsumeInput(connection_) != 0;
    while (PGnotify* notification = PQnotifies(connection_)) PQfreemem(notification);
    if (!healthy || PQstatus(connection_) == CONNECTION_BAD) {
      connection_lost(now);
      return;
    }
  }
  if (due_ && now >= *due_) ask(Question::state, now);
}

// What the upstream says without being asked; its last words before it ends the session arrive here.
void Monitor::notice(void* self, const PGresult* result) {
  auto* monitor = static_cast<Monitor*>(self);
  const char* severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  const char* sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char* message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  if (sqlstate == nullptr || message == nullptr) return;
  // A crash of the server is announced as a warning, 57P02, and then the connection is closed.
  const bool last =
      (severity != nullptr && std::strcmp(severity, "FATAL") == 0) || std::strcmp(sqlstate, "57P02") == 0;
  if (!last) return;
  monitor->farewell_sqlstate_ = sqlstate;
  monitor->farewell_ = message;
}

void Monitor::connection_lost(Clock::time_point now) {
  const bool reachable =
      current_.state == UpstreamState::hot_standby || current_.state == UpstreamState::read_write;
  // admin_shutdown may mean the server or only this session; idle timeouts only this session.
  if (reachable && !quiet_reconnect_ &&
      (farewell_sqlstate_ == "57P01" || farewell_sqlstate_ == "57P05" || farewell_sqlstate_ == "25P03")) {
    quiet_reconnect_ = true;
    begin_connecting(now);
    return;
  }
  std::string reason = farewell_;
  if (reason.empty()) reason = parse_failure(PQerrorMessage(connection_)).reason;
  unreachable(reason.empty() ? "the connection was closed" : reason, now);
}

void Monitor::unreachable(const std::string& reason, Clock::time_point now, bool refused) {
  drop_connection();
  quiet_reconnect_ = false;
  refused_ = refused;
  due_ = refused ? backoff_.next_after(now) : absence_backoff_.next_after(now);
  UpstreamReport report{.state = UpstreamState::unreachable, .incarnation = current_.incarnation};
  std::snprintf(report.reason, sizeof(report.reason), "%s", reason.c_str());
  publish(report, now);
}

// The one place where what is known changes, is logged, and is reported.
void Monitor::publish(const UpstreamReport& report, Clock::time_point now) {
  const UpstreamState before = current_.state;
  const bool changed = report.state != before || report.incarnation != current_.incarnation;
  if (changed) reasons_said_.clear();
  if (!same(report, current_)) {
    current_ = report;
    if (report_) report_(current_);
  }
  switch (report.state) {
    case UpstreamState::unknown:
      break;
    case UpstreamState::unreachable: {
      // Each reason is said once: an upstream that is starting gives others than one that is gone, while
      // one that stays away is not worth a line per try.
      const bool ever_reached = report.incarnation > 0;
      if (!ever_reached && now - first_try_ < options_.expected_within) break;
      const std::string reason = report.reason;
      if (reasons_said_.size() >= reasons_remembered ||
          std::find(reasons_said_.begin(), reasons_said_.end(), reason) != reasons_said_.end())
        break;
      reasons_said_.push_back(reason);
      const std::string message = "upstream is unreachable: " + reason;
      const std::string detail = "Trying again, after " + seconds(options_.backoff.first) +
                                 " first and every " +
                                 seconds(refused_ ? options_.backoff.cap : absence_limits(options_).cap) +
                                 " in the end.";
      log({.message = message, .sqlstate = "08006", .detail = detail});
      break;
    }
    case UpstreamState::hot_standby:
      if (changed) log("upstream is a hot standby");
      break;
    case UpstreamState::read_write:
      if (changed) log("upstream is accepting connections (read-write)");
      break;
  }
}

}  // namespace bgw
