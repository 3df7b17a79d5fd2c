// Relations of the upstream as the catalogues describe them, and their rows as heap tuples.
//
// What is described lives in memory contexts; nothing has a destructor, so that anything may raise anywhere.
#pragma once

#include "core/session.hpp"

extern "C" {
#include "postgres.h"
#include "access/htup.h"
#include "access/skey.h"
#include "access/tupdesc.h"
#include "catalog/pg_class.h"
}

namespace bgw {

// Whether a process without a database may look at the relation: the shared catalogues that the server needs
// for letting a session in.
bool is_shared_for_all(Oid relid);

// Raises unless `what` (a function's name) may ask the upstream about the relation now. FATAL with the server's
// words for a worker without a database, ERROR without a session or a transaction.
void require_relations(const char* what, Oid relid);

// bgw_session_lookup(), or bgw_shared_lookup() for a worker without a database; nullptr if there is nobody to
// ask.
const RowSet* catalog_lookup(const char* text, int nargs, const Oid* argtypes, const char* const* values);

struct RelationRow {
  Form_pg_class form;    // the fixed part of the pg_class row
  TupleDesc desc;        // as in pg_attribute, dropped columns too; counted once
  const char* quoted;    // schema and name, for a statement
  Oid relfilenode;       // also of a mapped relation
  Oid amhandler;         // InvalidOid if it has no access method
  bool of_this_session;  // a temporary relation of the session's own
};

// What the upstream says of the relation, palloc'd in the current context; nullptr if there is none.
RelationRow* describe_relation(Oid relid);

// The same for a relation of the catalogue that never changes its columns, kept for the life of the process.
const RelationRow* describe_catalog(Oid relid);

// The rows of one SELECT of all columns.
struct TupleSource;

// `keys` become conditions; a key that cannot be put into SQL is an ERROR 0A000 that names it. `order` lists
// columns to order by, `norder` of them. The source and its rows are in a context of their own below the
// current one; form, desc and quoted name must outlive it.
TupleSource* open_tuples(const RelationRow* relation, int nkeys, const ScanKeyData* keys, int norder,
                         const AttrNumber* order);
int tuple_count(const TupleSource* source);
// The tuple of a row, palloc'd in the current context, with the relation's own descriptor, its place and its
// transactions.
HeapTuple build_tuple_of(TupleSource* source, int row);
void close_tuples(TupleSource* source);

// A key of a look-up by equality as text for the upstream, palloc'd; nullptr if no value of the column can
// equal it.
const char* key_text(Oid type, Datum value);

}  // namespace bgw
