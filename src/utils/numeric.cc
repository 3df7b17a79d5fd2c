// numeric: the server's functions on it. What they share is in numeric_var.hpp. NaN is equal to itself and
// above everything; an infinity behaves as a limit does, and what has no limit is NaN.
// C style throughout (no destructors), because almost everything here may raise an error.
#include <cctype>
#include <cmath>
#include <cstring>

#include "utils/numeric_var.hpp"

extern "C" {
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
}

namespace {

using bgw::NumericKind;
using bgw::NumericVar;

constexpr int kLargestScale = 0x3FFF;

NumericVar argument(FunctionCallInfo fcinfo, int n) {
  return bgw::numeric_unpack(PG_GETARG_NUMERIC(n));
}
Datum result(const NumericVar& var) {
  return NumericGetDatum(bgw::numeric_pack(var));
}

NumericVar not_a_number() {
  return bgw::numeric_var_special(NumericKind::nan);
}
NumericVar infinity(bool negative) {
  return bgw::numeric_var_special(negative ? NumericKind::minus_infinity : NumericKind::plus_infinity);
}
bool nan(const NumericVar& v) {
  return v.kind == NumericKind::nan;
}
bool infinite(const NumericVar& v) {
  return !v.finite() && !nan(v);
}
bool negative(const NumericVar& v) {
  return v.finite() ? v.negative : v.kind == NumericKind::minus_infinity;
}

NumericVar negated(NumericVar v) {
  if (infinite(v)) return infinity(!negative(v));
  if (v.count > 0) v.negative = !v.negative;
  return v;
}

// Zero in *error where it is given, else the error itself.
NumericVar division_by_zero(bool* error) {
  if (error)
    *error = true;
  else
    ereport(ERROR, (errcode(ERRCODE_DIVISION_BY_ZERO), errmsg("division by zero")));
  return not_a_number();
}

NumericVar add(const NumericVar& a, const NumericVar& b) {
  if (nan(a) || nan(b)) return not_a_number();
  if (infinite(a)) return infinite(b) && negative(a) != negative(b) ? not_a_number() : a;
  if (infinite(b)) return b;
  return bgw::numeric_var_add(a, b);
}

NumericVar multiply(const NumericVar& a, const NumericVar& b) {
  if (nan(a) || nan(b)) return not_a_number();
  if (infinite(a) || infinite(b))
    return a.zero() || b.zero() ? not_a_number() : infinity(negative(a) != negative(b));
  NumericVar product = bgw::numeric_var_multiply(a, b);
  return product.dscale > kLargestScale ? bgw::numeric_var_round(product, kLargestScale) : product;
}

NumericVar divide(const NumericVar& a, const NumericVar& b, bool whole, bool* error) {
  if (nan(a) || nan(b)) return not_a_number();
  if (infinite(a)) {
    if (infinite(b)) return not_a_number();
    return b.zero() ? division_by_zero(error) : infinity(negative(a) != negative(b));
  }
  if (infinite(b)) return NumericVar{};
  if (b.zero()) return division_by_zero(error);
  if (whole) return bgw::numeric_var_divide(a, b, 0, false);
  return bgw::numeric_var_divide(a, b, bgw::numeric_var_quotient_scale(a, b), true);
}

// The rest has the dividend's sign.
NumericVar modulo(const NumericVar& a, const NumericVar& b, bool* error) {
  if (nan(a) || nan(b)) return not_a_number();
  if (infinite(a)) return b.zero() ? division_by_zero(error) : not_a_number();
  if (infinite(b)) return a;
  if (b.zero()) return division_by_zero(error);
  NumericVar whole = bgw::numeric_var_divide(a, b, 0, false);
  return bgw::numeric_var_subtract(a, bgw::numeric_var_multiply(b, whole));
}

Numeric packed(const NumericVar& var, bool* error) {
  if (error && *error) return nullptr;
  return bgw::numeric_pack(var, error);
}

int typmod_precision(int32 typmod) {
  return ((typmod - VARHDRSZ) >> 16) & 0xffff;
}
int typmod_scale(int32 typmod) {
  return (((typmod - VARHDRSZ) & 0x7ff) ^ 1024) - 1024;
}

NumericVar apply_typmod(const NumericVar& var, int32 typmod) {
  if (typmod < static_cast<int32>(VARHDRSZ) || nan(var)) return var;
  int precision = typmod_precision(typmod), scale = typmod_scale(typmod);
  if (infinite(var))
    ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE), errmsg("numeric field overflow"),
                    errdetail("A field with precision %d, scale %d cannot hold an infinite value.", precision,
                              scale)));
  int most_digits = precision - scale;
  auto overflow = [=] {
    ereport(ERROR,
            (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE), errmsg("numeric field overflow"),
             errdetail("A field with precision %d, scale %d must round to an absolute value less than %s%d.",
                       precision, scale, most_digits ? "10^" : "", most_digits ? most_digits : 1)));
  };
  // Before rounding makes a digit for each place: the exponent in a text can be in the billions.
  if (var.count > 0 && static_cast<int64>(var.weight) * bgw::kDecimalsPerDigit > most_digits &&
      var.weight > NUMERIC_MAX_PRECISION)
    overflow();
  NumericVar rounded = bgw::numeric_var_round(var, scale);
  if (rounded.count > 0) {
    int digits = (rounded.weight + 1) * bgw::kDecimalsPerDigit;
    for (int first = rounded.digit[0]; first < 1000; first *= 10) digits--;
    if (digits > most_digits) overflow();
  }
  return rounded;
}

// The names of the values that are no numbers, in any case.
bool special_text(const char* text, const char** end, NumericVar* var) {
  const struct {
    const char* text;
    NumericKind kind;
  } names[] = {
      {"NaN", NumericKind::nan},
      {"Infinity", NumericKind::plus_infinity},
      {"+Infinity", NumericKind::plus_infinity},
      {"-Infinity", NumericKind::minus_infinity},
      {"inf", NumericKind::plus_infinity},
      {"+inf", NumericKind::plus_infinity},
      {"-inf", NumericKind::minus_infinity},
  };
  for (const auto& name : names) {
    if (pg_strncasecmp(text, name.text, strlen(name.text)) != 0) continue;
    *var = bgw::numeric_var_special(name.kind);
    *end = text + strlen(name.text);
    return true;
  }
  return false;
}

NumericVar rounded_up(const NumericVar& var, bool towards_negative) {
  if (!var.finite()) return var;
  NumericVar whole = bgw::numeric_var_truncate(var, 0);
  if (var.negative == towards_negative && bgw::numeric_var_compare(whole, var) != 0) {
    NumericVar one = bgw::numeric_var_from_int64(1);
    whole = towards_negative ? bgw::numeric_var_subtract(whole, one) : bgw::numeric_var_add(whole, one);
  }
  return whole;
}

// The places that a stored value can have. Cutting above the highest place of all gives zero, as it should.
int requested_scale(int32 scale) {
  constexpr int places_before_point = 32768 * 4, places_after_point = 16383;
  return Min(Max(scale, -places_before_point - 1), places_after_point);
}

}  // namespace

extern "C" {

Datum numeric_in(PG_FUNCTION_ARGS) {
  const char* text = PG_GETARG_CSTRING(0);
  int32 typmod = PG_GETARG_INT32(2);
  const char* p = text;
  while (isspace(static_cast<unsigned char>(*p))) p++;
  NumericVar var;
  const char* end = p;
  bool good = special_text(p, &end, &var) || bgw::numeric_var_from_text(p, &end, &var);
  while (isspace(static_cast<unsigned char>(*end))) end++;
  if (!good || *end != '\0')
    ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                    errmsg("invalid input syntax for type %s: \"%s\"", "numeric", text)));
  return result(apply_typmod(var, typmod));
}

Datum numeric_out(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(bgw::numeric_var_to_text(argument(fcinfo, 0)));
}

bool numeric_is_nan(Numeric num) {
  return nan(bgw::numeric_unpack(num));
}
bool numeric_is_inf(Numeric num) {
  return infinite(bgw::numeric_unpack(num));
}

int32 numeric_maximum_size(int32 typmod) {
  if (typmod < static_cast<int32>(VARHDRSZ)) return -1;
  // A decimal point inside a digit of the base can cost one more digit at each end.
  int digits = (typmod_precision(typmod) + 2 * (bgw::kDecimalsPerDigit - 1)) / bgw::kDecimalsPerDigit;
  return static_cast<int32>(VARHDRSZ + 2 * sizeof(uint16) + digits * sizeof(int16));
}

// "1.23e+05", with `scale` decimals.
char* numeric_out_sci(Numeric num, int scale) {
  NumericVar var = bgw::numeric_unpack(num);
  if (!var.finite()) return bgw::numeric_var_to_text(var);
  if (scale < 0) scale = 0;
  int exponent = 0;
  if (var.count > 0) {
    exponent = (var.weight + 1) * bgw::kDecimalsPerDigit - 1;
    for (int first = var.digit[0]; first < 1000; first *= 10) exponent--;
  }
  NumericVar significand = bgw::numeric_var_round(bgw::numeric_var_shift(var, -exponent, 0), scale);
  return psprintf("%se%c%02d", bgw::numeric_var_to_text(significand), exponent < 0 ? '-' : '+', abs(exponent));
}

// Without zeroes at the end of the decimals.
char* numeric_normalize(Numeric num) {
  NumericVar var = bgw::numeric_unpack(num);
  if (var.finite()) var.dscale = bgw::numeric_var_minimal_scale(var);
  return bgw::numeric_var_to_text(var);
}

Datum numeric(PG_FUNCTION_ARGS) {
  return result(apply_typmod(argument(fcinfo, 0), PG_GETARG_INT32(1)));
}

Datum numerictypmodout(PG_FUNCTION_ARGS) {
  int32 typmod = PG_GETARG_INT32(0);
  if (typmod < static_cast<int32>(VARHDRSZ)) PG_RETURN_CSTRING(pstrdup(""));
  PG_RETURN_CSTRING(psprintf("(%d,%d)", typmod_precision(typmod), typmod_scale(typmod)));
}

Numeric numeric_add_opt_error(Numeric num1, Numeric num2, bool* have_error) {
  if (have_error) *have_error = false;
  return packed(add(bgw::numeric_unpack(num1), bgw::numeric_unpack(num2)), have_error);
}
Numeric numeric_sub_opt_error(Numeric num1, Numeric num2, bool* have_error) {
  if (have_error) *have_error = false;
  return packed(add(bgw::numeric_unpack(num1), negated(bgw::numeric_unpack(num2))), have_error);
}
Numeric numeric_mul_opt_error(Numeric num1, Numeric num2, bool* have_error) {
  if (have_error) *have_error = false;
  return packed(multiply(bgw::numeric_unpack(num1), bgw::numeric_unpack(num2)), have_error);
}
Numeric numeric_div_opt_error(Numeric num1, Numeric num2, bool* have_error) {
  if (have_error) *have_error = false;
  return packed(divide(bgw::numeric_unpack(num1), bgw::numeric_unpack(num2), false, have_error), have_error);
}
Numeric numeric_mod_opt_error(Numeric num1, Numeric num2, bool* have_error) {
  if (have_error) *have_error = false;
  return packed(modulo(bgw::numeric_unpack(num1), bgw::numeric_unpack(num2), have_error), have_error);
}

Datum numeric_add(PG_FUNCTION_ARGS) {
  return result(add(argument(fcinfo, 0), argument(fcinfo, 1)));
}
Datum numeric_sub(PG_FUNCTION_ARGS) {
  return result(add(argument(fcinfo, 0), negated(argument(fcinfo, 1))));
}
Datum numeric_mul(PG_FUNCTION_ARGS) {
  return result(multiply(argument(fcinfo, 0), argument(fcinfo, 1)));
}
Datum numeric_div(PG_FUNCTION_ARGS) {
  return result(divide(argument(fcinfo, 0), argument(fcinfo, 1), false, nullptr));
}
Datum numeric_div_trunc(PG_FUNCTION_ARGS) {
  return result(divide(argument(fcinfo, 0), argument(fcinfo, 1), true, nullptr));
}
Datum numeric_mod(PG_FUNCTION_ARGS) {
  return result(modulo(argument(fcinfo, 0), argument(fcinfo, 1), nullptr));
}
Datum numeric_inc(PG_FUNCTION_ARGS) {
  return result(add(argument(fcinfo, 0), bgw::numeric_var_from_int64(1)));
}

Datum numeric_abs(PG_FUNCTION_ARGS) {
  NumericVar var = argument(fcinfo, 0);
  return result(negative(var) ? negated(var) : var);
}
Datum numeric_uminus(PG_FUNCTION_ARGS) {
  return result(negated(argument(fcinfo, 0)));
}
Datum numeric_uplus(PG_FUNCTION_ARGS) {
  return result(argument(fcinfo, 0));
}
Datum numeric_sign(PG_FUNCTION_ARGS) {
  NumericVar var = argument(fcinfo, 0);
  if (nan(var)) return result(var);
  return result(bgw::numeric_var_from_int64(var.zero() ? 0 : negative(var) ? -1 : 1));
}
Datum numeric_ceil(PG_FUNCTION_ARGS) {
  return result(rounded_up(argument(fcinfo, 0), false));
}
Datum numeric_floor(PG_FUNCTION_ARGS) {
  return result(rounded_up(argument(fcinfo, 0), true));
}
Datum numeric_round(PG_FUNCTION_ARGS) {
  return result(bgw::numeric_var_round(argument(fcinfo, 0), requested_scale(PG_GETARG_INT32(1))));
}
Datum numeric_trunc(PG_FUNCTION_ARGS) {
  return result(bgw::numeric_var_truncate(argument(fcinfo, 0), requested_scale(PG_GETARG_INT32(1))));
}

Datum numeric_scale(PG_FUNCTION_ARGS) {
  NumericVar var = argument(fcinfo, 0);
  if (!var.finite()) PG_RETURN_NULL();
  PG_RETURN_INT32(var.dscale);
}
Datum numeric_min_scale(PG_FUNCTION_ARGS) {
  NumericVar var = argument(fcinfo, 0);
  if (!var.finite()) PG_RETURN_NULL();
  PG_RETURN_INT32(bgw::numeric_var_minimal_scale(var));
}
Datum numeric_trim_scale(PG_FUNCTION_ARGS) {
  NumericVar var = argument(fcinfo, 0);
  if (var.finite()) var.dscale = bgw::numeric_var_minimal_scale(var);
  return result(var);
}

static int order(FunctionCallInfo fcinfo) {
  return bgw::numeric_var_compare(argument(fcinfo, 0), argument(fcinfo, 1));
}

Datum numeric_cmp(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(order(fcinfo));
}
Datum numeric_eq(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(order(fcinfo) == 0);
}
Datum numeric_ne(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(order(fcinfo) != 0);
}
Datum numeric_lt(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(order(fcinfo) < 0);
}
Datum numeric_le(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(order(fcinfo) <= 0);
}
Datum numeric_gt(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(order(fcinfo) > 0);
}
Datum numeric_ge(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(order(fcinfo) >= 0);
}
Datum numeric_larger(PG_FUNCTION_ARGS) {
  return order(fcinfo) > 0 ? PG_GETARG_DATUM(0) : PG_GETARG_DATUM(1);
}
Datum numeric_smaller(PG_FUNCTION_ARGS) {
  return order(fcinfo) < 0 ? PG_GETARG_DATUM(0) : PG_GETARG_DATUM(1);
}

// Of the value alone, whatever decimals are shown.
Datum hash_numeric(PG_FUNCTION_ARGS) {
  NumericVar var = argument(fcinfo, 0);
  if (!var.finite()) PG_RETURN_UINT32(0);
  if (var.count == 0) PG_RETURN_UINT32(-1);
  Datum digits =
      hash_any(reinterpret_cast<unsigned char*>(var.digit), static_cast<int>(var.count * sizeof(int16)));
  return digits ^ var.weight;
}
}
