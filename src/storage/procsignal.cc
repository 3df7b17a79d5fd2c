// SIGUSR1 with a reason: flags in shared memory, one set for each process that may be signalled.
//
// A slot belongs to the process that initialised it and is found by number, or by process number where the
// sender does not know it. A flag is set by any sender and cleared by the owner's handler. The handler runs in
// the owner only; everything else is for ordinary code.
#include <unistd.h>

#include <csignal>

#include "storage/ipc_parts.hpp"

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/procsignal.h"
#include "storage/shmem.h"
}

namespace {

struct ProcSignalSlot {
  volatile pid_t pid;                              // written by the owner: 0 while nobody owns it
  volatile sig_atomic_t reasons[NUM_PROCSIGNALS];  // set by senders, cleared by the owner
};

ProcSignalSlot* slots = nullptr;  // in shared memory, one for each PGPROC
ProcSignalSlot* my_slot = nullptr;

int slot_count() {
  return MaxBackends + NUM_AUXILIARY_PROCS;
}

void give_back_slot(int code, Datum arg) {
  ProcSignalSlot* slot = my_slot;
  my_slot = nullptr;  // for the handler, before the slot is anybody's
  if (slot) slot->pid = 0;
}

bool take_reason(ProcSignalReason reason) {
  if (!my_slot || !my_slot->reasons[reason]) return false;
  my_slot->reasons[reason] = false;
  return true;
}

int signal_slot(ProcSignalSlot& slot, pid_t pid, ProcSignalReason reason) {
  slot.reasons[reason] = true;
  return kill(pid, SIGUSR1);
}

}  // namespace

extern "C" {

Size ProcSignalShmemSize(void) {
  return mul_size(slot_count(), sizeof(ProcSignalSlot));
}

void ProcSignalShmemInit(void) {
  bool found;
  slots = static_cast<ProcSignalSlot*>(ShmemInitStruct("ProcSignal", ProcSignalShmemSize(), &found));
  if (!found) memset(static_cast<void*>(slots), 0, ProcSignalShmemSize());
}

// Slots are counted from 1, as backend ids are.
void ProcSignalInit(int pss_idx) {
  Assert(pss_idx >= 1 && pss_idx <= slot_count());
  ProcSignalSlot& slot = slots[pss_idx - 1];
  if (slot.pid != 0)
    elog(LOG, "process %d taking over ProcSignal slot %d, but it's not empty", MyProcPid, pss_idx);
  for (volatile sig_atomic_t& reason : slot.reasons) reason = false;
  my_slot = &slot;
  slot.pid = MyProcPid;
  bgw::on_shmem_exit_whole(give_back_slot, static_cast<Datum>(0));
}

int SendProcSignal(pid_t pid, ProcSignalReason reason, BackendId backendId) {
  if (backendId != InvalidBackendId) {
    ProcSignalSlot& slot = slots[backendId - 1];
    if (slot.pid == pid) return signal_slot(slot, pid, reason);
  } else if (slots) {
    for (int i = slot_count() - 1; i >= 0; i--)
      if (slots[i].pid == pid) return signal_slot(slots[i], pid, reason);
  }
  errno = ESRCH;
  return -1;
}

// Nothing in the host keeps files that all processes must let go of together, so barriers are over at once.
uint64 EmitProcSignalBarrier(ProcSignalBarrierType type) {
  return 0;
}
void WaitForProcSignalBarrier(uint64 generation) {}
void ProcessProcSignalBarrier(void) {
  ProcSignalBarrierPending = false;
}

void procsignal_sigusr1_handler(SIGNAL_ARGS) {
  int kept_errno = errno;
  if (take_reason(PROCSIG_LOG_MEMORY_CONTEXT)) {
    InterruptPending = true;
    LogMemoryContextPending = true;
  }
  // The other reasons concern what no process of the host has; the signal still wakes.
  SetLatch(MyLatch);
  errno = kept_errno;
}

}  // extern "C"
