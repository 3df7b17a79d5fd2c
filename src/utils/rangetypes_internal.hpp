// What the files on ranges share.
#pragma once

extern "C" {
#include "postgres.h"
#include "utils/rangetypes.h"
#include "utils/typcache.h"
}

namespace bgw {

// True while the rows of a result are read: their ranges are canonical and in order.
extern bool trusted_range_text;

// Reads a range. The entry must have TYPECACHE_RANGE_INFO; `trusted`: the text is what the server printed.
RangeType* read_range(TypeCacheEntry* typcache, const char* literal, int32 typmod, bool trusted);

// Whether bounds of the range type cannot be compared, or its ranges not be canonicalised, in this process.
bool range_needs_upstream(const TypeCacheEntry* typcache);

// The text of a value as the upstream prints what it has read; palloc'd. Raises the upstream's error.
char* read_by_upstream(Oid type, const char* literal);

}  // namespace bgw
