// Doubly linked rings of elements in shared memory (storage/shmem.h). The caller holds whatever lock guards the
// ring. An element that is in no ring has null links; an empty ring's head points at itself.
extern "C" {
#include "postgres.h"
#include "storage/shmem.h"
}

namespace {

Pointer element_of(SHM_QUEUE* link, Size linkOffset) {
  return reinterpret_cast<Pointer>(link) - linkOffset;
}

void link_between(SHM_QUEUE* before, SHM_QUEUE* element, SHM_QUEUE* after) {
  element->prev = before;
  element->next = after;
  before->next = element;
  after->prev = element;
}

}  // namespace

extern "C" {

void SHMQueueInit(SHM_QUEUE* queue) {
  queue->prev = queue->next = queue;
}

void SHMQueueElemInit(SHM_QUEUE* queue) {
  queue->prev = queue->next = nullptr;
}

bool SHMQueueIsDetached(const SHM_QUEUE* queue) {
  return queue->prev == nullptr;
}

bool SHMQueueEmpty(const SHM_QUEUE* queue) {
  return queue->prev == queue;
}

void SHMQueueDelete(SHM_QUEUE* queue) {
  queue->prev->next = queue->next;
  queue->next->prev = queue->prev;
  SHMQueueElemInit(queue);
}

void SHMQueueInsertBefore(SHM_QUEUE* queue, SHM_QUEUE* elem) {
  link_between(queue->prev, elem, queue);
}

void SHMQueueInsertAfter(SHM_QUEUE* queue, SHM_QUEUE* elem) {
  link_between(queue, elem, queue->next);
}

Pointer SHMQueueNext(const SHM_QUEUE* queue, const SHM_QUEUE* curElem, Size linkOffset) {
  return curElem->next == queue ? nullptr : element_of(curElem->next, linkOffset);
}

Pointer SHMQueuePrev(const SHM_QUEUE* queue, const SHM_QUEUE* curElem, Size linkOffset) {
  return curElem->prev == queue ? nullptr : element_of(curElem->prev, linkOffset);
}

}  // extern "C"
