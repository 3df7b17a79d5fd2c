// Message queues in shared memory: one sender, one receiver, a ring of bytes between them.
//
// Protocol.
//  1. A message in the ring is a word with its length and then its bytes, filled up to the next word. Positions
//     count all bytes since the beginning and never go back; a position's place is its remainder by the ring's
//     size.
//  2. `written` is stored by the sender only, `consumed` by the receiver only; consumed <= written <= consumed
//  +
//     ring size, and the bytes between the two are the receiver's to read, all others the sender's to write. A
//     store releases what was written to (or read from) the ring before it; the other side's load acquires it.
//  3. Both sides work on private positions and store the public ones late, to spare the other's cache and
//  sleep:
//     when a quarter of the ring has come together, when the caller asks for it (force_flush), and always
//     before waiting, returning "would block" or detaching. So neither waits for what the other merely keeps to
//     itself.
//  4. After a store the other side's latch is set; a side that waits resets its own latch before it looks
//  again.
//     With the latch's own barriers, no change is slept through.
//  5. `receiver` and `sender` are set once each, under `lock`. `detached` is set once, by either side, after
//     anything it has written; a receiver that sees it looks at `written` once more, so nothing sent is lost.
//  6. Where the other side has not attached yet and is a background worker whose handle we have, its end counts
//  as
//     detaching.
//
// Bytes that a sender who dies had not published are lost with it; the receiver sees a queue without a sender.
// A process that has attached to both ends may use one handle for them: its private positions are then those of
// the end that it last used. For ordinary code; each handle is one process's.
#include "bridge/critical.hpp"

#include <algorithm>

#include "storage/dsm_parts.hpp"

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/latch.h"
#include "storage/shm_mq.h"
#include "storage/spin.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"
}

struct shm_mq {
  slock_t lock;
  volatile bool detached;  // rule 5
  PGPROC* receiver;        // rule 5
  PGPROC* sender;          // rule 5
  Size ring_size;          // a multiple of a word; never changes
  uint64 written;          // rule 2
  // The two public positions are never in one cache line, wherever the queue lies.
  char apart_from_written[56];
  uint64 consumed;  // rule 2
  char apart_from_ring[56];
  char ring[FLEXIBLE_ARRAY_MEMBER];
};

struct shm_mq_handle {
  shm_mq* queue;
  dsm_segment* seg;                // whose detaching is ours; may be null
  BackgroundWorkerHandle* worker;  // the other side, if the caller knows it
  MemoryContext context;
  bool other_is_attached;
  bool sending;           // which end the positions are of
  uint64 position;        // private: the sender has written, the receiver has read up to here
  uint64 published;       // the value of our public position
  uint64 other_position;  // what we last saw of the other's
  Size place;             // of `position` in the ring
  Size done;              // of the message under way, counting its length word
  Size length;            // receiver: of the message under way
  Size held;              // receiver: bytes of the ring that the caller may still be looking at
  char* buffer;           // receiver: a message that does not lie in one piece
  Size buffer_size;
};

namespace {

using Word = Size;
constexpr Size word = sizeof(Word);
static_assert(word == MAXIMUM_ALIGNOF, "a length word keeps the ring's places aligned");

// ---- the two public positions and the latches

uint64 load(const uint64& position) {
  return __atomic_load_n(&position, __ATOMIC_ACQUIRE);
}

PGPROC* load_process(PGPROC* const& process) {
  return __atomic_load_n(&process, __ATOMIC_ACQUIRE);
}

void wake(PGPROC* process) {
  if (process) SetLatch(&process->procLatch);
}

void publish(shm_mq_handle* mqh, uint64& position, PGPROC* const& other) {
  if (mqh->published == mqh->position) return;
  mqh->published = mqh->position;
  __atomic_store_n(&position, mqh->position, __ATOMIC_RELEASE);
  // Rule 5's other half: who attaches stores its process before it looks at the position. One sees the other.
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  wake(load_process(other));
}
void publish_written(shm_mq_handle* mqh) {
  publish(mqh, mqh->queue->written, mqh->queue->receiver);
}
void publish_consumed(shm_mq_handle* mqh) {
  publish(mqh, mqh->queue->consumed, mqh->queue->sender);
}

bool a_quarter_is_unpublished(const shm_mq_handle* mqh) {
  return mqh->position - mqh->published > mqh->queue->ring_size / 4;
}

// Makes the positions those of one end.
void use_end(shm_mq_handle* mqh, bool sending) {
  shm_mq* mq = mqh->queue;
  mqh->sending = sending;
  mqh->position = mqh->published = load(sending ? mq->written : mq->consumed);
  mqh->other_position = load(sending ? mq->consumed : mq->written);
  mqh->place = static_cast<Size>(mqh->position % mq->ring_size);
}

void change_end(shm_mq_handle* mqh, bool sending) {
  if (mqh->sending)
    publish_written(mqh);
  else
    publish_consumed(mqh);
  use_end(mqh, sending);
}

void advance(shm_mq_handle* mqh, Size bytes) {
  mqh->position += bytes;
  mqh->place += bytes;
  if (mqh->place >= mqh->queue->ring_size) mqh->place -= mqh->queue->ring_size;
}

void wait_for_latch(uint32 wait_event) {
  (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, 0, wait_event);
  ResetLatch(MyLatch);
  CHECK_FOR_INTERRUPTS();
}

// ---- the other side

bool is_detached(const shm_mq* mq) {
  return __atomic_load_n(&mq->detached, __ATOMIC_ACQUIRE);
}

void detach_queue(shm_mq* mq) {
  __atomic_store_n(&mq->detached, true, __ATOMIC_SEQ_CST);
  wake(load_process(mq->receiver) == MyProc ? load_process(mq->sender) : load_process(mq->receiver));
}

void detach_callback(dsm_segment* seg, Datum arg) {
  detach_queue(reinterpret_cast<shm_mq*>(DatumGetPointer(arg)));
}

// Rule 6.
bool worker_is_gone(BackgroundWorkerHandle* worker) {
  if (!worker) return false;
  pid_t pid;
  BgwHandleStatus status = GetBackgroundWorkerPid(worker, &pid);
  return status != BGWH_STARTED && status != BGWH_NOT_YET_STARTED;
}

bool other_is_gone(const shm_mq_handle* mqh) {
  return is_detached(mqh->queue) || worker_is_gone(mqh->worker);
}

// Waits until the other side is attached. False when it never will be.
bool wait_for_other(shm_mq_handle* mqh, PGPROC* const& other) {
  while (!is_detached(mqh->queue)) {
    if (load_process(other)) return true;
    if (worker_is_gone(mqh->worker)) return false;
    wait_for_latch(WAIT_EVENT_MQ_INTERNAL);
  }
  return false;
}

void set_once(shm_mq* mq, PGPROC*& mine, PGPROC* proc, PGPROC* const& other) {
  bgw::enter_critical();
  SpinLockAcquire(&mq->lock);
  Assert(mine == nullptr);
  __atomic_store_n(&mine, proc, __ATOMIC_RELEASE);
  PGPROC* waiting = other;
  SpinLockRelease(&mq->lock);
  __atomic_thread_fence(__ATOMIC_SEQ_CST);  // see publish()
  bgw::leave_critical();
  wake(waiting);
}

// ---- sending

// Waits until there is room in the ring. Returns how much in *room.
shm_mq_result wait_for_room(shm_mq_handle* mqh, bool nowait, Size* room) {
  shm_mq* mq = mqh->queue;
  for (;;) {
    *room = mq->ring_size - (mqh->position - mqh->other_position);
    if (*room > 0) return SHM_MQ_SUCCESS;
    mqh->other_position = load(mq->consumed);
    *room = mq->ring_size - (mqh->position - mqh->other_position);
    if (is_detached(mq)) return SHM_MQ_DETACHED;
    if (*room > 0) return SHM_MQ_SUCCESS;

    publish_written(mqh);
    if (!mqh->other_is_attached) {
      if (!load_process(mq->receiver)) {
        if (nowait) return other_is_gone(mqh) ? SHM_MQ_DETACHED : SHM_MQ_WOULD_BLOCK;
        if (!wait_for_other(mqh, mq->receiver)) {
          detach_queue(mq);
          return SHM_MQ_DETACHED;
        }
      }
      mqh->other_is_attached = true;
      continue;  // it may have made room before we published
    }
    if (nowait) return SHM_MQ_WOULD_BLOCK;
    // Publishing may have been long ago; the position is looked at after each reset of the latch.
    wait_for_latch(WAIT_EVENT_MQ_SEND);
  }
}

// Puts `size` bytes at the private position, which has room for them.
void put(shm_mq_handle* mqh, const char* data, Size size) {
  const Size first = std::min(size, mqh->queue->ring_size - mqh->place);
  memcpy(mqh->queue->ring + mqh->place, data, first);
  if (size > first) memcpy(mqh->queue->ring, data + first, size - first);
  advance(mqh, size);
}

// A place in an array of pieces.
struct Cursor {
  const shm_mq_iovec* piece;
  Size offset;

  void skip(Size bytes) {
    while (bytes > 0) {
      const Size step = std::min(bytes, piece->len - offset);
      bytes -= step;
      offset += step;
      if (offset == piece->len) piece++, offset = 0;
    }
  }
};

// Puts `size` bytes from the cursor on.
void put_pieces(shm_mq_handle* mqh, Cursor* cursor, Size size) {
  while (size > 0) {
    const Size step = std::min(size, cursor->piece->len - cursor->offset);
    if (step > 0) put(mqh, cursor->piece->data + cursor->offset, step);
    cursor->offset += step;
    size -= step;
    if (cursor->offset == cursor->piece->len) cursor->piece++, cursor->offset = 0;
  }
}

// ---- receiving

// Waits until `size` bytes beyond the private position are there.
shm_mq_result wait_for_bytes(shm_mq_handle* mqh, Size size, bool nowait) {
  shm_mq* mq = mqh->queue;
  for (;;) {
    if (mqh->other_position - mqh->position >= size) return SHM_MQ_SUCCESS;
    mqh->other_position = load(mq->written);
    if (mqh->other_position - mqh->position >= size) return SHM_MQ_SUCCESS;
    if (is_detached(mq)) {
      mqh->other_position = load(mq->written);  // rule 5
      if (mqh->other_position - mqh->position >= size) return SHM_MQ_SUCCESS;
      return SHM_MQ_DETACHED;
    }
    publish_consumed(mqh);
    if (nowait) return SHM_MQ_WOULD_BLOCK;
    wait_for_latch(WAIT_EVENT_MQ_RECEIVE);
  }
}

void consume(shm_mq_handle* mqh, Size size) {
  advance(mqh, size);
  if (a_quarter_is_unpublished(mqh)) publish_consumed(mqh);
}

void make_buffer(shm_mq_handle* mqh, Size size) {
  if (mqh->buffer_size >= size) return;
  // A few large messages seldom come alone.
  Size room = Max(mqh->buffer_size, 1024);
  while (room < size) room *= 2;
  room = Min(room, MaxAllocSize);
  if (mqh->buffer) pfree(mqh->buffer);
  mqh->buffer = nullptr;
  mqh->buffer_size = 0;
  mqh->buffer = static_cast<char*>(MemoryContextAlloc(mqh->context, room));
  mqh->buffer_size = room;
}

// The first thing a receiver does: waits for the sender.
shm_mq_result await_sender(shm_mq_handle* mqh, bool nowait) {
  shm_mq* mq = mqh->queue;
  if (nowait) {
    if (!load_process(mq->sender)) {
      // The worker may have attached, sent and gone between the two looks.
      const bool gone = other_is_gone(mqh);
      if (!load_process(mq->sender)) return gone ? SHM_MQ_DETACHED : SHM_MQ_WOULD_BLOCK;
    }
  } else if (!wait_for_other(mqh, mq->sender) && !load_process(mq->sender)) {
    detach_queue(mq);
    return SHM_MQ_DETACHED;
  }
  mqh->other_is_attached = true;
  return SHM_MQ_SUCCESS;
}

// Copies what is there of a message that does not lie in one piece into the buffer, until it is whole.
shm_mq_result gather(shm_mq_handle* mqh, bool nowait) {
  make_buffer(mqh, mqh->length);
  while (mqh->done < word + mqh->length) {
    const Size missing = word + mqh->length - mqh->done;
    const shm_mq_result result = wait_for_bytes(mqh, 1, nowait);
    if (result != SHM_MQ_SUCCESS) return result;
    const Size there = static_cast<Size>(mqh->other_position - mqh->position);
    const Size step = std::min({missing, there, mqh->queue->ring_size - mqh->place});
    memcpy(mqh->buffer + (mqh->done - word), mqh->queue->ring + mqh->place, step);
    mqh->done += step;
    // The last step takes what the message was filled up with, too: senders publish it with the message.
    consume(mqh, mqh->done == word + mqh->length ? step + (MAXALIGN(mqh->length) - mqh->length) : step);
  }
  return SHM_MQ_SUCCESS;
}

}  // namespace

extern "C" {

const Size shm_mq_minimum_size = MAXALIGN(offsetof(shm_mq, ring)) + MAXIMUM_ALIGNOF;

shm_mq* shm_mq_create(void* address, Size size) {
  size = MAXALIGN_DOWN(size);
  Assert(size >= shm_mq_minimum_size);
  auto* mq = static_cast<shm_mq*>(address);
  memset(static_cast<void*>(mq), 0, offsetof(shm_mq, ring));
  SpinLockInit(&mq->lock);
  mq->ring_size = size - offsetof(shm_mq, ring);
  return mq;
}

void shm_mq_set_receiver(shm_mq* mq, PGPROC* proc) {
  set_once(mq, mq->receiver, proc, mq->sender);
}

void shm_mq_set_sender(shm_mq* mq, PGPROC* proc) {
  set_once(mq, mq->sender, proc, mq->receiver);
}

PGPROC* shm_mq_get_receiver(shm_mq* mq) {
  return load_process(mq->receiver);
}

PGPROC* shm_mq_get_sender(shm_mq* mq) {
  return load_process(mq->sender);
}

shm_mq_handle* shm_mq_attach(shm_mq* mq, dsm_segment* seg, BackgroundWorkerHandle* handle) {
  const bool sending = load_process(mq->sender) == MyProc;
  Assert(sending || load_process(mq->receiver) == MyProc);
  auto* mqh = static_cast<shm_mq_handle*>(palloc0(sizeof(shm_mq_handle)));
  mqh->queue = mq;
  mqh->seg = seg;
  mqh->worker = handle;
  mqh->context = CurrentMemoryContext;
  use_end(mqh, sending);
  if (seg) bgw::on_dsm_detach_whole(seg, detach_callback, PointerGetDatum(mq));
  return mqh;
}

void shm_mq_set_handle(shm_mq_handle* mqh, BackgroundWorkerHandle* handle) {
  Assert(mqh->worker == nullptr);
  mqh->worker = handle;
}

void shm_mq_detach(shm_mq_handle* mqh) {
  if (mqh->sending) publish_written(mqh);
  detach_queue(mqh->queue);
  if (mqh->seg) cancel_on_dsm_detach(mqh->seg, detach_callback, PointerGetDatum(mqh->queue));
  if (mqh->buffer) pfree(mqh->buffer);
  pfree(mqh);
}

shm_mq* shm_mq_get_queue(shm_mq_handle* mqh) {
  return mqh->queue;
}

shm_mq_result shm_mq_wait_for_attach(shm_mq_handle* mqh) {
  shm_mq* mq = mqh->queue;
  const bool sending = load_process(mq->receiver) != MyProc;
  return wait_for_other(mqh, sending ? mq->receiver : mq->sender) ? SHM_MQ_SUCCESS : SHM_MQ_DETACHED;
}

shm_mq_result shm_mq_send(shm_mq_handle* mqh, Size nbytes, const void* data, bool nowait, bool force_flush) {
  shm_mq_iovec piece = {static_cast<const char*>(data), nbytes};
  return shm_mq_sendv(mqh, &piece, 1, nowait, force_flush);
}

// After "would block" the same message must be given again; it goes on where it stopped.
shm_mq_result shm_mq_sendv(shm_mq_handle* mqh, shm_mq_iovec* iov, int iovcnt, bool nowait, bool force_flush) {
  shm_mq* mq = mqh->queue;
  Assert(load_process(mq->sender) == MyProc);
  if (!mqh->sending) change_end(mqh, true);
  Size length = 0;
  for (int i = 0; i < iovcnt; i++) length += iov[i].len;
  if (length > MaxAllocSize)
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("cannot send a message of size %zu via shared memory queue", length)));
  if (is_detached(mq)) return SHM_MQ_DETACHED;

  Size room;
  if (mqh->done == 0) {
    const shm_mq_result result = wait_for_room(mqh, nowait, &room);
    if (result != SHM_MQ_SUCCESS) return result;
    // Room comes in whole words, and a word does not wrap around.
    memcpy(mq->ring + mqh->place, &length, word);
    advance(mqh, word);
    mqh->done = word;
  }

  Cursor cursor = {iov, 0};
  cursor.skip(mqh->done - word);
  while (mqh->done < word + length) {
    const shm_mq_result result = wait_for_room(mqh, nowait, &room);
    if (result != SHM_MQ_SUCCESS) return result;
    const Size step = std::min(word + length - mqh->done, room);
    put_pieces(mqh, &cursor, step);
    mqh->done += step;
    if (mqh->done < word + length && a_quarter_is_unpublished(mqh)) publish_written(mqh);
  }
  advance(mqh, MAXALIGN(length) - length);
  mqh->done = 0;
  if (force_flush || a_quarter_is_unpublished(mqh)) publish_written(mqh);
  return SHM_MQ_SUCCESS;
}

// The message stays where it is until the next call with this handle.
shm_mq_result shm_mq_receive(shm_mq_handle* mqh, Size* nbytesp, void** datap, bool nowait) {
  shm_mq* mq = mqh->queue;
  Assert(load_process(mq->receiver) == MyProc);
  if (mqh->sending) change_end(mqh, false);
  shm_mq_result result;
  if (!mqh->other_is_attached) {
    result = await_sender(mqh, nowait);
    if (result != SHM_MQ_SUCCESS) return result;
  }
  if (mqh->held > 0) {
    const Size held = mqh->held;
    mqh->held = 0;
    consume(mqh, held);
  }

  if (mqh->done == 0) {
    result = wait_for_bytes(mqh, word, nowait);
    if (result != SHM_MQ_SUCCESS) return result;
    memcpy(&mqh->length, mq->ring + mqh->place, word);
    if (mqh->length > MaxAllocSize)
      ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                      errmsg("invalid message size %zu in shared memory queue", mqh->length)));
    mqh->done = word;
    advance(mqh, word);
  }

  const Size filled = MAXALIGN(mqh->length);
  if (mqh->done == word && mqh->place + filled <= mq->ring_size) {
    // In one piece: the caller reads it in the ring.
    result = wait_for_bytes(mqh, filled, nowait);
    if (result != SHM_MQ_SUCCESS) return result;
    *datap = mq->ring + mqh->place;
    mqh->held = filled;
  } else {
    result = gather(mqh, nowait);
    if (result != SHM_MQ_SUCCESS) return result;
    *datap = mqh->buffer;
  }
  *nbytesp = mqh->length;
  mqh->done = 0;
  return SHM_MQ_SUCCESS;
}

}  // extern "C"
