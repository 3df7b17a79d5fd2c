// Dynamic background workers as their registrants see them: registering, asking after, waiting for and ending
// workers at run time. For children of the postmaster; in the postmaster itself nothing is registered this way.
//
// The protocol with the postmaster is that of core/worker_slots.hpp. Here are its users: BackgroundWorkerLock
// is the lock among claiming children, and SIGUSR1 is the signal in both directions. From claim to signal the
// default SIGTERM handler is held off, so that no slot is taken and never spoken of.
#include "bridge/critical.hpp"
#include "core/status_page.hpp"
#include "core/worker_slots.hpp"
#include "postmaster/bgworker_private.hpp"

extern "C" {
#include "miscadmin.h"
#include "postmaster/bgworker_internals.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/pmsignal.h"
#include "storage/shmem.h"
#include "tcop/tcopprot.h"
#include "utils/wait_event.h"
}

struct BackgroundWorkerHandle {
  int slot;
  uint64 generation;
};

namespace {

void* request_area = nullptr;  // in the shared region; another one after each reset
bgw::SlotRequests slots;       // inherited by children

bgw::SlotHandle of(const BackgroundWorkerHandle* handle) {
  return {handle->slot, handle->generation};
}

// False: the postmaster is gone.
bool wait_for_news(uint32 wait_event) {
  if (WaitLatch(MyLatch, WL_LATCH_SET | WL_POSTMASTER_DEATH, 0, wait_event) & WL_POSTMASTER_DEATH) return false;
  ResetLatch(MyLatch);
  return true;
}

}  // namespace

namespace bgw {

SlotRequests attach_worker_slots() {
  slots =
      SlotRequests(request_area, StatusPage::published_slots(), max_worker_processes, sizeof(BackgroundWorker));
  return slots;
}

}  // namespace bgw

extern "C" {

Size BackgroundWorkerShmemSize(void) {
  return bgw::SlotRequests::size_for(max_worker_processes, sizeof(BackgroundWorker));
}

void BackgroundWorkerShmemInit(void) {
  bool found;
  request_area = ShmemInitStruct("Background Worker Data", BackgroundWorkerShmemSize(), &found);
}

bool RegisterDynamicBackgroundWorker(BackgroundWorker* worker, BackgroundWorkerHandle** handle) {
  if (!IsUnderPostmaster) return false;
  if (!bgw::check_definition(worker, ERROR)) return false;

  const bool parallel = (worker->bgw_flags & BGWORKER_CLASS_PARALLEL) != 0;
  bgw::SlotHandle claimed;
  bgw::enter_critical();
  LWLockAcquire(BackgroundWorkerLock, LW_EXCLUSIVE);
  if (auto slot = slots.claim(worker, parallel, max_parallel_workers)) claimed = *slot;
  LWLockRelease(BackgroundWorkerLock);
  if (claimed.slot >= 0) slots.announce(claimed.slot);
  // Without a slot too, when there should have been one: the postmaster looks into it.
  if (claimed.slot >= 0 || slots.check_is_wanted()) SendPostmasterSignal(PMSIGNAL_BACKGROUND_WORKER_CHANGE);
  bgw::leave_critical();
  if (claimed.slot < 0) return false;

  if (handle) {
    *handle = static_cast<BackgroundWorkerHandle*>(palloc(sizeof(BackgroundWorkerHandle)));
    **handle = {claimed.slot, claimed.generation};
  }
  return true;
}

BgwHandleStatus GetBackgroundWorkerPid(BackgroundWorkerHandle* handle, pid_t* pidp) {
  switch (slots.status(of(handle), pidp)) {
    case bgw::SlotStatus::not_yet_started:
      return BGWH_NOT_YET_STARTED;
    case bgw::SlotStatus::started:
      return BGWH_STARTED;
    case bgw::SlotStatus::stopped:
      return BGWH_STOPPED;
  }
  return BGWH_STOPPED;
}

BgwHandleStatus WaitForBackgroundWorkerStartup(BackgroundWorkerHandle* handle, pid_t* pidp) {
  for (bool waited = false;; waited = true) {
    CHECK_FOR_INTERRUPTS();
    BgwHandleStatus status = GetBackgroundWorkerPid(handle, pidp);
    // A worker may end before its registrant, woken by its start, gets to look. It did start.
    if (waited && status == BGWH_STOPPED && slots.was_started(of(handle), pidp)) return BGWH_STARTED;
    if (status != BGWH_NOT_YET_STARTED) return status;
    if (!wait_for_news(WAIT_EVENT_BGWORKER_STARTUP)) return BGWH_POSTMASTER_DIED;
  }
}

BgwHandleStatus WaitForBackgroundWorkerShutdown(BackgroundWorkerHandle* handle) {
  for (;;) {
    CHECK_FOR_INTERRUPTS();
    pid_t pid;
    BgwHandleStatus status = GetBackgroundWorkerPid(handle, &pid);
    if (status == BGWH_STOPPED) return status;
    if (!wait_for_news(WAIT_EVENT_BGWORKER_SHUTDOWN)) return BGWH_POSTMASTER_DIED;
  }
}

void TerminateBackgroundWorker(BackgroundWorkerHandle* handle) {
  if (!IsUnderPostmaster) return;
  bgw::enter_critical();
  if (slots.request_terminate(of(handle))) {
    slots.announce(handle->slot);
    SendPostmasterSignal(PMSIGNAL_BACKGROUND_WORKER_CHANGE);
  }
  bgw::leave_critical();
}

const char* GetBackgroundWorkerTypeByPid(pid_t pid) {
  static char type[BGW_MAXLEN];
  int slot = slots.find_pid(pid);
  if (slot < 0 || !bgw::StatusPage::worker_type(slot, pid, type, sizeof type)) return nullptr;
  return type;
}

}  // extern "C"
