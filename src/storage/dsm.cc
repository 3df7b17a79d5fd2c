// Dynamic shared memory: segments that any process makes at run time, hands to others as a number, and that end
// when nobody is attached any more.
//
// Mechanism. One file of memory without a name (port/memory_file.hpp), made by the postmaster and inherited by
// all its children, holds every segment: slot i's bytes lie at offset i * 1 TiB. Only what a segment reserves
// takes memory. A crash reset makes a new file; when the last process of the host ends, however it ends, the
// kernel drops the file, so nothing can be left behind.
//
// Invariants:
//  1. The slots are guarded by DynamicSharedMemoryControlLock. A slot is free (on the free list), in use (it
//  has a
//     handle and at least one reference), or in transition: taken and not announced, or no longer announced and
//     not yet back on the list. A slot in transition belongs to one process, which works on its bytes unlocked.
//  2. References are the attached processes plus one for the pin. Who takes the last one ends the segment.
//  3. A handle is the slot's number and a generation that grows with each use of the slot, so that a handle of
//  a
//     segment that has ended finds nothing. Generations begin at random: handles of before a reset do neither.
//  4. This process's list holds every mapping it has, each at most once, and each belongs to a resource owner
//  or
//     is pinned. A mapping is taken off its owner and its callbacks are run, the latest first, each once,
//     before its reference is given up.
//
// For every process but the postmaster, outside signal handlers.
#include "bridge/critical.hpp"
#include "port/clock.hpp"
#include "port/memory_file.hpp"
#include "port/start_data.hpp"

#include <bit>

#include "storage/dsm_parts.hpp"
#include "storage/dsm_region.hpp"

extern "C" {
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/dsa.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner_private.h"
}

namespace {

struct DetachCallback {
  DetachCallback* next;
  on_dsm_detach_callback function;
  Datum argument;
  bool whole;  // once taken off the list it is run to its end, whatever signal comes
};

}  // namespace

struct dsm_segment {
  dsm_segment* next;
  dsm_segment* previous;
  ResourceOwner owner;  // null: the mapping is pinned
  dsm_handle handle;
  uint32 slot;  // no_slot: the reference is not this process's to give up
  char* address;
  Size size;
  Size window;
  DetachCallback* callbacks;  // the latest first
};

namespace {

constexpr uint32 no_slot = UINT32_MAX;
constexpr uint32 fixed_slots = 64;
constexpr uint32 slots_per_process = 5;
constexpr Size page = 4096;

struct Slot {
  dsm_handle handle;  // DSM_HANDLE_INVALID unless in use
  uint32 references;
  uint32 generation;
  uint32 next_free;
  Size size;    // mapped by who attaches
  Size window;  // of addresses; the slot's file range is as large
  bool pinned;
};

struct Control {
  uint32 slot_count;  // never changes
  uint32 index_bits;  // never changes
  uint32 first_free;  // the following: guarded by DynamicSharedMemoryControlLock
  Slot slots[FLEXIBLE_ARRAY_MEMBER];
};

bgw::MemoryFile* file = nullptr;  // never destroyed: exit callbacks may come late
Control* control = nullptr;
BGW_START_DATA dsm_segment* mappings = nullptr;  // of this process, the latest first

uint32 slot_limit() {
  return fixed_slots + slots_per_process * static_cast<uint32>(MaxBackends);
}

Size control_size() {
  return add_size(offsetof(Control, slots), mul_size(slot_limit(), sizeof(Slot)));
}

uint64 file_offset(uint32 slot) {
  return static_cast<uint64>(slot) * bgw::dsm_largest;
}

Size whole_pages(Size size) {
  return TYPEALIGN(page, size);
}

int memory_sqlstate() {
  return errno == ENOMEM || errno == ENOSPC || errno == EFBIG ? ERRCODE_OUT_OF_MEMORY : ERRCODE_SYSTEM_ERROR;
}

dsm_segment* new_mapping() {
  if (!IsUnderPostmaster && IsPostmasterEnvironment)
    elog(ERROR, "dynamic shared memory cannot be used in the postmaster");
  if (CurrentResourceOwner) ResourceOwnerEnlargeDSMs(CurrentResourceOwner);
  auto* seg = static_cast<dsm_segment*>(MemoryContextAllocZero(TopMemoryContext, sizeof(dsm_segment)));
  seg->next = mappings;
  if (mappings) mappings->previous = seg;
  mappings = seg;
  seg->slot = no_slot;
  seg->owner = CurrentResourceOwner;
  if (seg->owner) ResourceOwnerRememberDSM(seg->owner, seg);
  return seg;
}

void forget_mapping(dsm_segment* seg) {
  if (seg->owner) ResourceOwnerForgetDSM(seg->owner, seg);
  if (seg->next) seg->next->previous = seg->previous;
  (seg->previous ? seg->previous->next : mappings) = seg->next;
  pfree(seg);
}

// A free slot with a new handle that nobody can find yet, and one reference; no_slot when all are taken.
uint32 take_slot() {
  LWLockAcquire(DynamicSharedMemoryControlLock, LW_EXCLUSIVE);
  uint32 index = control->first_free;
  if (index != no_slot) {
    Slot& slot = control->slots[index];
    control->first_free = slot.next_free;
    slot.references = 1;
    slot.pinned = false;
  }
  LWLockRelease(DynamicSharedMemoryControlLock);
  return index;
}

// Invariant 3. Zero is no handle, and neither is generation zero.
dsm_handle next_handle(Slot& slot, uint32 index) {
  const uint32 generations = UINT32_MAX >> control->index_bits;
  slot.generation = slot.generation >= generations ? 1 : slot.generation + 1;
  return slot.generation << control->index_bits | index;
}

uint32 slot_of(dsm_handle handle) {
  uint32 index = handle & ((1U << control->index_bits) - 1);
  return index < control->slot_count ? index : no_slot;
}

// For who holds the only knowledge of the slot.
void free_slot(uint32 index) {
  LWLockAcquire(DynamicSharedMemoryControlLock, LW_EXCLUSIVE);
  Slot& slot = control->slots[index];
  slot.handle = DSM_HANDLE_INVALID;
  slot.references = 0;
  slot.next_free = control->first_free;
  control->first_free = index;
  LWLockRelease(DynamicSharedMemoryControlLock);
}

void end_segment(uint32 index) {
  file->release(file_offset(index), whole_pages(control->slots[index].window));
  free_slot(index);
}

// With the lock held. True: it was the last one, nobody can find the segment any more, and the caller has to
// end it.
bool drop_reference(Slot& slot) {
  Assert(slot.references > 0);
  if (--slot.references > 0) return false;
  slot.handle = DSM_HANDLE_INVALID;
  return true;
}

// Maps the first `size` bytes of the segment's window. False with errno set.
bool map_window(dsm_segment* seg, uint32 slot, Size size, Size window) {
  if (window == size) {
    seg->address = static_cast<char*>(file->map(nullptr, size, file_offset(slot)));
  } else {
    seg->address = static_cast<char*>(bgw::reserve_addresses(window));
    if (seg->address && !file->map(seg->address, size, file_offset(slot))) {
      bgw::unmap(seg->address, window);
      seg->address = nullptr;
    }
  }
  if (!seg->address) return false;
  seg->size = size;
  seg->window = window;
  return true;
}

void add_callback(dsm_segment* seg, on_dsm_detach_callback function, Datum argument, bool whole) {
  auto* callback = static_cast<DetachCallback*>(MemoryContextAlloc(TopMemoryContext, sizeof(DetachCallback)));
  *callback = {seg->callbacks, function, argument, whole};
  seg->callbacks = callback;
}

dsm_segment* create(Size size, Size window, int flags) {
  dsm_segment* seg = new_mapping();
  if (size == 0 || window > bgw::dsm_largest) {
    forget_mapping(seg);
    ereport(ERROR, (errcode(size == 0 ? ERRCODE_INVALID_PARAMETER_VALUE : ERRCODE_OUT_OF_MEMORY),
                    errmsg("invalid dynamic shared memory segment size %zu", size),
                    errdetail("A segment has between 1 byte and %zu bytes.", bgw::dsm_largest)));
  }

  bgw::enter_critical();
  uint32 index = take_slot();
  if (index == no_slot) {
    forget_mapping(seg);
    bgw::leave_critical();
    if (flags & DSM_CREATE_NULL_IF_MAXSEGMENTS) return nullptr;
    ereport(ERROR,
            (errcode(ERRCODE_INSUFFICIENT_RESOURCES), errmsg("too many dynamic shared memory segments")));
  }

  Slot& slot = control->slots[index];
  const dsm_handle handle = next_handle(slot, index);
  slot.size = size;
  slot.window = window;
  const bool reserved = file->reserve(file_offset(index), size);
  if (!reserved || !map_window(seg, index, size, window)) {
    int kept_errno = errno;
    end_segment(index);
    forget_mapping(seg);
    bgw::leave_critical();
    errno = kept_errno;
    if (!reserved)
      ereport(ERROR, (errcode(memory_sqlstate()),
                      errmsg("could not resize shared memory segment \"%u\" to %zu bytes: %m", handle, size)));
    ereport(ERROR,
            (errcode(memory_sqlstate()), errmsg("could not map shared memory segment \"%u\": %m", handle)));
  }
  seg->slot = index;
  seg->handle = handle;
  LWLockAcquire(DynamicSharedMemoryControlLock, LW_EXCLUSIVE);
  slot.handle = handle;
  LWLockRelease(DynamicSharedMemoryControlLock);
  bgw::leave_critical();
  return seg;
}

}  // namespace

namespace bgw {

dsm_segment* dsm_create_growing(Size size, Size window, int flags) {
  return create(size, window, flags);
}

bool dsm_reserve_part(dsm_segment* seg, Size offset, Size size) {
  Assert(offset + size <= seg->window);
  return file->reserve(file_offset(seg->slot) + offset, size);
}

void dsm_map_part(dsm_segment* seg, Size offset, Size size) {
  Assert(offset + size <= seg->window);
  if (!file->map(seg->address + offset, size, file_offset(seg->slot) + offset))
    ereport(ERROR, (errcode(memory_sqlstate()),
                    errmsg("could not map shared memory segment \"%u\": %m", seg->handle)));
}

void dsm_release_part(dsm_segment* seg, Size offset, Size size) {
  Assert(offset + size <= seg->window);
  file->release(file_offset(seg->slot) + offset, size);  // nothing when empty
}

Size dsm_window(const dsm_segment* seg) {
  return seg->window;
}

void on_dsm_detach_whole(dsm_segment* seg, on_dsm_detach_callback function, Datum argument) {
  add_callback(seg, function, argument, true);
}

void drop_dynamic_shared_memory() {
  if (file) file->close();
  control = nullptr;
}

}  // namespace bgw

extern "C" {

size_t dsm_estimate_size(void) {
  return control_size();
}

void dsm_shmem_init(void) {
  bool found;
  control = static_cast<Control*>(ShmemInitStruct("dynamic shared memory", control_size(), &found));
  if (found) return;
  control->slot_count = slot_limit();
  control->index_bits = static_cast<uint32>(std::bit_width(control->slot_count));
  control->first_free = no_slot;
  auto random = static_cast<uint32>(bgw::wall_clock_us());  // invariant 3: other than before the reset
  for (uint32 i = control->slot_count; i-- > 0;) {
    Slot& slot = control->slots[i];
    slot.handle = DSM_HANDLE_INVALID;
    slot.generation = (random = murmurhash32(random + i)) & (UINT32_MAX >> control->index_bits);
    slot.next_free = control->first_free;
    control->first_free = i;
  }
}

// For the postmaster, before it has children and once more in each reset.
void dsm_postmaster_startup(struct PGShmemHeader* shim) {
  if (!file) file = new bgw::MemoryFile;
  char* problem = nullptr;
  {
    auto created = bgw::MemoryFile::create("bgworkerd dynamic shared memory", file_offset(slot_limit()));
    if (created)
      *file = std::move(*created);
    else
      problem = pstrdup(created.error().one_line().c_str());
  }
  if (problem) ereport(FATAL, (errmsg("%s", problem)));
}

// Nothing is ever left of a host that is gone.
void dsm_cleanup_using_control_segment(dsm_handle old_control_handle) {}

dsm_segment* dsm_create(Size size, int flags) {
  return create(size, size, flags);
}

dsm_segment* dsm_attach(dsm_handle h) {
  if (dsm_find_mapping(h)) elog(ERROR, "can't attach the same segment more than once");
  dsm_segment* seg = new_mapping();
  seg->handle = h;

  bgw::enter_critical();
  Size size = 0;
  Size window = 0;
  uint32 index = h == DSM_HANDLE_INVALID ? no_slot : slot_of(h);
  if (index != no_slot) {
    LWLockAcquire(DynamicSharedMemoryControlLock, LW_EXCLUSIVE);
    Slot& slot = control->slots[index];
    if (slot.handle == h) {
      slot.references++;
      seg->slot = index;
      size = slot.size;
      window = slot.window;
    }
    LWLockRelease(DynamicSharedMemoryControlLock);
  }
  if (seg->slot == no_slot) {
    forget_mapping(seg);
    bgw::leave_critical();
    return nullptr;
  }
  if (!map_window(seg, index, size, window)) {
    int kept_errno = errno;
    dsm_detach(seg);
    bgw::leave_critical();
    errno = kept_errno;
    ereport(ERROR, (errcode(memory_sqlstate()), errmsg("could not map shared memory segment \"%u\": %m", h)));
  }
  bgw::leave_critical();
  return seg;
}

// A callback that raises is not called again: the rest is done when the mapping is detached next.
void dsm_detach(dsm_segment* seg) {
  HOLD_INTERRUPTS();
  while (DetachCallback* callback = seg->callbacks) {
    bgw::enter_critical();
    seg->callbacks = callback->next;
    on_dsm_detach_callback function = callback->function;
    Datum argument = callback->argument;
    const bool whole = callback->whole;
    pfree(callback);
    if (!whole) bgw::leave_critical();
    function(seg, argument);
    if (whole) bgw::leave_critical();
  }
  RESUME_INTERRUPTS();

  bgw::enter_critical();
  if (seg->address) bgw::unmap(seg->address, seg->window);
  if (seg->slot != no_slot) {
    uint32 index = seg->slot;
    LWLockAcquire(DynamicSharedMemoryControlLock, LW_EXCLUSIVE);
    bool last = drop_reference(control->slots[index]);
    LWLockRelease(DynamicSharedMemoryControlLock);
    if (last) end_segment(index);
  }
  forget_mapping(seg);
  bgw::leave_critical();
}

// At the end of the process. Callbacks may take locks that this process still holds after an error.
void dsm_backend_shutdown(void) {
  if (!mappings) return;
  // What this process sleeps on or holds may lie in a segment.
  ConditionVariableCancelSleep();
  LWLockReleaseAll();
  dsm_detach_all();
}

void dsm_detach_all(void) {
  while (mappings) dsm_detach(mappings);
}

void dsm_pin_mapping(dsm_segment* seg) {
  if (!seg->owner) return;
  ResourceOwnerForgetDSM(seg->owner, seg);
  seg->owner = nullptr;
}

void dsm_unpin_mapping(dsm_segment* seg) {
  Assert(!seg->owner);
  ResourceOwnerEnlargeDSMs(CurrentResourceOwner);
  seg->owner = CurrentResourceOwner;
  ResourceOwnerRememberDSM(seg->owner, seg);
}

void dsm_pin_segment(dsm_segment* seg) {
  bgw::enter_critical();
  LWLockAcquire(DynamicSharedMemoryControlLock, LW_EXCLUSIVE);
  Slot& slot = control->slots[seg->slot];
  if (slot.pinned) {
    LWLockRelease(DynamicSharedMemoryControlLock);
    bgw::leave_critical();
    elog(ERROR, "cannot pin a segment that is already pinned");
  }
  slot.pinned = true;
  slot.references++;
  LWLockRelease(DynamicSharedMemoryControlLock);
  bgw::leave_critical();
}

void dsm_unpin_segment(dsm_handle handle) {
  uint32 index = handle == DSM_HANDLE_INVALID ? no_slot : slot_of(handle);
  if (index == no_slot) elog(ERROR, "cannot unpin unknown segment handle");
  bgw::enter_critical();
  LWLockAcquire(DynamicSharedMemoryControlLock, LW_EXCLUSIVE);
  Slot& slot = control->slots[index];
  const bool known = slot.handle == handle;
  if (!known || !slot.pinned) {
    LWLockRelease(DynamicSharedMemoryControlLock);
    bgw::leave_critical();
    if (!known) elog(ERROR, "cannot unpin unknown segment handle");
    elog(ERROR, "cannot unpin a segment that is not pinned");
  }
  slot.pinned = false;
  bool last = drop_reference(slot);
  LWLockRelease(DynamicSharedMemoryControlLock);
  if (last) end_segment(index);
  bgw::leave_critical();
}

dsm_segment* dsm_find_mapping(dsm_handle handle) {
  for (dsm_segment* seg = mappings; seg; seg = seg->next)
    if (seg->handle == handle && handle != DSM_HANDLE_INVALID) return seg;
  return nullptr;
}

void* dsm_segment_address(dsm_segment* seg) {
  Assert(seg->address != nullptr);
  return seg->address;
}

Size dsm_segment_map_length(dsm_segment* seg) {
  Assert(seg->address != nullptr);
  return seg->size;
}

dsm_handle dsm_segment_handle(dsm_segment* seg) {
  return seg->handle;
}

void on_dsm_detach(dsm_segment* seg, on_dsm_detach_callback function, Datum arg) {
  add_callback(seg, function, arg, function == dsa_on_dsm_detach_release_in_place);
}

void cancel_on_dsm_detach(dsm_segment* seg, on_dsm_detach_callback function, Datum arg) {
  for (DetachCallback** link = &seg->callbacks; *link; link = &(*link)->next) {
    DetachCallback* found = *link;
    if (found->function != function || found->argument != arg) continue;
    *link = found->next;
    pfree(found);
    return;
  }
}

// For a process that was forked by one with mappings: neither callbacks nor references are its business.
void reset_on_dsm_detach(void) {
  for (dsm_segment* seg = mappings; seg; seg = seg->next) {
    while (DetachCallback* callback = seg->callbacks) {
      seg->callbacks = callback->next;
      pfree(callback);
    }
    seg->slot = no_slot;
  }
}

}  // extern "C"
