// The array of PGPROCs: what each process shows of itself to the others, its latch above all.
//
// Protocol: a child uses the PGPROC whose number is its slot's (MyPMChildSlot) minus one; the postmaster gives
// each slot to one living child at a time, so taking a PGPROC needs no lock. `pid` is written last on the way
// up and first on the way down, so who finds a process by number finds a whole PGPROC; that it is 0 tells the postmaster
// that an exit was an orderly one (pmsignal.cc). The latch outlives its owner: a late SetLatch() finds an unowned latch and
// does no harm; one that a child killed in its last steps still owns is made anew with the next.
#include <unistd.h>

#include <utility>

#include "port/start_data.hpp"
#include "storage/ipc_parts.hpp"
#include "storage/proc_internal.hpp"

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/pg_sema.h"
#include "storage/pmsignal.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/shmem.h"
#include "utils/wait_event.h"
}

namespace {

BGW_START_DATA PGPROC* processes = nullptr;  // ProcGlobal->allProcs, where a new process need not look into shared memory for it

uint32 process_count() {
  return static_cast<uint32>(MaxBackends + NUM_AUXILIARY_PROCS);
}

void give_back_process(int code, Datum arg) {
  Assert(MyProc != nullptr);
  ConditionVariableCancelSleep();
  LWLockReleaseAll();

  // The latch may be set by others at any moment: this process must not look at it once it is another's.
  SwitchBackToLocalLatch();
  pgstat_reset_wait_event_storage();
  PGPROC* proc = MyProc;
  MyProc = nullptr;
  proc->pid = 0;
  DisownLatch(&proc->procLatch);
  proc->backendId = InvalidBackendId;
  proc->databaseId = InvalidOid;
  proc->roleId = InvalidOid;
}

// The server's processes come with one callback of its storage manager's on this list; modules can count on the
// number of free places.
void nothing_at_exit(int code, Datum arg) {}

}  // namespace

namespace bgw {

bool give_back_for(int number) noexcept {
  return std::exchange(processes[number].pid, 0) == 0;
}

}  // namespace bgw

extern "C" {

BGW_START_DATA PGPROC* MyProc = nullptr;
BGW_START_DATA PROC_HDR* ProcGlobal = nullptr;
PGPROC* PreparedXactProcs = nullptr;
int DeadlockTimeout = 1000;
int StatementTimeout = 0;
int LockTimeout = 0;
int IdleInTransactionSessionTimeout = 0;
int IdleSessionTimeout = 0;
bool log_lock_waits = false;

int ProcGlobalSemas(void) {
  return static_cast<int>(process_count());
}

Size ProcGlobalShmemSize(void) {
  Size size = sizeof(PROC_HDR) + PG_CACHE_LINE_SIZE;
  size = add_size(size, mul_size(process_count(), sizeof(PGPROC)));
  size = add_size(size, mul_size(process_count(), sizeof(TransactionId)));
  size = add_size(size, mul_size(process_count(), sizeof(XidCacheStatus)));
  size = add_size(size, mul_size(process_count(), sizeof(uint8)));
  return add_size(size, 5 * PG_CACHE_LINE_SIZE);
}

void InitProcGlobal(void) {
  bool found;
  const uint32 count = process_count();
  ProcGlobal = static_cast<PROC_HDR*>(ShmemInitStruct("Proc Header", sizeof(PROC_HDR), &found));
  Assert(!found);
  ProcGlobal->spins_per_delay = DEFAULT_SPINS_PER_DELAY;
  ProcGlobal->startupBufferPinWaitBufId = -1;
  pg_atomic_init_u32(&ProcGlobal->procArrayGroupFirst, INVALID_PGPROCNO);
  pg_atomic_init_u32(&ProcGlobal->clogGroupFirst, INVALID_PGPROCNO);

  // All zero: InvalidTransactionId, InvalidOid, no links.
  PGPROC* procs = static_cast<PGPROC*>(ShmemAlloc(mul_size(count, sizeof(PGPROC))));
  ProcGlobal->allProcs = processes = procs;
  ProcGlobal->allProcCount = count;
  ProcGlobal->xids = static_cast<TransactionId*>(ShmemAlloc(mul_size(count, sizeof(TransactionId))));
  ProcGlobal->subxidStates = static_cast<XidCacheStatus*>(ShmemAlloc(mul_size(count, sizeof(XidCacheStatus))));
  ProcGlobal->statusFlags = static_cast<uint8*>(ShmemAlloc(mul_size(count, sizeof(uint8))));

  for (uint32 i = 0; i < count; i++) {
    PGPROC* proc = &procs[i];
    proc->pgprocno = static_cast<int>(i);
    proc->pgxactoff = static_cast<int>(i);
    proc->sem = PGSemaphoreCreate();
    proc->backendId = InvalidBackendId;
    InitSharedLatch(&proc->procLatch);
    LWLockInitialize(&proc->fpInfoLock, LWTRANCHE_LOCK_FASTPATH);
    pg_atomic_init_u64(&proc->waitStart, 0);
    pg_atomic_init_u32(&proc->procArrayGroupNext, INVALID_PGPROCNO);
    pg_atomic_init_u32(&proc->clogGroupNext, INVALID_PGPROCNO);
    dlist_init(&proc->lockGroupMembers);
    for (SHM_QUEUE& locks : proc->myProcLocks) SHMQueueInit(&locks);
  }
}

void InitProcess(void) {
  if (!ProcGlobal) elog(PANIC, "proc header uninitialized");
  if (MyProc) elog(ERROR, "you already exist");
  if (MyPMChildSlot < 1 || MyPMChildSlot > static_cast<int>(process_count()))
    elog(PANIC, "no PGPROC for child slot %d", MyPMChildSlot);

  MyProc = &processes[MyPMChildSlot - 1];

  PGPROC* proc = MyProc;
  SHMQueueElemInit(&proc->links);
  proc->waitStatus = PROC_WAIT_STATUS_OK;
  proc->lxid = InvalidLocalTransactionId;
  proc->xid = InvalidTransactionId;
  proc->xmin = InvalidTransactionId;
  proc->backendId = InvalidBackendId;
  proc->databaseId = InvalidOid;
  proc->roleId = InvalidOid;
  proc->tempNamespaceId = InvalidOid;
  proc->isBackgroundWorker = IsBackgroundWorker;
  proc->delayChkptFlags = 0;
  proc->statusFlags = 0;
  proc->lwWaiting = LW_WS_NOT_WAITING;
  proc->lwWaitMode = 0;
  proc->waitLock = nullptr;
  proc->waitProcLock = nullptr;
  proc->wait_event_info = 0;

  // A child that was killed between a crash and the reset leaves its latch owned; the slot is ours now.
  InitSharedLatch(&proc->procLatch);
  OwnLatch(&proc->procLatch);
  SwitchToSharedLatch();
  pgstat_set_wait_event_storage(&proc->wait_event_info);
  __atomic_store_n(&proc->pid, MyProcPid, __ATOMIC_RELEASE);

  bgw::on_shmem_exit_whole(give_back_process, static_cast<Datum>(0));
  on_proc_exit(nothing_at_exit, static_cast<Datum>(0));
}

// The server enters the process into the array that snapshots are made from. There are no snapshots here.
void InitProcessPhase2(void) {}

bool HaveNFreeProcs(int n) {
  uint32 free_count = 0;
  for (uint32 i = 0; i < ProcGlobal->allProcCount; i++)
    if (ProcGlobal->allProcs[i].pid == 0) free_count++;
  return free_count >= static_cast<uint32>(n);
}

void ProcReleaseLocks(bool isCommit) {}  // heavyweight locks are the upstream session's
bool IsWaitingForLock(void) {
  return false;
}
void LockErrorCleanup(void) {}

void ProcWaitForSignal(uint32 wait_event_info) {
  (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, 0, wait_event_info);
  ResetLatch(MyLatch);
  CHECK_FOR_INTERRUPTS();
}

void ProcSendSignal(int pgprocno) {
  if (pgprocno < 0 || pgprocno >= static_cast<int>(ProcGlobal->allProcCount))
    elog(ERROR, "pgprocno out of range");
  SetLatch(&ProcGlobal->allProcs[pgprocno].procLatch);
}

PGPROC* AuxiliaryPidGetProc(int pid) {
  return nullptr;
}

void SetStartupBufferPinWaitBufId(int bufid) {
  ProcGlobal->startupBufferPinWaitBufId = bufid;
}
int GetStartupBufferPinWaitBufId(void) {
  return ProcGlobal->startupBufferPinWaitBufId;
}

}  // extern "C"
