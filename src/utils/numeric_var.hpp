// The working form of numeric values. Digits are palloc'd in the current memory context and never freed
// here: nothing has a destructor, so every function may raise an error.
#pragma once

extern "C" {
#include "postgres.h"
#include "utils/numeric.h"
}

namespace bgw {

constexpr int kNumericBase = 10000;
constexpr int kDecimalsPerDigit = 4;

enum class NumericKind { finite, nan, plus_infinity, minus_infinity };

// sum of digit[i] * 10000 ^ (weight - i), with `dscale` decimals shown. Normal form: no zero digit first or
// last; zero has no digits, weight 0, and is not negative.
struct NumericVar {
  NumericKind kind = NumericKind::finite;
  bool negative = false;
  int dscale = 0;
  int weight = 0;
  int count = 0;
  int16* digit = nullptr;

  bool zero() const { return kind == NumericKind::finite && count == 0; }
  bool finite() const { return kind == NumericKind::finite; }
  // The digit that stands for 10000 ^ exponent.
  int at(int exponent) const {
    int i = weight - exponent;
    return i >= 0 && i < count ? digit[i] : 0;
  }
};

NumericVar numeric_unpack(Numeric value);
// Raises "value overflows numeric format", or sets *error where that is given.
Numeric numeric_pack(NumericVar var, bool* error = nullptr);

NumericVar numeric_var_from_int64(int64 value);
NumericVar numeric_var_special(NumericKind kind);
// The number that starts at `text`; *end behind it. False when none does.
bool numeric_var_from_text(const char* text, const char** end, NumericVar* var);
char* numeric_var_to_text(const NumericVar& var);

void numeric_var_normalize(NumericVar* var);
NumericVar numeric_var_round(const NumericVar& var, int scale);     // half away from zero
NumericVar numeric_var_truncate(const NumericVar& var, int scale);  // towards zero
int numeric_var_compare(const NumericVar& a, const NumericVar& b);  // NaN is equal to itself and above all
NumericVar numeric_var_add(const NumericVar& a, const NumericVar& b);
NumericVar numeric_var_subtract(const NumericVar& a, const NumericVar& b);
NumericVar numeric_var_multiply(const NumericVar& a, const NumericVar& b);
// Finite values, b not zero. Exact to `scale` decimals, rounded or cut there.
NumericVar numeric_var_divide(const NumericVar& a, const NumericVar& b, int scale, bool round);
// var * 10 ^ power; shows as many decimals as are needed, at least `dscale`.
NumericVar numeric_var_shift(const NumericVar& var, int power, int dscale);
// How many decimals the server gives the quotient: 16 significant digits at least.
int numeric_var_quotient_scale(const NumericVar& a, const NumericVar& b);
// Rounded to an integer. False when that does not fit.
bool numeric_var_to_int64(const NumericVar& var, int64* result);
// The least number of decimals that shows the value exactly.
int numeric_var_minimal_scale(const NumericVar& var);

}  // namespace bgw
