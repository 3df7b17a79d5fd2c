// Subtransactions: internal ones, which modules begin and end from C to recover from errors, and the frames
// that savepoints are made of. Their states, memory, resource owners; each is a savepoint of the session
// (core/session.hpp). Ordinary code only.
extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "storage/fd.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
}

#include "access/xact_frame.hpp"
#include "access/xact_internal.hpp"
#include "bridge/worker_session.hpp"

namespace bgw::xact {

namespace {

void pop_frame() {
  TransactionFrame* gone = current;
  current = gone->parent;
  CurTransactionContext = current->context;
  CurTransactionResourceOwner = CurrentResourceOwner = current->owner;
  MemoryContextSwitchTo(CurTransactionContext);
  if (gone->name) pfree(gone->name);
  pfree(gone);
}

}  // namespace

void start_subtransaction(const char* name) {
  TransactionFrame* s =
      static_cast<TransactionFrame*>(MemoryContextAllocZero(TopTransactionContext, sizeof(TransactionFrame)));
  s->name = name ? MemoryContextStrdup(TopTransactionContext, name) : nullptr;
  s->parent = current;
  s->subid = ++last_subid;
  s->nest_level = current->nest_level + 1;
  s->read_only_before = XactReadOnly;
  GetUserIdAndSecContext(&s->user_before, &s->security_before);
  s->context =
      AllocSetContextCreateInternal(CurTransactionContext, "CurTransactionContext", ALLOCSET_DEFAULT_SIZES);
  s->owner = ResourceOwnerCreate(current->owner, "SubTransaction");
  current = s;
  CurTransactionContext = s->context;
  CurTransactionResourceOwner = CurrentResourceOwner = s->owner;
  MemoryContextSwitchTo(CurTransactionContext);
  s->guc_nest_level = NewGUCNestLevel();
  bgw_session_begin_sub();
  s->work = Work::in_progress;
  s->block = Block::sub_in_progress;
  bgw_call_subxact_callbacks(SUBXACT_EVENT_START_SUB, s->subid, s->parent->subid);
}

void commit_subtransaction() {
  TransactionFrame* s = current;
  bgw_call_subxact_callbacks(SUBXACT_EVENT_PRE_COMMIT_SUB, s->subid, s->parent->subid);
  CommandCounterIncrement();
  s->work = Work::committing;
  bgw_session_release_sub();
  AtSubCommit_Portals(s->subid, s->parent->subid, s->parent->nest_level, s->parent->owner);
  bgw_call_subxact_callbacks(SUBXACT_EVENT_COMMIT_SUB, s->subid, s->parent->subid);
  release_owner(s->owner, true, false);
  AtEOXact_GUC(true, s->guc_nest_level);
  AtEOSubXact_SPI(true, s->subid);
  AtEOSubXact_Files(true, s->subid, s->parent->subid);
  AtEOSubXact_HashTables(true, s->nest_level);
  AtSubCommit_Snapshot(s->nest_level);
  XactReadOnly = s->read_only_before;
  CurrentResourceOwner = s->parent->owner;
  ResourceOwnerDelete(s->owner);
  s->owner = nullptr;
  s->work = Work::none;
  MemoryContext context = s->context;
  CurTransactionContext = s->parent->context;
  MemoryContextSwitchTo(CurTransactionContext);
  // What the subtransaction left there belongs to its parent now.
  if (MemoryContextIsEmpty(context)) MemoryContextDelete(context);
  pop_frame();
}

void abort_subtransaction() {
  TransactionFrame* s = current;
  hold_interrupts();
  if (abort_context) MemoryContextSwitchTo(abort_context);
  CurrentResourceOwner = s->owner;
  clean_after_error();
  if (s->work == Work::none) elog(WARNING, "AbortSubTransaction while in %s state", "DEFAULT");
  s->work = Work::aborted;
  SetUserIdAndSecContext(s->user_before, s->security_before);
  if (s->owner) {
    bgw_session_rollback_sub();
    AtSubAbort_Portals(s->subid, s->parent->subid, s->owner, s->parent->owner);
    bgw_call_subxact_callbacks(SUBXACT_EVENT_ABORT_SUB, s->subid, s->parent->subid);
    release_owner(s->owner, false, false);
    AtEOXact_GUC(false, s->guc_nest_level);
    AtEOSubXact_SPI(false, s->subid);
    AtEOSubXact_Files(false, s->subid, s->parent->subid);
    AtEOSubXact_HashTables(false, s->nest_level);
    AtSubAbort_Snapshot(s->nest_level);
  }
  XactReadOnly = s->read_only_before;
  resume_interrupts();
}

void cleanup_subtransaction() {
  TransactionFrame* s = current;
  AtSubCleanup_Portals(s->subid);
  CurrentResourceOwner = s->parent->owner;
  CurTransactionResourceOwner = s->parent->owner;
  if (s->owner) ResourceOwnerDelete(s->owner);
  s->owner = nullptr;
  if (abort_context) MemoryContextReset(abort_context);
  MemoryContext context = s->context;
  CurTransactionContext = s->parent->context;
  MemoryContextSwitchTo(CurTransactionContext);
  if (context) MemoryContextDelete(context);
  s->work = Work::none;
  pop_frame();
}

}  // namespace bgw::xact

using namespace bgw::xact;

extern "C" {

void BeginInternalSubTransaction(const char* name) {
  switch (current->block) {
    case Block::started:
    case Block::in_progress:
    case Block::implicit_in_progress:
    case Block::end:
    case Block::sub_in_progress:
      start_subtransaction(name);
      break;
    default:
      unexpected(FATAL, "BeginInternalSubTransaction");
  }
}

void ReleaseCurrentSubTransaction(void) {
  if (current->block != Block::sub_in_progress) unexpected(ERROR, "ReleaseCurrentSubTransaction");
  MemoryContextSwitchTo(CurTransactionContext);
  commit_subtransaction();
}

void RollbackAndReleaseCurrentSubTransaction(void) {
  switch (current->block) {
    case Block::sub_in_progress:
      abort_subtransaction();
      break;
    case Block::sub_abort:
      break;
    default:
      unexpected(FATAL, "RollbackAndReleaseCurrentSubTransaction");
  }
  cleanup_subtransaction();
}

}  // extern "C"
