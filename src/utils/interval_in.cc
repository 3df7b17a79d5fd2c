// Interval input: the quantity-and-unit syntax, the SQL standard's literals, and both of ISO 8601's forms.
// The fields are read from the right to the left, because a unit stands behind its number and a bare number
// takes its meaning from what follows. A fraction of a unit goes into the smaller ones.
// C style throughout (no destructors). Failures of the readers are DTERR_ codes.
#include <cctype>
#include <cerrno>
#include <climits>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

#include "utils/datetime_fields.hpp"

extern "C" {
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
}

namespace {

bool fits_int32(int64 value) {
  return value >= INT_MIN && value <= INT_MAX;
}

// The sum of what has been read; every addition is false on overflow.
class Total {
 public:
  explicit Total(pg_itm_in* itm) : itm_(itm) {}

  bool add_micros(int64 value, double fraction, int64 scale) {
    int64 product;
    return !__builtin_mul_overflow(value, scale, &product) &&
           !__builtin_add_overflow(itm_->tm_usec, product, &itm_->tm_usec) &&
           add_micros_fraction(fraction, scale);
  }
  bool add_micros_fraction(double fraction, int64 scale) {
    if (fraction == 0) return true;
    fraction *= static_cast<double>(scale);
    int64 whole = static_cast<int64>(fraction);
    if (__builtin_add_overflow(itm_->tm_usec, whole, &itm_->tm_usec)) return false;
    fraction -= static_cast<double>(whole);
    if (fraction > 0.5) return !__builtin_add_overflow(itm_->tm_usec, 1, &itm_->tm_usec);
    if (fraction < -0.5) return !__builtin_sub_overflow(itm_->tm_usec, 1, &itm_->tm_usec);
    return true;
  }
  bool add_days(int64 value, int scale) { return add_scaled(value, scale, &itm_->tm_mday); }
  bool add_days_fraction(double fraction, int scale) {
    if (fraction == 0) return true;
    fraction *= scale;
    int whole = static_cast<int>(fraction);
    if (__builtin_add_overflow(itm_->tm_mday, whole, &itm_->tm_mday)) return false;
    return add_micros_fraction(fraction - whole, USECS_PER_DAY);
  }
  bool add_months(int64 value) { return add_scaled(value, 1, &itm_->tm_mon); }
  bool add_years(int64 value, int scale) { return add_scaled(value, scale, &itm_->tm_year); }
  // A fraction of years is rounded to whole months.
  bool add_years_fraction(double fraction, int scale) {
    int whole = static_cast<int>(std::rint(fraction * scale * MONTHS_PER_YEAR));
    return !__builtin_add_overflow(itm_->tm_mon, whole, &itm_->tm_mon);
  }

  // Adds `value` of a unit; *found is what has been specified by it, as a mask. A DTERR_ code for a bad unit.
  int add_units(int unit, int64 value, double fraction, int* found);

 private:
  bool add_scaled(int64 value, int scale, int* field) {
    int product;
    return fits_int32(value) && !__builtin_mul_overflow(static_cast<int>(value), scale, &product) &&
           !__builtin_add_overflow(*field, product, field);
  }

  pg_itm_in* itm_;
};

int Total::add_units(int unit, int64 value, double fraction, int* found) {
  bool good;
  switch (unit) {
    case DTK_MICROSEC:
      good = add_micros(value, fraction, 1);
      *found = DTK_M(MICROSECOND);
      break;
    case DTK_MILLISEC:
      good = add_micros(value, fraction, 1000);
      *found = DTK_M(MILLISECOND);
      break;
    case DTK_SECOND:
      good = add_micros(value, fraction, USECS_PER_SEC);
      *found = fraction == 0 ? DTK_M(SECOND) : DTK_ALL_SECS_M;
      break;
    case DTK_MINUTE:
      good = add_micros(value, fraction, USECS_PER_MINUTE);
      *found = DTK_M(MINUTE);
      break;
    case DTK_HOUR:
      good = add_micros(value, fraction, USECS_PER_HOUR);
      *found = DTK_M(HOUR);
      break;
    case DTK_DAY:
      good = add_days(value, 1) && add_micros_fraction(fraction, USECS_PER_DAY);
      *found = DTK_M(DAY);
      break;
    case DTK_WEEK:
      good = add_days(value, 7) && add_days_fraction(fraction, 7);
      *found = DTK_M(WEEK);
      break;
    case DTK_MONTH:
      good = add_months(value) && add_days_fraction(fraction, DAYS_PER_MONTH);
      *found = DTK_M(MONTH);
      break;
    case DTK_YEAR:
      good = add_years(value, 1) && add_years_fraction(fraction, 1);
      *found = DTK_M(YEAR);
      break;
    case DTK_DECADE:
      good = add_years(value, 10) && add_years_fraction(fraction, 10);
      *found = DTK_M(DECADE);
      break;
    case DTK_CENTURY:
      good = add_years(value, 100) && add_years_fraction(fraction, 100);
      *found = DTK_M(CENTURY);
      break;
    case DTK_MILLENNIUM:
      good = add_years(value, 1000) && add_years_fraction(fraction, 1000);
      *found = DTK_M(MILLENNIUM);
      break;
    default:
      return DTERR_BAD_FORMAT;
  }
  return good ? 0 : DTERR_FIELD_OVERFLOW;
}

int read_interval_clock(const char* text, int range, pg_itm_in* itm) {
  int64 hours;
  int minutes, seconds;
  fsec_t fsec;
  int error = bgw::read_clock(text, range, &hours, &minutes, &seconds, &fsec);
  if (error != 0) return error;
  int64 micros;
  if (__builtin_mul_overflow(hours, USECS_PER_HOUR, &micros) ||
      __builtin_add_overflow(micros, minutes * USECS_PER_MINUTE + seconds * USECS_PER_SEC + fsec, &micros))
    return DTERR_FIELD_OVERFLOW;
  itm->tm_usec = micros;
  return 0;
}

// The unit of a bare number at the right end: the smallest that the column's type keeps.
int rightmost_unit(int range) {
  switch (range) {
    case INTERVAL_MASK(YEAR):
      return DTK_YEAR;
    case INTERVAL_MASK(MONTH):
    case INTERVAL_MASK(YEAR) | INTERVAL_MASK(MONTH):
      return DTK_MONTH;
    case INTERVAL_MASK(DAY):
      return DTK_DAY;
    case INTERVAL_MASK(HOUR):
    case INTERVAL_MASK(DAY) | INTERVAL_MASK(HOUR):
      return DTK_HOUR;
    case INTERVAL_MASK(MINUTE):
    case INTERVAL_MASK(HOUR) | INTERVAL_MASK(MINUTE):
    case INTERVAL_MASK(DAY) | INTERVAL_MASK(HOUR) | INTERVAL_MASK(MINUTE):
      return DTK_MINUTE;
    default:
      return DTK_SECOND;
  }
}

// One quantity, "-3", "1.5", or the standard's years-months "1-2".
int read_quantity(const char* text, int* unit, int64* value, double* fraction) {
  char* rest;
  errno = 0;
  *value = strtoll(text, &rest, 10);
  if (errno == ERANGE) return DTERR_FIELD_OVERFLOW;
  *fraction = 0;
  if (*rest == '-') {
    int month;
    if (!bgw::leading_int(rest + 1, &rest, &month) || month < 0 || month >= MONTHS_PER_YEAR)
      return DTERR_FIELD_OVERFLOW;
    if (*rest != '\0') return DTERR_BAD_FORMAT;
    *unit = DTK_MONTH;
    if (*text == '-') month = -month;
    if (__builtin_mul_overflow(*value, static_cast<int64>(MONTHS_PER_YEAR), value) ||
        __builtin_add_overflow(*value, static_cast<int64>(month), value))
      return DTERR_FIELD_OVERFLOW;
  } else if (*rest == '.') {
    if (!bgw::read_fraction(rest, fraction)) return DTERR_BAD_FORMAT;
    if (*text == '-') *fraction = -*fraction;
  } else if (*rest != '\0') {
    return DTERR_BAD_FORMAT;
  }
  return 0;
}

bool negate(int* value) {
  if (*value == INT_MIN) return false;
  *value = -*value;
  return true;
}

// A number of ISO 8601's forms, cut into its whole and its fraction.
int read_iso_number(const char* text, const char** rest, int64* whole, double* fraction) {
  if (!isdigit(static_cast<unsigned char>(*text)) && *text != '-' && *text != '.') return DTERR_BAD_FORMAT;
  char* end;
  errno = 0;
  double value = strtod(text, &end);
  if (end == text || errno != 0) return DTERR_BAD_FORMAT;
  *rest = end;
  if (std::isnan(value) || value < -1.0e15 || value > 1.0e15) return DTERR_FIELD_OVERFLOW;
  *whole = static_cast<int64>(value);
  *fraction = value - static_cast<double>(*whole);
  return 0;
}

size_t digits_at(const char* text) {
  if (*text == '-') text++;
  return strspn(text, "0123456789");
}

class IsoIntervalReader {
 public:
  IsoIntervalReader(const char* text, pg_itm_in* itm) : p_(text), total_(itm) {}

  int read() {
    if (strlen(p_) < 2 || p_[0] != 'P') return DTERR_BAD_FORMAT;
    p_++;
    while (*p_ != '\0') {
      if (*p_ == 'T') {
        in_date_ = false;
        have_field_ = false;
        p_++;
        continue;
      }
      bool finished = false;
      int error = in_date_ ? read_date_part(&finished) : read_time_part(&finished);
      if (error != 0 || finished) return error;
    }
    return 0;
  }

 private:
  static int check(bool good) { return good ? 0 : DTERR_FIELD_OVERFLOW; }

  // After a group of the form without designators: the end, or a "T" that begins the time.
  bool time_follows() {
    in_date_ = false;
    have_field_ = false;
    return true;
  }

  int read_date_part(bool* finished) {
    const char* start = p_;
    int64 value;
    double fraction;
    int error = read_iso_number(p_, &p_, &value, &fraction);
    if (error != 0) return error;
    char unit = *p_;
    if (unit != '\0') p_++;
    int found;
    switch (unit) {
      case 'Y':
        error = total_.add_units(DTK_YEAR, value, fraction, &found);
        break;
      case 'M':
        error = total_.add_units(DTK_MONTH, value, fraction, &found);
        break;
      case 'W':
        error = total_.add_units(DTK_WEEK, value, fraction, &found);
        break;
      case 'D':
        error = total_.add_units(DTK_DAY, value, fraction, &found);
        break;
      case 'T':
      case '\0':
        if (digits_at(start) == 8 && !have_field_) {
          if (!total_.add_years(value / 10000, 1) || !total_.add_months(value / 100 % 100) ||
              !total_.add_days(value % 100, 1) || !total_.add_micros_fraction(fraction, USECS_PER_DAY))
            return DTERR_FIELD_OVERFLOW;
          *finished = unit == '\0';
          time_follows();
          return 0;
        }
        [[fallthrough]];
      case '-':
        return read_extended_date(unit, value, fraction, finished);
      default:
        return DTERR_BAD_FORMAT;
    }
    have_field_ = true;
    return error;
  }

  // yyyy-mm-dd, of which the later parts may be missing.
  int read_extended_date(char unit, int64 value, double fraction, bool* finished) {
    if (have_field_) return DTERR_BAD_FORMAT;
    int found;
    int error = total_.add_units(DTK_YEAR, value, fraction, &found);
    if (error != 0) return error;
    for (int part : {DTK_MONTH, DTK_DAY}) {
      if (unit == '\0') {
        *finished = true;
        return 0;
      }
      if (unit == 'T') {
        time_follows();
        return 0;
      }
      if (unit != '-') return DTERR_BAD_FORMAT;
      error = read_iso_number(p_, &p_, &value, &fraction);
      if (error == 0) error = total_.add_units(part, value, fraction, &found);
      if (error != 0) return error;
      unit = *p_;
      if (unit == '-' || unit == 'T') p_++;
    }
    if (unit == '\0') {
      *finished = true;
      return 0;
    }
    if (unit != 'T') return DTERR_BAD_FORMAT;
    time_follows();
    return 0;
  }

  int read_time_part(bool* finished) {
    const char* start = p_;
    int64 value;
    double fraction;
    int error = read_iso_number(p_, &p_, &value, &fraction);
    if (error != 0) return error;
    char unit = *p_;
    if (unit != '\0') p_++;
    switch (unit) {
      case 'H':
        error = check(total_.add_micros(value, fraction, USECS_PER_HOUR));
        break;
      case 'M':
        error = check(total_.add_micros(value, fraction, USECS_PER_MINUTE));
        break;
      case 'S':
        error = check(total_.add_micros(value, fraction, USECS_PER_SEC));
        break;
      case '\0':
        if (digits_at(start) == 6 && !have_field_) {
          *finished = true;
          return check(total_.add_micros(value / 10000, 0, USECS_PER_HOUR) &&
                       total_.add_micros(value / 100 % 100, 0, USECS_PER_MINUTE) &&
                       total_.add_micros(value % 100, 0, USECS_PER_SEC) &&
                       total_.add_micros_fraction(fraction, 1));
        }
        [[fallthrough]];
      case ':': {
        if (have_field_) return DTERR_BAD_FORMAT;
        if (!total_.add_micros(value, fraction, USECS_PER_HOUR)) return DTERR_FIELD_OVERFLOW;
        for (int64 scale : {USECS_PER_MINUTE, USECS_PER_SEC}) {
          if (unit == '\0') break;
          if (unit != ':') return DTERR_BAD_FORMAT;
          error = read_iso_number(p_, &p_, &value, &fraction);
          if (error == 0) error = check(total_.add_micros(value, fraction, scale));
          if (error != 0) return error;
          unit = *p_;
          if (unit == ':' && scale == USECS_PER_MINUTE) p_++;
        }
        *finished = true;
        return unit == '\0' ? 0 : DTERR_BAD_FORMAT;
      }
      default:
        return DTERR_BAD_FORMAT;
    }
    have_field_ = true;
    return error;
  }

  const char* p_;
  Total total_;
  bool in_date_ = true;
  bool have_field_ = false;
};

void clear(pg_itm_in* itm) {
  itm->tm_year = 0;
  itm->tm_mon = 0;
  itm->tm_mday = 0;
  itm->tm_usec = 0;
}

}  // namespace

extern "C" {

int DecodeInterval(char** field, int* ftype, int nf, int range, int* dtype, struct pg_itm_in* itm_in) {
  *dtype = DTK_DELTA;
  clear(itm_in);
  Total total(itm_in);
  // By the standard one sign in front is the sign of all; in that style it is read so unless other signs
  // are there.
  bool all_negative = IntervalStyle == INTSTYLE_SQL_STANDARD && nf > 0 && *field[0] == '-';
  for (int i = 1; i < nf; i++)
    if (*field[i] == '-' || *field[i] == '+') all_negative = false;
  bool ago = false;
  int seen = 0;
  int unit = IGNORE_DTF;
  for (int i = nf - 1; i >= 0; i--) {
    int found = 0;
    switch (ftype[i]) {
      case DTK_TIME: {
        int error = read_interval_clock(field[i], range, itm_in);
        if (error != 0) return error;
        if (all_negative && itm_in->tm_usec > 0) itm_in->tm_usec = -itm_in->tm_usec;
        found = DTK_TIME_M;
        unit = DTK_DAY;
        break;
      }
      case DTK_TZ:
        // A sign and digits: a signed time if a colon is in it, else a signed number.
        if (strchr(field[i] + 1, ':') != nullptr && read_interval_clock(field[i] + 1, range, itm_in) == 0) {
          if (*field[i] == '-') itm_in->tm_usec = -itm_in->tm_usec;
          if (all_negative && itm_in->tm_usec > 0) itm_in->tm_usec = -itm_in->tm_usec;
          found = DTK_TIME_M;
          unit = DTK_DAY;
          break;
        }
        [[fallthrough]];
      case DTK_DATE:
      case DTK_NUMBER: {
        if (unit == IGNORE_DTF) unit = rightmost_unit(range);
        int64 value;
        double fraction;
        int error = read_quantity(field[i], &unit, &value, &fraction);
        if (error != 0) return error;
        if (all_negative) {
          if (value > 0) value = -value;
          if (fraction > 0) fraction = -fraction;
        }
        error = total.add_units(unit, value, fraction, &found);
        if (error != 0) return error;
        if (unit == DTK_HOUR) unit = DTK_DAY;
        break;
      }
      case DTK_STRING:
      case DTK_SPECIAL: {
        int value;
        int type = DecodeUnits(i, field[i], &value);
        if (type == IGNORE_DTF) continue;
        if (type == UNITS) {
          unit = value;
        } else if (type == AGO) {
          ago = true;
          unit = value;
        } else {
          return DTERR_BAD_FORMAT;
        }
        break;
      }
      default:
        return DTERR_BAD_FORMAT;
    }
    if (found & seen) return DTERR_BAD_FORMAT;
    seen |= found;
  }
  if (seen == 0) return DTERR_BAD_FORMAT;
  if (ago) {
    if (itm_in->tm_usec == PG_INT64_MIN) return DTERR_FIELD_OVERFLOW;
    itm_in->tm_usec = -itm_in->tm_usec;
    if (!negate(&itm_in->tm_mday) || !negate(&itm_in->tm_mon) || !negate(&itm_in->tm_year))
      return DTERR_FIELD_OVERFLOW;
  }
  return 0;
}

int DecodeISO8601Interval(char* str, int* dtype, struct pg_itm_in* itm_in) {
  *dtype = DTK_DELTA;
  clear(itm_in);
  IsoIntervalReader reader(str, itm_in);
  return reader.read();
}

// Zero, or -1 when the months do not fit.
int itmin2interval(struct pg_itm_in* itm_in, Interval* span) {
  int64 months = static_cast<int64>(itm_in->tm_year) * MONTHS_PER_YEAR + itm_in->tm_mon;
  if (!fits_int32(months)) return -1;
  span->month = static_cast<int32>(months);
  span->day = itm_in->tm_mday;
  span->time = itm_in->tm_usec;
  return 0;
}

Datum interval_in(PG_FUNCTION_ARGS) {
  char* text = PG_GETARG_CSTRING(0);
  int32 typmod = PG_GETARG_INT32(2);
  char buffer[256];
  char* field[MAXDATEFIELDS];
  int type[MAXDATEFIELDS];
  int count, dtype;
  pg_itm_in itm;
  int range = typmod >= 0 ? INTERVAL_RANGE(typmod) : INTERVAL_FULL_RANGE;
  int error = ParseDateTime(text, buffer, sizeof buffer, field, type, MAXDATEFIELDS, &count);
  if (error == 0) error = DecodeInterval(field, type, count, range, &dtype, &itm);
  if (error == DTERR_BAD_FORMAT) error = DecodeISO8601Interval(text, &dtype, &itm);
  if (error != 0)
    DateTimeParseError(error == DTERR_FIELD_OVERFLOW ? DTERR_INTERVAL_OVERFLOW : error, text, "interval");
  if (dtype != DTK_DELTA) elog(ERROR, "unexpected dtype %d while parsing interval \"%s\"", dtype, text);
  Interval* result = static_cast<Interval*>(palloc(sizeof(Interval)));
  if (itmin2interval(&itm, result) != 0)
    ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("interval out of range")));
  // The column's precision and fields, if it has any, are applied as a cast does it.
  return DirectFunctionCall2(interval_scale, IntervalPGetDatum(result), Int32GetDatum(typmod));
}
}
