// Sets of tuples (utils/tuplestore.h), kept in memory: what functions that materialize their result fill.
//
// A store is an array of minimal tuples in a memory context of its own, a child of the caller's, and a few read
// pointers, each a position in that array. It never spills to a file: the limit that the caller gives is not
// kept, and a set that does not fit into memory is an out-of-memory error. It is one process's own. All of it
// is C style.
//
// Invariants: a read pointer's `next` is from 0 to `count`; `at_end` only when a forward step found nothing;
// pointer 0 always exists; the array's memory and every tuple in it belong to `context`.
#include <cstring>

extern "C" {
#include "postgres.h"
#include "access/htup_details.h"
#include "executor/executor.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"
}

#include "utils/tuplestore_internal.hpp"

namespace {

struct ReadPointer {
  int eflags;
  int64 next;  // number of the tuple that a forward step gives
  bool at_end;
};

constexpr int first_room = 64;

}  // namespace

struct Tuplestorestate {
  MemoryContext context;
  int eflags;
  MinimalTuple* tuples;
  int64 count;
  int64 room;
  ReadPointer* pointers;
  int pointer_count;
  int active;
};

namespace {

ReadPointer* active_pointer(Tuplestorestate* state) {
  return &state->pointers[state->active];
}

void append(Tuplestorestate* state, MinimalTuple tuple) {
  if (state->count == state->room) {
    state->room *= 2;
    state->tuples = static_cast<MinimalTuple*>(
        repalloc_huge(state->tuples, static_cast<Size>(state->room) * sizeof(MinimalTuple)));
  }
  // At the end, the active pointer stays at the end; for the others the new tuple is the next one.
  for (int i = 0; i < state->pointer_count; i++) {
    ReadPointer* pointer = &state->pointers[i];
    if (!pointer->at_end) continue;
    pointer->next = i == state->active ? state->count + 1 : state->count;
    pointer->at_end = i == state->active;
  }
  state->tuples[state->count++] = tuple;
}

// One step of the active pointer; nullptr at either end.
MinimalTuple step(Tuplestorestate* state, bool forward) {
  ReadPointer* pointer = active_pointer(state);
  if (forward) {
    if (pointer->next < state->count) return state->tuples[pointer->next++];
    pointer->at_end = true;
    return nullptr;
  }
  // Backward gives the tuple before the one given last; from the end, the last one.
  if (pointer->at_end) {
    pointer->at_end = false;
    return pointer->next > 0 ? state->tuples[pointer->next - 1] : nullptr;
  }
  if (pointer->next <= 1) {
    pointer->next = 0;
    return nullptr;
  }
  pointer->next--;
  return state->tuples[pointer->next - 1];
}

void check_pointer(const Tuplestorestate* state, int ptr) {
  if (ptr < 0 || ptr >= state->pointer_count) elog(ERROR, "invalid tuplestore read pointer %d", ptr);
}

}  // namespace

namespace bgw {

MinimalTuple tuplestore_next(Tuplestorestate* state) {
  return step(state, true);
}

}  // namespace bgw

extern "C" {

Tuplestorestate* tuplestore_begin_heap(bool randomAccess, bool interXact, int maxKBytes) {
  MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "tuplestore", ALLOCSET_DEFAULT_SIZES);
  auto* state = static_cast<Tuplestorestate*>(MemoryContextAllocZero(context, sizeof(Tuplestorestate)));
  state->context = context;
  state->eflags = randomAccess ? EXEC_FLAG_BACKWARD | EXEC_FLAG_REWIND : EXEC_FLAG_REWIND;
  state->room = first_room;
  state->tuples = static_cast<MinimalTuple*>(MemoryContextAlloc(context, first_room * sizeof(MinimalTuple)));
  state->pointers = static_cast<ReadPointer*>(MemoryContextAllocZero(context, sizeof(ReadPointer)));
  state->pointers[0].eflags = state->eflags;
  state->pointer_count = 1;
  return state;
}

void tuplestore_set_eflags(Tuplestorestate* state, int eflags) {
  if (state->count != 0) elog(ERROR, "too late to call tuplestore_set_eflags");
  state->pointers[0].eflags = eflags;
  for (int i = 1; i < state->pointer_count; i++) eflags |= state->pointers[i].eflags;
  state->eflags = eflags;
}

void tuplestore_puttuple(Tuplestorestate* state, HeapTuple tuple) {
  MemoryContext caller = MemoryContextSwitchTo(state->context);
  append(state, minimal_tuple_from_heap_tuple(tuple));
  MemoryContextSwitchTo(caller);
}

void tuplestore_putvalues(Tuplestorestate* state, TupleDesc tdesc, Datum* values, bool* isnull) {
  MemoryContext caller = MemoryContextSwitchTo(state->context);
  append(state, heap_form_minimal_tuple(tdesc, values, isnull));
  MemoryContextSwitchTo(caller);
}

int tuplestore_alloc_read_pointer(Tuplestorestate* state, int eflags) {
  if (state->count != 0 && (state->eflags | eflags) != state->eflags)
    elog(ERROR, "too late to require new tuplestore eflags");
  const Size size = static_cast<Size>(state->pointer_count + 1) * sizeof(ReadPointer);
  state->pointers = static_cast<ReadPointer*>(repalloc(state->pointers, size));
  state->pointers[state->pointer_count] = state->pointers[0];
  state->pointers[state->pointer_count].eflags = eflags;
  state->eflags |= eflags;
  return state->pointer_count++;
}

void tuplestore_select_read_pointer(Tuplestorestate* state, int ptr) {
  check_pointer(state, ptr);
  state->active = ptr;
}

void tuplestore_copy_read_pointer(Tuplestorestate* state, int srcptr, int destptr) {
  check_pointer(state, srcptr);
  check_pointer(state, destptr);
  state->pointers[destptr] = state->pointers[srcptr];
}

// The server gives memory back here; what has been read stays until the store goes.
void tuplestore_trim(Tuplestorestate* state) {}

bool tuplestore_in_memory(Tuplestorestate* state) {
  return true;
}

bool tuplestore_advance(Tuplestorestate* state, bool forward) {
  return step(state, forward) != nullptr;
}

bool tuplestore_skiptuples(Tuplestorestate* state, int64 ntuples, bool forward) {
  for (; ntuples > 0; ntuples--)
    if (step(state, forward) == nullptr) return false;
  return true;
}

int64 tuplestore_tuple_count(Tuplestorestate* state) {
  return state->count;
}

bool tuplestore_ateof(Tuplestorestate* state) {
  return active_pointer(state)->at_end;
}

void tuplestore_rescan(Tuplestorestate* state) {
  ReadPointer* pointer = active_pointer(state);
  if (!(pointer->eflags & EXEC_FLAG_REWIND)) elog(ERROR, "tuplestore read pointer cannot be rewound");
  pointer->next = 0;
  pointer->at_end = false;
}

void tuplestore_clear(Tuplestorestate* state) {
  for (int64 i = 0; i < state->count; i++) pfree(state->tuples[i]);
  state->count = 0;
  for (int i = 0; i < state->pointer_count; i++) {
    state->pointers[i].next = 0;
    state->pointers[i].at_end = false;
  }
}

void tuplestore_end(Tuplestorestate* state) {
  MemoryContextDelete(state->context);
}

}  // extern "C"
