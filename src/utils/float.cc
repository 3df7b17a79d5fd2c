// real and double precision: text in and out, arithmetic with the server's overflow, underflow and
// division rules, comparison with NaN above everything, and the conversions between numeric types.
// Output is the shortest text that reads back exactly, unless extra_float_digits is 0 or less.
// C style throughout (no destructors), because almost everything here may raise an error.
#include <cctype>
#include <cerrno>
#include <cfloat>
#include <cmath>
#include <cstdlib>
#include <cstring>

extern "C" {
#include "postgres.h"
#include "common/hashfn.h"
#include "common/shortest_dec.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
}

namespace {

bool space(char c) {
  return isspace(static_cast<unsigned char>(c)) != 0;
}

struct SpecialName {
  const char* text;
  double value;
};

// Longer names first: each is matched as a prefix.
const SpecialName special_names[] = {
    {"NaN", NAN},      {"Infinity", INFINITY}, {"+Infinity", INFINITY}, {"-Infinity", -INFINITY},
    {"inf", INFINITY}, {"+inf", INFINITY},     {"-inf", -INFINITY},
};

template <typename Float>
struct Traits;
template <>
struct Traits<float> {
  static float parse(const char* s, char** end) { return strtof(s, end); }
  static constexpr const char* name = "real";
};
template <>
struct Traits<double> {
  static double parse(const char* s, char** end) { return strtod(s, end); }
  static constexpr const char* name = "double precision";
};

enum class Failure { none, syntax, range };

// Reads one number at `text`, which has no leading white space. *end is set behind it.
template <typename Float>
Failure read_number(const char* text, char** end, Float* value) {
  errno = 0;
  *value = Traits<Float>::parse(text, end);
  if (*end != text && errno == 0) return Failure::none;
  int saved = errno;
  for (const SpecialName& s : special_names) {
    if (pg_strncasecmp(text, s.text, strlen(s.text)) == 0) {
      *value = static_cast<Float>(s.value);
      *end = const_cast<char*>(text) + strlen(s.text);
      return Failure::none;
    }
  }
  if (saved != ERANGE) return Failure::syntax;
  // A denormal is reported as a range error too, but is a good number.
  return *value == 0 || std::isinf(*value) ? Failure::range : Failure::none;
}

[[noreturn]] void syntax_error(const char* type_name, const char* text) {
  ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                  errmsg("invalid input syntax for type %s: \"%s\"", type_name, text)));
  pg_unreachable();
}

// The message of a number that is too large or too small quotes the number alone.
template <typename Float>
[[noreturn]] void range_error(const char* number, const char* end) {
  ereport(ERROR,
          (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
           errmsg("\"%s\" is out of range for type %s", pnstrdup(number, end - number), Traits<Float>::name)));
  pg_unreachable();
}

template <typename Int>
[[noreturn]] void integer_out_of_range() {
  const char* name = sizeof(Int) == 2 ? "smallint" : sizeof(Int) == 4 ? "integer" : "bigint";
  ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE), errmsg("%s out of range", name)));
  pg_unreachable();
}

template <typename Int, typename Float>
Int round_to(Float value) {
  value = std::rint(value);
  constexpr Float limit = -static_cast<Float>(std::numeric_limits<Int>::min());
  if (std::isnan(value) || value < -limit || value >= limit) integer_out_of_range<Int>();
  return static_cast<Int>(value);
}

template <typename Float>
int order(Float a, Float b) {
  if (std::isnan(a)) return std::isnan(b) ? 0 : 1;
  if (std::isnan(b)) return -1;
  return a < b ? -1 : a > b ? 1 : 0;
}

// Zeroes of either sign are equal, and so are all NaNs: they must hash alike.
float8 hashable(float8 value) {
  if (std::isnan(value)) return get_float8_nan();
  return value == 0 ? 0 : value;
}

}  // namespace

extern "C" {

int extra_float_digits = 1;

void float_overflow_error(void) {
  ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE), errmsg("value out of range: overflow")));
  pg_unreachable();
}

void float_underflow_error(void) {
  ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE), errmsg("value out of range: underflow")));
  pg_unreachable();
}

void float_zero_divide_error(void) {
  ereport(ERROR, (errcode(ERRCODE_DIVISION_BY_ZERO), errmsg("division by zero")));
  pg_unreachable();
}

int is_infinite(float8 val) {
  return std::isinf(val) ? (val > 0 ? 1 : -1) : 0;
}

float8 float8in_internal_opt_error(char* num, char** endptr_p, const char* type_name, const char* orig_string,
                                   bool* have_error) {
  if (have_error) *have_error = false;
  while (space(*num)) num++;
  char* end = num;
  double value = 0;
  Failure failure = *num == '\0' ? Failure::syntax : read_number<double>(num, &end, &value);
  if (failure == Failure::none) {
    while (space(*end)) end++;
    if (endptr_p)
      *endptr_p = end;
    else if (*end != '\0')
      failure = Failure::syntax;
  }
  if (failure == Failure::none) return value;
  if (have_error) {
    *have_error = true;
    return 0;
  }
  if (failure == Failure::range) range_error<double>(num, end);
  syntax_error(type_name, orig_string);
}

float8 float8in_internal(char* num, char** endptr_p, const char* type_name, const char* orig_string) {
  return float8in_internal_opt_error(num, endptr_p, type_name, orig_string, nullptr);
}

char* float8out_internal(double num) {
  char* text = static_cast<char*>(palloc(32));
  if (extra_float_digits > 0)
    double_to_shortest_decimal_buf(num, text);
  else
    pg_strfromd(text, 32, DBL_DIG + extra_float_digits, num);
  return text;
}

int float4_cmp_internal(float4 a, float4 b) {
  return order(a, b);
}
int float8_cmp_internal(float8 a, float8 b) {
  return order(a, b);
}

Datum float4in(PG_FUNCTION_ARGS) {
  const char* text = PG_GETARG_CSTRING(0);
  const char* number = text;
  while (space(*number)) number++;
  if (*number == '\0') syntax_error("real", text);
  char* end;
  float value;
  Failure failure = read_number<float>(number, &end, &value);
  if (failure == Failure::range) range_error<float>(number, end);
  if (failure == Failure::syntax) syntax_error("real", text);
  while (space(*end)) end++;
  if (*end != '\0') syntax_error("real", text);
  PG_RETURN_FLOAT4(value);
}

Datum float4out(PG_FUNCTION_ARGS) {
  float4 value = PG_GETARG_FLOAT4(0);
  char* text = static_cast<char*>(palloc(32));
  if (extra_float_digits > 0)
    float_to_shortest_decimal_buf(value, text);
  else
    pg_strfromd(text, 32, FLT_DIG + extra_float_digits, value);
  PG_RETURN_CSTRING(text);
}

Datum float8in(PG_FUNCTION_ARGS) {
  char* text = PG_GETARG_CSTRING(0);
  PG_RETURN_FLOAT8(float8in_internal(text, nullptr, "double precision", text));
}

Datum float8out(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(float8out_internal(PG_GETARG_FLOAT8(0)));
}

#define BINARY(name, Get1, Get2, Return, expression) \
  Datum name(PG_FUNCTION_ARGS) {                     \
    auto a = PG_GETARG_##Get1(0);                    \
    auto b = PG_GETARG_##Get2(1);                    \
    PG_RETURN_##Return(expression);                  \
  }
#define UNARY(name, Get, Return, expression) \
  Datum name(PG_FUNCTION_ARGS) {             \
    auto a = PG_GETARG_##Get(0);             \
    PG_RETURN_##Return(expression);          \
  }
#define OPERATORS(prefix, Get1, Get2, Return, base)         \
  BINARY(prefix##pl, Get1, Get2, Return, base##_pl(a, b))   \
  BINARY(prefix##mi, Get1, Get2, Return, base##_mi(a, b))   \
  BINARY(prefix##mul, Get1, Get2, Return, base##_mul(a, b)) \
  BINARY(prefix##div, Get1, Get2, Return, base##_div(a, b)) \
  BINARY(prefix##eq, Get1, Get2, BOOL, base##_eq(a, b))     \
  BINARY(prefix##ne, Get1, Get2, BOOL, base##_ne(a, b))     \
  BINARY(prefix##lt, Get1, Get2, BOOL, base##_lt(a, b))     \
  BINARY(prefix##le, Get1, Get2, BOOL, base##_le(a, b))     \
  BINARY(prefix##gt, Get1, Get2, BOOL, base##_gt(a, b))     \
  BINARY(prefix##ge, Get1, Get2, BOOL, base##_ge(a, b))
#define ONE_TYPE(prefix, Get)                                       \
  OPERATORS(prefix, Get, Get, Get, prefix)                          \
  UNARY(prefix##um, Get, Get, -a)                                   \
  UNARY(prefix##up, Get, Get, a)                                    \
  UNARY(prefix##abs, Get, Get, std::fabs(a))                        \
  BINARY(prefix##larger, Get, Get, Get, prefix##_gt(a, b) ? a : b)  \
  BINARY(prefix##smaller, Get, Get, Get, prefix##_lt(a, b) ? a : b) \
  BINARY(bt##prefix##cmp, Get, Get, INT32, order(a, b))

ONE_TYPE(float4, FLOAT4)
ONE_TYPE(float8, FLOAT8)
OPERATORS(float48, FLOAT4, FLOAT8, FLOAT8, float8)
OPERATORS(float84, FLOAT8, FLOAT4, FLOAT8, float8)
BINARY(btfloat48cmp, FLOAT4, FLOAT8, INT32, order<float8>(a, b))
BINARY(btfloat84cmp, FLOAT8, FLOAT4, INT32, order<float8>(a, b))

UNARY(dround, FLOAT8, FLOAT8, std::rint(a))
UNARY(dceil, FLOAT8, FLOAT8, std::ceil(a))
UNARY(dfloor, FLOAT8, FLOAT8, std::floor(a))
UNARY(dtrunc, FLOAT8, FLOAT8, std::trunc(a))
UNARY(dsign, FLOAT8, FLOAT8, a > 0 ? 1.0 : a < 0 ? -1.0 : 0.0)  // not a number has the sign 0

UNARY(ftod, FLOAT4, FLOAT8, a)
Datum dtof(PG_FUNCTION_ARGS) {
  float8 value = PG_GETARG_FLOAT8(0);
  float4 result = static_cast<float4>(value);
  if (std::isinf(result) && !std::isinf(value)) float_overflow_error();
  if (result == 0 && value != 0) float_underflow_error();
  PG_RETURN_FLOAT4(result);
}

UNARY(i2tod, INT16, FLOAT8, a)
UNARY(i4tod, INT32, FLOAT8, a)
UNARY(i8tod, INT64, FLOAT8, static_cast<float8>(a))
UNARY(i2tof, INT16, FLOAT4, a)
UNARY(i4tof, INT32, FLOAT4, static_cast<float4>(a))
UNARY(i8tof, INT64, FLOAT4, static_cast<float4>(a))
UNARY(dtoi2, FLOAT8, INT16, (round_to<int16>(a)))
UNARY(dtoi4, FLOAT8, INT32, (round_to<int32>(a)))
UNARY(dtoi8, FLOAT8, INT64, (round_to<int64>(a)))
UNARY(ftoi2, FLOAT4, INT16, (round_to<int16>(a)))
UNARY(ftoi4, FLOAT4, INT32, (round_to<int32>(a)))
UNARY(ftoi8, FLOAT4, INT64, (round_to<int64>(a)))

Datum hashfloat8(PG_FUNCTION_ARGS) {
  float8 key = hashable(PG_GETARG_FLOAT8(0));
  if (key == 0) PG_RETURN_UINT32(0);
  return hash_any(reinterpret_cast<unsigned char*>(&key), sizeof(key));
}

// As the double of the same value, because the two types are comparable with each other.
Datum hashfloat4(PG_FUNCTION_ARGS) {
  float8 key = hashable(PG_GETARG_FLOAT4(0));
  if (key == 0) PG_RETURN_UINT32(0);
  return hash_any(reinterpret_cast<unsigned char*>(&key), sizeof(key));
}
}
