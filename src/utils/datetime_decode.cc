// The second half of date and time input: giving the fields of ParseDateTime their meaning, by the rules of
// the manual's appendix on date/time input. DecodeDateTime reads dates and timestamps, DecodeTimeOnly times
// of day; the two accept nearly the same fields, so one reader does both.
// Failures are DTERR_ codes; only an unknown zone's name raises an error. C style: no destructors.
#include <cctype>
#include <cerrno>
#include <climits>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "utils/datetime_fields.hpp"
#include "utils/timezone_internal.hpp"

extern "C" {
#include "miscadmin.h"
#include "utils/date.h"
}

namespace {

bool digit(char c) {
  return c >= '0' && c <= '9';
}
bool has_all(int mask, int wanted) {
  return (mask & wanted) == wanted;
}

class FieldReader {
 public:
  FieldReader(char** field, int* type, int count, pg_tm* tm, fsec_t* fsec, int* tzp, bool time_only)
      : field_(field), type_(type), count_(count), tm_(tm), fsec_(fsec), tzp_(tzp), time_only_(time_only) {}

  int read_all(int* dtype);
  int finish_date_time(int dtype);
  int finish_time();

 private:
  int read_field(int i, int* dtype, int* found);
  int read_date_field(int i, int* found);
  int read_run_together_with_zone(char* text, int* found);
  int read_named_zone(char* text, int* found);
  int read_date(char* text, int* found);
  int read_number_field(int i, int* dtype, int* found);
  int read_labelled_number(int i, int* dtype, int* found);
  int read_number(char* text, bool text_month, int seen, int* found);
  int read_run_together(char* text, int seen, int* found);
  int read_word(int i, int* dtype, int* found);
  int read_reserved(int value, int* dtype, int* found);
  int adjust_hour();
  bool date_may_lead(int i) const {
    return i == 0 && count_ >= 2 && (type_[count_ - 1] == DTK_DATE || type_[1] == DTK_TIME);
  }
  // A time of day counts as a date already read when numbers are judged.
  int seen_for_numbers() const { return time_only_ ? seen_ | DTK_DATE_M : seen_; }

  char** field_;
  int* type_;
  int count_;
  pg_tm* tm_;
  fsec_t* fsec_;
  int* tzp_;
  bool time_only_;

  int seen_ = 0;   // DTK_M() of what has been read
  int label_ = 0;  // a unit word that says what the next number is
  int meridian_ = HR24;
  bool text_month_ = false;
  bool julian_ = false;
  bool two_digit_year_ = false;
  bool before_christ_ = false;
  pg_tz* named_zone_ = nullptr;
  pg_tz* abbreviation_zone_ = nullptr;
  char* abbreviation_ = nullptr;
};

int FieldReader::read_all(int* dtype) {
  for (int i = 0; i < count_; i++) {
    int found = 0;
    int error = read_field(i, dtype, &found);
    if (error != 0) return error;
    if (found & seen_) return DTERR_BAD_FORMAT;
    seen_ |= found;
  }
  return 0;
}

int FieldReader::read_field(int i, int* dtype, int* found) {
  char* text = field_[i];
  switch (type_[i]) {
    case DTK_DATE:
      return read_date_field(i, found);
    case DTK_TIME: {
      if (label_ != 0 && !time_only_) {
        if (label_ != DTK_TIME) return DTERR_BAD_FORMAT;
        label_ = 0;
      }
      int64 hours;
      int error = bgw::read_clock(text, INTERVAL_FULL_RANGE, &hours, &tm_->tm_min, &tm_->tm_sec, fsec_);
      if (error != 0) return error;
      if (hours > INT_MAX) return DTERR_FIELD_OVERFLOW;
      tm_->tm_hour = static_cast<int>(hours);
      *found = DTK_TIME_M;
      if (!time_only_ && time_overflows(tm_->tm_hour, tm_->tm_min, tm_->tm_sec, *fsec_))
        return DTERR_FIELD_OVERFLOW;
      return 0;
    }
    case DTK_TZ: {
      int offset;
      if (tzp_ == nullptr) return DTERR_BAD_FORMAT;
      int error = DecodeTimezone(text, &offset);
      if (error != 0) return error;
      *tzp_ = offset;
      *found = DTK_M(TZ);
      return 0;
    }
    case DTK_NUMBER:
      return label_ != 0 ? read_labelled_number(i, dtype, found) : read_number_field(i, dtype, found);
    case DTK_STRING:
    case DTK_SPECIAL:
      return read_word(i, dtype, found);
    default:
      return DTERR_BAD_FORMAT;
  }
}

int FieldReader::read_date_field(int i, int* found) {
  char* text = field_[i];
  if (time_only_) {
    if (tzp_ == nullptr) return DTERR_BAD_FORMAT;
    if (date_may_lead(i)) return read_date(text, found);
    if (!digit(text[0])) return read_named_zone(text, found);
    return read_run_together_with_zone(text, found);
  }
  if (label_ == DTK_JULIAN) {
    // A Julian day with a zone behind it, which looked like a date.
    if (tzp_ == nullptr) return DTERR_BAD_FORMAT;
    char* rest;
    int day;
    if (!bgw::leading_int(text, &rest, &day) || day < 0) return DTERR_FIELD_OVERFLOW;
    j2date(day, &tm_->tm_year, &tm_->tm_mon, &tm_->tm_mday);
    julian_ = true;
    int error = DecodeTimezone(rest, tzp_);
    if (error != 0) return error;
    *found = DTK_DATE_M | DTK_TIME_M | DTK_M(TZ);
    label_ = 0;
    return 0;
  }
  if (label_ == 0 && !has_all(seen_, DTK_M(MONTH) | DTK_M(DAY))) return read_date(text, found);
  if (!digit(text[0]) && label_ == 0) return read_named_zone(text, found);
  if (label_ != 0) {
    if (label_ != DTK_TIME) return DTERR_BAD_FORMAT;
    label_ = 0;
  }
  return read_run_together_with_zone(text, found);
}

// "040506-08": digits of a time, and an offset.
int FieldReader::read_run_together_with_zone(char* text, int* found) {
  if (has_all(seen_, DTK_TIME_M)) return DTERR_BAD_FORMAT;
  char* zone = strchr(text, '-');
  if (zone == nullptr) return DTERR_BAD_FORMAT;
  int error = DecodeTimezone(zone, tzp_);
  if (error != 0) return error;
  *zone = '\0';
  int kind = read_run_together(text, seen_for_numbers(), found);
  if (kind < 0) return kind;
  if (time_only_) type_[0] = kind;
  *found |= DTK_M(TZ);
  return 0;
}

int FieldReader::read_named_zone(char* text, int* found) {
  named_zone_ = pg_tzset(text);
  if (named_zone_ == nullptr)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("time zone \"%s\" not recognized", text)));
  *found = DTK_M(TZ);
  return 0;
}

// A date written as one field with separators: a month's name first, wherever it stands, then the numbers.
int FieldReader::read_date(char* text, int* found) {
  constexpr int kMaxParts = MAXDATEFIELDS;
  char* part[kMaxParts];
  int n = 0;
  *found = 0;
  for (char* p = text; *p != '\0' && n < kMaxParts;) {
    while (*p != '\0' && !isalnum(static_cast<unsigned char>(*p))) p++;
    if (*p == '\0') return DTERR_BAD_FORMAT;
    part[n++] = p;
    if (digit(*p))
      while (digit(*p)) p++;
    else
      while (isalpha(static_cast<unsigned char>(*p))) p++;
    if (*p != '\0') *p++ = '\0';
  }
  bool text_month = false;
  int seen = seen_;
  for (int i = 0; i < n; i++) {
    if (digit(part[i][0])) continue;
    int value;
    int type = DecodeSpecial(i, part[i], &value);
    if (type == IGNORE_DTF) continue;
    if (type != MONTH || (seen & DTK_M(MONTH))) return DTERR_BAD_FORMAT;
    tm_->tm_mon = value;
    text_month = true;
    seen |= DTK_M(MONTH);
    *found |= DTK_M(MONTH);
    part[i] = nullptr;
  }
  for (int i = 0; i < n; i++) {
    if (part[i] == nullptr) continue;
    if (part[i][0] == '\0') return DTERR_BAD_FORMAT;
    int one = 0;
    fsec_t ignored = *fsec_;
    int error = read_number(part[i], text_month, seen, &one);
    *fsec_ = ignored;
    if (error != 0) return error;
    if (seen & one) return DTERR_BAD_FORMAT;
    seen |= one;
    *found |= one;
  }
  if ((seen & ~(DTK_M(DOY) | DTK_M(TZ))) != DTK_DATE_M) return DTERR_BAD_FORMAT;
  return 0;
}

int FieldReader::read_number_field(int i, int* dtype, int* found) {
  char* text = field_[i];
  size_t length = strlen(text);
  char* point = strchr(text, '.');
  size_t before_point = point ? static_cast<size_t>(point - text) : length;
  if (time_only_) {
    if (point != nullptr) {
      if (i == 0 && count_ >= 2 && type_[count_ - 1] == DTK_DATE) return read_date(text, found);
      if (before_point <= 2) return DTERR_BAD_FORMAT;
    }
    if (point != nullptr || length > 4) {
      int kind = read_run_together(text, seen_for_numbers(), found);
      if (kind < 0) return kind;
      type_[i] = kind;
      return 0;
    }
    return read_number(text, false, seen_for_numbers(), found);
  }
  if (point != nullptr && !(seen_ & DTK_DATE_M)) return read_date(text, found);
  bool run_together = (point != nullptr && before_point > 2) ||
                      (length >= 6 && (!(seen_ & DTK_DATE_M) || !(seen_ & DTK_TIME_M)));
  if (run_together) {
    int kind = read_run_together(text, seen_, found);
    return kind < 0 ? kind : 0;
  }
  return read_number(text, text_month_, seen_, found);
}

// The number behind a unit word, as in "J2451187", "y2001m02d04" or "T040506".
int FieldReader::read_labelled_number(int i, int* dtype, int* found) {
  char* text = field_[i];
  int label = label_;
  label_ = 0;
  char* rest;
  int value;
  if (!bgw::leading_int(text, &rest, &value)) return DTERR_FIELD_OVERFLOW;
  if (label == DTK_TIME) {
    int kind = read_run_together(text, seen_ | DTK_DATE_M, found);
    if (kind < 0) return kind;
    if (time_only_) type_[i] = kind;
    return *found == DTK_TIME_M ? 0 : DTERR_BAD_FORMAT;
  }
  bool names_date = label == DTK_JULIAN || label == DTK_YEAR || label == DTK_MONTH || label == DTK_DAY;
  if (time_only_ && names_date && tzp_ == nullptr) return DTERR_BAD_FORMAT;
  if (*rest == '.') {
    if (label != DTK_JULIAN && label != DTK_TIME && label != DTK_SECOND) return DTERR_BAD_FORMAT;
  } else if (*rest != '\0') {
    return DTERR_BAD_FORMAT;
  }
  switch (label) {
    case DTK_YEAR:
      tm_->tm_year = value;
      *found = DTK_M(YEAR);
      break;
    case DTK_MONTH:
      // "h04m05" means minutes.
      if ((seen_ & DTK_M(MONTH)) && (seen_ & DTK_M(HOUR))) {
        tm_->tm_min = value;
        *found = DTK_M(MINUTE);
      } else {
        tm_->tm_mon = value;
        *found = DTK_M(MONTH);
      }
      break;
    case DTK_DAY:
      tm_->tm_mday = value;
      *found = DTK_M(DAY);
      break;
    case DTK_HOUR:
      tm_->tm_hour = value;
      *found = DTK_M(HOUR);
      break;
    case DTK_MINUTE:
      tm_->tm_min = value;
      *found = DTK_M(MINUTE);
      break;
    case DTK_SECOND:
      tm_->tm_sec = value;
      *found = DTK_M(SECOND);
      if (*rest == '.') {
        double fraction;
        if (!bgw::read_fraction(rest, &fraction)) return DTERR_BAD_FORMAT;
        *fsec_ = static_cast<fsec_t>(std::rint(fraction * 1000000));
        *found = DTK_ALL_SECS_M;
      }
      break;
    case DTK_TZ: {
      *found = DTK_M(TZ);
      int error = DecodeTimezone(text, tzp_);
      if (error != 0) return error;
      break;
    }
    case DTK_JULIAN:
      if (tzp_ == nullptr) return DTERR_BAD_FORMAT;
      if (value < 0) return DTERR_FIELD_OVERFLOW;
      *found = DTK_DATE_M;
      j2date(value, &tm_->tm_year, &tm_->tm_mon, &tm_->tm_mday);
      julian_ = true;
      if (*rest == '.') {
        double fraction;
        if (!bgw::read_fraction(rest, &fraction)) return DTERR_BAD_FORMAT;
        int64 micros = static_cast<int64>(fraction * USECS_PER_DAY);
        dt2time(micros, &tm_->tm_hour, &tm_->tm_min, &tm_->tm_sec, fsec_);
        *found |= DTK_TIME_M;
      }
      break;
    default:
      return DTERR_BAD_FORMAT;
  }
  *dtype = DTK_DATE;
  return 0;
}

// One number of a date whose parts are separate. Which part it is depends on what has been read, on the
// number of digits and on DateOrder.
int FieldReader::read_number(char* text, bool text_month, int seen, int* found) {
  char* rest;
  int value;
  *found = 0;
  int length = static_cast<int>(strlen(text));
  if (!bgw::leading_int(text, &rest, &value)) return DTERR_FIELD_OVERFLOW;
  if (rest == text) return DTERR_BAD_FORMAT;
  if (*rest == '.') {
    if (rest - text > 2) {
      int kind = read_run_together(text, seen | DTK_DATE_M, found);
      return kind < 0 ? kind : 0;
    }
    double fraction;
    if (!bgw::read_fraction(rest, &fraction)) return DTERR_BAD_FORMAT;
    *fsec_ = static_cast<fsec_t>(std::rint(fraction * 1000000));
  } else if (*rest != '\0') {
    return DTERR_BAD_FORMAT;
  }
  int date_seen = seen & DTK_DATE_M;
  if (length == 3 && date_seen == DTK_M(YEAR) && value >= 1 && value <= 366) {
    *found = DTK_M(DOY) | DTK_M(MONTH) | DTK_M(DAY);
    tm_->tm_yday = value;
    return 0;
  }
  enum { year, month, day } part;
  bool looks_like_year = length >= 3 || DateOrder == DATEORDER_YMD;
  switch (date_seen) {
    case 0:
      part = looks_like_year ? year : DateOrder == DATEORDER_DMY ? day : month;
      break;
    case DTK_M(YEAR):
    case DTK_M(DAY):
      part = month;
      break;
    case DTK_M(MONTH):
      part = text_month && looks_like_year ? year : day;
      break;
    case DTK_M(YEAR) | DTK_M(MONTH):
      if (text_month && length >= 3 && two_digit_year_) {
        // 08-Jan-1999: what looked like a short year was the day.
        *found = DTK_M(DAY);
        tm_->tm_mday = tm_->tm_year;
        tm_->tm_year = value;
        two_digit_year_ = false;
        return 0;
      }
      part = day;
      break;
    case DTK_M(MONTH) | DTK_M(DAY):
      part = year;
      break;
    case DTK_DATE_M: {
      int kind = read_run_together(text, seen, found);
      return kind < 0 ? kind : 0;
    }
    default:
      return DTERR_BAD_FORMAT;
  }
  if (part == year) {
    tm_->tm_year = value;
    *found = DTK_M(YEAR);
    two_digit_year_ = length <= 2;
  } else if (part == month) {
    tm_->tm_mon = value;
    *found = DTK_M(MONTH);
  } else {
    tm_->tm_mday = value;
    *found = DTK_M(DAY);
  }
  return 0;
}

// Digits without separators: a date yyyymmdd or yymmdd, or a time hhmmss or hhmm. Returns DTK_DATE or
// DTK_TIME, or a DTERR_ code.
int FieldReader::read_run_together(char* text, int seen, int* found) {
  int length = static_cast<int>(strlen(text));
  char* point = strchr(text, '.');
  auto number = [](const char* digits, int n) {
    char copy[MAXDATELEN + MAXDATEFIELDS + 1];
    memcpy(copy, digits, n);
    copy[n] = '\0';
    return static_cast<int>(strtol(copy, nullptr, 10));
  };
  if (point != nullptr) {
    double fraction = 0;
    if (point[1] != '\0' && !bgw::read_fraction(point, &fraction)) return DTERR_BAD_FORMAT;
    *fsec_ = static_cast<fsec_t>(std::rint(fraction * 1000000));
    *point = '\0';
    length = static_cast<int>(point - text);
  } else if (!has_all(seen, DTK_DATE_M)) {
    if (length >= 6) {
      *found = DTK_DATE_M;
      tm_->tm_mday = number(text + length - 2, 2);
      tm_->tm_mon = number(text + length - 4, 2);
      tm_->tm_year = number(text, length - 4);
      if (length == 6) two_digit_year_ = true;
      return DTK_DATE;
    }
  }
  if (!has_all(seen, DTK_TIME_M) && (length == 6 || length == 4)) {
    *found = DTK_TIME_M;
    tm_->tm_sec = length == 6 ? number(text + 4, 2) : 0;
    tm_->tm_min = number(text + 2, 2);
    tm_->tm_hour = number(text, 2);
    return DTK_TIME;
  }
  return DTERR_BAD_FORMAT;
}

int FieldReader::read_word(int i, int* dtype, int* found) {
  char* text = field_[i];
  int value = 0;
  pg_tz* zone;
  int type = DecodeTimezoneAbbrev(i, text, &value, &zone);
  if (type == UNKNOWN_FIELD) type = DecodeSpecial(i, text, &value);
  if (type == IGNORE_DTF) return 0;
  *found = DTK_M(type);
  switch (type) {
    case RESERV:
      return read_reserved(value, dtype, found);
    case MONTH:
      if (time_only_) return DTERR_BAD_FORMAT;
      // A number read before was not the month after all.
      if ((seen_ & DTK_M(MONTH)) && !text_month_ && !(seen_ & DTK_M(DAY)) && tm_->tm_mon >= 1 &&
          tm_->tm_mon <= 31) {
        tm_->tm_mday = tm_->tm_mon;
        *found = DTK_M(DAY);
      }
      text_month_ = true;
      tm_->tm_mon = value;
      return 0;
    case DTZMOD:
      *found |= DTK_M(DTZ);
      tm_->tm_isdst = 1;
      if (tzp_ == nullptr) return DTERR_BAD_FORMAT;
      *tzp_ -= value;
      return 0;
    case DTZ:
    case TZ:
      *found = DTK_M(TZ) | (type == DTZ ? DTK_M(DTZ) : 0);
      tm_->tm_isdst = type == DTZ ? 1 : 0;
      if (tzp_ == nullptr) return DTERR_BAD_FORMAT;
      *tzp_ = -value;
      return 0;
    case DYNTZ:
      *found |= DTK_M(TZ);
      if (tzp_ == nullptr) return DTERR_BAD_FORMAT;
      abbreviation_zone_ = zone;
      abbreviation_ = text;
      return 0;
    case AMPM:
      meridian_ = value;
      return 0;
    case ADBC:
      before_christ_ = value == BC;
      return 0;
    case DOW:
      if (time_only_) return DTERR_BAD_FORMAT;
      tm_->tm_wday = value;
      return 0;
    case UNITS:
      *found = 0;
      label_ = value;
      return 0;
    case ISOTIME:
      *found = 0;
      if (!time_only_ && !has_all(seen_, DTK_DATE_M)) return DTERR_BAD_FORMAT;
      if (i >= count_ - 1 ||
          (type_[i + 1] != DTK_NUMBER && type_[i + 1] != DTK_TIME && type_[i + 1] != DTK_DATE))
        return DTERR_BAD_FORMAT;
      label_ = value;
      return 0;
    case UNKNOWN_FIELD:
      named_zone_ = pg_tzset(text);
      if (named_zone_ == nullptr) return DTERR_BAD_FORMAT;
      *found = DTK_M(TZ);
      return 0;
    default:
      return DTERR_BAD_FORMAT;
  }
}

int FieldReader::read_reserved(int value, int* dtype, int* found) {
  int shift_days = 0;
  switch (value) {
    case DTK_NOW:
      *found = time_only_ ? DTK_TIME_M : DTK_DATE_M | DTK_TIME_M | DTK_M(TZ);
      *dtype = time_only_ ? DTK_TIME : DTK_DATE;
      GetCurrentTimeUsec(tm_, fsec_, time_only_ ? nullptr : tzp_);
      return 0;
    case DTK_ZULU:
      *found = DTK_TIME_M | DTK_M(TZ);
      *dtype = time_only_ ? DTK_TIME : DTK_DATE;
      tm_->tm_hour = tm_->tm_min = tm_->tm_sec = 0;
      if (time_only_) tm_->tm_isdst = 0;
      if (tzp_ != nullptr && !time_only_) *tzp_ = 0;
      return 0;
    case DTK_YESTERDAY:
      shift_days = -1;
      break;
    case DTK_TOMORROW:
      shift_days = 1;
      break;
    case DTK_TODAY:
      break;
    case DTK_EPOCH:
    case DTK_EARLY:
    case DTK_LATE:
      if (time_only_) return DTERR_BAD_FORMAT;
      *dtype = value;
      return 0;
    default:
      return DTERR_BAD_FORMAT;
  }
  if (time_only_) return DTERR_BAD_FORMAT;
  *found = DTK_DATE_M;
  *dtype = DTK_DATE;
  pg_tm today;
  GetCurrentDateTime(&today);
  j2date(date2j(today.tm_year, today.tm_mon, today.tm_mday) + shift_days, &tm_->tm_year, &tm_->tm_mon,
         &tm_->tm_mday);
  return 0;
}

int FieldReader::adjust_hour() {
  if (meridian_ == HR24) return 0;
  if (tm_->tm_hour > HOURS_PER_DAY / 2) return DTERR_FIELD_OVERFLOW;
  if (meridian_ == AM && tm_->tm_hour == HOURS_PER_DAY / 2)
    tm_->tm_hour = 0;
  else if (meridian_ == PM && tm_->tm_hour != HOURS_PER_DAY / 2)
    tm_->tm_hour += HOURS_PER_DAY / 2;
  return 0;
}

int FieldReader::finish_date_time(int dtype) {
  int error = ValidateDate(seen_, julian_, two_digit_year_, before_christ_, tm_);
  if (error == 0) error = adjust_hour();
  if (error != 0) return error;
  if (dtype != DTK_DATE) return 0;
  if (!has_all(seen_, DTK_DATE_M)) return has_all(seen_, DTK_TIME_M) ? 1 : DTERR_BAD_FORMAT;
  bool dst_word = (seen_ & DTK_M(DTZMOD)) != 0;
  if (named_zone_ != nullptr) {
    if (dst_word) return DTERR_BAD_FORMAT;
    *tzp_ = DetermineTimeZoneOffset(tm_, named_zone_);
  }
  if (abbreviation_zone_ != nullptr) {
    if (dst_word) return DTERR_BAD_FORMAT;
    *tzp_ = DetermineTimeZoneAbbrevOffset(tm_, abbreviation_, abbreviation_zone_);
  }
  if (tzp_ != nullptr && !(seen_ & DTK_M(TZ))) {
    if (dst_word) return DTERR_BAD_FORMAT;
    *tzp_ = DetermineTimeZoneOffset(tm_, bgw::session_zone());
  }
  return 0;
}

int FieldReader::finish_time() {
  int error = ValidateDate(seen_, julian_, two_digit_year_, before_christ_, tm_);
  if (error == 0) error = adjust_hour();
  if (error != 0) return error;
  if (time_overflows(tm_->tm_hour, tm_->tm_min, tm_->tm_sec, *fsec_)) return DTERR_FIELD_OVERFLOW;
  if (!has_all(seen_, DTK_TIME_M)) return DTERR_BAD_FORMAT;
  bool dst_word = (seen_ & DTK_M(DTZMOD)) != 0;
  bool dated = (seen_ & DTK_DATE_M) != 0;
  if (named_zone_ != nullptr) {
    if (dst_word) return DTERR_BAD_FORMAT;
    long gmtoff;
    if (pg_get_timezone_offset(named_zone_, &gmtoff)) {
      *tzp_ = static_cast<int>(-gmtoff);
    } else {
      // Without a date nobody knows whether daylight-saving time is meant.
      if (!has_all(seen_, DTK_DATE_M)) return DTERR_BAD_FORMAT;
      *tzp_ = DetermineTimeZoneOffset(tm_, named_zone_);
    }
  }
  bool session_decides = tzp_ != nullptr && !(seen_ & DTK_M(TZ));
  if (abbreviation_zone_ == nullptr && !session_decides) return 0;
  if (dst_word) return DTERR_BAD_FORMAT;
  if (dated && !has_all(seen_, DTK_DATE_M)) return DTERR_BAD_FORMAT;
  pg_tm day;
  if (dated)
    day = *tm_;
  else
    GetCurrentDateTime(&day);
  day.tm_hour = tm_->tm_hour;
  day.tm_min = tm_->tm_min;
  day.tm_sec = tm_->tm_sec;
  *tzp_ = abbreviation_zone_ != nullptr ? DetermineTimeZoneAbbrevOffset(&day, abbreviation_, abbreviation_zone_)
                                        : DetermineTimeZoneOffset(&day, bgw::session_zone());
  tm_->tm_isdst = day.tm_isdst;
  return 0;
}

void clear_time(pg_tm* tm, fsec_t* fsec, int* tzp) {
  tm->tm_hour = 0;
  tm->tm_min = 0;
  tm->tm_sec = 0;
  tm->tm_isdst = -1;
  *fsec = 0;
  if (tzp != nullptr) *tzp = 0;
}

}  // namespace

extern "C" {

// Zero when the fields are a date or a timestamp, with *dtype DTK_DATE or one of the special values; 1 when
// they are a time alone.
int DecodeDateTime(char** field, int* ftype, int nf, int* dtype, struct pg_tm* tm, fsec_t* fsec, int* tzp) {
  *dtype = DTK_DATE;
  clear_time(tm, fsec, tzp);
  FieldReader reader(field, ftype, nf, tm, fsec, tzp, false);
  int error = reader.read_all(dtype);
  return error != 0 ? error : reader.finish_date_time(*dtype);
}

int DecodeTimeOnly(char** field, int* ftype, int nf, int* dtype, struct pg_tm* tm, fsec_t* fsec, int* tzp) {
  *dtype = DTK_TIME;
  clear_time(tm, fsec, tzp);
  FieldReader reader(field, ftype, nf, tm, fsec, tzp, true);
  int error = reader.read_all(dtype);
  return error != 0 ? error : reader.finish_time();
}

// [+-]h, hh, hhmm, hh:mm or hh:mm:ss; *tzp is in seconds west of Greenwich.
int DecodeTimezone(char* str, int* tzp) {
  if (*str != '+' && *str != '-') return DTERR_BAD_FORMAT;
  char* rest;
  int hours, minutes = 0, seconds = 0;
  if (!bgw::leading_int(str + 1, &rest, &hours)) return DTERR_TZDISP_OVERFLOW;
  if (*rest == ':') {
    if (!bgw::leading_int(rest + 1, &rest, &minutes)) return DTERR_TZDISP_OVERFLOW;
    if (*rest == ':' && !bgw::leading_int(rest + 1, &rest, &seconds)) return DTERR_TZDISP_OVERFLOW;
  } else if (*rest == '\0' && strlen(str) > 3) {
    minutes = hours % 100;
    hours /= 100;
  }
  if (hours < 0 || hours > MAX_TZDISP_HOUR || minutes < 0 || minutes >= MINS_PER_HOUR || seconds < 0 ||
      seconds >= SECS_PER_MINUTE)
    return DTERR_TZDISP_OVERFLOW;
  int offset = (hours * MINS_PER_HOUR + minutes) * SECS_PER_MINUTE + seconds;
  *tzp = *str == '-' ? offset : -offset;
  return *rest == '\0' ? 0 : DTERR_BAD_FORMAT;
}

int ValidateDate(int fmask, bool isjulian, bool is2digits, bool bc, struct pg_tm* tm) {
  if ((fmask & DTK_M(YEAR)) && !isjulian) {
    if (bc) {
      if (tm->tm_year <= 0) return DTERR_FIELD_OVERFLOW;
      tm->tm_year = 1 - tm->tm_year;
    } else if (is2digits) {
      if (tm->tm_year < 0) return DTERR_FIELD_OVERFLOW;
      if (tm->tm_year < 70)
        tm->tm_year += 2000;
      else if (tm->tm_year < 100)
        tm->tm_year += 1900;
    } else if (tm->tm_year <= 0) {
      return DTERR_FIELD_OVERFLOW;
    }
  }
  if (fmask & DTK_M(DOY))
    j2date(date2j(tm->tm_year, 1, 1) + tm->tm_yday - 1, &tm->tm_year, &tm->tm_mon, &tm->tm_mday);
  if ((fmask & DTK_M(MONTH)) && (tm->tm_mon < 1 || tm->tm_mon > MONTHS_PER_YEAR))
    return DTERR_MD_FIELD_OVERFLOW;
  if ((fmask & DTK_M(DAY)) && (tm->tm_mday < 1 || tm->tm_mday > 31)) return DTERR_MD_FIELD_OVERFLOW;
  if (has_all(fmask, DTK_DATE_M) && tm->tm_mday > day_tab[isleap(tm->tm_year)][tm->tm_mon - 1])
    return DTERR_FIELD_OVERFLOW;
  return 0;
}
}
