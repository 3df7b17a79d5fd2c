// The schema of index_rebuilder, as a list of steps: what was created by an older version is brought up to date
// by the steps it has not had.
#include "index_rebuilder.hpp"

#include <bgworker/schema.hpp>

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
  bgworker::upgrade({.name = "index_rebuilder", .steps = steps, .mark = OWN});
}

}  // namespace index_rebuilder
