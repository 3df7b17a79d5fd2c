// What the files of the type cache share, and what the functions on values ask of it.
#pragma once

extern "C" {
#include "postgres.h"
#include "utils/typcache.h"
}

namespace bgw {

// A number that no other row descriptor of this process has; above INVALID_TUPLEDESC_IDENTIFIER.
uint64 next_row_identifier();

// Whether the function of an entry can be called in this process: false if it is a user's own or not
// implemented, and for comparisons of text by a collation other than "C". Calling it all the same raises ERROR
// 0A000.
bool can_call(const FmgrInfo* function);

}  // namespace bgw
