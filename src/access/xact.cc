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
#include "commands/async.h"
#include "executor/spi.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "storage/condition_variable.h"
#include "storage/lwlock.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"
}

#include "access/xact_internal.hpp"
#include "bridge/worker_session.hpp"

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

namespace {

enum class Work { none, in_progress, committing, aborted };

enum class Block {
  none,  // "DEFAULT"
  started,
  begin,
  in_progress,
  implicit_in_progress,
  end,
  abort,
  abort_end,
  abort_pending,
  sub_in_progress,
  sub_release,
  sub_commit,
  sub_abort,
  sub_abort_end,
  sub_abort_pending,
};

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

struct TransactionFrame {
  Work work;
  Block block;
  SubTransactionId subid;
  char* name;  // of a savepoint; nullptr for an internal subtransaction
  int nest_level;
  int guc_nest_level;
  MemoryContext context;  // CurTransactionContext of this level
  ResourceOwner owner;
  Oid user_before;
  int security_before;
  bool read_only_before;
  bool chain;
  TransactionFrame* parent;
};

TransactionFrame top_frame;
TransactionFrame* current = &top_frame;
SubTransactionId last_subid = InvalidSubTransactionId;
CommandId command_id = FirstCommandId;
bool command_id_used = false;
TimestampTz transaction_start, statement_start, transaction_stop;
MemoryContext abort_context = nullptr;  // made ahead, so that aborting does not depend on memory being there

[[noreturn]] void unexpected(int level, const char* function) {
  elog(level, "%s: unexpected state %s", function, block_name(current->block));
  pg_unreachable();
}

// The server's macros, in the form that C++20 takes for a volatile.
void hold_interrupts() {
  InterruptHoldoffCount = InterruptHoldoffCount + 1;
}
void resume_interrupts() {
  InterruptHoldoffCount = InterruptHoldoffCount - 1;
}

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
  XactReadOnly = DefaultXactReadOnly;
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

void release_owner(ResourceOwner owner, bool commit, bool top) {
  ResourceOwnerRelease(owner, RESOURCE_RELEASE_BEFORE_LOCKS, commit, top);
  ResourceOwnerRelease(owner, RESOURCE_RELEASE_LOCKS, commit, top);
  ResourceOwnerRelease(owner, RESOURCE_RELEASE_AFTER_LOCKS, commit, top);
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
  XactReadOnly = DefaultXactReadOnly;
}

void pop_frame() {
  TransactionFrame* gone = current;
  current = gone->parent;
  CurTransactionContext = current->context;
  CurTransactionResourceOwner = CurrentResourceOwner = current->owner;
  MemoryContextSwitchTo(CurTransactionContext);
  if (gone->name) pfree(gone->name);
  pfree(gone);
}

// ---- subtransactions ----

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

// Steps common to both aborts that make the process fit to go on. Interrupts are held by the caller.
void clean_after_error() {
  LWLockReleaseAll();
  pgstat_report_wait_end();
  ConditionVariableCancelSleep();
  PG_SETMASK(&UnBlockSig);
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
  AtEOXact_Snapshot(true, false);
  ResourceOwnerDelete(TopTransactionResourceOwner);
  MemoryContextSwitchTo(TopMemoryContext);
  MemoryContextDelete(TopTransactionContext);
  forget_transaction();
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
  }
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

// ---- internal subtransactions ----

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

// ---- blocks, for modules that run utility statements of their own ----

void BeginTransactionBlock(void) {
  switch (current->block) {
    case Block::started:
    case Block::implicit_in_progress:
      current->block = Block::begin;
      break;
    case Block::in_progress:
    case Block::sub_in_progress:
    case Block::abort:
    case Block::sub_abort:
      ereport(WARNING,
              (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION), errmsg("there is already a transaction in progress")));
      break;
    default:
      unexpected(FATAL, "BeginTransactionBlock");
  }
}

bool EndTransactionBlock(bool chain) {
  bool committed = false;
  switch (current->block) {
    case Block::in_progress:
      current->block = Block::end;
      committed = true;
      break;
    case Block::implicit_in_progress:
    case Block::started:
      if (chain)
        ereport(ERROR, (errcode(ERRCODE_NO_ACTIVE_SQL_TRANSACTION),
                        errmsg("%s can only be used in transaction blocks", "COMMIT AND CHAIN")));
      ereport(WARNING,
              (errcode(ERRCODE_NO_ACTIVE_SQL_TRANSACTION), errmsg("there is no transaction in progress")));
      if (current->block == Block::implicit_in_progress) current->block = Block::end;
      committed = true;
      break;
    case Block::abort:
      current->block = Block::abort_end;
      break;
    case Block::sub_in_progress:
      for (TransactionFrame* s = current; s->parent != nullptr; s = s->parent) s->block = Block::sub_commit;
      top_frame.block = Block::end;
      committed = true;
      break;
    case Block::sub_abort:
      for (TransactionFrame* s = current; s->parent != nullptr; s = s->parent)
        s->block = s->block == Block::sub_abort ? Block::sub_abort_end : Block::sub_abort_pending;
      top_frame.block = top_frame.block == Block::abort ? Block::abort_end : Block::abort_pending;
      break;
    default:
      unexpected(FATAL, "EndTransactionBlock");
  }
  top_frame.chain = chain;
  return committed;
}

void UserAbortTransactionBlock(bool chain) {
  switch (current->block) {
    case Block::in_progress:
      current->block = Block::abort_pending;
      break;
    case Block::abort:
      current->block = Block::abort_end;
      break;
    case Block::sub_in_progress:
    case Block::sub_abort:
      for (TransactionFrame* s = current; s->parent != nullptr; s = s->parent)
        s->block = s->block == Block::sub_abort ? Block::sub_abort_end : Block::sub_abort_pending;
      top_frame.block = top_frame.block == Block::abort ? Block::abort_end : Block::abort_pending;
      break;
    case Block::started:
    case Block::implicit_in_progress:
      if (chain)
        ereport(ERROR, (errcode(ERRCODE_NO_ACTIVE_SQL_TRANSACTION),
                        errmsg("%s can only be used in transaction blocks", "ROLLBACK AND CHAIN")));
      ereport(WARNING,
              (errcode(ERRCODE_NO_ACTIVE_SQL_TRANSACTION), errmsg("there is no transaction in progress")));
      current->block = Block::abort_pending;
      break;
    default:
      unexpected(FATAL, "UserAbortTransactionBlock");
  }
  top_frame.chain = chain;
}

void BeginImplicitTransactionBlock(void) {
  if (current->block == Block::started) current->block = Block::implicit_in_progress;
}

void EndImplicitTransactionBlock(void) {
  if (current->block == Block::implicit_in_progress) current->block = Block::started;
}

void DefineSavepoint(const char* name) {
  switch (current->block) {
    case Block::in_progress:
    case Block::sub_in_progress:
      start_subtransaction(name);
      break;
    case Block::implicit_in_progress:
      ereport(ERROR, (errcode(ERRCODE_NO_ACTIVE_SQL_TRANSACTION),
                      errmsg("%s can only be used in transaction blocks", "SAVEPOINT")));
      break;
    default:
      unexpected(FATAL, "DefineSavepoint");
  }
}

// ---- what may run where ----

void PreventInTransactionBlock(bool isTopLevel, const char* stmtType) {
  if (IsTransactionBlock())
    ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
                    errmsg("%s cannot run inside a transaction block", stmtType)));
  if (IsSubTransaction())
    ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
                    errmsg("%s cannot run inside a subtransaction", stmtType)));
  if (!isTopLevel)
    ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
                    errmsg("%s cannot be executed from a function", stmtType)));
  if (current->block != Block::none && current->block != Block::started)
    elog(FATAL, "cannot prevent transaction chain");
}

static void check_in_block(bool is_top_level, int level, const char* statement) {
  if (IsTransactionBlock() || IsSubTransaction() || !is_top_level) return;
  ereport(level, (errcode(ERRCODE_NO_ACTIVE_SQL_TRANSACTION),
                  errmsg("%s can only be used in transaction blocks", statement)));
}

void WarnNoTransactionBlock(bool isTopLevel, const char* stmtType) {
  check_in_block(isTopLevel, WARNING, stmtType);
}
void RequireTransactionBlock(bool isTopLevel, const char* stmtType) {
  check_in_block(isTopLevel, ERROR, stmtType);
}

bool IsInTransactionBlock(bool isTopLevel) {
  return IsTransactionBlock() || IsSubTransaction() || !isTopLevel ||
         (current->block != Block::none && current->block != Block::started);
}

}  // extern "C"
