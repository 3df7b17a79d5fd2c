// Hashes of ranges and multiranges: the flags' and the bounds' hashes mixed as the server mixes them, so that
// hashes kept by either are those of the other. C style throughout.
extern "C" {
#include "postgres.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "port/pg_bitutils.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/multirangetypes.h"
#include "utils/rangetypes.h"
#include "utils/typcache.h"
}

namespace {

struct Hasher {
  TypeCacheEntry* range;
  FmgrInfo* function;
  bool extended;
  int64 seed;
};

Hasher hasher_for(TypeCacheEntry* range, FunctionCallInfo fcinfo, bool extended) {
  const Oid type = range->rngelemtype->type_id;
  TypeCacheEntry* element =
      lookup_type_cache(type, extended ? TYPECACHE_HASH_EXTENDED_PROC_FINFO : TYPECACHE_HASH_PROC_FINFO);
  FmgrInfo* function = extended ? &element->hash_extended_proc_finfo : &element->hash_proc_finfo;
  if (!OidIsValid(function->fn_oid))
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
                    errmsg("could not identify a hash function for type %s", format_type_be(type))));
  return {range, function, extended, extended ? PG_GETARG_INT64(1) : 0};
}

uint64 hash_bound(const Hasher& hasher, Datum value) {
  if (!hasher.extended)
    return DatumGetUInt32(FunctionCall1Coll(hasher.function, hasher.range->rng_collation, value));
  return DatumGetUInt64(
      FunctionCall2Coll(hasher.function, hasher.range->rng_collation, value, Int64GetDatum(hasher.seed)));
}

uint64 hash_one(const Hasher& hasher, const RangeType* range) {
  RangeBound lower, upper;
  bool empty;
  range_deserialize(hasher.range, range, &lower, &upper, &empty);
  const char flags = range_get_flags(range);
  const uint64 low = RANGE_HAS_LBOUND(flags) ? hash_bound(hasher, lower.val) : 0;
  const uint64 high = RANGE_HAS_UBOUND(flags) ? hash_bound(hasher, upper.val) : 0;
  if (!hasher.extended) {
    const uint32 mixed = DatumGetUInt32(hash_uint32(static_cast<uint32>(flags))) ^ static_cast<uint32>(low);
    return pg_rotate_left32(mixed, 1) ^ static_cast<uint32>(high);
  }
  const uint64 mixed =
      DatumGetUInt64(hash_uint32_extended(static_cast<uint32>(flags), static_cast<uint64>(hasher.seed))) ^ low;
  return ROTATE_HIGH_AND_LOW_32BITS(mixed) ^ high;
}

uint64 hash_all(FunctionCallInfo fcinfo, bool extended) {
  MultirangeType* multirange = PG_GETARG_MULTIRANGE_P(0);
  TypeCacheEntry* range = multirange_get_typcache(fcinfo, MultirangeTypeGetOid(multirange))->rngtype;
  const Hasher hasher = hasher_for(range, fcinfo, extended);
  RangeType** ranges;
  int32 count;
  multirange_deserialize(range, multirange, &count, &ranges);
  uint64 hash = 1;
  for (int32 i = 0; i < count; i++) hash = hash * 31 + hash_one(hasher, ranges[i]);
  return hash;
}

}  // namespace

extern "C" {

Datum hash_range(PG_FUNCTION_ARGS) {
  RangeType* range = PG_GETARG_RANGE_P(0);
  const Hasher hasher = hasher_for(range_get_typcache(fcinfo, RangeTypeGetOid(range)), fcinfo, false);
  PG_RETURN_INT32(static_cast<int32>(hash_one(hasher, range)));
}

Datum hash_range_extended(PG_FUNCTION_ARGS) {
  RangeType* range = PG_GETARG_RANGE_P(0);
  const Hasher hasher = hasher_for(range_get_typcache(fcinfo, RangeTypeGetOid(range)), fcinfo, true);
  PG_RETURN_UINT64(hash_one(hasher, range));
}

Datum hash_multirange(PG_FUNCTION_ARGS) {
  PG_RETURN_UINT32(static_cast<uint32>(hash_all(fcinfo, false)));
}

Datum hash_multirange_extended(PG_FUNCTION_ARGS) {
  PG_RETURN_UINT64(hash_all(fcinfo, true));
}

}  // extern "C"
