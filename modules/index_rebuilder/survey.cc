// Which indexes something is wrong with, and what the rules say about each.
//
// A failed CREATE INDEX CONCURRENTLY leaves an invalid index under its own name: it is rebuilt. A failed
// REINDEX CONCURRENTLY leaves an invalid copy, NAME_ccnew, or the invalid original, NAME_ccold, where digits
// follow when the name was taken, and NAME is cut at a character when the whole would be longer than a name can
// be: it is dropped. It is known by its name together with an index of that name on the same table that is
// defined the same way. An interrupted DROP INDEX CONCURRENTLY leaves one that is not live any more: the drop
// is finished.
//
// A valid index is a finding only when bloat.cc has measured that too much of it is wasted.
//
// An index that somebody builds is invalid too. It shows in pg_stat_progress_create_index, to those who may see
// it, and for all to see its builder holds a lock on the table that conflicts with itself from before the first
// to after the last of its transactions.
#include "index_rebuilder.hpp"

namespace index_rebuilder {

namespace {

constexpr const char* facts = OWN
    "WITH here AS (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()),"
    " found AS (SELECT i.*, c.relname::text AS name, c.relnamespace, c.relkind, c.relpersistence, c.relowner, "
    "c.relam,"
    " substring(c.relname::text FROM '^(.*)_cc(?:new|old)[0-9]*$') AS stem"
    " FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid"
    " WHERE NOT i.indisvalid OR NOT i.indislive OR $1 > 0 AND EXISTS (SELECT FROM index_rebuilder.bloat b WHERE"
    " b.indexrelid = i.indexrelid AND b.wasted >= $1 AND b.size >= $2 AND NOT EXISTS (SELECT FROM"
    " index_rebuilder.history h, pg_catalog.pg_namespace n WHERE n.oid = c.relnamespace AND h.kind = 'bloated' "
    "AND"
    " h.outcome = 'done' AND h.schema_name = n.nspname AND h.index_name = c.relname AND h.finished > now() - "
    "$3))),"
    // Digits and all: how many bytes the suffix takes, and so how many a name cut for it has.
    " room AS (SELECT f.indexrelid, current_setting('max_identifier_length')::int"
    " - (octet_length(f.name) - octet_length(f.stem)) AS bytes FROM found f WHERE f.stem IS NOT NULL)"
    " SELECT f.indexrelid, f.indrelid, n.nspname::text, f.name, t.relname::text,"
    " CASE WHEN l.who IS NULL THEN coalesce(pg_relation_size(f.indexrelid), 0) ELSE 0 END,"
    " f.indisvalid, f.indislive, f.relkind = 'I', f.relpersistence = 't', f.indisexclusion,"
    " EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = f.indexrelid AND k.contype IN ('p', "
    "'u', 'x')),"
    " f.indrelid < 16384, pg_has_role(f.relowner, 'USAGE'), has_schema_privilege(f.relnamespace, 'USAGE'),"
    " coalesce(l.who, ''), f.stem, b.indexrelid, coalesce(b.indisvalid, false), coalesce(b.alike, false),"
    " coalesce(extract(epoch FROM now() - s.first_seen), 0)::float8, coalesce(s.failures, 0),"
    " coalesce(extract(epoch FROM s.retry_after - now()), 0)::float8, s.kind, s.action, coalesce((SELECT "
    "wasted FROM"
    " index_rebuilder.bloat m WHERE m.indexrelid = f.indexrelid), 0)"
    " FROM found f JOIN pg_catalog.pg_namespace n ON n.oid = f.relnamespace"
    " JOIN pg_catalog.pg_class t ON t.oid = f.indrelid"
    " LEFT JOIN room r USING (indexrelid)"
    " LEFT JOIN index_rebuilder.finding s ON s.indexrelid = f.indexrelid"
    " LEFT JOIN LATERAL (SELECT o.indexrelid, o.indisvalid, (o.indisunique, o.indnatts, o.indnkeyatts, "
    "o.indkey::text,"
    " o.indclass::text, o.indcollation::text, o.indoption::text, pg_get_expr(o.indexprs, o.indrelid),"
    " pg_get_expr(o.indpred, o.indrelid), oc.relam) IS NOT DISTINCT FROM (f.indisunique, f.indnatts, "
    "f.indnkeyatts,"
    " f.indkey::text, f.indclass::text, f.indcollation::text, f.indoption::text, pg_get_expr(f.indexprs, "
    "f.indrelid),"
    " pg_get_expr(f.indpred, f.indrelid), f.relam) AS alike"
    " FROM pg_catalog.pg_index o JOIN pg_catalog.pg_class oc ON oc.oid = o.indexrelid"
    " WHERE o.indrelid = f.indrelid AND o.indexrelid <> f.indexrelid AND (oc.relname::text = f.stem OR"
    " starts_with(oc.relname::text, f.stem) AND octet_length(f.stem) <= r.bytes AND"
    " octet_length(left(oc.relname::text, length(f.stem) + 1)) > r.bytes)"
    " ORDER BY alike DESC, o.indisvalid DESC, o.indexrelid LIMIT 1) b ON f.stem IS NOT NULL"
    " LEFT JOIN LATERAL (SELECT min(who) AS who FROM ("
    " SELECT 'process ' || p.pid || ' is building (' || p.phase || ')' AS who"
    " FROM pg_catalog.pg_stat_progress_create_index p, here"
    " WHERE p.datid = here.oid AND (p.relid = f.indrelid OR p.index_relid = f.indexrelid) UNION ALL"
    " SELECT 'process ' || coalesce(k.pid::text, '(prepared transaction)') || ' has or wants ' || k.mode"
    " FROM pg_catalog.pg_locks k, here WHERE k.locktype = 'relation' AND k.database = here.oid"
    " AND k.relation IN (f.indrelid, f.indexrelid) AND k.pid IS DISTINCT FROM pg_backend_pid()"
    " AND k.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',"
    " 'AccessExclusiveLock')) x) l ON true"
    " ORDER BY s.first_seen NULLS LAST, f.indexrelid";

void decide(finding& f) {
  const auto none = [&](std::string why) {
    f.todo = action::none;
    f.reason = std::move(why);
  };
  const auto act = [&](action what, std::string why) {
    f.todo = what;
    f.reason = std::move(why);
  };
  // An index that belongs to a constraint is nobody's leftover: a copy belongs to none.
  const bool named_so = f.stem && !f.valid && !f.constraint && !f.partitioned;
  f.kind = named_so ? "leftover" : !f.live ? "dead" : f.valid ? "bloated" : "invalid";
  if (f.temporary) return none("its table is a temporary one, which only its own session can reach");
  if (f.catalog)
    return none("system catalogs cannot be reindexed concurrently: use REINDEX INDEX in a quiet hour");
  if (f.partitioned)
    return none("it is partitioned: it becomes valid when each partition has a valid index attached to it");
  if (!f.owned) return none("the worker's role is not a member of the role that owns it");
  if (!f.usage)
    return none(bgworker::format("the worker's role has no privilege USAGE on schema {}", f.schema));
  if (named_so) {
    if (!f.base)
      return none(bgworker::format("it is named like a leftover, but its table has no index \"{}\"", *f.stem));
    if (!f.base_alike)
      return none(bgworker::format("it is named like a leftover of \"{}\", but defined otherwise", *f.stem));
    return act(action::drop,
               bgworker::format("a failed REINDEX CONCURRENTLY of \"{}\" left it behind", *f.stem));
  }
  if (!f.live) {
    if (f.constraint) return none("it is being dropped, but belongs to a constraint");
    return act(action::drop, "a DROP INDEX CONCURRENTLY was interrupted");
  }
  if (f.exclusion)
    return none("exclusion constraints cannot be reindexed concurrently: use REINDEX INDEX in a quiet hour");
  if (f.valid)
    return act(action::reindex, bgworker::format("{} % of it are wasted", static_cast<int>(f.wasted)));
  act(action::reindex, f.constraint ? "it is not valid, and belongs to a constraint" : "it is not valid");
}

void decide_when(std::vector<finding>& all, std::chrono::seconds min_age) {
  for (finding& f : all) {
    if (f.todo == action::none) continue;
    if (!f.busy.empty())
      f.waiting = f.busy;
    else if (f.age < static_cast<double>(min_age.count()))
      f.waiting = "it has not been seen for min_age yet";
    else if (f.retry_in > 0)
      f.waiting = bgworker::format("it failed {} times", f.failures);
  }
  // Of an index and its leftovers: an invalid index is repaired first, unless that has just failed; but one
  // that will be dropped is dropped last, since without it the others could not be told for leftovers any more.
  for (finding& f : all) {
    if (f.kind != "leftover" || f.todo != action::drop) continue;
    for (finding& base : all) {
      if (base.index != f.base) continue;
      if (base.todo == action::drop)
        base.waiting = bgworker::format("\"{}\" is dropped first", f.name);
      else if (!base.valid && base.retry_in <= 0)
        f.waiting = bgworker::format("\"{}\" is not valid either, and repaired first", base.name);
    }
  }
}

}  // namespace

const char* name_of(action a) {
  switch (a) {
    case action::none:
      return "none";
    case action::reindex:
      return "reindex";
    case action::drop:
      return "drop";
  }
  return "";
}

std::string finding::statement() const {
  switch (todo) {
    case action::none:
      break;
    case action::reindex:
      return "REINDEX INDEX CONCURRENTLY " + qualified();
    case action::drop:
      return "DROP INDEX CONCURRENTLY " + qualified();
  }
  return {};
}

std::vector<finding> survey(bgworker::transaction& tx, const survey_rules& rules) {
  // The sizes are behind locks of the weakest kind; who holds the strongest is waited for at the next look.
  tx.execute(OWN "SET LOCAL lock_timeout = '2s'");
  tx.execute(OWN "SELECT pg_advisory_xact_lock(hashtext('index_rebuilder'))");
  // What is remembered is remembered of this index, not of another one that got its OID.
  tx.execute(OWN
             "DELETE FROM index_rebuilder.finding f WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_index i JOIN"
             " pg_catalog.pg_class c ON c.oid = i.indexrelid WHERE i.indexrelid = f.indexrelid AND i.indrelid ="
             " f.indrelid AND c.relname::text = f.index_name)");
  tx.execute(OWN
             "DELETE FROM index_rebuilder.bloat b WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE "
             "i.indexrelid ="
             " b.indexrelid AND i.indrelid = b.indrelid)");
  using text = std::string;
  using maybe = std::optional<std::string>;
  std::vector<finding> all;
  for (auto&& [index, table, schema, name, table_name, size, valid, live, partitioned, temporary, exclusion,
               constraint, catalog, owned, usage, busy, stem, base, base_valid, base_alike, age, failures,
               retry_in, kind, todo, wasted] :
       tx.query<std::int64_t, std::int64_t, text, text, text, std::int64_t, bool, bool, bool, bool, bool, bool,
                bool, bool, bool, text, maybe, std::optional<std::int64_t>, bool, bool, double, int, double,
                maybe, maybe, double>(facts, static_cast<double>(rules.bloat.threshold),
                                      static_cast<std::int64_t>(rules.bloat.min_size.count) * 1024,
                                      rules.bloat.rest)) {
    finding f{
        .index = index, .table = table, .schema = schema, .name = name, .table_name = table_name, .size = size};
    f.valid = valid, f.live = live, f.partitioned = partitioned, f.temporary = temporary,
    f.exclusion = exclusion;
    f.constraint = constraint, f.catalog = catalog, f.owned = owned, f.usage = usage, f.busy = busy,
    f.stem = stem;
    f.base = base, f.base_valid = base_valid, f.base_alike = base_alike;
    f.age = age, f.failures = failures, f.retry_in = retry_in;
    f.wasted = wasted;
    decide(f);
    f.changed = kind != f.kind || todo != name_of(f.todo);
    all.push_back(std::move(f));
  }
  decide_when(all, rules.min_age);
  std::vector<std::int64_t> seen;
  for (const finding& f : all) {
    seen.push_back(f.index);
    const std::optional<std::string> waiting = f.waiting.empty() ? std::nullopt : std::optional(f.waiting);
    tx.execute(
        OWN
        "INSERT INTO index_rebuilder.finding (indexrelid, indrelid, schema_name, index_name, table_name, kind,"
        " action, reason, waiting, size, first_seen, last_seen) VALUES ($1::oid, $2::oid, $3, $4, $5, $6, $7, "
        "$8,"
        " $9, $10, now(), now()) ON CONFLICT (indexrelid) DO UPDATE SET schema_name = excluded.schema_name,"
        " table_name = excluded.table_name, kind = excluded.kind, action = excluded.action, reason ="
        " excluded.reason, waiting = excluded.waiting, size = excluded.size, last_seen = excluded.last_seen",
        f.index, f.table, f.schema, f.name, f.table_name, f.kind, name_of(f.todo), f.reason, waiting, f.size);
  }
  tx.execute(OWN "DELETE FROM index_rebuilder.finding WHERE NOT (indexrelid::bigint = ANY ($1))", seen);
  return all;
}

}  // namespace index_rebuilder
