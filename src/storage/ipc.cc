// Leaving a process: the three lists of exit callbacks, and the one way out, proc_exit().
//
// Protocol:
//  1. Order: before_shmem_exit callbacks, the detaching of dynamic shared memory, then on_shmem_exit, then
//     on_proc_exit; each list last-registered first.
//  2. An entry is taken off its list before it is called, so a callback that raises an error is not called
//  again
//     when the error (which elog turns into FATAL, hence another proc_exit) brings the process back here.
//  3. exit() called by anybody runs the same callbacks with code -1, through atexit; _exit() runs none.
//  4. What the host itself gives back (on_shmem_exit_whole) is taken off the list and called in one critical section:
//     a SIGTERM that comes while the process is leaving anyway, and begins another end of it, makes none of it lost.
//  5. Lists belong to the process that filled them: a child of the postmaster forgets what it inherited
//     (on_exit_reset), and a process that somebody forked without telling us may not use proc_exit at all.
//
// Entered from ordinary code, and from the default SIGTERM handler when no host code is interrupted by it.
#include "bridge/critical.hpp"
#include "port/start_data.hpp"

#include <cstdlib>
#include <unistd.h>

#include "storage/ipc_parts.hpp"

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
}

namespace {

constexpr int max_on_exits = 20;  // modules can observe it: the 21st registration is FATAL

struct ExitCallback {
  pg_on_exit_callback function;
  Datum arg;
  bool whole;  // rule 4
};

struct ExitList {
  const char* name;
  ExitCallback entries[max_on_exits];
  int count;
};

BGW_START_DATA ExitList before_shmem_exit_list = {"before_shmem_exit", {}, 0};
BGW_START_DATA ExitList on_shmem_exit_list = {"on_shmem_exit", {}, 0};
BGW_START_DATA ExitList on_proc_exit_list = {"on_proc_exit", {}, 0};
BGW_START_DATA bool atexit_is_registered = false;

void run_callbacks(ExitList& list, int code) {
  while (list.count > 0) {
    bgw::enter_critical();
    list.count--;
    const ExitCallback callback = list.entries[list.count];
    if (!callback.whole) bgw::leave_critical();
    callback.function(code, callback.arg);
    if (callback.whole) bgw::leave_critical();
  }
}

// From here on the process only goes down: nothing may cancel it, and no error may find a handler of a frame
// that is being left.
void prepare_exit(int code) {
  proc_exit_inprogress = true;
  InterruptPending = false;
  ProcDiePending = false;
  QueryCancelPending = false;
  InterruptHoldoffCount = 1;
  CritSectionCount = 0;
  error_context_stack = nullptr;
  debug_query_string = nullptr;

  shmem_exit(code);
  run_callbacks(on_proc_exit_list, code);
}

void run_at_exit() {
  prepare_exit(-1);
}

void add_callback(ExitList& list, pg_on_exit_callback function, Datum arg, bool whole = false) {
  if (list.count >= max_on_exits)
    ereport(FATAL, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg_internal("out of %s slots", list.name)));
  list.entries[list.count] = {function, arg, whole};
  list.count++;
  if (!atexit_is_registered) {
    std::atexit(run_at_exit);
    atexit_is_registered = true;
  }
}

}  // namespace

namespace bgw {

void on_shmem_exit_whole(pg_on_exit_callback function, Datum arg) {
  add_callback(on_shmem_exit_list, function, arg, true);
}

}  // namespace bgw

extern "C" {

bool proc_exit_inprogress = false;
bool shmem_exit_inprogress = false;

void proc_exit(int code) {
  // The callbacks of a process that was forked behind our back are its parent's business.
  if (MyProcPid != static_cast<int>(getpid())) elog(PANIC, "proc_exit() called in child process");
  prepare_exit(code);
  elog(DEBUG3, "exit(%d)", code);
  std::exit(code);
}

void shmem_exit(int code) {
  shmem_exit_inprogress = true;
  run_callbacks(before_shmem_exit_list, code);
  dsm_backend_shutdown();
  run_callbacks(on_shmem_exit_list, code);
  shmem_exit_inprogress = false;
}

void on_proc_exit(pg_on_exit_callback function, Datum arg) {
  add_callback(on_proc_exit_list, function, arg);
}

void on_shmem_exit(pg_on_exit_callback function, Datum arg) {
  add_callback(on_shmem_exit_list, function, arg);
}

void before_shmem_exit(pg_on_exit_callback function, Datum arg) {
  add_callback(before_shmem_exit_list, function, arg);
}

void cancel_before_shmem_exit(pg_on_exit_callback function, Datum arg) {
  ExitList& list = before_shmem_exit_list;
  if (list.count > 0 && list.entries[list.count - 1].function == function &&
      list.entries[list.count - 1].arg == arg)
    list.count--;
  else
    elog(ERROR, "before_shmem_exit callback (%p,0x%llx) is not the latest entry",
         reinterpret_cast<void*>(function), static_cast<unsigned long long>(arg));
}

void on_exit_reset(void) {
  before_shmem_exit_list.count = 0;
  on_shmem_exit_list.count = 0;
  on_proc_exit_list.count = 0;
  reset_on_dsm_detach();
}

void check_on_shmem_exit_lists_are_empty(void) {
  if (before_shmem_exit_list.count) elog(FATAL, "before_shmem_exit has been called prematurely");
  if (on_shmem_exit_list.count) elog(FATAL, "on_shmem_exit has been called prematurely");
}

}  // extern "C"
