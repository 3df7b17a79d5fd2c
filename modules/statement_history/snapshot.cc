// One snapshot: the counters of pg_stat_statements against those of the snapshot before, in one transaction.
//
// The counters are the user's: they are never reset. "last" holds what they were; storing the differences and
// moving "last" on happen together or not at all, so nothing is counted twice and nothing is lost by an error.
// How an entry's difference is had says its mark:
//   n  its counters less those of last time
//   +  it was not there last time (new, or evicted and back): its counters as they are
//   -  its counters went back, or its own statistics began since last time (version 1.11): its counters as they
//   are r  all were reset since last time: its counters as they are
// The very first snapshot only fills "last": when its counters began is not known.
#include <algorithm>

#include "statement_history.hpp"

namespace statement_history {

namespace {

struct source {
  std::string function;  // schema-qualified name of pg_stat_statements()
  std::string info;      // what gives dealloc and stats_reset, or empty before 1.9
  std::string select;    // the columns, as ours are named
  std::string since;     // the condition that an entry began after $1
};

// What this version of the extension has. Nothing when it is not there.
std::optional<source> find_source(bgworker::transaction& tx) {
  auto found =
      tx.query<std::string, std::string>(OWN
                                         "SELECT quote_ident(n.nspname), e.extversion FROM "
                                         "pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n"
                                         " ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'");
  if (found.empty()) return std::nullopt;
  const auto [schema, version] = found.front();
  const auto columns =
      tx.value<std::vector<std::string>>(OWN
                                         "SELECT array_agg(attname::text) FROM pg_catalog.pg_attribute WHERE "
                                         "attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped",
                                         schema + ".pg_stat_statements");
  const auto has = [&](std::string_view name) {
    return std::find(columns.begin(), columns.end(), name) != columns.end();
  };
  if (!has("total_exec_time") || !has("wal_bytes"))
    throw bgworker::error(
        "0A000", bgworker::format("pg_stat_statements has version {}, 1.8 or newer is needed", version), {},
        "Run ALTER EXTENSION pg_stat_statements UPDATE.");
  source s{.function = schema + ".pg_stat_statements", .info = {}, .select = {}, .since = "false"};
  s.select = "s.dbid, s.userid, s.queryid, ";
  s.select += has("toplevel") ? "s.toplevel" : "true AS toplevel";
  for (const counter& c : counters())
    s.select += bgworker::format(", s.{} AS {}", c.source_2 == nullptr || has(c.source) ? c.source : c.source_2,
                                 c.name);
  if (has("stats_since")) s.since = "s.stats_since > $1";
  if (has("toplevel")) s.info = schema + ".pg_stat_statements_info";
  return s;
}

void store_new_texts(bgworker::transaction& tx, const source& s, int text_length) {
  const std::string unknown =
      " NOT EXISTS (SELECT FROM statement_history.statement t WHERE t.dbid = s.dbid AND t.queryid = s.queryid)";
  // Texts are in a file: it is read only when there is an entry whose text is not known yet.
  if (!tx.value<bool>(OWN "SELECT EXISTS (SELECT FROM " + s.function +
                      "(false) s WHERE s.queryid IS NOT NULL AND" + unknown + ")"))
    return;
  tx.execute(
      OWN "INSERT INTO statement_history.statement SELECT DISTINCT ON (s.dbid, s.queryid) s.dbid, s.queryid,"
          " CASE WHEN $1 > 0 THEN left(s.query, $1) END, $1 = 0 OR length(s.query) > $1,"
          " coalesce(s.query LIKE '/* statement_history */%', false), now(), now() FROM " +
          s.function + "(true) s WHERE s.queryid IS NOT NULL AND" + unknown + " ORDER BY s.dbid, s.queryid",
      text_length);
}

}  // namespace

bool take_snapshot(int text_length) {
  static bool told = false;
  bgworker::transaction tx;
  const auto s = find_source(tx);
  if (!s) {
    if (!told)
      bgworker::log_message(
          bgworker::level::warning, "statement_history: extension pg_stat_statements is not in this database",
          {}, "Run CREATE EXTENSION pg_stat_statements; it is looked for again at every interval.");
    told = true;
    return false;
  }
  told = false;
  tx.execute(OWN "SELECT pg_advisory_xact_lock(hashtext('statement_history'))");
  tx.execute(OWN "SET LOCAL lock_timeout = '5s'");
  make_partitions_for_now(tx);
  store_new_texts(tx, *s, text_length);

  using time = std::chrono::system_clock::time_point;
  const auto server_start = tx.value<time>(OWN "SELECT pg_postmaster_start_time()");
  std::optional<std::int64_t> dealloc;
  std::optional<time> reset;
  if (!s->info.empty()) {
    auto [d, r] =
        tx.query<std::int64_t, std::optional<time>>(OWN "SELECT dealloc, stats_reset FROM " + s->info).front();
    dealloc = d;
    reset = r;
  }
  std::optional<time> before, reset_before, start_before;
  std::optional<std::int64_t> dealloc_before;
  for (auto [at, r, start, d] : tx.query<time, std::optional<time>, time, std::optional<std::int64_t>>(
           OWN "SELECT at, stats_reset, server_start, dealloc FROM statement_history.snapshot ORDER BY at DESC "
               "LIMIT 1")) {
    before = at;
    reset_before = r;
    start_before = start;
    dealloc_before = d;
  }
  const bool first = !before;
  const bool was_reset = !first && reset && reset_before && *reset != *reset_before;
  const char* kind = first                           ? "first"
                     : was_reset                     ? "reset"
                     : *start_before != server_start ? "restart"
                                                     : "normal";

  // An entry that came after the texts were read waits for the next snapshot: it may be one of ours.
  // What is compared stays as a whole; the columns that differ are stored.
  const std::string difference = each_counter("CASE WHEN c.mark = 'n' THEN c.$ - l.$ ELSE c.$ END AS $");
  const std::string statement =
      OWN "WITH seen AS MATERIALIZED (SELECT " + s->select + ", " + s->since + " AS began FROM " + s->function +
      "(false) s), cur AS MATERIALIZED (SELECT c.*, CASE WHEN l.queryid IS NULL THEN '+' WHEN $2 THEN 'r'"
      " WHEN c.began OR c.calls < l.calls OR c.plans < l.plans OR c.exec_time < l.exec_time OR c.rows < l.rows"
      " OR c.shared_blks_hit < l.shared_blks_hit THEN '-' ELSE 'n' END AS mark FROM seen c LEFT JOIN "
      "statement_history.last l"
      " USING (dbid, userid, queryid, toplevel) WHERE EXISTS (SELECT FROM statement_history.statement t"
      " WHERE t.dbid = c.dbid AND t.queryid = c.queryid AND NOT t.own)), stored AS (INSERT INTO "
      "statement_history.raw (at, dbid, userid,"
      " queryid, toplevel, mark, " +
      each_counter("$") + ") SELECT now(), c.dbid, c.userid, c.queryid, c.toplevel, c.mark::\"char\", " +
      difference +
      " FROM cur c LEFT JOIN statement_history.last l USING (dbid, userid, queryid, toplevel)"
      " WHERE NOT $3 AND (c.mark <> 'n' OR c.calls <> l.calls OR c.plans <> l.plans) RETURNING 1),"
      " moved AS (INSERT INTO statement_history.last AS l (dbid, userid, queryid, toplevel, " +
      each_counter("$") + ") SELECT dbid, userid, queryid, toplevel, " + each_counter("$") +
      " FROM cur ON CONFLICT (dbid, userid, queryid, toplevel) DO UPDATE SET " +
      each_counter("$ = excluded.$") +
      " WHERE (l.calls, l.plans, l.exec_time, l.rows) IS DISTINCT FROM (excluded.calls, excluded.plans, "
      "excluded.exec_time, excluded.rows)"
      " RETURNING 1), gone AS (DELETE FROM statement_history.last l WHERE NOT EXISTS (SELECT FROM cur c WHERE "
      "c.dbid = l.dbid"
      " AND c.userid = l.userid AND c.queryid = l.queryid AND c.toplevel = l.toplevel) RETURNING 1)"
      " INSERT INTO statement_history.snapshot SELECT now(), $1, extract(epoch FROM now() - $1), $4, (SELECT "
      "count(*) FROM cur),"
      " (SELECT count(*) FROM seen WHERE queryid IS NULL), (SELECT count(*) FROM stored),"
      " (SELECT count(*) FROM cur WHERE mark = '+'), (SELECT count(*) FROM gone),"
      " (SELECT count(*) FROM cur WHERE mark = '-'), $5, $6, $7, $8 FROM (SELECT count(*) FROM moved) m";
  std::optional<std::int64_t> evictions;
  if (dealloc && dealloc_before)
    evictions = *dealloc >= *dealloc_before ? *dealloc - *dealloc_before : *dealloc;
  tx.execute(statement, before, was_reset, first, kind, evictions, reset, server_start, dealloc);

  // Once an hour is often enough to know what is still in use.
  tx.execute(
      OWN
      "UPDATE statement_history.statement t SET last_seen = now() WHERE t.last_seen < now() - interval '1 hour'"
      " AND EXISTS (SELECT FROM statement_history.last l WHERE l.dbid = t.dbid AND l.queryid = t.queryid)");
  tx.commit();
  return true;
}

}  // namespace statement_history
