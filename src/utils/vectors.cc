// int2vector and oidvector (utils/builtins.h): one-dimensional arrays of the catalogs, counted from 0 and
// written as numbers with spaces between them.
#include <cctype>
#include <cstring>

extern "C" {
#include "postgres.h"
#include "catalog/pg_type_d.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
}

namespace {

template <class Vector>
Vector* make_vector(Oid elemtype, int n, std::size_t element_size) {
  const Size size = offsetof(Vector, values) + static_cast<Size>(n) * element_size;
  Vector* vector = static_cast<Vector*>(palloc0(size));
  SET_VARSIZE(vector, size);
  vector->ndim = 1;
  vector->elemtype = elemtype;
  vector->dim1 = n;
  return vector;
}

// The next number of the text, or false at its end.
bool next_number(const char** at, const char* literal, const char* type, int64 least, int64 most,
                 int64* value) {
  while (isspace(static_cast<unsigned char>(**at))) (*at)++;
  if (**at == '\0') return false;
  char* end;
  errno = 0;
  *value = strtoll(*at, &end, 10);
  if (end == *at || (*end != '\0' && *end != ' '))
    ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                    errmsg("invalid input syntax for type %s: \"%s\"", type, literal)));
  if (errno != 0 || *value < least || *value > most)
    ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                    errmsg("value \"%s\" is out of range for type %s", literal, type)));
  *at = end;
  return true;
}

int count_numbers(const char* text) {
  int count = 0;
  bool inside = false;
  for (; *text != '\0'; text++) {
    const bool space = isspace(static_cast<unsigned char>(*text)) != 0;
    if (!space && !inside) count++;
    inside = !space;
  }
  return count;
}

}  // namespace

extern "C" {

int2vector* buildint2vector(const int16* int2s, int n) {
  int2vector* vector = make_vector<int2vector>(INT2OID, n, sizeof(int16));
  if (int2s != nullptr && n > 0) memcpy(vector->values, int2s, static_cast<Size>(n) * sizeof(int16));
  return vector;
}

oidvector* buildoidvector(const Oid* oids, int n) {
  oidvector* vector = make_vector<oidvector>(OIDOID, n, sizeof(Oid));
  if (oids != nullptr && n > 0) memcpy(vector->values, oids, static_cast<Size>(n) * sizeof(Oid));
  return vector;
}

void check_valid_oidvector(const oidvector* oidArray) {
  if (oidArray->ndim != 1 || oidArray->dataoffset != 0 || oidArray->elemtype != OIDOID)
    ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("array is not a valid oidvector")));
}

Datum int2vectorin(PG_FUNCTION_ARGS) {
  const char *literal = PG_GETARG_CSTRING(0), *at = literal;
  int2vector* vector = buildint2vector(nullptr, count_numbers(literal));
  int64 value;
  for (int i = 0; next_number(&at, literal, "smallint", PG_INT16_MIN, PG_INT16_MAX, &value); i++)
    vector->values[i] = static_cast<int16>(value);
  PG_RETURN_POINTER(vector);
}

Datum int2vectorout(PG_FUNCTION_ARGS) {
  int2vector* vector = reinterpret_cast<int2vector*>(PG_GETARG_POINTER(0));
  StringInfoData out;
  initStringInfo(&out);
  for (int i = 0; i < vector->dim1; i++) appendStringInfo(&out, i > 0 ? " %d" : "%d", vector->values[i]);
  PG_RETURN_CSTRING(out.data);
}

Datum oidvectorin(PG_FUNCTION_ARGS) {
  const char *literal = PG_GETARG_CSTRING(0), *at = literal;
  oidvector* vector = buildoidvector(nullptr, count_numbers(literal));
  int64 value;
  for (int i = 0; next_number(&at, literal, "oid", PG_INT32_MIN, PG_UINT32_MAX, &value); i++)
    vector->values[i] = static_cast<Oid>(value);
  PG_RETURN_POINTER(vector);
}

Datum oidvectorout(PG_FUNCTION_ARGS) {
  oidvector* vector = reinterpret_cast<oidvector*>(PG_GETARG_POINTER(0));
  StringInfoData out;
  initStringInfo(&out);
  for (int i = 0; i < vector->dim1; i++) appendStringInfo(&out, i > 0 ? " %u" : "%u", vector->values[i]);
  PG_RETURN_CSTRING(out.data);
}

}  // extern "C"
