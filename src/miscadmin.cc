// The globals that every part of the server looks at, and the first steps of a new process.
//
// Ownership: a process's identity (MyProcPid, MyLatch, MyBackendType, ...) is written once on its way up, by
// the process itself. The interrupt flags are written by signal handlers and cleared by ProcessInterrupts();
// the hold-off counts are written by ordinary code only and read by handlers. What the postmaster sets
// (DataDir, limits) children inherit through fork and leave alone.
#include "port/clock.hpp"
#include "port/start_data.hpp"
#include "port/system_call.hpp"

#include <unistd.h>

#include <cctype>
#include <csignal>
#include <cstdlib>
#include <cstring>

extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "common/pg_prng.h"
#include "lib/stringinfo.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "postmaster/postmaster.h"
#include "storage/backendid.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"
}
#include "postmaster/child.hpp"

namespace {

// The latch of a process that has no PGPROC (yet, or any more).
BGW_START_DATA Latch local_latch;

}  // namespace

namespace bgw {

void identify_process() noexcept {
  MyProcPid = static_cast<int>(system_call(SYS_getpid));
  // Random numbers of its own for every process, from the first one on; without, all children would draw what the
  // postmaster would have drawn. (For random() see port/libc_random.cc.)
  pg_global_prng_state = {};
}

void set_start_time(std::int64_t wall_us) noexcept {
  MyStartTimestamp = wall_us - static_cast<int64>(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
  MyStartTime = static_cast<pg_time_t>(wall_us / USECS_PER_SEC);
}

}  // namespace bgw

extern "C" {

BGW_START_DATA volatile sig_atomic_t InterruptPending = false;
volatile sig_atomic_t QueryCancelPending = false;
BGW_START_DATA volatile sig_atomic_t ProcDiePending = false;
volatile sig_atomic_t IdleInTransactionSessionTimeoutPending = false;
volatile sig_atomic_t IdleSessionTimeoutPending = false;
volatile sig_atomic_t ProcSignalBarrierPending = false;
volatile sig_atomic_t LogMemoryContextPending = false;
volatile sig_atomic_t IdleStatsUpdateTimeoutPending = false;
volatile sig_atomic_t CheckClientConnectionPending = false;
volatile sig_atomic_t ClientConnectionLost = false;

BGW_START_DATA volatile uint32 InterruptHoldoffCount = 0;
BGW_START_DATA volatile uint32 QueryCancelHoldoffCount = 0;
BGW_START_DATA volatile uint32 CritSectionCount = 0;

BGW_START_DATA pid_t PostmasterPid = 0;
bool IsPostmasterEnvironment = false;
BGW_START_DATA bool IsUnderPostmaster = false;
BGW_START_DATA bool IsBackgroundWorker = false;
BGW_START_DATA bool ExitOnAnyError = false;

char* DataDir = nullptr;
char my_exec_path[MAXPGPATH] =
    "";  // the server program of this major, where libraries and share files are found from
int data_directory_mode = 0700;

BGW_START_DATA int MaxBackends = 0;
int MaxConnections = 90;
int max_worker_processes = 8;

BGW_START_DATA int MyProcPid = 0;
BGW_START_DATA pg_time_t MyStartTime = 0;
BGW_START_DATA TimestampTz MyStartTimestamp = 0;
BGW_START_DATA struct Latch* MyLatch = nullptr;
BGW_START_DATA int MyPMChildSlot = 0;
struct Port* MyProcPort = nullptr;  // no process here has a client
BGW_START_DATA BackendType MyBackendType = B_INVALID;
BackendId MyBackendId = InvalidBackendId;
BackendId ParallelLeaderBackendId = InvalidBackendId;
BGW_START_DATA ProcessingMode Mode = InitProcessing;

shmem_request_hook_type shmem_request_hook = nullptr;
bool process_shmem_requests_in_progress = false;

const char* GetBackendTypeDesc(BackendType backendType) {
  switch (backendType) {
    case B_INVALID:
      return "not initialized";
    case B_AUTOVAC_LAUNCHER:
      return "autovacuum launcher";
    case B_AUTOVAC_WORKER:
      return "autovacuum worker";
    case B_BACKEND:
      return "client backend";
    case B_BG_WORKER:
      return "background worker";
    case B_BG_WRITER:
      return "background writer";
    case B_CHECKPOINTER:
      return "checkpointer";
    case B_STARTUP:
      return "startup";
    case B_WAL_RECEIVER:
      return "walreceiver";
    case B_WAL_SENDER:
      return "walsender";
    case B_WAL_WRITER:
      return "walwriter";
    case B_ARCHIVER:
      return "archiver";
    case B_LOGGER:
      return "logger";
  }
  return "unknown process type";
}

void InitProcessGlobals(void) {
  bgw::identify_process();
  bgw::set_start_time(bgw::wall_clock_us());
}

// What the postmaster itself and every child do to be able to wait.
static void initialize_local_latch(void) {
  InitializeLatchSupport();
  MyLatch = &local_latch;
  InitLatch(MyLatch);
  InitializeLatchWaitSet();
}

void InitPostmasterChild(void) {
  IsUnderPostmaster = true;
  InitProcessGlobals();
  on_exit_reset();
  initialize_local_latch();

  // A process group of its own, so that a shutdown reaches what the worker has started too.
  if (setsid() < 0 && errno != EPERM) elog(FATAL, "setsid() failed: %m");

  // From its first moment a child answers the postmaster's SIGQUIT.
  pqsignal(SIGQUIT, SignalHandlerForCrashExit);
  sigdelset(&BlockSig, SIGQUIT);
  PG_SETMASK(&BlockSig);

  PostmasterDeathSignalInit();
}

void InitStandaloneProcess(const char* argv0) {
  InitProcessGlobals();
  pqinitmask();
  initialize_local_latch();
}

void SwitchToSharedLatch(void) {
  Assert(MyLatch == &local_latch);
  Assert(MyProc != nullptr);
  MyLatch = &MyProc->procLatch;
  // Whatever was set on the local latch must not be missed; hence a worker's first wait returns at once.
  SetLatch(MyLatch);
}

void SwitchBackToLocalLatch(void) {
  Assert(MyLatch != &local_latch);
  MyLatch = &local_latch;
  SetLatch(MyLatch);
}

// The limit on children of the postmaster that may use shared memory: local control connections, workers, and
// one for the monitor.
void InitializeMaxBackends(void) {
  int64 backends = static_cast<int64>(MaxConnections) + max_worker_processes + 1;
  if (backends > MAX_BACKENDS) elog(ERROR, "too many backends configured");
  MaxBackends = static_cast<int>(backends);
}

void SetDataDir(const char* dir) {
  AssertArg(dir);
  char* absolute = make_absolute_path(dir);
  if (DataDir) free(DataDir);
  DataDir = absolute;
}

void ChangeToDataDir(void) {
  AssertState(DataDir);
  if (chdir(DataDir) < 0)
    ereport(FATAL, (errcode_for_file_access(), errmsg("could not change directory to \"%s\": %m", DataDir)));
}

// ---- what a command may not do ----

void PreventCommandIfReadOnly(const char* cmdname) {
  if (XactReadOnly)
    ereport(ERROR, (errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
                    errmsg("cannot execute %s in a read-only transaction", cmdname)));
}

void PreventCommandIfParallelMode(const char* cmdname) {
  if (IsInParallelMode())
    ereport(ERROR, (errcode(ERRCODE_INVALID_TRANSACTION_STATE),
                    errmsg("cannot execute %s during a parallel operation", cmdname)));
}

void PreventCommandDuringRecovery(const char* cmdname) {
  if (RecoveryInProgress())
    ereport(ERROR,
            (errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION), errmsg("cannot execute %s during recovery", cmdname)));
}

// Bytes that a hash table should stay within, by the settings work_mem and hash_mem_multiplier.
size_t get_hash_memory_limit(void) {
  double limit = static_cast<double>(work_mem) * hash_mem_multiplier * 1024.0;
  return limit < static_cast<double>(SIZE_MAX) ? static_cast<size_t>(limit) : SIZE_MAX;
}

// Adds the words of an options text to an argument vector that has room for them: white space separates, a
// backslash takes the character behind it as it is.
void pg_split_opts(char** argv, int* argcp, const char* optstr) {
  StringInfoData word;
  initStringInfo(&word);
  for (;;) {
    while (isspace(static_cast<unsigned char>(*optstr))) optstr++;
    if (*optstr == '\0') break;
    resetStringInfo(&word);
    for (; *optstr != '\0' && !isspace(static_cast<unsigned char>(*optstr)); optstr++) {
      if (*optstr == '\\' && *++optstr == '\0') break;
      appendStringInfoChar(&word, *optstr);
    }
    argv[(*argcp)++] = pstrdup(word.data);
  }
  pfree(word.data);
}

void process_shmem_requests(void) {
  process_shmem_requests_in_progress = true;
  if (shmem_request_hook) shmem_request_hook();
  process_shmem_requests_in_progress = false;
}

void pg_bindtextdomain(const char* domain) {}  // the host speaks the server's untranslated English

}  // extern "C"
