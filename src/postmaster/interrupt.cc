// The signal handlers that background processes share, and what their main loops do about them.
//
// Handlers set a flag, set the latch, keep errno, and nothing else.
#include <unistd.h>

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/procsignal.h"
#include "utils/guc.h"
#include "utils/memutils.h"
}

extern "C" {

volatile sig_atomic_t ConfigReloadPending = false;
volatile sig_atomic_t ShutdownRequestPending = false;

void HandleMainLoopInterrupts(void) {
  if (ProcSignalBarrierPending) ProcessProcSignalBarrier();

  if (ConfigReloadPending) {
    ConfigReloadPending = false;
    ProcessConfigFile(PGC_SIGHUP);
  }

  if (ShutdownRequestPending) proc_exit(0);

  if (LogMemoryContextPending) ProcessLogMemoryContextInterrupt();
}

void SignalHandlerForConfigReload(SIGNAL_ARGS) {
  int kept_errno = errno;
  ConfigReloadPending = true;
  SetLatch(MyLatch);
  errno = kept_errno;
}

// Shared memory may be corrupt and the postmaster is about to throw it away: no callback may run.
void SignalHandlerForCrashExit(SIGNAL_ARGS) {
  _exit(2);
}

void SignalHandlerForShutdownRequest(SIGNAL_ARGS) {
  int kept_errno = errno;
  ShutdownRequestPending = true;
  SetLatch(MyLatch);
  errno = kept_errno;
}

}  // extern "C"
