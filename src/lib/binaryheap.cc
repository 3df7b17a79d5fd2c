// Binary heaps of Datums in one piece of memory (lib/binaryheap.h): the greatest, by the caller's comparison,
// is first.
//
// Invariant, while bh_has_heap_property: no node is less than its children, at 2i + 1 and 2i + 2.
extern "C" {
#include "postgres.h"
#include "lib/binaryheap.h"
}

namespace {

bool less(binaryheap* heap, Datum a, Datum b) {
  return heap->bh_compare(a, b, heap->bh_arg) < 0;
}

// Puts `d` into the hole at `at`, moving the hole up over lesser parents.
void rise(binaryheap* heap, int at, Datum d) {
  while (at > 0) {
    const int parent = (at - 1) / 2;
    if (!less(heap, heap->bh_nodes[parent], d)) break;
    heap->bh_nodes[at] = heap->bh_nodes[parent];
    at = parent;
  }
  heap->bh_nodes[at] = d;
}

// Puts `d` into the hole at `at`, moving the hole down under greater children.
void sink(binaryheap* heap, int at, Datum d) {
  for (;;) {
    int child = 2 * at + 1;
    if (child >= heap->bh_size) break;
    if (child + 1 < heap->bh_size && less(heap, heap->bh_nodes[child], heap->bh_nodes[child + 1])) child++;
    if (!less(heap, d, heap->bh_nodes[child])) break;
    heap->bh_nodes[at] = heap->bh_nodes[child];
    at = child;
  }
  heap->bh_nodes[at] = d;
}

void check_room(binaryheap* heap) {
  if (heap->bh_size >= heap->bh_space) elog(ERROR, "out of binary heap slots");
}

}  // namespace

extern "C" {

binaryheap* binaryheap_allocate(int capacity, binaryheap_comparator compare, void* arg) {
  Size size = offsetof(binaryheap, bh_nodes) + sizeof(Datum) * static_cast<Size>(capacity);
  auto* heap = static_cast<binaryheap*>(palloc(size));
  heap->bh_space = capacity;
  heap->bh_compare = compare;
  heap->bh_arg = arg;
  binaryheap_reset(heap);
  return heap;
}

void binaryheap_reset(binaryheap* heap) {
  heap->bh_size = 0;
  heap->bh_has_heap_property = true;
}

void binaryheap_free(binaryheap* heap) {
  pfree(heap);
}

void binaryheap_add_unordered(binaryheap* heap, Datum d) {
  check_room(heap);
  heap->bh_has_heap_property = false;
  heap->bh_nodes[heap->bh_size++] = d;
}

void binaryheap_build(binaryheap* heap) {
  for (int at = heap->bh_size / 2; at-- > 0;) sink(heap, at, heap->bh_nodes[at]);
  heap->bh_has_heap_property = true;
}

void binaryheap_add(binaryheap* heap, Datum d) {
  check_room(heap);
  rise(heap, heap->bh_size++, d);
}

Datum binaryheap_first(binaryheap* heap) {
  Assert(!binaryheap_empty(heap) && heap->bh_has_heap_property);
  return heap->bh_nodes[0];
}

Datum binaryheap_remove_first(binaryheap* heap) {
  const Datum first = binaryheap_first(heap);
  const Datum last = heap->bh_nodes[--heap->bh_size];
  if (heap->bh_size > 0) sink(heap, 0, last);
  return first;
}

void binaryheap_replace_first(binaryheap* heap, Datum d) {
  Assert(!binaryheap_empty(heap) && heap->bh_has_heap_property);
  sink(heap, 0, d);
}

}  // extern "C"
