// OIDs that the server prints as names: regclass, regtype, regproc and their kin. Include after postgres.h.
#pragma once

#include "bridge/type_io.hpp"
#include "core/session.hpp"

extern "C" {
#include "catalog/pg_attribute.h"
}

namespace bgw {

// The type as one that is built in memory, or nullptr if it is no alias of oid.
const TypeInfo* alias_type(Oid oid);

// Finds the OIDs behind all names in a column, with at most one question to the upstream. True if each is
// known: build_tuple() will then find them. False if one cannot be told (a name that several functions have, or
// one that is gone).
bool resolve_aliases(Oid type, const RowSet* rows, int column);

// Describes the column as the server does, instead of as the text that was sent.
void describe_alias(Form_pg_attribute attribute);

// Names may mean something else from now on, or be printed in another way.
void names_may_have_changed() noexcept;

}  // namespace bgw
