// Background workers as modules see them: registration, and the life of a worker's process from its first
// line to its exit.
//
// Registration happens in the postmaster while it runs the modules' _PG_init functions; the list made there
// is private to the postmaster, never changes afterwards, and is inherited by every child. A worker's
// process runs run_background_worker() once and never returns to the postmaster's code.
#include "bridge/critical.hpp"
#include "bridge/die.hpp"
#include "bridge/entry.hpp"
#include "core/session.hpp"
#include "port/start_data.hpp"
#include "port/system_call.hpp"
#include "postmaster/bgworker_private.hpp"

extern "C" {
#include "fmgr.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postmaster/bgworker_internals.h"
#include "postmaster/interrupt.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/memutils.h"
#include "utils/ps_status.h"
#include "utils/timeout.h"
}
#include "bridge/worker_session.hpp"

BGW_START_DATA BackgroundWorker* MyBgworkerEntry = nullptr;

namespace {

// Grows by doubling while modules register; in a context of its own, gone once the postmaster has made its own list.
MemoryContext registrations = nullptr;
BackgroundWorker** registered = nullptr;
int registered_count = 0;
int registered_room = 0;

void append_registered(const BackgroundWorker* worker) {
  if (registrations == nullptr)
    registrations =
        AllocSetContextCreate(TopMemoryContext, "background worker registrations", ALLOCSET_DEFAULT_SIZES);
  MemoryContext old = MemoryContextSwitchTo(registrations);
  if (registered_count == registered_room) {
    registered_room = registered_room ? registered_room * 2 : 16;
    Size size = sizeof(*registered) * static_cast<Size>(registered_room);
    registered = static_cast<BackgroundWorker**>(registered ? repalloc(registered, size) : palloc(size));
  }
  auto* copy = static_cast<BackgroundWorker*>(palloc(sizeof(BackgroundWorker)));
  *copy = *worker;
  registered[registered_count++] = copy;
  MemoryContextSwitchTo(old);
}

bool sanity_check(BackgroundWorker* worker, int elevel) {
  const char* problem = nullptr;
  constexpr int max_restart_seconds = 86400 * 1000;

  if (!(worker->bgw_flags & BGWORKER_SHMEM_ACCESS))
    problem = "background workers without shared memory access are not supported";
  else if ((worker->bgw_flags & BGWORKER_BACKEND_DATABASE_CONNECTION) &&
           worker->bgw_start_time == BgWorkerStart_PostmasterStart)
    problem = "cannot request database access if starting at postmaster start";
  else if ((worker->bgw_restart_time < 0 && worker->bgw_restart_time != BGW_NEVER_RESTART) ||
           worker->bgw_restart_time > max_restart_seconds)
    problem = "invalid restart interval";
  else if (worker->bgw_restart_time != BGW_NEVER_RESTART && (worker->bgw_flags & BGWORKER_CLASS_PARALLEL) != 0)
    problem = "parallel workers may not be configured for restart";

  if (problem) {
    ereport(elevel, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                     errmsg("background worker \"%s\": %s", worker->bgw_name, problem)));
    return false;
  }
  if (worker->bgw_type[0] == '\0') strcpy(worker->bgw_type, worker->bgw_name);
  return true;
}

// SIGTERM before the worker installs a handler of its own: end at once, wherever the worker is.
void bgworker_die(SIGNAL_ARGS) {
  bgw_die_handler_body();
}

// What this process's signals do, by what it has installed itself or has from the fork server.
enum class Handlers { others, without_database, with_database };
BGW_START_DATA Handlers installed = Handlers::others;

void install_default_handlers(bool database) {
  const Handlers wanted = database ? Handlers::with_database : Handlers::without_database;
  if (installed == wanted) return;
  installed = wanted;
  if (database) {
    pqsignal(SIGINT, StatementCancelHandler);
    pqsignal(SIGUSR1, procsignal_sigusr1_handler);
    pqsignal(SIGFPE, FloatExceptionHandler);
  } else {
    pqsignal(SIGINT, SIG_IGN);
    pqsignal(SIGUSR1, SIG_IGN);
    pqsignal(SIGFPE, SIG_IGN);
  }
  pqsignal(SIGTERM, bgworker_die);
  pqsignal(SIGQUIT, SignalHandlerForCrashExit);
  InitializeTimeouts();  // installs the SIGALRM handler
  pqsignal(SIGHUP, SIG_IGN);
  pqsignal(SIGPIPE, SIG_IGN);
  pqsignal(SIGUSR2, SIG_IGN);
  pqsignal(SIGCHLD, SIG_DFL);
  pqsignal(SIGTTIN, SIG_IGN);
  pqsignal(SIGTTOU, SIG_IGN);
#ifdef SIGXFSZ
  pqsignal(SIGXFSZ, SIG_IGN);
#endif
}

struct Entry {
  BackgroundWorker* worker;
  bgworker_main_type function;  // nullptr: not known yet
};

// Everything that may raise between the first line of a worker and its last.
void run_entry_function(void* arg) {
  auto [worker, function] = *static_cast<Entry*>(arg);
  InitProcess();
  InitTemporaryFileAccess();  // before the module's own callbacks, so that it ends after them
  if (function == nullptr) {
    // That names the server itself, not a file; none of its own workers is here.
    if (strcmp(worker->bgw_library_name, "postgres") == 0)
      ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
                      errmsg_internal("internal function \"%s\" not found", worker->bgw_function_name)));
    function = reinterpret_cast<bgworker_main_type>(
        load_external_function(worker->bgw_library_name, worker->bgw_function_name, true, nullptr));
  }
  CurrentMemoryContext = TopMemoryContext;
  function(worker->bgw_main_arg);
}

bool may_connect() {
  if (MyBgworkerEntry && (MyBgworkerEntry->bgw_flags & BGWORKER_BACKEND_DATABASE_CONNECTION)) return true;
  ereport(FATAL, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                  errmsg("database connection requirement not indicated during registration")));
  return false;
}

void connect_worker(const char* dbname, const char* username, Oid dboid, Oid useroid, uint32 flags) {
  if (!may_connect()) return;
  if (!IsInitProcessingMode()) ereport(ERROR, (errmsg("invalid processing mode in background worker")));
  // A process with a session has a number among the sessions, as in the server: the log shows it, and it can be
  // signalled with a reason.
  if (MyBackendId == InvalidBackendId) {
    MyBackendId = MyPMChildSlot;
    MyProc->backendId = MyBackendId;
    ProcSignalInit(MyBackendId);
  }
  bgw_connect_worker(dbname, username, dboid, useroid, flags);
  // From here on its activity is told when it crashes, as in the server, where the entry begins with the session.
  MyProc->databaseId = MyDatabaseId;
  MyProc->roleId = GetSessionUserId();
  pgstat_beinit();
  pgstat_bestart();
  SetProcessingMode(NormalProcessing);
}

}  // namespace

namespace bgw {

int registered_worker_count() {
  return registered_count;
}
BackgroundWorker* registered_worker(int index) {
  return registered[index];
}

void forget_registrations() {
  if (registrations != nullptr) MemoryContextDelete(registrations);
  registrations = nullptr;
  registered = nullptr;
  registered_room = 0;
}

bool check_definition(BackgroundWorker* worker, int elevel) {
  return sanity_check(worker, elevel);
}

void install_handlers_of_workers(bool database) { install_default_handlers(database); }

void run_background_worker(BackgroundWorker* worker, bgworker_main_type entry_function) {
  MyBgworkerEntry = worker;
  IsBackgroundWorker = true;
  MyBackendType = B_BG_WORKER;
  SetProcessingMode(InitProcessing);
  init_ps_display(worker->bgw_name);
  install_default_handlers((worker->bgw_flags & BGWORKER_BACKEND_DATABASE_CONNECTION) != 0);
  CurrentMemoryContext = TopMemoryContext;

  Entry entry{worker, entry_function};
  if (!bgw_call_at_last(run_entry_function, &entry)) end_worker_by_error();
  proc_exit(0);
}

// With code 1, which restarts the worker if it may be.
void end_worker_by_error() {
  error_context_stack = nullptr;
  HOLD_INTERRUPTS();
  BackgroundWorkerUnblockSignals();
  EmitErrorReport();
  proc_exit(1);
}

}  // namespace bgw

extern "C" {

void RegisterBackgroundWorker(BackgroundWorker* worker) {
  if (!IsUnderPostmaster)
    ereport(DEBUG1, (errmsg_internal("registering background worker \"%s\"", worker->bgw_name)));

  if (!process_shared_preload_libraries_in_progress && strcmp(worker->bgw_library_name, "postgres") != 0) {
    if (!IsUnderPostmaster)
      ereport(LOG, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("background worker \"%s\": must be registered in shared_preload_libraries",
                           worker->bgw_name)));
    return;
  }
  if (!sanity_check(worker, LOG)) return;
  if (worker->bgw_notify_pid != 0) {
    ereport(LOG, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                  errmsg("background worker \"%s\": only dynamic background workers can request notification",
                         worker->bgw_name)));
    return;
  }
  if (registered_count >= max_worker_processes) {
    ereport(LOG, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED), errmsg("too many background workers"),
                  errdetail_plural("Up to %d background worker can be registered with the current settings.",
                                   "Up to %d background workers can be registered with the current settings.",
                                   static_cast<unsigned long>(max_worker_processes), max_worker_processes),
                  errhint("Consider increasing the configuration parameter \"max_worker_processes\".")));
    return;
  }
  append_registered(worker);
}

void BackgroundWorkerInitializeConnection(const char* dbname, const char* username, uint32 flags) {
  connect_worker(dbname, username, InvalidOid, InvalidOid, flags);
}

void BackgroundWorkerInitializeConnectionByOid(Oid dboid, Oid useroid, uint32 flags) {
  connect_worker(nullptr, nullptr, dboid, useroid, flags);
}

void BackgroundWorkerBlockSignals(void) {
  PG_SETMASK(&BlockSig);
}

void BackgroundWorkerUnblockSignals(void) {
  bgw::change_signal_mask(SIG_SETMASK, UnBlockSig);
}
}
