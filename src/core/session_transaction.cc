// What is sent for a transaction and its statements, and what a failure leaves behind.
//
// levels_[0] is the transaction, levels_[k] the k-th nested subtransaction, whose savepoint is "bgw_k". A
// level is sent together with the first statement that runs in it. The savepoint of a single statement is
// "bgw_s"; it is released in the same packet, so that it is there only while the statement is.
//
// After a failed statement the upstream is brought back at once, without waiting for it:
//   in its own savepoint       ROLLBACK TO bgw_s, RELEASE bgw_s
//   first of a subtransaction  ROLLBACK TO bgw_k
//   first of the transaction   ROLLBACK, and BEGIN again with the next statement
//   else                       nothing: the transaction is doomed, the upstream refuses what follows
#include "core/libpq.hpp"

#include <algorithm>
#include <cstring>

#include "core/session.hpp"

namespace bgw {

namespace {

std::string savepoint_name(std::size_t level) {
  return "bgw_" + std::to_string(level);
}

constexpr std::string_view limit_prefix = "DECLARE bgw_limit NO SCROLL CURSOR FOR ";

}  // namespace

// ---- transaction control ----

void Session::begin() {
  if (!levels_.empty()) return;
  levels_.push_back({});
  doomed_ = false;
  all_read_only_ = true;
}

void Session::begin_sub() {
  if (!levels_.empty()) levels_.push_back({});
}

void Session::release_sub() {
  if (levels_.size() < 2) return;
  Level top = levels_.back();
  std::size_t number = levels_.size() - 1;
  levels_.pop_back();
  if (top.sent && !doomed_) pending_.push_back("RELEASE SAVEPOINT " + savepoint_name(number));
  if (top.has_work) levels_.back().has_work = true;
  if (top.changed_names) levels_.back().changed_names = true;
}

void Session::rollback_sub() noexcept {
  if (levels_.size() < 2) return;
  bool sent = levels_.back().sent;
  if (levels_.back().changed_names) cache_.names_changed();
  std::size_t number = levels_.size() - 1;
  levels_.pop_back();
  if (!sent || !connected()) return;
  pending_.clear();  // whatever was still to be released lies inside what is undone now
  std::string name = savepoint_name(number);
  doomed_ = false;
  if (send(Role::background, ("ROLLBACK TO SAVEPOINT " + name).c_str()) &&
      send(Role::background, ("RELEASE SAVEPOINT " + name).c_str()) && send_sync())
    PQflush(conn_);
}

void Session::rollback() noexcept {
  bool sent = transaction_sent();
  if (changed_names()) cache_.names_changed();
  levels_.clear();
  pending_.clear();
  doomed_ = false;
  if (!sent || !connected()) return;
  if (send(Role::background, "ROLLBACK") && send_sync()) PQflush(conn_);
}

Step Session::commit() {
  failure_.reset();
  rows_ = RowSet();
  if (!transaction_sent()) {
    levels_.clear();
    pending_.clear();
    return Step::done;
  }
  pending_.clear();  // COMMIT releases every savepoint
  bool wait = !all_read_only_ || doomed_;
  operation_ = wait ? Operation::commit : Operation::none;
  if (!send(wait ? Role::commit : Role::background, "COMMIT") || !send_sync() || PQflush(conn_) < 0) {
    // Not sent as a whole: it cannot have happened.
    lose(conn_ ? PQerrorMessage(conn_) : "");
    levels_.clear();
    operation_ = Operation::none;
    return Step::done;
  }
  if (!wait) {
    levels_.clear();
    return Step::done;
  }
  return resume();
}

void Session::settle_commit() {
  const bool changed = changed_names();
  levels_.clear();
  bool answered = static_cast<bool>(rows_);
  bool refused = failure_ && failure_->kind == Failure::Kind::statement;
  if (answered && !failure_ && std::strcmp(rows_.command_tag(), "COMMIT") != 0) {
    failure_ = Failure{};
    failure_->message.sqlstate = "25P02";
    failure_->message.message = "current transaction is aborted, it was rolled back instead of committed";
  } else if (lost_ && answered) {
    failure_.reset();  // committed; the loss is the next operation's
  } else if (lost_ && !refused) {
    ServerMessage cause = failure_ ? failure_->message : ServerMessage{};
    failure_ = Failure{.kind = Failure::Kind::commit_unknown, .message = {}, .from_server = false};
    failure_->message.severity = "FATAL";
    failure_->message.sqlstate = "08007";
    failure_->message.message =
        "connection to the upstream server was lost during COMMIT: it is not known whether the transaction was "
        "committed";
    failure_->message.detail = cause.message;
  }
  if (failure_ && changed) cache_.names_changed();
  rows_ = RowSet();
}

bool Session::changed_names() const {
  return std::any_of(levels_.begin(), levels_.end(), [](const Level& level) { return level.changed_names; });
}

// ---- statements ----

std::string Session::begin_text() const {
  std::string text = "BEGIN";
  const TransactionOptions& t = request_.transaction;
  if (t.isolation) text.append(" ISOLATION LEVEL ").append(t.isolation);
  if (t.read_only) text += *t.read_only ? " READ ONLY" : " READ WRITE";
  if (t.deferrable) text += *t.deferrable ? " DEFERRABLE" : " NOT DEFERRABLE";
  return text;
}

// What must reach the upstream before the statement itself.
void Session::compose_prefix() {
  if (!transaction_sent()) {
    for (const std::string& name : cache_.take_retired()) {
      send(Role::background, ("DEALLOCATE " + name).c_str());
      send_sync();
    }
  }
  for (const std::string& command : std::exchange(pending_, {})) send(Role::control, command.c_str());
  for (std::size_t i = 0; i < levels_.size() && !lost_; ++i) {
    if (levels_[i].sent) continue;
    send(Role::control, i == 0 ? begin_text().c_str() : ("SAVEPOINT " + savepoint_name(i)).c_str());
    if (i == 0)
      for (const std::string& statement : preamble_) send(Role::control, statement.c_str());
    levels_[i].sent = true;
  }
}

void Session::compose() {
  compose_prefix();
  bool check_rows = request_.row_limit > 0 && !request_.limit_by_cursor;
  with_savepoint_ = !levels_.empty() && levels_.back().has_work && !doomed_ && !request_.no_savepoint &&
                    (statement_savepoints_ || check_rows);
  keep_savepoint_ = with_savepoint_ && check_rows;
  prepared_key_.clear();
  if (with_savepoint_) send(Role::control, "SAVEPOINT bgw_s");

  PreparedCache::Entry* entry = nullptr;
  if (request_.preparable) {
    const bool planned = request_.want_prepared && operation_ != Operation::batch;
    const bool looked_at = operation_ == Operation::prepare || operation_ == Operation::describe;
    entry = &cache_.use(request_.text, request_.types, planned);
    if (looked_at && entry->stale) cache_.invalidate(*entry, true);
    // What is described is run next: read twice, it would give the notices of its reading twice.
    if (!cache_.worth_preparing(*entry, request_.want_prepared || operation_ == Operation::describe)) entry = nullptr;
  }
  bool by_cursor = request_.row_limit > 0 && request_.limit_by_cursor && operation_ == Operation::statement;
  if (by_cursor) entry = nullptr;
  bool parse = operation_ == Operation::prepare || operation_ == Operation::describe ||
               (operation_ == Operation::batch && !entry);
  if (!lost_ && (parse || (entry && !entry->prepared))) {
    settle_cancel();
    // What is prepared already is only looked through again, for the errors that planning it now would meet.
    if (entry && entry->prepared) entry = nullptr;
    if (PQsendPrepare(conn_, entry ? entry->name.c_str() : "", request_.text.c_str(),
                      static_cast<int>(request_.types.size()), request_.types.data()) != 1) {
      lose(PQerrorMessage(conn_));
    } else {
      in_flight_.push_back({Role::prepare, entry ? entry->key : std::string(), false});
      if (operation_ == Operation::describe) {
        if (PQsendDescribePrepared(conn_, entry ? entry->name.c_str() : "") != 1)
          lose(PQerrorMessage(conn_));
        else
          in_flight_.push_back({Role::describe, {}, false});
      }
    }
  }
  if (entry) prepared_key_ = entry->key;
  if (operation_ == Operation::statement && !lost_) {
    if (by_cursor) {
      send(Role::limit_open, (std::string(limit_prefix) + request_.text).c_str(), &request_);
      send(Role::statement,
           ("FETCH FORWARD " + std::to_string(request_.row_limit) + " FROM bgw_limit").c_str(), nullptr,
           request_.binary_rows);
      send(Role::limit_close, "CLOSE bgw_limit");
    } else if (entry) {
      send_named(Role::statement, entry, request_.values, request_.binary, request_.binary_rows);
    } else {
      send(Role::statement, request_.text.c_str(), &request_, request_.binary_rows);
    }
  }
  if (operation_ == Operation::batch)
    for (std::size_t i = 0; i < batch_rows_.size() && !lost_; ++i)
      send_named(Role::batch, entry, batch_rows_[i], {}, false);
  if (with_savepoint_ && !keep_savepoint_) send(Role::control, "RELEASE SAVEPOINT bgw_s");
  send_sync();
}

Step Session::execute(Request request) {
  request_ = std::move(request);
  operation_ = Operation::statement;
  return start();
}

Step Session::execute_batch(Request request, std::vector<std::vector<std::optional<std::string>>> rows) {
  request_ = std::move(request);
  batch_rows_ = std::move(rows);
  operation_ = Operation::batch;
  return start();
}

Step Session::prepare(Request request) {
  request_ = std::move(request);
  operation_ = Operation::prepare;
  return start();
}

Step Session::describe(Request request) {
  request_ = std::move(request);
  operation_ = Operation::describe;
  return start();
}

Step Session::start() {
  failure_.reset();
  rows_ = RowSet();
  too_many_ = false;
  retried_ = false;
  batch_affected_ = 0;
  if (!conn_ || lost_) {
    lost_ = false;
    lose("there is no connection to the upstream server");
    operation_ = Operation::none;
    return Step::done;
  }
  compose();
  return resume();
}

Step Session::execute_outside(std::vector<Request> requests) {
  failure_.reset();
  rows_ = RowSet();
  operation_ = Operation::outside;
  for (const Request& request : requests) send(Role::statement, request.text.c_str(), &request);
  send_sync();
  return resume();
}

Step Session::resume() {
  if (operation_ == Operation::connect) return connect_more();
  for (;;) {
    if (pump() == Step::interrupted) return Step::interrupted;
    switch (operation_) {
      case Operation::commit:
        settle_commit();
        break;
      case Operation::statement:
      case Operation::batch:
      case Operation::prepare:
      case Operation::describe:
        if (failure_ && failure_->kind == Failure::Kind::statement && retry_with_new_plan()) continue;
        settle_statement();
        break;
      case Operation::connect:
      case Operation::outside:
      case Operation::none:
        break;
    }
    operation_ = Operation::none;
    return Step::done;
  }
}

// A prepared statement that the upstream does not have any more, or whose result type has changed under it,
// is made anew and run again: it had not begun to run. One that names by OID what has been dropped since, and perhaps made
// again under its name, is made anew for the next time only (the upstream's plans do not notice that of a type): it had
// begun, and might do something twice that no rollback undoes.
bool Session::retry_with_new_plan() {
  if (retried_ || prepared_key_.empty() || failed_role_ == Role::control) return false;
  const ServerMessage& m = failure_->message;
  bool gone = m.sqlstate == "26000";
  bool changed = m.sqlstate == "0A000" && (m.source_function == "RevalidateCachedQuery" ||
                                           m.message == "cached plan must not change result type");
  bool duplicate = m.sqlstate == "42P05";
  bool dropped = (m.sqlstate == "XX000" && m.message.starts_with("cache lookup failed for ")) ||
                 (m.sqlstate == "42704" && m.message.starts_with("type with OID "));
  PreparedCache::Entry* entry = cache_.find(prepared_key_);
  if (!entry || (!gone && !changed && !duplicate && !dropped)) return false;
  cache_.invalidate(*entry, changed || dropped);
  if (dropped) return false;
  retried_ = true;
  settle_failure();
  if (doomed_) return false;
  failure_.reset();
  rows_ = RowSet();
  batch_affected_ = 0;
  compose();
  return true;
}

void Session::settle_statement() {
  if (failure_) {
    if (failure_->kind == Failure::Kind::statement) {
      if (failed_role_ == Role::limit_open &&
          failure_->message.position > static_cast<int>(limit_prefix.size()))
        failure_->message.position -= static_cast<int>(limit_prefix.size());
      settle_failure();
      rows_ = RowSet();
    }
  } else if (operation_ == Operation::statement || operation_ == Operation::batch) {
    if (!request_.read_only) all_read_only_ = false;
    if (request_.drops_prepared) cache_.forget_all();
    if (request_.changes_names) {
      cache_.names_changed();
      if (!levels_.empty()) levels_.back().changed_names = true;
    }
    if (request_.row_limit > 0 && !request_.limit_by_cursor && rows_.has_rows() &&
        rows_.rows() > request_.row_limit) {
      too_many_ = true;
      rows_ = RowSet();
      settle_failure();
    } else {
      if (keep_savepoint_) pending_.push_back("RELEASE SAVEPOINT bgw_s");
      if (!levels_.empty()) levels_.back().has_work = true;
    }
  }
}

// The statement of request_ has failed, or is to be undone.
void Session::settle_failure() {
  if (levels_.empty() || !connected()) return;
  if (!request_.read_only) all_read_only_ = false;
  if (failed_role_ == Role::control && failure_ && PQtransactionStatus(conn_) == PQTRANS_IDLE) {
    for (Level& level : levels_) level = {};  // BEGIN itself was refused
    return;
  }
  if (failed_role_ == Role::control && failure_) {
    doomed_ = true;
    return;
  }
  if (with_savepoint_) {
    send(Role::background, "ROLLBACK TO SAVEPOINT bgw_s");
    send(Role::background, "RELEASE SAVEPOINT bgw_s");
  } else if (doomed_ || levels_.back().has_work) {
    doomed_ = true;
    return;
  } else if (levels_.size() > 1) {
    send(Role::background, ("ROLLBACK TO SAVEPOINT " + savepoint_name(levels_.size() - 1)).c_str());
  } else {
    send(Role::background, "ROLLBACK");
    levels_.front() = {};
  }
  if (send_sync()) PQflush(conn_);
}

}  // namespace bgw
