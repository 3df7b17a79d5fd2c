// Condition variables: a queue of processes that wait for something to change, woken through their latches.
//
// Protocol:
//  1. A process is in the queue of at most one variable, from ConditionVariablePrepareToSleep() until it is
//  woken or
//     cancels. The queue is guarded by the variable's spinlock, which is held for a few instructions only.
//  2. Waking is taking out of the queue and setting the latch. A sleeper that finds itself out of the queue was
//     woken; it queues up again, so that nothing is missed while its caller looks at the condition.
//  3. Who gives up after having been woken passes the wake-up on: it may have been the only one.
#include "bridge/critical.hpp"
#include "port/clock.hpp"

#include <climits>

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/proclist.h"
#include "storage/spin.h"
}

namespace {

// The variable in whose queue this process is, or was when it was woken.
ConditionVariable* sleeping_on = nullptr;

// The worker's default SIGTERM handler must not end the process while it holds the spinlock.
void lock_queue(ConditionVariable* cv) {
  bgw::enter_critical();
  SpinLockAcquire(&cv->mutex);
}

void unlock_queue(ConditionVariable* cv) {
  SpinLockRelease(&cv->mutex);
  bgw::leave_critical();
}

bool take_out_first(ConditionVariable* cv, PGPROC** proc) {
  if (proclist_is_empty(&cv->wakeup)) return false;
  *proc = proclist_pop_head_node(&cv->wakeup, cvWaitLink);
  return true;
}

}  // namespace

extern "C" {

void ConditionVariableInit(ConditionVariable* cv) {
  SpinLockInit(&cv->mutex);
  proclist_init(&cv->wakeup);
}

void ConditionVariablePrepareToSleep(ConditionVariable* cv) {
  if (sleeping_on) ConditionVariableCancelSleep();
  sleeping_on = cv;
  lock_queue(cv);
  proclist_push_tail(&cv->wakeup, MyProc->pgprocno, cvWaitLink);
  unlock_queue(cv);
}

void ConditionVariableSleep(ConditionVariable* cv, uint32 wait_event_info) {
  (void)ConditionVariableTimedSleep(cv, -1, wait_event_info);
}

// True when `timeout` milliseconds (-1: no limit) are over without a wake-up.
bool ConditionVariableTimedSleep(ConditionVariable* cv, long timeout, uint32 wait_event_info) {
  // Not queued yet: the caller must look at its condition once more before it may sleep.
  if (sleeping_on != cv) {
    ConditionVariablePrepareToSleep(cv);
    return false;
  }

  const std::int64_t deadline_ns = bgw::deadline_after_ms(timeout);
  int events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;
  if (timeout >= 0) events |= WL_TIMEOUT;
  long left_ms = timeout;
  for (;;) {
    (void)WaitLatch(MyLatch, events, left_ms, wait_event_info);
    ResetLatch(MyLatch);

    bool woken = false;
    lock_queue(cv);
    if (!proclist_contains(&cv->wakeup, MyProc->pgprocno, cvWaitLink)) {
      woken = true;
      proclist_push_tail(&cv->wakeup, MyProc->pgprocno, cvWaitLink);
    }
    unlock_queue(cv);

    CHECK_FOR_INTERRUPTS();
    if (cv != sleeping_on) woken = true;  // an interrupt's code slept on another one
    if (woken) return false;
    if (timeout >= 0) {
      std::int64_t left_ns = deadline_ns - bgw::monotonic_ns();
      if (left_ns <= 0) return true;
      left_ms = static_cast<long>((left_ns + bgw::nanoseconds_per_millisecond - 1) /
                                  bgw::nanoseconds_per_millisecond);
    }
  }
}

void ConditionVariableCancelSleep(void) {
  ConditionVariable* cv = sleeping_on;
  if (!cv) return;
  bool was_woken = false;
  lock_queue(cv);
  if (proclist_contains(&cv->wakeup, MyProc->pgprocno, cvWaitLink))
    proclist_delete(&cv->wakeup, MyProc->pgprocno, cvWaitLink);
  else
    was_woken = true;
  unlock_queue(cv);
  if (was_woken) ConditionVariableSignal(cv);
  sleeping_on = nullptr;
}

void ConditionVariableSignal(ConditionVariable* cv) {
  PGPROC* proc = nullptr;
  lock_queue(cv);
  bool found = take_out_first(cv, &proc);
  unlock_queue(cv);
  if (found) SetLatch(&proc->procLatch);
}

// Wakes everybody who is queued now. Those who queue up again meanwhile stand behind; counting how many stood
// there at the beginning keeps this from waking them over and over.
void ConditionVariableBroadcast(ConditionVariable* cv) {
  if (sleeping_on) ConditionVariableCancelSleep();
  int count = 0;
  lock_queue(cv);
  for (int procno = cv->wakeup.head; procno != INVALID_PGPROCNO;
       procno = GetPGProcByNumber(procno)->cvWaitLink.next)
    count++;
  unlock_queue(cv);

  while (count-- > 0) {
    PGPROC* proc = nullptr;
    lock_queue(cv);
    bool found = take_out_first(cv, &proc);
    unlock_queue(cv);
    if (!found) return;
    SetLatch(&proc->procLatch);
  }
}

}  // extern "C"
