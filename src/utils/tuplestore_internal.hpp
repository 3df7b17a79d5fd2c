// Reading a set of tuples without a slot to put them into. Include after postgres.h.
#pragma once

extern "C" {
#include "utils/tuplestore.h"
}

namespace bgw {

// The next tuple of the active read pointer; the store keeps it. nullptr at the end.
MinimalTuple tuplestore_next(Tuplestorestate* state);

}  // namespace bgw
