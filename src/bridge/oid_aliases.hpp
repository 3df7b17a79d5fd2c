// OIDs that the server prints as names: regclass, regtype, regproc and their kin, and the roles in an aclitem.
// Include after postgres.h.
#pragma once

#include "bridge/type_io.hpp"
#include "core/session.hpp"

extern "C" {
#include "catalog/pg_attribute.h"
}

namespace bgw {

// The type as one that is built in memory, if it is an alias of oid or contains one: an array of them, a row
// with one. Else nullptr. Asks nobody.
const TypeInfo* alias_type(Oid oid);

// The type as one that is built in memory, whether or not names in it must be found first; nullptr if it is
// unknown, the type as it is if it cannot be built.
const TypeInfo* learn_buildable_type(Oid oid);

// Whether what the upstream prints of the type may be the name of several objects: of regproc, regoper and arrays of them.
bool may_have_ambiguous_names(Oid oid);

// While true, values are printed as numbers, which the upstream reads as well and without a question from here.
extern bool print_aliases_as_numbers;

// Finds the OIDs behind all names in a column, with at most one question to the upstream for each alias type in
// it. True if each is known: build_tuple() will then find them. False if one cannot be told (a name that
// several functions have, or one that is gone).
bool resolve_aliases(Oid type, const RowSet* rows, int column);

// The role that an aclitem names, as those of a column are resolved. A name of digits that is no role's is the
// OID of one that is gone, which is how the server prints it. Raises if there is no such role.
Oid role_in_aclitem(const char* name);
// The other way: the role's name, or its OID as digits. Lives until names may have changed.
const char* name_in_aclitem(Oid role);

// A value of a column that was received in binary form: when the first of them is printed, the names of all that were noted since
// are asked for together. Does nothing unless the type is an alias.
void note_received_oid(Oid type, Datum value);

// Describes the column as the server does, instead of as the text that was sent.
void describe_alias(Form_pg_attribute attribute);

// Names may mean something else from now on, or be printed in another way.
void names_may_have_changed() noexcept;

}  // namespace bgw
