// A table of contents at the front of a piece of shared memory: who attaches finds by number what the maker put
// in.
//
// Invariants:
//  1. Entries grow from the front, chunks are handed out from the end; `used` and `entry_count` say how far,
//  and
//     `lock` guards both against other writers.
//  2. An entry is complete before `entry_count` counts it (release and acquire), and never changes afterwards:
//  so
//     looking up takes no lock. Places are offsets, because every process may have the memory elsewhere.
#include "bridge/critical.hpp"

extern "C" {
#include "postgres.h"
#include "storage/shm_toc.h"
#include "storage/spin.h"
}

namespace {

struct Entry {
  uint64 key;
  uint64 offset;  // from the table's start
};

}  // namespace

struct shm_toc {
  uint64 magic;
  slock_t lock;
  uint32 entry_count;  // written under `lock`, read by anybody
  Size size;           // of the whole piece; never changes
  Size used;           // at the end; under `lock`
  Entry entries[FLEXIBLE_ARRAY_MEMBER];
};

namespace {

// The default SIGTERM handler must not end the process with the lock held.
void lock(shm_toc* toc) {
  bgw::enter_critical();
  SpinLockAcquire(&toc->lock);
}
void unlock(shm_toc* toc) {
  SpinLockRelease(&toc->lock);
  bgw::leave_critical();
}

Size taken(const shm_toc* toc, uint32 entries) {
  return offsetof(shm_toc, entries) + entries * sizeof(Entry) + toc->used;
}

[[noreturn]] void no_space() {
  ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of shared memory")));
  pg_unreachable();
}

}  // namespace

extern "C" {

shm_toc* shm_toc_create(uint64 magic, void* address, Size nbytes) {
  Assert(nbytes > offsetof(shm_toc, entries));
  auto* toc = static_cast<shm_toc*>(address);
  toc->magic = magic;
  SpinLockInit(&toc->lock);
  toc->entry_count = 0;
  toc->size = TYPEALIGN_DOWN(ALIGNOF_BUFFER, nbytes);
  toc->used = 0;
  return toc;
}

shm_toc* shm_toc_attach(uint64 magic, void* address) {
  auto* toc = static_cast<shm_toc*>(address);
  if (toc->magic != magic) return nullptr;
  Assert(toc->size >= taken(toc, toc->entry_count));
  return toc;
}

void* shm_toc_allocate(shm_toc* toc, Size nbytes) {
  const Size rounded = BUFFERALIGN(nbytes);
  void* chunk = nullptr;
  lock(toc);
  const Size before = taken(toc, toc->entry_count);
  if (rounded >= nbytes && rounded <= toc->size - before) {
    toc->used += rounded;
    chunk = reinterpret_cast<char*>(toc) + (toc->size - toc->used);
  }
  unlock(toc);
  if (!chunk) no_space();
  return chunk;
}

Size shm_toc_freespace(shm_toc* toc) {
  lock(toc);
  const Size before = BUFFERALIGN(taken(toc, toc->entry_count));
  unlock(toc);
  return before < toc->size ? toc->size - before : 0;
}

void shm_toc_insert(shm_toc* toc, uint64 key, void* address) {
  const auto offset = static_cast<uint64>(static_cast<char*>(address) - reinterpret_cast<char*>(toc));
  lock(toc);
  const uint32 count = toc->entry_count;
  const bool fits = count < PG_UINT32_MAX && taken(toc, count + 1) <= toc->size;
  if (fits) {
    toc->entries[count] = {key, offset};
    __atomic_store_n(&toc->entry_count, count + 1, __ATOMIC_RELEASE);
  }
  unlock(toc);
  if (!fits) no_space();
}

void* shm_toc_lookup(shm_toc* toc, uint64 key, bool noError) {
  const uint32 count = __atomic_load_n(&toc->entry_count, __ATOMIC_ACQUIRE);
  for (uint32 i = 0; i < count; i++)
    if (toc->entries[i].key == key) return reinterpret_cast<char*>(toc) + toc->entries[i].offset;
  if (!noError)
    elog(ERROR, "could not find key " UINT64_FORMAT " in shm TOC at %p", key, static_cast<void*>(toc));
  return nullptr;
}

Size shm_toc_estimate(shm_toc_estimator* e) {
  Size size = add_size(offsetof(shm_toc, entries), mul_size(e->number_of_keys, sizeof(Entry)));
  return BUFFERALIGN(add_size(size, e->space_for_chunks));
}

}  // extern "C"
