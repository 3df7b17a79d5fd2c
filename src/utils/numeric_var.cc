// The arithmetic behind numeric, exact at every step, in base 10000. Addition, subtraction and
// multiplication lose nothing; division is cut at the scale that it is asked for. Quotients are made by long
// division, one digit of the base at a time.
#include <cstdlib>
#include <cstring>

#include "utils/numeric_var.hpp"

namespace bgw {
namespace {

const int kPowersOfTen[] = {1, 10, 100, 1000, 10000};

int16* new_digits(int count) {
  return static_cast<int16*>(palloc0(sizeof(int16) * (count > 0 ? count : 1)));
}

int floor_div(int a, int b) {
  return a / b - (a % b != 0 && a < 0 ? 1 : 0);
}

int lowest_exponent(const NumericVar& var) {
  return var.weight - var.count + 1;
}

int compare_magnitudes(const NumericVar& a, const NumericVar& b) {
  if (a.count == 0 || b.count == 0) return (a.count != 0) - (b.count != 0);
  if (a.weight != b.weight) return a.weight < b.weight ? -1 : 1;
  int n = Max(a.count, b.count);
  for (int i = 0; i < n; i++) {
    int x = a.at(a.weight - i), y = b.at(a.weight - i);
    if (x != y) return x < y ? -1 : 1;
  }
  return 0;
}

NumericVar add_magnitudes(const NumericVar& a, const NumericVar& b) {
  NumericVar sum;
  int low = Min(lowest_exponent(a), lowest_exponent(b));
  sum.weight = Max(a.weight, b.weight) + 1;
  sum.count = sum.weight - low + 1;
  sum.digit = new_digits(sum.count);
  int carry = 0;
  for (int exponent = low; exponent <= sum.weight; exponent++) {
    int total = a.at(exponent) + b.at(exponent) + carry;
    carry = total >= kNumericBase ? 1 : 0;
    sum.digit[sum.weight - exponent] = static_cast<int16>(total - carry * kNumericBase);
  }
  return sum;
}

// |a| must not be less than |b|.
NumericVar subtract_magnitudes(const NumericVar& a, const NumericVar& b) {
  NumericVar difference;
  int low = Min(lowest_exponent(a), lowest_exponent(b));
  difference.weight = Max(a.weight, b.weight);
  difference.count = difference.weight - low + 1;
  difference.digit = new_digits(difference.count);
  int borrow = 0;
  for (int exponent = low; exponent <= difference.weight; exponent++) {
    int total = a.at(exponent) - b.at(exponent) - borrow;
    borrow = total < 0 ? 1 : 0;
    difference.digit[difference.weight - exponent] = static_cast<int16>(total + borrow * kNumericBase);
  }
  return difference;
}

NumericVar add_finite(const NumericVar& a, const NumericVar& b, bool b_negative) {
  NumericVar result;
  if (a.negative == b_negative) {
    result = add_magnitudes(a, b);
    result.negative = a.negative;
  } else if (compare_magnitudes(a, b) >= 0) {
    result = subtract_magnitudes(a, b);
    result.negative = a.negative;
  } else {
    result = subtract_magnitudes(b, a);
    result.negative = b_negative;
  }
  result.dscale = Max(a.dscale, b.dscale);
  numeric_var_normalize(&result);
  return result;
}

NumericVar cut(const NumericVar& var, int scale, bool round) {
  NumericVar result = var;
  if (!var.finite()) return result;
  result.dscale = scale > 0 ? scale : 0;
  // The digit of the base that holds the last decimal to keep, and how many of its four decimals stay.
  int exponent = floor_div(-scale, kDecimalsPerDigit);
  int dropped = -scale - exponent * kDecimalsPerDigit;  // lowest decimals of that digit, 0 to 3
  result.weight = Max(var.weight, exponent) + 1;
  result.count = result.weight - exponent + 1;
  result.digit = new_digits(result.count);
  for (int e = exponent; e <= result.weight; e++)
    result.digit[result.weight - e] = static_cast<int16>(var.at(e));
  int unit = kPowersOfTen[dropped];
  int16* last = &result.digit[result.count - 1];
  int rest = *last % unit;
  *last = static_cast<int16>(*last - rest);
  bool up = dropped > 0 ? rest * 2 >= unit : var.at(exponent - 1) * 2 >= kNumericBase;
  if (round && up) {
    int carry = unit;
    for (int i = result.count - 1; carry != 0; i--) {
      int total = result.digit[i] + carry;
      carry = total >= kNumericBase ? 1 : 0;
      result.digit[i] = static_cast<int16>(total - carry * kNumericBase);
    }
  }
  numeric_var_normalize(&result);
  return result;
}

// Long division of digit strings: quotient of `dividend` (dividend_count digits, changed) by the divisor.
// Both are multiplied beforehand so that the divisor's first digit is at least half the base; an estimate
// from the two first digits is then at most two too large.
void divide_digits(int32* dividend, int dividend_count, const int32* divisor, int divisor_count,
                   int16* quotient) {
  for (int i = 0; i + divisor_count < dividend_count; i++) {
    int64 high = static_cast<int64>(dividend[i]) * kNumericBase + dividend[i + 1];
    int64 estimate = high / divisor[0];
    int64 rest = high % divisor[0];
    while (estimate >= kNumericBase ||
           (divisor_count > 1 && estimate * divisor[1] > rest * kNumericBase + dividend[i + 2])) {
      estimate--;
      rest += divisor[0];
      if (rest >= kNumericBase) break;
    }
    int64 borrow = 0;
    for (int j = divisor_count; j >= 0; j--) {
      int64 product = j > 0 ? estimate * divisor[j - 1] : 0;
      int64 value = dividend[i + j] - product - borrow;
      borrow = 0;
      if (value < 0) {
        borrow = (-value + kNumericBase - 1) / kNumericBase;
        value += borrow * kNumericBase;
      }
      dividend[i + j] = static_cast<int32>(value);
    }
    if (borrow != 0) {
      estimate--;
      int carry = 0;
      for (int j = divisor_count; j >= 0; j--) {
        int value = dividend[i + j] + (j > 0 ? divisor[j - 1] : 0) + carry;
        carry = value >= kNumericBase ? 1 : 0;
        dividend[i + j] = value - carry * kNumericBase;
      }
    }
    quotient[i] = static_cast<int16>(estimate);
  }
}

}  // namespace

void numeric_var_normalize(NumericVar* var) {
  while (var->count > 0 && var->digit[0] == 0) {
    var->digit++;
    var->count--;
    var->weight--;
  }
  while (var->count > 0 && var->digit[var->count - 1] == 0) var->count--;
  if (var->count == 0) {
    var->weight = 0;
    var->negative = false;
  }
}

NumericVar numeric_var_special(NumericKind kind) {
  NumericVar var;
  var.kind = kind;
  return var;
}

NumericVar numeric_var_from_int64(int64 value) {
  NumericVar var;
  var.negative = value < 0;
  uint64 rest = value < 0 ? 0 - static_cast<uint64>(value) : static_cast<uint64>(value);
  var.count = 5;
  var.weight = 4;
  var.digit = new_digits(5);
  for (int i = 4; i >= 0; i--) {
    var.digit[i] = static_cast<int16>(rest % kNumericBase);
    rest /= kNumericBase;
  }
  numeric_var_normalize(&var);
  return var;
}

NumericVar numeric_var_round(const NumericVar& var, int scale) {
  return cut(var, scale, true);
}
NumericVar numeric_var_truncate(const NumericVar& var, int scale) {
  return cut(var, scale, false);
}

int numeric_var_compare(const NumericVar& a, const NumericVar& b) {
  auto rank = [](const NumericVar& v) {
    switch (v.kind) {
      case NumericKind::minus_infinity:
        return 0;
      case NumericKind::finite:
        return 1;
      case NumericKind::plus_infinity:
        return 2;
      case NumericKind::nan:
        break;
    }
    return 3;
  };
  if (rank(a) != rank(b)) return rank(a) < rank(b) ? -1 : 1;
  if (!a.finite()) return 0;
  if (a.negative != b.negative) return a.negative ? -1 : 1;
  int order = compare_magnitudes(a, b);
  return a.negative ? -order : order;
}

NumericVar numeric_var_add(const NumericVar& a, const NumericVar& b) {
  return add_finite(a, b, b.negative);
}
NumericVar numeric_var_subtract(const NumericVar& a, const NumericVar& b) {
  return add_finite(a, b, !b.negative);
}

NumericVar numeric_var_multiply(const NumericVar& a, const NumericVar& b) {
  NumericVar product;
  product.dscale = a.dscale + b.dscale;
  if (a.count == 0 || b.count == 0) return product;
  product.negative = a.negative != b.negative;
  product.count = a.count + b.count;
  product.weight = a.weight + b.weight + 1;
  product.digit = new_digits(product.count);
  for (int i = a.count - 1; i >= 0; i--) {
    int32 carry = 0;
    for (int j = b.count - 1; j >= 0; j--) {
      int32 total = static_cast<int32>(a.digit[i]) * b.digit[j] + product.digit[i + j + 1] + carry;
      carry = total / kNumericBase;
      product.digit[i + j + 1] = static_cast<int16>(total - carry * kNumericBase);
    }
    product.digit[i] = static_cast<int16>(carry);
  }
  numeric_var_normalize(&product);
  return product;
}

NumericVar numeric_var_divide(const NumericVar& a, const NumericVar& b, int scale, bool round) {
  NumericVar quotient;
  quotient.dscale = scale > 0 ? scale : 0;
  if (a.count == 0) return quotient;
  // The quotient's lowest digit of the base: one more than the scale needs, for the rounding.
  int lowest = floor_div(-scale, kDecimalsPerDigit) - 1;
  quotient.negative = a.negative != b.negative;
  quotient.weight = a.weight - b.weight;
  quotient.count = quotient.weight - lowest + 1;
  if (quotient.count <= 0) {
    quotient = NumericVar{};
    quotient.dscale = scale > 0 ? scale : 0;
    return quotient;
  }
  int dividend_count = quotient.count + b.count;
  int32* dividend = static_cast<int32*>(palloc0(sizeof(int32) * (dividend_count + 1)));
  int32* divisor = static_cast<int32*>(palloc0(sizeof(int32) * b.count));
  int factor = kNumericBase / (b.digit[0] + 1);
  int carry = 0;
  for (int i = b.count - 1; i >= 0; i--) {
    int value = b.digit[i] * factor + carry;
    divisor[i] = value % kNumericBase;
    carry = value / kNumericBase;
  }
  carry = 0;
  for (int i = dividend_count - 1; i >= 1; i--) {
    // Digits of the dividend beyond the places that are needed cannot change the places that are kept.
    int value = (i - 1 < a.count ? a.digit[i - 1] : 0) * factor;
    dividend[i] = value;
  }
  for (int i = dividend_count - 1; i >= 1; i--) {
    int value = dividend[i] + carry;
    dividend[i] = value % kNumericBase;
    carry = value / kNumericBase;
  }
  dividend[0] = carry;
  quotient.digit = new_digits(quotient.count);
  divide_digits(dividend, dividend_count, divisor, b.count, quotient.digit);
  numeric_var_normalize(&quotient);
  pfree(dividend);
  pfree(divisor);
  return cut(quotient, scale, round);
}

NumericVar numeric_var_shift(const NumericVar& var, int power, int dscale) {
  NumericVar result = var;
  if (var.count > 0) {
    int whole = floor_div(power, kDecimalsPerDigit);
    int rest = power - whole * kDecimalsPerDigit;
    if (rest != 0) result = numeric_var_multiply(var, numeric_var_from_int64(kPowersOfTen[rest]));
    result.weight += whole;
  }
  result.dscale = dscale;
  result.dscale = Max(dscale, numeric_var_minimal_scale(result));
  return result;
}

int numeric_var_quotient_scale(const NumericVar& a, const NumericVar& b) {
  int weight_a = a.count > 0 ? a.weight : 0, first_a = a.count > 0 ? a.digit[0] : 0;
  int weight_b = b.count > 0 ? b.weight : 0, first_b = b.count > 0 ? b.digit[0] : 0;
  int weight = weight_a - weight_b - (first_a <= first_b ? 1 : 0);
  int scale = NUMERIC_MIN_SIG_DIGITS - weight * kDecimalsPerDigit;
  scale = Max(Max(scale, a.dscale), Max(b.dscale, NUMERIC_MIN_DISPLAY_SCALE));
  return Min(scale, NUMERIC_MAX_DISPLAY_SCALE);
}

bool numeric_var_to_int64(const NumericVar& var, int64* result) {
  NumericVar whole = numeric_var_round(var, 0);
  if (whole.weight > 4) return false;
  int64 value = 0;
  for (int exponent = whole.weight; exponent >= 0; exponent--) {
    if (__builtin_mul_overflow(value, static_cast<int64>(kNumericBase), &value) ||
        __builtin_sub_overflow(value, static_cast<int64>(whole.at(exponent)), &value))
      return false;
  }
  if (!whole.negative) {
    if (value == PG_INT64_MIN) return false;
    value = -value;
  }
  *result = value;
  return true;
}

int numeric_var_minimal_scale(const NumericVar& var) {
  if (var.count == 0) return 0;
  int scale = -lowest_exponent(var) * kDecimalsPerDigit;
  for (int last = var.digit[var.count - 1]; scale > 0 && last % 10 == 0; last /= 10) scale--;
  return scale > 0 ? scale : 0;
}

}  // namespace bgw
