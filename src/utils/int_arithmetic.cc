// Arithmetic, comparison, bit operations, hashing and conversion of boolean, the integers, oid, xid and
// xid8 as the server's fmgr functions. An overflow names the result's type; a division by zero is 22012,
// and dividing the smallest value by -1 is an overflow, never a trap.
// C style throughout (no destructors), because everything here may raise an error.
#include <limits>
#include <type_traits>

extern "C" {
#include "postgres.h"
#include "access/transam.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/xid8.h"
}

namespace {

template <typename Int>
[[noreturn]] void out_of_range() {
  const char* name = sizeof(Int) == 2 ? "smallint" : sizeof(Int) == 4 ? "integer" : "bigint";
  ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE), errmsg("%s out of range", name)));
  pg_unreachable();
}

[[noreturn]] void division_by_zero() {
  ereport(ERROR, (errcode(ERRCODE_DIVISION_BY_ZERO), errmsg("division by zero")));
  pg_unreachable();
}

template <typename Int>
Int add(Int a, Int b) {
  Int r;
  if (__builtin_add_overflow(a, b, &r)) out_of_range<Int>();
  return r;
}

template <typename Int>
Int subtract(Int a, Int b) {
  Int r;
  if (__builtin_sub_overflow(a, b, &r)) out_of_range<Int>();
  return r;
}

template <typename Int>
Int multiply(Int a, Int b) {
  Int r;
  if (__builtin_mul_overflow(a, b, &r)) out_of_range<Int>();
  return r;
}

template <typename Int>
Int divide(Int a, Int b) {
  if (b == 0) division_by_zero();
  if (b == -1) return subtract<Int>(0, a);
  return a / b;
}

template <typename Int>
Int modulo(Int a, Int b) {
  if (b == 0) division_by_zero();
  return b == -1 ? 0 : a % b;
}

template <typename Int>
Int absolute(Int a) {
  return a < 0 ? subtract<Int>(0, a) : a;
}

template <typename To, typename From>
To narrow(From a) {
  if (a < std::numeric_limits<To>::min() || a > std::numeric_limits<To>::max()) out_of_range<To>();
  return static_cast<To>(a);
}

template <typename A, typename B>
int compare(A a, B b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

// Shifting through the unsigned type: defined for every value; the count wraps at the width of an int, as
// the server's compiled code does on every machine that it is packaged for.
template <typename Int>
Int shift_left(Int a, int32 n) {
  if constexpr (sizeof(Int) == 8) return static_cast<Int>(static_cast<uint64>(a) << (n & 63));
  return static_cast<Int>(static_cast<uint32>(static_cast<int32>(a)) << (n & 31));
}

template <typename Int>
Int shift_right(Int a, int32 n) {
  return static_cast<Int>(a >> (n & (sizeof(Int) == 8 ? 63 : 31)));
}

template <typename Int>
Int gcd(Int a, Int b) {
  using U = std::make_unsigned_t<Int>;
  U x = a < 0 ? U{0} - static_cast<U>(a) : static_cast<U>(a);
  U y = b < 0 ? U{0} - static_cast<U>(b) : static_cast<U>(b);
  while (y != 0) {
    U r = x % y;
    x = y;
    y = r;
  }
  if (x > static_cast<U>(std::numeric_limits<Int>::max())) out_of_range<Int>();
  return static_cast<Int>(x);
}

template <typename Int>
Int lcm(Int a, Int b) {
  if (a == 0 || b == 0) return 0;
  return absolute<Int>(multiply<Int>(a / gcd<Int>(a, b), b));
}

uint32 hash_of_int64(int64 value) {
  // Equal values of the three integer types must hash alike, so the high half is folded in by sign.
  uint32 low = static_cast<uint32>(value);
  uint32 high = static_cast<uint32>(value >> 32);
  return low ^ (value >= 0 ? high : ~high);
}

}  // namespace

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
#define COMPARISONS(prefix, Get1, Get2)        \
  BINARY(prefix##eq, Get1, Get2, BOOL, a == b) \
  BINARY(prefix##ne, Get1, Get2, BOOL, a != b) \
  BINARY(prefix##lt, Get1, Get2, BOOL, a < b)  \
  BINARY(prefix##le, Get1, Get2, BOOL, a <= b) \
  BINARY(prefix##gt, Get1, Get2, BOOL, a > b)  \
  BINARY(prefix##ge, Get1, Get2, BOOL, a >= b)
#define ARITHMETIC(prefix, Get1, Get2, Return, Int)            \
  BINARY(prefix##pl, Get1, Get2, Return, add<Int>(a, b))       \
  BINARY(prefix##mi, Get1, Get2, Return, subtract<Int>(a, b))  \
  BINARY(prefix##mul, Get1, Get2, Return, multiply<Int>(a, b)) \
  BINARY(prefix##div, Get1, Get2, Return, divide<Int>(a, b))
#define ONE_TYPE(prefix, Get, Int)                             \
  COMPARISONS(prefix, Get, Get)                                \
  ARITHMETIC(prefix, Get, Get, Get, Int)                       \
  BINARY(prefix##mod, Get, Get, Get, modulo<Int>(a, b))        \
  BINARY(prefix##larger, Get, Get, Get, a > b ? a : b)         \
  BINARY(prefix##smaller, Get, Get, Get, a < b ? a : b)        \
  UNARY(prefix##um, Get, Get, subtract<Int>(0, a))             \
  UNARY(prefix##up, Get, Get, a)                               \
  UNARY(prefix##abs, Get, Get, absolute<Int>(a))               \
  BINARY(prefix##and, Get, Get, Get, static_cast<Int>(a & b))  \
  BINARY(prefix## or, Get, Get, Get, static_cast<Int>(a | b))  \
  BINARY(prefix## xor, Get, Get, Get, static_cast<Int>(a ^ b)) \
  UNARY(prefix##not, Get, Get, static_cast<Int>(~a))           \
  BINARY(prefix##shl, Get, INT32, Get, shift_left<Int>(a, b))  \
  BINARY(prefix##shr, Get, INT32, Get, shift_right<Int>(a, b))

extern "C" {

ONE_TYPE(int2, INT16, int16)
ONE_TYPE(int4, INT32, int32)
ONE_TYPE(int8, INT64, int64)

COMPARISONS(int24, INT16, INT32)
COMPARISONS(int42, INT32, INT16)
COMPARISONS(int28, INT16, INT64)
COMPARISONS(int82, INT64, INT16)
COMPARISONS(int48, INT32, INT64)
COMPARISONS(int84, INT64, INT32)
ARITHMETIC(int24, INT16, INT32, INT32, int32)
ARITHMETIC(int42, INT32, INT16, INT32, int32)
ARITHMETIC(int28, INT16, INT64, INT64, int64)
ARITHMETIC(int82, INT64, INT16, INT64, int64)
ARITHMETIC(int48, INT32, INT64, INT64, int64)
ARITHMETIC(int84, INT64, INT32, INT64, int64)

BINARY(int4gcd, INT32, INT32, INT32, gcd<int32>(a, b))
BINARY(int8gcd, INT64, INT64, INT64, gcd<int64>(a, b))
BINARY(int4lcm, INT32, INT32, INT32, lcm<int32>(a, b))
BINARY(int8lcm, INT64, INT64, INT64, lcm<int64>(a, b))

UNARY(int4inc, INT32, INT32, add<int32>(a, 1))
UNARY(int8inc, INT64, INT64, add<int64>(a, 1))
UNARY(int8dec, INT64, INT64, subtract<int64>(a, 1))
UNARY(int8inc_any, INT64, INT64, add<int64>(a, 1))
UNARY(int8dec_any, INT64, INT64, subtract<int64>(a, 1))

BINARY(btint2cmp, INT16, INT16, INT32, static_cast<int32>(a) - static_cast<int32>(b))
BINARY(btint4cmp, INT32, INT32, INT32, compare(a, b))
BINARY(btint8cmp, INT64, INT64, INT32, compare(a, b))
BINARY(btint24cmp, INT16, INT32, INT32, compare(a, b))
BINARY(btint42cmp, INT32, INT16, INT32, compare(a, b))
BINARY(btint28cmp, INT16, INT64, INT32, compare(a, b))
BINARY(btint82cmp, INT64, INT16, INT32, compare(a, b))
BINARY(btint48cmp, INT32, INT64, INT32, compare(a, b))
BINARY(btint84cmp, INT64, INT32, INT32, compare(a, b))

UNARY(hashint2, INT16, DATUM, hash_uint32(static_cast<int32>(a)))
UNARY(hashint4, INT32, DATUM, hash_uint32(a))
UNARY(hashint8, INT64, DATUM, hash_uint32(hash_of_int64(a)))
BINARY(hashint2extended, INT16, INT64, DATUM, hash_uint32_extended(static_cast<int32>(a), b))
BINARY(hashint4extended, INT32, INT64, DATUM, hash_uint32_extended(a, b))
BINARY(hashint8extended, INT64, INT64, DATUM, hash_uint32_extended(hash_of_int64(a), b))

UNARY(i2toi4, INT16, INT32, a)
UNARY(i4toi2, INT32, INT16, (narrow<int16>(a)))
UNARY(int48, INT32, INT64, a)
UNARY(int84, INT64, INT32, (narrow<int32>(a)))
UNARY(int28, INT16, INT64, a)
UNARY(int82, INT64, INT16, (narrow<int16>(a)))
UNARY(oidtoi8, OID, INT64, static_cast<int64>(a))
UNARY(bool_int4, BOOL, INT32, a ? 1 : 0)
UNARY(int4_bool, INT32, BOOL, a != 0)

Datum i8tooid(PG_FUNCTION_ARGS) {
  int64 a = PG_GETARG_INT64(0);
  if (a < 0 || a > static_cast<int64>(PG_UINT32_MAX))
    ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE), errmsg("OID out of range")));
  PG_RETURN_OID(static_cast<Oid>(a));
}

COMPARISONS(bool, BOOL, BOOL)
BINARY(btboolcmp, BOOL, BOOL, INT32, static_cast<int32>(a) - static_cast<int32>(b))

COMPARISONS(oid, OID, OID)
BINARY(oidlarger, OID, OID, OID, a > b ? a : b)
BINARY(oidsmaller, OID, OID, OID, a < b ? a : b)
BINARY(btoidcmp, OID, OID, INT32, compare(a, b))
UNARY(hashoid, OID, DATUM, hash_uint32(a))
BINARY(hashoidextended, OID, INT64, DATUM, hash_uint32_extended(a, b))

BINARY(xideq, TRANSACTIONID, TRANSACTIONID, BOOL, a == b)
BINARY(xidneq, TRANSACTIONID, TRANSACTIONID, BOOL, a != b)
BINARY(cideq, UINT32, UINT32, BOOL, a == b)

BINARY(xid8eq, FULLTRANSACTIONID, FULLTRANSACTIONID, BOOL, a.value == b.value)
BINARY(xid8ne, FULLTRANSACTIONID, FULLTRANSACTIONID, BOOL, a.value != b.value)
BINARY(xid8lt, FULLTRANSACTIONID, FULLTRANSACTIONID, BOOL, a.value < b.value)
BINARY(xid8gt, FULLTRANSACTIONID, FULLTRANSACTIONID, BOOL, a.value > b.value)
BINARY(xid8le, FULLTRANSACTIONID, FULLTRANSACTIONID, BOOL, a.value <= b.value)
BINARY(xid8ge, FULLTRANSACTIONID, FULLTRANSACTIONID, BOOL, a.value >= b.value)
BINARY(xid8cmp, FULLTRANSACTIONID, FULLTRANSACTIONID, INT32, compare(a.value, b.value))
BINARY(xid8_larger, FULLTRANSACTIONID, FULLTRANSACTIONID, FULLTRANSACTIONID, a.value > b.value ? a : b)
BINARY(xid8_smaller, FULLTRANSACTIONID, FULLTRANSACTIONID, FULLTRANSACTIONID, a.value < b.value ? a : b)
}
