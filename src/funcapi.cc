// Making composite values (funcapi.h). Set-returning functions need an executor, which is in the upstream:
// their support functions stay stubs.
extern "C" {
#include "postgres.h"
#include "access/htup_details.h"
#include "catalog/pg_type_d.h"
#include "funcapi.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"
}

extern "C" {

TupleDesc BlessTupleDesc(TupleDesc tupdesc) {
  if (tupdesc->tdtypeid == RECORDOID && tupdesc->tdtypmod < 0) assign_record_type_typmod(tupdesc);
  return tupdesc;
}

AttInMetadata* TupleDescGetAttInMetadata(TupleDesc tupdesc) {
  const Size natts = static_cast<Size>(tupdesc->natts);
  AttInMetadata* meta = static_cast<AttInMetadata*>(palloc(sizeof(AttInMetadata)));
  meta->tupdesc = BlessTupleDesc(tupdesc);
  meta->attinfuncs = static_cast<FmgrInfo*>(palloc0(natts * sizeof(FmgrInfo) + 1));
  meta->attioparams = static_cast<Oid*>(palloc0(natts * sizeof(Oid) + 1));
  meta->atttypmods = static_cast<int32*>(palloc0(natts * sizeof(int32) + 1));
  for (Size i = 0; i < natts; i++) {
    const FormData_pg_attribute* att = TupleDescAttr(tupdesc, i);
    if (att->attisdropped) continue;
    Oid input;
    getTypeInputInfo(att->atttypid, &input, &meta->attioparams[i]);
    fmgr_info(input, &meta->attinfuncs[i]);
    meta->atttypmods[i] = att->atttypmod;
  }
  return meta;
}

HeapTuple BuildTupleFromCStrings(AttInMetadata* attinmeta, char** values) {
  TupleDesc desc = attinmeta->tupdesc;
  const Size natts = static_cast<Size>(desc->natts);
  Datum* datums = static_cast<Datum*>(palloc0(natts * sizeof(Datum) + 1));
  bool* isnull = static_cast<bool*>(palloc0(natts * sizeof(bool) + 1));
  for (Size i = 0; i < natts; i++) {
    isnull[i] = true;
    if (TupleDescAttr(desc, i)->attisdropped) continue;
    // Also for NULL: the type may forbid it.
    datums[i] = InputFunctionCall(&attinmeta->attinfuncs[i], values[i], attinmeta->attioparams[i],
                                  attinmeta->atttypmods[i]);
    isnull[i] = values[i] == nullptr;
  }
  HeapTuple tuple = heap_form_tuple(desc, datums, isnull);
  pfree(datums);
  pfree(isnull);
  return tuple;
}

Datum HeapTupleHeaderGetDatum(HeapTupleHeader tuple) {
  if (HeapTupleHeaderHasExternal(tuple))
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("values stored out of line are not available outside the server")));
  return PointerGetDatum(tuple);
}

}  // extern "C"
