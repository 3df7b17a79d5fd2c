// Barriers: a group of processes goes from phase to phase together.
//
// Protocol. The fields are those of the server's header; all but the condition variable are guarded by `mutex`.
//  1. A phase is over when as many have arrived as there are participants. Whoever makes that true - by
//  arriving,
//     or by leaving a group whose others have all arrived - starts the next phase (arrived back to 0, phase +
//     1) and wakes the sleepers.
//  2. `elected` is the last phase for which somebody was chosen. Each who goes on from a phase asks, under the
//     mutex, whether that is done yet; the first one is the chosen one. So there is one per phase, even when
//     the phase was ended by somebody who left.
//  3. A sleeper waits for `phase` to differ from the one it arrived in. It cannot fall behind by more than one,
//     because the next phase needs its arrival.
// With a static party (BarrierInit's count not zero) nobody attaches.
#include "bridge/critical.hpp"

extern "C" {
#include "postgres.h"
#include "storage/barrier.h"
}

namespace {

// The default SIGTERM handler must not end the process with the mutex held.
void lock(Barrier* barrier) {
  bgw::enter_critical();
  SpinLockAcquire(&barrier->mutex);
}
void unlock(Barrier* barrier) {
  SpinLockRelease(&barrier->mutex);
  bgw::leave_critical();
}

// Rule 1, with the mutex held: whether a phase has just ended.
bool end_phase_if_all_arrived(Barrier* barrier) {
  if (barrier->participants == 0 || barrier->arrived < barrier->participants) return false;
  Assert(barrier->arrived == barrier->participants);
  barrier->arrived = 0;
  barrier->phase++;
  return true;
}

// Rule 2, with the mutex held.
bool chosen_for(Barrier* barrier, int phase) {
  if (barrier->elected == phase) return false;
  barrier->elected = phase;
  return true;
}

// Leaves the group. `arriving` says that this counts as having come to the end of the phase, for the choice
// only.
bool leave(Barrier* barrier, bool arriving) {
  lock(barrier);
  Assert(barrier->participants > 0);
  --barrier->participants;
  bool ended;
  if (arriving && barrier->participants == barrier->arrived) {
    // Nobody may be left: the phase ends all the same, as it would have with this arrival.
    barrier->arrived = 0;
    barrier->phase++;
    ended = true;
  } else {
    ended = end_phase_if_all_arrived(barrier);
  }
  const bool last = barrier->participants == 0;
  unlock(barrier);
  if (ended) ConditionVariableBroadcast(&barrier->condition_variable);
  return last;
}

}  // namespace

extern "C" {

void BarrierInit(Barrier* barrier, int num_workers) {
  SpinLockInit(&barrier->mutex);
  barrier->participants = num_workers;
  barrier->arrived = 0;
  barrier->phase = 0;
  barrier->elected = 0;
  barrier->static_party = num_workers > 0;
  ConditionVariableInit(&barrier->condition_variable);
}

// True for one of those who go on, and for no other.
bool BarrierArriveAndWait(Barrier* barrier, uint32 wait_event_info) {
  lock(barrier);
  const int next_phase = barrier->phase + 1;
  barrier->arrived++;
  if (end_phase_if_all_arrived(barrier)) {
    barrier->elected = next_phase;
    unlock(barrier);
    ConditionVariableBroadcast(&barrier->condition_variable);
    return true;
  }
  unlock(barrier);

  bool chosen = false;
  ConditionVariablePrepareToSleep(&barrier->condition_variable);
  for (;;) {
    lock(barrier);
    Assert(barrier->phase == next_phase - 1 || barrier->phase == next_phase);
    const bool over = barrier->phase == next_phase;
    if (over) chosen = chosen_for(barrier, next_phase);
    unlock(barrier);
    if (over) break;
    ConditionVariableSleep(&barrier->condition_variable, wait_event_info);
  }
  ConditionVariableCancelSleep();
  return chosen;
}

// True if nobody is left.
bool BarrierArriveAndDetach(Barrier* barrier) {
  return leave(barrier, true);
}

// True, still attached and in the next phase, if the caller is the only one left; otherwise it has left.
bool BarrierArriveAndDetachExceptLast(Barrier* barrier) {
  lock(barrier);
  const bool last = barrier->participants == 1;
  bool ended = false;
  if (last) {
    barrier->phase++;
  } else {
    barrier->participants--;
    ended = end_phase_if_all_arrived(barrier);
  }
  unlock(barrier);
  if (ended) ConditionVariableBroadcast(&barrier->condition_variable);
  return last;
}

int BarrierAttach(Barrier* barrier) {
  Assert(!barrier->static_party);
  lock(barrier);
  barrier->participants++;
  const int phase = barrier->phase;
  unlock(barrier);
  return phase;
}

// True if nobody is left. The phase stays where it is unless all others have arrived.
bool BarrierDetach(Barrier* barrier) {
  return leave(barrier, false);
}

int BarrierPhase(Barrier* barrier) {
  // One word, and a caller who may rely on it is attached and has not arrived: the phase cannot change then.
  return __atomic_load_n(&barrier->phase, __ATOMIC_ACQUIRE);
}

int BarrierParticipants(Barrier* barrier) {
  lock(barrier);
  const int participants = barrier->participants;
  unlock(barrier);
  return participants;
}

}  // extern "C"
