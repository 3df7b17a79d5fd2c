// numeric's two outer forms: text, and the bytes in which the server keeps a value. Those are a varlena whose
// first 16 bits say what it is: 00/01 a long header (sign, 14 bits of display scale, then a 16-bit weight),
// 10 a short header (sign, 6 bits of display scale, 7 bits of signed weight), 11 NaN or an infinity; base
// 10000 digits follow, of which the first and the last are not zero.
// C style throughout (no destructors), because most of this may raise an error.
#include <cctype>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "utils/numeric_var.hpp"

namespace bgw {
namespace {

constexpr uint16 kKindMask = 0xC000;
constexpr uint16 kLongNegative = 0x4000;
constexpr uint16 kShort = 0x8000;
constexpr uint16 kSpecial = 0xC000;
constexpr uint16 kNan = 0xC000, kPlusInfinity = 0xD000, kMinusInfinity = 0xF000;
constexpr uint16 kSpecialMask = 0xF000;
constexpr uint16 kLongScaleMask = 0x3FFF;
constexpr uint16 kShortNegative = 0x2000;
constexpr int kShortScaleShift = 7, kShortScaleMax = 0x3F;
constexpr uint16 kShortWeightSign = 0x0040;
constexpr int kShortWeightMask = 0x003F, kShortWeightMin = -0x0040, kShortWeightMax = 0x003F;
constexpr int kLargestWeight = PG_INT16_MAX;

[[noreturn]] void overflows_format() {
  ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE), errmsg("value overflows numeric format")));
  pg_unreachable();
}

Numeric allocate(int header_words, uint16 first, const NumericVar& var, bool has_weight) {
  Size size = VARHDRSZ + sizeof(uint16) * header_words + sizeof(int16) * var.count;
  char* bytes = static_cast<char*>(palloc(size));
  SET_VARSIZE(bytes, size);
  uint16* words = reinterpret_cast<uint16*>(bytes + VARHDRSZ);
  words[0] = first;
  if (has_weight) words[1] = static_cast<uint16>(static_cast<int16>(var.weight));
  if (var.count > 0) memcpy(words + header_words, var.digit, sizeof(int16) * var.count);
  return reinterpret_cast<Numeric>(bytes);
}

}  // namespace

NumericVar numeric_unpack(Numeric value) {
  NumericVar var;
  const char* data = VARDATA_ANY(value);
  int words = static_cast<int>(VARSIZE_ANY_EXHDR(value) / sizeof(uint16));
  auto word = [data](int i) {
    uint16 w;
    memcpy(&w, data + i * sizeof(uint16), sizeof w);
    return w;
  };
  uint16 first = word(0);
  if ((first & kKindMask) == kSpecial) {
    uint16 special = first & kSpecialMask;
    var.kind = special == kPlusInfinity    ? NumericKind::plus_infinity
               : special == kMinusInfinity ? NumericKind::minus_infinity
                                           : NumericKind::nan;
    return var;
  }
  int header;
  if ((first & kKindMask) == kShort) {
    header = 1;
    var.negative = (first & kShortNegative) != 0;
    var.dscale = (first >> kShortScaleShift) & kShortScaleMax;
    var.weight = first & kShortWeightMask;
    if (first & kShortWeightSign) var.weight += kShortWeightMin;
  } else {
    header = 2;
    var.negative = (first & kKindMask) == kLongNegative;
    var.dscale = first & kLongScaleMask;
    var.weight = static_cast<int16>(word(1));
  }
  var.count = words - header;
  var.digit = static_cast<int16*>(palloc(sizeof(int16) * (var.count + 1)));
  memcpy(var.digit, data + header * sizeof(uint16), sizeof(int16) * var.count);
  numeric_var_normalize(&var);
  return var;
}

Numeric numeric_pack(NumericVar var, bool* error) {
  if (error) *error = false;
  switch (var.kind) {
    case NumericKind::nan:
      return allocate(1, kNan, NumericVar{}, false);
    case NumericKind::plus_infinity:
      return allocate(1, kPlusInfinity, NumericVar{}, false);
    case NumericKind::minus_infinity:
      return allocate(1, kMinusInfinity, NumericVar{}, false);
    case NumericKind::finite:
      break;
  }
  numeric_var_normalize(&var);
  if (var.weight > kLargestWeight || var.weight < -kLargestWeight - 1 || var.dscale > kLongScaleMask) {
    if (!error) overflows_format();
    *error = true;
    return nullptr;
  }
  if (var.dscale <= kShortScaleMax && var.weight >= kShortWeightMin && var.weight <= kShortWeightMax) {
    uint16 first =
        static_cast<uint16>(kShort | (var.negative ? kShortNegative : 0) | (var.dscale << kShortScaleShift) |
                            (var.weight & kShortWeightMask) | (var.weight < 0 ? kShortWeightSign : 0));
    return allocate(1, first, var, false);
  }
  return allocate(2, static_cast<uint16>((var.negative ? kLongNegative : 0) | var.dscale), var, true);
}

bool numeric_var_from_text(const char* text, const char** end, NumericVar* var) {
  const char* p = text;
  *var = NumericVar{};
  bool negative = *p == '-';
  if (*p == '-' || *p == '+') p++;
  const char* digits = p;
  int before = 0, after = 0;
  while (isdigit(static_cast<unsigned char>(*p))) p++, before++;
  bool point = *p == '.';
  if (point) {
    p++;
    while (isdigit(static_cast<unsigned char>(*p))) p++, after++;
  }
  if (before + after == 0) return false;
  int64 exponent = 0;
  if (*p == 'e' || *p == 'E') {
    char* rest;
    errno = 0;
    long value = strtol(p + 1, &rest, 10);
    if (rest == p + 1) return false;
    if (errno == ERANGE || value >= INT_MAX / 2 || value <= -(INT_MAX / 2)) overflows_format();
    exponent = value;
    p = rest;
  }
  *end = p;
  int64 scale = after - exponent;
  // Decimals in front of the point, after the exponent has moved it.
  int64 leading = before + exponent;
  int64 weight = (leading + kDecimalsPerDigit - 1) / kDecimalsPerDigit - 1;
  if (leading < 0) weight = -(-leading / kDecimalsPerDigit) - 1;
  int offset = static_cast<int>((weight + 1) * kDecimalsPerDigit - leading);
  int total = before + after;
  var->negative = negative;
  var->dscale = scale > 0 ? static_cast<int>(scale) : 0;
  var->weight = static_cast<int>(weight);
  var->count = (offset + total + kDecimalsPerDigit - 1) / kDecimalsPerDigit;
  var->digit = static_cast<int16*>(palloc0(sizeof(int16) * var->count));
  for (int i = 0; i < total; i++) {
    char c = i < before ? digits[i] : digits[i + 1];
    int place = offset + i;
    int16* digit = &var->digit[place / kDecimalsPerDigit];
    static const int kPower[] = {1000, 100, 10, 1};
    *digit = static_cast<int16>(*digit + (c - '0') * kPower[place % kDecimalsPerDigit]);
  }
  numeric_var_normalize(var);
  return true;
}

char* numeric_var_to_text(const NumericVar& var) {
  switch (var.kind) {
    case NumericKind::nan:
      return pstrdup("NaN");
    case NumericKind::plus_infinity:
      return pstrdup("Infinity");
    case NumericKind::minus_infinity:
      return pstrdup("-Infinity");
    case NumericKind::finite:
      break;
  }
  NumericVar shown = numeric_var_round(var, var.dscale);
  int whole = shown.count > 0 && shown.weight >= 0 ? (shown.weight + 1) * kDecimalsPerDigit : 1;
  char* text = static_cast<char*>(palloc(whole + shown.dscale + kDecimalsPerDigit + 4));
  char* out = text;
  if (shown.negative) *out++ = '-';
  auto decimal = [&shown](int power) {
    // The decimal digit that stands for 10 ^ power.
    int exponent =
        power >= 0 ? power / kDecimalsPerDigit : -((-power + kDecimalsPerDigit - 1) / kDecimalsPerDigit);
    int digit = shown.at(exponent);
    for (int i = power - exponent * kDecimalsPerDigit; i > 0; i--) digit /= 10;
    return static_cast<char>('0' + digit % 10);
  };
  int power = whole - 1;
  while (power > 0 && decimal(power) == '0') power--;
  for (; power >= 0; power--) *out++ = decimal(power);
  if (shown.dscale > 0) {
    *out++ = '.';
    for (int i = 1; i <= shown.dscale; i++) *out++ = decimal(-i);
  }
  *out = '\0';
  return text;
}

}  // namespace bgw
