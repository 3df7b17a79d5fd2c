// Repairing: one index at a time.
//
// Before a statement is run, everything about the index is looked at once more, and in the same transaction the
// attempt is noted, as if it had failed already: should the worker or the server not outlive it, its index has
// to wait like one that failed. The statement itself runs in the libpq session while no transaction of the
// worker is open. That session holds an advisory lock on the database, so that of several workers, in whatever
// hosts, one acts; and the workers of one module take turns by a word in shared memory, so that they do not all
// load the same machine.
//
// After a failure the round is over. What a failed REINDEX left behind is taken away at once, since nothing is
// gained by keeping it and writing to the table would get slower with each; the invalid index that it failed
// for stays and waits, twice as long after each failure.
#include "index_rebuilder.hpp"

#include "session.hpp"

#include <signal.h>
#include <unistd.h>

namespace index_rebuilder {

namespace {

using namespace std::chrono_literals;

struct turn_state {
  pid_t holder = 0;  // written and read under the lock; a process that is gone holds it no more
};
bgworker::shared<turn_state> whose_turn{"index_rebuilder turn"};

class turn {
 public:
  turn() {
    auto state = whose_turn.lock();
    mine_ =
        state->holder == 0 || state->holder == ::getpid() || (::kill(state->holder, 0) != 0 && errno == ESRCH);
    if (mine_) state->holder = ::getpid();
  }
  turn(const turn&) = delete;
  ~turn() {
    if (mine_) whose_turn.lock()->holder = 0;
  }
  explicit operator bool() const { return mine_; }

 private:
  bool mine_ = false;
};

std::string kilobytes(std::int64_t bytes) {
  return bgworker::format("{} kB", (bytes + 1023) / 1024);
}

// What is left of attempts whose worker did not see the end.
void note_interrupted() {
  bgworker::transaction tx;
  tx.execute(
      OWN
      "UPDATE index_rebuilder.history SET outcome = 'interrupted', finished = now() WHERE outcome = 'running'");
  tx.commit();
}

class repairer {
 public:
  repairer(bgworker::worker& self, const repair_rules& rules) : self_(self), rules_(rules) {}

  void run() {
    const turn my_turn;
    if (!my_turn) return;
    for (;;) {
      const std::optional<finding> next = choose();
      if (!next || !in_window(rules_.window)) return;
      if (!session_ && !open()) return;
      if (!repair(*next)) return;
      if (!self_.sleep(rules_.pause)) return;
    }
  }

 private:
  // What gives space back comes first. Nothing is tried twice in one round.
  std::optional<finding> choose() {
    bgworker::transaction tx;
    std::vector<finding> all = survey(tx, rules_.look);
    tx.commit();
    for (const action wanted : {action::drop, action::reindex})
      for (finding& f : all)
        if (f.due() && f.todo == wanted && !was_tried(f.index)) return std::move(f);
    return std::nullopt;
  }
  bool was_tried(std::int64_t index) const {
    return std::find(tried_.begin(), tried_.end(), index) != tried_.end();
  }

  bool open() {
    session_.emplace(self_, rules_.connection);
    if (session_->run("SELECT pg_try_advisory_lock(hashtext('index_rebuilder'), 1)") != "t") {
      bgworker::log(bgworker::level::debug1, "index_rebuilder: another worker repairs in this database");
      return false;
    }
    note_interrupted();
    session_->run(bgworker::format("SET lock_timeout = {}", rules_.lock_timeout.count()));
    session_->run(bgworker::format("SET statement_timeout = {}", rules_.statement_timeout.count()));
    // A server whose worker is gone gives the statement up by itself.
    session_->run(
        "SELECT set_config('client_connection_check_interval', '10s', false) FROM pg_settings WHERE name ="
        " 'client_connection_check_interval'");
    return true;
  }

  // Notes the attempt; nothing when the index is not what it was, or there is no room for it.
  std::optional<std::int64_t> begin(const finding& chosen) {
    bgworker::transaction tx;
    const std::vector<finding> all = survey(tx, rules_.look);
    known_.clear();
    const finding* now = nullptr;
    for (const finding& f : all) {
      known_.push_back(f.index);
      if (f.index == chosen.index && f.table == chosen.table && f.name == chosen.name &&
          f.schema == chosen.schema && f.kind == chosen.kind && f.todo == chosen.todo && f.due())
        now = &f;
    }
    if (now == nullptr) {
      tx.commit();
      return std::nullopt;
    }
    std::string lack;
    if (chosen.todo == action::reindex) lack = lack_of_space(tx, chosen, rules_.space, room_);
    tx.execute(
        OWN
        "UPDATE index_rebuilder.finding SET failures = failures + 1, retry_after = now() + least($2 * power(2,"
        " least(failures, 20)), $3), last_error = $4 WHERE indexrelid = $1::oid",
        chosen.index, rules_.backoff, rules_.backoff_max, lack.empty() ? "the attempt has not ended" : lack);
    const auto id = note(tx, chosen, lack.empty() ? "running" : "skipped", lack);
    tx.commit();
    if (lack.empty()) return id;
    bgworker::log_message(
        bgworker::level::warning,
        bgworker::format("index_rebuilder: index {} is not rebuilt for lack of space", chosen.qualified()),
        lack);
    return std::nullopt;
  }

  std::int64_t note(bgworker::transaction& tx, const finding& f, const char* outcome, const std::string& why) {
    return tx.value<std::int64_t>(
        OWN
        "INSERT INTO index_rebuilder.history (started, finished, indexrelid, schema_name, index_name, "
        "table_name, kind,"
        " statement, outcome, error, size_before) VALUES (clock_timestamp(), CASE WHEN $7 = 'running' THEN "
        "NULL ELSE"
        " clock_timestamp() END, $1::oid, $2, $3, $4, $5, $6, $7, $8, pg_relation_size($1::oid)) RETURNING id",
        f.index, f.schema, f.name, f.table_name, f.kind, f.statement(), outcome,
        why.empty() ? std::nullopt : std::optional(why));
  }

  // Whether the round goes on.
  bool repair(const finding& f) {
    tried_.push_back(f.index);
    room_.clear();
    const auto id = begin(f);
    if (!id) return true;
    self_.report_activity(f.statement());
    const bool done = execute(f, *id, true);
    if (!done && f.todo == action::reindex && session_ && !self_.stopping()) clean_up_after(f);
    self_.report_activity({});
    return done;
  }

  bool execute(const finding& f, std::int64_t id, bool counts) {
    bgworker::log("index_rebuilder: {}{}", f.statement(), room_.empty() ? "" : " (" + room_ + ")");
    try {
      const auto limit = rules_.statement_timeout;
      session_->run(f.statement(), limit > 0ms ? limit + 30s : limit);
      return succeeded(f, id);
    } catch (bgworker::error& e) {
      const bool stopped = self_.stopping();
      failed(f, id, e, stopped, counts);
      // Whether what was said last is still on its way is not known after these.
      if (stopped || e.code().in_class("08") || e.message() == "the server did not answer in time")
        session_.reset();
      if (stopped) throw;
      bgworker::log_error(e.add_context("index_rebuilder repaired index " + f.qualified()));
      return false;
    }
  }

  bool succeeded(const finding& f, std::int64_t id) {
    bgworker::transaction tx;
    auto now = tx.query<std::int64_t, std::int64_t, bool>(
        OWN
        "SELECT i.indexrelid, pg_relation_size(i.indexrelid), i.indisvalid FROM pg_catalog.pg_index i JOIN"
        " pg_catalog.pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = $1::oid AND c.relname = $2",
        f.table, f.name);
    std::int64_t after = 0;
    if (f.todo == action::reindex) {
      if (now.empty()) throw bgworker::error("02000", "the index is not there any more after its REINDEX");
      const auto [index, size, valid] = now.front();
      if (!valid) throw bgworker::error("55000", "the index is not valid after its REINDEX");
      after = size;
    }
    tx.execute(OWN "DELETE FROM index_rebuilder.finding WHERE indexrelid = $1::oid", f.index);
    tx.execute(OWN "DELETE FROM index_rebuilder.bloat WHERE indexrelid = $1::oid", f.index);
    const auto [before, seconds] =
        tx.query<std::int64_t, std::string>(
              OWN
              "UPDATE index_rebuilder.history SET outcome = 'done', finished = clock_timestamp(), size_after = "
              "$2 WHERE id"
              " = $1 RETURNING size_before, round(extract(epoch FROM clock_timestamp() - started), 3)::text",
              id, after)
            .front();
    const std::string sizes =
        f.todo == action::drop ? bgworker::format("{} given back", kilobytes(before))
                               : bgworker::format("{} before, {} after", kilobytes(before), kilobytes(after));
    const std::string took(seconds);
    tx.commit();
    bgworker::log("index_rebuilder: index {} {} in {} s: {}", f.qualified(),
                  f.todo == action::drop ? "dropped" : "rebuilt", took, sizes);
    return true;
  }

  // A stop is not the index's fault: it does not count.
  void failed(const finding& f, std::int64_t id, const bgworker::error& e, bool stopped, bool counts) {
    try {
      bgworker::transaction tx;
      tx.execute(OWN
                 "UPDATE index_rebuilder.history SET outcome = $2, finished = clock_timestamp(), sqlstate = "
                 "$3, error = $4"
                 " WHERE id = $1",
                 id, stopped ? "cancelled" : "failed", e.code().str(), e.message());
      if (counts && stopped)
        tx.execute(OWN
                   "UPDATE index_rebuilder.finding SET failures = failures - 1, retry_after = NULL, last_error "
                   "= $2 WHERE"
                   " indexrelid = $1::oid",
                   f.index, e.message());
      else if (counts)
        tx.execute(
            OWN
            "UPDATE index_rebuilder.finding SET retry_after = now() + (retry_after - (SELECT started FROM"
            " index_rebuilder.history WHERE id = $3)), last_error = $2 WHERE indexrelid = $1::oid",
            f.index, e.message(), id);
      tx.commit();
    } catch (bgworker::error& second) {
      if (!self_.stopping()) bgworker::log_error(second.add_context("index_rebuilder noted a failure"));
    }
  }

  // Only what was not there before the attempt, and is a leftover of this very index.
  void clean_up_after(const finding& f) {
    std::vector<std::pair<finding, std::int64_t>> left;
    {
      bgworker::transaction tx;
      for (finding& g : survey(tx, rules_.look)) {
        if (g.kind != "leftover" || g.todo != action::drop || g.base != f.index || !g.busy.empty()) continue;
        if (std::find(known_.begin(), known_.end(), g.index) != known_.end()) continue;
        const auto id = note(tx, g, "running", {});
        left.emplace_back(std::move(g), id);
      }
      tx.commit();
    }
    room_.clear();
    for (const auto& [g, id] : left)
      if (!session_ || !execute(g, id, false)) return;
  }

  bgworker::worker& self_;
  const repair_rules& rules_;
  std::optional<session> session_;
  std::vector<std::int64_t> tried_;  // in this round
  std::vector<std::int64_t> known_;  // the findings just before the attempt
  std::string room_;                 // what was found out about free space
};

}  // namespace

void repair(bgworker::worker& self, const repair_rules& rules) {
  repairer(self, rules).run();
}

}  // namespace index_rebuilder
