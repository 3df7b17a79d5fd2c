/*
 * The hand-over of a slot between children and the postmaster (src/core/worker_slots.hpp): children claim the
 * one slot that there is, and ask for their workers' termination; the postmaster looks when it was signalled, and
 * ends a worker whenever it likes.
 *
 * Properties: a definition is copied whole and taken exactly once; nobody's request stays unseen, or spin reports an
 * invalid end state; a worker is terminated because its own registrant asked for it; and who looks at the
 * published word by a handle never takes another's worker for its own.
 *
 * Each step below is one atomic operation on shared memory. A BUG_ macro takes one rule away; the check must find each.
 */
#ifndef CHILDREN
#define CHILDREN 2
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif

#define UNUSED 0
#define RUNNING 1

/* the request area, written by children */
bool child_lock = false;
bool in_free_set = true;
bool in_changed_set = false;
bool signalled = false;
byte registered = 0;             /* generation */
byte terminate = 0;              /* generation plus 1 */
byte definition_one = 0;         /* two halves: written and copied one after the other */
byte definition_two = 0;

/* the published word: written as one by the postmaster */
byte word_generation = 0;
byte word_state = UNUSED;
byte owner = 0;                  /* for the property: whose worker runs */

byte claims = 0;                 /* for the properties */
byte taken = 0;
bool asked[CHILDREN + 1];        /* this child asked for the end of the worker it has now */
byte finished = 0;

inline announce() {
#ifdef BUG_SIGNAL_BEFORE_ANNOUNCING
  signalled = true;
  in_changed_set = true
#else
  in_changed_set = true;
  signalled = true
#endif
}

proctype child(byte me) {
  byte round = 0;
  byte generation;
  byte before;
  bool mine;
  do
  :: round == ROUNDS -> break
  :: else ->
#ifndef BUG_NO_LOCK_AMONG_CHILDREN
     atomic { !child_lock -> child_lock = true };
#endif
     mine = false;
     if
     :: in_free_set ->
        in_free_set = false;
        atomic {
          if
          :: word_state == UNUSED && registered == word_generation ->
             mine = true;
             generation = word_generation + 1
          :: else -> skip
          fi
        };
        if
        :: mine ->
           asked[me] = false;
#ifdef BUG_REGISTER_BEFORE_WRITING
           registered = generation;
           definition_one = me;
           definition_two = me;
#else
           definition_one = me;
           definition_two = me;
           registered = generation;
#endif
           claims++
        :: else -> skip
        fi
     :: else -> skip
     fi;
#ifndef BUG_NO_LOCK_AMONG_CHILDREN
     child_lock = false;
#endif
     if
     :: !mine -> in_free_set || claims == CHILDREN * ROUNDS  /* tries again when it makes sense */
     :: else ->
        announce();
        round++;
        if
        :: true ->                                   /* asks for the end */
           atomic {
             asked[me] = true;
             if
             :: terminate < generation + 1 -> terminate = generation + 1
             :: else -> skip
             fi
           };
           announce()
        :: true -> skip                              /* lets it end by itself */
        fi;
        /* looks until its worker is no more; status() compares the generation of the same word */
        do
        :: atomic {
#ifdef BUG_STATUS_WITHOUT_GENERATION
             word_state == RUNNING -> assert(owner == me)
#else
             word_state == RUNNING && word_generation == generation -> assert(owner == me)
#endif
           }
        :: atomic { word_generation > generation -> break }
        :: atomic { word_generation == generation && word_state == UNUSED -> break }
        od
     fi
  od;
  finished++
}

/* The postmaster's own record is the truth. */
proctype postmaster() {
  byte generation = 0;
  byte worker = 0;               /* whose, 0: none */
  bool terminate_seen = false;
  byte one;
  byte two;
  byte r;
  byte t;
  bool look;
end:
  do
  :: signalled ->
     signalled = false;
     look = false;
#ifdef BUG_EMPTY_AFTER_LOOKING
     look = in_changed_set;
#else
     atomic { look = in_changed_set; in_changed_set = false };
#endif
     if
     :: look ->
        r = registered;
        t = terminate;
        if
        :: worker == 0 && r == generation + 1 ->
           one = definition_one;
           two = definition_two;
           assert(one == two && one != 0);
           generation = r;
           worker = one;
           taken++;
           atomic { word_generation = generation; word_state = RUNNING; owner = worker };
           terminate_seen = (t == generation + 1)
        :: worker != 0 && r == generation && t == generation + 1 && !terminate_seen -> terminate_seen = true
        :: else -> skip
        fi;
        if
        :: worker != 0 && terminate_seen -> assert(asked[worker])
        :: else -> skip
        fi
     :: else -> skip
     fi;
#ifdef BUG_EMPTY_AFTER_LOOKING
     in_changed_set = false
#endif
  :: worker != 0 ->                                  /* it ends */
     worker = 0;
     terminate_seen = false;
#ifdef BUG_FREE_BEFORE_PUBLISHING
     in_free_set = true;
     atomic { word_state = UNUSED; owner = 0 }
#else
     atomic { word_state = UNUSED; owner = 0 };
     in_free_set = true
#endif
  od
}

init {
  byte i = 1;
  atomic {
    run postmaster();
    do
    :: i > CHILDREN -> break
    :: else -> run child(i); i++
    od
  };
  finished == CHILDREN;
  assert(taken == claims && claims == CHILDREN * ROUNDS)
}
