// What stands in parentheses behind numeric and the types of time, as the number that their values are read
// with (utils/fmgrprotos.h: the typmodin functions). Those of the character types are in varchar.cc.
extern "C" {
#include "postgres.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
}

namespace {

// The one modifier of a type of time: how many digits of seconds there are.
int32 digits_of_seconds(ArrayType* modifiers) {
  int count;
  const int32* values = ArrayGetIntegerTypmods(modifiers, &count);
  if (count != 1) ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid type modifier")));
  return values[0];
}

void check_range(const char* what, int32 value, int32 least, int32 most) {
  if (value < least || value > most)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("NUMERIC %s %d must be between %d and %d", what, value, least, most)));
}

}  // namespace

extern "C" {

Datum numerictypmodin(PG_FUNCTION_ARGS) {
  int count;
  const int32* values = ArrayGetIntegerTypmods(PG_GETARG_ARRAYTYPE_P(0), &count);
  if (count < 1 || count > 2)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid NUMERIC type modifier")));
  const int32 precision = values[0];
  const int32 scale = count == 2 ? values[1] : 0;
  check_range("precision", precision, 1, NUMERIC_MAX_PRECISION);
  check_range("scale", scale, NUMERIC_MIN_SCALE, NUMERIC_MAX_SCALE);
  // The scale has eleven bits, its sign among them.
  PG_RETURN_INT32(((precision << 16) | (scale & 0x7ff)) + VARHDRSZ);
}

Datum timestamptypmodin(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(anytimestamp_typmod_check(false, digits_of_seconds(PG_GETARG_ARRAYTYPE_P(0))));
}

Datum timestamptztypmodin(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(anytimestamp_typmod_check(true, digits_of_seconds(PG_GETARG_ARRAYTYPE_P(0))));
}

Datum timetypmodin(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(anytime_typmod_check(false, digits_of_seconds(PG_GETARG_ARRAYTYPE_P(0))));
}

Datum timetztypmodin(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(anytime_typmod_check(true, digits_of_seconds(PG_GETARG_ARRAYTYPE_P(0))));
}

}  // extern "C"
