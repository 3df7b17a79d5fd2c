// What the parts of the array functions share. Include after postgres.h.
#pragma once

extern "C" {
#include "utils/array.h"
#include "utils/memutils.h"
}

namespace bgw {

inline constexpr int most_array_elements = static_cast<int>(MaxArraySize);

// As construct_md_array(), but the array has a bitmap of NULLs wherever `with_bitmap` is true, also if no element is NULL: the server's
// functions that change an array give it one as soon as one of those it is made from had one. `elems` and `nulls` have as many
// elements as `dims` say, which are `ndims`, as are `lbs`; varlenas are detoasted in `elems`.
ArrayType* build_array(Datum* elems, const bool* nulls, bool with_bitmap, int ndims, const int* dims, const int* lbs, Oid elmtype,
                       int elmlen, bool elmbyval, char elmalign);

// Raises that an array would be too big: larger than `most`, in bytes or elements.
[[noreturn]] void array_too_big(int most);

}  // namespace bgw
