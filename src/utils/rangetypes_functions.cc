// The SQL functions on ranges: constructors, accessors, operators, canonical forms, differences and hashes.
//
// A function finds its range type in the value, a constructor in the type its call is declared to return. C
// style throughout.
#include <cmath>

extern "C" {
#include "postgres.h"
#include "common/hashfn.h"
#include "common/int.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/rangetypes.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"
}

namespace {

struct Ends {
  RangeBound lower, upper;
  bool empty;
};

Ends ends_of(TypeCacheEntry* typcache, const RangeType* range) {
  Ends ends;
  range_deserialize(typcache, range, &ends.lower, &ends.upper, &ends.empty);
  return ends;
}

RangeBound bound_argument(FunctionCallInfo fcinfo, int number, bool inclusive, bool lower) {
  return {PG_ARGISNULL(number) ? 0 : PG_GETARG_DATUM(number), PG_ARGISNULL(number), inclusive, lower};
}

Datum construct(FunctionCallInfo fcinfo, bool lower_inclusive, bool upper_inclusive) {
  TypeCacheEntry* typcache = range_get_typcache(fcinfo, get_fn_expr_rettype(fcinfo->flinfo));
  RangeBound lower = bound_argument(fcinfo, 0, lower_inclusive, true);
  RangeBound upper = bound_argument(fcinfo, 1, upper_inclusive, false);
  PG_RETURN_RANGE_P(make_range(typcache, &lower, &upper, false));
}

[[noreturn]] void invalid_flags() {
  ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("invalid range bound flags"),
                  errhint("Valid values are \"[]\", \"[)\", \"(]\", and \"()\".")));
  pg_unreachable();
}

// Brings a range over whole numbers to [lower,upper); `next` adds one to a bound.
// `next` is not asked for bounds that `endless` says have none: they stay as they are.
Datum canonical(FunctionCallInfo fcinfo, Datum (*next)(Datum), bool (*endless)(Datum) = nullptr) {
  RangeType* range = PG_GETARG_RANGE_P(0);
  TypeCacheEntry* typcache = range_get_typcache(fcinfo, RangeTypeGetOid(range));
  Ends ends = ends_of(typcache, range);
  if (ends.empty) PG_RETURN_RANGE_P(range);
  auto moves = [endless](const RangeBound& bound) {
    return !bound.infinite && (endless == nullptr || !endless(bound.val));
  };
  if (moves(ends.lower) && !ends.lower.inclusive) {
    ends.lower.val = next(ends.lower.val);
    ends.lower.inclusive = true;
  }
  if (moves(ends.upper) && ends.upper.inclusive) {
    ends.upper.val = next(ends.upper.val);
    ends.upper.inclusive = false;
  }
  PG_RETURN_RANGE_P(range_serialize(typcache, &ends.lower, &ends.upper, false));
}

Datum next_int4(Datum value) {
  int32 next;
  if (pg_add_s32_overflow(DatumGetInt32(value), 1, &next))
    ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE), errmsg("integer out of range")));
  return Int32GetDatum(next);
}

Datum next_int8(Datum value) {
  int64 next;
  if (pg_add_s64_overflow(DatumGetInt64(value), 1, &next))
    ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE), errmsg("bigint out of range")));
  return Int64GetDatum(next);
}

Datum next_date(Datum value) {
  const DateADT date = DatumGetDateADT(value);
  if (!IS_VALID_DATE(date + 1))
    ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("date out of range")));
  return DateADTGetDatum(date + 1);
}

bool endless_date(Datum value) {
  return DATE_NOT_FINITE(DatumGetDateADT(value));
}

int compare(FunctionCallInfo fcinfo) {
  RangeType *r1 = PG_GETARG_RANGE_P(0), *r2 = PG_GETARG_RANGE_P(1);
  if (RangeTypeGetOid(r1) != RangeTypeGetOid(r2)) elog(ERROR, "range types do not match");
  return range_compare(&r1, &r2, range_get_typcache(fcinfo, RangeTypeGetOid(r1)));
}

}  // namespace

extern "C" {

Datum range_constructor2(PG_FUNCTION_ARGS) {
  return construct(fcinfo, true, false);
}

Datum range_constructor3(PG_FUNCTION_ARGS) {
  if (PG_ARGISNULL(2))
    ereport(ERROR,
            (errcode(ERRCODE_DATA_EXCEPTION), errmsg("range constructor flags argument must not be null")));
  const char* flags = text_to_cstring(PG_GETARG_TEXT_PP(2));
  if ((flags[0] != '[' && flags[0] != '(') || (flags[1] != ']' && flags[1] != ')') || flags[2] != '\0')
    invalid_flags();
  return construct(fcinfo, flags[0] == '[', flags[1] == ']');
}

Datum range_lower(PG_FUNCTION_ARGS) {
  RangeType* range = PG_GETARG_RANGE_P(0);
  const Ends ends = ends_of(range_get_typcache(fcinfo, RangeTypeGetOid(range)), range);
  if (ends.empty || ends.lower.infinite) PG_RETURN_NULL();
  return ends.lower.val;
}

Datum range_upper(PG_FUNCTION_ARGS) {
  RangeType* range = PG_GETARG_RANGE_P(0);
  const Ends ends = ends_of(range_get_typcache(fcinfo, RangeTypeGetOid(range)), range);
  if (ends.empty || ends.upper.infinite) PG_RETURN_NULL();
  return ends.upper.val;
}

#define FLAG(function, flag)                                               \
  Datum function(PG_FUNCTION_ARGS) {                                       \
    PG_RETURN_BOOL((range_get_flags(PG_GETARG_RANGE_P(0)) & (flag)) != 0); \
  }
FLAG(range_empty, RANGE_EMPTY)
FLAG(range_lower_inc, RANGE_LB_INC)
FLAG(range_upper_inc, RANGE_UB_INC)
FLAG(range_lower_inf, RANGE_LB_INF)
FLAG(range_upper_inf, RANGE_UB_INF)
#undef FLAG

#define OPERATOR(name)                                                          \
  Datum range_##name(PG_FUNCTION_ARGS) {                                        \
    RangeType *r1 = PG_GETARG_RANGE_P(0), *r2 = PG_GETARG_RANGE_P(1);           \
    TypeCacheEntry* typcache = range_get_typcache(fcinfo, RangeTypeGetOid(r1)); \
    PG_RETURN_BOOL(range_##name##_internal(typcache, r1, r2));                  \
  }
OPERATOR(eq)
OPERATOR(ne)
OPERATOR(contains)
OPERATOR(contained_by)
OPERATOR(before)
OPERATOR(after)
OPERATOR(adjacent)
OPERATOR(overlaps)
OPERATOR(overleft)
OPERATOR(overright)
#undef OPERATOR

Datum range_contains_elem(PG_FUNCTION_ARGS) {
  RangeType* range = PG_GETARG_RANGE_P(0);
  TypeCacheEntry* typcache = range_get_typcache(fcinfo, RangeTypeGetOid(range));
  PG_RETURN_BOOL(range_contains_elem_internal(typcache, range, PG_GETARG_DATUM(1)));
}

Datum elem_contained_by_range(PG_FUNCTION_ARGS) {
  RangeType* range = PG_GETARG_RANGE_P(1);
  TypeCacheEntry* typcache = range_get_typcache(fcinfo, RangeTypeGetOid(range));
  PG_RETURN_BOOL(range_contains_elem_internal(typcache, range, PG_GETARG_DATUM(0)));
}

Datum range_union(PG_FUNCTION_ARGS) {
  RangeType *r1 = PG_GETARG_RANGE_P(0), *r2 = PG_GETARG_RANGE_P(1);
  PG_RETURN_RANGE_P(range_union_internal(range_get_typcache(fcinfo, RangeTypeGetOid(r1)), r1, r2, true));
}

Datum range_merge(PG_FUNCTION_ARGS) {
  RangeType *r1 = PG_GETARG_RANGE_P(0), *r2 = PG_GETARG_RANGE_P(1);
  PG_RETURN_RANGE_P(range_union_internal(range_get_typcache(fcinfo, RangeTypeGetOid(r1)), r1, r2, false));
}

Datum range_minus(PG_FUNCTION_ARGS) {
  RangeType *r1 = PG_GETARG_RANGE_P(0), *r2 = PG_GETARG_RANGE_P(1);
  if (RangeTypeGetOid(r1) != RangeTypeGetOid(r2)) elog(ERROR, "range types do not match");
  PG_RETURN_RANGE_P(range_minus_internal(range_get_typcache(fcinfo, RangeTypeGetOid(r1)), r1, r2));
}

Datum range_intersect(PG_FUNCTION_ARGS) {
  RangeType *r1 = PG_GETARG_RANGE_P(0), *r2 = PG_GETARG_RANGE_P(1);
  if (RangeTypeGetOid(r1) != RangeTypeGetOid(r2)) elog(ERROR, "range types do not match");
  PG_RETURN_RANGE_P(range_intersect_internal(range_get_typcache(fcinfo, RangeTypeGetOid(r1)), r1, r2));
}

Datum range_cmp(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(compare(fcinfo));
}
Datum range_lt(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) < 0);
}
Datum range_le(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) <= 0);
}
Datum range_ge(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) >= 0);
}
Datum range_gt(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) > 0);
}

Datum int4range_canonical(PG_FUNCTION_ARGS) {
  return canonical(fcinfo, next_int4);
}
Datum int8range_canonical(PG_FUNCTION_ARGS) {
  return canonical(fcinfo, next_int8);
}
Datum daterange_canonical(PG_FUNCTION_ARGS) {
  return canonical(fcinfo, next_date, endless_date);
}

Datum int4range_subdiff(PG_FUNCTION_ARGS) {
  PG_RETURN_FLOAT8(static_cast<float8>(PG_GETARG_INT32(0)) - static_cast<float8>(PG_GETARG_INT32(1)));
}
Datum int8range_subdiff(PG_FUNCTION_ARGS) {
  PG_RETURN_FLOAT8(static_cast<float8>(PG_GETARG_INT64(0)) - static_cast<float8>(PG_GETARG_INT64(1)));
}
Datum numrange_subdiff(PG_FUNCTION_ARGS) {
  const Datum difference = DirectFunctionCall2(numeric_sub, PG_GETARG_DATUM(0), PG_GETARG_DATUM(1));
  return DirectFunctionCall1(numeric_float8, difference);
}
Datum daterange_subdiff(PG_FUNCTION_ARGS) {
  PG_RETURN_FLOAT8(static_cast<float8>(PG_GETARG_DATEADT(0)) - static_cast<float8>(PG_GETARG_DATEADT(1)));
}
Datum tsrange_subdiff(PG_FUNCTION_ARGS) {
  PG_RETURN_FLOAT8((static_cast<float8>(PG_GETARG_TIMESTAMP(0)) - static_cast<float8>(PG_GETARG_TIMESTAMP(1))) /
                   USECS_PER_SEC);
}
Datum tstzrange_subdiff(PG_FUNCTION_ARGS) {
  return tsrange_subdiff(fcinfo);
}

}  // extern "C"
