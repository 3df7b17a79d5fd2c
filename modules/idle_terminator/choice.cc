// Whom to end: one look at all sessions against the rules, in one transaction.
//
// What is decided here is committed before anything is done about it: nothing is ended without a row in the
// audit. An outcome changes only so:
//   intended -> signalled -> ended       the session is gone
//                         -> remains     it is still there a minute later, and may be chosen again
//            -> gone, changed, floor, protected, refused      it was not ended, and why
//            -> unknown    nothing is known a minute later: the worker itself was ended in between
// "dry run" is an outcome of its own. All of it happens under the lock of enter(), so that several workers on
// one schema share one rate.
//
// Sessions are gone through in the order in which they are worth ending: those that hold back vacuum, the
// furthest back first, then those that have been idle for longest. Each takes a place in what its pool can
// spare, whether it is ended now, warned, or has to wait for the rate; so a worse one never takes the place of
// a better one.
#include <map>

#include "idle_terminator.hpp"

namespace idle_terminator {

namespace {

void settle(bgworker::transaction& tx) {
  tx.execute(OWN
             "WITH open AS MATERIALIZED (SELECT id, pid, backend_start, outcome, at FROM idle_terminator.audit"
             " WHERE outcome IN ('intended', 'signalled'))"
             " UPDATE idle_terminator.audit t SET outcome = CASE WHEN o.outcome = 'intended' THEN 'unknown'"
             " WHEN a.pid IS NULL THEN 'ended' ELSE 'remains' END, outcome_at = clock_timestamp()"
             " FROM open o LEFT JOIN idle_terminator.seen() a ON a.pid = o.pid"
             // Of a session that cannot be seen any more nobody knows that it is another one.
             " AND (a.backend_start = o.backend_start OR a.backend_start IS NULL)"
             " WHERE t.id = o.id AND (o.at < now() - interval '1 minute' OR o.outcome = 'signalled' AND a.pid "
             "IS NULL)");
  // A warning is for one stretch of idleness.
  tx.execute(
      OWN
      "DELETE FROM idle_terminator.warned w WHERE NOT EXISTS (SELECT FROM idle_terminator.seen() a WHERE "
      "a.pid = w.pid"
      " AND a.backend_start = w.backend_start AND a.state_change = w.state_change)");
}

void warn(bgworker::transaction& tx, const std::vector<int>& pids, const settings& s) {
  tx.execute(
      OWN
      "WITH named AS MATERIALIZED (SELECT s.*, clock_timestamp() AS warned_at FROM idle_terminator.session s"
      " WHERE s.pid = ANY ($1)), kept AS (INSERT INTO idle_terminator.warned SELECT pid, backend_start,"
      " state_change, warned_at FROM named ON CONFLICT (pid, backend_start) DO UPDATE SET state_change ="
      " excluded.state_change, warned_at = excluded.warned_at)"
      " SELECT pg_notify($2, json_build_object('pid', pid, 'backend_start', backend_start, 'role', role,"
      " 'database', database, 'application', application, 'state', state, 'idle_since', state_change,"
      " 'ends_at', greatest(due_at, warned_at + coalesce(warning, $3)), 'rule', rule_id)::text) FROM named",
      pids, s.channel, s.warning);
}

}  // namespace

std::vector<intention> choose(const settings& s) {
  bgworker::transaction tx;
  enter(tx);
  settle(tx);
  const int used = tx.value<int>(
      OWN
      "SELECT count(*)::integer FROM idle_terminator.audit WHERE at > now() - interval '1 minute' AND outcome ="
      " ANY (CASE WHEN $1 THEN '{dry run}' ELSE '{intended,signalled,ended,remains,unknown}' END::text[])",
      s.dry_run);
  int left = s.rate - used;

  // What this server shows of a session is the same in every statement of the transaction.
  auto found = tx.query<int, time, std::string, time, std::string, std::int64_t, int, bool,
                        std::chrono::microseconds, bool, bool, bool, std::string>(
      OWN
      "SELECT s.pid, s.backend_start, s.state, s.state_change, concat_ws(',', s.usesysid, "
      "quote_ident(s.database),"
      " quote_literal(s.application)), s.pool, coalesce(s.floor, $1), s.due_at <= clock_timestamp(), w.grace,"
      " v.warned_at IS NOT NULL, coalesce(v.warned_at + w.grace <= clock_timestamp(), false),"
      " EXISTS (SELECT FROM idle_terminator.audit t WHERE t.pid = s.pid AND t.backend_start = s.backend_start"
      " AND t.state_change = s.state_change AND t.outcome = 'dry run'),"
      " format('pid %s (role %I, database %I, application %L, %s since %s) by rule %s', s.pid, s.role, "
      "s.database,"
      " s.application, s.state, s.state_change, s.rule_id)"
      " FROM idle_terminator.session s"
      " CROSS JOIN LATERAL (SELECT CASE WHEN $3 THEN interval '0'"
      " ELSE make_interval(secs => extract(epoch FROM coalesce(s.warning, $2))::float8) END AS grace) w"
      " LEFT JOIN idle_terminator.warned v ON v.pid = s.pid AND v.backend_start = s.backend_start"
      " AND v.state_change = s.state_change"
      " WHERE s.due_at - w.grace <= clock_timestamp() AND NOT s.ending AND NOT s.superuser"
      " AND s.pid <> pg_backend_pid() AND s.role <> current_user AND s.role::text <> ALL ($4)"
      " AND s.database::text <> ALL ($5) AND s.application NOT LIKE ALL ($6)"
      " AND (pg_has_role('pg_signal_backend', 'USAGE') OR pg_has_role(s.usesysid, 'USAGE'))"
      // What the server has refused once it will refuse again for a while.
      " AND NOT EXISTS (SELECT FROM idle_terminator.audit t WHERE t.pid = s.pid AND t.backend_start = "
      "s.backend_start"
      " AND t.outcome = 'refused' AND t.at > now() - interval '10 minutes')"
      " ORDER BY s.vacuum_age DESC NULLS LAST, s.state_change, s.pid",
      s.floor, s.warning, s.dry_run, s.roles, s.databases, s.applications);

  std::map<std::string, std::int64_t> remaining;
  for (auto [pid, backend_start, state, state_change, pool, size, floor, due, grace, warned, waited, noted,
             about] : found) {
    auto& place = remaining.try_emplace(pool, size).first->second;
    if (s.dry_run && noted) --place;
  }
  std::vector<intention> chosen;
  std::vector<int> to_warn, to_end;
  for (auto [pid, backend_start, state, state_change, pool, size, floor, due, grace, warned, waited, noted,
             about] : found) {
    if (s.dry_run && noted) continue;
    auto& place = remaining[pool];
    if (place - 1 < floor) continue;
    --place;
    if (grace.count() > 0 && !warned) {
      to_warn.push_back(pid);
      bgworker::log(bgworker::level::debug1, "idle_terminator: warns of the end of {}", about);
    } else if (due && (grace.count() == 0 || waited) && left > 0) {
      --left;
      to_end.push_back(pid);
      chosen.push_back({0, {pid, backend_start, state, state_change}, floor, about});
    }
  }
  if (!to_warn.empty()) warn(tx, to_warn, s);
  if (!to_end.empty()) {
    auto rows = tx.query<int, std::int64_t>(
        OWN
        "INSERT INTO idle_terminator.audit (pid, backend_start, role, database, application, address, state,"
        " state_change, vacuum_age, warned_at, rule_id, idle_limit, outcome) SELECT s.pid, s.backend_start, "
        "s.role,"
        " s.database, s.application, s.address, s.state, s.state_change, s.vacuum_age, v.warned_at, s.rule_id,"
        " s.idle_limit, CASE WHEN $2 THEN 'dry run' ELSE 'intended' END FROM unnest($1) WITH ORDINALITY AS c "
        "(pid, place)"
        " JOIN idle_terminator.session s USING (pid) LEFT JOIN idle_terminator.warned v ON v.pid = s.pid"
        " AND v.backend_start = s.backend_start AND v.state_change = s.state_change ORDER BY c.place RETURNING "
        "pid, id",
        to_end, s.dry_run);
    std::map<int, std::int64_t> audit;
    for (auto [pid, id] : rows) audit[pid] = id;
    for (intention& i : chosen) i.audit = audit.at(i.whom.pid);
  }
  tx.commit();
  if (s.dry_run) {
    for (const intention& i : chosen) bgworker::log("idle_terminator: dry run, would end {}", i.about);
    chosen.clear();
  }
  return chosen;
}

}  // namespace idle_terminator
