// The names and OIDs of the alias types and of the roles in aclitem, asked of the upstream by the search path
// under which it printed them.
//
// What has been found is kept until a transaction or subtransaction ends or a statement may have renamed
// something or set the search path (bgw_forget_lookups). A column whose names cannot all be told stays text. C
// style throughout: a look-up may raise.
#include <cstdlib>
#include <cstring>

#include "bridge/oid_aliases.hpp"

extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
}

#include "bridge/catalog_rows.hpp"
#include "bridge/received_values.hpp"
#include "bridge/user_types.hpp"
#include "bridge/worker_session.hpp"

namespace bgw {
namespace {

struct Alias {
  Oid type;
  const char* name;
  const char* found;  // the OID of the name t, NULL if it is not one object's
  PGFunction input;
  PGFunction output;
};

#define TO_REG(name) "pg_catalog.to_" name "(t)::pg_catalog.oid"
#define AMONG(catalog, name) \
  "(SELECT c.oid FROM pg_catalog." catalog " c WHERE c.oid::pg_catalog." name "::pg_catalog.text = t)"
constexpr Alias aliases[] = {
    {REGPROCOID, "regproc", TO_REG("regproc"), regprocin, regprocout},
    {REGPROCEDUREOID, "regprocedure", TO_REG("regprocedure"), regprocedurein, regprocedureout},
    {REGOPEROID, "regoper", TO_REG("regoper"), regoperin, regoperout},
    {REGOPERATOROID, "regoperator", TO_REG("regoperator"), regoperatorin, regoperatorout},
    {REGCLASSOID, "regclass", TO_REG("regclass"), regclassin, regclassout},
    {REGTYPEOID, "regtype", TO_REG("regtype"), regtypein, regtypeout},
    {REGROLEOID, "regrole", TO_REG("regrole"), regrolein, regroleout},
    {REGNAMESPACEOID, "regnamespace", TO_REG("regnamespace"), regnamespacein, regnamespaceout},
    {REGCONFIGOID, "regconfig", AMONG("pg_ts_config", "regconfig"), regconfigin, regconfigout},
    {REGDICTIONARYOID, "regdictionary", AMONG("pg_ts_dict", "regdictionary"), regdictionaryin,
     regdictionaryout},
    {REGCOLLATIONOID, "regcollation", TO_REG("regcollation"), regcollationin, regcollationout},
    // Of which the names are those of the roles in it.
    {ACLITEMOID, "aclitem",
     "COALESCE((SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = t),"
     " CASE WHEN t ~ '^[0-9]{1,10}$' THEN"
     " CASE WHEN t::pg_catalog.int8 <= 4294967295 THEN t::pg_catalog.oid END END)",
     aclitemin, aclitemout},
};
#undef TO_REG
#undef AMONG
constexpr int alias_count = static_cast<int>(sizeof(aliases) / sizeof(aliases[0]));

struct Known {
  Oid type;
  Oid oid;
  bool resolved;
  const char* text;
  Known* next_of_text;
  Known* next_of_oid;
};

constexpr uint32 buckets = 1024;  // a power of two
constexpr int most_known = 10000;
MemoryContext known_context;
Known* by_text[buckets];
Known* by_oid[buckets];
int known_count;
uint64 known_generation;
uint64 generation = 1;

// OIDs without a name as yet that may be printed, in the order in which they came.
struct Unnamed {
  Oid type;
  Oid oid;
};
constexpr int most_unnamed = 1000;
Unnamed unnamed[most_unnamed];
int unnamed_count;

const Alias* alias_of(Oid type) {
  for (const Alias& alias : aliases)
    if (alias.type == type) return &alias;
  return nullptr;
}

void forget() {
  if (known_context != nullptr) MemoryContextReset(known_context);
  memset(by_text, 0, sizeof(by_text));
  memset(by_oid, 0, sizeof(by_oid));
  known_count = 0;
  unnamed_count = 0;
  known_generation = generation;
}

uint32 text_bucket(Oid type, const char* text) {
  const int len = static_cast<int>(strlen(text));
  return (hash_bytes(reinterpret_cast<const unsigned char*>(text), len) ^ type) & (buckets - 1);
}

uint32 oid_bucket(Oid type, Oid oid) {
  return (hash_bytes_uint32(oid) ^ type) & (buckets - 1);
}

const Known* find_text(Oid type, const char* text) {
  if (known_generation != generation) forget();
  for (const Known* known = by_text[text_bucket(type, text)]; known != nullptr; known = known->next_of_text)
    if (known->type == type && strcmp(known->text, text) == 0) return known;
  return nullptr;
}

const Known* find_oid(Oid type, Oid oid) {
  if (known_generation != generation) forget();
  for (const Known* known = by_oid[oid_bucket(type, oid)]; known != nullptr; known = known->next_of_oid)
    if (known->type == type && known->oid == oid) return known;
  return nullptr;
}

Known* add_known(Oid type, Oid oid, bool resolved, const char* text) {
  if (known_context == nullptr)
    known_context = AllocSetContextCreateInternal(TopMemoryContext, "names of OIDs", ALLOCSET_DEFAULT_SIZES);
  Known* known = static_cast<Known*>(MemoryContextAllocZero(known_context, sizeof(Known)));
  *known = {type, oid, resolved, MemoryContextStrdup(known_context, text), nullptr, nullptr};
  known_count++;
  return known;
}

void link_text(Known* known) {
  Known** head = &by_text[text_bucket(known->type, known->text)];
  known->next_of_text = *head;
  *head = known;
}

void link_oid(Known* known) {
  Known** head = &by_oid[oid_bucket(known->type, known->oid)];
  known->next_of_oid = *head;
  *head = known;
}

// What the name means, or that it is not one object's.
void remember(Oid type, Oid oid, bool resolved, const char* text) {
  if (find_text(type, text) != nullptr) return;
  Known* known = add_known(type, oid, resolved, text);
  link_text(known);
  if (resolved && find_oid(type, oid) == nullptr) link_oid(known);
}

// How the OID is printed, from which nothing follows for a name that others may have.
void remember_name(Oid type, Oid oid, const char* text) {
  if (find_oid(type, oid) != nullptr) return;
  Known* known = add_known(type, oid, true, text);
  link_oid(known);
  if (!may_have_ambiguous_names(type) && find_text(type, text) == nullptr) link_text(known);
}

// What is printed without a name: no OID at all, and one that no object has.
bool plain_oid(const char* text, Oid* oid) {
  if (strcmp(text, "-") == 0) {
    *oid = InvalidOid;
    return true;
  }
  if (*text == '\0' || strspn(text, "0123456789") != strlen(text)) return false;
  *oid = static_cast<Oid>(strtoul(text, nullptr, 10));
  return true;
}

void append_item(StringInfo array, const char* text) {
  appendStringInfoString(array, array->len > 1 ? ",\"" : "\"");
  for (; *text != '\0'; text++) {
    if (*text == '"' || *text == '\\') appendStringInfoChar(array, '\\');
    appendStringInfoChar(array, *text);
  }
  appendStringInfoChar(array, '"');
}

// True if each of the names is one object's.
bool ask(const Alias* alias, const char* names) {
  bool all = true;
  const Oid type = TEXTARRAYOID;
  const RowSet* answer =
      catalog_lookup(psprintf("SELECT t, %s FROM pg_catalog.unnest($1) t", alias->found), 1, &type, &names);
  for (int row = 0; answer != nullptr && row < answer->rows(); row++) {
    const bool resolved = !answer->is_null(row, 1);
    const Oid oid = resolved ? static_cast<Oid>(strtoul(answer->value(row, 1), nullptr, 10)) : InvalidOid;
    remember(alias->type, oid, resolved, answer->value(row, 0));
    all = all && resolved;
  }
  return all;
}

// The names that are new in a column while it is looked through.
struct Collection {
  StringInfoData asked[alias_count];  // as array literals of text, without the closing brace
  const char* last[alias_count];      // of what was put there
  MemoryContext memory;               // of these
  bool complete;                      // no name is known to be nobody's or several objects'
};
Collection* collection;

void collect(const Alias* alias, const char* text) {
  if (const Known* known = find_text(alias->type, text)) {
    collection->complete = collection->complete && known->resolved;
    return;
  }
  const int i = static_cast<int>(alias - aliases);
  StringInfo asked = &collection->asked[i];
  MemoryContext values = MemoryContextSwitchTo(collection->memory);
  if (asked->data == nullptr) {
    initStringInfo(asked);
    appendStringInfoChar(asked, '{');
  }
  if (collection->last[i] == nullptr || strcmp(collection->last[i], text) != 0) {
    append_item(asked, text);
    collection->last[i] = pstrdup(text);
  }
  MemoryContextSwitchTo(values);
}

Datum read_alias(Oid type, const char* text) {
  Oid oid;
  if (plain_oid(text, &oid)) return ObjectIdGetDatum(oid);
  if (collection != nullptr) {
    collect(alias_of(type), text);
    return ObjectIdGetDatum(InvalidOid);
  }
  const Known* known = find_text(type, text);
  if (known != nullptr && known->resolved) return ObjectIdGetDatum(known->oid);
  if (!bgw_have_session() || !IsTransactionState())
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("%s needs a transaction of a database session", alias_of(type)->name)));
  const Oid argument = TEXTOID;
  const RowSet* rows = bgw_session_lookup(
      psprintf("SELECT $1::pg_catalog.%s::pg_catalog.oid", alias_of(type)->name), 1, &argument, &text);
  return ObjectIdGetDatum(static_cast<Oid>(strtoul(rows->value(0, 0), nullptr, 10)));
}

// Of this OID, and of all of its type that have none as yet.
void ask_for_names(const Alias* alias, Oid oid) {
  StringInfoData oids;
  initStringInfo(&oids);
  appendStringInfo(&oids, "{%u", oid);
  int kept = 0;
  for (int i = 0; i < unnamed_count; i++) {
    if (unnamed[i].type != alias->type)
      unnamed[kept++] = unnamed[i];
    else if (unnamed[i].oid != oid)
      appendStringInfo(&oids, ",%u", unnamed[i].oid);
  }
  unnamed_count = kept;
  appendStringInfoChar(&oids, '}');
  const Oid argument = OIDARRAYOID;
  const char* value = oids.data;
  const RowSet* rows = bgw_session_lookup(
      psprintf("SELECT o, o::pg_catalog.%s::pg_catalog.text FROM pg_catalog.unnest($1) o", alias->name), 1, &argument, &value);
  for (int row = 0; row < rows->rows(); row++)
    remember_name(alias->type, static_cast<Oid>(strtoul(rows->value(row, 0), nullptr, 10)), rows->value(row, 1));
  pfree(oids.data);
}

char* print_alias(Oid type, Oid oid) {
  if (print_aliases_as_numbers) return psprintf("%u", oid);
  if (!OidIsValid(oid)) return pstrdup("-");
  if (const Known* known = find_oid(type, oid)) return pstrdup(known->text);
  char* number = psprintf("%u", oid);
  if (!bgw_have_session() || !IsTransactionState()) return number;
  ask_for_names(alias_of(type), oid);
  const Known* known = find_oid(type, oid);
  return known != nullptr ? pstrdup(known->text) : number;
}

}  // namespace

bool print_aliases_as_numbers;

const TypeInfo* alias_type(Oid oid) {
  static TypeInfo built[alias_count], arrays[alias_count];
  const TypeInfo* type = find_type(oid);
  if (type == nullptr) return user_type_with_aliases(oid);
  const Alias* alias = alias_of(OidIsValid(type->typelem) ? type->typelem : oid);
  if (alias == nullptr) return nullptr;
  TypeInfo* found = &(OidIsValid(type->typelem) ? arrays : built)[alias - aliases];
  if (!found->constructible) {
    *found = *type;
    found->input = OidIsValid(type->typelem) ? array_in : alias->input;
    found->output = OidIsValid(type->typelem) ? array_out : alias->output;
    found->constructible = true;
  }
  return found;
}

bool may_have_ambiguous_names(Oid oid) {
  const TypeInfo* type = find_type(oid);
  if (type != nullptr && OidIsValid(type->typelem)) oid = type->typelem;
  return oid == REGPROCOID || oid == REGOPEROID;
}

const TypeInfo* learn_buildable_type(Oid oid) {
  const TypeInfo* type = learn_type(oid);
  if (type == nullptr || type->constructible) return type;
  const TypeInfo* alias = alias_type(oid);
  if (alias == nullptr) alias = received_type(oid);
  return alias != nullptr ? alias : type;
}

Oid role_in_aclitem(const char* name) {
  if (collection != nullptr) {
    collect(alias_of(ACLITEMOID), name);
    return InvalidOid;
  }
  const Known* known = find_text(ACLITEMOID, name);
  if (known == nullptr) {
    if (known_count > most_known) forget();
    StringInfoData names;
    initStringInfo(&names);
    appendStringInfoChar(&names, '{');
    append_item(&names, name);
    appendStringInfoChar(&names, '}');
    (void)ask(alias_of(ACLITEMOID), names.data);
    known = find_text(ACLITEMOID, name);
  }
  if (known == nullptr || !known->resolved)
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("role \"%s\" does not exist", name)));
  return known->oid;
}

const char* name_in_aclitem(Oid role) {
  if (const Known* known = find_oid(ACLITEMOID, role)) return known->text;
  char* number = psprintf("%u", role);
  if (!bgw_have_session() || !IsTransactionState()) return number;
  const Oid argument = OIDOID;
  const char* value = number;
  const RowSet* rows =
      bgw_session_lookup("SELECT r.rolname FROM pg_catalog.pg_roles r WHERE r.oid = $1", 1, &argument, &value);
  if (rows->rows() == 0) return number;
  const char* name = pstrdup(rows->value(0, 0));
  remember(ACLITEMOID, role, true, name);
  return name;
}

// The values are read once to see which names are in them, and, when those have been asked for, again by
// build_tuple().
bool resolve_aliases(Oid type, const RowSet* rows, int column) {
  const TypeInfo* info = alias_type(type);
  if (known_count > most_known) forget();
  MemoryContext caller = CurrentMemoryContext;
  MemoryContext scratch = AllocSetContextCreateInternal(caller, "names in a column", ALLOCSET_DEFAULT_SIZES);
  MemoryContext values = AllocSetContextCreateInternal(scratch, "values", ALLOCSET_DEFAULT_SIZES);
  MemoryContextSwitchTo(scratch);
  Collection names = {};
  names.memory = scratch;
  names.complete = true;
  const bool trusted_before = trusted_text;
  PG_TRY();
  {
    trusted_text = true;
    collection = &names;
    MemoryContextSwitchTo(values);
    for (int row = 0; row < rows->rows(); row++) {
      if (rows->is_null(row, column)) continue;
      Datum value;
      type_from_text(info, InvalidOid, -1, rows->value(row, column),
                     static_cast<std::size_t>(rows->length(row, column)), &value);
      MemoryContextReset(values);
    }
  }
  PG_FINALLY();
  {
    collection = nullptr;
    trusted_text = trusted_before;
  }
  PG_END_TRY();
  MemoryContextSwitchTo(scratch);
  for (int i = 0; i < alias_count; i++) {
    if (names.asked[i].data == nullptr) continue;
    appendStringInfoChar(&names.asked[i], '}');
    if (!ask(&aliases[i], names.asked[i].data)) names.complete = false;
  }
  MemoryContextSwitchTo(caller);
  MemoryContextDelete(scratch);
  return names.complete;
}

void describe_alias(Form_pg_attribute attribute) {
  const TypeInfo* type = alias_type(attribute->atttypid);
  attribute->attstattarget = -1;
  attribute->attlen = type->typlen;
  attribute->attbyval = type->typbyval;
  attribute->attalign = type->typalign;
  attribute->attstorage = type->typstorage;
}

void note_received_oid(Oid type, Datum value) {
  if (!OidIsValid(DatumGetObjectId(value)) || type == ACLITEMOID || alias_of(type) == nullptr) return;
  const Oid oid = DatumGetObjectId(value);
  if (find_oid(type, oid) != nullptr || unnamed_count == most_unnamed) return;
  for (int i = 0; i < unnamed_count; i++)
    if (unnamed[i].oid == oid && unnamed[i].type == type) return;
  unnamed[unnamed_count++] = {type, oid};
}

void names_may_have_changed() noexcept {
  generation++;
}

}  // namespace bgw

using bgw::print_alias;
using bgw::read_alias;

extern "C" {

#define ALIAS(oid, input, output)                          \
  Datum input(PG_FUNCTION_ARGS) {                          \
    return read_alias(oid, PG_GETARG_CSTRING(0));          \
  }                                                        \
  Datum output(PG_FUNCTION_ARGS) {                         \
    PG_RETURN_CSTRING(print_alias(oid, PG_GETARG_OID(0))); \
  }
ALIAS(REGPROCOID, regprocin, regprocout)
ALIAS(REGPROCEDUREOID, regprocedurein, regprocedureout)
ALIAS(REGOPEROID, regoperin, regoperout)
ALIAS(REGOPERATOROID, regoperatorin, regoperatorout)
ALIAS(REGCLASSOID, regclassin, regclassout)
ALIAS(REGTYPEOID, regtypein, regtypeout)
ALIAS(REGROLEOID, regrolein, regroleout)
ALIAS(REGNAMESPACEOID, regnamespacein, regnamespaceout)
ALIAS(REGCONFIGOID, regconfigin, regconfigout)
ALIAS(REGDICTIONARYOID, regdictionaryin, regdictionaryout)
ALIAS(REGCOLLATIONOID, regcollationin, regcollationout)
#undef ALIAS

}  // extern "C"
