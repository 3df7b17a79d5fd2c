// Talk between the postmaster and its children: reasons for a SIGUSR1, the slots of living children, and how a
// child learns that the postmaster is gone.
//
// Protocol:
//  1. A reason's flag is set by a child and cleared by the postmaster, which looks after SIGUSR1. Any byte in
//     shared memory may be garbage: the postmaster acts on "not zero" and nothing more.
//  2. Slots are handed out by the postmaster from a list in its own memory. A child is active from when its PGPROC has its
//     pid (InitProcess) to when it has given that back, the last thing of an orderly exit that others can see. Found
//     active by the postmaster after the wait, it has left without cleaning up. (The server keeps a state of its
//     own for that; here it would be one more page of shared memory that every process comes to.)
//  3. The kernel sends each child SIGPWR when the postmaster ends. The handler raises the flag, ends the sleep
//     that is going on (latch.cc) and winds up a timer whose SIGKILL makes sure that no child stays on.
#include "port/start_data.hpp"
#include "port/system_call.hpp"
#include "storage/pmsignal_internal.hpp"
#include "storage/proc_internal.hpp"
#include "storage/process_room.hpp"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <ctime>

#include "storage/wait.hpp"

extern "C" {
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postmaster/postmaster.h"
#include "storage/pmsignal.h"
#include "storage/proc.h"
#include "storage/shmem.h"
}

namespace {

constexpr long milliseconds_to_live_on = 500;

}  // namespace

struct PMSignalData {
  volatile sig_atomic_t reasons[NUM_PMSIGNALS];  // set by children, cleared by the postmaster
  volatile QuitSignalReason quit_reason;         // written by the postmaster before it sends SIGQUIT
  int slot_count;                                // written at creation; the postmaster uses its own copy
};

namespace {

PMSignalData* shared = nullptr;

// The postmaster's own: numbers of the free slots, a stack so that handing out and taking back are one step.
int* free_slots = nullptr;
int free_slot_count = 0;
int slot_count = 0;

// One slot for each PGPROC: a child's slot number is the number of its PGPROC plus one.
int wanted_slot_count() {
  return MaxBackends + NUM_AUXILIARY_PROCS;
}

void postmaster_death_handler(SIGNAL_ARGS) {
  int kept_errno = errno;
  postmaster_possibly_dead = true;

  // By system call number: the C library does not promise that its wrapper may be used in a handler.
  int timer_id;
  sigevent kill_me = {};
  kill_me.sigev_notify = SIGEV_SIGNAL;
  kill_me.sigev_signo = SIGKILL;
  if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &kill_me, &timer_id) == 0) {
    itimerspec when = {};
    when.it_value.tv_nsec = milliseconds_to_live_on * 1'000'000;
    syscall(SYS_timer_settime, timer_id, 0, &when, nullptr);
  }

  bgw::interrupt_sleep();
  errno = kept_errno;
}

}  // namespace

namespace bgw {

int free_child_slots() noexcept {
  return free_slot_count;
}
int child_slot_count() noexcept {
  return slot_count;
}

int request_postmaster_death_signal() noexcept {
  const long result = system_call(SYS_prctl, PR_SET_PDEATHSIG, SIGPWR);
  // It may have died before it was asked to tell.
  postmaster_possibly_dead = true;
  return static_cast<int>(-result);
}

}  // namespace bgw

extern "C" {

BGW_START_DATA volatile sig_atomic_t postmaster_possibly_dead = false;

Size PMSignalShmemSize(void) {
  return sizeof(PMSignalData);
}

void PMSignalShmemInit(void) {
  bool found;
  shared = static_cast<PMSignalData*>(ShmemInitStruct("PMSignalState", PMSignalShmemSize(), &found));
  if (found) return;
  memset(static_cast<void*>(shared), 0, PMSignalShmemSize());
  slot_count = wanted_slot_count();
  shared->slot_count = slot_count;
  free_slots = static_cast<int*>(realloc(free_slots, sizeof(int) * slot_count));
  if (!free_slots) ereport(FATAL, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
  free_slot_count = 0;
  for (int slot = slot_count; slot >= 1; slot--) free_slots[free_slot_count++] = slot;  // lowest on top
}

void SendPostmasterSignal(PMSignalReason reason) {
  if (!IsUnderPostmaster) return;
  shared->reasons[reason] = true;
  kill(PostmasterPid, SIGUSR1);
}

bool CheckPostmasterSignal(PMSignalReason reason) {
  // Cleared only if found set: a child may be setting it this very moment, and will signal again.
  if (!shared->reasons[reason]) return false;
  shared->reasons[reason] = false;
  return true;
}

void SetQuitSignalReason(QuitSignalReason reason) {
  shared->quit_reason = reason;
}

QuitSignalReason GetQuitSignalReason(void) {
  if (!IsUnderPostmaster || !shared) return PMQUIT_NOT_SENT;
  return shared->quit_reason;
}

int AssignPostmasterChildSlot(void) {
  Assert(!IsUnderPostmaster);
  if (free_slot_count == 0) {
    elog(FATAL, "no free slots in PMChildFlags array");
    return 0;
  }
  int slot = free_slots[--free_slot_count];
  PGSemaphoreReset(&bgw::process_room(slot - 1).semaphore);  // few processes come to theirs: it is done for them
  return slot;
}

bool ReleasePostmasterChildSlot(int slot) {
  Assert(!IsUnderPostmaster);
  Assert(slot > 0 && slot <= slot_count);
  free_slots[free_slot_count++] = slot;
  return bgw::give_back_for(slot - 1);
}

bool IsPostmasterChildWalSender(int slot) {
  return false;  // there are none
}

// A child is marked by its PGPROC.
void MarkPostmasterChildActive(void) {}
void MarkPostmasterChildInactive(void) {}
void MarkPostmasterChildWalSender(void) {}

// An orphan is given to another parent at once, so the parent's number tells.
bool PostmasterIsAliveInternal(void) {
  // Lowered before looking: the handler may raise the flag at any moment, and must not be overruled.
  postmaster_possibly_dead = false;
  if (bgw::system_call(SYS_getppid) == PostmasterPid) return true;
  postmaster_possibly_dead = true;
  return false;
}

void PostmasterDeathSignalInit(void) {
  pqsignal(SIGPWR, postmaster_death_handler);
  errno = bgw::request_postmaster_death_signal();
  if (errno != 0) elog(ERROR, "could not request parent death signal: %m");
}

}  // extern "C"
