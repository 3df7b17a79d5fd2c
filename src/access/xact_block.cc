// Transaction blocks and savepoints, for modules that run utility statements of their own, and what may run in
// which of them. Ordinary code only.
extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/resowner.h"
}

#include "access/xact_frame.hpp"

using namespace bgw::xact;

extern "C" {

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
