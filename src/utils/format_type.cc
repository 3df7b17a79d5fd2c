// How a built-in type is written in SQL, with its modifier (utils/builtins.h, format_type).
//
// Types that have a spelling of their own in the SQL grammar are written that way whatever the flags; the
// others by their name in pg_catalog, quoted where the grammar needs it. For a type that is not built in the
// upstream is asked; without a session it is "???", as one that the server's catalog does not have.
#include "bridge/type_io.hpp"

extern "C" {
#include "postgres.h"
#include "mb/pg_wchar.h"
#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
}

#include "bridge/catalog_lookup.hpp"
#include "bridge/user_types.hpp"
#include "bridge/worker_session.hpp"

namespace {

// "name(length)", or only the name where the modifier sets no length. `header`: what the modifier counts too
// much.
char* with_length(const char* name, int32 typmod, int32 header) {
  const int32 length = typmod < 0 ? 0 : typmod - header;
  return length > 0 ? psprintf("%s(%d)", name, length) : pstrdup(name);
}

char* with_precision(const char* name, int32 typmod, const char* zone) {
  return typmod >= 0 ? psprintf("%s(%d) %s time zone", name, typmod, zone)
                     : psprintf("%s %s time zone", name, zone);
}

char* with_own_modifier(const char* name, int32 typmod, PGFunction typmodout) {
  if (typmod < 0) return pstrdup(name);
  return psprintf("%s%s", name, DatumGetCString(DirectFunctionCall1(typmodout, Int32GetDatum(typmod))));
}

// nullptr if the grammar has no spelling of its own for the type.
char* grammar_name(Oid type, int32 typmod, bool typmod_given) {
  switch (type) {
    case BITOID:
      // Without a length, bit means bit(1): only quotes make it the type as such.
      if (typmod < 0 && typmod_given) return pstrdup("\"bit\"");
      return with_length("bit", typmod, 0);
    case BOOLOID:
      return pstrdup("boolean");
    case BPCHAROID:
      if (typmod < 0 && typmod_given) return nullptr;  // character means character(1)
      return with_length("character", typmod, VARHDRSZ);
    case FLOAT4OID:
      return pstrdup("real");
    case FLOAT8OID:
      return pstrdup("double precision");
    case INT2OID:
      return pstrdup("smallint");
    case INT4OID:
      return pstrdup("integer");
    case INT8OID:
      return pstrdup("bigint");
    case NUMERICOID:
      return with_own_modifier("numeric", typmod, numerictypmodout);
    case INTERVALOID:
      return with_own_modifier("interval", typmod, intervaltypmodout);
    case TIMEOID:
      return with_precision("time", typmod, "without");
    case TIMETZOID:
      return with_precision("time", typmod, "with");
    case TIMESTAMPOID:
      return with_precision("timestamp", typmod, "without");
    case TIMESTAMPTZOID:
      return with_precision("timestamp", typmod, "with");
    case VARBITOID:
      return with_length("bit varying", typmod, 0);
    case VARCHAROID:
      return with_length("character varying", typmod, VARHDRSZ);
    default:
      return nullptr;
  }
}

// As the upstream writes a type that is not built in, by its search path; nullptr if there is none.
char* upstream_name(Oid type, int32 typmod, bits16 flags) {
  if (!bgw_have_session() || !IsTransactionState() || bgw::learn_type(type) == nullptr) return nullptr;
  const Oid types[] = {OIDOID, INT4OID};
  const char* values[] = {psprintf("%u", type),
                          (flags & FORMAT_TYPE_TYPEMOD_GIVEN) ? psprintf("%d", typmod) : nullptr};
  if ((flags & FORMAT_TYPE_FORCE_QUALIFY) == 0)
    return bgw_catalog_text("a type's name", "SELECT pg_catalog.format_type($1, $2)", 2, types, values);
  return bgw_catalog_text(
      "a type's name",
      "SELECT pg_catalog.format('%I.%I', n.nspname, e.typname) || CASE WHEN e.oid <> t.oid THEN '[]' ELSE '' END"
      " FROM pg_catalog.pg_type t JOIN pg_catalog.pg_type e ON e.oid = CASE WHEN t.typsubscript ="
      " 'pg_catalog.array_subscript_handler'::pg_catalog.regproc THEN t.typelem ELSE t.oid END"
      " JOIN pg_catalog.pg_namespace n ON n.oid = e.typnamespace WHERE t.oid = $1",
      1, types, values);
}

}  // namespace

extern "C" {

char* format_type_extended(Oid type_oid, int32 typemod, bits16 flags) {
  if (type_oid == InvalidOid) {
    if (flags & FORMAT_TYPE_INVALID_AS_NULL) return nullptr;
    if (flags & FORMAT_TYPE_ALLOW_INVALID) return pstrdup("-");
  }
  const bgw::TypeInfo* type = bgw::find_type(type_oid);
  if (type == nullptr) {
    if (char* name = upstream_name(type_oid, typemod, flags)) return name;
    if (flags & FORMAT_TYPE_INVALID_AS_NULL) return nullptr;
    if (flags & FORMAT_TYPE_ALLOW_INVALID) return pstrdup("???");
    elog(ERROR, "cache lookup failed for type %u", type_oid);
  }
  // An array type is its element's name and brackets; the fixed vectors are types of their own.
  const bool is_array = OidIsValid(type->typelem) && type->typstorage != 'p';
  if (is_array) type = bgw::lookup_type(type->typelem);

  const bool typmod_given = (flags & FORMAT_TYPE_TYPEMOD_GIVEN) != 0;
  char* name = grammar_name(type->oid, typmod_given ? typemod : -1, typmod_given);
  if (name == nullptr) {
    name = (flags & FORMAT_TYPE_FORCE_QUALIFY) ? quote_qualified_identifier("pg_catalog", type->name)
                                               : pstrdup(quote_identifier(type->name));
    // A modifier that the type cannot have is shown all the same.
    if (typmod_given && typemod >= 0) name = psprintf("%s(%d)", name, typemod);
  }
  return is_array ? psprintf("%s[]", name) : name;
}

char* format_type_be(Oid type_oid) {
  return format_type_extended(type_oid, -1, 0);
}

char* format_type_be_qualified(Oid type_oid) {
  return format_type_extended(type_oid, -1, FORMAT_TYPE_FORCE_QUALIFY);
}

char* format_type_with_typemod(Oid type_oid, int32 typemod) {
  return format_type_extended(type_oid, typemod, FORMAT_TYPE_TYPEMOD_GIVEN);
}

Datum format_type(PG_FUNCTION_ARGS) {
  if (PG_ARGISNULL(0)) PG_RETURN_NULL();
  const bool given = !PG_ARGISNULL(1);
  const bits16 flags = FORMAT_TYPE_ALLOW_INVALID | (given ? FORMAT_TYPE_TYPEMOD_GIVEN : 0);
  PG_RETURN_TEXT_P(
      cstring_to_text(format_type_extended(PG_GETARG_OID(0), given ? PG_GETARG_INT32(1) : -1, flags)));
}

// The most bytes that a value of the type and modifier can take, -1 if there is no limit (one character is at
// most four bytes in the only encoding that there is here).
int32 type_maximum_size(Oid type_oid, int32 typemod) {
  if (typemod < 0) return -1;
  switch (type_oid) {
    case BPCHAROID:
    case VARCHAROID:
      return (typemod - VARHDRSZ) * pg_encoding_max_length(GetDatabaseEncoding()) + VARHDRSZ;
    case NUMERICOID:
      return numeric_maximum_size(typemod);
    case VARBITOID:
    case BITOID:
      return (typemod + (BITS_PER_BYTE - 1)) / BITS_PER_BYTE + 2 * static_cast<int32>(sizeof(int32));
    default:
      return -1;
  }
}

}  // extern "C"
