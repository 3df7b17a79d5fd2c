// Lightweight locks: shared or exclusive, in shared memory, with a queue of sleeping waiters.
//
// Protocol. All is in the lock's one state word and its queue of PGPROCs.
//  1. The low 24 bits of the word count shared holders, one bit is the exclusive holder, one says that the queue
//     is not empty, one that a wake-up is under way, one is the spinlock that guards the queue. The word changes by
//     atomic operations only.
//  2. Getting the lock is one compare-and-swap that succeeds when the holders allow it. Nobody is handed a lock:
//     who is woken tries again, and newcomers may be faster.
//  3. Who fails queues up, thereby setting the queue bit, and tries once more before it sleeps. So either its
//  second
//     try sees the lock free, or the holder that made it fail sees the queue bit when it lets go.
//  4. Who lets go as the last holder and sees the queue bit takes from the front of the queue: all who wait for
//     "free" only, then one exclusive waiter, or as many shared ones as stand in front of the next exclusive one.
//     Taken out, they are marked and then posted through their PGPROC's semaphore. If one of them will try for the
//     lock, a wake-up is under way until the first such runs; meanwhile who lets go wakes nobody. Otherwise a lock
//     that is taken and let go often before a sleeper runs would turn its queue into a crowd of which one can have
//     it. Who was woken ends the wake-up before it tries: a release too late for that try sees the wake-up ended.
//  5. lwWaiting of a PGPROC: set to waiting by its owner, with the queue's spinlock held; set to pending by who
//     takes it out, with the spinlock held; set back by the same afterwards, just before the post.
//  6. A semaphore post meant for somebody else's purpose is absorbed while sleeping and given back afterwards.
//
// Interrupts are held off while a lock is held. The default SIGTERM handler, which ends a worker wherever it
// is, waits until no queue is half changed and no held lock is unrecorded (bridge/critical.hpp).
#include "bridge/critical.hpp"

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "postmaster/postmaster.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/proclist.h"
#include "storage/s_lock.h"
#include "utils/wait_event.h"
}

#include "storage/lwlock_tranches.hpp"

static_assert(sizeof(LWLock) <= LWLOCK_PADDED_SIZE);
static_assert(MAX_BACKENDS < (1 << 24), "the count of shared holders must not reach the next bit");

namespace {

constexpr uint32 queue_locked = 1U << 28;
constexpr uint32 wake_up_under_way = 1U << 29;
constexpr uint32 queue_not_empty = 1U << 30;
constexpr uint32 held_exclusive = 1U << 24;
constexpr uint32 one_shared = 1;
constexpr uint32 holders = held_exclusive | (held_exclusive - 1);

struct HeldLock {
  LWLock* lock;
  LWLockMode mode;
};

constexpr int max_held_locks = 200;
HeldLock held_locks[max_held_locks];  // this process's, in the order they were taken
int held_count = 0;

uint32 read_state(LWLock* lock) {
  return pg_atomic_read_u32(&lock->state);
}

// One try, without waiting.
bool try_to_hold(LWLock* lock, LWLockMode mode) {
  uint32 state = read_state(lock);
  for (;;) {
    uint32 wanted;
    if (mode == LW_EXCLUSIVE) {
      if (state & holders) return false;
      wanted = state + held_exclusive;
    } else {
      if (state & held_exclusive) return false;
      wanted = state + one_shared;
    }
    if (pg_atomic_compare_exchange_u32(&lock->state, &state, wanted)) return true;
  }
}

void lock_queue(LWLock* lock) {
  if (!(pg_atomic_fetch_or_u32(&lock->state, queue_locked) & queue_locked)) return;
  SpinDelayStatus delay;
  init_local_spin_delay(&delay);
  do {
    while (read_state(lock) & queue_locked) perform_spin_delay(&delay);
  } while (pg_atomic_fetch_or_u32(&lock->state, queue_locked) & queue_locked);
  finish_spin_delay(&delay);
}

void unlock_queue(LWLock* lock) {
  uint32 bits = queue_locked;
  if (proclist_is_empty(&lock->waiters)) bits |= queue_not_empty;
  pg_atomic_fetch_and_u32(&lock->state, ~bits);
}

// For one who was woken to try for the lock, before it tries.
void end_wake_up(LWLock* lock) {
  pg_atomic_fetch_and_u32(&lock->state, ~wake_up_under_way);
}

void queue_myself(LWLock* lock, LWLockMode mode) {
  if (!MyProc) elog(PANIC, "cannot wait without a PGPROC structure");
  if (MyProc->lwWaiting != LW_WS_NOT_WAITING) elog(PANIC, "queueing for lock while waiting on another one");

  lock_queue(lock);
  pg_atomic_fetch_or_u32(&lock->state, queue_not_empty);
  MyProc->lwWaiting = LW_WS_WAITING;
  MyProc->lwWaitMode = static_cast<uint8>(mode);
  if (mode == LW_WAIT_UNTIL_FREE)
    proclist_push_head(&lock->waiters, MyProc->pgprocno, lwWaitLink);
  else
    proclist_push_tail(&lock->waiters, MyProc->pgprocno, lwWaitLink);
  unlock_queue(lock);
}

// Sleeps until somebody has taken us out of the queue. Returns how many posts were not for us.
int sleep_in_queue() {
  int strange_posts = 0;
  for (;;) {
    PGSemaphoreLock(MyProc->sem);
    if (__atomic_load_n(&MyProc->lwWaiting, __ATOMIC_ACQUIRE) == LW_WS_NOT_WAITING) return strange_posts;
    strange_posts++;
  }
}

void give_back_posts(int count) {
  while (count-- > 0) PGSemaphoreUnlock(MyProc->sem);
}

// For who queued up and then found that there is no need to wait.
void leave_queue(LWLock* lock) {
  lock_queue(lock);
  bool was_queued = MyProc->lwWaiting == LW_WS_WAITING;
  if (was_queued) {
    proclist_delete(&lock->waiters, MyProc->pgprocno, lwWaitLink);
    MyProc->lwWaiting = LW_WS_NOT_WAITING;
  }
  unlock_queue(lock);
  if (was_queued) return;
  // Somebody took us out already: the post is on its way and must not be left for the next wait.
  if (MyProc->lwWaitMode != LW_WAIT_UNTIL_FREE) end_wake_up(lock);
  give_back_posts(sleep_in_queue());
}

bool waits_for_free_only(int procno) {
  return GetPGProcByNumber(procno)->lwWaitMode == LW_WAIT_UNTIL_FREE;
}

void take_out_first(LWLock* lock, proclist_head* woken) {
  PGPROC* waiter = proclist_pop_head_node(&lock->waiters, lwWaitLink);
  proclist_push_tail(woken, waiter->pgprocno, lwWaitLink);
  waiter->lwWaiting = LW_WS_PENDING_WAKEUP;
}

void post_all(proclist_head* woken) {
  while (!proclist_is_empty(woken)) {
    PGPROC* waiter = proclist_pop_head_node(woken, lwWaitLink);
    // From here on the waiter may queue up elsewhere: its link is no longer ours.
    __atomic_store_n(&waiter->lwWaiting, static_cast<uint8>(LW_WS_NOT_WAITING), __ATOMIC_RELEASE);
    PGSemaphoreUnlock(waiter->sem);
  }
}

void wake_front(LWLock* lock) {
  proclist_head woken;
  proclist_init(&woken);
  bool woke_a_candidate = false;
  lock_queue(lock);
  while (!proclist_is_empty(&lock->waiters)) {
    uint8 mode = GetPGProcByNumber(lock->waiters.head)->lwWaitMode;
    if (mode == LW_EXCLUSIVE && woke_a_candidate) break;
    take_out_first(lock, &woken);
    if (mode != LW_WAIT_UNTIL_FREE) woke_a_candidate = true;
    if (mode == LW_EXCLUSIVE) break;
  }
  if (woke_a_candidate) pg_atomic_fetch_or_u32(&lock->state, wake_up_under_way);
  unlock_queue(lock);
  post_all(&woken);
}

void report_wait(LWLock* lock) {
  pgstat_report_wait_start(PG_WAIT_LWLOCK | lock->tranche);
}

void remember_held(LWLock* lock, LWLockMode mode) {
  held_locks[held_count] = {lock, mode};
  held_count++;
}

void check_room_for_another() {
  if (held_count >= max_held_locks) elog(ERROR, "too many LWLocks taken");
}

// Takes the lock off the list of held ones; the newest is looked for first. False if it is not held.
bool forget_held(LWLock* lock, LWLockMode* mode) {
  int i = held_count - 1;
  if (i >= 0 && held_locks[i].lock == lock) {
    *mode = held_locks[i].mode;
    held_count = i;
    return true;
  }
  while (--i >= 0)
    if (held_locks[i].lock == lock) break;
  if (i < 0) return false;
  *mode = held_locks[i].mode;
  held_count--;
  for (; i < held_count; i++) held_locks[i] = held_locks[i + 1];
  return true;
}

// Whether the holder of the lock still shows `oldval`. If not, *result says whether the lock is free and
// *newval, if it is held, what the variable holds.
bool variable_is_unchanged(LWLock* lock, uint64* valptr, uint64 oldval, uint64* newval, bool* result) {
  if (!(read_state(lock) & held_exclusive)) {
    *result = true;
    return false;
  }
  *result = false;
  lock_queue(lock);
  uint64 value = *valptr;
  unlock_queue(lock);
  if (value == oldval) return true;
  *newval = value;
  return false;
}

// The rest of LWLockAcquire() when the first try fails: not inlined, so that the usual way stays short.
[[gnu::noinline]] bool acquire_waiting(LWLock* lock, LWLockMode mode) {
  bool at_once = true;
  int strange_posts = 0;
  do {
    queue_myself(lock, mode);
    if (try_to_hold(lock, mode)) {
      leave_queue(lock);
      break;
    }
    report_wait(lock);
    strange_posts += sleep_in_queue();
    pgstat_report_wait_end();
    end_wake_up(lock);
    at_once = false;
  } while (!try_to_hold(lock, mode));
  remember_held(lock, mode);
  give_back_posts(strange_posts);
  bgw::leave_critical();
  return at_once;
}

}  // namespace

extern "C" {

void LWLockInitialize(LWLock* lock, int tranche_id) {
  pg_atomic_init_u32(&lock->state, 0);
  lock->tranche = static_cast<uint16>(tranche_id);
  proclist_init(&lock->waiters);
}

void InitLWLockAccess(void) {}  // a process needs nothing of its own

bool LWLockAcquire(LWLock* lock, LWLockMode mode) {
  Assert(mode == LW_SHARED || mode == LW_EXCLUSIVE);
  check_room_for_another();
  HOLD_INTERRUPTS();
  bgw::enter_critical();
  if (!try_to_hold(lock, mode)) return acquire_waiting(lock, mode);
  remember_held(lock, mode);
  bgw::leave_critical();
  return true;
}

bool LWLockConditionalAcquire(LWLock* lock, LWLockMode mode) {
  Assert(mode == LW_SHARED || mode == LW_EXCLUSIVE);
  check_room_for_another();
  HOLD_INTERRUPTS();
  bgw::enter_critical();
  bool held = try_to_hold(lock, mode);
  if (held)
    remember_held(lock, mode);
  else
    RESUME_INTERRUPTS();
  bgw::leave_critical();
  return held;
}

// True: the lock is held. False: it was not free, has become so, and is not held.
bool LWLockAcquireOrWait(LWLock* lock, LWLockMode mode) {
  Assert(mode == LW_SHARED || mode == LW_EXCLUSIVE);
  check_room_for_another();
  HOLD_INTERRUPTS();
  bgw::enter_critical();
  bool held = try_to_hold(lock, mode);
  if (!held) {
    queue_myself(lock, LW_WAIT_UNTIL_FREE);
    held = try_to_hold(lock, mode);
    if (held) {
      leave_queue(lock);
    } else {
      report_wait(lock);
      give_back_posts(sleep_in_queue());
      pgstat_report_wait_end();
    }
  }
  if (held)
    remember_held(lock, mode);
  else
    RESUME_INTERRUPTS();
  bgw::leave_critical();
  return held;
}

// True: the lock is free (and not held by us). False: it is held, and *newval is what *valptr has become.
bool LWLockWaitForVar(LWLock* lock, uint64* valptr, uint64 oldval, uint64* newval) {
  HOLD_INTERRUPTS();
  bgw::enter_critical();
  bool result = false;
  int strange_posts = 0;
  while (variable_is_unchanged(lock, valptr, oldval, newval, &result)) {
    queue_myself(lock, LW_WAIT_UNTIL_FREE);
    if (!variable_is_unchanged(lock, valptr, oldval, newval, &result)) {
      leave_queue(lock);
      break;
    }
    report_wait(lock);
    strange_posts += sleep_in_queue();
    pgstat_report_wait_end();
  }
  give_back_posts(strange_posts);
  RESUME_INTERRUPTS();
  bgw::leave_critical();
  return result;
}

// For the exclusive holder: changes the variable and wakes those who wait for that.
void LWLockUpdateVar(LWLock* lock, uint64* valptr, uint64 value) {
  proclist_head woken;
  proclist_init(&woken);
  bgw::enter_critical();
  lock_queue(lock);
  Assert(read_state(lock) & held_exclusive);
  *valptr = value;
  // They stand in front.
  while (!proclist_is_empty(&lock->waiters) && waits_for_free_only(lock->waiters.head))
    take_out_first(lock, &woken);
  unlock_queue(lock);
  post_all(&woken);
  bgw::leave_critical();
}

void LWLockRelease(LWLock* lock) {
  bgw::enter_critical();
  LWLockMode mode;
  if (!forget_held(lock, &mode)) {
    bgw::leave_critical();
    elog(ERROR, "lock %s is not held", bgw::tranche_name(lock->tranche));
  }
  uint32 left = pg_atomic_sub_fetch_u32(&lock->state, mode == LW_EXCLUSIVE ? held_exclusive : one_shared);
  if ((left & (queue_not_empty | wake_up_under_way | holders)) == queue_not_empty) wake_front(lock);
  RESUME_INTERRUPTS();
  bgw::leave_critical();
}

void LWLockReleaseClearVar(LWLock* lock, uint64* valptr, uint64 val) {
  bgw::enter_critical();
  lock_queue(lock);
  *valptr = val;
  unlock_queue(lock);
  bgw::leave_critical();
  LWLockRelease(lock);
}

// After an error the hold-off count was reset, whatever was held: raise it so that each release finds its own.
void LWLockReleaseAll(void) {
  while (held_count > 0) {
    HOLD_INTERRUPTS();
    LWLockRelease(held_locks[held_count - 1].lock);
  }
}

void ForEachLWLockHeldByMe(void (*callback)(LWLock*, LWLockMode, void*), void* context) {
  for (int i = 0; i < held_count; i++) callback(held_locks[i].lock, held_locks[i].mode, context);
}

bool LWLockHeldByMe(LWLock* lock) {
  for (int i = 0; i < held_count; i++)
    if (held_locks[i].lock == lock) return true;
  return false;
}

bool LWLockAnyHeldByMe(LWLock* lock, int nlocks, size_t stride) {
  const char* begin = reinterpret_cast<const char*>(lock);
  const char* end = begin + nlocks * stride;
  for (int i = 0; i < held_count; i++) {
    const char* held = reinterpret_cast<const char*>(held_locks[i].lock);
    if (held >= begin && held < end && (held - begin) % stride == 0) return true;
  }
  return false;
}

bool LWLockHeldByMeInMode(LWLock* lock, LWLockMode mode) {
  for (int i = 0; i < held_count; i++)
    if (held_locks[i].lock == lock && held_locks[i].mode == mode) return true;
  return false;
}

}  // extern "C"
