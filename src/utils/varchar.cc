// text, varchar and bpchar (utils/builtins.h and utils/fmgrprotos.h): reading, printing, lengths, and the
// basics of comparing them.
//
// A length modifier counts characters, not bytes, and is stored with the varlena header's size added. Text
// compares by bytes here: the host has the C collation only, so what must sort as the database does is sorted
// by the database.
#include <cstring>

extern "C" {
#include "postgres.h"
#include "catalog/pg_type_d.h"
#include "access/detoast.h"
#include "access/htup_details.h"
#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/varlena.h"
}

namespace {

text* make(const char* content, int len) {
  return cstring_to_text_with_len(content, len);
}

bool only_spaces(const char* content, int len) {
  for (int i = 0; i < len; i++)
    if (content[i] != ' ') return false;
  return true;
}

[[noreturn]] void too_long(const char* type, int32 limit) {
  ereport(ERROR, (errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
                  errmsg("value too long for type %s(%d)", type, limit)));
  pg_unreachable();
}

// Cut to the limit of the modifier. Without an explicit cast only spaces may go.
text* make_varchar(const char* content, int len, int32 typmod, bool explicit_cast) {
  if (typmod < VARHDRSZ) return make(content, len);
  const int32 limit = typmod - VARHDRSZ;
  if (len > limit) {
    const int kept = pg_mbcharcliplen(content, len, limit);
    if (!explicit_cast && !only_spaces(content + kept, len - kept)) too_long("character varying", limit);
    len = kept;
  }
  return make(content, len);
}

text* make_bpchar(const char* content, int len, int32 typmod, bool explicit_cast) {
  if (typmod < VARHDRSZ) return make(content, len);
  const int32 limit = typmod - VARHDRSZ;
  const int characters = pg_mbstrlen_with_len(content, len);
  if (characters > limit) {
    const int kept = pg_mbcharcliplen(content, len, limit);
    if (!explicit_cast && !only_spaces(content + kept, len - kept)) too_long("character", limit);
    return make(content, kept);
  }
  const int padded = len + limit - characters;
  // The server's sum is of integers and wraps around, which its message for the longest limit shows.
  const int32 size = static_cast<int32>(static_cast<uint32>(padded) + VARHDRSZ);
  text* value = static_cast<text*>(palloc(static_cast<Size>(size)));
  SET_VARSIZE(value, size);
  memcpy(VARDATA(value), content, static_cast<size_t>(len));
  memset(VARDATA(value) + len, ' ', static_cast<size_t>(padded - len));
  return value;
}

int32 length_typmod(ArrayType* array, const char* type) {
  int n;
  const int32* typmods = ArrayGetIntegerTypmods(array, &n);
  if (n != 1) ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid type modifier")));
  if (*typmods < 1)
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("length for type %s must be at least 1", type)));
  if (*typmods > MaxAttrSize)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("length for type %s cannot exceed %d", type, MaxAttrSize)));
  return VARHDRSZ + *typmods;
}

Datum length_typmodout(int32 typmod) {
  return CStringGetDatum(typmod > VARHDRSZ ? psprintf("(%d)", typmod - VARHDRSZ) : pstrdup(""));
}

int compare_bytes(const char* a, int alen, const char* b, int blen) {
  const int order = memcmp(a, b, static_cast<size_t>(Min(alen, blen)));
  if (order != 0) return order;
  return alen == blen ? 0 : alen < blen ? -1 : 1;
}

int compare_text(FunctionCallInfo fcinfo) {
  text *a = PG_GETARG_TEXT_PP(0), *b = PG_GETARG_TEXT_PP(1);
  return compare_bytes(VARDATA_ANY(a), static_cast<int>(VARSIZE_ANY_EXHDR(a)), VARDATA_ANY(b),
                       static_cast<int>(VARSIZE_ANY_EXHDR(b)));
}

int compare_bpchar(FunctionCallInfo fcinfo) {
  BpChar *a = PG_GETARG_BPCHAR_PP(0), *b = PG_GETARG_BPCHAR_PP(1);
  return compare_bytes(VARDATA_ANY(a), bpchartruelen(VARDATA_ANY(a), static_cast<int>(VARSIZE_ANY_EXHDR(a))),
                       VARDATA_ANY(b), bpchartruelen(VARDATA_ANY(b), static_cast<int>(VARSIZE_ANY_EXHDR(b))));
}

}  // namespace

extern "C" {

Datum textin(PG_FUNCTION_ARGS) {
  PG_RETURN_TEXT_P(cstring_to_text(PG_GETARG_CSTRING(0)));
}

Datum textout(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(text_to_cstring(PG_GETARG_TEXT_PP(0)));
}

Datum textlen(PG_FUNCTION_ARGS) {
  text* value = PG_GETARG_TEXT_PP(0);
  PG_RETURN_INT32(pg_mbstrlen_with_len(VARDATA_ANY(value), static_cast<int>(VARSIZE_ANY_EXHDR(value))));
}

Datum textoctetlen(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(static_cast<int32>(toast_raw_datum_size(PG_GETARG_DATUM(0)) - VARHDRSZ));
}

Datum textcat(PG_FUNCTION_ARGS) {
  text *a = PG_GETARG_TEXT_PP(0), *b = PG_GETARG_TEXT_PP(1);
  const Size alen = VARSIZE_ANY_EXHDR(a), blen = VARSIZE_ANY_EXHDR(b);
  text* both = static_cast<text*>(palloc(alen + blen + VARHDRSZ));
  SET_VARSIZE(both, alen + blen + VARHDRSZ);
  memcpy(VARDATA(both), VARDATA_ANY(a), alen);
  memcpy(VARDATA(both) + alen, VARDATA_ANY(b), blen);
  PG_RETURN_TEXT_P(both);
}

int varstr_cmp(const char* arg1, int len1, const char* arg2, int len2, Oid collid) {
  return compare_bytes(arg1, len1, arg2, len2);
}

Datum texteq(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare_text(fcinfo) == 0);
}
Datum textne(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare_text(fcinfo) != 0);
}
Datum text_lt(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare_text(fcinfo) < 0);
}
Datum text_le(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare_text(fcinfo) <= 0);
}
Datum text_gt(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare_text(fcinfo) > 0);
}
Datum text_ge(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare_text(fcinfo) >= 0);
}
Datum bttextcmp(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(compare_text(fcinfo));
}

Datum hashtext(PG_FUNCTION_ARGS) {
  text* value = PG_GETARG_TEXT_PP(0);
  return hash_any(reinterpret_cast<unsigned char*>(VARDATA_ANY(value)),
                  static_cast<int>(VARSIZE_ANY_EXHDR(value)));
}

Datum varcharin(PG_FUNCTION_ARGS) {
  const char* content = PG_GETARG_CSTRING(0);
  PG_RETURN_VARCHAR_P(make_varchar(content, static_cast<int>(strlen(content)), PG_GETARG_INT32(2), false));
}

Datum varcharout(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(text_to_cstring(PG_GETARG_VARCHAR_PP(0)));
}

Datum varchar(PG_FUNCTION_ARGS) {
  VarChar* value = PG_GETARG_VARCHAR_PP(0);
  PG_RETURN_VARCHAR_P(make_varchar(VARDATA_ANY(value), static_cast<int>(VARSIZE_ANY_EXHDR(value)),
                                   PG_GETARG_INT32(1), PG_GETARG_BOOL(2)));
}

Datum varchartypmodin(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(length_typmod(PG_GETARG_ARRAYTYPE_P(0), "varchar"));
}

Datum varchartypmodout(PG_FUNCTION_ARGS) {
  return length_typmodout(PG_GETARG_INT32(0));
}

Datum bpcharin(PG_FUNCTION_ARGS) {
  const char* content = PG_GETARG_CSTRING(0);
  PG_RETURN_BPCHAR_P(make_bpchar(content, static_cast<int>(strlen(content)), PG_GETARG_INT32(2), false));
}

Datum bpcharout(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(text_to_cstring(PG_GETARG_BPCHAR_PP(0)));
}

Datum bpchar(PG_FUNCTION_ARGS) {
  BpChar* value = PG_GETARG_BPCHAR_PP(0);
  PG_RETURN_BPCHAR_P(make_bpchar(VARDATA_ANY(value), static_cast<int>(VARSIZE_ANY_EXHDR(value)),
                                 PG_GETARG_INT32(1), PG_GETARG_BOOL(2)));
}

Datum bpchartypmodin(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(length_typmod(PG_GETARG_ARRAYTYPE_P(0), "char"));
}

Datum bpchartypmodout(PG_FUNCTION_ARGS) {
  return length_typmodout(PG_GETARG_INT32(0));
}

int bpchartruelen(char* s, int len) {
  while (len > 0 && s[len - 1] == ' ') len--;
  return len;
}

Datum bpchareq(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare_bpchar(fcinfo) == 0);
}
Datum bpcharne(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare_bpchar(fcinfo) != 0);
}
Datum bpcharcmp(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(compare_bpchar(fcinfo));
}

}  // extern "C"
