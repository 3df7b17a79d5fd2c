// Conditions of a scan (access/skey.h), as modules fill them in; what they mean in SQL is in
// bridge/catalog_rows.cc.
extern "C" {
#include "postgres.h"
#include "access/skey.h"
#include "catalog/pg_collation.h"
}

extern "C" {

void ScanKeyEntryInitialize(ScanKey entry, int flags, AttrNumber attributeNumber, StrategyNumber strategy,
                            Oid subtype, Oid collation, RegProcedure procedure, Datum argument) {
  *entry = {};
  entry->sk_flags = flags;
  entry->sk_attno = attributeNumber;
  entry->sk_strategy = strategy;
  entry->sk_subtype = subtype;
  entry->sk_collation = collation;
  entry->sk_argument = argument;
  // Tests for NULL have no function.
  if (RegProcedureIsValid(procedure)) fmgr_info(procedure, &entry->sk_func);
}

void ScanKeyInit(ScanKey entry, AttrNumber attributeNumber, StrategyNumber strategy, RegProcedure procedure,
                 Datum argument) {
  ScanKeyEntryInitialize(entry, 0, attributeNumber, strategy, InvalidOid, C_COLLATION_OID, procedure, argument);
}

void ScanKeyEntryInitializeWithInfo(ScanKey entry, int flags, AttrNumber attributeNumber,
                                    StrategyNumber strategy, Oid subtype, Oid collation, FmgrInfo* finfo,
                                    Datum argument) {
  ScanKeyEntryInitialize(entry, flags, attributeNumber, strategy, subtype, collation, InvalidOid, argument);
  fmgr_info_copy(&entry->sk_func, finfo, CurrentMemoryContext);
}

}  // extern "C"
