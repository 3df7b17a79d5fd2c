// date: text in and out, comparison, arithmetic and the passage to and from the timestamp types. A date is a
// count of days since 2000-01-01; the two extremes are the infinities.
// C style throughout (no destructors), because almost everything here may raise an error.
#include <cfloat>

#include "utils/timezone_internal.hpp"

extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
}

namespace {

// The first date that has no timestamp.
constexpr DateADT kTimestampEnd = TIMESTAMP_END_JULIAN - POSTGRES_EPOCH_JDATE;

[[noreturn]] void out_of_range(const char* message) {
  ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("%s", message)));
  pg_unreachable();
}

DateADT shifted(DateADT date, int64 by) {
  if (DATE_NOT_FINITE(date)) return date;
  int64 result = date + by;
  if (!IS_VALID_DATE(result)) out_of_range("date out of range");
  return static_cast<DateADT>(result);
}

int32 order(DateADT a, DateADT b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

}  // namespace

extern "C" {

Datum date_in(PG_FUNCTION_ARGS) {
  const char* text = PG_GETARG_CSTRING(0);
  char buffer[MAXDATELEN + 1];
  char* field[MAXDATEFIELDS];
  int type[MAXDATEFIELDS];
  int count, dtype, tz;
  pg_tm tm = {};
  fsec_t fsec;
  int error = ParseDateTime(text, buffer, sizeof buffer, field, type, MAXDATEFIELDS, &count);
  if (error == 0) error = DecodeDateTime(field, type, count, &dtype, &tm, &fsec, &tz);
  if (error != 0) DateTimeParseError(error, text, "date");
  switch (dtype) {
    case DTK_DATE:
      break;
    case DTK_EPOCH:
      GetEpochTime(&tm);
      break;
    case DTK_LATE:
      PG_RETURN_DATEADT(DATEVAL_NOEND);
    case DTK_EARLY:
      PG_RETURN_DATEADT(DATEVAL_NOBEGIN);
    default:
      DateTimeParseError(DTERR_BAD_FORMAT, text, "date");
  }
  DateADT date = 0;
  bool valid = IS_VALID_JULIAN(tm.tm_year, tm.tm_mon, tm.tm_mday);
  if (valid) {
    date = date2j(tm.tm_year, tm.tm_mon, tm.tm_mday) - POSTGRES_EPOCH_JDATE;
    valid = IS_VALID_DATE(date);
  }
  if (!valid)
    ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("date out of range: \"%s\"", text)));
  PG_RETURN_DATEADT(date);
}

Datum date_out(PG_FUNCTION_ARGS) {
  DateADT date = PG_GETARG_DATEADT(0);
  char text[MAXDATELEN + 1];
  if (DATE_NOT_FINITE(date)) {
    EncodeSpecialDate(date, text);
  } else {
    pg_tm tm;
    j2date(date + POSTGRES_EPOCH_JDATE, &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
    EncodeDateOnly(&tm, DateStyle, text);
  }
  PG_RETURN_CSTRING(pstrdup(text));
}

DateADT GetSQLCurrentDate(void) {
  pg_tm tm;
  GetCurrentDateTime(&tm);
  return date2j(tm.tm_year, tm.tm_mon, tm.tm_mday) - POSTGRES_EPOCH_JDATE;
}

// With `overflow`, a date that has no timestamp becomes an infinity and *overflow its sign.
Timestamp date2timestamp_opt_overflow(DateADT dateVal, int* overflow) {
  if (overflow) *overflow = 0;
  if (DATE_IS_NOBEGIN(dateVal)) return DT_NOBEGIN;
  if (DATE_IS_NOEND(dateVal)) return DT_NOEND;
  if (dateVal >= kTimestampEnd) {
    if (!overflow) out_of_range("date out of range for timestamp");
    *overflow = 1;
    return DT_NOEND;
  }
  return dateVal * USECS_PER_DAY;
}

TimestampTz date2timestamptz_opt_overflow(DateADT dateVal, int* overflow) {
  if (overflow) *overflow = 0;
  if (DATE_IS_NOBEGIN(dateVal)) return DT_NOBEGIN;
  if (DATE_IS_NOEND(dateVal)) return DT_NOEND;
  if (dateVal >= kTimestampEnd) {
    if (!overflow) out_of_range("date out of range for timestamp");
    *overflow = 1;
    return DT_NOEND;
  }
  pg_tm tm;
  j2date(dateVal + POSTGRES_EPOCH_JDATE, &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
  tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
  int tz = DetermineTimeZoneOffset(&tm, bgw::session_zone());
  TimestampTz result = dateVal * USECS_PER_DAY + tz * USECS_PER_SEC;
  if (IS_VALID_TIMESTAMP(result)) return result;
  if (!overflow) out_of_range("date out of range for timestamp");
  *overflow = result < MIN_TIMESTAMP ? -1 : 1;
  return result < MIN_TIMESTAMP ? DT_NOBEGIN : DT_NOEND;
}

// For estimates: a date beyond the timestamps gives a number beyond theirs.
double date2timestamp_no_overflow(DateADT dateVal) {
  if (DATE_IS_NOBEGIN(dateVal)) return -DBL_MAX;
  if (DATE_IS_NOEND(dateVal)) return DBL_MAX;
  return dateVal * static_cast<double>(USECS_PER_DAY);
}

int32 date_cmp_timestamp_internal(DateADT dateVal, Timestamp dt2) {
  int overflow;
  Timestamp dt1 = date2timestamp_opt_overflow(dateVal, &overflow);
  if (overflow > 0) return TIMESTAMP_IS_NOEND(dt2) ? -1 : 1;
  return timestamp_cmp_internal(dt1, dt2);
}

int32 date_cmp_timestamptz_internal(DateADT dateVal, TimestampTz dt2) {
  int overflow;
  TimestampTz dt1 = date2timestamptz_opt_overflow(dateVal, &overflow);
  if (overflow > 0) return TIMESTAMP_IS_NOEND(dt2) ? -1 : 1;
  if (overflow < 0) return TIMESTAMP_IS_NOBEGIN(dt2) ? 1 : -1;
  return timestamptz_cmp_internal(dt1, dt2);
}

Datum date_timestamp(PG_FUNCTION_ARGS) {
  PG_RETURN_TIMESTAMP(date2timestamp_opt_overflow(PG_GETARG_DATEADT(0), nullptr));
}
Datum date_timestamptz(PG_FUNCTION_ARGS) {
  PG_RETURN_TIMESTAMPTZ(date2timestamptz_opt_overflow(PG_GETARG_DATEADT(0), nullptr));
}

static DateADT day_of(Timestamp value, bool with_zone) {
  if (TIMESTAMP_IS_NOBEGIN(value)) return DATEVAL_NOBEGIN;
  if (TIMESTAMP_IS_NOEND(value)) return DATEVAL_NOEND;
  pg_tm tm;
  fsec_t fsec;
  int tz;
  if (timestamp2tm(value, with_zone ? &tz : nullptr, &tm, &fsec, nullptr, nullptr) != 0)
    out_of_range("timestamp out of range");
  return date2j(tm.tm_year, tm.tm_mon, tm.tm_mday) - POSTGRES_EPOCH_JDATE;
}

Datum timestamp_date(PG_FUNCTION_ARGS) {
  PG_RETURN_DATEADT(day_of(PG_GETARG_TIMESTAMP(0), false));
}
Datum timestamptz_date(PG_FUNCTION_ARGS) {
  PG_RETURN_DATEADT(day_of(PG_GETARG_TIMESTAMPTZ(0), true));
}

Datum date_finite(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(!DATE_NOT_FINITE(PG_GETARG_DATEADT(0)));
}
Datum date_larger(PG_FUNCTION_ARGS) {
  PG_RETURN_DATEADT(Max(PG_GETARG_DATEADT(0), PG_GETARG_DATEADT(1)));
}
Datum date_smaller(PG_FUNCTION_ARGS) {
  PG_RETURN_DATEADT(Min(PG_GETARG_DATEADT(0), PG_GETARG_DATEADT(1)));
}

Datum date_mi(PG_FUNCTION_ARGS) {
  DateADT a = PG_GETARG_DATEADT(0), b = PG_GETARG_DATEADT(1);
  if (DATE_NOT_FINITE(a) || DATE_NOT_FINITE(b)) out_of_range("cannot subtract infinite dates");
  PG_RETURN_INT32(static_cast<int32>(a - b));
}
Datum date_pli(PG_FUNCTION_ARGS) {
  PG_RETURN_DATEADT(shifted(PG_GETARG_DATEADT(0), PG_GETARG_INT32(1)));
}
Datum date_mii(PG_FUNCTION_ARGS) {
  PG_RETURN_DATEADT(shifted(PG_GETARG_DATEADT(0), -static_cast<int64>(PG_GETARG_INT32(1))));
}
Datum date_pl_interval(PG_FUNCTION_ARGS) {
  Timestamp start = date2timestamp_opt_overflow(PG_GETARG_DATEADT(0), nullptr);
  return DirectFunctionCall2(timestamp_pl_interval, TimestampGetDatum(start), PG_GETARG_DATUM(1));
}
Datum date_mi_interval(PG_FUNCTION_ARGS) {
  Timestamp start = date2timestamp_opt_overflow(PG_GETARG_DATEADT(0), nullptr);
  return DirectFunctionCall2(timestamp_mi_interval, TimestampGetDatum(start), PG_GETARG_DATUM(1));
}

#define COMPARISONS(prefix, suffix, GetA, GetB, compare) \
  Datum prefix##_eq##suffix(PG_FUNCTION_ARGS) {          \
    PG_RETURN_BOOL(compare(GetA(0), GetB(1)) == 0);      \
  }                                                      \
  Datum prefix##_ne##suffix(PG_FUNCTION_ARGS) {          \
    PG_RETURN_BOOL(compare(GetA(0), GetB(1)) != 0);      \
  }                                                      \
  Datum prefix##_lt##suffix(PG_FUNCTION_ARGS) {          \
    PG_RETURN_BOOL(compare(GetA(0), GetB(1)) < 0);       \
  }                                                      \
  Datum prefix##_le##suffix(PG_FUNCTION_ARGS) {          \
    PG_RETURN_BOOL(compare(GetA(0), GetB(1)) <= 0);      \
  }                                                      \
  Datum prefix##_gt##suffix(PG_FUNCTION_ARGS) {          \
    PG_RETURN_BOOL(compare(GetA(0), GetB(1)) > 0);       \
  }                                                      \
  Datum prefix##_ge##suffix(PG_FUNCTION_ARGS) {          \
    PG_RETURN_BOOL(compare(GetA(0), GetB(1)) >= 0);      \
  }                                                      \
  Datum prefix##_cmp##suffix(PG_FUNCTION_ARGS) {         \
    PG_RETURN_INT32(compare(GetA(0), GetB(1)));          \
  }

static int32 timestamp_against_date(Timestamp a, DateADT b) {
  return -date_cmp_timestamp_internal(b, a);
}
static int32 timestamptz_against_date(TimestampTz a, DateADT b) {
  return -date_cmp_timestamptz_internal(b, a);
}

COMPARISONS(date, , PG_GETARG_DATEADT, PG_GETARG_DATEADT, order)
COMPARISONS(date, _timestamp, PG_GETARG_DATEADT, PG_GETARG_TIMESTAMP, date_cmp_timestamp_internal)
COMPARISONS(date, _timestamptz, PG_GETARG_DATEADT, PG_GETARG_TIMESTAMPTZ, date_cmp_timestamptz_internal)
COMPARISONS(timestamp, _date, PG_GETARG_TIMESTAMP, PG_GETARG_DATEADT, timestamp_against_date)
COMPARISONS(timestamptz, _date, PG_GETARG_TIMESTAMPTZ, PG_GETARG_DATEADT, timestamptz_against_date)
}
