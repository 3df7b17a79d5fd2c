// The SQL functions on multiranges: constructors, accessors, operators and hashes.
//
// Every operator is written once over a span of helpers from utils/multirangetypes.h. C style throughout.
extern "C" {
#include "postgres.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "port/pg_bitutils.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/multirangetypes.h"
#include "utils/rangetypes.h"
#include "utils/typcache.h"
}

namespace {

struct Ranges {
  RangeType** ranges;
  int32 count;
};

Ranges list_of(TypeCacheEntry* rangetyp, const MultirangeType* multirange) {
  Ranges list;
  multirange_deserialize(rangetyp, multirange, &list.count, &list.ranges);
  return list;
}

TypeCacheEntry* range_type(FunctionCallInfo fcinfo, const MultirangeType* multirange) {
  return multirange_get_typcache(fcinfo, MultirangeTypeGetOid(multirange))->rngtype;
}

// The first or last bound; false if there is none because the multirange is empty.
bool outer_bound(FunctionCallInfo fcinfo, bool want_lower, RangeBound* bound) {
  MultirangeType* multirange = PG_GETARG_MULTIRANGE_P(0);
  if (MultirangeIsEmpty(multirange)) return false;
  RangeBound lower, upper;
  multirange_get_bounds(range_type(fcinfo, multirange), multirange, want_lower ? 0 : multirange->rangeCount - 1,
                        &lower, &upper);
  *bound = want_lower ? lower : upper;
  return true;
}

// Range by range, then by number.
int compare(FunctionCallInfo fcinfo) {
  MultirangeType *mr1 = PG_GETARG_MULTIRANGE_P(0), *mr2 = PG_GETARG_MULTIRANGE_P(1);
  if (MultirangeTypeGetOid(mr1) != MultirangeTypeGetOid(mr2)) elog(ERROR, "multirange types do not match");
  TypeCacheEntry* rangetyp = range_type(fcinfo, mr1);
  const Ranges l1 = list_of(rangetyp, mr1), l2 = list_of(rangetyp, mr2);
  for (int32 i = 0; i < l1.count && i < l2.count; i++) {
    const int order = range_compare(&l1.ranges[i], &l2.ranges[i], rangetyp);
    if (order != 0) return order;
  }
  return l1.count == l2.count ? 0 : l1.count < l2.count ? -1 : 1;
}

bool both(FunctionCallInfo fcinfo,
          bool (*holds)(TypeCacheEntry*, const MultirangeType*, const MultirangeType*)) {
  MultirangeType *mr1 = PG_GETARG_MULTIRANGE_P(0), *mr2 = PG_GETARG_MULTIRANGE_P(1);
  return holds(range_type(fcinfo, mr1), mr1, mr2);
}

bool range_first(FunctionCallInfo fcinfo,
                 bool (*holds)(TypeCacheEntry*, const RangeType*, const MultirangeType*)) {
  MultirangeType* mr = PG_GETARG_MULTIRANGE_P(1);
  return holds(range_type(fcinfo, mr), PG_GETARG_RANGE_P(0), mr);
}

bool range_second(FunctionCallInfo fcinfo,
                  bool (*holds)(TypeCacheEntry*, const RangeType*, const MultirangeType*)) {
  MultirangeType* mr = PG_GETARG_MULTIRANGE_P(0);
  return holds(range_type(fcinfo, mr), PG_GETARG_RANGE_P(1), mr);
}

bool overleft(TypeCacheEntry* rangetyp, const MultirangeType* mr1, const MultirangeType* mr2) {
  if (MultirangeIsEmpty(mr1) || MultirangeIsEmpty(mr2)) return false;
  RangeBound lower, upper1, upper2;
  multirange_get_bounds(rangetyp, mr1, mr1->rangeCount - 1, &lower, &upper1);
  multirange_get_bounds(rangetyp, mr2, mr2->rangeCount - 1, &lower, &upper2);
  return range_cmp_bounds(rangetyp, &upper1, &upper2) <= 0;
}

bool overright(TypeCacheEntry* rangetyp, const MultirangeType* mr1, const MultirangeType* mr2) {
  if (MultirangeIsEmpty(mr1) || MultirangeIsEmpty(mr2)) return false;
  RangeBound lower1, lower2, upper;
  multirange_get_bounds(rangetyp, mr1, 0, &lower1, &upper);
  multirange_get_bounds(rangetyp, mr2, 0, &lower2, &upper);
  return range_cmp_bounds(rangetyp, &lower1, &lower2) >= 0;
}

bool after(TypeCacheEntry* rangetyp, const MultirangeType* mr1, const MultirangeType* mr2) {
  return multirange_before_multirange_internal(rangetyp, mr2, mr1);
}

bool contained(TypeCacheEntry* rangetyp, const MultirangeType* mr1, const MultirangeType* mr2) {
  return multirange_contains_multirange_internal(rangetyp, mr2, mr1);
}

bool adjacent(TypeCacheEntry* rangetyp, const MultirangeType* mr1, const MultirangeType* mr2) {
  if (MultirangeIsEmpty(mr1) || MultirangeIsEmpty(mr2)) return false;
  RangeBound first1, first2, last1, last2, other;
  multirange_get_bounds(rangetyp, mr1, 0, &first1, &other);
  multirange_get_bounds(rangetyp, mr2, 0, &first2, &other);
  multirange_get_bounds(rangetyp, mr1, mr1->rangeCount - 1, &other, &last1);
  multirange_get_bounds(rangetyp, mr2, mr2->rangeCount - 1, &other, &last2);
  return bounds_adjacent(rangetyp, last1, first2) || bounds_adjacent(rangetyp, last2, first1);
}

bool range_in_multirange(TypeCacheEntry* rangetyp, const RangeType* r, const MultirangeType* mr) {
  return multirange_contains_range_internal(rangetyp, mr, r);
}

// A multirange says of a range what the range says the other way round.
bool multirange_overleft(TypeCacheEntry* rangetyp, const RangeType* r, const MultirangeType* mr) {
  if (MultirangeIsEmpty(mr) || RangeIsEmpty(r)) return false;
  RangeBound lower, upper, ignored, last;
  bool empty;
  range_deserialize(rangetyp, r, &lower, &upper, &empty);
  multirange_get_bounds(rangetyp, mr, mr->rangeCount - 1, &ignored, &last);
  return range_cmp_bounds(rangetyp, &last, &upper) <= 0;
}

bool multirange_overright(TypeCacheEntry* rangetyp, const RangeType* r, const MultirangeType* mr) {
  if (MultirangeIsEmpty(mr) || RangeIsEmpty(r)) return false;
  RangeBound lower, upper, ignored, first;
  bool empty;
  range_deserialize(rangetyp, r, &lower, &upper, &empty);
  multirange_get_bounds(rangetyp, mr, 0, &first, &ignored);
  return range_cmp_bounds(rangetyp, &first, &lower) >= 0;
}

}  // namespace

extern "C" {

Datum multirange_constructor0(PG_FUNCTION_ARGS) {
  const Oid type = get_fn_expr_rettype(fcinfo->flinfo);
  if (PG_NARGS() != 0) elog(ERROR, "niladic multirange constructor must not receive arguments");
  PG_RETURN_MULTIRANGE_P(make_empty_multirange(type, multirange_get_typcache(fcinfo, type)->rngtype));
}

Datum multirange_constructor1(PG_FUNCTION_ARGS) {
  const Oid type = get_fn_expr_rettype(fcinfo->flinfo);
  TypeCacheEntry* rangetyp = multirange_get_typcache(fcinfo, type)->rngtype;
  if (PG_ARGISNULL(0)) elog(ERROR, "multirange values cannot contain null members");
  RangeType* range = PG_GETARG_RANGE_P(0);
  if (RangeTypeGetOid(range) != rangetyp->type_id)
    elog(ERROR, "type %u does not match constructor type", RangeTypeGetOid(range));
  PG_RETURN_MULTIRANGE_P(make_multirange(type, rangetyp, 1, &range));
}

Datum multirange_constructor2(PG_FUNCTION_ARGS) {
  const Oid type = get_fn_expr_rettype(fcinfo->flinfo);
  TypeCacheEntry* rangetyp = multirange_get_typcache(fcinfo, type)->rngtype;
  if (PG_NARGS() == 0) PG_RETURN_MULTIRANGE_P(make_empty_multirange(type, rangetyp));
  if (PG_ARGISNULL(0)) elog(ERROR, "multirange values cannot contain null members");
  ArrayType* array = PG_GETARG_ARRAYTYPE_P(0);
  if (ARR_NDIM(array) > 1)
    ereport(ERROR, (errcode(ERRCODE_CARDINALITY_VIOLATION),
                    errmsg("multiranges cannot be constructed from multidimensional arrays")));
  if (ARR_ELEMTYPE(array) != rangetyp->type_id)
    elog(ERROR, "type %u does not match constructor type", ARR_ELEMTYPE(array));
  Datum* items;
  bool* nulls;
  int count = 0;
  if (ARR_NDIM(array) > 0)
    deconstruct_array(array, rangetyp->type_id, rangetyp->typlen, rangetyp->typbyval, rangetyp->typalign,
                      &items, &nulls, &count);
  RangeType** ranges = static_cast<RangeType**>(palloc0(static_cast<Size>(count + 1) * sizeof(RangeType*)));
  for (int i = 0; i < count; i++) {
    if (nulls[i])
      ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                      errmsg("multirange values cannot contain null members")));
    ranges[i] = DatumGetRangeTypeP(items[i]);
  }
  PG_RETURN_MULTIRANGE_P(make_multirange(type, rangetyp, count, ranges));
}

Datum multirange_lower(PG_FUNCTION_ARGS) {
  RangeBound bound;
  if (!outer_bound(fcinfo, true, &bound) || bound.infinite) PG_RETURN_NULL();
  return bound.val;
}
Datum multirange_upper(PG_FUNCTION_ARGS) {
  RangeBound bound;
  if (!outer_bound(fcinfo, false, &bound) || bound.infinite) PG_RETURN_NULL();
  return bound.val;
}
Datum multirange_empty(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(MultirangeIsEmpty(PG_GETARG_MULTIRANGE_P(0)));
}
Datum multirange_lower_inc(PG_FUNCTION_ARGS) {
  RangeBound bound;
  PG_RETURN_BOOL(outer_bound(fcinfo, true, &bound) && bound.inclusive);
}
Datum multirange_upper_inc(PG_FUNCTION_ARGS) {
  RangeBound bound;
  PG_RETURN_BOOL(outer_bound(fcinfo, false, &bound) && bound.inclusive);
}
Datum multirange_lower_inf(PG_FUNCTION_ARGS) {
  RangeBound bound;
  PG_RETURN_BOOL(outer_bound(fcinfo, true, &bound) && bound.infinite);
}
Datum multirange_upper_inf(PG_FUNCTION_ARGS) {
  RangeBound bound;
  PG_RETURN_BOOL(outer_bound(fcinfo, false, &bound) && bound.infinite);
}

#define OPERATOR(function, how, holds)  \
  Datum function(PG_FUNCTION_ARGS) {    \
    PG_RETURN_BOOL(how(fcinfo, holds)); \
  }
OPERATOR(multirange_eq, both, multirange_eq_internal)
OPERATOR(multirange_ne, both, multirange_ne_internal)
OPERATOR(multirange_contains_multirange, both, multirange_contains_multirange_internal)
OPERATOR(multirange_contained_by_multirange, both, contained)
OPERATOR(multirange_overlaps_multirange, both, multirange_overlaps_multirange_internal)
OPERATOR(multirange_before_multirange, both, multirange_before_multirange_internal)
OPERATOR(multirange_after_multirange, both, after)
OPERATOR(multirange_overleft_multirange, both, overleft)
OPERATOR(multirange_overright_multirange, both, overright)
OPERATOR(multirange_adjacent_multirange, both, adjacent)
OPERATOR(range_contains_multirange, range_first, range_contains_multirange_internal)
OPERATOR(range_contained_by_multirange, range_first, range_in_multirange)
OPERATOR(range_overlaps_multirange, range_first, range_overlaps_multirange_internal)
OPERATOR(range_before_multirange, range_first, range_before_multirange_internal)
OPERATOR(range_after_multirange, range_first, range_after_multirange_internal)
OPERATOR(range_overleft_multirange, range_first, range_overleft_multirange_internal)
OPERATOR(range_overright_multirange, range_first, range_overright_multirange_internal)
OPERATOR(range_adjacent_multirange, range_first, range_adjacent_multirange_internal)
OPERATOR(multirange_contains_range, range_second, range_in_multirange)
OPERATOR(multirange_contained_by_range, range_second, range_contains_multirange_internal)
OPERATOR(multirange_overlaps_range, range_second, range_overlaps_multirange_internal)
OPERATOR(multirange_before_range, range_second, range_after_multirange_internal)
OPERATOR(multirange_after_range, range_second, range_before_multirange_internal)
OPERATOR(multirange_overleft_range, range_second, multirange_overleft)
OPERATOR(multirange_overright_range, range_second, multirange_overright)
OPERATOR(multirange_adjacent_range, range_second, range_adjacent_multirange_internal)
#undef OPERATOR

Datum multirange_contains_elem(PG_FUNCTION_ARGS) {
  MultirangeType* mr = PG_GETARG_MULTIRANGE_P(0);
  PG_RETURN_BOOL(multirange_contains_elem_internal(range_type(fcinfo, mr), mr, PG_GETARG_DATUM(1)));
}
Datum elem_contained_by_multirange(PG_FUNCTION_ARGS) {
  MultirangeType* mr = PG_GETARG_MULTIRANGE_P(1);
  PG_RETURN_BOOL(multirange_contains_elem_internal(range_type(fcinfo, mr), mr, PG_GETARG_DATUM(0)));
}

Datum multirange_union(PG_FUNCTION_ARGS) {
  MultirangeType *mr1 = PG_GETARG_MULTIRANGE_P(0), *mr2 = PG_GETARG_MULTIRANGE_P(1);
  if (MultirangeIsEmpty(mr1)) PG_RETURN_MULTIRANGE_P(mr2);
  if (MultirangeIsEmpty(mr2)) PG_RETURN_MULTIRANGE_P(mr1);
  TypeCacheEntry* rangetyp = range_type(fcinfo, mr1);
  const Ranges l1 = list_of(rangetyp, mr1), l2 = list_of(rangetyp, mr2);
  const int32 count = l1.count + l2.count;
  RangeType** all = static_cast<RangeType**>(palloc0(static_cast<Size>(count) * sizeof(RangeType*)));
  for (int32 i = 0; i < count; i++) all[i] = i < l1.count ? l1.ranges[i] : l2.ranges[i - l1.count];
  PG_RETURN_MULTIRANGE_P(make_multirange(MultirangeTypeGetOid(mr1), rangetyp, count, all));
}

Datum multirange_minus(PG_FUNCTION_ARGS) {
  MultirangeType *mr1 = PG_GETARG_MULTIRANGE_P(0), *mr2 = PG_GETARG_MULTIRANGE_P(1);
  if (MultirangeIsEmpty(mr1) || MultirangeIsEmpty(mr2)) PG_RETURN_MULTIRANGE_P(mr1);
  TypeCacheEntry* rangetyp = range_type(fcinfo, mr1);
  const Ranges l1 = list_of(rangetyp, mr1), l2 = list_of(rangetyp, mr2);
  PG_RETURN_MULTIRANGE_P(
      multirange_minus_internal(MultirangeTypeGetOid(mr1), rangetyp, l1.count, l1.ranges, l2.count, l2.ranges));
}

Datum multirange_intersect(PG_FUNCTION_ARGS) {
  MultirangeType *mr1 = PG_GETARG_MULTIRANGE_P(0), *mr2 = PG_GETARG_MULTIRANGE_P(1);
  TypeCacheEntry* rangetyp = range_type(fcinfo, mr1);
  const Ranges l1 = list_of(rangetyp, mr1), l2 = list_of(rangetyp, mr2);
  PG_RETURN_MULTIRANGE_P(multirange_intersect_internal(MultirangeTypeGetOid(mr1), rangetyp, l1.count, l1.ranges,
                                                       l2.count, l2.ranges));
}

Datum range_merge_from_multirange(PG_FUNCTION_ARGS) {
  MultirangeType* mr = PG_GETARG_MULTIRANGE_P(0);
  PG_RETURN_RANGE_P(multirange_get_union_range(range_type(fcinfo, mr), mr));
}

Datum multirange_cmp(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(compare(fcinfo));
}
Datum multirange_lt(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) < 0);
}
Datum multirange_le(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) <= 0);
}
Datum multirange_ge(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) >= 0);
}
Datum multirange_gt(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) > 0);
}

}  // extern "C"
