// Pairing heaps of the caller's nodes (lib/pairingheap.h): the greatest, by the caller's comparison, is the
// root.
//
// Invariants: no node is less than one below it; a node's children are a list in which the first one points
// back to the parent and each other one to the one before it; the root has neither siblings nor anything to
// point back to.
extern "C" {
#include "postgres.h"
#include "lib/pairingheap.h"
}

namespace {

using Node = pairingheap_node;

// One heap of two roots, either of which may be null.
Node* meld(pairingheap* heap, Node* a, Node* b) {
  if (!a) return b;
  if (!b) return a;
  if (heap->ph_compare(a, b, heap->ph_arg) < 0) {
    Node* lesser = a;
    a = b;
    b = lesser;
  }
  b->prev_or_parent = a;
  b->next_sibling = a->first_child;
  if (b->next_sibling) b->next_sibling->prev_or_parent = b;
  a->first_child = b;
  a->prev_or_parent = nullptr;
  a->next_sibling = nullptr;
  return a;
}

// One heap of a list of siblings: melded in pairs on the way there, the pairs on the way back. Both in loops,
// for lists may be long.
Node* meld_siblings(pairingheap* heap, Node* first) {
  Node* pairs = nullptr;  // linked through next_sibling, the latest first
  while (first) {
    Node* second = first->next_sibling;
    Node* rest = second ? second->next_sibling : nullptr;
    first->next_sibling = nullptr;
    first->prev_or_parent = nullptr;
    if (second) second->next_sibling = second->prev_or_parent = nullptr;
    Node* pair = meld(heap, first, second);
    pair->next_sibling = pairs;
    pairs = pair;
    first = rest;
  }
  Node* all = nullptr;
  while (pairs) {
    Node* next = pairs->next_sibling;
    pairs->next_sibling = nullptr;
    all = meld(heap, all, pairs);
    pairs = next;
  }
  return all;
}

}  // namespace

extern "C" {

pairingheap* pairingheap_allocate(pairingheap_comparator compare, void* arg) {
  auto* heap = static_cast<pairingheap*>(palloc(sizeof(pairingheap)));
  *heap = {compare, arg, nullptr};
  return heap;
}

void pairingheap_free(pairingheap* heap) {
  pfree(heap);
}

void pairingheap_add(pairingheap* heap, pairingheap_node* node) {
  *node = {nullptr, nullptr, nullptr};
  heap->ph_root = meld(heap, heap->ph_root, node);
}

pairingheap_node* pairingheap_first(pairingheap* heap) {
  Assert(!pairingheap_is_empty(heap));
  return heap->ph_root;
}

pairingheap_node* pairingheap_remove_first(pairingheap* heap) {
  Node* first = pairingheap_first(heap);
  heap->ph_root = meld_siblings(heap, first->first_child);
  return first;
}

void pairingheap_remove(pairingheap* heap, pairingheap_node* node) {
  if (node == heap->ph_root) {
    (void)pairingheap_remove_first(heap);
    return;
  }
  Node* before = node->prev_or_parent;
  (before->first_child == node ? before->first_child : before->next_sibling) = node->next_sibling;
  if (node->next_sibling) node->next_sibling->prev_or_parent = before;
  heap->ph_root = meld(heap, heap->ph_root, meld_siblings(heap, node->first_child));
}

}  // extern "C"
