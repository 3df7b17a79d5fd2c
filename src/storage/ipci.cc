// What lies in shared memory, in which order it is made, and how large the region must be.
//
// Sizes are the sum of what the parts ask for, of what modules ask for (RequestAddinShmemSpace, LWLock
// tranches) in the one moment where they may, and of some slack for hash tables that grow. For the postmaster
// only.
extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "postmaster/bgworker_internals.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/pg_sema.h"
#include "storage/pmsignal.h"
#include "storage/proc.h"
#include "storage/procsignal.h"
#include "storage/shmem.h"
#include "utils/backend_status.h"
}

#include "storage/dsm_region.hpp"
#include "storage/process_room.hpp"
#include "storage/shmem_region.hpp"

namespace {

constexpr Size slack = 100000;
constexpr Size page = 8192;

Size requested_by_modules = 0;

void make_shared_memory() {
  int semaphore_count;
  Size size = CalculateShmemSize(&semaphore_count);
  elog(DEBUG3, "invoking IpcMemoryCreate(size=%zu)", size);
  InitShmemAccess(bgw::make_shared_region(size));
  PGReserveSemaphores(semaphore_count);
  InitShmemAllocation();
  CreateLWLocks();
  InitShmemIndex();
  dsm_shmem_init();

  bgw::make_process_rooms();
  InitProcGlobal();
  CreateSharedBackendStatus();
  PMSignalShmemInit();
  BackgroundWorkerShmemInit();
  ProcSignalShmemInit();
  dsm_postmaster_startup(nullptr);

  if (shmem_startup_hook) shmem_startup_hook();
}

}  // namespace

extern "C" {

shmem_startup_hook_type shmem_startup_hook = nullptr;

void RequestAddinShmemSpace(Size size) {
  if (!process_shmem_requests_in_progress)
    elog(FATAL, "cannot request additional shared memory outside shmem_request_hook");
  requested_by_modules = add_size(requested_by_modules, size);
}

Size CalculateShmemSize(int* num_semaphores) {
  int semaphore_count = ProcGlobalSemas();
  if (num_semaphores) *num_semaphores = semaphore_count;

  Size size = slack;
  size = add_size(size, PGSemaphoreShmemSize(semaphore_count));
  size = add_size(size, LWLockShmemSize());
  size = add_size(size, ProcGlobalShmemSize());
  size = add_size(size, BackendStatusShmemSize());
  size = add_size(size, PMSignalShmemSize());
  size = add_size(size, ProcSignalShmemSize());
  size = add_size(size, BackgroundWorkerShmemSize());
  size = add_size(size, dsm_estimate_size());
  size = add_size(size, requested_by_modules);
  size = add_size(size, page - (size % page));
  return size;
}

void CreateSharedMemoryAndSemaphores(void) {
  make_shared_memory();
}

void bgw_reset_shared_memory(void) {
  // Parts that remember being initialised are told nothing: each makes itself anew as it finds the region
  // empty.
  bgw::drop_dynamic_shared_memory();
  bgw::drop_shared_region();
  make_shared_memory();
}

void InitializeShmemGUCs(void) {}  // the server's run-time computed parameters about memory are not the host's

}  // extern "C"
