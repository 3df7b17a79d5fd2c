/*
 * The wait queue of a lightweight lock (src/storage/lwlock.cc): processes that take and release it in both modes.
 *
 * Properties: an exclusive holder is alone; nobody who waits is forgotten, or spin reports an invalid end state; and at
 * the end the queue is empty and no post is left over or lost.
 *
 * Each step below is one atomic operation on shared memory. A BUG_ macro takes one rule away; the check must find each.
 */
#ifndef PROCS
#define PROCS 3
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif

#define SHARED 0
#define EXCLUSIVE 1
#define UNTIL_FREE 2

#define NOT_WAITING 0
#define WAITING 1
#define PENDING 2

/* the state word, changed as one */
byte shared_holders = 0;
bool exclusive_held = false;
bool queue_not_empty = false;
bool wake_up_under_way = false;
bool queue_locked = false;

chan queue = [PROCS] of { byte };  /* guarded by queue_locked */
byte wait_state[PROCS];
byte wait_mode[PROCS];
byte posts[PROCS];                 /* each process's semaphore */

byte readers = 0;                  /* for the property */
byte writers = 0;

#define FREE_FOR(mode) (!exclusive_held && (mode == SHARED || shared_holders == 0))

inline try_to_hold(mode, got) {
  atomic {
    if
    :: FREE_FOR(mode) ->
       if
       :: mode == EXCLUSIVE -> exclusive_held = true
       :: else -> shared_holders++
       fi;
       got = true
    :: else -> got = false
    fi
  }
}

inline lock_queue() { atomic { !queue_locked -> queue_locked = true } }

inline unlock_queue() {
#ifdef BUG_FORGET_THE_QUEUE
  atomic { queue_not_empty = false; queue_locked = false }
#else
  atomic {
    if
    :: empty(queue) -> queue_not_empty = false
    :: else -> skip
    fi;
    queue_locked = false
  }
#endif
}

/* Invariant 5: marked first, then posted. */
inline post(other) {
#ifdef BUG_POST_BEFORE_MARKING
  posts[other]++;
  wait_state[other] = NOT_WAITING
#else
  wait_state[other] = NOT_WAITING;
  posts[other]++
#endif
}

/* Those to wake come from the front, as protocol 4 says. */
inline wake_front() {
  byte woken[PROCS];
  n = 0;
  candidate = false;
  lock_queue();
  do
  :: empty(queue) -> break
  :: nempty(queue) ->
     queue?<first>;
     if
     :: wait_mode[first] == EXCLUSIVE && candidate -> break
     :: else -> skip
     fi;
     queue?first;
     wait_state[first] = PENDING;
     woken[n] = first;
     n++;
     candidate = candidate || wait_mode[first] != UNTIL_FREE;
     if
     :: wait_mode[first] == EXCLUSIVE -> break
     :: else -> skip
     fi
  od;
  wake_up_under_way = wake_up_under_way || candidate;
  unlock_queue();
  i = 0;
  do
  :: i == n -> break
  :: else -> post(woken[i]); i++
  od
}

inline sleep_in_queue() {
  do
  :: true ->
     atomic { posts[me] > 0 -> posts[me]-- };
     if
     :: wait_state[me] == NOT_WAITING -> break
     :: else -> strange++
     fi
  od
}

inline queue_myself(mode) {
  lock_queue();
  queue_not_empty = true;
  wait_state[me] = WAITING;
  wait_mode[me] = mode;
  queue!me;
  unlock_queue()
}

inline end_wake_up() {
#ifndef BUG_LEAVE_THE_WAKE_UP
  if
  :: wait_mode[me] != UNTIL_FREE -> wake_up_under_way = false
  :: else -> skip
  fi
#else
  skip
#endif
}

inline leave_queue() {
  lock_queue();
  was_queued = wait_state[me] == WAITING;
  if
  :: was_queued -> queue??eval(me); wait_state[me] = NOT_WAITING
  :: else -> skip
  fi;
  unlock_queue();
  if
  :: !was_queued ->
     end_wake_up();
#ifdef BUG_LEAVE_THE_POST
     skip
#else
     sleep_in_queue()
#endif
  :: else -> skip
  fi
}

inline hold_and_release() {
  if
  :: mode == EXCLUSIVE -> writers++
  :: else -> readers++
  fi;
  assert(writers == 0 || (writers == 1 && readers == 0));
  if
  :: mode == EXCLUSIVE -> writers--
  :: else -> readers--
  fi;

  /* LWLockRelease */
  atomic {
    if
    :: mode == EXCLUSIVE -> exclusive_held = false
    :: else -> shared_holders--
    fi;
    last = queue_not_empty && !wake_up_under_way && !exclusive_held && shared_holders == 0
  };
  if
  :: last -> wake_front()
  :: else -> skip
  fi
}

proctype process(byte me) {
  byte round = 0;
  byte mode;
  byte queue_as;
  byte first;
  byte n;
  byte i;
  byte strange = 0;
  bool got;
  bool candidate;
  bool was_queued;
  bool last;
  do
  :: round == ROUNDS -> break
  :: else ->
     if
     :: mode = SHARED; queue_as = SHARED
     :: mode = EXCLUSIVE; queue_as = EXCLUSIVE
     :: mode = EXCLUSIVE; queue_as = UNTIL_FREE
     fi;
     /* LWLockAcquire, or LWLockAcquireOrWait, which does not try again once it has slept */
     do
     :: true ->
        try_to_hold(mode, got);
        if
        :: got -> break
        :: else -> skip
        fi;
        queue_myself(queue_as);
#ifndef BUG_NO_SECOND_TRY
        try_to_hold(mode, got);
        if
        :: got -> leave_queue(); break
        :: else -> skip
        fi;
#endif
        sleep_in_queue();
        end_wake_up();
        if
        :: queue_as == UNTIL_FREE -> break
        :: else -> skip
        fi
     od;
     do
     :: strange > 0 -> posts[me]++; strange--
     :: else -> break
     od;

     if
     :: got -> hold_and_release()
     :: else -> assert(queue_as == UNTIL_FREE)
     fi;
     round++
  od
}

byte started = 0;

init {
  atomic {
    do
    :: started == PROCS -> break
    :: else -> run process(started); started++
    od
  };
  _nr_pr == 1;
  assert(empty(queue) && !queue_locked && !exclusive_held && shared_holders == 0);
  atomic {
    do
    :: started == 0 -> break
    :: else -> started--; assert(posts[started] == 0)
    od
  }
}
