// One database session of a worker: a non-blocking libpq connection in pipeline mode.
//
// What it is about is round trips. BEGIN and SAVEPOINT are deferred and travel in the packet of the first
// statement that needs them; a transaction that runs nothing sends nothing; ROLLBACK, and COMMIT of a
// transaction that only read, are sent without waiting for the answer, which is collected before the next
// use. A statement text seen again runs as a prepared statement.
//
// A failed statement leaves the transaction usable, as an error that is caught leaves it in the server: the
// first statement of a transaction or of a subtransaction is undone by starting that level anew, every other
// one runs inside a savepoint that travels with it (set_statement_savepoints).
//
// Every operation that may wait returns a Step. `interrupted` means that the caller has something more urgent
// to do; it then calls resume(), or cancel() and drain(), or close(). After `done`, failure() tells how it
// went. Nothing here throws, jumps, or blocks other than in the wait function. One thread, one session; never
// entered from a signal handler.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/wait.hpp"
#include "core/prepared_cache.hpp"
#include "core/server_message.hpp"

struct pg_conn;
struct pg_result;

namespace bgw {

using WaitFunction = WaitOutcome (*)(int fd, short poll_events, int timeout_ms) noexcept;

// The rows of one statement, in text format or in binary format, and what the upstream said about them. Owns a result of libpq.
class RowSet {
 public:
  RowSet() = default;
  explicit RowSet(pg_result* result) : result_(result) {}
  RowSet(RowSet&& other) noexcept : result_(std::exchange(other.result_, nullptr)) {}
  RowSet& operator=(RowSet&& other) noexcept {
    std::swap(result_, other.result_);
    return *this;
  }
  RowSet(const RowSet&) = delete;
  ~RowSet();

  explicit operator bool() const { return result_ != nullptr; }
  bool has_rows() const;  // the statement returns rows, be it none
  int columns() const;
  int rows() const;
  const char* name(int column) const;
  std::uint32_t type(int column) const;
  int type_modifier(int column) const;
  int type_size(int column) const;
  std::uint32_t table(int column) const;
  int table_column(int column) const;
  bool is_null(int row, int column) const;
  const char* value(int row, int column) const;  // with a NUL behind it
  bool binary() const;                           // the values are in binary format
  int length(int row, int column) const;
  const char* command_tag() const;  // "INSERT 0 3"
  std::uint64_t affected() const;   // rows, as the command tag counts them; 0 if it does not
  pg_result* release() { return std::exchange(result_, nullptr); }

 private:
  pg_result* result_ = nullptr;
};

enum class Step { done, interrupted };

struct Failure {
  enum class Kind {
    statement,       // the upstream refused; the session lives
    lost,            // the connection is gone
    commit_unknown,  // the connection went while a commit was under way: it may have happened
  };
  Kind kind = Kind::statement;
  ServerMessage message;
  bool from_server = true;  // false: made here (network error, protocol)
};

struct TransactionOptions {
  const char* isolation = nullptr;  // "REPEATABLE READ", ...; nullptr: the session's default
  std::optional<bool> read_only;
  std::optional<bool> deferrable;
  bool operator==(const TransactionOptions&) const = default;
};

struct Request {
  std::string text;                                // exactly one statement, without semicolon
  std::vector<std::uint32_t> types;                // of the parameters
  std::vector<std::optional<std::string>> values;  // nullopt: NULL; unused by prepare()
  std::vector<bool> binary;                        // which of the values are in binary format; empty: none
  bool preparable = false;                         // may run as a prepared statement
  bool want_prepared = false;                      // and should from its first use on
  bool read_only = false;                          // the caller promises that it changes nothing
  bool binary_rows = false;                        // the rows are wanted in binary format
  // More than 0: stop after that many rows. A plain SELECT (limit_by_cursor) is read through a cursor and
  // really stops; of any other statement that returns more, the effects are undone and `too_many` is set.
  long row_limit = 0;
  bool limit_by_cursor = false;
  bool drops_prepared = false;
  bool changes_names = false;  // may change what names mean: CREATE, ALTER, DROP, and what can contain them
  bool no_savepoint = false;       // SET TRANSACTION: the upstream refuses it in a subtransaction
  TransactionOptions transaction;  // used when this statement is the first of its transaction
};

struct ConnectRequest {
  std::string conninfo;                                        // connection string or URI
  std::vector<std::pair<std::string, std::string>> overrides;  // dbname, user, application_name, ...
};

// A message that arrived on a channel that the session listens to.
struct Notification {
  std::string channel;
  std::string payload;
  int sender = 0;  // process id of the session that sent it
};

class Session {
 public:
  explicit Session(WaitFunction wait, std::size_t prepared_capacity = 256, int prepare_threshold = 2);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // ---- connecting ----
  Step connect(const ConnectRequest& request);
  bool connected() const { return conn_ != nullptr && !lost_; }
  void close() noexcept;  // at once: what is under way is abandoned
  int socket() const;
  int server_version() const;                     // 150020
  std::string parameter(const char* name) const;  // a reported parameter of the session, "" if unknown
  const char* reported(const char* name) const;   // the same as it stands, nullptr if unknown or not connected
  const std::string& database() const { return database_; }
  const std::string& user() const { return user_; }

  // ---- transactions; levels count from 0, no transaction, 1, the transaction, 2.., subtransactions ----
  bool in_transaction() const { return !levels_.empty(); }
  int level() const { return static_cast<int>(levels_.size()); }
  bool transaction_sent() const { return !levels_.empty() && levels_.front().sent; }
  void begin();                  // nothing is sent
  void begin_sub();              // nothing is sent
  void release_sub();            // nothing is sent
  void rollback_sub() noexcept;  // sent, not waited for
  void rollback() noexcept;      // sent, not waited for; also ends all subtransactions
  Step commit();                 // waits for the answer unless every statement was read_only
  // Statements that follow every BEGIN in its packet: behind a pooler in transaction mode, where nothing that
  // is set for the session stays.
  void set_preamble(std::vector<std::string> statements) { preamble_ = std::move(statements); }
  // Whether a failed statement leaves the transaction usable; in effect from the next statement on.
  void set_statement_savepoints(bool on) { statement_savepoints_ = on; }
  // The transaction, or subtransaction, can only be rolled back. False after a failed statement whose effects are undone.
  bool doomed() const { return doomed_; }
  void set_prepare_threshold(int threshold) { cache_.set_threshold(threshold); }

  // ---- statements; inside a transaction unless `outside` ----
  Step execute(Request request);
  // Runs one statement once for each row of parameter values, all in one round trip; request.values are not
  // used. Rows that the statement returns are dropped; batch_affected() is the sum of the counts. Fails as a
  // whole with the first error.
  Step execute_batch(Request request, std::vector<std::vector<std::optional<std::string>>> rows);
  std::uint64_t batch_affected() const { return batch_affected_; }
  // Parses and analyses without running. The statement stays prepared if the cache wants it.
  Step prepare(Request request);
  // The same, and take_rows() tells the columns of its result (no columns: it has none), without rows.
  Step describe(Request request);
  // Runs several statements outside any transaction, each on its own, all in one round trip, and keeps the
  // rows of the last. Used for the session's own housekeeping. Stops at the first failure.
  Step execute_outside(std::vector<Request> requests);

  // Goes on after `interrupted`.
  Step resume();
  // Asks the upstream to stop what it is doing; waits until it has answered something or the request has been
  // dealt with, and no longer than `limit_ms`. Does nothing if nothing is under way.
  void cancel(int limit_ms) noexcept;
  // Waits up to `limit_ms` for what is under way to end, deaf to interrupts; false: it did not, and the
  // session has been closed.
  bool drain(int limit_ms) noexcept;
  // Cancels, again and again, until what is under way has ended; after `limit_ms` as drain().
  bool stop(int limit_ms) noexcept;
  bool busy() const { return !in_flight_.empty(); }
  // An operation was interrupted and neither resumed to its end nor drained.
  bool under_way() const { return operation_ != Operation::none; }
  bool committing() const { return operation_ == Operation::commit; }

  // ---- what came of it ----
  const std::optional<Failure>& failure() const { return failure_; }
  RowSet take_rows() { return std::exchange(rows_, RowSet()); }
  bool too_many() const { return too_many_; }
  std::vector<ServerMessage> take_notices() { return std::exchange(notices_, {}); }
  bool has_notices() const { return !notices_.empty(); }
  // The oldest message below ERROR that has not been taken yet.
  std::optional<ServerMessage> pop_notice();

  // ---- notifications ----
  // Takes in what has arrived, without waiting; returns how many notifications came since the last call.
  // A broken connection counts as one, so that its owner looks.
  int take_notifications() noexcept;
  // Whether some came with the answers of statements and have not been counted by take_notifications().
  bool has_notifications() const { return notifications_ > 0; }
  // From now on what they say is kept too, at most `most_kept` of them: beyond that the oldest are lost.
  void keep_notifications() { keeps_notifications_ = true; }
  // Moves the oldest one kept out; false if there is none.
  bool pop_notification(Notification& into) noexcept;
  static constexpr std::size_t most_kept = 10'000;

  PreparedCache& cache() { return cache_; }

 private:
  enum class Role { control, prepare, describe, statement, batch, limit_open, limit_close, commit, background, sync };
  enum class Operation { none, connect, statement, batch, prepare, describe, commit, outside };
  struct Item {
    Role role;
    std::string cache_key;  // of a prepare
    bool failed = false;
  };
  struct Level {
    bool sent = false;      // its BEGIN or SAVEPOINT has been sent
    bool has_work = false;  // a statement has succeeded in it
    bool changed_names = false;
  };

  bool send(Role role, const char* text, const Request* params = nullptr, bool binary_rows = false);
  bool send_named(Role role, const PreparedCache::Entry* entry,
                  const std::vector<std::optional<std::string>>& values, const std::vector<bool>& binary, bool binary_rows);
  bool send_sync();
  void compose();
  void compose_prefix();
  Step start();
  Step pump();
  Step connect_more();
  bool finish_within(int limit_ms) noexcept;
  struct CancelJob;
  static void* run_cancel(void* argument);
  void start_cancel() noexcept;
  bool cancel_under_way() const noexcept;
  void settle_cancel() noexcept;
  void take_result(Item& item, pg_result* result);
  void settle_statement();
  void settle_failure();
  void settle_commit();
  bool changed_names() const;  // in the transaction, which is not over
  bool retry_with_new_plan();
  void lose(std::string_view what);
  void note_background_failure(pg_result* result);
  std::string begin_text() const;
  static void on_notice(void* self, const pg_result* result);

  WaitFunction wait_;
  pg_conn* conn_ = nullptr;
  bool lost_ = false;
  bool statement_savepoints_ = true;
  std::vector<std::string> preamble_;
  Operation operation_ = Operation::none;
  std::deque<Item> in_flight_;
  std::string database_, user_;

  // The transaction.
  std::vector<Level> levels_;
  std::vector<std::string> pending_;  // control commands to send before anything else
  bool doomed_ = false;               // failed beyond recovery; the upstream refuses until ROLLBACK
  bool all_read_only_ = true;

  // The operation under way.
  Request request_;
  std::vector<std::vector<std::optional<std::string>>> batch_rows_;
  std::uint64_t batch_affected_ = 0;
  std::string prepared_key_;     // the cache entry this request runs with, "" if none
  bool with_savepoint_ = false;  // the statement runs inside its own savepoint
  bool keep_savepoint_ = false;  // which stays until the row count is known
  bool retried_ = false;
  bool too_many_ = false;
  Role failed_role_ = Role::control;
  int connect_timeout_ms_ = -1;
  std::int64_t connect_deadline_ = 0;
  short connect_events_ = 0;

  std::shared_ptr<CancelJob> cancel_job_;  // the last cancel request, while it may still have an effect

  std::optional<Failure> failure_;
  std::optional<ServerMessage> last_fatal_;  // sent by the upstream before it hung up
  RowSet rows_;
  std::vector<ServerMessage> notices_;
  int notifications_ = 0;
  bool keeps_notifications_ = false;
  std::deque<Notification> kept_notifications_;
  PreparedCache cache_;
};

}  // namespace bgw
