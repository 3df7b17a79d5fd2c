// The catalogue of types that are not built in: what the upstream's pg_type, pg_attribute, pg_enum and pg_range
// say, asked when a type is first met and again in the next transaction that needs it.
//
// One question brings a type with all that it is made of. Entries are never removed, since values of the type
// may be at hand; their content is replaced. Everything is palloc'd in one context of the process and nothing
// is left to unwind when a look-up raises: an entry is changed only after the answer is there.
#include <cstdlib>
#include <cstring>

#include "core/session.hpp"

extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
}

#include "bridge/oid_aliases.hpp"
#include "bridge/user_types.hpp"
#include "bridge/worker_session.hpp"

namespace bgw {
namespace {

struct EnumValue {
  Oid oid;
  const char* label;
};

struct UserType {
  TypeInfo info;
  TypeInfo with_aliases;  // constructible if the type is, but for the names of OIDs in it
  Oid base;               // of a domain
  int32 base_typmod;
  bool checked;       // of a domain: has constraints of its own
  Oid relation;       // of a row type
  RangeInfo range;    // of a range or multirange type
  uint64 generation;  // of the knowledge
  TupleDesc row;      // counted once for this entry; nullptr unless a row type that can be built
  int values;         // of an enum
  EnumValue* value;
  MemoryContext content;  // names and enum values
  UserType* next;
};

// The server's own range types.
constexpr RangeInfo builtin_ranges[] = {
    {INT4RANGEOID, INT4MULTIRANGEOID, INT4OID, InvalidOid, F_INT4RANGE_CANONICAL, F_INT4RANGE_SUBDIFF,
     F_BTINT4CMP},
    {NUMRANGEOID, NUMMULTIRANGEOID, NUMERICOID, InvalidOid, InvalidOid, F_NUMRANGE_SUBDIFF, F_NUMERIC_CMP},
    {TSRANGEOID, TSMULTIRANGEOID, TIMESTAMPOID, InvalidOid, InvalidOid, F_TSRANGE_SUBDIFF, F_TIMESTAMP_CMP},
    {TSTZRANGEOID, TSTZMULTIRANGEOID, TIMESTAMPTZOID, InvalidOid, InvalidOid, F_TSTZRANGE_SUBDIFF,
     F_TIMESTAMPTZ_CMP},
    {DATERANGEOID, DATEMULTIRANGEOID, DATEOID, InvalidOid, F_DATERANGE_CANONICAL, F_DATERANGE_SUBDIFF,
     F_DATE_CMP},
    {INT8RANGEOID, INT8MULTIRANGEOID, INT8OID, InvalidOid, F_INT8RANGE_CANONICAL, F_INT8RANGE_SUBDIFF,
     F_BTINT8CMP},
};

UserType* learnt;
uint64 generation = 1;
MemoryContext catalogue;

constexpr const char* question =
    "WITH RECURSIVE part(oid) AS (SELECT $1::pg_catalog.oid UNION SELECT n.oid FROM part"
    " JOIN pg_catalog.pg_type p ON p.oid = part.oid CROSS JOIN LATERAL ("
    "SELECT p.typelem WHERE p.typelem <> 0 UNION ALL SELECT p.typbasetype WHERE p.typbasetype <> 0 UNION ALL"
    " SELECT a.atttypid FROM pg_catalog.pg_attribute a WHERE a.attrelid = p.typrelid AND p.typrelid <> 0"
    " AND a.attnum > 0 AND NOT a.attisdropped UNION ALL"
    " SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE r.rngtypid = p.oid UNION ALL"
    " SELECT r.rngtypid FROM pg_catalog.pg_range r WHERE r.rngmultitypid = p.oid) n(oid)) "
    "SELECT p.oid, p.typname, p.typlen, p.typbyval, p.typalign, p.typstorage, p.typcategory, p.typtype, "
    "p.typdelim,"
    " CASE WHEN p.typsubscript = 'pg_catalog.array_subscript_handler'::pg_catalog.regproc THEN p.typelem ELSE "
    "0 END,"
    " p.typarray, p.typcollation, p.typinput::pg_catalog.oid, p.typoutput::pg_catalog.oid,"
    " p.typreceive::pg_catalog.oid, p.typsend::pg_catalog.oid, p.typmodin::pg_catalog.oid, p.typbasetype, "
    "p.typtypmod,"
    " p.typrelid, EXISTS (SELECT FROM pg_catalog.pg_proc f JOIN pg_catalog.pg_language l ON l.oid = f.prolang"
    " WHERE f.oid = p.typinput AND l.lanname = 'internal' AND f.prosrc = 'textin'),"
    " p.typnotnull OR EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.contypid = p.oid),"
    " r.rngtypid, r.rngmultitypid, r.rngsubtype, r.rngcollation, r.rngcanonical::pg_catalog.oid,"
    " r.rngsubdiff::pg_catalog.oid, (SELECT f.amproc::pg_catalog.oid FROM pg_catalog.pg_opclass o"
    " JOIN pg_catalog.pg_amproc f ON f.amprocfamily = o.opcfamily AND f.amproclefttype = o.opcintype"
    " AND f.amprocrighttype = o.opcintype AND f.amprocnum = 1 WHERE o.oid = r.rngsubopc),"
    " m.oid, m.name, m.typmod, m.ndims, m.len, m.byval, m.align, m.storage, m.collation, m.dropped, m.needed "
    "FROM part JOIN pg_catalog.pg_type p ON p.oid = part.oid"
    " LEFT JOIN pg_catalog.pg_range r ON p.oid IN (r.rngtypid, r.rngmultitypid) LEFT JOIN LATERAL ("
    "SELECT e.enumsortorder AS place, e.oid, e.enumlabel AS name, -1 AS typmod, 0 AS ndims, 4 AS len, true AS "
    "byval,"
    " 'i'::\"char\" AS align, 'p'::\"char\" AS storage, 0::pg_catalog.oid AS collation, false AS dropped, "
    "false AS needed"
    " FROM pg_catalog.pg_enum e WHERE e.enumtypid = p.oid UNION ALL "
    "SELECT a.attnum, a.atttypid, a.attname, a.atttypmod, a.attndims, a.attlen, a.attbyval, a.attalign, "
    "a.attstorage,"
    " a.attcollation, a.attisdropped, a.attnotnull"
    " FROM pg_catalog.pg_attribute a WHERE a.attrelid = p.typrelid AND p.typrelid <> 0 AND a.attnum > 0) m ON "
    "true "
    "ORDER BY p.oid, m.place";

enum Field {
  f_oid,
  f_name,
  f_len,
  f_byval,
  f_align,
  f_storage,
  f_category,
  f_type,
  f_delim,
  f_elem,
  f_array,
  f_collation,
  f_input,
  f_output,
  f_receive,
  f_send,
  f_modin,
  f_base,
  f_typmod,
  f_relation,
  f_like_text,
  f_checked,
  r_range,
  r_multirange,
  r_subtype,
  r_collation,
  r_canonical,
  r_subdiff,
  r_compare,
  m_oid,
  m_name,
  m_typmod,
  m_ndims,
  m_len,
  m_byval,
  m_align,
  m_storage,
  m_collation,
  m_dropped,
  m_needed
};

UserType* entry_of(Oid oid) {
  for (UserType* type = learnt; type != nullptr; type = type->next)
    if (type->info.oid == oid) return type;
  return nullptr;
}

Oid oid_at(const RowSet* rows, int row, int field) {
  return static_cast<Oid>(strtoul(rows->value(row, field), nullptr, 10));
}
int int_at(const RowSet* rows, int row, int field) {
  return static_cast<int>(strtol(rows->value(row, field), nullptr, 10));
}
bool bool_at(const RowSet* rows, int row, int field) {
  return rows->value(row, field)[0] == 't';
}
char char_at(const RowSet* rows, int row, int field) {
  return rows->value(row, field)[0];
}

TupleDesc make_row_descriptor(const RowSet* rows, int first, int count, Oid type) {
  TupleDesc desc = CreateTemplateTupleDesc(count);
  desc->tdtypeid = type;
  desc->tdtypmod = -1;
  desc->tdrefcount = 1;
  for (int i = 0; i < count; i++) {
    const int row = first + i;
    Form_pg_attribute att = TupleDescAttr(desc, i);
    memset(att, 0, sizeof(FormData_pg_attribute));
    strlcpy(NameStr(att->attname), rows->value(row, m_name), NAMEDATALEN);
    att->attrelid = oid_at(rows, first, f_relation);
    att->atttypid = oid_at(rows, row, m_oid);
    att->attstattarget = -1;
    att->attlen = static_cast<int16>(int_at(rows, row, m_len));
    att->attnum = static_cast<int16>(i + 1);
    att->attndims = int_at(rows, row, m_ndims);
    att->attcacheoff = -1;
    att->atttypmod = int_at(rows, row, m_typmod);
    att->attbyval = bool_at(rows, row, m_byval);
    att->attalign = char_at(rows, row, m_align);
    att->attstorage = char_at(rows, row, m_storage);
    att->attnotnull = bool_at(rows, row, m_needed);
    att->attisdropped = bool_at(rows, row, m_dropped);
    att->attislocal = true;
    att->attcollation = oid_at(rows, row, m_collation);
  }
  return desc;
}

void forget_content(UserType* type) {
  if (type->content != nullptr) MemoryContextDelete(type->content);
  type->content = nullptr;
  if (type->row != nullptr && --type->row->tdrefcount == 0) FreeTupleDesc(type->row);
  type->row = nullptr;
  type->value = nullptr;
  type->values = 0;
}

void take_type(const RowSet* rows, int first, int end) {
  const Oid oid = oid_at(rows, first, f_oid);
  UserType* type = entry_of(oid);
  if (type == nullptr) {
    type = static_cast<UserType*>(MemoryContextAllocZero(catalogue, sizeof(UserType)));
    type->info.oid = oid;
    type->next = learnt;
    learnt = type;
  }
  forget_content(type);
  type->content = AllocSetContextCreateInternal(catalogue, "a type", ALLOCSET_SMALL_SIZES);
  TypeInfo& info = type->info;
  info.typlen = static_cast<int16>(int_at(rows, first, f_len));
  info.typbyval = bool_at(rows, first, f_byval);
  info.typalign = char_at(rows, first, f_align);
  info.typstorage = char_at(rows, first, f_storage);
  info.typcategory = char_at(rows, first, f_category);
  info.typtype = char_at(rows, first, f_type);
  info.typdelim = char_at(rows, first, f_delim);
  info.typelem = oid_at(rows, first, f_elem);
  info.typarray = oid_at(rows, first, f_array);
  info.typcollation = oid_at(rows, first, f_collation);
  info.typinput = oid_at(rows, first, f_input);
  info.typoutput = oid_at(rows, first, f_output);
  info.typreceive = oid_at(rows, first, f_receive);
  info.typsend = oid_at(rows, first, f_send);
  info.typmodin = oid_at(rows, first, f_modin);
  info.name = MemoryContextStrdup(type->content, rows->value(first, f_name));
  info.input = info.output = nullptr;
  info.constructible = false;
  type->with_aliases = {};
  type->base = oid_at(rows, first, f_base);
  type->base_typmod = int_at(rows, first, f_typmod);
  type->checked = bool_at(rows, first, f_checked);
  type->relation = oid_at(rows, first, f_relation);
  type->range = {};
  if (!rows->is_null(first, r_range)) {
    type->range = {oid_at(rows, first, r_range),     oid_at(rows, first, r_multirange),
                   oid_at(rows, first, r_subtype),   oid_at(rows, first, r_collation),
                   oid_at(rows, first, r_canonical), oid_at(rows, first, r_subdiff),
                   oid_at(rows, first, r_compare)};
  }
  if (info.typtype == TYPTYPE_BASE && bool_at(rows, first, f_like_text)) {
    // The type's own functions are the server's for text, under OIDs that only the upstream knows.
    info.typinput = F_TEXTIN;
    info.typoutput = F_TEXTOUT;
    info.typreceive = F_TEXTRECV;
    info.typsend = F_TEXTSEND;
  }
  const int members = rows->is_null(first, m_oid) ? 0 : end - first;
  if (info.typtype == TYPTYPE_ENUM) {
    type->value = static_cast<EnumValue*>(
        MemoryContextAlloc(type->content, sizeof(EnumValue) * static_cast<Size>(members + 1)));
    for (int i = 0; i < members; i++)
      type->value[i] = {oid_at(rows, first + i, m_oid),
                        MemoryContextStrdup(type->content, rows->value(first + i, m_name))};
    type->values = members;
  } else if (info.typtype == TYPTYPE_COMPOSITE) {
    MemoryContext caller = MemoryContextSwitchTo(catalogue);
    type->row = make_row_descriptor(rows, first, members, oid);
    MemoryContextSwitchTo(caller);
  }
  type->generation = generation;
}

// Gives the type its functions if all that it is made of can be built. No type is part of itself.
bool settle(UserType* type) {
  bool aliases = false;
  auto built = [&aliases](Oid part) {
    if (const TypeInfo* builtin = find_type(part); builtin != nullptr && builtin->constructible) return true;
    UserType* user = entry_of(part);
    if (user != nullptr && settle(user) && user->info.constructible) return true;
    if (alias_type(part) == nullptr) return false;
    aliases = true;
    return true;
  };
  if (type->info.constructible || type->with_aliases.constructible) return true;
  TypeInfo info = type->info;
  switch (info.typtype) {
    case TYPTYPE_ENUM:
      info.input = enum_in;
      info.output = enum_out;
      break;
    case TYPTYPE_DOMAIN: {
      if (!built(type->base)) return false;
      const TypeInfo* base = aliases ? alias_type(type->base) : known_type(type->base);
      info.input = domain_in;
      info.output = base->output;
      info.typoutput = base->typoutput;
      info.typsend = base->typsend;
      break;
    }
    case TYPTYPE_COMPOSITE:
      for (int i = 0; type->row != nullptr && i < type->row->natts; i++) {
        const FormData_pg_attribute* att = TupleDescAttr(type->row, i);
        if (!att->attisdropped && !built(att->atttypid)) return false;
      }
      info.input = record_in;
      info.output = record_out;
      break;
    case TYPTYPE_RANGE:
      if (!built(type->range.subtype)) return false;
      info.input = range_in;
      info.output = range_out;
      break;
    case TYPTYPE_MULTIRANGE:
      if (!built(type->range.range)) return false;
      info.input = multirange_in;
      info.output = multirange_out;
      break;
    case TYPTYPE_BASE:
      if (info.typinput == F_ARRAY_IN && OidIsValid(info.typelem)) {
        if (!built(info.typelem)) return false;
        info.input = array_in;
        info.output = array_out;
      } else if (info.typinput == F_TEXTIN) {
        info.input = textin;
        info.output = textout;
      } else {
        return false;
      }
      break;
    default:
      return false;
  }
  info.constructible = true;
  (aliases ? type->with_aliases : type->info) = info;
  return true;
}

void ask(Oid oid) {
  if (!bgw_have_session() || !IsTransactionState()) return;
  MemoryContext outside = CurrentMemoryContext;
  MemoryContext scratch = AllocSetContextCreateInternal(outside, "type look-up", ALLOCSET_SMALL_SIZES);
  MemoryContextSwitchTo(scratch);
  char text[16];
  snprintf(text, sizeof(text), "%u", oid);
  const char* value = text;
  const Oid type = OIDOID;
  const RowSet* rows = bgw_session_lookup(question, 1, &type, &value);
  if (catalogue == nullptr)
    catalogue =
        AllocSetContextCreateInternal(TopMemoryContext, "types of the upstream", ALLOCSET_DEFAULT_SIZES);
  const int count = rows != nullptr ? rows->rows() : 0;
  for (int first = 0, end; first < count; first = end) {
    const Oid here = oid_at(rows, first, f_oid);
    for (end = first + 1; end < count && oid_at(rows, end, f_oid) == here;) end++;
    if (find_type(here) == nullptr) take_type(rows, first, end);
  }
  for (UserType* entry = learnt; entry != nullptr; entry = entry->next) settle(entry);
  MemoryContextSwitchTo(outside);
  MemoryContextDelete(scratch);
}

UserType* fresh_entry(Oid oid) {
  UserType* type = entry_of(oid);
  if (type != nullptr && type->generation == generation) return type;
  ask(oid);
  return entry_of(oid);
}

const EnumValue* value_labelled(const UserType* type, const char* label) {
  for (int i = 0; i < type->values; i++)
    if (strcmp(type->value[i].label, label) == 0) return &type->value[i];
  return nullptr;
}

// Whether a domain, or one that it is made of, constrains its values.
bool has_constraints(Oid oid) {
  while (find_type(oid) == nullptr) {
    const UserType* type = fresh_entry(oid);
    if (type == nullptr || type->info.typtype != TYPTYPE_DOMAIN) break;
    if (type->checked) return true;
    oid = type->base;
  }
  return false;
}

const char* label_of(Oid value) {
  for (const UserType* type = learnt; type != nullptr; type = type->next)
    for (int i = 0; i < type->values; i++)
      if (type->value[i].oid == value) return type->value[i].label;
  return nullptr;
}

}  // namespace

const TypeInfo* known_type(Oid oid) {
  if (const TypeInfo* builtin = find_type(oid)) return builtin;
  const UserType* type = entry_of(oid);
  return type != nullptr ? &type->info : nullptr;
}

const TypeInfo* learn_type(Oid oid) {
  if (const TypeInfo* builtin = find_type(oid)) return builtin;
  if (!OidIsValid(oid)) return nullptr;
  const UserType* type = fresh_entry(oid);
  return type != nullptr ? &type->info : nullptr;
}

const TypeInfo* user_type_with_aliases(Oid oid) {
  const UserType* type = entry_of(oid);
  return type != nullptr && type->with_aliases.constructible ? &type->with_aliases : nullptr;
}

TupleDesc learn_row_type(Oid oid) {
  if (find_type(oid) != nullptr || !OidIsValid(oid)) return nullptr;
  const UserType* type = fresh_entry(oid);
  if (type == nullptr || !(type->info.constructible || type->with_aliases.constructible)) return nullptr;
  return type->row;
}

TupleDesc learn_row_columns(Oid oid) {
  if (find_type(oid) != nullptr || !OidIsValid(oid)) return nullptr;
  const UserType* type = fresh_entry(oid);
  return type != nullptr ? type->row : nullptr;
}

Oid learn_base_type(Oid oid, int32* typmod) {
  while (find_type(oid) == nullptr && OidIsValid(oid)) {
    const UserType* type = fresh_entry(oid);
    if (type == nullptr || type->info.typtype != TYPTYPE_DOMAIN) break;
    *typmod = type->base_typmod;
    oid = type->base;
  }
  return oid;
}

Oid learn_row_relation(Oid oid) {
  if (find_type(oid) != nullptr || !OidIsValid(oid)) return InvalidOid;
  const UserType* type = fresh_entry(oid);
  return type != nullptr ? type->relation : InvalidOid;
}

char* read_by_upstream(Oid oid, const char* text) {
  if (!bgw_have_session() || !IsTransactionState())
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("a value of type %s cannot be checked without a transaction of a database session",
                           format_type_be(oid))));
  const Oid argument = TEXTOID;
  const char* query =
      psprintf("SELECT $1::%s::pg_catalog.text", format_type_extended(oid, -1, FORMAT_TYPE_FORCE_QUALIFY));
  const RowSet* rows = bgw_session_lookup(query, 1, &argument, &text);
  return rows->is_null(0, 0) ? nullptr : pstrdup(rows->value(0, 0));
}

const RangeInfo* learn_range(Oid oid) {
  for (const RangeInfo& range : builtin_ranges)
    if (range.range == oid || range.multirange == oid) return &range;
  if (find_type(oid) != nullptr || !OidIsValid(oid)) return nullptr;
  const UserType* type = fresh_entry(oid);
  return type != nullptr && OidIsValid(type->range.range) ? &type->range : nullptr;
}

void types_may_have_changed() noexcept {
  generation++;
}

uint64 types_generation() noexcept {
  return generation;
}

}  // namespace bgw

using namespace bgw;

extern "C" {

Datum enum_in(PG_FUNCTION_ARGS) {
  const char* label = PG_GETARG_CSTRING(0);
  const Oid oid = PG_GETARG_OID(1);
  const UserType* type = fresh_entry(oid);
  const EnumValue* value = type != nullptr ? value_labelled(type, label) : nullptr;
  if (value == nullptr && type != nullptr) {
    ask(oid);  // it may have been added since
    value = value_labelled(type, label);
  }
  if (value == nullptr)
    ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                    errmsg("invalid input value for enum %s: \"%s\"", format_type_be(oid), label)));
  PG_RETURN_OID(value->oid);
}

Datum enum_out(PG_FUNCTION_ARGS) {
  const Oid value = PG_GETARG_OID(0);
  const char* label = label_of(value);
  if (label == nullptr && bgw_have_session() && IsTransactionState()) {
    char text[16];
    snprintf(text, sizeof(text), "%u", value);
    const char* argument = text;
    const Oid type = OIDOID;
    const RowSet* rows =
        bgw_session_lookup("SELECT enumtypid FROM pg_catalog.pg_enum WHERE oid = $1", 1, &type, &argument);
    if (rows != nullptr && rows->rows() == 1) ask(oid_at(rows, 0, 0));
    label = label_of(value);
  }
  if (label == nullptr)
    ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
                    errmsg("invalid internal value for enum: %u", value)));
  PG_RETURN_CSTRING(pstrdup(label));
}

// The constraints of the domain are the upstream's to check.
Datum domain_in(PG_FUNCTION_ARGS) {
  const char* text = PG_ARGISNULL(0) ? nullptr : PG_GETARG_CSTRING(0);
  const Oid oid = PG_GETARG_OID(1);
  int32 typmod = PG_GETARG_INT32(2);
  if (!trusted_text && has_constraints(oid)) text = read_by_upstream(oid, text);
  if (text == nullptr) PG_RETURN_NULL();
  const Oid base = learn_base_type(oid, &typmod);
  const TypeInfo* type = learn_buildable_type(base);
  if (type == nullptr || !type->constructible) elog(ERROR, "cache lookup failed for type %u", oid);
  Datum value;
  type_from_text(type, InvalidOid, typmod, text, strlen(text), &value);
  return value;
}

Datum domain_recv(PG_FUNCTION_ARGS) {
  const Oid oid = PG_GETARG_OID(1);
  int32 typmod = PG_GETARG_INT32(2);
  const Oid base = learn_base_type(oid, &typmod);
  Datum value = 0;
  bool null = PG_ARGISNULL(0) || PG_GETARG_POINTER(0) == nullptr;
  if (!null) {
    Oid function, ioparam;
    getTypeBinaryInputInfo(base, &function, &ioparam);
    value = OidReceiveFunctionCall(function, reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0)), ioparam, typmod);
  }
  if (!trusted_text && has_constraints(oid)) {
    const char* text = null ? nullptr : type_to_text(learn_buildable_type(base), value);
    null = read_by_upstream(oid, text) == nullptr;
  }
  if (null) PG_RETURN_NULL();
  return value;
}

}  // extern "C"
