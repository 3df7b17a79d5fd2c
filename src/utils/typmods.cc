// What stands in parentheses behind numeric and the types of time, as the number that their values are read
// with (utils/fmgrprotos.h: the typmodin functions). Those of the character types are in varchar.cc.
extern "C" {
#include "postgres.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/date.h"
#include "utils/datetime.h"
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

// The fields that an interval may be restricted to, as the grammar numbers them, and the words for each set.
struct IntervalFields {
  int32 fields;
  const char* words;
};

constexpr int32 all_fields = INTERVAL_FULL_RANGE;
constexpr IntervalFields interval_fields[] = {
    {INTERVAL_MASK(YEAR), " year"},
    {INTERVAL_MASK(MONTH), " month"},
    {INTERVAL_MASK(DAY), " day"},
    {INTERVAL_MASK(HOUR), " hour"},
    {INTERVAL_MASK(MINUTE), " minute"},
    {INTERVAL_MASK(SECOND), " second"},
    {INTERVAL_MASK(YEAR) | INTERVAL_MASK(MONTH), " year to month"},
    {INTERVAL_MASK(DAY) | INTERVAL_MASK(HOUR), " day to hour"},
    {INTERVAL_MASK(DAY) | INTERVAL_MASK(HOUR) | INTERVAL_MASK(MINUTE), " day to minute"},
    {INTERVAL_MASK(DAY) | INTERVAL_MASK(HOUR) | INTERVAL_MASK(MINUTE) | INTERVAL_MASK(SECOND),
     " day to second"},
    {INTERVAL_MASK(HOUR) | INTERVAL_MASK(MINUTE), " hour to minute"},
    {INTERVAL_MASK(HOUR) | INTERVAL_MASK(MINUTE) | INTERVAL_MASK(SECOND), " hour to second"},
    {INTERVAL_MASK(MINUTE) | INTERVAL_MASK(SECOND), " minute to second"},
    {all_fields, ""}};

const char* words_of(int32 fields) {
  for (const IntervalFields& known : interval_fields)
    if (known.fields == fields) return known.words;
  return nullptr;
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

Datum intervaltypmodin(PG_FUNCTION_ARGS) {
  int count;
  const int32* values = ArrayGetIntegerTypmods(PG_GETARG_ARRAYTYPE_P(0), &count);
  if (count < 1 || count > 2 || words_of(values[0]) == nullptr)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid INTERVAL type modifier")));
  if (count == 1)
    PG_RETURN_INT32(values[0] == all_fields ? -1 : INTERVAL_TYPMOD(INTERVAL_FULL_PRECISION, values[0]));
  int32 precision = values[1];
  if (precision < 0)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("INTERVAL(%d) precision must not be negative", precision)));
  if (precision > MAX_INTERVAL_PRECISION) {
    ereport(WARNING, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                      errmsg("INTERVAL(%d) precision reduced to maximum allowed, %d", precision,
                             MAX_INTERVAL_PRECISION)));
    precision = MAX_INTERVAL_PRECISION;
  }
  PG_RETURN_INT32(INTERVAL_TYPMOD(precision, values[0]));
}

Datum intervaltypmodout(PG_FUNCTION_ARGS) {
  const int32 typmod = PG_GETARG_INT32(0);
  if (typmod < 0) PG_RETURN_CSTRING(pstrdup(""));
  const char* words = words_of(INTERVAL_RANGE(typmod));
  if (words == nullptr) elog(ERROR, "invalid INTERVAL typmod: 0x%x", typmod);
  const int32 precision = INTERVAL_PRECISION(typmod);
  PG_RETURN_CSTRING(precision == INTERVAL_FULL_PRECISION ? pstrdup(words)
                                                         : psprintf("%s(%d)", words, precision));
}

}  // extern "C"
