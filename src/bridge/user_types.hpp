// Types that are not built in (enums, domains, named row types, ranges, text-like extension types and arrays of
// these), as the upstream's catalogs describe them. Include after postgres.h.
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

// A user's type that can be built once the names of OIDs in its values are found (a row with a regclass);
// nullptr if the type is none such. Asks nobody.
const TypeInfo* user_type_with_aliases(Oid oid);

// The descriptor of a named row type, counted as in the server's type cache; nullptr if the type is none, or
// has columns that cannot be built in memory.
TupleDesc learn_row_type(Oid oid);

// The same also for a row type with columns that cannot be built.
TupleDesc learn_row_columns(Oid oid);

// The type under a domain, through all domains, and its modifier; the type itself if it is no domain.
Oid learn_base_type(Oid oid, int32* typmod);

// The relation of a row type, or InvalidOid.
Oid learn_row_relation(Oid oid);

// The text of a value of the type as the upstream prints it, having read `text` (nullptr: NULL, also as the
// answer); palloc'd. Raises the upstream's error, and ERROR 0A000 where it cannot be asked.
char* read_by_upstream(Oid oid, const char* text);

// What pg_range says of a range type and its multirange type.
struct RangeInfo {
  Oid range;
  Oid multirange;
  Oid subtype;
  Oid collation;
  Oid canonical;  // InvalidOid if none
  Oid subdiff;    // InvalidOid if none
  Oid compare;    // the comparison function of the operator class that orders the subtype
};

// Of a range type or a multirange type; nullptr if the type is neither. Valid until the type is asked of the
// upstream anew.
const RangeInfo* learn_range(Oid oid);

// Types may have been altered: what is known is asked anew when it is needed next. What kind of type an OID is
// stays known, so values at hand keep their form.
void types_may_have_changed() noexcept;

// A number that rises whenever types may have been altered.
uint64 types_generation() noexcept;

}  // namespace bgw
