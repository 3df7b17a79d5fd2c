// Multirange values: their form in memory, their text, and what utils/multirangetypes.h declares.
//
// In memory: the type's OID and the number of ranges; a word for each range but the first, which tells where
// its bounds begin (every fourth from the start of the bounds, the others from the range before); a byte of
// flags for each range; then the bounds of each, laid out as in a range and aligned as their type. The ranges
// are in order, not empty, and neither overlap nor touch. C style throughout.
#include <cctype>
#include <cstring>

#include "bridge/oid_aliases.hpp"
#include "bridge/type_io.hpp"
#include "bridge/user_types.hpp"

extern "C" {
#include "postgres.h"
#include "access/tupmacs.h"
#include "lib/stringinfo.h"
#include "port.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/multirangetypes.h"
#include "utils/rangetypes.h"
#include "utils/typcache.h"
}

#include "utils/rangetypes_internal.hpp"

namespace {

constexpr uint32 from_start = 0x80000000;  // in a range's word: counted from the start of the bounds
constexpr int words_between = 4;

[[noreturn]] void malformed(const char* literal, const char* why) {
  ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                  errmsg("malformed multirange literal: \"%s\"", literal), errdetail_internal("%s", why)));
  pg_unreachable();
}

bool is_space(char c) {
  return isspace(static_cast<unsigned char>(c)) != 0;
}

const uint32* words_of(const MultirangeType* multirange) {
  return reinterpret_cast<const uint32*>(multirange + 1);
}

const char* flags_of(const MultirangeType* multirange) {
  return reinterpret_cast<const char*>(words_of(multirange) + (multirange->rangeCount - 1));
}

Size bounds_offset(int32 count, char align) {
  const Size words = count > 0 ? static_cast<Size>(count - 1) : 0;
  return att_align_nominal(sizeof(MultirangeType) + words * sizeof(uint32) + static_cast<Size>(count), align);
}

// Where the bounds of a range begin.
const char* bounds_at(TypeCacheEntry* rangetyp, const MultirangeType* multirange, int i) {
  const uint32* words = words_of(multirange);
  uint32 offset = 0;
  for (; i > 0; i--) {
    const uint32 word = words[i - 1];
    offset += word & ~from_start;
    if ((word & from_start) != 0) break;
  }
  return reinterpret_cast<const char*>(multirange) +
         bounds_offset(static_cast<int32>(multirange->rangeCount), rangetyp->rngelemtype->typalign) + offset;
}

Size bounds_size(const RangeType* range) {
  return VARSIZE(range) - sizeof(RangeType) - sizeof(char);
}

// Sorts the ranges, drops the empty ones and joins those that overlap or touch. Returns how many are left.
int32 tidy(TypeCacheEntry* rangetyp, int32 count, RangeType** ranges) {
  if (count > 0) qsort_arg(ranges, static_cast<Size>(count), sizeof(RangeType*), range_compare, rangetyp);
  int32 kept = 0;
  for (int32 i = 0; i < count; i++) {
    if (RangeIsEmpty(ranges[i])) continue;
    RangeType* last = kept > 0 ? ranges[kept - 1] : nullptr;
    if (last != nullptr && (range_overlaps_internal(rangetyp, last, ranges[i]) ||
                            range_adjacent_internal(rangetyp, last, ranges[i])))
      ranges[kept - 1] = range_union_internal(rangetyp, last, ranges[i], false);
    else
      ranges[kept++] = ranges[i];
  }
  return kept;
}

MultirangeType* lay_out(Oid type, TypeCacheEntry* rangetyp, int32 count, RangeType** ranges) {
  const char align = rangetyp->rngelemtype->typalign;
  const Size start = bounds_offset(count, align);
  Size size = start;
  for (int32 i = 0; i < count; i++) size += att_align_nominal(bounds_size(ranges[i]), align);
  MultirangeType* multirange = static_cast<MultirangeType*>(palloc0(size));
  SET_VARSIZE(multirange, size);
  multirange->multirangetypid = type;
  multirange->rangeCount = static_cast<uint32>(count);
  uint32* words = const_cast<uint32*>(words_of(multirange));
  char* flags = count > 0 ? const_cast<char*>(flags_of(multirange)) : nullptr;
  Size offset = 0, before = 0;
  for (int32 i = 0; i < count; i++) {
    if (i > 0)
      words[i - 1] = i % words_between == 0 ? static_cast<uint32>(offset) | from_start
                                            : static_cast<uint32>(offset - before);
    before = offset;
    flags[i] = range_get_flags(ranges[i]);
    memcpy(reinterpret_cast<char*>(multirange) + start + offset, ranges[i] + 1, bounds_size(ranges[i]));
    offset += att_align_nominal(bounds_size(ranges[i]), align);
  }
  return multirange;
}

struct Ranges {
  RangeType** ranges;
  int32 count;
};

Ranges list_of(TypeCacheEntry* rangetyp, const MultirangeType* multirange) {
  Ranges list;
  multirange_deserialize(rangetyp, multirange, &list.count, &list.ranges);
  return list;
}

struct Ends {
  RangeBound lower, upper;
};

Ends ends_of(TypeCacheEntry* rangetyp, const MultirangeType* multirange, uint32 i) {
  Ends ends;
  multirange_get_bounds(rangetyp, multirange, i, &ends.lower, &ends.upper);
  return ends;
}

// From the first lower bound to the last upper one; false if there is none.
bool span_of(TypeCacheEntry* rangetyp, const MultirangeType* multirange, Ends* span) {
  if (MultirangeIsEmpty(multirange)) return false;
  span->lower = ends_of(rangetyp, multirange, 0).lower;
  span->upper = ends_of(rangetyp, multirange, multirange->rangeCount - 1).upper;
  return true;
}

bool span_of(TypeCacheEntry* rangetyp, const RangeType* range, Ends* span) {
  bool empty;
  range_deserialize(rangetyp, range, &span->lower, &span->upper, &empty);
  return !empty;
}

// The only one of the ranges that can contain what begins at `lower`: the last that does not begin after it. -1
// if there is none.
int last_begun(TypeCacheEntry* rangetyp, const MultirangeType* multirange, const RangeBound* lower) {
  int low = 0, high = static_cast<int>(multirange->rangeCount);
  while (low < high) {
    const int middle = (low + high) / 2;
    const Ends ends = ends_of(rangetyp, multirange, static_cast<uint32>(middle));
    if (range_cmp_bounds(rangetyp, &ends.lower, lower) <= 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low - 1;
}

bool contains(TypeCacheEntry* rangetyp, const MultirangeType* multirange, const Ends& what) {
  const int i = last_begun(rangetyp, multirange, &what.lower);
  if (i < 0) return false;
  const Ends ends = ends_of(rangetyp, multirange, static_cast<uint32>(i));
  return range_cmp_bounds(rangetyp, &ends.upper, &what.upper) >= 0;
}

bool overlaps(TypeCacheEntry* rangetyp, const MultirangeType* multirange, const Ends& what) {
  // Of those that begin before `what` ends the last reaches furthest.
  int low = 0, high = static_cast<int>(multirange->rangeCount);
  while (low < high) {
    const int middle = (low + high) / 2;
    const Ends ends = ends_of(rangetyp, multirange, static_cast<uint32>(middle));
    if (range_cmp_bounds(rangetyp, &ends.lower, &what.upper) <= 0)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == 0) return false;
  const Ends ends = ends_of(rangetyp, multirange, static_cast<uint32>(low - 1));
  return range_cmp_bounds(rangetyp, &ends.upper, &what.lower) >= 0;
}

}  // namespace

extern "C" {

TypeCacheEntry* multirange_get_typcache(FunctionCallInfo fcinfo, Oid mltrngtypid) {
  FmgrInfo* function = fcinfo->flinfo;
  TypeCacheEntry* typcache = function != nullptr ? static_cast<TypeCacheEntry*>(function->fn_extra) : nullptr;
  if (typcache != nullptr && typcache->type_id == mltrngtypid && typcache->rngtype != nullptr &&
      typcache->rngtype->rngelemtype != nullptr)
    return typcache;
  typcache = lookup_type_cache(mltrngtypid, TYPECACHE_MULTIRANGE_INFO);
  if (typcache->rngtype == nullptr) elog(ERROR, "type %u is not a multirange type", mltrngtypid);
  lookup_type_cache(typcache->rngtype->type_id, TYPECACHE_RANGE_INFO);
  if (function != nullptr) function->fn_extra = typcache;
  return typcache;
}

// '{' ranges '}'. White space is free between ranges; inside one it is the range's.
Datum multirange_in(PG_FUNCTION_ARGS) {
  const char* literal = PG_GETARG_CSTRING(0);
  const int32 typmod = PG_GETARG_INT32(2);
  bool trusted = bgw::trusted_text;
  TypeCacheEntry* typcache = multirange_get_typcache(fcinfo, PG_GETARG_OID(1));
  if (!trusted && bgw::range_needs_upstream(typcache->rngtype)) {
    literal = bgw::read_by_upstream(typcache->type_id, literal);
    trusted = true;
  }
  RangeType** ranges = static_cast<RangeType**>(palloc(8 * sizeof(RangeType*)));
  int32 count = 0, room = 8;
  bool seen = false;
  const char* at = literal;
  auto skip_space = [&] {
    while (is_space(*at)) at++;
    if (*at == '\0') malformed(literal, "Unexpected end of input.");
  };
  while (is_space(*at)) at++;
  if (*at++ != '{') malformed(literal, "Missing left brace.");
  for (;;) {
    skip_space();
    if (*at == '}' && !seen) break;
    seen = true;
    if (pg_strncasecmp(at, RANGE_EMPTY_LITERAL, strlen(RANGE_EMPTY_LITERAL)) == 0) {
      at += strlen(RANGE_EMPTY_LITERAL);
    } else if (*at == '[' || *at == '(') {
      const char* begin = at;
      bool quoted = false;
      while (quoted || (*at != ']' && *at != ')')) {
        if (*at == '\\') {
          // Space after a backslash is passed over: the character behind it is the escaped one.
          at++;
          while (is_space(*at)) at++;
        } else if (*at == '"' && !(quoted && at[1] == '"')) {
          quoted = !quoted;
        } else if (*at == '"') {
          at++;
        }
        if (*at == '\0') malformed(literal, "Unexpected end of input.");
        at++;
      }
      at++;
      if (count == room) {
        room *= 2;
        ranges = static_cast<RangeType**>(repalloc(ranges, static_cast<Size>(room) * sizeof(RangeType*)));
      }
      char* text = pnstrdup(begin, static_cast<Size>(at - begin));
      ranges[count++] = bgw::read_range(typcache->rngtype, text, typmod, trusted);
    } else {
      malformed(literal, "Expected range start.");
    }
    skip_space();
    if (*at == '}') break;
    if (*at++ != ',') malformed(literal, "Expected comma or end of multirange.");
  }
  at++;
  while (is_space(*at)) at++;
  if (*at != '\0') malformed(literal, "Junk after closing right brace.");
  PG_RETURN_MULTIRANGE_P(trusted ? lay_out(typcache->type_id, typcache->rngtype, count, ranges)
                                 : make_multirange(typcache->type_id, typcache->rngtype, count, ranges));
}

Datum multirange_out(PG_FUNCTION_ARGS) {
  MultirangeType* multirange = PG_GETARG_MULTIRANGE_P(0);
  TypeCacheEntry* typcache = multirange_get_typcache(fcinfo, MultirangeTypeGetOid(multirange));
  const Ranges list = list_of(typcache->rngtype, multirange);
  const bgw::TypeInfo* type = bgw::learn_buildable_type(typcache->rngtype->type_id);
  if (type == nullptr) elog(ERROR, "cache lookup failed for type %u", typcache->rngtype->type_id);
  StringInfoData out;
  initStringInfo(&out);
  appendStringInfoChar(&out, '{');
  for (int32 i = 0; i < list.count; i++) {
    if (i > 0) appendStringInfoChar(&out, ',');
    appendStringInfoString(&out, bgw::type_to_text(type, RangeTypePGetDatum(list.ranges[i])));
  }
  appendStringInfoChar(&out, '}');
  PG_RETURN_CSTRING(out.data);
}

// --- the form in memory ---

MultirangeType* make_multirange(Oid mltrngtypoid, TypeCacheEntry* rangetyp, int32 range_count,
                                RangeType** ranges) {
  return lay_out(mltrngtypoid, rangetyp, tidy(rangetyp, range_count, ranges), ranges);
}

MultirangeType* make_empty_multirange(Oid mltrngtypoid, TypeCacheEntry* rangetyp) {
  return lay_out(mltrngtypoid, rangetyp, 0, nullptr);
}

void multirange_get_bounds(TypeCacheEntry* rangetyp, const MultirangeType* multirange, uint32 i,
                           RangeBound* lower, RangeBound* upper) {
  Assert(i < multirange->rangeCount);
  const TypeCacheEntry* type = rangetyp->rngelemtype;
  const char flags = flags_of(multirange)[i];
  const char* at = bounds_at(rangetyp, multirange, static_cast<int>(i));
  *lower = {0, (flags & RANGE_LB_INF) != 0, (flags & RANGE_LB_INC) != 0, true};
  *upper = {0, (flags & RANGE_UB_INF) != 0, (flags & RANGE_UB_INC) != 0, false};
  if (RANGE_HAS_LBOUND(flags)) {
    lower->val = fetch_att(at, type->typbyval, type->typlen);
    at =
        reinterpret_cast<const char*>(att_addlength_pointer(reinterpret_cast<uintptr_t>(at), type->typlen, at));
  }
  if (RANGE_HAS_UBOUND(flags)) {
    at = reinterpret_cast<const char*>(
        att_align_pointer(reinterpret_cast<uintptr_t>(at), type->typalign, type->typlen, at));
    upper->val = fetch_att(at, type->typbyval, type->typlen);
  }
}

RangeType* multirange_get_range(TypeCacheEntry* rangetyp, const MultirangeType* multirange, int i) {
  const TypeCacheEntry* type = rangetyp->rngelemtype;
  const char flags = flags_of(multirange)[i];
  const char* begin = bounds_at(rangetyp, multirange, i);
  uintptr_t at = reinterpret_cast<uintptr_t>(begin);
  if (RANGE_HAS_LBOUND(flags)) at = att_addlength_pointer(at, type->typlen, reinterpret_cast<const char*>(at));
  if (RANGE_HAS_UBOUND(flags)) {
    at = att_align_pointer(at, type->typalign, type->typlen, reinterpret_cast<const char*>(at));
    at = att_addlength_pointer(at, type->typlen, reinterpret_cast<const char*>(at));
  }
  const Size len = at - reinterpret_cast<uintptr_t>(begin);
  const Size size = sizeof(RangeType) + len + sizeof(char);
  RangeType* range = static_cast<RangeType*>(palloc0(size));
  SET_VARSIZE(range, size);
  range->rangetypid = rangetyp->type_id;
  memcpy(range + 1, begin, len);
  reinterpret_cast<char*>(range)[size - 1] = flags;
  return range;
}

void multirange_deserialize(TypeCacheEntry* rangetyp, const MultirangeType* multirange, int32* range_count,
                            RangeType*** ranges) {
  *range_count = static_cast<int32>(multirange->rangeCount);
  *ranges = nullptr;
  if (*range_count == 0) return;
  *ranges = static_cast<RangeType**>(palloc(static_cast<Size>(*range_count) * sizeof(RangeType*)));
  for (int32 i = 0; i < *range_count; i++) (*ranges)[i] = multirange_get_range(rangetyp, multirange, i);
}

RangeType* multirange_get_union_range(TypeCacheEntry* rangetyp, const MultirangeType* mr) {
  Ends span;
  if (!span_of(rangetyp, mr, &span)) return make_empty_range(rangetyp);
  return make_range(rangetyp, &span.lower, &span.upper, false);
}

// --- comparing ---

bool multirange_eq_internal(TypeCacheEntry* rangetyp, const MultirangeType* mr1, const MultirangeType* mr2) {
  if (MultirangeTypeGetOid(mr1) != MultirangeTypeGetOid(mr2)) elog(ERROR, "multirange types do not match");
  if (mr1->rangeCount != mr2->rangeCount) return false;
  for (uint32 i = 0; i < mr1->rangeCount; i++) {
    const Ends e1 = ends_of(rangetyp, mr1, i), e2 = ends_of(rangetyp, mr2, i);
    if (range_cmp_bounds(rangetyp, &e1.lower, &e2.lower) != 0 ||
        range_cmp_bounds(rangetyp, &e1.upper, &e2.upper) != 0)
      return false;
  }
  return true;
}

bool multirange_ne_internal(TypeCacheEntry* rangetyp, const MultirangeType* mr1, const MultirangeType* mr2) {
  return !multirange_eq_internal(rangetyp, mr1, mr2);
}

bool multirange_contains_elem_internal(TypeCacheEntry* rangetyp, const MultirangeType* mr, Datum elem) {
  const Ends point = {{elem, false, true, true}, {elem, false, true, false}};
  return contains(rangetyp, mr, point);
}

bool multirange_contains_range_internal(TypeCacheEntry* rangetyp, const MultirangeType* mr,
                                        const RangeType* r) {
  Ends span;
  return !span_of(rangetyp, r, &span) || contains(rangetyp, mr, span);
}

bool range_contains_multirange_internal(TypeCacheEntry* rangetyp, const RangeType* r,
                                        const MultirangeType* mr) {
  Ends outer, inner;
  if (!span_of(rangetyp, mr, &inner)) return true;
  return span_of(rangetyp, r, &outer) && range_cmp_bounds(rangetyp, &outer.lower, &inner.lower) <= 0 &&
         range_cmp_bounds(rangetyp, &outer.upper, &inner.upper) >= 0;
}

bool multirange_contains_multirange_internal(TypeCacheEntry* rangetyp, const MultirangeType* mr1,
                                             const MultirangeType* mr2) {
  for (uint32 i = 0; i < mr2->rangeCount; i++)
    if (!contains(rangetyp, mr1, ends_of(rangetyp, mr2, i))) return false;
  return true;
}

bool range_overlaps_multirange_internal(TypeCacheEntry* rangetyp, const RangeType* r,
                                        const MultirangeType* mr) {
  Ends span;
  return span_of(rangetyp, r, &span) && overlaps(rangetyp, mr, span);
}

bool multirange_overlaps_multirange_internal(TypeCacheEntry* rangetyp, const MultirangeType* mr1,
                                             const MultirangeType* mr2) {
  for (uint32 i = 0; i < mr2->rangeCount; i++)
    if (overlaps(rangetyp, mr1, ends_of(rangetyp, mr2, i))) return true;
  return false;
}

bool range_overleft_multirange_internal(TypeCacheEntry* rangetyp, const RangeType* r,
                                        const MultirangeType* mr) {
  Ends e1, e2;
  return span_of(rangetyp, r, &e1) && span_of(rangetyp, mr, &e2) &&
         range_cmp_bounds(rangetyp, &e1.upper, &e2.upper) <= 0;
}

bool range_overright_multirange_internal(TypeCacheEntry* rangetyp, const RangeType* r,
                                         const MultirangeType* mr) {
  Ends e1, e2;
  return span_of(rangetyp, r, &e1) && span_of(rangetyp, mr, &e2) &&
         range_cmp_bounds(rangetyp, &e1.lower, &e2.lower) >= 0;
}

bool range_before_multirange_internal(TypeCacheEntry* rangetyp, const RangeType* r, const MultirangeType* mr) {
  Ends e1, e2;
  return span_of(rangetyp, r, &e1) && span_of(rangetyp, mr, &e2) &&
         range_cmp_bounds(rangetyp, &e1.upper, &e2.lower) < 0;
}

bool range_after_multirange_internal(TypeCacheEntry* rangetyp, const RangeType* r, const MultirangeType* mr) {
  Ends e1, e2;
  return span_of(rangetyp, r, &e1) && span_of(rangetyp, mr, &e2) &&
         range_cmp_bounds(rangetyp, &e1.lower, &e2.upper) > 0;
}

bool multirange_before_multirange_internal(TypeCacheEntry* rangetyp, const MultirangeType* mr1,
                                           const MultirangeType* mr2) {
  Ends e1, e2;
  return span_of(rangetyp, mr1, &e1) && span_of(rangetyp, mr2, &e2) &&
         range_cmp_bounds(rangetyp, &e1.upper, &e2.lower) < 0;
}

bool range_adjacent_multirange_internal(TypeCacheEntry* rangetyp, const RangeType* r,
                                        const MultirangeType* mr) {
  Ends e1, e2;
  return span_of(rangetyp, r, &e1) && span_of(rangetyp, mr, &e2) &&
         (bounds_adjacent(rangetyp, e1.upper, e2.lower) || bounds_adjacent(rangetyp, e2.upper, e1.lower));
}

// --- making multiranges of multiranges ---

MultirangeType* multirange_minus_internal(Oid mltrngtypoid, TypeCacheEntry* rangetyp, int32 range_count1,
                                          RangeType** ranges1, int32 range_count2, RangeType** ranges2) {
  // Each cut may leave two pieces of one range.
  RangeType** left = static_cast<RangeType**>(
      palloc0(static_cast<Size>(range_count1 + range_count2 + 1) * sizeof(RangeType*)));
  int32 count = 0;
  for (int32 i = 0; i < range_count1; i++) {
    RangeType* rest = ranges1[i];
    for (int32 j = 0; j < range_count2 && !RangeIsEmpty(rest); j++) {
      RangeType *before, *after;
      if (!range_overlaps_internal(rangetyp, rest, ranges2[j])) continue;
      if (range_split_internal(rangetyp, rest, ranges2[j], &before, &after)) {
        left[count++] = before;
        rest = after;
      } else {
        rest = range_minus_internal(rangetyp, rest, ranges2[j]);
      }
    }
    if (!RangeIsEmpty(rest)) left[count++] = rest;
  }
  return make_multirange(mltrngtypoid, rangetyp, count, left);
}

MultirangeType* multirange_intersect_internal(Oid mltrngtypoid, TypeCacheEntry* rangetyp, int32 range_count1,
                                              RangeType** ranges1, int32 range_count2, RangeType** ranges2) {
  RangeType** common = static_cast<RangeType**>(
      palloc0(static_cast<Size>(range_count1 + range_count2 + 1) * sizeof(RangeType*)));
  int32 count = 0;
  for (int32 i = 0, j = 0; i < range_count1 && j < range_count2;) {
    if (range_overlaps_internal(rangetyp, ranges1[i], ranges2[j]))
      common[count++] = range_intersect_internal(rangetyp, ranges1[i], ranges2[j]);
    // The one that ends first has met all it can meet.
    if (range_overleft_internal(rangetyp, ranges1[i], ranges2[j]))
      i++;
    else
      j++;
  }
  return make_multirange(mltrngtypoid, rangetyp, count, common);
}

}  // extern "C"
