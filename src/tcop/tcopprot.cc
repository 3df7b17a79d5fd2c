// Interrupts: the handlers that ask a worker to end or to give up its statement, and the place that grants it.
//
// A handler raises a flag, raises InterruptPending, sets the latch and keeps errno. ProcessInterrupts(), called
// by CHECK_FOR_INTERRUPTS() wherever code can stand an error, does what was asked unless interrupts are held
// off. The default SIGTERM handler of workers is another one and does not go this way (bridge/critical.cc).
#include "bridge/critical.hpp"

#include <unistd.h>

#include <csignal>

#include "storage/wait.hpp"

extern "C" {
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
#include "storage/proc.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/timeout.h"
}

namespace {

[[noreturn]] void end_process() {
  ProcDiePending = false;
  QueryCancelPending = false;
  if (IsBackgroundWorker)
    ereport(FATAL, (errcode(ERRCODE_ADMIN_SHUTDOWN),
                    errmsg("terminating background worker \"%s\" due to administrator command",
                           MyBgworkerEntry ? MyBgworkerEntry->bgw_type : "")));
  ereport(FATAL,
          (errcode(ERRCODE_ADMIN_SHUTDOWN), errmsg("terminating connection due to administrator command")));
  pg_unreachable();
}

[[noreturn]] void cancel_statement() {
  QueryCancelPending = false;
  // Both indicators are cleared; the time-out that came first gives the reason.
  bool lock_timeout = get_timeout_indicator(LOCK_TIMEOUT, true);
  bool statement_timeout = get_timeout_indicator(STATEMENT_TIMEOUT, true);
  if (lock_timeout && statement_timeout &&
      get_timeout_finish_time(STATEMENT_TIMEOUT) < get_timeout_finish_time(LOCK_TIMEOUT))
    lock_timeout = false;
  if (lock_timeout)
    ereport(ERROR, (errcode(ERRCODE_LOCK_NOT_AVAILABLE), errmsg("canceling statement due to lock timeout")));
  if (statement_timeout)
    ereport(ERROR, (errcode(ERRCODE_QUERY_CANCELED), errmsg("canceling statement due to statement timeout")));
  ereport(ERROR, (errcode(ERRCODE_QUERY_CANCELED), errmsg("canceling statement due to user request")));
  pg_unreachable();
}

void say_why_quitting(QuitSignalReason reason) {
  switch (reason) {
    case PMQUIT_NOT_SENT:
      ereport(WARNING, (errcode(ERRCODE_ADMIN_SHUTDOWN),
                        errmsg("terminating connection because of unexpected SIGQUIT signal")));
      break;
    case PMQUIT_FOR_CRASH:
      ereport(
          WARNING_CLIENT_ONLY,
          (errcode(ERRCODE_CRASH_SHUTDOWN),
           errmsg("terminating connection because of crash of another server process"),
           errdetail("The postmaster has commanded this server process to roll back the current transaction "
                     "and exit, because another server process exited abnormally and possibly corrupted "
                     "shared memory."),
           errhint("In a moment you should be able to reconnect to the host and repeat your command.")));
      break;
    case PMQUIT_FOR_STOP:
      ereport(WARNING_CLIENT_ONLY, (errcode(ERRCODE_ADMIN_SHUTDOWN),
                                    errmsg("terminating connection due to immediate shutdown command")));
      break;
  }
}

}  // namespace

extern "C" {

CommandDest whereToSendOutput = DestNone;  // DestRemote in a backend that serves a control connection
const char* debug_query_string = nullptr;

void ProcessInterrupts(void) {
  if (InterruptHoldoffCount != 0 || CritSectionCount != 0) return;
  InterruptPending = false;

  if (ProcDiePending) end_process();

  if (ClientConnectionLost) {
    QueryCancelPending = false;
    whereToSendOutput = DestNone;  // nobody is there to be told
    ereport(FATAL, (errcode(ERRCODE_CONNECTION_FAILURE), errmsg("connection to client lost")));
  }

  // The session cannot go on waiting for its upstream when the postmaster is gone.
  if (bgw::socket_wait_saw_postmaster_death) {
    bgw::socket_wait_saw_postmaster_death = false;
    if (!PostmasterIsAliveInternal()) proc_exit(1);
  }

  if (QueryCancelPending) {
    if (QueryCancelHoldoffCount == 0) cancel_statement();
    InterruptPending = true;  // to be looked at again once cancelling is allowed
  }

  // A setting that has been taken back meanwhile takes the time-out back.
  if (IdleInTransactionSessionTimeoutPending) {
    IdleInTransactionSessionTimeoutPending = false;
    if (IdleInTransactionSessionTimeout > 0)
      ereport(FATAL, (errcode(ERRCODE_IDLE_IN_TRANSACTION_SESSION_TIMEOUT),
                      errmsg("terminating connection due to idle-in-transaction timeout")));
  }
  if (IdleSessionTimeoutPending) {
    IdleSessionTimeoutPending = false;
    if (IdleSessionTimeout > 0)
      ereport(FATAL, (errcode(ERRCODE_IDLE_SESSION_TIMEOUT),
                      errmsg("terminating connection due to idle-session timeout")));
  }

  if (ProcSignalBarrierPending) ProcessProcSignalBarrier();
  if (LogMemoryContextPending) ProcessLogMemoryContextInterrupt();
}

void die(SIGNAL_ARGS) {
  int kept_errno = errno;
  if (!proc_exit_inprogress) {
    InterruptPending = true;
    ProcDiePending = true;
  }
  SetLatch(MyLatch);
  errno = kept_errno;
}

void StatementCancelHandler(SIGNAL_ARGS) {
  int kept_errno = errno;
  if (!proc_exit_inprogress) {
    InterruptPending = true;
    QueryCancelPending = true;
  }
  SetLatch(MyLatch);
  errno = kept_errno;
}

// The instruction that failed must not be returned to.
void FloatExceptionHandler(SIGNAL_ARGS) {
  ereport(
      ERROR,
      (errcode(ERRCODE_FLOATING_POINT_EXCEPTION), errmsg("floating-point exception"),
       errdetail("An invalid floating-point operation was signaled. This probably means an out-of-range result "
                 "or an invalid operation, such as division by zero.")));
  pg_unreachable();
}

// SIGQUIT in a process that might be anywhere: say so if the postmaster did not ask for it, and leave without
// running any callback, shared memory being suspect.
void quickdie(SIGNAL_ARGS) {
  sigaddset(&BlockSig, SIGQUIT);
  PG_SETMASK(&BlockSig);
  HOLD_INTERRUPTS();
  error_context_stack = nullptr;
  if (bgw::critical_depth == 0) say_why_quitting(GetQuitSignalReason());
  _exit(2);
}

}  // extern "C"
