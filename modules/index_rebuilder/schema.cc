// The schema of index_rebuilder, as a list of steps: what was created by an older version is brought up to date
// by the steps it has not had. All of it in one transaction, under a lock, so that two workers never do it at
// once.
#include "index_rebuilder.hpp"

namespace index_rebuilder {

namespace {

// Version 1: what is wrong now, and what was done.
void create_tables(bgworker::transaction& tx) {
  tx.execute(
      OWN
      "CREATE TABLE index_rebuilder.finding (indexrelid oid PRIMARY KEY, indrelid oid NOT NULL,"
      " schema_name text NOT NULL, index_name text NOT NULL, table_name text NOT NULL, kind text NOT NULL,"
      " action text NOT NULL, reason text NOT NULL, waiting text, size bigint NOT NULL,"
      " first_seen timestamptz NOT NULL, last_seen timestamptz NOT NULL, failures integer NOT NULL DEFAULT 0,"
      " retry_after timestamptz, last_error text)");
  tx.execute(
      OWN
      "CREATE TABLE index_rebuilder.history (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
      " started timestamptz NOT NULL, finished timestamptz, indexrelid oid NOT NULL, schema_name text NOT NULL,"
      " index_name text NOT NULL, table_name text NOT NULL, kind text NOT NULL, statement text NOT NULL,"
      " outcome text NOT NULL, sqlstate text, error text, size_before bigint NOT NULL, size_after bigint)");
  tx.execute(OWN "CREATE INDEX history_started ON index_rebuilder.history (started)");
}

// Version 2: how much of each index is wasted, as last measured.
void create_bloat(bgworker::transaction& tx) {
  tx.execute(OWN
             "CREATE TABLE index_rebuilder.bloat (indexrelid oid PRIMARY KEY, indrelid oid NOT NULL,"
             " measured timestamptz NOT NULL, size bigint NOT NULL, wasted double precision NOT NULL)");
  tx.execute(OWN
             "CREATE INDEX history_bloated ON index_rebuilder.history (schema_name, index_name, finished)"
             " WHERE kind = 'bloated'");
}

constexpr void (*steps[])(bgworker::transaction&) = {create_tables, create_bloat};

}  // namespace

void prepare_schema() {
  bgworker::transaction tx;
  tx.execute(OWN "SELECT pg_advisory_xact_lock(hashtext('index_rebuilder'))");
  if (!tx.value<bool>(OWN "SELECT to_regnamespace('index_rebuilder') IS NOT NULL"))
    tx.execute(OWN "CREATE SCHEMA index_rebuilder");
  if (!tx.value<bool>(OWN "SELECT to_regclass('index_rebuilder.version') IS NOT NULL")) {
    tx.execute(OWN "CREATE TABLE index_rebuilder.version (version integer NOT NULL)");
    tx.execute(OWN "INSERT INTO index_rebuilder.version VALUES (0)");
  }
  const int found = tx.value<int>(OWN "SELECT version FROM index_rebuilder.version");
  const int known = static_cast<int>(std::size(steps));
  if (found > known)
    throw bgworker::error(
        "55000",
        bgworker::format("schema index_rebuilder has version {}, this worker knows up to {}", found, known), {},
        "Use a newer version of the module index_rebuilder.");
  for (int version = found; version < known; ++version) steps[version](tx);
  if (found < known) tx.execute(OWN "UPDATE index_rebuilder.version SET version = $1", known);
  tx.commit();
  if (found < known) bgworker::log("index_rebuilder: schema brought from version {} to {}", found, known);
}

}  // namespace index_rebuilder
