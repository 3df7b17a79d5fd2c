// From rows of text to heap tuples: what the session makes of a result.
//
// A builder is made once per result and used for each of its rows. It is palloc'd and owns nothing outside its
// memory context: deleting or resetting that context frees it, also after an error.
#pragma once

#include "bridge/type_io.hpp"

extern "C" {
#include "postgres.h"
#include "access/htup.h"
#include "access/tupdesc.h"
}

namespace bgw {

// The descriptor of a result: RECORDOID, not reference-counted, in the current context. Columns of types that
// are not constructible are described as varlenas under their own type OID. `typmods` may be nullptr (all -1).
TupleDesc build_result_tupdesc(int n, const char* const* names, const Oid* types, const int32* typmods);

// How the column's values are read and printed; other_type() if they are the server's text.
const TypeInfo* type_of_column(const FormData_pg_attribute* attribute);

// True if the column's values are Datums that module code may look at; false if they are the server's text.
bool is_constructible(const FormData_pg_attribute* attribute);

// True if the attribute, of a result or of a record in one, is described as a varlena with the server's text.
bool carries_text(const FormData_pg_attribute* attribute);

struct TupleBuilder;

// The descriptor must outlive the builder.
TupleBuilder* make_tuple_builder(TupleDesc desc);

// One palloc'd tuple in the current context, as heap_form_tuple would make it. values[i] is nullptr for NULL,
// else text of lengths[i] bytes with a NUL after them, as the server prints it. Raises an input function's
// error.
HeapTuple build_tuple(TupleBuilder* builder, const char* const* values, const int* lengths);

// Frees the builder early (its context would do it, too).
void free_tuple_builder(TupleBuilder* builder);

}  // namespace bgw
