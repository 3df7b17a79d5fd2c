// Memory that all processes share: one region mapped before the first fork, handed out from the front and never
// taken back, with an index by which processes find a structure again by its name.
//
// Protocol:
//  1. The region's head says how much is used; `lock` guards that. What is handed out is zero-filled.
//  2. The index is a list of entries in the region, guarded by ShmemIndexLock. Entries are added and not
//  removed.
//  3. The postmaster makes the region and fills it before any child exists; a crash reset makes a new one when
//  no
//     child is left (ipci.cc). Children inherit the mapping, so every address is the same in all processes.
#include "bridge/critical.hpp"

#include <sys/mman.h>

#include <cstring>

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/memutils.h"
}

#include "storage/shmem_region.hpp"

namespace {

struct IndexEntry {
  ShmemIndexEnt structure;  // written under ShmemIndexLock by who makes the structure
  IndexEntry* next;
};

struct RegionHead {
  Size size;            // of the region with this head; never changes
  Size used;            // from the region's start; guarded by `lock`
  IndexEntry* entries;  // guarded by ShmemIndexLock
  slock_t lock;
};

RegionHead* region = nullptr;

Size aligned(Size size) {
  return CACHELINEALIGN(size);
}

// Of a longer name the first characters count, as many as an entry has room for.
IndexEntry* find_entry(const char* name) {
  for (IndexEntry* entry = region->entries; entry; entry = entry->next)
    if (strncmp(entry->structure.key, name, SHMEM_INDEX_KEYSIZE - 1) == 0) return entry;
  return nullptr;
}

}  // namespace

namespace bgw {

void* make_shared_region(Size size) {
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    ereport(FATAL,
            (errmsg("could not map anonymous shared memory: %m"),
             errhint("This error usually means that PostgreSQL's request for a shared memory segment exceeded "
                     "available memory. The request size was %zu bytes.",
                     size)));
  // The kernel's zero pages are the state that structures start from.
  RegionHead* head = static_cast<RegionHead*>(memory);
  head->size = size;
  head->used = aligned(sizeof(RegionHead));
  head->entries = nullptr;
  SpinLockInit(&head->lock);
  return memory;
}

void drop_shared_region() {
  if (!region) return;
  munmap(region, region->size);
  region = nullptr;
}

}  // namespace bgw

extern "C" {

void InitShmemAccess(void* seghdr) {
  region = static_cast<RegionHead*>(seghdr);
}

void InitShmemAllocation(void) {}  // make_shared_region() has done it

void InitShmemIndex(void) {}  // likewise: an empty list

void* ShmemAllocNoError(Size size) {
  Assert(region != nullptr);
  void* memory = nullptr;
  size = aligned(size);
  bgw::enter_critical();  // nobody must leave with the lock held
  SpinLockAcquire(&region->lock);
  if (size <= region->size - region->used) {
    memory = reinterpret_cast<char*>(region) + region->used;
    region->used += size;
  }
  SpinLockRelease(&region->lock);
  bgw::leave_critical();
  return memory;
}

void* ShmemAlloc(Size size) {
  void* memory = ShmemAllocNoError(size);
  if (!memory)
    ereport(ERROR,
            (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of shared memory (%zu bytes requested)", size)));
  return memory;
}

// For the postmaster while it has no children; the lock is cheap enough to be taken all the same.
void* ShmemAllocUnlocked(Size size) {
  return ShmemAlloc(size);
}

bool ShmemAddrIsValid(const void* addr) {
  if (!region) return false;
  const char* start = reinterpret_cast<const char*>(region);
  const char* address = static_cast<const char*>(addr);
  return address >= start && address < start + region->size;
}

void* ShmemInitStruct(const char* name, Size size, bool* foundPtr) {
  LWLockAcquire(ShmemIndexLock, LW_EXCLUSIVE);
  IndexEntry* entry = find_entry(name);
  if (entry) {
    Size actual = entry->structure.size;
    LWLockRelease(ShmemIndexLock);
    if (actual != size)
      ereport(ERROR,
              (errmsg("ShmemIndex entry size is wrong for data structure \"%s\": expected %zu, actual %zu",
                      name, size, actual)));
    *foundPtr = true;
    return entry->structure.location;
  }

  entry = static_cast<IndexEntry*>(ShmemAllocNoError(sizeof(IndexEntry)));
  if (!entry) {
    LWLockRelease(ShmemIndexLock);
    ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY),
                    errmsg("could not create ShmemIndex entry for data structure \"%s\"", name)));
  }
  void* location = ShmemAllocNoError(size);
  if (!location) {
    LWLockRelease(ShmemIndexLock);
    ereport(ERROR,
            (errcode(ERRCODE_OUT_OF_MEMORY),
             errmsg("not enough shared memory for data structure \"%s\" (%zu bytes requested)", name, size)));
  }
  strlcpy(entry->structure.key, name, SHMEM_INDEX_KEYSIZE);
  entry->structure.location = location;
  entry->structure.size = size;
  entry->structure.allocated_size = aligned(size);
  entry->next = region->entries;
  region->entries = entry;
  LWLockRelease(ShmemIndexLock);
  *foundPtr = false;
  return location;
}

// A hash table whose head, directory and elements are all in the region. The directory cannot grow, so it is
// made for `max_size`; elements come from the region as they are needed.
HTAB* ShmemInitHash(const char* name, long init_size, long max_size, HASHCTL* infoP, int hash_flags) {
  infoP->dsize = infoP->max_dsize = hash_select_dirsize(max_size);
  infoP->alloc = ShmemAllocNoError;
  hash_flags |= HASH_SHARED_MEM | HASH_ALLOC | HASH_DIRSIZE;

  bool found;
  void* location = ShmemInitStruct(name, hash_get_shared_size(infoP, hash_flags), &found);
  if (found) hash_flags |= HASH_ATTACH;
  infoP->hctl = static_cast<HASHHDR*>(location);
  return hash_create(name, init_size, infoP, hash_flags);
}

}  // extern "C"
