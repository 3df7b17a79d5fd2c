// A schema that a worker makes for itself, and brings up to date when the module is newer than what it finds.
//
// The schema has a table "version" with one row: how many of the module's steps it has had. All steps that it
// has not had are run in one transaction, under an advisory lock, so that of several workers that start at once
// one does it and the others find it done; an error leaves everything as it was.
//
// Not a part of bgworker.hpp: a worker that stores nothing does not pay for it.
#pragma once

#include "bgworker.hpp"

namespace bgworker BGWORKER_LOCAL {

/// A worker's schema, as upgrade() makes it. Steps are only ever added: what an old version has been through
/// stays.
struct schema {
  std::string_view name;                         ///< of the schema; also named as the module in messages
  std::span<void (*const)(transaction&)> steps;  ///< the n-th makes version n of version n - 1
  void (*begin)(transaction&) = nullptr;  ///< run first in the transaction: its search_path, its timeouts
  std::string_view mark = "";             ///< what each statement begins with, such as a comment
};

/// Creates the schema, or runs the steps it has not had yet, and logs which. The role needs CREATE on the
/// database only where the schema is not there. Returns the version it had: 0 when it is new. Throws 55000 when
/// it has had more steps than there are here, that is when a newer module has been at work, and what the steps
/// throw.
inline int upgrade(const schema& s) {
  const std::string mark(s.mark), name = quoted_name(s.name), version = name + ".version";
  transaction tx;
  if (s.begin != nullptr) s.begin(tx);
  tx.execute(mark + "SELECT pg_advisory_xact_lock(hashtext($1))", s.name);
  if (!tx.value<bool>(mark + "SELECT to_regnamespace($1) IS NOT NULL", name))
    tx.execute(mark + "CREATE SCHEMA " + name);
  if (!tx.value<bool>(mark + "SELECT to_regclass($1) IS NOT NULL", version)) {
    tx.execute(mark + "CREATE TABLE " + version + " (version integer NOT NULL)");
    tx.execute(mark + "INSERT INTO " + version + " VALUES (0)");
  }
  const int found = tx.value<int>(mark + "SELECT version FROM " + version);
  const int known = static_cast<int>(s.steps.size());
  if (found > known)
    throw error("55000", format("schema {} has version {}, this worker knows up to {}", name, found, known), {},
                format("Use a newer version of the module {}.", s.name));
  for (int n = found; n < known; ++n) s.steps[static_cast<std::size_t>(n)](tx);
  if (found < known) tx.execute(mark + "UPDATE " + version + " SET version = $1", known);
  tx.commit();
  if (found < known) log("{}: schema brought from version {} to {}", s.name, found, known);
  return found;
}

}  // namespace BGWORKER_LOCAL
