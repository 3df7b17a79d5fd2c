// Dynamic shared areas: allocation of shared memory that grows as it is needed (utils/dsa.h).
//
// Mechanism. An area has a window: one segment that grows in place (storage/dsm_parts.hpp), whose window of
// addresses is far larger than what is in use, so that a pointer is an offset and an address is one addition
// away. An area made in place has, before that, the place itself; its window is made when the place is full.
// Both parts are divided into pages of 4 kB, with a table of what each page is:
//   - large objects take whole pages, found by a FreePageManager;
//   - small ones are cut from slabs of some pages, each slab for one of 36 sizes; a slab's free objects are a
//   chain of
//     numbers inside them.
//
// Invariants:
//  1. control->lock guards the free pages, the sizes and the window's handle; a pool's lock guards the slabs of
//  its
//     size: their table entries, their free objects and the list of slabs that have any. A pool's lock is taken
//     before control->lock, never after it, and no process holds two pools' locks.
//  2. The table entry of a page of a living object does not change: dsa_free() may look at it without a lock.
//  3. The window's `data_pages` grows under the lock, after the storage is there. An object a process was given lies,
//     to its last byte, below the `data_pages` it reads then; it maps all of them before it takes an address: an
//     object can begin in pages it has long mapped and end in those of a later growth. Giving pages back at the end
//     lowers `data_pages`; mappings that reach further stay good for when it grows again.
//  4. No error is raised between the first change of a structure and the last.
//  5. An area lives as long as its window's segment (dsa_create), or as its place (in place): there
//  `references`
//     counts who has attached, and the last one lets the window go, which is pinned until then.
// For ordinary code.
#include "bridge/critical.hpp"
#include "port/memory_file.hpp"

#include <algorithm>
#include <bit>

#include "storage/dsm_parts.hpp"
#include "utils/freepage_runs.hpp"

extern "C" {
#include "storage/lwlock.h"
#include "utils/dsa.h"
#include "utils/memutils.h"
}

namespace {

constexpr Size page = FPM_PAGE_SIZE;
constexpr uint32 area_magic = 0x0D5A15AA;
constexpr dsa_pointer in_window = dsa_pointer{1} << 41;  // set in pointers into the window
static_assert(in_window > bgw::dsm_largest);

// Growth: at least this much, half of what there is, at most that much.
constexpr Size least_growth = 64;
constexpr Size most_growth = 16384;

// The window's addresses in each process. What is not used costs nothing; where addresses are limited, less
// will do.
constexpr Size usual_window = Size{256} << 30;
constexpr Size least_window = Size{1} << 30;

// A freed run of at least so many pages goes back to the system at once.
constexpr Size pages_to_give_back = 256;

constexpr int exact_sizes = 8;  // 8, 16, ... 64; then four sizes for each doubling
constexpr Size largest_small = 8192;
constexpr int size_classes = 36;

Size class_size(int size_class) {
  if (size_class < exact_sizes) return static_cast<Size>(size_class + 1) * 8;
  const int step = size_class - exact_sizes;
  return static_cast<Size>(step % 4 + 5) << (step / 4 + 4);
}

int class_of(Size size) {
  if (size <= 64) return size == 0 ? 0 : static_cast<int>((size - 1) / 8);
  const int shift = static_cast<int>(std::bit_width(size - 1)) - 3;
  return exact_sizes + (shift - 4) * 4 + static_cast<int>((size - 1) >> shift) - 4;
}

// Large enough for eight objects, small enough not to hoard.
Size slab_pages(int size_class) {
  const Size size = class_size(size_class);
  return size <= 256 ? 4 : size <= 1024 ? 8 : 16;
}
int slab_objects(int size_class) {
  return static_cast<int>(slab_pages(size_class) * page / class_size(size_class));
}

enum class PageKind : uint8 { none, large, slab, slab_rest };

// What a page is. Of a large object or slab, the first page's entry says all; a slab's other pages point back.
struct PageInfo {
  PageKind kind;
  uint8 size_class;   // slab
  uint16 free_count;  // slab: objects that can be had
  uint16 carved;      // slab: objects that have ever been had; the others have no chain yet
  uint16 first_free;  // slab: number of an object plus one, or 0
  uint32 back;        // slab_rest: pages to the first one
  uint32 pages;       // large
  dsa_pointer next;   // slab with free objects: the pool's list
  dsa_pointer previous;
};
static_assert(sizeof(PageInfo) == 32);

struct Pool {
  LWLock lock;
  dsa_pointer slabs;  // those with free objects
  char padding[64 - sizeof(LWLock) - sizeof(dsa_pointer)];
};

struct Control {
  uint32 magic;
  bool made_in_place;  // never changes
  bool pinned;         // the following: under `lock`
  dsm_handle window;   // of the window's segment; DSM_HANDLE_INVALID while there is none
  int references;      // in place: see invariant 5
  Size size_limit;     // bytes
  Size total_size;     // bytes of the place, and of the window's storage
  Size place_size;     // in place: never changes, like the following
  Size place_first;    // number of the first page
  Size place_pages;
  Size place_table;  // offset of the table
  LWLock lock;
  Pool pools[size_classes];
  FreePageManager place_runs;  // under `lock`
};

// At the window's beginning. Every look at an object reads `data_pages`, so it shares a cache line with nothing that
// changes more often.
struct WindowHead {
  Size window;                                        // never changes; nor do the following
  Size table;                                         // offset
  Size first_page;                                    // number of the first page of data
  Size data_pages;                                    // invariant 3
  alignas(PG_CACHE_LINE_SIZE) FreePageManager runs;  // under the control's lock
};

constexpr Size window_control = MAXALIGN(sizeof(WindowHead));  // dsa_create's control
constexpr Size window_table = TYPEALIGN(page, window_control + sizeof(Control));

}  // namespace

struct dsa_area {
  Control* control;
  char* place;           // null unless made in place
  dsm_segment* segment;  // the window's; null while this process has not attached to it
  char* window;
  Size mapped_pages;  // of the window's data; 0 without a window
  Size mapped_table;  // bytes of the window's table
  MemoryContext context;
  bool mapping_pinned;
};

namespace {

WindowHead* head_of(const dsa_area* area) {
  return reinterpret_cast<WindowHead*>(area->window);
}

[[noreturn]] void cannot_attach() {
  ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                  errmsg("could not attach to dynamic shared area")));
  pg_unreachable();
}

// ---- the window

void use_segment(dsa_area* area, dsm_segment* segment) {
  area->segment = segment;
  area->window = static_cast<char*>(dsm_segment_address(segment));
  if (area->mapping_pinned) dsm_pin_mapping(segment);
  area->mapped_table = 0;
  area->mapped_pages = 0;
}

// Maps all that there is. Raises when it cannot.
void map_window(dsa_area* area) {
  WindowHead* head = head_of(area);
  const Size pages = __atomic_load_n(&head->data_pages, __ATOMIC_ACQUIRE);
  const Size start = head->first_page * page;
  const Size table = TYPEALIGN(page, pages * sizeof(PageInfo));
  if (table > area->mapped_table) {
    bgw::dsm_map_part(area->segment, head->table + area->mapped_table, table - area->mapped_table);
    area->mapped_table = table;
  }
  if (pages > area->mapped_pages) {
    bgw::dsm_map_part(area->segment, start + area->mapped_pages * page, (pages - area->mapped_pages) * page);
    area->mapped_pages = pages;
  }
}

void attach_window(dsa_area* area) {
  const dsm_handle handle = __atomic_load_n(&area->control->window, __ATOMIC_ACQUIRE);
  if (handle == DSM_HANDLE_INVALID) cannot_attach();
  MemoryContext before = MemoryContextSwitchTo(area->context);
  dsm_segment* segment = dsm_attach(handle);
  MemoryContextSwitchTo(before);
  if (!segment) cannot_attach();
  use_segment(area, segment);
}

void see_whole_window(dsa_area* area) {
  if (!area->segment) {
    if (__atomic_load_n(&area->control->window, __ATOMIC_ACQUIRE) == DSM_HANDLE_INVALID) return;
    attach_window(area);
  }
  map_window(area);
}

// A segment for a window: as many addresses as there are, within reason.
dsm_segment* new_window(Size head_size, int flags) {
  for (Size window = usual_window;; window /= 2) {
    // Only a lack of addresses can be mended by asking for less.
    void* addresses = bgw::reserve_addresses(window);
    if (!addresses && window > least_window) continue;
    if (addresses) bgw::unmap(addresses, window);
    return bgw::dsm_create_growing(head_size, window, flags);
  }
}

void init_window(char* memory, Size window, Size table) {
  auto* head = reinterpret_cast<WindowHead*>(memory);
  head->window = window;
  head->table = table;
  // As many pages as the rest can hold with their entries.
  const Size pages = (window - table) / (page + sizeof(PageInfo));
  head->first_page = (table + TYPEALIGN(page, pages * sizeof(PageInfo))) / page;
  head->data_pages = 0;
  FreePageManagerInitialize(&head->runs, memory);
}

// ---- pointers and table entries

char* address_of(dsa_area* area, dsa_pointer pointer) {
  if (!(pointer & in_window)) return area->place + pointer;
  const Size offset = pointer ^ in_window;
  if (!area->segment || __atomic_load_n(&head_of(area)->data_pages, __ATOMIC_ACQUIRE) > area->mapped_pages)
    see_whole_window(area);
  if (!area->segment || offset >= (head_of(area)->first_page + area->mapped_pages) * page)
    elog(ERROR, "dsa_pointer " DSA_POINTER_FORMAT " is not in the area", pointer);
  return area->window + offset;
}

// The entry of the page that the pointer points into.
PageInfo* info_of(dsa_area* area, dsa_pointer pointer) {
  if (pointer & in_window) {
    (void)address_of(area, pointer);
    WindowHead* head = head_of(area);
    const Size number = (pointer ^ in_window) / page - head->first_page;
    return reinterpret_cast<PageInfo*>(area->window + head->table) + number;
  }
  const Control* control = area->control;
  const Size number = pointer / page - control->place_first;
  if (pointer / page < control->place_first || number >= control->place_pages)
    elog(ERROR, "dsa_pointer " DSA_POINTER_FORMAT " is not in the area", pointer);
  return reinterpret_cast<PageInfo*>(area->place + control->place_table) + number;
}

// ---- pages; all with control->lock held

// Adds storage to the window for at least `pages` more. False when there is no more to be had.
bool grow(dsa_area* area, Size pages) {
  Control* control = area->control;
  if (control->total_size >= control->size_limit) return false;
  if (!area->segment) {
    if (control->window == DSM_HANDLE_INVALID) {
      if (control->size_limit - control->total_size < TYPEALIGN(page, sizeof(WindowHead)) + pages * page)
        return false;
      MemoryContext before = MemoryContextSwitchTo(area->context);
      dsm_segment* segment = new_window(TYPEALIGN(page, sizeof(WindowHead)), DSM_CREATE_NULL_IF_MAXSEGMENTS);
      MemoryContextSwitchTo(before);
      if (!segment) return false;
      dsm_pin_segment(segment);
      use_segment(area, segment);
      init_window(area->window, bgw::dsm_window(segment), TYPEALIGN(page, sizeof(WindowHead)));
      control->total_size += TYPEALIGN(page, sizeof(WindowHead));
      __atomic_store_n(&control->window, dsm_segment_handle(segment), __ATOMIC_RELEASE);
    } else {
      attach_window(area);
    }
  }
  map_window(area);

  WindowHead* head = head_of(area);
  const Size there = head->data_pages;
  const Size possible = head->window / page - head->first_page - there;
  Size more = std::clamp(there / 2, least_growth, most_growth);
  more = std::min(std::max(more, pages), possible);
  for (;;) {
    if (more < pages) return false;
    const Size old_table = TYPEALIGN(page, there * sizeof(PageInfo));
    const Size new_table = TYPEALIGN(page, (there + more) * sizeof(PageInfo));
    const Size bytes = more * page + (new_table - old_table);
    if (bytes <= control->size_limit - control->total_size &&
        bgw::dsm_reserve_part(area->segment, head->table + old_table, new_table - old_table) &&
        bgw::dsm_reserve_part(area->segment, (head->first_page + there) * page, more * page)) {
      control->total_size += bytes;
      break;
    }
    if (more == pages) return false;
    more = pages;  // less than we would like
  }
  __atomic_store_n(&head->data_pages, there + more, __ATOMIC_RELEASE);
  map_window(area);
  FreePageManagerPut(&head->runs, head->first_page + there, more);
  return true;
}

// A run of pages, or InvalidDsaPointer.
dsa_pointer take_pages(dsa_area* area, Size pages) {
  Control* control = area->control;
  Size first;
  see_whole_window(area);
  if (control->place_pages > 0 && FreePageManagerGet(&control->place_runs, pages, &first)) return first * page;
  if (!area->segment || !FreePageManagerGet(&head_of(area)->runs, pages, &first)) {
    if (!grow(area, pages)) return InvalidDsaPointer;
    if (!FreePageManagerGet(&head_of(area)->runs, pages, &first)) return InvalidDsaPointer;
  }
  return in_window | (first * page);
}

void give_pages(dsa_area* area, dsa_pointer pointer, Size pages) {
  see_whole_window(area);
  info_of(area, pointer)->kind = PageKind::none;
  if (!(pointer & in_window)) {
    FreePageManagerPut(&area->control->place_runs, pointer / page, pages);
    return;
  }
  const Size offset = pointer ^ in_window;
  FreePageManagerPut(&head_of(area)->runs, offset / page, pages);
  if (pages >= pages_to_give_back) bgw::dsm_release_part(area->segment, offset + page, (pages - 1) * page);
}

// ---- slabs; all with the pool's lock held

void link_slab(dsa_area* area, Pool* pool, dsa_pointer slab) {
  PageInfo* info = info_of(area, slab);
  info->previous = InvalidDsaPointer;
  info->next = pool->slabs;
  if (DsaPointerIsValid(pool->slabs)) info_of(area, pool->slabs)->previous = slab;
  pool->slabs = slab;
}

void unlink_slab(dsa_area* area, Pool* pool, dsa_pointer slab) {
  PageInfo* info = info_of(area, slab);
  if (DsaPointerIsValid(info->next)) info_of(area, info->next)->previous = info->previous;
  if (DsaPointerIsValid(info->previous))
    info_of(area, info->previous)->next = info->next;
  else
    pool->slabs = info->next;
}

dsa_pointer new_slab(dsa_area* area, int size_class) {
  const Size pages = slab_pages(size_class);
  LWLockAcquire(&area->control->lock, LW_EXCLUSIVE);
  const dsa_pointer slab = take_pages(area, pages);
  LWLockRelease(&area->control->lock);
  if (!DsaPointerIsValid(slab)) return slab;
  PageInfo* info = info_of(area, slab);
  for (Size i = 1; i < pages; i++) {
    info[i].kind = PageKind::slab_rest;
    info[i].back = static_cast<uint32>(i);
  }
  info->size_class = static_cast<uint8>(size_class);
  info->free_count = static_cast<uint16>(slab_objects(size_class));
  info->carved = 0;
  info->first_free = 0;
  info->kind = PageKind::slab;
  link_slab(area, &area->control->pools[size_class], slab);
  return slab;
}

void drop_slab(dsa_area* area, Pool* pool, dsa_pointer slab, int size_class) {
  unlink_slab(area, pool, slab);
  LWLockAcquire(&area->control->lock, LW_EXCLUSIVE);
  give_pages(area, slab, slab_pages(size_class));
  LWLockRelease(&area->control->lock);
}

uint16* chain_of(dsa_area* area, dsa_pointer slab, int number, Size size) {
  return reinterpret_cast<uint16*>(address_of(area, slab + static_cast<Size>(number) * size));
}

dsa_pointer allocate_small(dsa_area* area, Size size) {
  const int size_class = class_of(size);
  const Size object_size = class_size(size_class);
  Pool* pool = &area->control->pools[size_class];
  LWLockAcquire(&pool->lock, LW_EXCLUSIVE);
  dsa_pointer slab = pool->slabs;
  if (!DsaPointerIsValid(slab)) slab = new_slab(area, size_class);
  dsa_pointer object = InvalidDsaPointer;
  if (DsaPointerIsValid(slab)) {
    PageInfo* info = info_of(area, slab);
    int number;
    if (info->first_free != 0) {
      number = info->first_free - 1;
      info->first_free = *chain_of(area, slab, number, object_size);
    } else {
      number = info->carved++;
    }
    if (--info->free_count == 0) unlink_slab(area, pool, slab);
    object = slab + static_cast<Size>(number) * object_size;
  }
  LWLockRelease(&pool->lock);
  return object;
}

void free_small(dsa_area* area, dsa_pointer object, dsa_pointer slab, PageInfo* info) {
  const int size_class = info->size_class;
  const Size object_size = class_size(size_class);
  Pool* pool = &area->control->pools[size_class];
  const int number = static_cast<int>((object - slab) / object_size);
  uint16* chain = chain_of(area, slab, number, object_size);
  LWLockAcquire(&pool->lock, LW_EXCLUSIVE);
  *chain = info->first_free;
  info->first_free = static_cast<uint16>(number + 1);
  const bool was_full = info->free_count++ == 0;
  if (was_full) link_slab(area, pool, slab);
  // One empty slab is kept, so that a process that takes and gives one object does not make and drop slabs.
  const bool others = DsaPointerIsValid(info->next) || DsaPointerIsValid(info->previous);
  if (info->free_count == slab_objects(size_class) && others) drop_slab(area, pool, slab, size_class);
  LWLockRelease(&pool->lock);
}

dsa_pointer allocate_large(dsa_area* area, Size size) {
  const Size pages = fpm_size_to_pages(size);
  LWLockAcquire(&area->control->lock, LW_EXCLUSIVE);
  const dsa_pointer object = take_pages(area, pages);
  if (DsaPointerIsValid(object)) {
    PageInfo* info = info_of(area, object);
    info->kind = PageKind::large;
    info->pages = static_cast<uint32>(pages);
  }
  LWLockRelease(&area->control->lock);
  return object;
}

// ---- areas

void init_control(Control* control, int tranche) {
  memset(static_cast<void*>(control), 0, sizeof *control);
  control->magic = area_magic;
  control->size_limit = SIZE_MAX;
  LWLockInitialize(&control->lock, tranche);
  for (Pool& pool : control->pools) LWLockInitialize(&pool.lock, tranche);
}

dsa_area* new_area(Control* control, char* place) {
  auto* area = static_cast<dsa_area*>(palloc0(sizeof(dsa_area)));
  area->control = control;
  area->place = place;
  area->context = CurrentMemoryContext;
  return area;
}

// Invariant 5.
void drop_area_reference(Control* control) {
  bgw::enter_critical();
  LWLockAcquire(&control->lock, LW_EXCLUSIVE);
  Assert(control->references > 0);
  dsm_handle window = DSM_HANDLE_INVALID;
  if (--control->references == 0) {
    window = control->window;
    control->window = DSM_HANDLE_INVALID;
  }
  LWLockRelease(&control->lock);
  if (window != DSM_HANDLE_INVALID) dsm_unpin_segment(window);
  bgw::leave_critical();
}

}  // namespace

extern "C" {

dsa_area* dsa_create(int tranche_id) {
  dsm_segment* segment = new_window(window_table, 0);
  auto* memory = static_cast<char*>(dsm_segment_address(segment));
  auto* control = reinterpret_cast<Control*>(memory + window_control);
  init_control(control, tranche_id);
  init_window(memory, bgw::dsm_window(segment), window_table);
  control->window = dsm_segment_handle(segment);
  control->total_size = window_table;
  dsa_area* area = new_area(control, nullptr);
  use_segment(area, segment);
  return area;
}

dsa_area* dsa_create_in_place(void* place, size_t size, int tranche_id, dsm_segment* segment) {
  if (size < dsa_minimum_size())
    elog(ERROR, "dsa_area space must be at least %zu, but %zu provided", dsa_minimum_size(), size);
  auto* control = static_cast<Control*>(place);
  auto* memory = static_cast<char*>(place);
  init_control(control, tranche_id);
  control->made_in_place = true;
  control->references = 1;
  control->place_size = control->total_size = size;
  control->place_table = MAXALIGN(sizeof(Control));
  const Size left = size > control->place_table ? size - control->place_table : 0;
  FreePageManagerInitialize(&control->place_runs, memory);
  // Pages are counted from the place's beginning; the table takes up to a page more than its entries.
  for (Size pages = left / (page + sizeof(PageInfo)); pages > 0; pages--) {
    const Size first = (control->place_table + pages * sizeof(PageInfo) + page - 1) / page;
    if ((first + pages) * page > size) continue;
    control->place_first = first;
    control->place_pages = pages;
    memset(memory + control->place_table, 0, pages * sizeof(PageInfo));
    FreePageManagerPut(&control->place_runs, first, pages);
    break;
  }
  dsa_area* area = new_area(control, memory);
  if (segment) on_dsm_detach(segment, dsa_on_dsm_detach_release_in_place, PointerGetDatum(place));
  return area;
}

dsa_area* dsa_attach(dsa_handle handle) {
  dsm_segment* segment = dsm_attach(handle);
  if (!segment) cannot_attach();
  auto* memory = static_cast<char*>(dsm_segment_address(segment));
  auto* control = reinterpret_cast<Control*>(memory + window_control);
  if (control->magic != area_magic) {
    dsm_detach(segment);
    cannot_attach();
  }
  dsa_area* area = new_area(control, nullptr);
  use_segment(area, segment);
  return area;
}

dsa_area* dsa_attach_in_place(void* place, dsm_segment* segment) {
  auto* control = static_cast<Control*>(place);
  if (control->magic != area_magic) cannot_attach();
  dsa_area* area = new_area(control, static_cast<char*>(place));
  // Nobody may leave between the two: the reference would stay.
  bgw::enter_critical();
  LWLockAcquire(&control->lock, LW_EXCLUSIVE);
  const bool alive = control->references > 0;
  if (alive) control->references++;
  LWLockRelease(&control->lock);
  if (!alive) cannot_attach();
  if (segment) on_dsm_detach(segment, dsa_on_dsm_detach_release_in_place, PointerGetDatum(place));
  bgw::leave_critical();
  return area;
}

void dsa_release_in_place(void* place) {
  drop_area_reference(static_cast<Control*>(place));
}

void dsa_on_dsm_detach_release_in_place(dsm_segment* segment, Datum place) {
  dsa_release_in_place(DatumGetPointer(place));
}

void dsa_on_shmem_exit_release_in_place(int code, Datum place) {
  dsa_release_in_place(DatumGetPointer(place));
}

void dsa_pin_mapping(dsa_area* area) {
  area->mapping_pinned = true;
  if (area->segment) dsm_pin_mapping(area->segment);
}

void dsa_detach(dsa_area* area) {
  if (area->segment) dsm_detach(area->segment);
  pfree(area);
}

void dsa_pin(dsa_area* area) {
  Control* control = area->control;
  bgw::enter_critical();
  LWLockAcquire(&control->lock, LW_EXCLUSIVE);
  const bool was_pinned = control->pinned;
  control->pinned = true;
  if (!was_pinned) control->references++;
  LWLockRelease(&control->lock);
  if (was_pinned) elog(ERROR, "dsa_area already pinned");
  if (!control->made_in_place) dsm_pin_segment(area->segment);
  bgw::leave_critical();
}

void dsa_unpin(dsa_area* area) {
  Control* control = area->control;
  bgw::enter_critical();
  LWLockAcquire(&control->lock, LW_EXCLUSIVE);
  const bool was_pinned = control->pinned;
  control->pinned = false;
  if (was_pinned) control->references--;
  LWLockRelease(&control->lock);
  if (!was_pinned) elog(ERROR, "dsa_area not pinned");
  if (!control->made_in_place) dsm_unpin_segment(control->window);
  bgw::leave_critical();
}

void dsa_set_size_limit(dsa_area* area, size_t limit) {
  LWLockAcquire(&area->control->lock, LW_EXCLUSIVE);
  area->control->size_limit = limit;
  LWLockRelease(&area->control->lock);
}

size_t dsa_minimum_size(void) {
  return MAXALIGN(sizeof(Control));
}

dsa_handle dsa_get_handle(dsa_area* area) {
  Assert(!area->control->made_in_place);
  return area->control->window;
}

dsa_pointer dsa_allocate_extended(dsa_area* area, size_t size, int flags) {
  Assert(size > 0);
  if (((flags & DSA_ALLOC_HUGE) && !AllocHugeSizeIsValid(size)) ||
      (!(flags & DSA_ALLOC_HUGE) && !AllocSizeIsValid(size)))
    elog(ERROR, "invalid DSA memory alloc request size %zu", size);
  bgw::enter_critical();
  // No window holds more, and a page count fits its field.
  dsa_pointer object = InvalidDsaPointer;
  if (size <= largest_small)
    object = allocate_small(area, size);
  else if (size <= bgw::dsm_largest)
    object = allocate_large(area, size);
  bgw::leave_critical();
  if (!DsaPointerIsValid(object)) {
    if (!(flags & DSA_ALLOC_NO_OOM))
      ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
                      errdetail("Failed on DSA request of size %zu.", size)));
    return InvalidDsaPointer;
  }
  if (flags & DSA_ALLOC_ZERO) memset(address_of(area, object), 0, size);
  return object;
}

void dsa_free(dsa_area* area, dsa_pointer dp) {
  bgw::enter_critical();
  PageInfo* info = info_of(area, dp);
  dsa_pointer first = dp - dp % page;
  if (info->kind == PageKind::slab_rest) {
    first -= static_cast<Size>(info->back) * page;
    info -= info->back;
  }
  switch (info->kind) {
    case PageKind::slab:
      free_small(area, dp, first, info);
      break;
    case PageKind::large:
      LWLockAcquire(&area->control->lock, LW_EXCLUSIVE);
      give_pages(area, first, info->pages);
      LWLockRelease(&area->control->lock);
      break;
    case PageKind::none:
    case PageKind::slab_rest:
      elog(ERROR, "dsa_pointer " DSA_POINTER_FORMAT " is not allocated", dp);
  }
  bgw::leave_critical();
}

void* dsa_get_address(dsa_area* area, dsa_pointer dp) {
  if (!DsaPointerIsValid(dp)) return nullptr;
  return address_of(area, dp);
}

// Gives back what is not in use: empty slabs, the window's end, and the memory behind free pages.
void dsa_trim(dsa_area* area) {
  Control* control = area->control;
  bgw::enter_critical();
  for (int size_class = 0; size_class < size_classes; size_class++) {
    Pool* pool = &control->pools[size_class];
    LWLockAcquire(&pool->lock, LW_EXCLUSIVE);
    for (dsa_pointer slab = pool->slabs; DsaPointerIsValid(slab);) {
      PageInfo* info = info_of(area, slab);
      const dsa_pointer next = info->next;
      if (info->free_count == slab_objects(size_class)) drop_slab(area, pool, slab, size_class);
      slab = next;
    }
    LWLockRelease(&pool->lock);
  }

  LWLockAcquire(&control->lock, LW_EXCLUSIVE);
  see_whole_window(area);
  if (area->segment) {
    WindowHead* head = head_of(area);
    struct Last {
      dsa_area* area;
      Size first, pages;
    } last = {area, 0, 0};
    bgw::visit_free_runs(
        &head->runs,
        [](Size first, Size pages, void* argument) {
          auto* seen = static_cast<Last*>(argument);
          seen->first = first;
          seen->pages = pages;
          bgw::dsm_release_part(seen->area->segment, (first + 1) * page, (pages - 1) * page);
        },
        &last);
    if (last.pages > 0 && last.first + last.pages == head->first_page + head->data_pages) {
      const Size left = last.first - head->first_page;
      const Size old_table = TYPEALIGN(page, head->data_pages * sizeof(PageInfo));
      const Size new_table = TYPEALIGN(page, left * sizeof(PageInfo));
      bgw::take_free_run(&head->runs, last.first);
      bgw::dsm_release_part(area->segment, head->table + new_table, old_table - new_table);
      control->total_size -= last.pages * page + (old_table - new_table);
      __atomic_store_n(&head->data_pages, left, __ATOMIC_RELEASE);
      bgw::dsm_release_part(area->segment, last.first * page, page);
    }
  }
  LWLockRelease(&control->lock);
  bgw::leave_critical();
}

// For the developer, to standard error.
void dsa_dump(dsa_area* area) {
  Control* control = area->control;
  for (int size_class = 0; size_class < size_classes; size_class++) {
    Pool* pool = &control->pools[size_class];
    LWLockAcquire(&pool->lock, LW_SHARED);
    if (DsaPointerIsValid(pool->slabs)) fprintf(stderr, "objects of %zu bytes:\n", class_size(size_class));
    for (dsa_pointer slab = pool->slabs; DsaPointerIsValid(slab); slab = info_of(area, slab)->next)
      fprintf(stderr, "  slab " DSA_POINTER_FORMAT ": %d of %d free\n", slab, info_of(area, slab)->free_count,
              slab_objects(size_class));
    LWLockRelease(&pool->lock);
  }
  LWLockAcquire(&control->lock, LW_SHARED);
  see_whole_window(area);
  fprintf(stderr, "total size %zu, limit %zu, %d references, %s\n", control->total_size, control->size_limit,
          control->references, control->pinned ? "pinned" : "not pinned");
  if (area->segment) {
    char* runs = FreePageManagerDump(&head_of(area)->runs);
    fprintf(stderr, "window of %zu pages, free:\n%s", head_of(area)->data_pages, runs);
    pfree(runs);
  }
  LWLockRelease(&control->lock);
}

}  // extern "C"
