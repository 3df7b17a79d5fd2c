// Range values: their form in memory, their text, and what utils/rangetypes.h declares of computing with them.
//
// In memory: the type's OID, the lower bound and the upper bound where they are finite, each aligned as its
// type (long headers shortened as in a tuple), and a byte of flags at the end. A range over a discrete type is
// brought to the form [lower,upper).
//
// Text that the server printed needs neither comparing nor canonicalising (trusted_text). Text from a
// module does; where this process cannot compare the bounds, the upstream is asked for the range. C style
// throughout: a bound's input or comparison function may raise.
#include <cctype>
#include <cstring>

#include "bridge/oid_aliases.hpp"
#include "bridge/type_io.hpp"
#include "bridge/user_types.hpp"

extern "C" {
#include "postgres.h"
#include "access/tupmacs.h"
#include "catalog/pg_type_d.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/rangetypes.h"
#include "utils/typcache.h"
}

#include "utils/rangetypes_internal.hpp"
#include "utils/typcache_internal.hpp"

namespace bgw {

namespace {

[[noreturn]] void malformed(const char* literal, const char* why) {
  ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                  errmsg("malformed range literal: \"%s\"", literal), errdetail_internal("%s", why)));
  pg_unreachable();
}

bool is_space(char c) {
  return isspace(static_cast<unsigned char>(c)) != 0;
}

struct ParsedRange {
  bool empty;
  RangeBound lower, upper;
  char* lower_text;  // nullptr: infinite
  char* upper_text;
};

// The text of a bound, up to the character that ends it.
const char* parse_bound(const char* literal, const char* at, char** text) {
  if (*at == ',' || *at == ')' || *at == ']') {
    *text = nullptr;
    return at;
  }
  StringInfoData bound;
  initStringInfo(&bound);
  bool quoted = false;
  while (quoted || (*at != ',' && *at != ')' && *at != ']')) {
    char c = *at++;
    if (c == '"' && quoted && *at == '"') {
      appendStringInfoChar(&bound, *at++);
      continue;
    }
    if (c == '"') {
      quoted = !quoted;
      continue;
    }
    if (c == '\\') c = *at++;
    if (c == '\0') malformed(literal, "Unexpected end of input.");
    appendStringInfoChar(&bound, c);
  }
  *text = bound.data;
  return at;
}

ParsedRange parse(const char* literal) {
  ParsedRange range = {};
  range.lower.lower = true;
  const char* at = literal;
  while (is_space(*at)) at++;
  if (pg_strncasecmp(at, RANGE_EMPTY_LITERAL, strlen(RANGE_EMPTY_LITERAL)) == 0) {
    range.empty = true;
    at += strlen(RANGE_EMPTY_LITERAL);
    while (is_space(*at)) at++;
    if (*at != '\0') malformed(literal, "Junk after \"empty\" key word.");
    return range;
  }
  if (*at != '[' && *at != '(') malformed(literal, "Missing left parenthesis or bracket.");
  range.lower.inclusive = *at++ == '[';
  at = parse_bound(literal, at, &range.lower_text);
  range.lower.infinite = range.lower_text == nullptr;
  if (*at++ != ',') malformed(literal, "Missing comma after lower bound.");
  at = parse_bound(literal, at, &range.upper_text);
  range.upper.infinite = range.upper_text == nullptr;
  if (*at == ',') malformed(literal, "Too many commas.");
  range.upper.inclusive = *at++ == ']';
  while (is_space(*at)) at++;
  if (*at != '\0') malformed(literal, "Junk after right parenthesis or bracket.");
  return range;
}

void append_bound(StringInfo out, const char* text) {
  bool quote = *text == '\0';
  for (const char* c = text; *c != '\0' && !quote; c++)
    quote = strchr("\"\\()[],", *c) != nullptr || is_space(*c);
  if (quote) appendStringInfoChar(out, '"');
  for (; *text != '\0'; text++) {
    if (*text == '"' || *text == '\\') appendStringInfoChar(out, *text);
    appendStringInfoChar(out, *text);
  }
  if (quote) appendStringInfoChar(out, '"');
}

// Bytes of the value in a range that has `size` bytes before it.
struct Room {
  Size begin;
  Size end;
  bool short_header;
};

Room room_for(Size size, const TypeCacheEntry* type, Datum value) {
  if (type->typlen == -1 && type->typstorage != TYPSTORAGE_PLAIN) {
    Pointer pointer = DatumGetPointer(value);
    if (VARATT_CAN_MAKE_SHORT(pointer)) return {size, size + VARATT_CONVERTED_SHORT_SIZE(pointer), true};
    if (VARATT_IS_SHORT(pointer)) return {size, size + VARSIZE_SHORT(pointer), false};
  }
  const Size begin = att_align_datum(size, type->typalign, type->typlen, value);
  return {begin, att_addlength_datum(begin, type->typlen, value), false};
}

void put_value(char* range, const Room& room, const TypeCacheEntry* type, Datum value) {
  char* at = range + room.begin;
  if (type->typbyval) {
    store_att_byval(at, value, type->typlen);
  } else if (room.short_header) {
    SET_VARSIZE_SHORT(at, room.end - room.begin);
    memcpy(VARDATA_SHORT(at), VARDATA(DatumGetPointer(value)), room.end - room.begin - VARHDRSZ_SHORT);
  } else {
    memcpy(at, DatumGetPointer(value), room.end - room.begin);
  }
}

RangeType* range_of(TypeCacheEntry* typcache, RangeBound* lower, RangeBound* upper, bool empty) {
  const TypeCacheEntry* type = typcache->rngelemtype;
  char flags = RANGE_EMPTY;
  if (!empty) {
    flags = static_cast<char>((lower->infinite    ? RANGE_LB_INF
                               : lower->inclusive ? RANGE_LB_INC
                                                  : 0) |
                              (upper->infinite    ? RANGE_UB_INF
                               : upper->inclusive ? RANGE_UB_INC
                                                  : 0));
  }
  Size size = sizeof(RangeType);
  Room lower_room = {}, upper_room = {};
  const bool has_lower = RANGE_HAS_LBOUND(flags), has_upper = RANGE_HAS_UBOUND(flags);
  if (has_lower) {
    if (type->typlen == -1) lower->val = PointerGetDatum(PG_DETOAST_DATUM_PACKED(lower->val));
    lower_room = room_for(size, type, lower->val);
    size = lower_room.end;
  }
  if (has_upper) {
    if (type->typlen == -1) upper->val = PointerGetDatum(PG_DETOAST_DATUM_PACKED(upper->val));
    upper_room = room_for(size, type, upper->val);
    size = upper_room.end;
  }
  size += sizeof(char);
  RangeType* range = static_cast<RangeType*>(palloc0(size));
  SET_VARSIZE(range, size);
  range->rangetypid = typcache->type_id;
  char* bytes = reinterpret_cast<char*>(range);
  if (has_lower) put_value(bytes, lower_room, type, lower->val);
  if (has_upper) put_value(bytes, upper_room, type, upper->val);
  bytes[size - 1] = flags;
  return range;
}

[[noreturn]] void not_contiguous(const char* what) {
  ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("result of range %s would not be contiguous", what)));
  pg_unreachable();
}

// How two bounds at the same value are ordered: an exclusive lower one is above the value, an exclusive upper
// one below it.
int beside_value(const RangeBound* bound) {
  return bound->inclusive ? 0 : bound->lower ? 1 : -1;
}

struct Ends {
  RangeBound lower, upper;
  bool empty;
};

Ends ends_of(TypeCacheEntry* typcache, const RangeType* range) {
  Ends ends;
  range_deserialize(typcache, range, &ends.lower, &ends.upper, &ends.empty);
  return ends;
}

void must_match(const RangeType* r1, const RangeType* r2) {
  if (RangeTypeGetOid(r1) != RangeTypeGetOid(r2)) elog(ERROR, "range types do not match");
}

// The bound where the range that ends or begins at `bound` leaves off.
RangeBound other_side(const RangeBound& bound) {
  return {bound.val, bound.infinite, !bound.inclusive, !bound.lower};
}

}  // namespace

bool range_needs_upstream(const TypeCacheEntry* typcache) {
  return !can_call(&typcache->rng_cmp_proc_finfo) ||
         (OidIsValid(typcache->rng_canonical_finfo.fn_oid) && !can_call(&typcache->rng_canonical_finfo));
}

RangeType* read_range(TypeCacheEntry* typcache, const char* literal, int32 typmod, bool trusted) {
  ParsedRange range = parse(literal);
  const TypeInfo* type = learn_buildable_type(typcache->rngelemtype->type_id);
  if (type == nullptr) elog(ERROR, "cache lookup failed for type %u", typcache->rngelemtype->type_id);
  if (range.lower_text != nullptr)
    type_from_text(type, InvalidOid, typmod, range.lower_text, strlen(range.lower_text), &range.lower.val);
  if (range.upper_text != nullptr)
    type_from_text(type, InvalidOid, typmod, range.upper_text, strlen(range.upper_text), &range.upper.val);
  if (trusted) return range_of(typcache, &range.lower, &range.upper, range.empty);
  if (range_needs_upstream(typcache))
    return read_range(typcache, read_by_upstream(typcache->type_id, literal), typmod, true);
  return make_range(typcache, &range.lower, &range.upper, range.empty);
}

}  // namespace bgw

using namespace bgw;

extern "C" {

TypeCacheEntry* range_get_typcache(FunctionCallInfo fcinfo, Oid rngtypid) {
  FmgrInfo* function = fcinfo->flinfo;
  TypeCacheEntry* typcache = function != nullptr ? static_cast<TypeCacheEntry*>(function->fn_extra) : nullptr;
  if (typcache != nullptr && typcache->type_id == rngtypid && typcache->rngelemtype != nullptr) return typcache;
  typcache = lookup_type_cache(rngtypid, TYPECACHE_RANGE_INFO);
  if (typcache->rngelemtype == nullptr) elog(ERROR, "type %u is not a range type", rngtypid);
  if (function != nullptr) function->fn_extra = typcache;
  return typcache;
}

Datum range_in(PG_FUNCTION_ARGS) {
  TypeCacheEntry* typcache = range_get_typcache(fcinfo, PG_GETARG_OID(1));
  check_stack_depth();
  PG_RETURN_RANGE_P(read_range(typcache, PG_GETARG_CSTRING(0), PG_GETARG_INT32(2), trusted_text));
}

Datum range_out(PG_FUNCTION_ARGS) {
  RangeType* range = PG_GETARG_RANGE_P(0);
  TypeCacheEntry* typcache = range_get_typcache(fcinfo, RangeTypeGetOid(range));
  check_stack_depth();
  const Ends ends = ends_of(typcache, range);
  if (ends.empty) PG_RETURN_CSTRING(pstrdup(RANGE_EMPTY_LITERAL));
  const TypeInfo* type = learn_buildable_type(typcache->rngelemtype->type_id);
  if (type == nullptr) elog(ERROR, "cache lookup failed for type %u", typcache->rngelemtype->type_id);
  StringInfoData out;
  initStringInfo(&out);
  appendStringInfoChar(&out, ends.lower.inclusive ? '[' : '(');
  if (!ends.lower.infinite) append_bound(&out, type_to_text(type, ends.lower.val));
  appendStringInfoChar(&out, ',');
  if (!ends.upper.infinite) append_bound(&out, type_to_text(type, ends.upper.val));
  appendStringInfoChar(&out, ends.upper.inclusive ? ']' : ')');
  PG_RETURN_CSTRING(out.data);
}

// --- the form in memory ---

RangeType* range_serialize(TypeCacheEntry* typcache, RangeBound* lower, RangeBound* upper, bool empty) {
  Assert(lower->lower && !upper->lower);
  if (!empty) {
    const int order = range_cmp_bound_values(typcache, lower, upper);
    if (order > 0)
      ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
                      errmsg("range lower bound must be less than or equal to range upper bound")));
    empty = order == 0 && !(lower->inclusive && upper->inclusive);
  }
  return range_of(typcache, lower, upper, empty);
}

void range_deserialize(TypeCacheEntry* typcache, const RangeType* range, RangeBound* lower, RangeBound* upper,
                       bool* empty) {
  Assert(RangeTypeGetOid(range) == typcache->type_id);
  const TypeCacheEntry* type = typcache->rngelemtype;
  const char flags = range_get_flags(range);
  const char* at = reinterpret_cast<const char*>(range + 1);
  *lower = {0, (flags & RANGE_LB_INF) != 0, (flags & RANGE_LB_INC) != 0, true};
  *upper = {0, (flags & RANGE_UB_INF) != 0, (flags & RANGE_UB_INC) != 0, false};
  *empty = (flags & RANGE_EMPTY) != 0;
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

char range_get_flags(const RangeType* range) {
  return reinterpret_cast<const char*>(range)[VARSIZE(range) - 1];
}

void range_set_contain_empty(RangeType* range) {
  char* flags = reinterpret_cast<char*>(range) + VARSIZE(range) - 1;
  *flags = static_cast<char>(*flags | RANGE_CONTAIN_EMPTY);
}

RangeType* make_range(TypeCacheEntry* typcache, RangeBound* lower, RangeBound* upper, bool empty) {
  RangeType* range = range_serialize(typcache, lower, upper, empty);
  if (!OidIsValid(typcache->rng_canonical_finfo.fn_oid) || RangeIsEmpty(range)) return range;
  return DatumGetRangeTypeP(FunctionCall1(&typcache->rng_canonical_finfo, RangeTypePGetDatum(range)));
}

RangeType* make_empty_range(TypeCacheEntry* typcache) {
  RangeBound lower = {0, false, false, true}, upper = {0, false, false, false};
  return range_of(typcache, &lower, &upper, true);
}

// --- comparing ---

int range_cmp_bound_values(TypeCacheEntry* typcache, const RangeBound* b1, const RangeBound* b2) {
  const int place1 = !b1->infinite ? 0 : b1->lower ? -1 : 1;
  const int place2 = !b2->infinite ? 0 : b2->lower ? -1 : 1;
  if (place1 != 0 || place2 != 0) return place1 == place2 ? 0 : place1 < place2 ? -1 : 1;
  return DatumGetInt32(
      FunctionCall2Coll(&typcache->rng_cmp_proc_finfo, typcache->rng_collation, b1->val, b2->val));
}

int range_cmp_bounds(TypeCacheEntry* typcache, const RangeBound* b1, const RangeBound* b2) {
  const int order = range_cmp_bound_values(typcache, b1, b2);
  if (order != 0 || b1->infinite) return order;
  const int place1 = beside_value(b1), place2 = beside_value(b2);
  return place1 == place2 ? 0 : place1 < place2 ? -1 : 1;
}

bool bounds_adjacent(TypeCacheEntry* typcache, RangeBound boundA, RangeBound boundB) {
  Assert(!boundA.lower && boundB.lower);
  const int order = range_cmp_bound_values(typcache, &boundA, &boundB);
  if (order == 0) return boundA.inclusive != boundB.inclusive;
  // Over a discrete type there may be nothing in between.
  if (order > 0 || !OidIsValid(typcache->rng_canonical_finfo.fn_oid)) return false;
  RangeBound lower = other_side(boundA), upper = other_side(boundB);
  return RangeIsEmpty(make_range(typcache, &lower, &upper, false));
}

int range_compare(const void* key1, const void* key2, void* arg) {
  const RangeType* r1 = *static_cast<RangeType* const*>(key1);
  const RangeType* r2 = *static_cast<RangeType* const*>(key2);
  TypeCacheEntry* typcache = static_cast<TypeCacheEntry*>(arg);
  const Ends e1 = ends_of(typcache, r1), e2 = ends_of(typcache, r2);
  if (e1.empty || e2.empty) return e1.empty == e2.empty ? 0 : e1.empty ? -1 : 1;
  const int order = range_cmp_bounds(typcache, &e1.lower, &e2.lower);
  return order != 0 ? order : range_cmp_bounds(typcache, &e1.upper, &e2.upper);
}

bool range_contains_elem_internal(TypeCacheEntry* typcache, const RangeType* r, Datum val) {
  const Ends ends = ends_of(typcache, r);
  if (ends.empty) return false;
  RangeBound point = {val, false, true, true};
  if (range_cmp_bounds(typcache, &ends.lower, &point) > 0) return false;
  point.lower = false;
  return range_cmp_bounds(typcache, &ends.upper, &point) >= 0;
}

bool range_eq_internal(TypeCacheEntry* typcache, const RangeType* r1, const RangeType* r2) {
  must_match(r1, r2);
  return range_compare(&r1, &r2, typcache) == 0;
}

bool range_ne_internal(TypeCacheEntry* typcache, const RangeType* r1, const RangeType* r2) {
  return !range_eq_internal(typcache, r1, r2);
}

bool range_contains_internal(TypeCacheEntry* typcache, const RangeType* r1, const RangeType* r2) {
  must_match(r1, r2);
  const Ends e1 = ends_of(typcache, r1), e2 = ends_of(typcache, r2);
  if (e2.empty) return true;
  return !e1.empty && range_cmp_bounds(typcache, &e1.lower, &e2.lower) <= 0 &&
         range_cmp_bounds(typcache, &e1.upper, &e2.upper) >= 0;
}

bool range_contained_by_internal(TypeCacheEntry* typcache, const RangeType* r1, const RangeType* r2) {
  return range_contains_internal(typcache, r2, r1);
}

bool range_before_internal(TypeCacheEntry* typcache, const RangeType* r1, const RangeType* r2) {
  must_match(r1, r2);
  const Ends e1 = ends_of(typcache, r1), e2 = ends_of(typcache, r2);
  return !e1.empty && !e2.empty && range_cmp_bounds(typcache, &e1.upper, &e2.lower) < 0;
}

bool range_after_internal(TypeCacheEntry* typcache, const RangeType* r1, const RangeType* r2) {
  return range_before_internal(typcache, r2, r1);
}

bool range_adjacent_internal(TypeCacheEntry* typcache, const RangeType* r1, const RangeType* r2) {
  must_match(r1, r2);
  const Ends e1 = ends_of(typcache, r1), e2 = ends_of(typcache, r2);
  return !e1.empty && !e2.empty &&
         (bounds_adjacent(typcache, e1.upper, e2.lower) || bounds_adjacent(typcache, e2.upper, e1.lower));
}

bool range_overlaps_internal(TypeCacheEntry* typcache, const RangeType* r1, const RangeType* r2) {
  must_match(r1, r2);
  const Ends e1 = ends_of(typcache, r1), e2 = ends_of(typcache, r2);
  return !e1.empty && !e2.empty && range_cmp_bounds(typcache, &e1.lower, &e2.upper) <= 0 &&
         range_cmp_bounds(typcache, &e2.lower, &e1.upper) <= 0;
}

bool range_overleft_internal(TypeCacheEntry* typcache, const RangeType* r1, const RangeType* r2) {
  must_match(r1, r2);
  const Ends e1 = ends_of(typcache, r1), e2 = ends_of(typcache, r2);
  return !e1.empty && !e2.empty && range_cmp_bounds(typcache, &e1.upper, &e2.upper) <= 0;
}

bool range_overright_internal(TypeCacheEntry* typcache, const RangeType* r1, const RangeType* r2) {
  must_match(r1, r2);
  const Ends e1 = ends_of(typcache, r1), e2 = ends_of(typcache, r2);
  return !e1.empty && !e2.empty && range_cmp_bounds(typcache, &e1.lower, &e2.lower) >= 0;
}

// --- making ranges of ranges ---

RangeType* range_union_internal(TypeCacheEntry* typcache, RangeType* r1, RangeType* r2, bool strict) {
  must_match(r1, r2);
  Ends e1 = ends_of(typcache, r1), e2 = ends_of(typcache, r2);
  if (e1.empty) return r2;
  if (e2.empty) return r1;
  if (strict && !range_overlaps_internal(typcache, r1, r2) && !range_adjacent_internal(typcache, r1, r2))
    not_contiguous("union");
  RangeBound* lower = range_cmp_bounds(typcache, &e1.lower, &e2.lower) < 0 ? &e1.lower : &e2.lower;
  RangeBound* upper = range_cmp_bounds(typcache, &e1.upper, &e2.upper) > 0 ? &e1.upper : &e2.upper;
  return make_range(typcache, lower, upper, false);
}

RangeType* range_minus_internal(TypeCacheEntry* typcache, RangeType* r1, RangeType* r2) {
  Ends e1 = ends_of(typcache, r1), e2 = ends_of(typcache, r2);
  if (e1.empty || e2.empty || !range_overlaps_internal(typcache, r1, r2)) return r1;
  const bool left = range_cmp_bounds(typcache, &e1.lower, &e2.lower) < 0;
  const bool right = range_cmp_bounds(typcache, &e1.upper, &e2.upper) > 0;
  if (left && right) not_contiguous("difference");
  if (!left && !right) return make_empty_range(typcache);
  RangeBound cut = other_side(left ? e2.lower : e2.upper);
  return left ? make_range(typcache, &e1.lower, &cut, false) : make_range(typcache, &cut, &e1.upper, false);
}

RangeType* range_intersect_internal(TypeCacheEntry* typcache, const RangeType* r1, const RangeType* r2) {
  Ends e1 = ends_of(typcache, r1), e2 = ends_of(typcache, r2);
  if (e1.empty || e2.empty || !range_overlaps_internal(typcache, r1, r2)) return make_empty_range(typcache);
  RangeBound* lower = range_cmp_bounds(typcache, &e1.lower, &e2.lower) >= 0 ? &e1.lower : &e2.lower;
  RangeBound* upper = range_cmp_bounds(typcache, &e1.upper, &e2.upper) <= 0 ? &e1.upper : &e2.upper;
  return make_range(typcache, lower, upper, false);
}

bool range_split_internal(TypeCacheEntry* typcache, const RangeType* r1, const RangeType* r2,
                          RangeType** output1, RangeType** output2) {
  Ends e1 = ends_of(typcache, r1), e2 = ends_of(typcache, r2);
  if (range_cmp_bounds(typcache, &e1.lower, &e2.lower) >= 0 ||
      range_cmp_bounds(typcache, &e1.upper, &e2.upper) <= 0)
    return false;
  RangeBound before = other_side(e2.lower), after = other_side(e2.upper);
  *output1 = make_range(typcache, &e1.lower, &before, false);
  *output2 = make_range(typcache, &after, &e1.upper, false);
  return true;
}

}  // extern "C"
