// Ending one session, in a transaction of its own, so that the server's view of it is fresh.
//
// The statement that ends it looks first whether it still is the same session, in the same state since the same
// moment, of a role that may be ended, in a pool that can spare it. What remains of the race is the time
// between that look and the arrival of the signal, inside one statement.
#include "idle_terminator.hpp"

namespace idle_terminator {

namespace {

void note(bgworker::transaction& tx, const intention& i, std::string_view outcome, std::string_view detail) {
  tx.execute(
      OWN
      "UPDATE idle_terminator.audit SET outcome = $2, outcome_at = clock_timestamp(), detail = nullif($3, '')"
      " WHERE id = $1",
      i.audit, outcome, detail);
}

}  // namespace

void end(const intention& i) {
  try {
    bgworker::transaction tx;
    enter(tx);
    const auto outcome = tx.value<std::string>(
        OWN
        "WITH there AS MATERIALIZED (SELECT a.pid, a.usesysid, a.datid, a.datname, a.application_name, a.state,"
        " a.state_change FROM idle_terminator.seen() a WHERE a.pid = $1 AND a.backend_start = $2"
        " AND a.backend_type = 'client backend'),"
        " same AS MATERIALIZED (SELECT * FROM there WHERE state = $3 AND state_change = $4),"
        " ordinary AS MATERIALIZED (SELECT s.* FROM same s JOIN pg_roles r ON r.oid = s.usesysid AND NOT "
        "r.rolsuper),"
        // The session itself is no longer counted, nor what was told to end a moment ago and still is there.
        " still AS MATERIALIZED (SELECT o.pid FROM ordinary o WHERE $5 = 0 OR (SELECT count(*) FROM "
        "idle_terminator.seen() p"
        " WHERE p.backend_type = 'client backend' AND p.usesysid = o.usesysid AND p.datid = o.datid"
        " AND p.application_name = o.application_name AND p.pid <> o.pid AND NOT EXISTS (SELECT FROM"
        " idle_terminator.audit t WHERE t.pid = p.pid AND t.backend_start = p.backend_start"
        " AND t.outcome IN ('intended', 'signalled') AND t.at > now() - interval '1 minute')) >= $5)"
        " SELECT CASE WHEN NOT EXISTS (SELECT FROM there) THEN 'gone' WHEN NOT EXISTS (SELECT FROM same) THEN "
        "'changed'"
        " WHEN NOT EXISTS (SELECT FROM ordinary) THEN 'protected' WHEN NOT EXISTS (SELECT FROM still) THEN "
        "'floor'"
        " WHEN (SELECT pg_terminate_backend(pid) FROM still) THEN 'signalled' ELSE 'gone' END",
        i.whom.pid, i.whom.backend_start, i.whom.state, i.whom.state_change, i.floor);
    note(tx, i, outcome, {});
    tx.commit();
    if (outcome == "signalled")
      bgworker::log("idle_terminator: ends {}", i.about);
    else
      bgworker::log(bgworker::level::debug1, "idle_terminator: does not end {}: {}", i.about, outcome);
  } catch (const bgworker::error& e) {
    // 42501: it may not be ended by this role. Anything else is not about the session, and nothing is known
    // then.
    if (e.code() != bgworker::sqlstate("42501")) throw;
    bgworker::transaction tx;
    enter(tx);
    note(tx, i, "refused", e.message());
    tx.commit();
    bgworker::log(bgworker::level::warning, "idle_terminator: may not end {}: {}", i.about, e.message());
  }
}

bool tidy_up(std::chrono::minutes keep) {
  bgworker::transaction tx;
  enter(tx);
  const auto removed = tx.execute(OWN
                                  "DELETE FROM idle_terminator.audit WHERE id IN (SELECT id FROM "
                                  "idle_terminator.audit WHERE at < now() - $1"
                                  " AND outcome NOT IN ('intended', 'signalled') ORDER BY at LIMIT 1000)",
                                  keep);
  tx.commit();
  return removed == 1000;
}

}  // namespace idle_terminator
