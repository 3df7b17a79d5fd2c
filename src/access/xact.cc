// The worker's transaction: states, memory, resource owners, and what is told to the session.
//
// A worker drives transactions by StartTransactionCommand, CommitTransactionCommand and
// AbortCurrentTransaction, and nests internal subtransactions. The state machine has the server's block
// states, by the server's names, because misuse is reported by them. A stack of TransactionFrame holds one
// frame per level, the bottom one always there.
//
// The upstream's transaction follows: it is begun with the first statement, and ended before the host's own
// state is taken down, so that an error at commit finds the transaction still in progress, as in the server.
// Ordinary code only; the exit callback of the session calls AbortOutOfAnyTransaction.
extern "C" {
#include "postgres.h"
#include "access/parallel.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "commands/async.h"
#include "executor/spi.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "storage/condition_variable.h"
#include "storage/fd.h"
#include "storage/lwlock.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"
}

#include "access/xact_frame.hpp"
#include "access/xact_internal.hpp"
#include "bridge/worker_session.hpp"
#include "utils/transaction_count.hpp"

extern "C" {

int DefaultXactIsoLevel = XACT_READ_COMMITTED;
int XactIsoLevel = XACT_READ_COMMITTED;
bool DefaultXactReadOnly = false;
bool XactReadOnly = false;
bool DefaultXactDeferrable = false;
bool XactDeferrable = false;
bool xact_is_sampled = false;
int synchronous_commit = SYNCHRONOUS_COMMIT_ON;
int MyXactFlags = 0;
TransactionId CheckXidAlive = InvalidTransactionId;
bool bsysscan = false;

}  // extern "C"

namespace bgw::xact {

TransactionFrame top_frame;
TransactionFrame* current = &top_frame;
SubTransactionId last_subid = InvalidSubTransactionId;
MemoryContext abort_context = nullptr;

namespace {

const char* block_name(Block block) {
  switch (block) {
    case Block::none:
      return "DEFAULT";
    case Block::started:
      return "STARTED";
    case Block::begin:
      return "BEGIN";
    case Block::in_progress:
      return "INPROGRESS";
    case Block::implicit_in_progress:
      return "IMPLICIT_INPROGRESS";
    case Block::end:
      return "END";
    case Block::abort:
      return "ABORT";
    case Block::abort_end:
      return "ABORT_END";
    case Block::abort_pending:
      return "ABORT_PENDING";
    case Block::sub_in_progress:
      return "SUBINPROGRESS";
    case Block::sub_release:
      return "SUBRELEASE";
    case Block::sub_commit:
      return "SUBCOMMIT";
    case Block::sub_abort:
      return "SUBABORT";
    case Block::sub_abort_end:
      return "SUBABORT_END";
    case Block::sub_abort_pending:
      return "SUBABORT_PENDING";
  }
  return "UNKNOWN";
}

}  // namespace

[[noreturn]] void unexpected(int level, const char* function) {
  elog(level, "%s: unexpected state %s", function, block_name(current->block));
  pg_unreachable();
}

void release_owner(ResourceOwner owner, bool commit, bool top) {
  ResourceOwnerRelease(owner, RESOURCE_RELEASE_BEFORE_LOCKS, commit, top);
  ResourceOwnerRelease(owner, RESOURCE_RELEASE_LOCKS, commit, top);
  ResourceOwnerRelease(owner, RESOURCE_RELEASE_AFTER_LOCKS, commit, top);
}

void clean_after_error() {
  LWLockReleaseAll();
  pgstat_report_wait_end();
  ConditionVariableCancelSleep();
  PG_SETMASK(&UnBlockSig);
}

}  // namespace bgw::xact

using namespace bgw::xact;

namespace {

CommandId command_id = FirstCommandId;
bool command_id_used = false;
TimestampTz transaction_start, statement_start, transaction_stop;

// ---- the ends of the top level ----

LocalTransactionId last_lxid = InvalidLocalTransactionId;  // this process's transactions, counted

void start_transaction() {
  TransactionFrame* s = &top_frame;
  current = s;
  *s = TransactionFrame{};
  s->subid = TopSubTransactionId;
  last_subid = TopSubTransactionId;
  s->nest_level = 1;
  s->guc_nest_level = 1;
  // What has begun in recovery may not write, whatever becomes of the upstream while it lasts.
  XactReadOnly = DefaultXactReadOnly || RecoveryInProgress();
  XactDeferrable = DefaultXactDeferrable;
  XactIsoLevel = DefaultXactIsoLevel;
  MyXactFlags = 0;
  command_id = FirstCommandId;
  command_id_used = false;
  if (statement_start == 0) SetCurrentStatementStartTimestamp();
  transaction_start = statement_start;
  transaction_stop = 0;
  GetUserIdAndSecContext(&s->user_before, &s->security_before);

  if (abort_context == nullptr)
    abort_context = AllocSetContextCreateInternal(TopMemoryContext, "TransactionAbortContext", 32 * 1024,
                                                  32 * 1024, 32 * 1024);
  TopTransactionContext =
      AllocSetContextCreateInternal(TopMemoryContext, "TopTransactionContext", ALLOCSET_DEFAULT_SIZES);
  CurTransactionContext = s->context = TopTransactionContext;
  MemoryContextSwitchTo(CurTransactionContext);
  s->owner = ResourceOwnerCreate(nullptr, "TopTransaction");
  TopTransactionResourceOwner = CurTransactionResourceOwner = CurrentResourceOwner = s->owner;
  AtStart_GUC();
  bgw_session_begin();
  if (MyProc) MyProc->lxid = ++last_lxid;
  s->work = Work::in_progress;
}

void forget_transaction() {
  if (MyProc) MyProc->lxid = InvalidLocalTransactionId;
  CurTransactionResourceOwner = TopTransactionResourceOwner = nullptr;
  TopTransactionContext = CurTransactionContext = nullptr;
  top_frame.work = Work::none;
  top_frame.context = nullptr;
  top_frame.owner = nullptr;
  top_frame.nest_level = 0;
  top_frame.subid = InvalidSubTransactionId;
  XactIsoLevel = DefaultXactIsoLevel;
}

void commit_transaction() {
  TransactionFrame* s = current;
  if (s->work != Work::in_progress) elog(WARNING, "CommitTransaction while in %s state", "ABORT");
  PreCommit_Portals(false);
  bgw_call_xact_callbacks(XACT_EVENT_PRE_COMMIT);
  // A failure here leaves the transaction in progress, to be aborted by whoever catches it.
  bgw_session_commit();

  hold_interrupts();
  s->work = Work::committing;
  transaction_stop = GetCurrentTimestamp();
  bgw_call_xact_callbacks(XACT_EVENT_COMMIT);
  CurrentResourceOwner = nullptr;
  release_owner(TopTransactionResourceOwner, true, true);
  AtEOXact_GUC(true, 1);
  AtEOXact_SPI(true);
  AtEOXact_Files(true);
  AtEOXact_HashTables(true);
  AtEOXact_Snapshot(true, false);
  ResourceOwnerDelete(TopTransactionResourceOwner);
  MemoryContextSwitchTo(TopMemoryContext);
  MemoryContextDelete(TopTransactionContext);
  forget_transaction();
  bgw::count_transaction();
  resume_interrupts();
}

void abort_transaction() {
  TransactionFrame* s = current;
  hold_interrupts();
  MemoryContextSwitchTo(abort_context ? abort_context : TopMemoryContext);
  CurrentResourceOwner = TopTransactionResourceOwner;
  clean_after_error();
  if (s->work != Work::in_progress && s->work != Work::committing)
    elog(WARNING, "AbortTransaction while in %s state", s->work == Work::aborted ? "ABORT" : "DEFAULT");
  s->work = Work::aborted;
  SetUserIdAndSecContext(s->user_before, s->security_before);
  bgw_session_rollback();
  AtAbort_Portals();
  transaction_stop = GetCurrentTimestamp();
  if (TopTransactionResourceOwner != nullptr) {
    bgw_call_xact_callbacks(XACT_EVENT_ABORT);
    release_owner(TopTransactionResourceOwner, false, true);
    AtEOXact_GUC(false, 1);
    AtEOXact_SPI(false);
    AtEOXact_Files(false);
    AtEOXact_HashTables(false);
  }
  bgw::count_transaction();
  resume_interrupts();
}

void cleanup_transaction() {
  AtCleanup_Portals();
  AtEOXact_Snapshot(false, true);
  CurrentResourceOwner = nullptr;
  if (TopTransactionResourceOwner) ResourceOwnerDelete(TopTransactionResourceOwner);
  MemoryContextSwitchTo(TopMemoryContext);
  if (abort_context) MemoryContextReset(abort_context);
  if (TopTransactionContext) MemoryContextDelete(TopTransactionContext);
  forget_transaction();
}

void start_chained(bool chain, const SavedTransactionCharacteristics* saved) {
  if (!chain) return;
  start_transaction();
  RestoreTransactionCharacteristics(saved);
  current->block = Block::in_progress;
}

}  // namespace

extern "C" {

// ---- what state is it in ----

bool IsTransactionState(void) {
  return current->work == Work::in_progress;
}

bool IsAbortedTransactionBlockState(void) {
  return current->block == Block::abort || current->block == Block::sub_abort;
}

bool IsTransactionBlock(void) {
  return current->block != Block::none && current->block != Block::started;
}
bool IsTransactionOrTransactionBlock(void) {
  return current->block != Block::none;
}
bool IsSubTransaction(void) {
  return current->nest_level >= 2;
}
int GetCurrentTransactionNestLevel(void) {
  return current->nest_level;
}
SubTransactionId GetCurrentSubTransactionId(void) {
  return current->subid;
}
bool bgw_transaction_ending(void) {
  return current->work == Work::committing || current->work == Work::aborted;
}

bool SubTransactionIsActive(SubTransactionId subxid) {
  for (TransactionFrame* s = current; s != nullptr; s = s->parent)
    if (s->work != Work::aborted && s->subid == subxid) return true;
  return false;
}

char TransactionBlockStatusCode(void) {
  switch (current->block) {
    case Block::none:
    case Block::started:
      return 'I';
    case Block::abort:
    case Block::abort_end:
    case Block::abort_pending:
    case Block::sub_abort:
    case Block::sub_abort_end:
    case Block::sub_abort_pending:
      return 'E';
    default:
      return 'T';
  }
}

TimestampTz GetCurrentTransactionStartTimestamp(void) {
  return transaction_start;
}
TimestampTz GetCurrentStatementStartTimestamp(void) {
  return statement_start;
}
TimestampTz GetCurrentTransactionStopTimestamp(void) {
  return transaction_stop != 0 ? transaction_stop : GetCurrentTimestamp();
}
void SetCurrentStatementStartTimestamp(void) {
  statement_start = GetCurrentTimestamp();
}

CommandId GetCurrentCommandId(bool used) {
  if (used) command_id_used = true;
  return command_id;
}

void CommandCounterIncrement(void) {
  if (!command_id_used) return;
  command_id++;
  command_id_used = false;
  SnapshotSetCommandId(command_id);
}

void ForceSyncCommit(void) {}
bool IsInParallelMode(void) {
  return false;
}

// The host assigns no transaction ids; the upstream's are its own.
TransactionId GetTopTransactionIdIfAny(void) {
  return InvalidTransactionId;
}
TransactionId GetCurrentTransactionIdIfAny(void) {
  return InvalidTransactionId;
}
bool TransactionIdIsCurrentTransactionId(TransactionId xid) {
  return false;
}

void SaveTransactionCharacteristics(SavedTransactionCharacteristics* s) {
  s->save_XactIsoLevel = XactIsoLevel;
  s->save_XactReadOnly = XactReadOnly;
  s->save_XactDeferrable = XactDeferrable;
}

void RestoreTransactionCharacteristics(const SavedTransactionCharacteristics* s) {
  XactIsoLevel = s->save_XactIsoLevel;
  XactReadOnly = s->save_XactReadOnly;
  XactDeferrable = s->save_XactDeferrable;
}

// ---- commands ----

void StartTransactionCommand(void) {
  switch (current->block) {
    case Block::none:
      start_transaction();
      current->block = Block::started;
      break;
    case Block::in_progress:
    case Block::implicit_in_progress:
    case Block::sub_in_progress:
    case Block::abort:
    case Block::sub_abort:
      break;
    default:
      unexpected(ERROR, "StartTransactionCommand");
  }
  MemoryContextSwitchTo(CurTransactionContext);
}

void CommitTransactionCommand(void) {
  SavedTransactionCharacteristics saved;
  SaveTransactionCharacteristics(&saved);
  switch (current->block) {
    case Block::none:
      unexpected(FATAL, "CommitTransactionCommand");
    case Block::started:
      commit_transaction();
      current->block = Block::none;
      break;
    case Block::begin:
      current->block = Block::in_progress;
      break;
    case Block::in_progress:
    case Block::implicit_in_progress:
    case Block::sub_in_progress:
      CommandCounterIncrement();
      break;
    case Block::end: {
      bool chain = current->chain;
      commit_transaction();
      current->block = Block::none;
      start_chained(chain, &saved);
      break;
    }
    case Block::abort:
    case Block::sub_abort:
      break;
    case Block::abort_end:
    case Block::abort_pending: {
      bool chain = current->chain;
      if (current->block == Block::abort_pending) abort_transaction();
      cleanup_transaction();
      current->block = Block::none;
      start_chained(chain, &saved);
      break;
    }
    case Block::sub_release:
      commit_subtransaction();
      while (current->block == Block::sub_release) commit_subtransaction();
      break;
    case Block::sub_commit:
      while (current->block == Block::sub_commit) commit_subtransaction();
      CommitTransactionCommand();
      break;
    case Block::sub_abort_end:
      cleanup_subtransaction();
      CommitTransactionCommand();
      break;
    case Block::sub_abort_pending:
      abort_subtransaction();
      cleanup_subtransaction();
      CommitTransactionCommand();
      break;
  }
}

void AbortCurrentTransaction(void) {
  switch (current->block) {
    case Block::none:
      // An error during the start leaves a half-made transaction behind.
      if (current->work != Work::none) {
        abort_transaction();
        cleanup_transaction();
      }
      break;
    case Block::started:
    case Block::implicit_in_progress:
    case Block::begin:
    case Block::end:
      abort_transaction();
      cleanup_transaction();
      current->block = Block::none;
      break;
    case Block::in_progress:
      abort_transaction();
      current->block = Block::abort;
      break;
    case Block::abort:
    case Block::sub_abort:
      break;
    case Block::abort_end:
      cleanup_transaction();
      current->block = Block::none;
      break;
    case Block::abort_pending:
      abort_transaction();
      cleanup_transaction();
      current->block = Block::none;
      break;
    case Block::sub_in_progress:
      abort_subtransaction();
      current->block = Block::sub_abort;
      break;
    case Block::sub_release:
    case Block::sub_commit:
    case Block::sub_abort_pending:
      abort_subtransaction();
      cleanup_subtransaction();
      AbortCurrentTransaction();
      break;
    case Block::sub_abort_end:
      cleanup_subtransaction();
      AbortCurrentTransaction();
      break;
  }
}

void AbortOutOfAnyTransaction(void) {
  // Whatever state an error left the current context in, what follows must not allocate in it.
  if (abort_context) MemoryContextSwitchTo(abort_context);
  while (current->parent != nullptr) {
    if (current->block != Block::sub_abort && current->block != Block::sub_abort_end) abort_subtransaction();
    cleanup_subtransaction();
  }
  if (current->block == Block::abort || current->block == Block::abort_end) {
    AtAbort_Portals();
    cleanup_transaction();
  } else if (current->work != Work::none) {
    abort_transaction();
    cleanup_transaction();
  }
  current->block = Block::none;
  MemoryContextSwitchTo(TopMemoryContext);
}

}  // extern "C"
