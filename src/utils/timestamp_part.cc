// Parts of instants and intervals: date_part (as a float), extract (as a numeric), date_trunc, and the ISO
// 8601 calendar of weeks. C style throughout (no destructors), because everything here may raise an error.
#include <cmath>
#include <cstring>

#include "utils/timezone_internal.hpp"

extern "C" {
#include "postgres.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
}

namespace {

struct Unit {
  char text[NAMEDATALEN];
  int type;
  int value;
};

// The unit's name in lower case, and what it means. Truncation knows the units of intervals alone.
void read_unit(const text* name, Unit* unit, bool for_truncation = false) {
  const char* data = VARDATA_ANY(name);
  int length = static_cast<int>(VARSIZE_ANY_EXHDR(name));
  if (length > NAMEDATALEN - 1) length = NAMEDATALEN - 1;
  for (int i = 0; i < length; i++)
    unit->text[i] = static_cast<char>(pg_tolower(static_cast<unsigned char>(data[i])));
  unit->text[length] = '\0';
  unit->type = DecodeUnits(0, unit->text, &unit->value);
  if (unit->type == UNKNOWN_FIELD && !for_truncation) unit->type = DecodeSpecial(0, unit->text, &unit->value);
}

// Special values such as "now" count as known units of the timestamp types alone.
[[noreturn]] void refuse(const Unit& unit, const char* type_name) {
  bool known = unit.type == UNITS || (unit.type == RESERV && strncmp(type_name, "timestamp", 9) == 0);
  if (known)
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("unit \"%s\" not supported for type %s", unit.text, type_name)));
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                  errmsg("unit \"%s\" not recognized for type %s", unit.text, type_name)));
  pg_unreachable();
}

[[noreturn]] void out_of_range(const char* what) {
  ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("%s out of range", what)));
  pg_unreachable();
}

// A part's value: `value` / 10 ^ `decimals`, plus `days` for what counts days and a fraction of one.
struct Part {
  enum class Kind { number, day_fraction, null, infinite } kind = Kind::number;
  int64 value = 0;
  int decimals = 0;
  int64 days = 0;           // day_fraction: whole days; `value` is microseconds of a day
  Numeric exact = nullptr;  // what extract gives, where an int64 of the smallest unit is too small
  bool negative = false;    // infinite
  double as_float = 0;      // number with decimals: computed the way the server computes it
};

// The server divides with as many decimals as a quotient has, and shows six.
Numeric rounded_seconds(Numeric value) {
  return DatumGetNumeric(DirectFunctionCall2(numeric_round, NumericGetDatum(value), Int32GetDatum(6)));
}

Part whole(int64 value) {
  Part part;
  part.value = value;
  return part;
}

Part fraction(int64 value, int decimals, double as_float) {
  Part part;
  part.value = value;
  part.decimals = decimals;
  part.as_float = as_float;
  return part;
}

Datum give(FunctionCallInfo fcinfo, const Part& part, bool as_numeric) {
  switch (part.kind) {
    case Part::Kind::null:
      PG_RETURN_NULL();
    case Part::Kind::infinite:
      if (!as_numeric) PG_RETURN_FLOAT8(part.negative ? -get_float8_infinity() : get_float8_infinity());
      return DirectFunctionCall3(numeric_in, CStringGetDatum(part.negative ? "-Infinity" : "Infinity"),
                                 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
    case Part::Kind::day_fraction:
      if (!as_numeric)
        PG_RETURN_FLOAT8(static_cast<double>(part.days) +
                         static_cast<double>(part.value) / static_cast<double>(USECS_PER_DAY));
      PG_RETURN_NUMERIC(numeric_add_opt_error(
          int64_to_numeric(part.days),
          numeric_div_opt_error(int64_to_numeric(part.value), int64_to_numeric(USECS_PER_DAY), nullptr),
          nullptr));
    case Part::Kind::number:
      break;
  }
  if (!as_numeric) PG_RETURN_FLOAT8(part.decimals > 0 ? part.as_float : static_cast<double>(part.value));
  if (part.decimals == 0) PG_RETURN_NUMERIC(int64_to_numeric(part.value));
  if (part.exact != nullptr) PG_RETURN_NUMERIC(part.exact);
  PG_RETURN_NUMERIC(int64_div_fast_to_numeric(part.value, part.decimals));
}

int64 decade(int year) {
  return year >= 0 ? year / 10 : -((8 - (year - 1)) / 10);
}
int64 century(int year) {
  return year > 0 ? (year + 99) / 100 : -((99 - (year - 1)) / 100);
}
int64 millennium(int year) {
  return year > 0 ? (year + 999) / 1000 : -((999 - (year - 1)) / 1000);
}

// The three units of a second that every type has.
bool second_part(int unit, int second, fsec_t fsec, Part* part) {
  int64 micros = second * USECS_PER_SEC + fsec;
  switch (unit) {
    case DTK_MICROSEC:
      *part = whole(micros);
      return true;
    case DTK_MILLISEC:
      *part = fraction(micros, 3, second * 1000.0 + fsec / 1000.0);
      return true;
    case DTK_SECOND:
      *part = fraction(micros, 6, second + fsec / 1000000.0);
      return true;
    default:
      return false;
  }
}

bool offset_part(int unit, int tz, Part* part) {
  switch (unit) {
    case DTK_TZ:
      *part = whole(-tz);
      return true;
    case DTK_TZ_MINUTE:
      *part = whole(-tz / SECS_PER_MINUTE % MINS_PER_HOUR);
      return true;
    case DTK_TZ_HOUR:
      *part = whole(-tz / SECS_PER_HOUR);
      return true;
    default:
      return false;
  }
}

bool date_part_of(int unit, const pg_tm& tm, Part* part) {
  int year = tm.tm_year;
  switch (unit) {
    case DTK_DAY:
      *part = whole(tm.tm_mday);
      return true;
    case DTK_MONTH:
      *part = whole(tm.tm_mon);
      return true;
    case DTK_QUARTER:
      *part = whole((tm.tm_mon - 1) / 3 + 1);
      return true;
    case DTK_WEEK:
      *part = whole(date2isoweek(year, tm.tm_mon, tm.tm_mday));
      return true;
    case DTK_YEAR:
      *part = whole(year > 0 ? year : year - 1);
      return true;
    case DTK_DECADE:
      *part = whole(decade(year));
      return true;
    case DTK_CENTURY:
      *part = whole(century(year));
      return true;
    case DTK_MILLENNIUM:
      *part = whole(millennium(year));
      return true;
    case DTK_ISOYEAR: {
      int iso = date2isoyear(year, tm.tm_mon, tm.tm_mday);
      *part = whole(iso <= 0 ? iso - 1 : iso);
      return true;
    }
    case DTK_DOW:
    case DTK_ISODOW: {
      int day = j2day(date2j(year, tm.tm_mon, tm.tm_mday));
      *part = whole(unit == DTK_ISODOW && day == 0 ? 7 : day);
      return true;
    }
    case DTK_DOY:
      *part = whole(date2j(year, tm.tm_mon, tm.tm_mday) - date2j(year, 1, 1) + 1);
      return true;
    default:
      return false;
  }
}

// Of an infinite instant: what grows without limit is infinite, what repeats is unknown.
Part infinite_part(const Unit& unit, bool negative, const char* type_name) {
  Part part;
  bool endless = unit.type == RESERV && unit.value == DTK_EPOCH;
  bool repeats = false;
  if (unit.type == UNITS) {
    switch (unit.value) {
      case DTK_YEAR:
      case DTK_DECADE:
      case DTK_CENTURY:
      case DTK_MILLENNIUM:
      case DTK_JULIAN:
      case DTK_ISOYEAR:
        endless = true;
        break;
      case DTK_MICROSEC:
      case DTK_MILLISEC:
      case DTK_SECOND:
      case DTK_MINUTE:
      case DTK_HOUR:
      case DTK_DAY:
      case DTK_MONTH:
      case DTK_QUARTER:
      case DTK_WEEK:
      case DTK_DOW:
      case DTK_ISODOW:
      case DTK_DOY:
        repeats = true;
        break;
      case DTK_TZ:
      case DTK_TZ_HOUR:
      case DTK_TZ_MINUTE:
        repeats = true;
        break;
      default:
        break;
    }
  }
  if (!endless && !repeats) refuse(unit, type_name);
  part.kind = endless ? Part::Kind::infinite : Part::Kind::null;
  part.negative = negative;
  return part;
}

Part instant_part(const Unit& unit, Timestamp value, bool with_zone) {
  const char* type_name = with_zone ? "timestamp with time zone" : "timestamp without time zone";
  if (TIMESTAMP_NOT_FINITE(value)) return infinite_part(unit, TIMESTAMP_IS_NOBEGIN(value), type_name);
  Part part;
  if (unit.type == RESERV && unit.value == DTK_EPOCH) {
    Timestamp epoch = SetEpochTimestamp();
    int64 micros = 0;
    double seconds;
    if (__builtin_sub_overflow(value, epoch, &micros)) {
      // Too far in the future for a count of microseconds since 1970.
      seconds = (static_cast<double>(value) - static_cast<double>(epoch)) / 1000000.0;
      part = fraction(value, 6, seconds);
      part.exact = numeric_sub_opt_error(int64_to_numeric(value), int64_to_numeric(epoch), nullptr);
      part.exact = rounded_seconds(numeric_div_opt_error(part.exact, int64_to_numeric(USECS_PER_SEC), nullptr));
      return part;
    }
    return fraction(micros, 6, static_cast<double>(micros) / 1000000.0);
  }
  if (unit.type != UNITS) refuse(unit, type_name);
  pg_tm tm;
  fsec_t fsec;
  int tz = 0;
  if (timestamp2tm(value, with_zone ? &tz : nullptr, &tm, &fsec, nullptr, nullptr) != 0)
    out_of_range("timestamp");
  if (second_part(unit.value, tm.tm_sec, fsec, &part) || date_part_of(unit.value, tm, &part) ||
      (with_zone && offset_part(unit.value, tz, &part)))
    return part;
  switch (unit.value) {
    case DTK_MINUTE:
      return whole(tm.tm_min);
    case DTK_HOUR:
      return whole(tm.tm_hour);
    case DTK_JULIAN:
      part.kind = Part::Kind::day_fraction;
      part.days = date2j(tm.tm_year, tm.tm_mon, tm.tm_mday);
      part.value =
          ((tm.tm_hour * static_cast<int64>(MINS_PER_HOUR) + tm.tm_min) * SECS_PER_MINUTE + tm.tm_sec) *
              USECS_PER_SEC +
          fsec;
      return part;
    default:
      refuse(unit, type_name);
  }
}

Part span_part(const Unit& unit, const Interval& span) {
  if (unit.type == RESERV && unit.value == DTK_EPOCH) {
    // Years of 365.25 days and months of 30, counted in quarters of a day to stay with integers.
    int64 quarters = static_cast<int64>(4 * DAYS_PER_YEAR) * (span.month / MONTHS_PER_YEAR) +
                     static_cast<int64>(4 * DAYS_PER_MONTH) * (span.month % MONTHS_PER_YEAR) +
                     static_cast<int64>(4) * span.day;
    int64 seconds = quarters * (SECS_PER_DAY / 4);
    double as_float = static_cast<double>(span.time) / 1000000.0;
    as_float += DAYS_PER_YEAR * SECS_PER_DAY * (span.month / MONTHS_PER_YEAR);
    as_float += static_cast<double>(DAYS_PER_MONTH) * SECS_PER_DAY * (span.month % MONTHS_PER_YEAR);
    as_float += static_cast<double>(SECS_PER_DAY) * span.day;
    int64 micros;
    if (__builtin_mul_overflow(seconds, USECS_PER_SEC, &micros) ||
        __builtin_add_overflow(micros, span.time, &micros)) {
      Part part = fraction(span.time, 6, as_float);
      part.exact = numeric_div_opt_error(int64_to_numeric(span.time), int64_to_numeric(USECS_PER_SEC), nullptr);
      part.exact = rounded_seconds(numeric_add_opt_error(part.exact, int64_to_numeric(seconds), nullptr));
      return part;
    }
    return fraction(micros, 6, as_float);
  }
  if (unit.type != UNITS) refuse(unit, "interval");
  pg_itm itm;
  interval2itm(span, &itm);
  Part part;
  if (second_part(unit.value, itm.tm_sec, itm.tm_usec, &part)) return part;
  switch (unit.value) {
    case DTK_MINUTE:
      return whole(itm.tm_min);
    case DTK_HOUR:
      return whole(itm.tm_hour);
    case DTK_DAY:
      return whole(itm.tm_mday);
    case DTK_MONTH:
      return whole(itm.tm_mon);
    case DTK_QUARTER:
      return whole(itm.tm_mon / 3 + 1);
    case DTK_YEAR:
      return whole(itm.tm_year);
    case DTK_DECADE:
      return whole(itm.tm_year / 10);
    case DTK_CENTURY:
      return whole(itm.tm_year / 100);
    case DTK_MILLENNIUM:
      return whole(itm.tm_year / 1000);
    default:
      refuse(unit, "interval");
  }
}

Part clock_part(const Unit& unit, TimeADT time, const int* zone) {
  const char* type_name = zone ? "time with time zone" : "time without time zone";
  if (unit.type == RESERV && unit.value == DTK_EPOCH) {
    int64 micros = time + (zone ? *zone * USECS_PER_SEC : 0);
    double as_float = static_cast<double>(time) / 1000000.0 + (zone ? *zone : 0);
    return fraction(micros, 6, as_float);
  }
  if (unit.type != UNITS) refuse(unit, type_name);
  pg_tm tm;
  fsec_t fsec;
  Part part;
  time2tm(time, &tm, &fsec);
  if (second_part(unit.value, tm.tm_sec, fsec, &part)) return part;
  if (zone != nullptr && offset_part(unit.value, *zone, &part)) return part;
  if (unit.value == DTK_MINUTE) return whole(tm.tm_min);
  if (unit.value == DTK_HOUR) return whole(tm.tm_hour);
  refuse(unit, type_name);
}

// Sets everything smaller than the unit to its least value. True when the date or the hour has changed, so
// that the offset must be looked up again.
bool truncate_fields(const Unit& unit, pg_tm* tm, fsec_t* fsec, const char* type_name) {
  if (unit.type != UNITS) refuse(unit, type_name);
  int year = tm->tm_year;
  enum { to_year, to_month, to_day, to_hour, to_minute, to_second } level = to_year;
  switch (unit.value) {
    case DTK_MICROSEC:
      return false;
    case DTK_MILLISEC:
      *fsec -= *fsec % 1000;
      return false;
    case DTK_SECOND:
      level = to_second;
      break;
    case DTK_MINUTE:
      level = to_minute;
      break;
    case DTK_HOUR:
      level = to_hour;
      break;
    case DTK_DAY:
      level = to_day;
      break;
    case DTK_WEEK: {
      int week = date2isoweek(tm->tm_year, tm->tm_mon, tm->tm_mday);
      // The last days of a year can be in the next year's first week, and the first days in the last year's.
      if (week >= 52 && tm->tm_mon == 1) --tm->tm_year;
      if (week <= 1 && tm->tm_mon == MONTHS_PER_YEAR) ++tm->tm_year;
      isoweek2date(week, &tm->tm_year, &tm->tm_mon, &tm->tm_mday);
      level = to_day;
      break;
    }
    case DTK_MONTH:
      level = to_month;
      break;
    case DTK_QUARTER:
      tm->tm_mon = 3 * ((tm->tm_mon - 1) / 3) + 1;
      level = to_month;
      break;
    case DTK_YEAR:
      break;
    case DTK_DECADE:
      tm->tm_year = static_cast<int>(year > 0 ? year / 10 * 10 : -((8 - (year - 1)) / 10) * 10);
      break;
    case DTK_CENTURY:
      tm->tm_year = static_cast<int>(century(year) * 100 - (year > 0 ? 99 : -1));
      break;
    case DTK_MILLENNIUM:
      tm->tm_year = static_cast<int>(millennium(year) * 1000 - (year > 0 ? 999 : -1));
      break;
    default:
      refuse(unit, type_name);
  }
  if (level <= to_year) tm->tm_mon = 1;
  if (level <= to_month) tm->tm_mday = 1;
  if (level <= to_day) tm->tm_hour = 0;
  if (level <= to_hour) tm->tm_min = 0;
  if (level <= to_minute) tm->tm_sec = 0;
  *fsec = 0;
  return level <= to_day;
}

Timestamp truncate(const text* name, Timestamp value, pg_tz* zone) {
  if (TIMESTAMP_NOT_FINITE(value)) return value;
  const char* type_name = zone ? "timestamp with time zone" : "timestamp without time zone";
  Unit unit;
  read_unit(name, &unit, true);
  pg_tm tm;
  fsec_t fsec;
  int tz = 0;
  Timestamp result;
  if (unit.type != UNITS) refuse(unit, type_name);
  if (timestamp2tm(value, zone ? &tz : nullptr, &tm, &fsec, nullptr, zone) != 0) out_of_range("timestamp");
  bool new_offset = truncate_fields(unit, &tm, &fsec, type_name);
  if (zone != nullptr && new_offset) tz = DetermineTimeZoneOffset(&tm, zone);
  if (tm2timestamp(&tm, fsec, zone ? &tz : nullptr, &result) != 0) out_of_range("timestamp");
  return result;
}

Part of_instant(FunctionCallInfo fcinfo, bool with_zone) {
  Unit unit;
  read_unit(PG_GETARG_TEXT_PP(0), &unit);
  return instant_part(unit, PG_GETARG_TIMESTAMP(1), with_zone);
}

Part of_span(FunctionCallInfo fcinfo) {
  Unit unit;
  read_unit(PG_GETARG_TEXT_PP(0), &unit);
  return span_part(unit, *PG_GETARG_INTERVAL_P(1));
}

Part of_clock(FunctionCallInfo fcinfo, bool with_zone) {
  Unit unit;
  read_unit(PG_GETARG_TEXT_PP(0), &unit);
  if (!with_zone) return clock_part(unit, PG_GETARG_TIMEADT(1), nullptr);
  const TimeTzADT* time = PG_GETARG_TIMETZADT_P(1);
  int zone = time->zone;
  return clock_part(unit, time->time, &zone);
}

// The Julian day of the Monday with which the ISO year begins.
int first_monday(int year) {
  int fourth = date2j(year, 1, 4);
  return fourth - (j2day(fourth - 1));
}

}  // namespace

extern "C" {

int isoweek2j(int year, int week) {
  return first_monday(year) + (week - 1) * 7;
}

void isoweek2date(int woy, int* year, int* mon, int* mday) {
  j2date(isoweek2j(*year, woy), year, mon, mday);
}

// `wday` counts from Sunday, 1.
void isoweekdate2date(int isoweek, int wday, int* year, int* mon, int* mday) {
  int day = isoweek2j(*year, isoweek) + (wday > 1 ? wday - 2 : 6);
  j2date(day, year, mon, mday);
}

int date2isoyear(int year, int mon, int mday) {
  int day = date2j(year, mon, mday);
  if (day >= first_monday(year + 1)) return year + 1;
  return day < first_monday(year) ? year - 1 : year;
}

int date2isoweek(int year, int mon, int mday) {
  return (date2j(year, mon, mday) - first_monday(date2isoyear(year, mon, mday))) / 7 + 1;
}

int date2isoyearday(int year, int mon, int mday) {
  return date2j(year, mon, mday) - isoweek2j(date2isoyear(year, mon, mday), 1) + 1;
}

Datum timestamp_part(PG_FUNCTION_ARGS) {
  return give(fcinfo, of_instant(fcinfo, false), false);
}
Datum timestamptz_part(PG_FUNCTION_ARGS) {
  return give(fcinfo, of_instant(fcinfo, true), false);
}
Datum extract_timestamp(PG_FUNCTION_ARGS) {
  return give(fcinfo, of_instant(fcinfo, false), true);
}
Datum extract_timestamptz(PG_FUNCTION_ARGS) {
  return give(fcinfo, of_instant(fcinfo, true), true);
}
Datum interval_part(PG_FUNCTION_ARGS) {
  return give(fcinfo, of_span(fcinfo), false);
}
Datum extract_interval(PG_FUNCTION_ARGS) {
  return give(fcinfo, of_span(fcinfo), true);
}
Datum time_part(PG_FUNCTION_ARGS) {
  return give(fcinfo, of_clock(fcinfo, false), false);
}
Datum extract_time(PG_FUNCTION_ARGS) {
  return give(fcinfo, of_clock(fcinfo, false), true);
}
Datum timetz_part(PG_FUNCTION_ARGS) {
  return give(fcinfo, of_clock(fcinfo, true), false);
}
Datum extract_timetz(PG_FUNCTION_ARGS) {
  return give(fcinfo, of_clock(fcinfo, true), true);
}

Datum timestamp_trunc(PG_FUNCTION_ARGS) {
  PG_RETURN_TIMESTAMP(truncate(PG_GETARG_TEXT_PP(0), PG_GETARG_TIMESTAMP(1), nullptr));
}
Datum timestamptz_trunc(PG_FUNCTION_ARGS) {
  PG_RETURN_TIMESTAMPTZ(truncate(PG_GETARG_TEXT_PP(0), PG_GETARG_TIMESTAMPTZ(1), bgw::session_zone()));
}

Datum interval_trunc(PG_FUNCTION_ARGS) {
  Unit unit;
  read_unit(PG_GETARG_TEXT_PP(0), &unit, true);
  Interval* result = static_cast<Interval*>(palloc(sizeof(Interval)));
  *result = *PG_GETARG_INTERVAL_P(1);
  if (unit.type != UNITS) refuse(unit, "interval");
  int64 keep_time = 1;  // microseconds of which the time stays a multiple; 0: no time stays
  int keep_months = 1;  // the same for months
  bool keep_days = true;
  switch (unit.value) {
    case DTK_MICROSEC:
      break;
    case DTK_MILLISEC:
      keep_time = 1000;
      break;
    case DTK_SECOND:
      keep_time = USECS_PER_SEC;
      break;
    case DTK_MINUTE:
      keep_time = USECS_PER_MINUTE;
      break;
    case DTK_HOUR:
      keep_time = USECS_PER_HOUR;
      break;
    case DTK_DAY:
      keep_time = 0;
      break;
    case DTK_MONTH:
    case DTK_QUARTER:
    case DTK_YEAR:
    case DTK_DECADE:
    case DTK_CENTURY:
    case DTK_MILLENNIUM:
      keep_time = 0;
      keep_days = false;
      keep_months = unit.value == DTK_MONTH     ? 1
                    : unit.value == DTK_QUARTER ? 3
                    : unit.value == DTK_YEAR    ? 12
                    : unit.value == DTK_DECADE  ? 120
                    : unit.value == DTK_CENTURY ? 1200
                                                : 12000;
      break;
    case DTK_WEEK:
      ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                      errmsg("unit \"%s\" not supported for type %s", unit.text, "interval"),
                      errdetail("Months usually have fractional weeks.")));
      break;
    default:
      refuse(unit, "interval");
  }
  result->time = keep_time == 0 ? 0 : result->time - result->time % keep_time;
  if (!keep_days) result->day = 0;
  result->month -= result->month % keep_months;
  PG_RETURN_INTERVAL_P(result);
}
}
