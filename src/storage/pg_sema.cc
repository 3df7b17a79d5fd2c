// Counting semaphores in shared memory, one per PGPROC and in its room, on a futex.
//
// Invariants: `count` is never negative and is the futex word; `sleepers` is raised before a sleep and lowered
// after it, so a post that sees it zero has nobody to wake. A sleeper killed in its sleep leaves it too high,
// which costs a system call and nothing else.
#include "port/futex.hpp"
#include "storage/process_room.hpp"

#include <climits>

extern "C" {
#include "postgres.h"
#include "storage/pg_sema.h"
#include "storage/shmem.h"
}

namespace {

int semaphores_used = 0;

}  // namespace

extern "C" {

// None beyond that of the rooms.
Size PGSemaphoreShmemSize(int maxSemas) {
  return 0;
}

void PGReserveSemaphores(int maxSemas) {
  semaphores_used = 0;
}

PGSemaphore PGSemaphoreCreate(void) {
  if (semaphores_used >= bgw::process_room_count()) elog(PANIC, "too many semaphores created");
  PGSemaphore semaphore = &bgw::process_room(semaphores_used++).semaphore;
  semaphore->count = 1;
  semaphore->sleepers = 0;
  return semaphore;
}

void PGSemaphoreReset(PGSemaphore sema) {
  sema->count = 0;
  sema->sleepers = 0;
}

bool PGSemaphoreTryLock(PGSemaphore sema) {
  int count = __atomic_load_n(&sema->count, __ATOMIC_SEQ_CST);
  while (count > 0)
    if (__atomic_compare_exchange_n(&sema->count, &count, count - 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
      return true;
  return false;
}

void PGSemaphoreLock(PGSemaphore sema) {
  while (!PGSemaphoreTryLock(sema)) {
    __atomic_fetch_add(&sema->sleepers, 1, __ATOMIC_SEQ_CST);
    bgw::futex_wait(&sema->count, 0, bgw::no_deadline);
    __atomic_fetch_sub(&sema->sleepers, 1, __ATOMIC_SEQ_CST);
  }
}

void PGSemaphoreUnlock(PGSemaphore sema) {
  __atomic_fetch_add(&sema->count, 1, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&sema->sleepers, __ATOMIC_SEQ_CST) > 0) bgw::futex_wake(&sema->count, 1);
}

}  // extern "C"
