// What a module does with the rows it got: reading columns, copying tuples, memory that survives SPI_finish.
//
// Column numbers count from 1; system columns are negative. A column whose type the host cannot build in
// memory holds the upstream's text: SPI_getvalue prints it, SPI_getbinval refuses it by name.
#include "core/session.hpp"

extern "C" {
#include "postgres.h"
#include "access/htup_details.h"
#include "access/sysattr.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
}

#include "bridge/tuple_builder.hpp"
#include "bridge/type_io.hpp"
#include "bridge/user_types.hpp"
#include "executor/spi_internal.hpp"

namespace {

struct SystemColumn {
  int number;
  const char* name;
  Oid type;
};

constexpr SystemColumn system_columns[] = {
    {SelfItemPointerAttributeNumber, "ctid", TIDOID}, {MinTransactionIdAttributeNumber, "xmin", XIDOID},
    {MinCommandIdAttributeNumber, "cmin", CIDOID},    {MaxTransactionIdAttributeNumber, "xmax", XIDOID},
    {MaxCommandIdAttributeNumber, "cmax", CIDOID},    {TableOidAttributeNumber, "tableoid", OIDOID},
};

const SystemColumn* system_column(int number) {
  for (const SystemColumn& column : system_columns)
    if (column.number == number) return &column;
  return nullptr;
}

bool valid_column(TupleDesc tupdesc, int number) {
  return number != 0 && number <= tupdesc->natts && number > FirstLowInvalidHeapAttributeNumber;
}

// The server's text of a value that is not built in memory.
bool holds_text(TupleDesc tupdesc, int number) {
  return number > 0 && !bgw::is_constructible(TupleDescAttr(tupdesc, number - 1));
}

Oid column_type(TupleDesc tupdesc, int number) {
  if (number > 0) return TupleDescAttr(tupdesc, number - 1)->atttypid;
  const SystemColumn* column = system_column(number);
  return column ? column->type : InvalidOid;
}

}  // namespace

extern "C" {

int SPI_fnumber(TupleDesc tupdesc, const char* fname) {
  for (int i = 0; i < tupdesc->natts; ++i) {
    Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);
    if (strcmp(NameStr(attribute->attname), fname) == 0 && !attribute->attisdropped) return i + 1;
  }
  for (const SystemColumn& column : system_columns)
    if (strcmp(column.name, fname) == 0) return column.number;
  return SPI_ERROR_NOATTRIBUTE;
}

char* SPI_fname(TupleDesc tupdesc, int fnumber) {
  SPI_result = 0;
  if (!valid_column(tupdesc, fnumber)) {
    SPI_result = SPI_ERROR_NOATTRIBUTE;
    return nullptr;
  }
  if (fnumber > 0) return pstrdup(NameStr(TupleDescAttr(tupdesc, fnumber - 1)->attname));
  return pstrdup(system_column(fnumber)->name);
}

char* SPI_getvalue(HeapTuple tuple, TupleDesc tupdesc, int fnumber) {
  SPI_result = 0;
  if (!valid_column(tupdesc, fnumber)) {
    SPI_result = SPI_ERROR_NOATTRIBUTE;
    return nullptr;
  }
  bool isnull;
  Datum value = heap_getattr(tuple, fnumber, tupdesc, &isnull);
  if (isnull) return nullptr;
  const bgw::TypeInfo* type = fnumber > 0 ? bgw::type_of_column(TupleDescAttr(tupdesc, fnumber - 1))
                                          : bgw::lookup_type(column_type(tupdesc, fnumber));
  return bgw::type_to_text(type, value);
}

Datum SPI_getbinval(HeapTuple tuple, TupleDesc tupdesc, int fnumber, bool* isnull) {
  SPI_result = 0;
  if (!valid_column(tupdesc, fnumber)) {
    SPI_result = SPI_ERROR_NOATTRIBUTE;
    *isnull = true;
    return 0;
  }
  Datum value = heap_getattr(tuple, fnumber, tupdesc, isnull);
  if (!*isnull && holds_text(tupdesc, fnumber)) {
    const bgw::TypeInfo* type = bgw::known_type(column_type(tupdesc, fnumber));
    char* name = type ? pstrdup(type->name) : psprintf("with OID %u", column_type(tupdesc, fnumber));
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("values of type %s cannot be read in binary form outside the server", name),
                    errdetail("Column \"%s\".", NameStr(TupleDescAttr(tupdesc, fnumber - 1)->attname)),
                    column_type(tupdesc, fnumber) == RECORDOID
                        ? errhint("Use SPI_getvalue(), or cast the column to a named row type.")
                        : errhint("Use SPI_getvalue(), or cast the column to a built-in type.")));
  }
  return value;
}

char* SPI_gettype(TupleDesc tupdesc, int fnumber) {
  SPI_result = 0;
  if (!valid_column(tupdesc, fnumber)) {
    SPI_result = SPI_ERROR_NOATTRIBUTE;
    return nullptr;
  }
  Oid oid = column_type(tupdesc, fnumber);
  const bgw::TypeInfo* type = bgw::find_type(oid);
  if (type != nullptr) return pstrdup(type->name);
  char* name = nullptr;
  if (spi_current != nullptr) {
    MemoryContext outside = CurrentMemoryContext;
    name = bgw_type_name(oid);
    MemoryContextSwitchTo(outside);
  }
  if (name == nullptr) SPI_result = SPI_ERROR_TYPUNKNOWN;
  return name;
}

Oid SPI_gettypeid(TupleDesc tupdesc, int fnumber) {
  SPI_result = 0;
  if (!valid_column(tupdesc, fnumber)) {
    SPI_result = SPI_ERROR_NOATTRIBUTE;
    return InvalidOid;
  }
  return column_type(tupdesc, fnumber);
}

char* SPI_getrelname(Relation rel) {
  return pstrdup(RelationGetRelationName(rel));
}
char* SPI_getnspname(Relation rel) {
  return get_namespace_name(RelationGetNamespace(rel));
}

// ---- memory of the upper executor ----

void* SPI_palloc(Size size) {
  if (spi_current == nullptr) elog(ERROR, "SPI_palloc called while not connected to SPI");
  return MemoryContextAlloc(spi_current->saved_context, size);
}

// A chunk knows its context, so these need none.
void* SPI_repalloc(void* pointer, Size size) {
  return repalloc(pointer, size);
}
void SPI_pfree(void* pointer) {
  pfree(pointer);
}
void SPI_freetuple(HeapTuple tuple) {
  heap_freetuple(tuple);
}

Datum SPI_datumTransfer(Datum value, bool typByVal, int typLen) {
  if (spi_current == nullptr) elog(ERROR, "SPI_datumTransfer called while not connected to SPI");
  MemoryContext outside = MemoryContextSwitchTo(spi_current->saved_context);
  Datum copy = datumTransfer(value, typByVal, typLen);
  MemoryContextSwitchTo(outside);
  return copy;
}

HeapTuple SPI_copytuple(HeapTuple tuple) {
  if (tuple == nullptr) {
    SPI_result = SPI_ERROR_ARGUMENT;
    return nullptr;
  }
  if (spi_current == nullptr) {
    SPI_result = SPI_ERROR_UNCONNECTED;
    return nullptr;
  }
  MemoryContext outside = MemoryContextSwitchTo(spi_current->saved_context);
  HeapTuple copy = heap_copytuple(tuple);
  MemoryContextSwitchTo(outside);
  return copy;
}

HeapTupleHeader SPI_returntuple(HeapTuple tuple, TupleDesc tupdesc) {
  if (tuple == nullptr || tupdesc == nullptr) {
    SPI_result = SPI_ERROR_ARGUMENT;
    return nullptr;
  }
  if (spi_current == nullptr) {
    SPI_result = SPI_ERROR_UNCONNECTED;
    return nullptr;
  }
  MemoryContext outside = MemoryContextSwitchTo(spi_current->saved_context);
  HeapTupleHeader header = DatumGetHeapTupleHeader(heap_copy_tuple_as_datum(tuple, tupdesc));
  MemoryContextSwitchTo(outside);
  return header;
}

HeapTuple SPI_modifytuple(Relation rel, HeapTuple tuple, int natts, int* attnum, Datum* Values,
                          const char* Nulls) {
  if (rel == nullptr || tuple == nullptr || natts < 0 || attnum == nullptr || Values == nullptr) {
    SPI_result = SPI_ERROR_ARGUMENT;
    return nullptr;
  }
  if (spi_current == nullptr) {
    SPI_result = SPI_ERROR_UNCONNECTED;
    return nullptr;
  }
  MemoryContext outside = MemoryContextSwitchTo(spi_current->saved_context);
  SPI_result = 0;
  TupleDesc tupdesc = rel->rd_att;
  int columns = tupdesc->natts;
  Datum* values = static_cast<Datum*>(palloc(static_cast<Size>(columns) * sizeof(Datum)));
  bool* nulls = static_cast<bool*>(palloc(static_cast<Size>(columns) * sizeof(bool)));
  heap_deform_tuple(tuple, tupdesc, values, nulls);
  HeapTuple changed = nullptr;
  int i = 0;
  for (; i < natts; ++i) {
    if (attnum[i] <= 0 || attnum[i] > columns) break;
    values[attnum[i] - 1] = Values[i];
    nulls[attnum[i] - 1] = Nulls && Nulls[i] == 'n';
  }
  if (i == natts) {
    changed = heap_form_tuple(tupdesc, values, nulls);
    changed->t_data->t_ctid = tuple->t_data->t_ctid;
    changed->t_self = tuple->t_self;
    changed->t_tableOid = tuple->t_tableOid;
  } else {
    SPI_result = SPI_ERROR_NOATTRIBUTE;
  }
  pfree(values);
  pfree(nulls);
  MemoryContextSwitchTo(outside);
  return changed;
}

void SPI_freetuptable(SPITupleTable* tuptable) {
  if (tuptable == nullptr) return;
  bool found = false;
  if (spi_current != nullptr) {
    for (slist_node* before = &spi_current->tuptables.head; before->next != nullptr; before = before->next) {
      if (spi_table_of(before->next) != tuptable) continue;
      before->next = before->next->next;
      found = true;
      break;
    }
  }
  if (!found) {
    elog(WARNING, "attempt to delete invalid SPITupleTable %p", tuptable);
    return;
  }
  if (tuptable == spi_current->tuptable) spi_current->tuptable = nullptr;
  if (tuptable == SPI_tuptable) SPI_tuptable = nullptr;
  MemoryContextDelete(tuptable->tuptabcxt);
}

const char* SPI_result_code_string(int code) {
  static char unknown[64];
  switch (code) {
    case SPI_ERROR_CONNECT:
      return "SPI_ERROR_CONNECT";
    case SPI_ERROR_COPY:
      return "SPI_ERROR_COPY";
    case SPI_ERROR_OPUNKNOWN:
      return "SPI_ERROR_OPUNKNOWN";
    case SPI_ERROR_UNCONNECTED:
      return "SPI_ERROR_UNCONNECTED";
    case SPI_ERROR_ARGUMENT:
      return "SPI_ERROR_ARGUMENT";
    case SPI_ERROR_PARAM:
      return "SPI_ERROR_PARAM";
    case SPI_ERROR_TRANSACTION:
      return "SPI_ERROR_TRANSACTION";
    case SPI_ERROR_NOATTRIBUTE:
      return "SPI_ERROR_NOATTRIBUTE";
    case SPI_ERROR_NOOUTFUNC:
      return "SPI_ERROR_NOOUTFUNC";
    case SPI_ERROR_TYPUNKNOWN:
      return "SPI_ERROR_TYPUNKNOWN";
    case SPI_ERROR_REL_DUPLICATE:
      return "SPI_ERROR_REL_DUPLICATE";
    case SPI_ERROR_REL_NOT_FOUND:
      return "SPI_ERROR_REL_NOT_FOUND";
    case SPI_OK_CONNECT:
      return "SPI_OK_CONNECT";
    case SPI_OK_FINISH:
      return "SPI_OK_FINISH";
    case SPI_OK_FETCH:
      return "SPI_OK_FETCH";
    case SPI_OK_UTILITY:
      return "SPI_OK_UTILITY";
    case SPI_OK_SELECT:
      return "SPI_OK_SELECT";
    case SPI_OK_SELINTO:
      return "SPI_OK_SELINTO";
    case SPI_OK_INSERT:
      return "SPI_OK_INSERT";
    case SPI_OK_DELETE:
      return "SPI_OK_DELETE";
    case SPI_OK_UPDATE:
      return "SPI_OK_UPDATE";
    case SPI_OK_CURSOR:
      return "SPI_OK_CURSOR";
    case SPI_OK_INSERT_RETURNING:
      return "SPI_OK_INSERT_RETURNING";
    case SPI_OK_DELETE_RETURNING:
      return "SPI_OK_DELETE_RETURNING";
    case SPI_OK_UPDATE_RETURNING:
      return "SPI_OK_UPDATE_RETURNING";
    case SPI_OK_REWRITTEN:
      return "SPI_OK_REWRITTEN";
    case SPI_OK_REL_REGISTER:
      return "SPI_OK_REL_REGISTER";
    case SPI_OK_REL_UNREGISTER:
      return "SPI_OK_REL_UNREGISTER";
    case SPI_OK_TD_REGISTER:
      return "SPI_OK_TD_REGISTER";
    case SPI_OK_MERGE:
      return "SPI_OK_MERGE";
  }
  snprintf(unknown, sizeof(unknown), "Unrecognized SPI code %d", code);
  return unknown;
}

}  // extern "C"
