// A backend: the child that serves one control connection. It is what the server calls a regular backend: a
// process with an entry in shared memory, a latch, the signals of a client's session, and the whole interface
// for the module code that it runs. Requests are carried out one after the other; a request that raises is
// answered with the error, and the next one is served.
//
// C style: nothing with a destructor lives here, because whatever is called may raise. FATAL ends the process,
// and the client is told why; the peer's leaving ends it in silence, unless a request is being carried out.
#include "postmaster/control_backend.hpp"

#include <csignal>
#include <cstring>

#include "bridge/entry.hpp"
#include "postmaster/control_call.hpp"
#include "postmaster/control_connection.hpp"
#include "postmaster/control_workers.hpp"

extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/memutils.h"
#include "utils/ps_status.h"
#include "utils/timeout.h"
}

namespace bgw {

namespace {

MemoryContext request_context = nullptr;  // emptied after each request

// What a client's session in the server answers to signals.
void install_signal_handlers() {
  pqsignal(SIGHUP, SignalHandlerForConfigReload);
  pqsignal(SIGINT, StatementCancelHandler);
  pqsignal(SIGTERM, die);
  pqsignal(SIGQUIT, quickdie);
  InitializeTimeouts();  // installs the SIGALRM handler
  pqsignal(SIGPIPE, SIG_IGN);
  pqsignal(SIGUSR1, procsignal_sigusr1_handler);
  pqsignal(SIGUSR2, SIG_IGN);
  pqsignal(SIGFPE, FloatExceptionHandler);
  pqsignal(SIGCHLD, SIG_DFL);
}

void carry_out(const ControlBackendFacts& facts) {
  const char* op = control_op();
  if (strcmp(op, "status") == 0)
    control_status(facts);
  else if (strcmp(op, "ps") == 0)
    control_ps(facts);
  else if (strcmp(op, "wake") == 0)
    control_wake();
  else if (strcmp(op, "launch") == 0)
    control_launch();
  else if (strcmp(op, "terminate") == 0)
    control_terminate();
  else if (strcmp(op, "call") == 0)
    control_call();
  else
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("unknown operation \"%s\"", op),
                    errhint("Use a bgworkerctl of the same version as the host.")));
}

// Everything that may raise: waits for requests and carries them out, until the peer has left.
void serve_requests(void* arg) {
  const auto* facts = static_cast<const ControlBackendFacts*>(arg);
  for (;;) {
    MemoryContextReset(request_context);
    MemoryContextSwitchTo(request_context);
    if (!control_read_request()) return;
    control_begin_work();
    carry_out(*facts);
    control_end_work();
    CHECK_FOR_INTERRUPTS();
  }
}

// What the server's main loop does after an ERROR: the client is told, the transaction is rolled back, and
// whatever was held is let go.
void recover_from_error() {
  error_context_stack = nullptr;
  HOLD_INTERRUPTS();
  disable_all_timeouts(false);
  QueryCancelPending = false;
  EmitErrorReport();
  control_end_work();
  debug_query_string = nullptr;
  AbortCurrentTransaction();
  LWLockReleaseAll();
  MemoryContextSwitchTo(TopMemoryContext);
  FlushErrorState();
  pgstat_report_activity(STATE_IDLE, nullptr);
  RESUME_INTERRUPTS();
}

}  // namespace

void serve_control_backend(int connection_fd, const ControlBackendFacts& facts) {
  MyBackendType = B_BACKEND;
  SetProcessingMode(InitProcessing);
  init_ps_display("backend");
  install_signal_handlers();
  if (!control_open(connection_fd)) proc_exit(0);
  InitProcess();
  InitTemporaryFileAccess();
  pgstat_beinit();
  pgstat_bestart();
  SetProcessingMode(NormalProcessing);
  pgstat_report_activity(STATE_IDLE, nullptr);
  PG_SETMASK(&UnBlockSig);
  request_context = AllocSetContextCreate(TopMemoryContext, "control request", ALLOCSET_DEFAULT_SIZES);

  auto* argument = const_cast<ControlBackendFacts*>(&facts);
  while (!bgw_call_catching(serve_requests, argument)) recover_from_error();
  proc_exit(0);
}

}  // namespace bgw
