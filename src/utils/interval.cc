// interval: text output, precision and fields of the type, comparison and arithmetic. An interval keeps
// months, days and microseconds apart; only comparison and justification take 30 days for a month and 24
// hours for a day. C style throughout (no destructors), because everything here may raise an error.
#include <climits>
#include <cmath>
#include <cstring>

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
}

namespace {

[[noreturn]] void out_of_range() {
  ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("interval out of range")));
  pg_unreachable();
}

Interval* new_interval(int32 month, int32 day, int64 time) {
  Interval* result = static_cast<Interval*>(palloc(sizeof(Interval)));
  result->month = month;
  result->day = day;
  result->time = time;
  return result;
}

__int128 comparison_value(const Interval* span) {
  __int128 days = static_cast<__int128>(span->month) * DAYS_PER_MONTH + span->day;
  return days * USECS_PER_DAY + span->time;
}

int order(const Interval* a, const Interval* b) {
  __int128 x = comparison_value(a), y = comparison_value(b);
  return x < y ? -1 : x > y ? 1 : 0;
}

void apply_typmod(Interval* span, int32 typmod) {
  if (typmod < 0) return;
  switch (INTERVAL_RANGE(typmod)) {
    case INTERVAL_FULL_RANGE:
      break;
    case INTERVAL_MASK(YEAR):
      span->month -= span->month % MONTHS_PER_YEAR;
      span->day = 0;
      span->time = 0;
      break;
    case INTERVAL_MASK(MONTH):
    case INTERVAL_MASK(YEAR) | INTERVAL_MASK(MONTH):
      span->day = 0;
      span->time = 0;
      break;
    case INTERVAL_MASK(DAY):
      span->time = 0;
      break;
    case INTERVAL_MASK(HOUR):
    case INTERVAL_MASK(DAY) | INTERVAL_MASK(HOUR):
      span->time -= span->time % USECS_PER_HOUR;
      break;
    case INTERVAL_MASK(MINUTE):
    case INTERVAL_MASK(HOUR) | INTERVAL_MASK(MINUTE):
    case INTERVAL_MASK(DAY) | INTERVAL_MASK(HOUR) | INTERVAL_MASK(MINUTE):
      span->time -= span->time % USECS_PER_MINUTE;
      break;
    case INTERVAL_MASK(SECOND):
    case INTERVAL_MASK(MINUTE) | INTERVAL_MASK(SECOND):
    case INTERVAL_MASK(HOUR) | INTERVAL_MASK(MINUTE) | INTERVAL_MASK(SECOND):
    case INTERVAL_MASK(DAY) | INTERVAL_MASK(HOUR) | INTERVAL_MASK(MINUTE) | INTERVAL_MASK(SECOND):
      break;
    default:
      elog(ERROR, "unrecognized interval typmod: %d", typmod);
  }
  int precision = INTERVAL_PRECISION(typmod);
  if (precision == INTERVAL_FULL_PRECISION) return;
  if (precision > MAX_INTERVAL_PRECISION)
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
             errmsg("interval(%d) precision must be between %d and %d", precision, 0, MAX_INTERVAL_PRECISION)));
  int64 scale = 1;
  for (int i = precision; i < MAX_INTERVAL_PRECISION; i++) scale *= 10;
  if (scale == 1) return;
  int64 half = span->time >= 0 ? scale / 2 : -scale / 2;
  int64 moved;
  if (__builtin_add_overflow(span->time, half, &moved)) out_of_range();
  span->time = moved / scale * scale;
}

// Moves whole days of time into the days, and makes the two signs agree.
void justify_time(Interval* span) {
  int64 days = span->time / USECS_PER_DAY;
  span->time %= USECS_PER_DAY;
  if (__builtin_add_overflow(span->day, static_cast<int32>(days), &span->day)) out_of_range();
  if (span->day > 0 && span->time < 0) {
    span->time += USECS_PER_DAY;
    span->day--;
  } else if (span->day < 0 && span->time > 0) {
    span->time -= USECS_PER_DAY;
    span->day++;
  }
}

void justify_days(Interval* span) {
  int32 months = span->day / DAYS_PER_MONTH;
  span->day %= DAYS_PER_MONTH;
  if (__builtin_add_overflow(span->month, months, &span->month)) out_of_range();
  if (span->month > 0 && span->day < 0) {
    span->day += DAYS_PER_MONTH;
    span->month--;
  } else if (span->month < 0 && span->day > 0) {
    span->day -= DAYS_PER_MONTH;
    span->month++;
  }
}

int32 to_int32(double value) {
  if (std::isnan(value) || !FLOAT8_FITS_IN_INT32(value)) out_of_range();
  return static_cast<int32>(value);
}

// An interval times, or divided by, a number. What is left of the months becomes days, and what is left of
// the days becomes time; both leftovers are rounded to a microsecond first, so that no error of the last
// bit grows into a day.
template <typename Scale>
Interval* scaled(const Interval* span, Scale scale) {
  Interval* result = new_interval(to_int32(scale(span->month)), to_int32(scale(span->day)), 0);
  double days_left = TSROUND((scale(span->month) - result->month) * DAYS_PER_MONTH);
  double seconds_left =
      (scale(span->day) - result->day + days_left - static_cast<int>(days_left)) * SECS_PER_DAY;
  seconds_left = TSROUND(seconds_left);
  if (std::fabs(seconds_left) >= SECS_PER_DAY) {
    int whole = static_cast<int>(seconds_left / SECS_PER_DAY);
    if (__builtin_add_overflow(result->day, whole, &result->day)) out_of_range();
    seconds_left -= static_cast<double>(whole) * SECS_PER_DAY;
  }
  if (__builtin_add_overflow(result->day, static_cast<int32>(days_left), &result->day)) out_of_range();
  double time = std::rint(scale(static_cast<double>(span->time)) + seconds_left * USECS_PER_SEC);
  if (std::isnan(time) || !FLOAT8_FITS_IN_INT64(time)) out_of_range();
  result->time = static_cast<int64>(time);
  return result;
}

}  // namespace

extern "C" {

Datum interval_out(PG_FUNCTION_ARGS) {
  pg_itm itm;
  char text[MAXDATELEN + 1];
  interval2itm(*PG_GETARG_INTERVAL_P(0), &itm);
  EncodeInterval(&itm, IntervalStyle, text);
  PG_RETURN_CSTRING(pstrdup(text));
}

void interval2itm(Interval span, struct pg_itm* itm) {
  itm->tm_year = span.month / MONTHS_PER_YEAR;
  itm->tm_mon = span.month % MONTHS_PER_YEAR;
  itm->tm_mday = span.day;
  itm->tm_hour = span.time / USECS_PER_HOUR;
  int64 rest = span.time % USECS_PER_HOUR;
  itm->tm_min = static_cast<int>(rest / USECS_PER_MINUTE);
  rest %= USECS_PER_MINUTE;
  itm->tm_sec = static_cast<int>(rest / USECS_PER_SEC);
  itm->tm_usec = static_cast<int>(rest % USECS_PER_SEC);
}

// Zero, or -1 when the fields do not fit.
int itm2interval(struct pg_itm* itm, Interval* span) {
  int64 months = static_cast<int64>(itm->tm_year) * MONTHS_PER_YEAR + itm->tm_mon;
  if (months > INT_MAX || months < INT_MIN) return -1;
  int64 time;
  if (__builtin_mul_overflow(itm->tm_hour, USECS_PER_HOUR, &time) ||
      __builtin_add_overflow(time, itm->tm_min * USECS_PER_MINUTE + itm->tm_sec * USECS_PER_SEC, &time) ||
      __builtin_add_overflow(time, static_cast<int64>(itm->tm_usec), &time))
    return -1;
  span->month = static_cast<int32>(months);
  span->day = itm->tm_mday;
  span->time = time;
  return 0;
}

Datum interval_scale(PG_FUNCTION_ARGS) {
  const Interval* span = PG_GETARG_INTERVAL_P(0);
  Interval* result = new_interval(span->month, span->day, span->time);
  apply_typmod(result, PG_GETARG_INT32(1));
  PG_RETURN_INTERVAL_P(result);
}

Datum interval_justify_interval(PG_FUNCTION_ARGS) {
  const Interval* span = PG_GETARG_INTERVAL_P(0);
  Interval* result = new_interval(span->month, span->day, span->time);
  // First, so that a sum that overflows only on the way is avoided where the signs allow it.
  if ((result->day > 0 && result->time > 0) || (result->day < 0 && result->time < 0)) justify_days(result);
  int64 days = result->time / USECS_PER_DAY;
  result->time %= USECS_PER_DAY;
  if (__builtin_add_overflow(result->day, static_cast<int32>(days), &result->day)) out_of_range();
  int32 months = result->day / DAYS_PER_MONTH;
  result->day %= DAYS_PER_MONTH;
  if (__builtin_add_overflow(result->month, months, &result->month)) out_of_range();
  if (result->month > 0 && (result->day < 0 || (result->day == 0 && result->time < 0))) {
    result->day += DAYS_PER_MONTH;
    result->month--;
  } else if (result->month < 0 && (result->day > 0 || (result->day == 0 && result->time > 0))) {
    result->day -= DAYS_PER_MONTH;
    result->month++;
  }
  if (result->day > 0 && result->time < 0) {
    result->time += USECS_PER_DAY;
    result->day--;
  } else if (result->day < 0 && result->time > 0) {
    result->time -= USECS_PER_DAY;
    result->day++;
  }
  PG_RETURN_INTERVAL_P(result);
}

Datum interval_justify_hours(PG_FUNCTION_ARGS) {
  const Interval* span = PG_GETARG_INTERVAL_P(0);
  Interval* result = new_interval(span->month, span->day, span->time);
  justify_time(result);
  PG_RETURN_INTERVAL_P(result);
}

Datum interval_justify_days(PG_FUNCTION_ARGS) {
  const Interval* span = PG_GETARG_INTERVAL_P(0);
  Interval* result = new_interval(span->month, span->day, span->time);
  justify_days(result);
  PG_RETURN_INTERVAL_P(result);
}

Datum interval_um(PG_FUNCTION_ARGS) {
  const Interval* span = PG_GETARG_INTERVAL_P(0);
  if (span->time == PG_INT64_MIN || span->day == INT_MIN || span->month == INT_MIN) out_of_range();
  PG_RETURN_INTERVAL_P(new_interval(-span->month, -span->day, -span->time));
}

Datum interval_pl(PG_FUNCTION_ARGS) {
  const Interval* a = PG_GETARG_INTERVAL_P(0);
  const Interval* b = PG_GETARG_INTERVAL_P(1);
  Interval* result = new_interval(0, 0, 0);
  if (__builtin_add_overflow(a->month, b->month, &result->month) ||
      __builtin_add_overflow(a->day, b->day, &result->day) ||
      __builtin_add_overflow(a->time, b->time, &result->time))
    out_of_range();
  PG_RETURN_INTERVAL_P(result);
}

Datum interval_mi(PG_FUNCTION_ARGS) {
  const Interval* a = PG_GETARG_INTERVAL_P(0);
  const Interval* b = PG_GETARG_INTERVAL_P(1);
  Interval* result = new_interval(0, 0, 0);
  if (__builtin_sub_overflow(a->month, b->month, &result->month) ||
      __builtin_sub_overflow(a->day, b->day, &result->day) ||
      __builtin_sub_overflow(a->time, b->time, &result->time))
    out_of_range();
  PG_RETURN_INTERVAL_P(result);
}

Datum interval_mul(PG_FUNCTION_ARGS) {
  float8 factor = PG_GETARG_FLOAT8(1);
  PG_RETURN_INTERVAL_P(scaled(PG_GETARG_INTERVAL_P(0), [=](double part) { return part * factor; }));
}

Datum mul_d_interval(PG_FUNCTION_ARGS) {
  return DirectFunctionCall2(interval_mul, PG_GETARG_DATUM(1), PG_GETARG_DATUM(0));
}

Datum interval_div(PG_FUNCTION_ARGS) {
  float8 divisor = PG_GETARG_FLOAT8(1);
  if (divisor == 0) ereport(ERROR, (errcode(ERRCODE_DIVISION_BY_ZERO), errmsg("division by zero")));
  PG_RETURN_INTERVAL_P(scaled(PG_GETARG_INTERVAL_P(0), [=](double part) { return part / divisor; }));
}

Datum interval_eq(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(order(PG_GETARG_INTERVAL_P(0), PG_GETARG_INTERVAL_P(1)) == 0);
}
Datum interval_ne(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(order(PG_GETARG_INTERVAL_P(0), PG_GETARG_INTERVAL_P(1)) != 0);
}
Datum interval_lt(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(order(PG_GETARG_INTERVAL_P(0), PG_GETARG_INTERVAL_P(1)) < 0);
}
Datum interval_le(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(order(PG_GETARG_INTERVAL_P(0), PG_GETARG_INTERVAL_P(1)) <= 0);
}
Datum interval_gt(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(order(PG_GETARG_INTERVAL_P(0), PG_GETARG_INTERVAL_P(1)) > 0);
}
Datum interval_ge(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(order(PG_GETARG_INTERVAL_P(0), PG_GETARG_INTERVAL_P(1)) >= 0);
}
Datum interval_cmp(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(order(PG_GETARG_INTERVAL_P(0), PG_GETARG_INTERVAL_P(1)));
}
Datum interval_smaller(PG_FUNCTION_ARGS) {
  return order(PG_GETARG_INTERVAL_P(0), PG_GETARG_INTERVAL_P(1)) < 0 ? PG_GETARG_DATUM(0) : PG_GETARG_DATUM(1);
}
Datum interval_larger(PG_FUNCTION_ARGS) {
  return order(PG_GETARG_INTERVAL_P(0), PG_GETARG_INTERVAL_P(1)) > 0 ? PG_GETARG_DATUM(0) : PG_GETARG_DATUM(1);
}
// Equal intervals hash alike; the high half of the comparison value would add nothing.
Datum interval_hash(PG_FUNCTION_ARGS) {
  int64 value = static_cast<int64>(comparison_value(PG_GETARG_INTERVAL_P(0)));
  return DirectFunctionCall1(hashint8, Int64GetDatumFast(value));
}
Datum interval_finite(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(true);
}
}
