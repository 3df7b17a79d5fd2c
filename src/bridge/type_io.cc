// Reading and printing single values (see type_io.hpp).
//
// The readers of the common pass-by-value types accept exactly the plain form that the server prints and answer
// "not mine" to anything else, so that every special case (infinity, BC, five-digit years, overflow) has one
// home: the type's input function. C style throughout: nothing to unwind when an input function raises an
// error.
#include <charconv>
#include <cstring>

#include "bridge/type_io.hpp"

extern "C" {
#include "postgres.h"
#include "catalog/pg_type_d.h"
#include "datatype/timestamp.h"
#include "utils/builtins.h"
#include "utils/date.h"
}

namespace bgw {
namespace {

constexpr int64 epoch_days = 10957;  // from 1970-01-01 to 2000-01-01, the server's epoch

inline bool digit(char c) {
  return static_cast<unsigned char>(c - '0') < 10;
}

// Up to 18 digits: cannot overflow.
inline bool read_digits(const char* text, std::size_t len, uint64* out) {
  if (len == 0 || len > 18) return false;
  uint64 value = 0;
  unsigned char worst = 0;  // one look at the end is cheaper than one at each digit
  for (std::size_t i = 0; i < len; i++) {
    const unsigned char digit_value = static_cast<unsigned char>(text[i] - '0');
    worst = digit_value > worst ? digit_value : worst;
    value = value * 10 + digit_value;
  }
  if (worst > 9) return false;
  *out = value;
  return true;
}

inline bool read_integer(const char* text, std::size_t len, int64* out) {
  const bool negative = len > 0 && text[0] == '-';
  uint64 value;
  if (!read_digits(text + negative, len - negative, &value)) return false;
  *out = negative ? -static_cast<int64>(value) : static_cast<int64>(value);
  return true;
}

template <class Float>
inline bool read_float(const char* text, std::size_t len, Float* out) {
  // Names such as NaN and Infinity are the input function's.
  const std::size_t sign = len > 0 && text[0] == '-';
  if (len <= sign || !digit(text[sign])) return false;
  const auto result = std::from_chars(text, text + len, *out);
  return result.ec == std::errc() && result.ptr == text + len;
}

inline int two_digits(const char* text) {
  return digit(text[0]) && digit(text[1]) ? (text[0] - '0') * 10 + (text[1] - '0') : -1;
}

// YYYY-MM-DD in the first ten bytes, as days since 2000-01-01.
inline bool read_date(const char* text, int64* days) {
  const int century = two_digits(text), rest = two_digits(text + 2);
  const int month = two_digits(text + 5), day = two_digits(text + 8);
  if (century < 0 || rest < 0 || text[4] != '-' || text[7] != '-') return false;
  if (month < 1 || month > 12 || day < 1 || day > 31) return false;
  // A year that begins in March ends with the leap day, which makes the length of its months regular.
  const int64 year = century * 100 + rest - (month <= 2);
  if (year < 0) return false;
  const int64 shifted_month = month > 2 ? month - 3 : month + 9;
  const int64 day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
  const int64 since_0000_03_01 = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year;
  *days = since_0000_03_01 - 719468 - epoch_days;
  return true;
}

// HH:MM:SS[.ffffff], as microseconds; *used is the number of bytes.
inline bool read_time(const char* text, std::size_t len, int64* usec, std::size_t* used) {
  if (len < 8 || text[2] != ':' || text[5] != ':') return false;
  const int hour = two_digits(text), minute = two_digits(text + 3), second = two_digits(text + 6);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return false;
  int64 fraction = 0;
  std::size_t at = 8;
  if (at < len && text[at] == '.') {
    int places = 0;
    for (at++; at < len && digit(text[at]) && places <= 6; at++, places++)
      fraction = fraction * 10 + (text[at] - '0');
    if (places == 0 || places > 6) return false;
    for (; places < 6; places++) fraction *= 10;
  }
  *usec = (static_cast<int64>(hour) * 3600 + minute * 60 + second) * USECS_PER_SEC + fraction;
  *used = at;
  return true;
}

// (+|-)HH[:MM[:SS]] to the end of the text, as seconds east of Greenwich.
inline bool read_zone(const char* text, std::size_t len, int64* seconds) {
  if (len != 3 && len != 6 && len != 9) return false;
  if (text[0] != '+' && text[0] != '-') return false;
  int64 value = 0;
  constexpr int units[] = {3600, 60, 1};
  for (std::size_t i = 0; i < len / 3; i++) {
    const int part = two_digits(text + 3 * i + 1);
    if (part < 0 || (i > 0 && (text[3 * i] != ':' || part > 59))) return false;
    value += static_cast<int64>(part) * units[i];
  }
  *seconds = text[0] == '-' ? -value : value;
  return true;
}

inline bool read_timestamp(const char* text, std::size_t len, bool with_zone, int64* out) {
  int64 days, usec, zone = 0;
  std::size_t used;
  if (len < 19 || text[10] != ' ' || !read_date(text, &days)) return false;
  if (!read_time(text + 11, len - 11, &usec, &used)) return false;
  const std::size_t at = 11 + used;
  if (with_zone ? !read_zone(text + at, len - at, &zone) : at != len) return false;
  *out = days * USECS_PER_DAY + usec - zone * USECS_PER_SEC;
  return true;
}

inline Datum varlena_of(const char* text, std::size_t len) {
  return PointerGetDatum(cstring_to_text_with_len(text, static_cast<int>(len)));
}

}  // namespace

ReadKind read_kind(const TypeInfo* type) {
  if (!type->constructible) return ReadKind::text;
  switch (type->oid) {
    case BOOLOID:
      return ReadKind::boolean;
    case INT2OID:
      return ReadKind::int2;
    case INT4OID:
      return ReadKind::int4;
    case INT8OID:
      return ReadKind::int8;
    case OIDOID:
    case XIDOID:
    case CIDOID:
      return ReadKind::uint4;
    case FLOAT4OID:
      return ReadKind::float4;
    case FLOAT8OID:
      return ReadKind::float8;
    case DATEOID:
      return ReadKind::date;
    case TIMESTAMPOID:
      return ReadKind::timestamp;
    case TIMESTAMPTZOID:
      return ReadKind::timestamptz;
    case TEXTOID:
    case VARCHAROID:
    case BPCHAROID:
    case JSONOID:
    case XMLOID:
    case REFCURSOROID:
    case PG_NODE_TREEOID:
      return ReadKind::text;
    case NAMEOID:
      return ReadKind::name;
    default:
      return ReadKind::general;
  }
}

bool read_by_value(ReadKind kind, const char* text, std::size_t len, Datum* out) {
  int64 integer;
  switch (kind) {
    case ReadKind::boolean:
      if (len != 1 || (text[0] != 't' && text[0] != 'f')) return false;
      *out = BoolGetDatum(text[0] == 't');
      return true;
    case ReadKind::int2:
      if (!read_integer(text, len, &integer) || integer < PG_INT16_MIN || integer > PG_INT16_MAX) return false;
      *out = Int16GetDatum(static_cast<int16>(integer));
      return true;
    case ReadKind::int4:
      if (!read_integer(text, len, &integer) || integer < PG_INT32_MIN || integer > PG_INT32_MAX) return false;
      *out = Int32GetDatum(static_cast<int32>(integer));
      return true;
    case ReadKind::int8:
      if (!read_integer(text, len, &integer)) return false;
      *out = Int64GetDatum(integer);
      return true;
    case ReadKind::uint4:
      if (!read_integer(text, len, &integer) || integer < 0 || integer > PG_UINT32_MAX) return false;
      *out = UInt32GetDatum(static_cast<uint32>(integer));
      return true;
    case ReadKind::float4: {
      float4 value;
      if (!read_float(text, len, &value)) return false;
      *out = Float4GetDatum(value);
      return true;
    }
    case ReadKind::float8: {
      float8 value;
      if (!read_float(text, len, &value)) return false;
      *out = Float8GetDatum(value);
      return true;
    }
    case ReadKind::date:
      if (len != 10 || !read_date(text, &integer)) return false;
      *out = DateADTGetDatum(static_cast<DateADT>(integer));
      return true;
    case ReadKind::timestamp:
    case ReadKind::timestamptz:
      if (!read_timestamp(text, len, kind == ReadKind::timestamptz, &integer)) return false;
      *out = Int64GetDatum(integer);
      return true;
    case ReadKind::text:
    case ReadKind::name:
    case ReadKind::general:
      break;
  }
  return false;
}

bool trusted_text;

bool type_from_text(const TypeInfo* type, Oid typioparam, int32 typmod, const char* text, std::size_t len,
                    Datum* out) {
  if (!type->constructible) {
    *out = varlena_of(text, len);
    return false;
  }
  const ReadKind kind = read_kind(type);
  if (kind == ReadKind::text) {
    *out = varlena_of(text, len);
    return true;
  }
  if (read_by_value(kind, text, len, out)) return true;
  if (typioparam == InvalidOid) typioparam = OidIsValid(type->typelem) ? type->typelem : type->oid;
  FmgrInfo flinfo = {};
  flinfo.fn_addr = type->input;
  flinfo.fn_oid = type->typinput;
  flinfo.fn_nargs = 3;
  flinfo.fn_strict = true;
  flinfo.fn_mcxt = CurrentMemoryContext;
  *out = InputFunctionCall(&flinfo, const_cast<char*>(text), typioparam, typmod);
  return true;
}

char* type_to_text(const TypeInfo* type, Datum value) {
  if (!type->constructible) return text_to_cstring(DatumGetTextPP(value));
  FmgrInfo flinfo = {};
  flinfo.fn_addr = type->output;
  flinfo.fn_oid = type->typoutput;
  flinfo.fn_nargs = 1;
  flinfo.fn_strict = true;
  flinfo.fn_mcxt = CurrentMemoryContext;
  return OutputFunctionCall(&flinfo, value);
}

}  // namespace bgw
