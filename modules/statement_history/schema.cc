// The schema of statement_history, as a list of steps: what was created by an older version is brought up to
// date by the steps it has not had.
#include "statement_history.hpp"

#include <bgworker/schema.hpp>

namespace statement_history {

namespace {

constexpr counter all_counters[] = {
    {"calls", "bigint", "calls", nullptr},
    {"plans", "bigint", "plans", nullptr},
    {"plan_time", "double precision", "total_plan_time", nullptr},
    {"exec_time", "double precision", "total_exec_time", nullptr},
    {"rows", "bigint", "rows", nullptr},
    {"shared_blks_hit", "bigint", "shared_blks_hit", nullptr},
    {"shared_blks_read", "bigint", "shared_blks_read", nullptr},
    {"shared_blks_dirtied", "bigint", "shared_blks_dirtied", nullptr},
    {"shared_blks_written", "bigint", "shared_blks_written", nullptr},
    {"local_blks_hit", "bigint", "local_blks_hit", nullptr},
    {"local_blks_read", "bigint", "local_blks_read", nullptr},
    {"local_blks_dirtied", "bigint", "local_blks_dirtied", nullptr},
    {"local_blks_written", "bigint", "local_blks_written", nullptr},
    {"temp_blks_read", "bigint", "temp_blks_read", nullptr},
    {"temp_blks_written", "bigint", "temp_blks_written", nullptr},
    {"blk_read_time", "double precision", "shared_blk_read_time", "blk_read_time"},
    {"blk_write_time", "double precision", "shared_blk_write_time", "blk_write_time"},
    {"wal_records", "bigint", "wal_records", nullptr},
    {"wal_fpi", "bigint", "wal_fpi", nullptr},
    {"wal_bytes", "numeric", "wal_bytes", nullptr},
};

std::string columns() {
  std::string made;
  for (const counter& c : all_counters) made += bgworker::format(",\n  {} {} NOT NULL", c.name, c.type);
  return made;
}

// Version 1: the tables.
void create_tables(bgworker::transaction& tx) {
  const std::string key =
      "dbid oid NOT NULL, userid oid NOT NULL, queryid bigint NOT NULL, toplevel boolean NOT NULL";
  const std::string key_names = "dbid, userid, queryid, toplevel";
  for (const std::string& statement : std::initializer_list<std::string>{
           std::string("CREATE TABLE statement_history.snapshot (\n  at timestamptz PRIMARY KEY,\n  previous "
                       "timestamptz,\n"
                       "  seconds double precision,\n  kind text NOT NULL,\n  entries_seen bigint NOT NULL,\n"
                       "  entries_hidden bigint NOT NULL,\n  entries_changed bigint NOT NULL,\n  entries_new "
                       "bigint NOT NULL,\n"
                       "  entries_gone bigint NOT NULL,\n  entries_back bigint NOT NULL,\n  evictions bigint,\n"
                       "  stats_reset timestamptz,\n  server_start timestamptz NOT NULL,\n  dealloc bigint)"),
           "CREATE TABLE statement_history.last (" + key + columns() + ",\n  PRIMARY KEY (" + key_names +
               ")) WITH (fillfactor = 50)",
           "CREATE TABLE statement_history.statement (dbid oid NOT NULL, queryid bigint NOT NULL, query text, "
           "truncated boolean NOT NULL,"
           " own boolean NOT NULL, first_seen timestamptz NOT NULL, last_seen timestamptz NOT NULL, PRIMARY "
           "KEY (dbid, queryid))",
           "CREATE TABLE statement_history.raw (at timestamptz NOT NULL, " + key + ", mark \"char\" NOT NULL" +
               columns() + ",\n  PRIMARY KEY (at, " + key_names + ")) PARTITION BY RANGE (at)",
           "CREATE TABLE statement_history.hourly (at timestamptz NOT NULL, " + key + columns() +
               ",\n  PRIMARY KEY (at, " + key_names + ")) PARTITION BY RANGE (at)",
           "CREATE TABLE statement_history.daily (at timestamptz NOT NULL, " + key + columns() +
               ",\n  PRIMARY KEY (at, " + key_names + ")) PARTITION BY RANGE (at)",
           // kept_from: before this the tier has nothing any more; done_until: up to this the next tier has its
           // sums.
           std::string(
               "CREATE TABLE statement_history.tier (name text PRIMARY KEY, kept_from timestamptz NOT NULL,"
               " done_until timestamptz)"),
           std::string("INSERT INTO statement_history.tier VALUES ('raw', '-infinity', NULL), ('hourly', "
                       "'-infinity', NULL),"
                       " ('daily', '-infinity', NULL)"),
       })
    tx.execute(OWN + statement);
}

// Version 2: the functions and views that people read. The coarsest tier that covers a stretch of time is read
// for it only where the finer one has been dropped.
void create_views(bgworker::transaction& tx) {
  const std::string sums = each_counter("sum($) AS $");
  const std::string names = each_counter("$");
  std::string result;
  for (const counter& c : all_counters)
    result += bgworker::format(", {} {}", c.name, std::string_view(c.type) == "bigint" ? "numeric" : c.type);
  tx.execute(
      OWN + ("CREATE FUNCTION statement_history.activity(period_start timestamptz, period_end timestamptz)"
             " RETURNS TABLE (dbid oid, userid oid, queryid bigint, toplevel boolean" +
             result +
             ")"
             " LANGUAGE sql STABLE AS $$"
             " WITH k AS (SELECT (SELECT kept_from FROM statement_history.tier WHERE name = 'raw') AS raw_from,"
             " (SELECT kept_from FROM statement_history.tier WHERE name = 'hourly') AS hourly_from)"
             " SELECT a.dbid, a.userid, a.queryid, a.toplevel, " +
             each_counter("sum(a.$)") +
             " FROM ("
             " SELECT r.dbid, r.userid, r.queryid, r.toplevel, " +
             each_counter("r.$") +
             " FROM statement_history.raw r WHERE r.at >= period_start AND r.at < period_end"
             " AND r.at >= (SELECT raw_from FROM k) UNION ALL"
             " SELECT h.dbid, h.userid, h.queryid, h.toplevel, " +
             each_counter("h.$") +
             " FROM statement_history.hourly h WHERE h.at >= period_start AND h.at < period_end"
             " AND h.at < (SELECT raw_from FROM k) AND h.at >= (SELECT hourly_from FROM k) UNION ALL"
             " SELECT d.dbid, d.userid, d.queryid, d.toplevel, " +
             each_counter("d.$") +
             " FROM statement_history.daily d WHERE d.at >= period_start AND d.at < period_end"
             " AND d.at < (SELECT hourly_from FROM k)) a GROUP BY 1, 2, 3, 4 $$"));
  tx.execute(
      OWN
      "CREATE FUNCTION statement_history.top(period_start timestamptz, period_end timestamptz, by text DEFAULT "
      "'time',"
      " lines integer DEFAULT 20) RETURNS TABLE (database name, role name, calls numeric, exec_ms double "
      "precision,"
      " mean_ms double precision, share double precision, rows numeric, blocks numeric, query text, queryid "
      "bigint,"
      " toplevel boolean) LANGUAGE sql STABLE AS $$"
      " SELECT d.datname, pg_catalog.pg_get_userbyid(a.userid), a.calls, a.exec_time, a.exec_time / "
      "nullif(a.calls, 0)::float8,"
      " a.exec_time / nullif(sum(a.exec_time) OVER (), 0), a.rows, a.shared_blks_hit + a.shared_blks_read + "
      "a.temp_blks_read,"
      " s.query, a.queryid, a.toplevel FROM statement_history.activity(period_start, period_end) a"
      " LEFT JOIN statement_history.statement s USING (dbid, queryid) LEFT JOIN pg_catalog.pg_database d ON "
      "d.oid = a.dbid"
      " ORDER BY CASE by WHEN 'time' THEN a.exec_time WHEN 'calls' THEN a.calls::float8"
      " WHEN 'blocks' THEN (a.shared_blks_hit + a.shared_blks_read + a.temp_blks_read)::float8"
      " WHEN 'rows' THEN a.rows::float8 WHEN 'wal' THEN a.wal_bytes::float8"
      " ELSE 1 / (CASE WHEN by IS NULL THEN 1 ELSE 0 END) END DESC NULLS LAST, a.queryid LIMIT lines $$");
  for (const char* by : {"time", "calls", "blocks"})
    tx.execute(OWN + bgworker::format("CREATE VIEW statement_history.top_by_{} AS SELECT * FROM"
                                      " statement_history.top(now() - interval '1 day', now(), '{}', 50)",
                                      by, by));
  tx.execute(OWN
             "CREATE VIEW statement_history.coverage AS SELECT at, previous, seconds, kind, entries_seen, "
             "entries_hidden,"
             " evictions, entries_gone, entries_back, CASE WHEN kind IN ('first', 'reset') OR entries_hidden > "
             "0 THEN false"
             " ELSE coalesce(evictions, entries_gone) = 0 AND entries_back = 0 END AS complete FROM "
             "statement_history.snapshot");
}

constexpr void (*steps[])(bgworker::transaction&) = {create_tables, create_views};

}  // namespace

std::span<const counter> counters() {
  return all_counters;
}

std::string each_counter(std::string_view pattern, std::string_view separator) {
  std::string made;
  for (const counter& c : all_counters) {
    if (!made.empty()) made += separator;
    for (char letter : pattern) {
      if (letter == '$')
        made += c.name;
      else
        made += letter;
    }
  }
  return made;
}

void prepare_schema() {
  bgworker::upgrade({.name = "statement_history", .steps = steps, .mark = OWN});
}

}  // namespace statement_history
