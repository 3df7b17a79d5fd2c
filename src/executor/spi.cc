// SPI's stack of connections: what SPI_connect and SPI_finish do, and what is left for the end of a
// transaction or subtransaction to clean up.
//
// Memory: each connection has "SPI Proc", for what lives until SPI_finish, and "SPI Exec", emptied after
// every call. Both belong to the transaction, unless the connection is nonatomic and outlives transactions.
// The connections themselves are in TopMemoryContext. Ordinary code only.
#include "core/session.hpp"

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
}

#include "executor/spi_internal.hpp"

extern "C" {

uint64 SPI_processed = 0;
SPITupleTable* SPI_tuptable = nullptr;
int SPI_result = 0;

}  // extern "C"

SpiConnection* spi_current = nullptr;

namespace {

// Takes the innermost connection off the stack and restores the globals of the one outside.
void pop_connection() {
  SpiConnection* gone = spi_current;
  SPI_processed = gone->outer_processed;
  SPI_tuptable = gone->outer_tuptable;
  SPI_result = gone->outer_result;
  spi_current = gone->outer;
  pfree(gone);
}

void delete_contexts(SpiConnection* connection) {
  MemoryContextDelete(connection->exec_context);
  connection->exec_context = nullptr;
  MemoryContextDelete(connection->proc_context);
  connection->proc_context = nullptr;
}

}  // namespace

extern "C" {

int SPI_connect(void) {
  return SPI_connect_ext(0);
}

int SPI_connect_ext(int options) {
  bool atomic = (options & SPI_OPT_NONATOMIC) == 0;
  if (atomic && TopTransactionContext == nullptr)
    ereport(FATAL,
            (errcode(ERRCODE_NO_ACTIVE_SQL_TRANSACTION), errmsg("SPI_connect called outside a transaction"),
             errhint("Call StartTransactionCommand() first.")));
  SpiConnection* connection =
      static_cast<SpiConnection*>(MemoryContextAllocZero(TopMemoryContext, sizeof(SpiConnection)));
  slist_init(&connection->tuptables);
  connection->subid = GetCurrentSubTransactionId();
  connection->atomic = atomic;
  connection->outer_processed = SPI_processed;
  connection->outer_tuptable = SPI_tuptable;
  connection->outer_result = SPI_result;
  MemoryContext long_lived = PortalContext != nullptr ? PortalContext : TopMemoryContext;
  connection->proc_context = AllocSetContextCreateInternal(atomic ? TopTransactionContext : long_lived,
                                                           "SPI Proc", ALLOCSET_DEFAULT_SIZES);
  connection->exec_context = AllocSetContextCreateInternal(
      atomic ? TopTransactionContext : connection->proc_context, "SPI Exec", ALLOCSET_DEFAULT_SIZES);
  connection->saved_context = MemoryContextSwitchTo(connection->proc_context);
  connection->outer = spi_current;
  spi_current = connection;
  SPI_processed = 0;
  SPI_tuptable = nullptr;
  SPI_result = 0;
  return SPI_OK_CONNECT;
}

int SPI_finish(void) {
  if (spi_current == nullptr) return SPI_ERROR_UNCONNECTED;
  MemoryContextSwitchTo(spi_current->saved_context);
  delete_contexts(spi_current);
  pop_connection();
  return SPI_OK_FINISH;
}

void AtEOXact_SPI(bool isCommit) {
  bool found = false;
  while (spi_current != nullptr && !spi_current->ending_transaction) {
    found = true;
    // An atomic connection's memory goes with the transaction.
    if (!spi_current->atomic) delete_contexts(spi_current);
    pop_connection();
  }
  if (found && isCommit)
    ereport(WARNING, (errcode(ERRCODE_WARNING), errmsg("transaction left non-empty SPI stack"),
                      errhint("Check for missing \"SPI_finish\" calls.")));
}

void AtEOSubXact_SPI(bool isCommit, SubTransactionId mySubid) {
  bool found = false;
  while (spi_current != nullptr && spi_current->subid == mySubid && !spi_current->ending_transaction) {
    found = true;
    delete_contexts(spi_current);
    pop_connection();
  }
  if (found && isCommit)
    ereport(WARNING, (errcode(ERRCODE_WARNING), errmsg("subtransaction left non-empty SPI stack"),
                      errhint("Check for missing \"SPI_finish\" calls.")));
  if (spi_current == nullptr || isCommit) return;

  // What a call had begun when the error came is forgotten, and so are the results made inside.
  MemoryContextReset(spi_current->exec_context);
  // (The list macros of the server's header are C; a C++ compiler does not take them.)
  slist_node* before = &spi_current->tuptables.head;
  while (before->next != nullptr) {
    SPITupleTable* table = spi_table_of(before->next);
    if (table->subid < mySubid) {
      before = before->next;
      continue;
    }
    before->next = before->next->next;
    if (spi_current->tuptable == table) spi_current->tuptable = nullptr;
    if (SPI_tuptable == table) SPI_tuptable = nullptr;
    MemoryContextDelete(table->tuptabcxt);
  }
}

bool SPI_inside_nonatomic_context(void) {
  return spi_current != nullptr && !spi_current->atomic;
}

void SPI_start_transaction(void) {}

}  // extern "C"

int spi_begin_call(bool use_exec_context) {
  if (spi_current == nullptr) return SPI_ERROR_UNCONNECTED;
  if (use_exec_context) MemoryContextSwitchTo(spi_current->exec_context);
  return 0;
}

void spi_end_call(bool use_exec_context) {
  MemoryContextSwitchTo(spi_current->proc_context);
  if (use_exec_context) MemoryContextReset(spi_current->exec_context);
}

// ---- transaction control from a nonatomic connection ----

namespace {

void end_transaction(bool commit, bool chain) {
  MemoryContext outside = CurrentMemoryContext;
  if (spi_current == nullptr || spi_current->atomic)
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION), errmsg("invalid transaction termination")));
  if (IsSubTransaction())
    ereport(ERROR, (errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
                    commit ? errmsg("cannot commit while a subtransaction is active")
                           : errmsg("cannot roll back while a subtransaction is active")));
  SavedTransactionCharacteristics kept;
  if (chain) SaveTransactionCharacteristics(&kept);

  PG_TRY();
  {
    spi_current->ending_transaction = true;
    HoldPinnedPortals();
    ForgetPortalSnapshots();
    if (commit) {
      CommitTransactionCommand();
    } else {
      AbortCurrentTransaction();
    }
    StartTransactionCommand();
    if (chain) RestoreTransactionCharacteristics(&kept);
    MemoryContextSwitchTo(outside);
    spi_current->ending_transaction = false;
  }
  PG_CATCH();
  {
    // Whatever went wrong, the caller is left with a transaction of its own and the error.
    MemoryContextSwitchTo(outside);
    ErrorData* error = CopyErrorData();
    FlushErrorState();
    AbortCurrentTransaction();
    StartTransactionCommand();
    if (chain) RestoreTransactionCharacteristics(&kept);
    MemoryContextSwitchTo(outside);
    spi_current->ending_transaction = false;
    ReThrowError(error);
  }
  PG_END_TRY();
}

}  // namespace

extern "C" {

void SPI_commit(void) {
  end_transaction(true, false);
}
void SPI_commit_and_chain(void) {
  end_transaction(true, true);
}
void SPI_rollback(void) {
  end_transaction(false, false);
}
void SPI_rollback_and_chain(void) {
  end_transaction(false, true);
}

}  // extern "C"
