// Values that the upstream has sent in binary form: rows without a named type, of which no text tells the types of the columns,
// and what comes in one result with them. Include after postgres.h.
#pragma once

#include "bridge/type_io.hpp"
#include "core/session.hpp"

extern "C" {
#include "access/tupdesc.h"
}

namespace bgw {

// record or record[] as a type that is built in memory, which it is only when received; nullptr for other types.
const TypeInfo* record_type(Oid oid);

// Whether a result of those columns should be asked for in binary form: there is a record in it, and all other types can be
// received. May ask the upstream what the types are.
bool to_be_received(const RowSet* described);

// Whether some column is a record or an array of them.
bool has_records(const RowSet* rows);

// The descriptor of an anonymous row type with those columns, named f1, f2 and so on; registered, not counted.
TupleDesc record_descriptor(int count, const Oid* types);

// The value of a column; bytes nullptr: NULL. Where the column is described as text, the upstream is asked for it. `what` and
// `number` are for the message when more bytes are there than the value takes.
Datum receive_value(const FormData_pg_attribute* attribute, const char* bytes, int len, const char* what, int number);

// Describes a column of a received result: as what build_result_tupdesc() has made of it, but records as values.
void describe_received(Form_pg_attribute attribute);

}  // namespace bgw
