// Finding a process by its number. Nothing is locked: a PGPROC stays where it is, and a process that is found
// may be gone the next moment in any case, as in the server.
extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/sinvaladt.h"
}

extern "C" {

PGPROC* BackendPidGetProc(int pid) {
  return BackendPidGetProcWithLock(pid);
}

PGPROC* BackendPidGetProcWithLock(int pid) {
  if (pid == 0 || !ProcGlobal) return nullptr;
  for (uint32 i = 0; i < ProcGlobal->allProcCount; i++) {
    PGPROC* proc = &ProcGlobal->allProcs[i];
    if (__atomic_load_n(&proc->pid, __ATOMIC_ACQUIRE) == pid) return proc;
  }
  return nullptr;
}

// Backend ids count the places of the array from 1, as ProcSignalInit() does.
PGPROC* BackendIdGetProc(int backendID) {
  if (!ProcGlobal || backendID < 1 || backendID > static_cast<int>(ProcGlobal->allProcCount)) return nullptr;
  PGPROC* proc = &ProcGlobal->allProcs[backendID - 1];
  return __atomic_load_n(&proc->pid, __ATOMIC_ACQUIRE) == 0 ? nullptr : proc;
}

// There are no local transactions to wait for.
void BackendIdGetTransactionIds(int backendID, TransactionId* xid, TransactionId* xmin) {
  *xid = InvalidTransactionId;
  *xmin = InvalidTransactionId;
}

bool IsBackendPid(int pid) {
  return BackendPidGetProc(pid) != nullptr;
}

// No process of the host has a transaction of its own.
int BackendXidGetPid(TransactionId xid) {
  return 0;
}
bool MinimumActiveBackends(int min) {
  return min <= 0;
}

}  // extern "C"
