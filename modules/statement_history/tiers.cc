// Everything between snapshots: partitions made ahead and dropped whole, hours and days summed up, old texts
// removed.
//
// Each call does one bounded step in a transaction of its own. Days are those of UTC. A stretch of a tier is
// dropped when it is older than its retention and the next tier has its sums; "kept_from" moves with it, in the
// same transaction, and tells readers from where on the tier is whole.
#include "statement_history.hpp"

namespace statement_history {

namespace {

using time = std::chrono::system_clock::time_point;

struct tier {
  const char* name;
  const char* unit;    // of a partition
  const char* format;  // of its name
};
constexpr tier tiers[] = {{"raw", "day", "YYYYMMDD"}, {"hourly", "month", "YYYYMM"}, {"daily", "year", "YYYY"}};

// Makes the partitions of `at` and of the one after it. Returns whether one was missing.
bool make_partitions(bgworker::transaction& tx, const tier& t, std::string_view at) {
  bool made = false;
  for (int ahead = 0; ahead < 2; ++ahead) {
    auto [name, from, to] =
        tx.query<std::string, std::string, std::string>(
              bgworker::format(OWN "SELECT '{}_' || to_char(u AT TIME ZONE 'UTC', '{}'), quote_literal(u), "
                                   "quote_literal(date_trunc('{}',"
                                   " u + interval '1 {}' + interval '2 hours', 'UTC')) FROM (SELECT "
                                   "date_trunc('{}', ({}) + $1 * interval '1 {}', 'UTC') u) x",
                               t.name, t.format, t.unit, t.unit, t.unit, at, t.unit),
              ahead)
            .front();
    if (tx.value<bool>(OWN "SELECT to_regclass($1) IS NOT NULL", "statement_history." + name)) continue;
    tx.execute(
        OWN +
        bgworker::format(
            "CREATE TABLE statement_history.{} PARTITION OF statement_history.{} FOR VALUES FROM ({}) TO ({})",
            name, t.name, from, to));
    made = true;
  }
  return made;
}

// Sums up the next unit of `from` into `to`, if it is over since `delay`.
bool roll_up(bgworker::transaction& tx, const tier& from, const tier& to, const char* unit,
             std::chrono::minutes delay) {
  // Not up to this moment: a snapshot that is being stored has the time of its beginning.
  const std::string limit =
      std::string_view(from.name) == "raw"
          ? "now() - $1"
          : "(SELECT coalesce(done_until, '-infinity') FROM statement_history.tier WHERE name = 'raw')";
  auto next = tx.query<std::string, std::string>(
      bgworker::format(
          OWN
          "SELECT quote_literal(b), quote_literal(e) FROM (SELECT b, date_trunc('{}', b + interval '1 {}' +"
          " (CASE '{}' WHEN 'day' THEN interval '2 hours' ELSE interval '0' END), 'UTC') e FROM"
          " (SELECT coalesce((SELECT date_trunc('{}', min(at), 'UTC') FROM statement_history.{} WHERE at >="
          " coalesce(done_until, '-infinity')), date_trunc('{}', now(), 'UTC')) b FROM statement_history.tier"
          " WHERE name = '{}') x) y WHERE e + $1 <= now() AND e <= {}",
          unit, unit, unit, unit, from.name, unit, from.name, limit),
      delay);
  if (next.empty()) {
    // Nothing to sum up yet. The units before the next one have no rows at all, and are done with.
    tx.execute(
        bgworker::format(
            OWN
            "UPDATE statement_history.tier t SET done_until = b FROM (SELECT date_trunc('{}', least({},"
            " (SELECT min(at) FROM statement_history.{} WHERE at >= coalesce(done_until, '-infinity'))), 'UTC')"
            " FROM statement_history.tier WHERE name = '{}') x (b) WHERE t.name = '{}' AND b > '-infinity'"
            " AND b > coalesce(t.done_until, '-infinity')",
            unit, limit, from.name, from.name, from.name),
        delay);
    return false;
  }
  const auto [begin, end] = next.front();
  make_partitions(tx, to, begin + "::timestamptz");
  tx.execute(
      bgworker::format(OWN "INSERT INTO statement_history.{} (at, dbid, userid, queryid, toplevel, ", to.name) +
      each_counter("$") + bgworker::format(") SELECT {}, dbid, userid, queryid, toplevel, ", begin) +
      each_counter("sum($)") +
      bgworker::format(" FROM statement_history.{} WHERE at >= {} AND at < {} GROUP BY 2, 3, 4, 5", from.name,
                       begin, end));
  tx.execute(bgworker::format(OWN "UPDATE statement_history.tier SET done_until = {} WHERE name = $1", end),
             from.name);
  return true;
}

// Drops the oldest partition, if it is past its time. The last tier has nothing that waits for its sums.
bool drop_oldest(bgworker::transaction& tx, const tier& t, std::chrono::minutes keep) {
  auto oldest = tx.query<std::string, std::string>(
      bgworker::format(
          OWN "SELECT name, quote_literal(e) FROM (SELECT c.relname::text AS name, (date_trunc('{}', b + "
              "interval '1 {}' + interval '2 hours', 'UTC')) AS e"
              " FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid,"
              " LATERAL (SELECT to_timestamp(substr(c.relname, length('{}_') + 1), '{}')::timestamp AT TIME "
              "ZONE 'UTC' AS b) p"
              " WHERE i.inhparent = 'statement_history.{}'::regclass ORDER BY b LIMIT 1) o WHERE e <= now() - "
              "$1 AND"
              " (SELECT '{}' = 'daily' OR done_until >= e OR NOT EXISTS (SELECT FROM statement_history.{} "
              "WHERE at >="
              " coalesce(done_until, '-infinity') AND at < e) FROM statement_history.tier WHERE name = '{}')",
          t.unit, t.unit, t.name, t.format, t.name, t.name, t.name, t.name),
      keep);
  if (oldest.empty()) return false;
  const auto [name, end] = oldest.front();
  tx.execute(OWN + bgworker::format("DROP TABLE statement_history.{}", bgworker::quoted_name(name)));
  tx.execute(bgworker::format(OWN "UPDATE statement_history.tier SET kept_from = {} WHERE name = $1", end),
             t.name);
  bgworker::log(bgworker::level::debug1, "statement_history: dropped {}", name);
  return true;
}

}  // namespace

void make_partitions_for_now(bgworker::transaction& tx) {
  (void)make_partitions(tx, tiers[0], "now()");
}

bool tidy_up(const retention& keep) {
  bgworker::transaction tx;
  // What needs a strong lock on a table that people read gives way to them, and is done another time.
  tx.execute(OWN "SET LOCAL lock_timeout = '2s'");
  tx.execute(OWN "SET LOCAL TimeZone = 'UTC'");
  tx.execute(OWN "SELECT pg_advisory_xact_lock(hashtext('statement_history'))");
  const std::chrono::minutes kept[] = {keep.raw, keep.hourly, keep.daily};
  bool more = false;
  for (const tier& t : tiers) more = make_partitions(tx, t, "now()") || more;
  more = more || roll_up(tx, tiers[0], tiers[1], "hour", keep.delay);
  more = more || roll_up(tx, tiers[1], tiers[2], "day", keep.delay * 2);
  for (int i = 0; i < 3 && !more; ++i) more = drop_oldest(tx, tiers[i], kept[i]);
  if (!more)
    more = tx.execute(OWN
                      "DELETE FROM statement_history.statement WHERE ctid = ANY (ARRAY(SELECT ctid FROM "
                      "statement_history.statement"
                      " WHERE last_seen < now() - $1 LIMIT 1000))",
                      keep.text) > 0;
  if (!more)
    more = tx.execute(
               OWN
               "DELETE FROM statement_history.snapshot WHERE at IN (SELECT at FROM statement_history.snapshot"
               " WHERE at < now() - $1 ORDER BY at LIMIT 1000)",
               keep.hourly) > 0;
  tx.commit();
  return more;
}

}  // namespace statement_history
