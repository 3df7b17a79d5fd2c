/*
 * The latch's wait protocol (src/storage/latch.cc): an owner that sleeps on the futex or in poll, two setters, and the
 * handler that tells the owner of its postmaster's death.
 *
 * Property: the owner gets all work that setters announced with SetLatch, and hears of the death: the model ends. A lost
 * wake-up leaves the owner asleep for ever, which spin reports as an invalid end state.
 *
 * Each step below is one access to shared memory or one call of the kernel. A BUG_ macro takes one rule of the protocol
 * away; the check must find each.
 */
#define SETS 2            /* by each setter */
#define SETTERS 2
#define TOTAL (SETS * SETTERS)

#define AWAKE 0
#define IN_FUTEX 1
#define IN_POLL 2

short is_set = 0;         /* 0 clear, 1 set, -1 poked */
byte maybe_sleeping = AWAKE;
byte announced = AWAKE;   /* the owner's own note for its handler */
bool asleep = false;      /* in the kernel, on the futex */
bool signal_pending = false;  /* SIGURG, read through the signalfd in poll */
bool possibly_dead = false;
byte work = 0;

proctype setter() {
  byte i = 0;
  short old;
  byte how;
  do
  :: i == SETS -> break
  :: else ->
     work++;
#ifdef BUG_LOOK_BEFORE_SETTING
     how = maybe_sleeping;
#endif
     if
     :: is_set == 1 -> skip
     :: else ->
        atomic { old = is_set; is_set = 1 };
        if
        :: old == 1 -> skip
        :: else ->
#ifndef BUG_LOOK_BEFORE_SETTING
           how = maybe_sleeping;
#endif
           if
           :: how == IN_FUTEX -> asleep = false
           :: how == IN_POLL -> signal_pending = true
           :: else -> skip
           fi
        fi
     fi;
     i++
  od
}

/* The owner's SIGPWR handler: it runs between two steps of the owner, or ends its sleep. */
proctype handler() {
  atomic {
    possibly_dead = true;
#ifdef BUG_NO_POKE
    skip;
#else
    if
    :: announced != AWAKE && is_set == 0 -> is_set = -1
    :: else -> skip
    fi;
    if
    :: announced == IN_POLL -> signal_pending = true
    :: else -> skip
    fi;
#endif
    asleep = false
  }
}

proctype owner() {
  byte done = 0;
  bool heard = false;
  byte how;
  do
  :: true ->
#ifndef BUG_RESET_AFTER_LOOKING
     is_set = 0;                               /* ResetLatch */
#endif
     atomic { done = done + work; work = 0 };  /* look at what there is to do */
#ifdef BUG_RESET_AFTER_LOOKING
     is_set = 0;
#endif
     if
     :: done == TOTAL && heard -> break
     :: else -> skip
     fi;

     /* WaitLatch */
     if
     :: how = IN_FUTEX
     :: how = IN_POLL
     fi;
     do
     :: true ->
#ifdef BUG_LOOK_BEFORE_ANNOUNCING
        if
        :: is_set == 1 -> break
        :: else -> skip
        fi;
#endif
        announced = how;
        maybe_sleeping = how;
#ifndef BUG_LOOK_BEFORE_ANNOUNCING
        if
        :: is_set == 1 -> break
        :: else -> skip
        fi;
#endif
        if
        :: possibly_dead && !heard -> heard = true; break
        :: else -> skip
        fi;
        if
        :: how == IN_FUTEX ->
           if
           :: atomic { is_set == -1 -> is_set = 0 }
           :: atomic { is_set != -1 -> skip };
              /* The kernel compares and goes to sleep in one step. */
#ifdef BUG_KERNEL_DOES_NOT_COMPARE
              asleep = true;
#else
              atomic { if :: is_set == 0 -> asleep = true :: else -> skip fi };
#endif
              !asleep
           fi
        :: how == IN_POLL ->
           signal_pending;
           signal_pending = false
        fi
     od;
     maybe_sleeping = AWAKE;
     announced = AWAKE;
     atomic { if :: is_set == -1 -> is_set = 0 :: else -> skip fi }
  od
}

init {
  atomic { run owner(); run setter(); run setter(); run handler() }
}
