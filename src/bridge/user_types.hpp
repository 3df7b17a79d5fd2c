// Types that are not built in (enums, domains, named row types, text-like extension types and arrays of these),
// as the upstream's catalogs describe them. Include after postgres.h.
#pragma once

#include "bridge/type_io.hpp"

extern "C" {
#include "access/tupdesc.h"
}

namespace bgw {

// The built-in type, or one that has been learnt; asks nobody. nullptr if it is neither.
const TypeInfo* known_type(Oid oid);

// The built-in type or the user's one, asked of the upstream unless it is known and cannot have changed since.
// nullptr if there is no such type, or nobody to ask. Raises what the look-up raises.
const TypeInfo* learn_type(Oid oid);

// The descriptor of a named row type, counted as in the server's type cache; nullptr if the type is none, or
// has columns that cannot be built in memory.
TupleDesc learn_row_type(Oid oid);

// The type under a domain, through all domains, and its modifier; the type itself if it is no domain.
Oid learn_base_type(Oid oid, int32* typmod);

// The relation of a row type, or InvalidOid.
Oid learn_row_relation(Oid oid);

// Types may have been altered: what is known is asked anew when it is needed next. What kind of type an OID is
// stays known, so values at hand keep their form.
void types_may_have_changed() noexcept;

}  // namespace bgw
