// The connection itself: connecting, sending, and taking in what arrives, in order.
//
// Everything sent is remembered in in_flight_, one Item per command and per Sync. Answers arrive in that
// order; pump() matches them up. Each operation is one segment that ends in a Sync, so that the failure of
// one command skips the rest of its own segment and nothing else.
#include "core/session.hpp"

#include "core/libpq.hpp"
#include <poll.h>

#include <cctype>
#include <cstdlib>
#include <cstring>

#include "port/clock.hpp"

namespace bgw {

// ---- RowSet ----

RowSet::~RowSet() {
  if (result_) PQclear(result_);
}
bool RowSet::has_rows() const {
  return result_ && PQresultStatus(result_) == PGRES_TUPLES_OK;
}
int RowSet::columns() const {
  return PQnfields(result_);
}
int RowSet::rows() const {
  return PQntuples(result_);
}
const char* RowSet::name(int column) const {
  return PQfname(result_, column);
}
std::uint32_t RowSet::type(int column) const {
  return PQftype(result_, column);
}
int RowSet::type_modifier(int column) const {
  return PQfmod(result_, column);
}
int RowSet::type_size(int column) const {
  return PQfsize(result_, column);
}
std::uint32_t RowSet::table(int column) const {
  return PQftable(result_, column);
}
int RowSet::table_column(int column) const {
  return PQftablecol(result_, column);
}
bool RowSet::is_null(int row, int column) const {
  return PQgetisnull(result_, row, column) != 0;
}
const char* RowSet::value(int row, int column) const {
  return PQgetvalue(result_, row, column);
}
bool RowSet::binary() const {
  return PQbinaryTuples(result_) != 0;
}
int RowSet::length(int row, int column) const {
  return PQgetlength(result_, row, column);
}
const char* RowSet::command_tag() const {
  return result_ ? PQcmdStatus(result_) : "";
}
std::uint64_t RowSet::affected() const {
  return result_ ? std::strtoull(PQcmdTuples(result_), nullptr, 10) : 0;
}

// ---- messages ----

namespace {

std::string field(const PGresult* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text ? text : "";
}

int number(const std::string& text) {
  return text.empty() ? 0 : std::atoi(text.c_str());
}

std::string trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  return std::string(text);
}

ServerMessage read_message(const PGresult* result) {
  ServerMessage m;
  m.severity = field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  if (m.severity.empty()) m.severity = field(result, PG_DIAG_SEVERITY);
  if (m.severity.empty()) m.severity = "ERROR";
  m.sqlstate = field(result, PG_DIAG_SQLSTATE);
  m.message = field(result, PG_DIAG_MESSAGE_PRIMARY);
  if (m.message.empty()) m.message = trimmed(PQresultErrorMessage(result));
  if (m.sqlstate.size() != 5) m.sqlstate = "08006";
  m.detail = field(result, PG_DIAG_MESSAGE_DETAIL);
  m.hint = field(result, PG_DIAG_MESSAGE_HINT);
  m.context = field(result, PG_DIAG_CONTEXT);
  m.internal_query = field(result, PG_DIAG_INTERNAL_QUERY);
  m.schema_name = field(result, PG_DIAG_SCHEMA_NAME);
  m.table_name = field(result, PG_DIAG_TABLE_NAME);
  m.column_name = field(result, PG_DIAG_COLUMN_NAME);
  m.datatype_name = field(result, PG_DIAG_DATATYPE_NAME);
  m.constraint_name = field(result, PG_DIAG_CONSTRAINT_NAME);
  m.source_file = field(result, PG_DIAG_SOURCE_FILE);
  m.source_function = field(result, PG_DIAG_SOURCE_FUNCTION);
  m.source_line = number(field(result, PG_DIAG_SOURCE_LINE));
  m.position = number(field(result, PG_DIAG_STATEMENT_POSITION));
  m.internal_position = number(field(result, PG_DIAG_INTERNAL_POSITION));
  return m;
}

bool is_sqlstate(std::string_view text) {
  if (text.size() < 5) return false;
  for (char c : text.substr(0, 5))
    if (!std::isdigit(static_cast<unsigned char>(c)) && !std::isupper(static_cast<unsigned char>(c)))
      return false;
  return true;
}

// libpq gives a failed connection attempt as text only. In its verbose form the server's own message is
// recognisable: "SEVERITY:  12345: text", then lines with labels. Several hosts: the last one counts.
Failure read_connect_failure(std::string_view text) {
  Failure failure{.kind = Failure::Kind::lost, .message = {}, .from_server = false};
  failure.message.severity = "FATAL";
  failure.message.sqlstate = "08001";
  failure.message.message = trimmed(text);
  std::size_t found = std::string_view::npos;
  for (std::size_t at = text.find(":  "); at != std::string_view::npos; at = text.find(":  ", at + 1))
    if (is_sqlstate(text.substr(at + 3)) && text.substr(at + 8, 2) == ": ") found = at + 3;
  if (found == std::string_view::npos) return failure;
  failure.from_server = true;
  failure.message.sqlstate = std::string(text.substr(found, 5));
  text.remove_prefix(found + 7);
  std::string* target = &failure.message.message;
  std::string ignored;
  target->clear();
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    auto labelled = [&](std::string_view label, std::string& into) {
      if (!line.starts_with(label)) return false;
      line.remove_prefix(label.size());
      target = &into;
      return true;
    };
    if (!labelled("DETAIL:  ", failure.message.detail) && !labelled("HINT:  ", failure.message.hint) &&
        !labelled("CONTEXT:  ", failure.message.context) && !labelled("LOCATION:  ", ignored) &&
        !target->empty())
      target->push_back('\n');
    target->append(line);
  }
  return failure;
}

// Whether there is something to read, or the end of it, or an error to be met by reading.
bool readable(int socket) noexcept {
  pollfd descriptor = {.fd = socket, .events = POLLIN, .revents = 0};
  return poll(&descriptor, 1, 0) != 0;
}

}  // namespace

// ---- connecting ----

Session::Session(WaitFunction wait, std::size_t prepared_capacity, int prepare_threshold)
    : wait_(wait), cache_(prepared_capacity, prepare_threshold) {}

Session::~Session() {
  close();
}

void Session::close() noexcept {
  if (conn_) PQfinish(conn_);
  conn_ = nullptr;
  cancel_job_.reset();
  lost_ = false;
  in_flight_.clear();
  levels_.clear();
  pending_.clear();
  operation_ = Operation::none;
}

int Session::socket() const {
  return conn_ ? PQsocket(conn_) : -1;
}
int Session::server_version() const {
  return conn_ ? PQserverVersion(conn_) : 0;
}
const char* Session::reported(const char* name) const {
  return conn_ ? PQparameterStatus(conn_, name) : nullptr;
}
std::string Session::parameter(const char* name) const {
  const char* value = reported(name);
  return value ? value : "";
}

Step Session::connect(const ConnectRequest& request) {
  close();
  cache_.forget_all();
  failure_.reset();
  operation_ = Operation::connect;
  std::vector<std::pair<std::string, std::string>> settings;
  char* parse_error = nullptr;
  PQconninfoOption* options = PQconninfoParse(request.conninfo.c_str(), &parse_error);
  if (!options) {
    failure_ = Failure{.kind = Failure::Kind::lost, .message = {}, .from_server = false};
    failure_->message.severity = "FATAL";
    failure_->message.sqlstate = "F0000";
    failure_->message.message =
        "invalid upstream connection string: " + trimmed(parse_error ? parse_error : "");
    if (parse_error) PQfreemem(parse_error);
    operation_ = Operation::none;
    return Step::done;
  }
  connect_timeout_ms_ = -1;
  for (PQconninfoOption* o = options; o->keyword; ++o)
    if (o->val) settings.emplace_back(o->keyword, o->val);
  PQconninfoFree(options);
  for (const auto& [key, value] : request.overrides) {
    bool replaced = false;
    for (auto& setting : settings)
      if (setting.first == key) setting.second = value, replaced = true;
    if (!replaced) settings.emplace_back(key, value);
  }
  std::vector<const char*> keywords, values;
  for (const auto& [key, value] : settings) {
    keywords.push_back(key.c_str());
    values.push_back(value.c_str());
    if (key == "connect_timeout" && std::atoi(value.c_str()) > 0)
      connect_timeout_ms_ = std::max(std::atoi(value.c_str()), 2) * 1000;
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  connect_deadline_ = deadline_after_ms(connect_timeout_ms_);
  conn_ = PQconnectStartParams(keywords.data(), values.data(), 0);
  connect_events_ = POLLOUT;
  if (conn_) PQsetErrorVerbosity(conn_, PQERRORS_VERBOSE);
  return connect_more();
}

Step Session::connect_more() {
  auto fail = [&](std::string_view text) {
    failure_ = read_connect_failure(text);
    close();
    return Step::done;
  };
  if (!conn_) return fail("out of memory while connecting");
  if (PQstatus(conn_) == CONNECTION_BAD) return fail(PQerrorMessage(conn_));
  for (;;) {
    int left = -1;
    if (connect_timeout_ms_ >= 0) {
      std::int64_t ms = (connect_deadline_ - monotonic_ns()) / nanoseconds_per_millisecond;
      if (ms <= 0) return fail(std::string(PQerrorMessage(conn_)) + "timeout expired");
      left = static_cast<int>(ms);
    }
    switch (wait_(PQsocket(conn_), connect_events_, left)) {
      case WaitOutcome::interrupted:
        return Step::interrupted;
      case WaitOutcome::timeout:
        continue;
      case WaitOutcome::ready:
        break;
    }
    switch (PQconnectPoll(conn_)) {
      case PGRES_POLLING_READING:
        connect_events_ = POLLIN;
        break;
      case PGRES_POLLING_WRITING:
        connect_events_ = POLLOUT;
        break;
      case PGRES_POLLING_OK:
        PQsetErrorVerbosity(conn_, PQERRORS_DEFAULT);
        PQsetnonblocking(conn_, 1);
        PQsetNoticeReceiver(conn_, &Session::on_notice, this);
        if (PQenterPipelineMode(conn_) != 1) return fail(PQerrorMessage(conn_));
        database_ = PQdb(conn_);
        user_ = PQuser(conn_);
        operation_ = Operation::none;
        return Step::done;
      default:
        return fail(PQerrorMessage(conn_));
    }
  }
}

// ---- sending ----

namespace {

// Parameters as libpq takes them, pointing into the values.
struct Parameters {
  std::vector<const char*> values;
  std::vector<int> lengths, formats;  // empty: all are text

  Parameters(const std::vector<std::optional<std::string>>& from, const std::vector<bool>& binary) {
    values.reserve(from.size());
    for (const auto& value : from) values.push_back(value ? value->c_str() : nullptr);
    if (binary.empty()) return;
    for (std::size_t i = 0; i < from.size(); ++i) {
      lengths.push_back(from[i] ? static_cast<int>(from[i]->size()) : 0);
      formats.push_back(binary[i] ? 1 : 0);
    }
  }
  int count() const { return static_cast<int>(values.size()); }
  const int* all_lengths() const { return lengths.empty() ? nullptr : lengths.data(); }
  const int* all_formats() const { return formats.empty() ? nullptr : formats.data(); }
};

}  // namespace

bool Session::send(Role role, const char* text, const Request* params, bool binary_rows) {
  settle_cancel();
  int sent;
  if (params && !params->values.empty()) {
    const Parameters given(params->values, params->binary);
    sent = PQsendQueryParams(conn_, text, given.count(), params->types.data(), given.values.data(),
                             given.all_lengths(), given.all_formats(), binary_rows);
  } else {
    sent = PQsendQueryParams(conn_, text, 0, nullptr, nullptr, nullptr, nullptr, binary_rows);
  }
  if (sent != 1) {
    lose(PQerrorMessage(conn_));
    return false;
  }
  in_flight_.push_back({role, {}, false});
  return true;
}

// entry nullptr: the unnamed prepared statement.
bool Session::send_named(Role role, const PreparedCache::Entry* entry,
                         const std::vector<std::optional<std::string>>& values, const std::vector<bool>& binary,
                         bool binary_rows) {
  settle_cancel();
  const Parameters given(values, binary);
  if (PQsendQueryPrepared(conn_, entry ? entry->name.c_str() : "", given.count(), given.values.data(),
                          given.all_lengths(), given.all_formats(), binary_rows) != 1) {
    lose(PQerrorMessage(conn_));
    return false;
  }
  in_flight_.push_back({role, entry ? entry->key : std::string(), false});
  return true;
}

bool Session::send_sync() {
  if (PQpipelineSync(conn_) != 1) {
    lose(PQerrorMessage(conn_));
    return false;
  }
  in_flight_.push_back({Role::sync, {}, false});
  return true;
}

// ---- taking in ----

void Session::on_notice(void* self, const pg_result* result) {
  auto* session = static_cast<Session*>(self);
  ServerMessage message = read_message(result);
  if (message.severity == "FATAL" || message.severity == "PANIC" || message.severity == "ERROR") {
    session->last_fatal_ = std::move(message);  // sent while nothing was asked: the server is hanging up
  } else if (message.severity == "LOG" && message.source_file == "postgres.c") {
    // The upstream's logging of its clients' statements (log_statement, durations); a worker's has none.
  } else {
    session->notices_.push_back(std::move(message));
  }
}

void Session::lose(std::string_view what) {
  if (!lost_) {
    Failure failure{.kind = Failure::Kind::lost, .message = {}, .from_server = false};
    if (last_fatal_) {
      failure.message = *last_fatal_;
      failure.from_server = true;
    } else if (failure_ && (failure_->message.severity == "FATAL" || failure_->message.severity == "PANIC")) {
      failure.message = failure_->message;
      failure.from_server = failure_->from_server;
    } else {
      failure.message.severity = "FATAL";
      failure.message.sqlstate = "08006";
      failure.message.message = trimmed(what);
      if (failure.message.message.empty())
        failure.message.message = "connection to the upstream server was lost";
    }
    failure_ = std::move(failure);
    lost_ = true;
  }
  in_flight_.clear();
}

void Session::note_background_failure(pg_result* result) {
  ServerMessage message = read_message(result);
  message.severity = "WARNING";
  notices_.push_back(std::move(message));
}

void Session::take_result(Item& item, pg_result* result) {
  ExecStatusType status = PQresultStatus(result);
  if (status == PGRES_PIPELINE_ABORTED) {
    item.failed = true;
    PQclear(result);
    return;
  }
  if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY) {
    if (item.role == Role::prepare) {
      if (auto* entry = cache_.find(item.cache_key)) entry->prepared = true;
      PQclear(result);
    } else if (item.role == Role::batch) {
      batch_affected_ += std::strtoull(PQcmdTuples(result), nullptr, 10);
      PQclear(result);
    } else if (item.role == Role::statement || item.role == Role::describe || item.role == Role::commit) {
      rows_ = RowSet(result);
    } else {
      PQclear(result);
    }
    return;
  }
  item.failed = true;
  ServerMessage message = read_message(result);
  bool fatal = message.severity == "FATAL" || message.severity == "PANIC";
  // The request has hit what it was meant for. (In another language, or after a time-out, it is waited for.)
  if (message.message == "canceling statement due to user request") cancel_job_.reset();
  if (PQstatus(conn_) == CONNECTION_BAD) {
    bool told = PQresultErrorField(result, PG_DIAG_SQLSTATE) != nullptr;
    if (told) last_fatal_ = std::move(message);
    PQclear(result);
    lose(PQerrorMessage(conn_));
    return;
  }
  if (fatal) {
    last_fatal_ = std::move(message);  // the end of the connection follows
  } else if (item.role == Role::background) {
    note_background_failure(result);
  } else if (!failure_) {
    failure_ = Failure{.kind = Failure::Kind::statement, .message = std::move(message), .from_server = true};
    failed_role_ = item.role;
  }
  PQclear(result);
}

Step Session::pump() {
  int silent = 0;
  while (!in_flight_.empty() && !lost_) {
    int unsent = PQflush(conn_);
    while (PQisBusy(conn_) && !lost_) {
      short events = static_cast<short>(POLLIN | (unsent == 1 ? POLLOUT : 0));
      if (wait_(PQsocket(conn_), events, -1) == WaitOutcome::interrupted) return Step::interrupted;
      // libpq moves all that is unsent each time it sends some, and PQconsumeInput() sends, too: with a very
      // large statement that would be half of the time.
      if (unsent == 1 && !readable(PQsocket(conn_))) {
        unsent = PQflush(conn_);
        if (unsent != -1) continue;
      }
      if (PQconsumeInput(conn_) != 1) {
        // What the server said before it hung up may still be waiting to be read.
        for (int i = 0; i < 2 && !lost_; ++i)
          if (pg_result* result = PQgetResult(conn_)) {
            if (!in_flight_.empty()) take_result(in_flight_.front(), result);
          }
        lose(PQerrorMessage(conn_));
      } else {
        unsent = PQflush(conn_);
      }
    }
    if (lost_) break;
    pg_result* result = PQgetResult(conn_);
    if (in_flight_.empty()) {
      if (result) PQclear(result);
      break;
    }
    if (!result) {
      if (in_flight_.front().role != Role::sync) {
        in_flight_.pop_front();
        silent = 0;
      } else if (++silent > 2) {
        lose("unexpected end of results from the upstream server");
      }
      continue;
    }
    silent = 0;
    if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
      PQclear(result);
      if (in_flight_.front().role == Role::sync) in_flight_.pop_front();
      continue;
    }
    take_result(in_flight_.front(), result);
  }
  while (conn_) {
    PGnotify* notification = PQnotifies(conn_);
    if (!notification) break;
    ++notifications_;
    if (keeps_notifications_) {
      if (kept_notifications_.size() == most_kept) kept_notifications_.pop_front();
      kept_notifications_.push_back({notification->relname, notification->extra, notification->be_pid});
    }
    PQfreemem(notification);
  }
  return Step::done;
}

std::optional<ServerMessage> Session::pop_notice() {
  if (notices_.empty()) return std::nullopt;
  ServerMessage first = std::move(notices_.front());
  notices_.erase(notices_.begin());
  return first;
}

bool Session::pop_notification(Notification& into) noexcept {
  if (kept_notifications_.empty()) return false;
  into = std::move(kept_notifications_.front());
  kept_notifications_.pop_front();
  return true;
}

int Session::take_notifications() noexcept {
  if (!conn_) return std::exchange(notifications_, 0);
  if (!lost_) {
    WaitFunction saved = wait_;
    // "Interrupted" at once instead of waiting: only what is here already is taken in.
    wait_ = [](int, short, int) noexcept { return WaitOutcome::interrupted; };
    if (PQconsumeInput(conn_) != 1) {
      lose(PQerrorMessage(conn_));
      ++notifications_;
    } else if (operation_ == Operation::none) {
      [[maybe_unused]] Step step = pump();
      if (lost_) ++notifications_;
    }
    wait_ = saved;
  }
  return std::exchange(notifications_, 0);
}

}  // namespace bgw
