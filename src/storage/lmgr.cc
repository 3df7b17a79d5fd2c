// Locks on relations (storage/lmgr.h), as LOCK TABLE on the upstream in the worker's transaction. A lock taken
// so is held until the transaction ends: releasing one earlier does nothing, which locks longer than the server
// would and never shorter. Other kinds of lock have no statement that means the same and stay stubs.
#include "core/session.hpp"

extern "C" {
#include "postgres.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
}

#include "bridge/catalog_lookup.hpp"
#include "bridge/worker_session.hpp"

namespace {

const char* mode_words(LOCKMODE mode) {
  switch (mode) {
    case AccessShareLock:
      return "ACCESS SHARE";
    case RowShareLock:
      return "ROW SHARE";
    case RowExclusiveLock:
      return "ROW EXCLUSIVE";
    case ShareUpdateExclusiveLock:
      return "SHARE UPDATE EXCLUSIVE";
    case ShareLock:
      return "SHARE";
    case ShareRowExclusiveLock:
      return "SHARE ROW EXCLUSIVE";
    case ExclusiveLock:
      return "EXCLUSIVE";
    case AccessExclusiveLock:
      return "ACCESS EXCLUSIVE";
    default:
      elog(ERROR, "unrecognized lock mode: %d", mode);
  }
  pg_unreachable();
}

void lock_table(Oid relid, LOCKMODE mode, bool wait) {
  MemoryContext outside = CurrentMemoryContext;
  MemoryContext scratch = AllocSetContextCreateInternal(outside, "LOCK TABLE", ALLOCSET_SMALL_SIZES);
  MemoryContextSwitchTo(scratch);
  char* name = bgw_catalog_text_by_oid(
      "LockRelationOid",
      "SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) "
      "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1",
      relid);
  if (name == nullptr)
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("could not open relation with OID %u", relid)));
  BgwRun run = {};
  run.text = psprintf("LOCK TABLE ONLY %s IN %s MODE%s", name, mode_words(mode), wait ? "" : " NOWAIT");
  (void)bgw_session_run(&run, nullptr);
  MemoryContextSwitchTo(outside);
  MemoryContextDelete(scratch);
}

}  // namespace

extern "C" {

void LockRelationOid(Oid relid, LOCKMODE lockmode) {
  lock_table(relid, lockmode, true);
}

bool ConditionalLockRelationOid(Oid relid, LOCKMODE lockmode) {
  MemoryContext caller = CurrentMemoryContext;
  volatile bool got = false;
  PG_TRY();
  {
    lock_table(relid, lockmode, false);
    got = true;
  }
  PG_CATCH();
  {
    if (geterrcode() != ERRCODE_LOCK_NOT_AVAILABLE) PG_RE_THROW();
    MemoryContextSwitchTo(caller);
    FlushErrorState();
  }
  PG_END_TRY();
  return got;
}

void UnlockRelationOid(Oid relid, LOCKMODE lockmode) {}

}  // extern "C"
