// bit and bit varying (utils/varbit.h): strings of bits, most significant bit of each byte first.
//
// Invariant of every value made here: the bits of the last byte that are beyond the length are 0, so that
// values can be compared byte by byte.
#include <algorithm>
#include <cstring>

extern "C" {
#include "postgres.h"
#include "access/htup_details.h"
#include "common/int.h"
#include "mb/pg_wchar.h"
#include "port/pg_bitutils.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/varbit.h"
}

namespace {

VarBit* new_bits(int length) {
  const int size = VARBITTOTALLEN(length);
  VarBit* value = static_cast<VarBit*>(palloc0(static_cast<Size>(size)));
  SET_VARSIZE(value, size);
  VARBITLEN(value) = length;
  return value;
}

inline int byte_count(const VarBit* value) {
  return static_cast<int>(VARBITBYTES(value));
}

inline bool bit_at(const VarBit* value, int i) {
  return (value->bit_dat[i / BITS_PER_BYTE] & (0x80 >> (i % BITS_PER_BYTE))) != 0;
}

inline void put_bit(VarBit* value, int i, bool set) {
  const int mask = 0x80 >> (i % BITS_PER_BYTE);
  bits8* byte = &value->bit_dat[i / BITS_PER_BYTE];
  *byte = static_cast<bits8>(set ? *byte | mask : *byte & ~mask);
}

void clear_padding(VarBit* value) {
  const int used = VARBITLEN(value) % BITS_PER_BYTE;
  if (used != 0) {
    bits8* last = &value->bit_dat[byte_count(value) - 1];
    *last = static_cast<bits8>(*last & (0xff << (BITS_PER_BYTE - used)));
  }
}

// Puts `from` behind the first `at` bits of `to`, which has room for it and zeroes there.
void append_bits(VarBit* to, int at, const VarBit* from) {
  const int shift = at % BITS_PER_BYTE;
  bits8* byte = &to->bit_dat[at / BITS_PER_BYTE];
  const bits8* end = to->bit_dat + byte_count(to);
  for (int i = 0; i < byte_count(from); i++, byte++) {
    *byte = static_cast<bits8>(*byte | (from->bit_dat[i] >> shift));
    if (shift != 0 && byte + 1 < end) byte[1] = static_cast<bits8>(from->bit_dat[i] << (BITS_PER_BYTE - shift));
  }
}

// `length` bits of `from`, the first of them number `start` (from 0); all within it.
VarBit* part_of(const VarBit* from, int start, int length) {
  VarBit* part = new_bits(length);
  const int shift = start % BITS_PER_BYTE;
  const bits8* byte = &from->bit_dat[start / BITS_PER_BYTE];
  const bits8* end = from->bit_dat + byte_count(from);
  for (int i = 0; i < byte_count(part); i++, byte++) {
    int bits = *byte << shift;
    if (shift != 0 && byte + 1 < end) bits |= byte[1] >> (BITS_PER_BYTE - shift);
    part->bit_dat[i] = static_cast<bits8>(bits);
  }
  clear_padding(part);
  return part;
}

[[noreturn]] void wrong_digit(bool binary, const char* at) {
  const int length = pg_mblen(at);
  if (binary)
    ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                    errmsg("\"%.*s\" is not a valid binary digit", length, at)));
  ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                  errmsg("\"%.*s\" is not a valid hexadecimal digit", length, at)));
  pg_unreachable();
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Reads digits of one or four bits. `exact`: as many bits as the modifier says, not just at most.
VarBit* read_bits(const char* text, int32 modifier, bool exact) {
  const bool hex = *text == 'x' || *text == 'X';
  if (hex || *text == 'b' || *text == 'B') text++;
  const std::size_t digits = strlen(text);
  if (hex && digits > VARBITMAXLEN / 4)
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("bit string length exceeds the maximum allowed (%d)", VARBITMAXLEN)));
  const int length = static_cast<int>(hex ? digits * 4 : digits);
  const int wanted = modifier > 0 ? modifier : length;
  if (exact && length != wanted)
    ereport(ERROR, (errcode(ERRCODE_STRING_DATA_LENGTH_MISMATCH),
                    errmsg("bit string length %d does not match type bit(%d)", length, wanted)));
  if (length > wanted)
    ereport(ERROR, (errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
                    errmsg("bit string too long for type bit varying(%d)", wanted)));
  VarBit* value = new_bits(length);
  for (int i = 0; text[i] != '\0'; i++) {
    if (hex) {
      const int four = hex_value(text[i]);
      if (four < 0) wrong_digit(false, text + i);
      bits8* byte = &value->bit_dat[i / 2];
      *byte = static_cast<bits8>(*byte | (i % 2 == 0 ? four << 4 : four));
    } else if (text[i] == '1') {
      put_bit(value, i, true);
    } else if (text[i] != '0') {
      wrong_digit(true, text + i);
    }
  }
  return value;
}

char* print_bits(const VarBit* value) {
  const int length = VARBITLEN(value);
  char* text = static_cast<char*>(palloc(static_cast<Size>(length) + 1));
  for (int i = 0; i < length; i++) text[i] = bit_at(value, i) ? '1' : '0';
  text[length] = '\0';
  return text;
}

int compare(FunctionCallInfo fcinfo) {
  const VarBit* a = PG_GETARG_VARBIT_P(0);
  const VarBit* b = PG_GETARG_VARBIT_P(1);
  const int order =
      memcmp(a->bit_dat, b->bit_dat, static_cast<std::size_t>(std::min(byte_count(a), byte_count(b))));
  if (order != 0 || VARBITLEN(a) == VARBITLEN(b)) return order;
  return VARBITLEN(a) < VARBITLEN(b) ? -1 : 1;
}

// The one modifier of the type in parentheses, checked.
int32 read_modifier(ArrayType* modifiers, const char* type) {
  int count;
  const int32* values = ArrayGetIntegerTypmods(modifiers, &count);
  if (count != 1) ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid type modifier")));
  if (values[0] < 1)
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("length for type %s must be at least 1", type)));
  if (values[0] > MaxAttrSize * BITS_PER_BYTE)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("length for type %s cannot exceed %d", type, MaxAttrSize * BITS_PER_BYTE)));
  return values[0];
}

char* print_modifier(int32 modifier) {
  return modifier >= 0 ? psprintf("(%d)", modifier) : pstrdup("");
}

template <typename Combine>
VarBit* combined(FunctionCallInfo fcinfo, const char* complaint, Combine combine) {
  const VarBit* a = PG_GETARG_VARBIT_P(0);
  const VarBit* b = PG_GETARG_VARBIT_P(1);
  if (VARBITLEN(a) != VARBITLEN(b))
    ereport(ERROR, (errcode(ERRCODE_STRING_DATA_LENGTH_MISMATCH), errmsg_internal("%s", complaint)));
  VarBit* result = new_bits(VARBITLEN(a));
  for (int i = 0; i < byte_count(result); i++)
    result->bit_dat[i] = static_cast<bits8>(combine(a->bit_dat[i], b->bit_dat[i]));
  return result;
}

// Positive: towards the first bit. What is pushed out is lost, and zeroes come in.
VarBit* shifted(const VarBit* from, int64 by) {
  const int length = VARBITLEN(from);
  VarBit* result = new_bits(length);
  if (by >= length || -by >= length) return result;
  if (by >= 0) {
    append_bits(result, 0, part_of(from, static_cast<int>(by), static_cast<int>(length - by)));
  } else {
    append_bits(result, static_cast<int>(-by), part_of(from, 0, static_cast<int>(length + by)));
  }
  return result;
}

VarBit* joined(const VarBit* a, const VarBit* b) {
  if (VARBITLEN(a) > VARBITMAXLEN - VARBITLEN(b))
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("bit string length exceeds the maximum allowed (%d)", VARBITMAXLEN)));
  VarBit* result = new_bits(VARBITLEN(a) + VARBITLEN(b));
  append_bits(result, 0, a);
  append_bits(result, VARBITLEN(a), b);
  return result;
}

// The bits from number `start` (from 1) on, `length` of them or all; what lies outside the value is left out.
VarBit* substring(const VarBit* from, int32 start, int32 length, bool to_the_end) {
  const int32 whole = VARBITLEN(from);
  int32 end = whole + 1;
  if (!to_the_end) {
    int32 asked;
    if (length < 0) {
      // Whatever the start is: a sum beyond the integers is still an end before the start.
      ereport(ERROR, (errcode(ERRCODE_SUBSTRING_ERROR), errmsg("negative substring length not allowed")));
    }
    if (!pg_add_s32_overflow(start, length, &asked)) end = std::min(asked, end);
  }
  const int32 first = std::max(start, 1);
  return first > whole || end <= first ? new_bits(0) : part_of(from, first - 1, end - first);
}

VarBit* overlaid(const VarBit* value, const VarBit* by, int32 start, int32 length) {
  int32 behind;
  if (start <= 0)
    ereport(ERROR, (errcode(ERRCODE_SUBSTRING_ERROR), errmsg("negative substring length not allowed")));
  if (pg_add_s32_overflow(start, length, &behind))
    ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE), errmsg("integer out of range")));
  return joined(joined(substring(value, 1, start - 1, false), by), substring(value, behind, 0, true));
}

void check_index(const VarBit* value, int32 i) {
  if (i < 0 || i >= VARBITLEN(value))
    ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
                    errmsg("bit index %d out of valid range (0..%d)", i, VARBITLEN(value) - 1)));
}

// The lowest bits of an integer of `width` bits; more than those repeat its sign.
VarBit* from_integer(int64 number, int width, int32 length) {
  if (length <= 0 || length > VARBITMAXLEN) length = 1;
  VarBit* value = new_bits(length);
  if (number < 0 && length > width) memset(value->bit_dat, 0xff, static_cast<std::size_t>(byte_count(value)));
  for (int i = std::max(0, length - width); i < length; i++)
    put_bit(value, i, (static_cast<uint64>(number) >> (length - 1 - i) & 1) != 0);
  clear_padding(value);
  return value;
}

uint64 to_integer(const VarBit* value, int width, const char* complaint) {
  if (VARBITLEN(value) > width)
    ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE), errmsg_internal("%s", complaint)));
  uint64 number = 0;
  for (int i = 0; i < VARBITLEN(value); i++) number = number << 1 | (bit_at(value, i) ? 1 : 0);
  return number;
}

}  // namespace

extern "C" {

Datum bit_in(PG_FUNCTION_ARGS) {
  PG_RETURN_VARBIT_P(read_bits(PG_GETARG_CSTRING(0), PG_GETARG_INT32(2), true));
}
Datum varbit_in(PG_FUNCTION_ARGS) {
  PG_RETURN_VARBIT_P(read_bits(PG_GETARG_CSTRING(0), PG_GETARG_INT32(2), false));
}
Datum bit_out(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(print_bits(PG_GETARG_VARBIT_P(0)));
}
Datum varbit_out(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(print_bits(PG_GETARG_VARBIT_P(0)));
}

Datum bittypmodin(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(read_modifier(PG_GETARG_ARRAYTYPE_P(0), "bit"));
}
Datum varbittypmodin(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(read_modifier(PG_GETARG_ARRAYTYPE_P(0), "varbit"));
}
Datum bittypmodout(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(print_modifier(PG_GETARG_INT32(0)));
}
Datum varbittypmodout(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(print_modifier(PG_GETARG_INT32(0)));
}

// The casts that apply a length: an explicit one cuts or fills up with zeroes.
Datum bit(PG_FUNCTION_ARGS) {
  VarBit* value = PG_GETARG_VARBIT_P(0);
  const int32 length = PG_GETARG_INT32(1);
  if (length <= 0 || length > VARBITMAXLEN || length == VARBITLEN(value)) PG_RETURN_VARBIT_P(value);
  if (!PG_GETARG_BOOL(2))
    ereport(ERROR, (errcode(ERRCODE_STRING_DATA_LENGTH_MISMATCH),
                    errmsg("bit string length %d does not match type bit(%d)", VARBITLEN(value), length)));
  if (length < VARBITLEN(value)) PG_RETURN_VARBIT_P(part_of(value, 0, length));
  VarBit* result = new_bits(length);
  append_bits(result, 0, value);
  PG_RETURN_VARBIT_P(result);
}
Datum varbit(PG_FUNCTION_ARGS) {
  VarBit* value = PG_GETARG_VARBIT_P(0);
  const int32 length = PG_GETARG_INT32(1);
  if (length <= 0 || length >= VARBITLEN(value)) PG_RETURN_VARBIT_P(value);
  if (!PG_GETARG_BOOL(2))
    ereport(ERROR, (errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
                    errmsg("bit string too long for type bit varying(%d)", length)));
  PG_RETURN_VARBIT_P(part_of(value, 0, length));
}

Datum biteq(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) == 0);
}
Datum bitne(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) != 0);
}
Datum bitlt(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) < 0);
}
Datum bitle(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) <= 0);
}
Datum bitgt(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) > 0);
}
Datum bitge(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) >= 0);
}
Datum bitcmp(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(compare(fcinfo));
}

Datum bit_and(PG_FUNCTION_ARGS) {
  PG_RETURN_VARBIT_P(
      combined(fcinfo, "cannot AND bit strings of different sizes", [](int a, int b) { return a & b; }));
}
Datum bit_or(PG_FUNCTION_ARGS) {
  PG_RETURN_VARBIT_P(
      combined(fcinfo, "cannot OR bit strings of different sizes", [](int a, int b) { return a | b; }));
}
Datum bitxor(PG_FUNCTION_ARGS) {
  PG_RETURN_VARBIT_P(
      combined(fcinfo, "cannot XOR bit strings of different sizes", [](int a, int b) { return a ^ b; }));
}
Datum bitnot(PG_FUNCTION_ARGS) {
  const VarBit* value = PG_GETARG_VARBIT_P(0);
  VarBit* result = new_bits(VARBITLEN(value));
  for (int i = 0; i < byte_count(result); i++) result->bit_dat[i] = static_cast<bits8>(~value->bit_dat[i]);
  clear_padding(result);
  PG_RETURN_VARBIT_P(result);
}
Datum bitshiftleft(PG_FUNCTION_ARGS) {
  PG_RETURN_VARBIT_P(shifted(PG_GETARG_VARBIT_P(0), PG_GETARG_INT32(1)));
}
Datum bitshiftright(PG_FUNCTION_ARGS) {
  PG_RETURN_VARBIT_P(shifted(PG_GETARG_VARBIT_P(0), -static_cast<int64>(PG_GETARG_INT32(1))));
}

Datum bitcat(PG_FUNCTION_ARGS) {
  PG_RETURN_VARBIT_P(joined(PG_GETARG_VARBIT_P(0), PG_GETARG_VARBIT_P(1)));
}
Datum bitsubstr(PG_FUNCTION_ARGS) {
  PG_RETURN_VARBIT_P(substring(PG_GETARG_VARBIT_P(0), PG_GETARG_INT32(1), PG_GETARG_INT32(2), false));
}
Datum bitsubstr_no_len(PG_FUNCTION_ARGS) {
  PG_RETURN_VARBIT_P(substring(PG_GETARG_VARBIT_P(0), PG_GETARG_INT32(1), 0, true));
}
Datum bitoverlay(PG_FUNCTION_ARGS) {
  PG_RETURN_VARBIT_P(
      overlaid(PG_GETARG_VARBIT_P(0), PG_GETARG_VARBIT_P(1), PG_GETARG_INT32(2), PG_GETARG_INT32(3)));
}
Datum bitoverlay_no_len(PG_FUNCTION_ARGS) {
  const VarBit* by = PG_GETARG_VARBIT_P(1);
  PG_RETURN_VARBIT_P(overlaid(PG_GETARG_VARBIT_P(0), by, PG_GETARG_INT32(2), VARBITLEN(by)));
}
Datum bitlength(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(VARBITLEN(PG_GETARG_VARBIT_P(0)));
}
Datum bitoctetlength(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(byte_count(PG_GETARG_VARBIT_P(0)));
}
Datum bit_bit_count(PG_FUNCTION_ARGS) {
  const VarBit* value = PG_GETARG_VARBIT_P(0);
  PG_RETURN_INT64(
      static_cast<int64>(pg_popcount(reinterpret_cast<const char*>(value->bit_dat), byte_count(value))));
}

// Where the second value begins in the first, from 1; 0 if nowhere.
Datum bitposition(PG_FUNCTION_ARGS) {
  const VarBit* value = PG_GETARG_VARBIT_P(0);
  const VarBit* wanted = PG_GETARG_VARBIT_P(1);
  const int last = VARBITLEN(value) - VARBITLEN(wanted);
  if (VARBITLEN(value) == 0 || last < 0) PG_RETURN_INT32(0);
  for (int start = 0; start <= last; start++) {
    int i = 0;
    while (i < VARBITLEN(wanted) && bit_at(value, start + i) == bit_at(wanted, i)) i++;
    if (i == VARBITLEN(wanted)) PG_RETURN_INT32(start + 1);
  }
  PG_RETURN_INT32(0);
}

Datum bitgetbit(PG_FUNCTION_ARGS) {
  const VarBit* value = PG_GETARG_VARBIT_P(0);
  check_index(value, PG_GETARG_INT32(1));
  PG_RETURN_INT32(bit_at(value, PG_GETARG_INT32(1)) ? 1 : 0);
}
Datum bitsetbit(PG_FUNCTION_ARGS) {
  VarBit* value = PG_GETARG_VARBIT_P_COPY(0);
  check_index(value, PG_GETARG_INT32(1));
  if (PG_GETARG_INT32(2) != 0 && PG_GETARG_INT32(2) != 1)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("new bit must be 0 or 1")));
  put_bit(value, PG_GETARG_INT32(1), PG_GETARG_INT32(2) == 1);
  PG_RETURN_VARBIT_P(value);
}

Datum bitfromint4(PG_FUNCTION_ARGS) {
  PG_RETURN_VARBIT_P(from_integer(PG_GETARG_INT32(0), 32, PG_GETARG_INT32(1)));
}
Datum bitfromint8(PG_FUNCTION_ARGS) {
  PG_RETURN_VARBIT_P(from_integer(PG_GETARG_INT64(0), 64, PG_GETARG_INT32(1)));
}
Datum bittoint4(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(static_cast<int32>(to_integer(PG_GETARG_VARBIT_P(0), 32, "integer out of range")));
}
Datum bittoint8(PG_FUNCTION_ARGS) {
  PG_RETURN_INT64(static_cast<int64>(to_integer(PG_GETARG_VARBIT_P(0), 64, "bigint out of range")));
}

}  // extern "C"
