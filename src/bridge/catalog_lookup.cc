// Look-ups run on the worker's session, in its transaction if it has one. They change nothing and count as
// read-only. Scratch memory goes at once.
//
// Answers are kept until the transaction or a subtransaction ends, or a statement may have changed something:
// whoever asks twice in between gets what the server's caches would give, without a round trip. Outside a
// transaction nothing is kept.
#include <optional>
#include <string>
#include <unordered_map>

#include "core/session.hpp"

extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "utils/memutils.h"
}

#include "bridge/catalog_lookup.hpp"
#include "bridge/critical.hpp"
#include "bridge/oid_aliases.hpp"
#include "bridge/worker_session.hpp"
#include "executor/spi_internal.hpp"
#include "utils/cash_format.hpp"

namespace {

unsigned long generation = 1;

using Answers = std::unordered_map<std::string, std::optional<std::string>>;

// Only inside a CriticalScope.
Answers& answers() {
  static Answers kept;
  return kept;
}

std::string make_key(const char* query, int nargs, const char* const* values) {
  std::string key(query);
  for (int i = 0; i < nargs; ++i) key.append(1, '\0').append(values[i] != nullptr ? values[i] : "\1");
  return key;
}

// False: not known. Else *found is palloc'd, or nullptr.
bool recall(const char* query, int nargs, const char* const* values, char** found) noexcept {
  bgw::CriticalScope critical;
  if (answers().empty()) return false;
  auto it = answers().find(make_key(query, nargs, values));
  if (it == answers().end()) return false;
  *found = it->second ? pstrdup(it->second->c_str()) : nullptr;
  return true;
}

void keep(const char* query, int nargs, const char* const* values, const char* found) noexcept {
  constexpr std::size_t most = 1000;
  bgw::CriticalScope critical;
  if (!bgw::worker_session()->in_transaction()) return;
  if (answers().size() >= most) answers().clear();
  answers()[make_key(query, nargs, values)] = found ? std::optional<std::string>(found) : std::nullopt;
}

void no_session(const char* what) {
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                  errmsg("%s needs a database session, which this process does not have", what)));
}

// The first column of the first row that `look_up` gives, palloc'd in the current context.
char* ask(const bgw::RowSet* (*look_up)(const char*, int, const Oid*, const char* const*), const char* query, int nargs,
          const Oid* types, const char* const* values) {
  char* found = nullptr;
  MemoryContext outside = CurrentMemoryContext;
  MemoryContext scratch = AllocSetContextCreateInternal(outside, "catalog look-up", ALLOCSET_SMALL_SIZES);
  MemoryContextSwitchTo(scratch);
  const bgw::RowSet* rows = look_up(query, nargs, types, values);
  if (rows != nullptr && rows->rows() > 0 && !rows->is_null(0, 0))
    found = MemoryContextStrdup(outside, rows->value(0, 0));
  MemoryContextSwitchTo(outside);
  MemoryContextDelete(scratch);
  return found;
}

}  // namespace

void bgw_forget_lookups() noexcept {
  generation++;
  bgw::names_may_have_changed();
  bgw::money_format_may_have_changed();
  bgw::CriticalScope critical;
  if (!answers().empty()) answers().clear();
}

unsigned long bgw_lookups_generation() noexcept {
  return generation;
}

char* bgw_catalog_text(const char* what, const char* query, int nargs, const Oid* types,
                       const char* const* values) {
  if (!bgw_have_session()) no_session(what);
  char* found = nullptr;
  if (recall(query, nargs, values, &found)) return found;
  found = ask(bgw_session_lookup, query, nargs, types, values);
  keep(query, nargs, values, found);
  return found;
}

char* bgw_shared_catalog_text(const char* what, const char* query, int nargs, const Oid* types,
                              const char* const* values) {
  if (bgw_have_session()) return bgw_catalog_text(what, query, nargs, types, values);
  if (!bgw_connected_without_database() || !IsTransactionState()) no_session(what);
  return ask(bgw_shared_lookup, query, nargs, types, values);
}

Oid bgw_catalog_oid(const char* what, const char* query, int nargs, const Oid* types,
                    const char* const* values) {
  char* text = bgw_catalog_text(what, query, nargs, types, values);
  if (text == nullptr) return InvalidOid;
  Oid oid = static_cast<Oid>(strtoul(text, nullptr, 10));
  pfree(text);
  return oid;
}

char* bgw_catalog_text_by_oid(const char* what, const char* query, Oid key) {
  char text[16];
  snprintf(text, sizeof(text), "%u", key);
  const char* value = text;
  Oid type = OIDOID;
  return bgw_catalog_text(what, query, 1, &type, &value);
}

Oid bgw_catalog_oid_by_name(const char* what, const char* query, const char* key) {
  Oid type = NAMEOID;
  return bgw_catalog_oid(what, query, 1, &type, &key);
}

char* bgw_type_name(Oid type) {
  return bgw_catalog_text_by_oid("a type's name", "SELECT typname FROM pg_catalog.pg_type WHERE oid = $1",
                                 type);
}
