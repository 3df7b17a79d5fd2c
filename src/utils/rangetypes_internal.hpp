// What the files on ranges share.
#pragma once

extern "C" {
#include "postgres.h"
#include "utils/rangetypes.h"
#include "utils/typcache.h"
}

namespace bgw {

// Reads a range. The entry must have TYPECACHE_RANGE_INFO; `trusted`: the text is what the server printed.
RangeType* read_range(TypeCacheEntry* typcache, const char* literal, int32 typmod, bool trusted);

// Whether bounds of the range type cannot be compared, or its ranges not be canonicalised, in this process.
bool range_needs_upstream(const TypeCacheEntry* typcache);

}  // namespace bgw
