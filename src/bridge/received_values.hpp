// Values that the upstream has sent in binary form: those of which the text does not tell all (rows without a named type, what
// the planner's statistics are kept in, functions whose name others have too), and what comes in one result with them. Include
// after postgres.h.
#pragma once

#include "bridge/type_io.hpp"
#include "core/session.hpp"

extern "C" {
#include "access/tupdesc.h"
}

namespace bgw {

// The type as one that is built in memory, if it is so only when it is received: record, record[], anyarray, pg_ndistinct,
// pg_dependencies and pg_mcv_list; nullptr for other types.
const TypeInfo* received_type(Oid oid);

// Whether a result of those columns should be asked for in binary form: there is one in it of which the text does or may not tell
// all, and all others can be received. May ask the upstream what the types are.
bool to_be_received(const RowSet* described);

// Whether all of those columns can be received. May ask as well.
bool can_be_received(const RowSet* described);

// Whether some column is of a type that is built in memory only when it is received.
bool has_received_types(const RowSet* rows);

// Whether the rows that came as text are mostly bytes, which take twice as long a text.
bool is_mostly_bytes(const RowSet* rows);

// The descriptor of an anonymous row type with those columns, named f1, f2 and so on; registered, not counted.
TupleDesc record_descriptor(int count, const Oid* types);

// The value of a column; bytes nullptr: NULL. Where the column is described as text, the upstream is asked for it. `what` and
// `number` are for the message when more bytes are there than the value takes.
Datum receive_value(const FormData_pg_attribute* attribute, const char* bytes, int len, const char* what, int number);

// Describes a column of a received result: as what build_result_tupdesc() has made of it, but records as values.
void describe_received(Form_pg_attribute attribute);

}  // namespace bgw
