// How much of an index is wasted, as pgstattuple's pgstatindex() measures it: the share of its leaf pages that
// a rebuild would not need, given its fill factor.
//
// A measurement reads the whole index. It is done for one index in one transaction, and for each no more often
// than the interval says. Only indexes that can be rebuilt by the worker are measured: B-trees, not too small,
// of tables whose owner's rights the role has.
#include "index_rebuilder.hpp"

namespace index_rebuilder {

bool measure_bloat(const bloat_rules& rules, std::chrono::seconds interval, std::chrono::milliseconds limit) {
  static bool told = false;
  bgworker::transaction tx;
  tx.execute(OWN "SET LOCAL lock_timeout = '2s'");
  tx.execute(OWN + bgworker::format("SET LOCAL statement_timeout = {}", limit.count()));
  auto extension = tx.query<std::string>(
      OWN
      "SELECT quote_ident(n.nspname) FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid ="
      " e.extnamespace WHERE e.extname = 'pgstattuple'");
  if (extension.empty()) {
    if (!told)
      bgworker::log_message(
          bgworker::level::warning,
          "index_rebuilder: extension pgstattuple is not in this database, waste is not measured", {},
          "Run CREATE EXTENSION pgstattuple, or set index_rebuilder.bloat_threshold to 0.");
    told = true;
    tx.commit();
    return false;
  }
  told = false;
  const auto [schema] = extension.front();
  auto next = tx.query<std::int64_t, std::int64_t, int>(
      OWN
      "SELECT i.indexrelid, i.indrelid, coalesce((SELECT option_value::int FROM "
      "pg_options_to_table(c.reloptions) WHERE"
      " option_name = 'fillfactor'), 90) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = "
      "i.indexrelid"
      " JOIN pg_catalog.pg_am a ON a.oid = c.relam LEFT JOIN index_rebuilder.bloat b ON b.indexrelid = "
      "i.indexrelid"
      " WHERE a.amname = 'btree' AND c.relkind = 'i' AND c.relpersistence <> 't' AND i.indisvalid AND "
      "i.indislive AND NOT"
      " i.indisexclusion AND i.indrelid >= 16384 AND (b.measured IS NULL OR b.measured < now() - $1)"
      " AND pg_has_role(c.relowner, 'USAGE') AND has_schema_privilege(c.relnamespace, 'USAGE')"
      " AND pg_relation_size(i.indexrelid) >= $2 ORDER BY b.measured NULLS FIRST, i.indexrelid LIMIT 1",
      interval, static_cast<std::int64_t>(rules.min_size.count) * 1024);
  if (next.empty()) {
    tx.commit();
    return false;
  }
  const auto [index, table, fill] = next.front();
  tx.execute(
      OWN "INSERT INTO index_rebuilder.bloat (indexrelid, indrelid, measured, size, wasted) SELECT $1::oid, "
          "$2::oid, now(),"
          " s.index_size, CASE WHEN s.leaf_pages + s.empty_pages + s.deleted_pages = 0 THEN 0 ELSE greatest(0, "
          "100 - 100 *"
          " CASE s.leaf_pages WHEN 0 THEN 0 ELSE s.leaf_pages * s.avg_leaf_density END / ($3 * (s.leaf_pages +"
          " s.empty_pages + s.deleted_pages)::float8)) END FROM " +
          schema +
          ".pgstatindex($1::oid::regclass) s ON CONFLICT (indexrelid) DO UPDATE SET indrelid = "
          "excluded.indrelid,"
          " measured = excluded.measured, size = excluded.size, wasted = excluded.wasted",
      index, table, static_cast<double>(fill));
  tx.commit();
  return true;
}

}  // namespace index_rebuilder
