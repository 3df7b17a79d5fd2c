// The part of the embedded lists that is not inline (lib/ilist.h).
extern "C" {
#include "postgres.h"
#include "lib/ilist.h"
}

extern "C" {

// Walks from the head, for a singly linked node does not know what is before it.
void slist_delete(slist_head* head, slist_node* node) {
  slist_node* before = &head->head;
  while (before->next != node) {
    Assert(before->next != nullptr);
    before = before->next;
  }
  before->next = node->next;
}

}  // extern "C"
