// Between numeric and the integer and floating types. To an integer: rounded, halves away from zero. From a
// float: as many decimals as the type is sure of (15 or 6); to a float: the nearest.
// C style throughout (no destructors), because everything here may raise an error.
#include <cfloat>
#include <cmath>

#include "utils/numeric_var.hpp"

extern "C" {
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
}

namespace {

using bgw::NumericKind;
using bgw::NumericVar;

// With `error`, that is set instead of an error being raised.
template <typename Int>
Int to_integer(Numeric num, const char* type_name, bool* error = nullptr) {
  NumericVar var = bgw::numeric_unpack(num);
  if (error) *error = false;
  if (!var.finite()) {
    if (error) {
      *error = true;
      return 0;
    }
    ereport(ERROR,
            (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
             errmsg("cannot convert %s to %s", var.kind == NumericKind::nan ? "NaN" : "infinity", type_name)));
  }
  int64 wide = 0;
  if (!bgw::numeric_var_to_int64(var, &wide) || wide != static_cast<Int>(wide)) {
    if (error) {
      *error = true;
      return 0;
    }
    ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE), errmsg("%s out of range", type_name)));
  }
  return static_cast<Int>(wide);
}

Numeric from_float(double value, int digits) {
  if (std::isnan(value)) return bgw::numeric_pack(bgw::numeric_var_special(NumericKind::nan));
  if (std::isinf(value))
    return bgw::numeric_pack(
        bgw::numeric_var_special(value < 0 ? NumericKind::minus_infinity : NumericKind::plus_infinity));
  NumericVar var;
  const char* end;
  bgw::numeric_var_from_text(psprintf("%.*g", digits, value), &end, &var);
  return bgw::numeric_pack(var);
}

}  // namespace

extern "C" {

Numeric int64_to_numeric(int64 val) {
  return bgw::numeric_pack(bgw::numeric_var_from_int64(val));
}

// val1 / 10 ^ log10val2, exactly, with that many decimals.
Numeric int64_div_fast_to_numeric(int64 val1, int log10val2) {
  int scale = log10val2 < 0 ? 0 : log10val2;
  NumericVar var = bgw::numeric_var_shift(bgw::numeric_var_from_int64(val1), -log10val2, scale);
  var.dscale = scale;
  return bgw::numeric_pack(var);
}

Datum int2_numeric(PG_FUNCTION_ARGS) {
  PG_RETURN_NUMERIC(int64_to_numeric(PG_GETARG_INT16(0)));
}
Datum int4_numeric(PG_FUNCTION_ARGS) {
  PG_RETURN_NUMERIC(int64_to_numeric(PG_GETARG_INT32(0)));
}
Datum int8_numeric(PG_FUNCTION_ARGS) {
  PG_RETURN_NUMERIC(int64_to_numeric(PG_GETARG_INT64(0)));
}

Datum numeric_int2(PG_FUNCTION_ARGS) {
  PG_RETURN_INT16(to_integer<int16>(PG_GETARG_NUMERIC(0), "smallint"));
}
Datum numeric_int4(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(to_integer<int32>(PG_GETARG_NUMERIC(0), "integer"));
}
Datum numeric_int8(PG_FUNCTION_ARGS) {
  PG_RETURN_INT64(to_integer<int64>(PG_GETARG_NUMERIC(0), "bigint"));
}
int32 numeric_int4_opt_error(Numeric num, bool* have_error) {
  return to_integer<int32>(num, "integer", have_error);
}

Datum float4_numeric(PG_FUNCTION_ARGS) {
  PG_RETURN_NUMERIC(from_float(PG_GETARG_FLOAT4(0), FLT_DIG));
}
Datum float8_numeric(PG_FUNCTION_ARGS) {
  PG_RETURN_NUMERIC(from_float(PG_GETARG_FLOAT8(0), DBL_DIG));
}

Datum numeric_float4(PG_FUNCTION_ARGS) {
  char* text = bgw::numeric_var_to_text(bgw::numeric_unpack(PG_GETARG_NUMERIC(0)));
  return DirectFunctionCall1(float4in, CStringGetDatum(text));
}
Datum numeric_float8(PG_FUNCTION_ARGS) {
  char* text = bgw::numeric_var_to_text(bgw::numeric_unpack(PG_GETARG_NUMERIC(0)));
  return DirectFunctionCall1(float8in, CStringGetDatum(text));
}
}
