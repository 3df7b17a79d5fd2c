// Hash tables, in a process's own memory or in shared memory: linear hashing over a directory of segments.
//
// A table starts with the buckets it is expected to need and adds one bucket at a time, splitting the bucket
// whose turn it is, so no insertion ever moves the whole table. The directory of a local table grows; that of
// a shared table lies right behind its header and cannot.
//
// Invariants:
//  1. A hash value's bucket is (hash & high_mask), or (hash & low_mask) if that bucket does not exist yet.
//  2. Buckets are not split while a sequential scan runs, nor in a frozen or partitioned table. So a scan
//     sees each entry once, and a partition's lock covers its buckets for good.
//  3. In a partitioned table, entries and buckets are guarded by the caller's partition locks; the lists of
//     free elements, which partitions share, by a spinlock each.
//  4. The default SIGTERM handler does not come between the first change of a shared table and the last
//     (bridge/critical.hpp): the lock is let go at the end of the process, and others go on.
// A shared table's pointers are good in every process because all of them inherit one mapping.
#include "bridge/critical.hpp"

#include <bit>

extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "common/hashfn.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/dynahash.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
}

typedef HASHELEMENT* HashBucket;
typedef HashBucket* HashSegment;

namespace {

constexpr int kFreeLists = 32;
constexpr long kSegmentSize = 256;
constexpr long kDirectorySize = 256;

// Free elements, and the number of used ones that belong to this list.
union FreeList {
  struct {
    HASHELEMENT* elements;
    int64 entries;
    slock_t mutex;  // guards both in a partitioned table; elsewhere the table's lock does
  };
  char padding[PG_CACHE_LINE_SIZE];  // lists are used by different processes
};

}  // namespace

// The part of a table that all processes see, followed by its free lists (one, or kFreeLists if partitioned)
// and, in shared memory, by the directory. Written under the table's lock once it is set up.
struct HASHHDR {
  uint32 max_bucket;  // the last bucket that exists
  uint32 high_mask;
  uint32 low_mask;
  long segments;
  long directory_size;
  long max_directory_size;  // NO_MAX_DSIZE: it may grow
  Size keysize;
  Size entrysize;
  long partitions;  // 0: not partitioned
  long segment_size;
  int segment_shift;
  int elements_at_once;
  bool fixed_size;  // no elements beyond the first
};

// The part of a table that this process has.
struct HTAB {
  HASHHDR* header;
  HashSegment* directory;
  HashValueFunc hash;
  HashCompareFunc match;
  HashCopyFunc keycopy;
  HashAllocFunc alloc;
  MemoryContext context;  // a local table's own
  char* name;
  bool shared;
  bool frozen;
  Size keysize;
  long segment_size;
  int segment_shift;
};

namespace {

constexpr Size kElementHeader = MAXALIGN(sizeof(HASHELEMENT));

void* key_of(HASHELEMENT* element) {
  return reinterpret_cast<char*>(element) + kElementHeader;
}
HASHELEMENT* element_of(void* key) {
  return reinterpret_cast<HASHELEMENT*>(static_cast<char*>(key) - kElementHeader);
}
Size element_size(const HASHHDR* header) {
  return kElementHeader + MAXALIGN(header->entrysize);
}

bool partitioned(const HASHHDR* header) {
  return header->partitions != 0;
}
FreeList& free_list(HASHHDR* header, int index) {
  return reinterpret_cast<FreeList*>(header + 1)[index];
}
Size header_size(bool with_partitions) {
  return sizeof(HASHHDR) + sizeof(FreeList) * (with_partitions ? kFreeLists : 1);
}
int free_list_of(const HASHHDR* header, uint32 hash) {
  return partitioned(header) ? static_cast<int>(hash % kFreeLists) : 0;
}

// Invariant 4.
void begin_change(const HTAB* table) {
  if (table->shared) bgw::enter_critical();
}
void end_change(const HTAB* table) {
  if (table->shared) bgw::leave_critical();
}

// Invariant 3. The default SIGTERM handler must not end the process with the spinlock held.
void lock_list(const HASHHDR* header, FreeList& list) {
  if (!partitioned(header)) return;
  bgw::enter_critical();
  SpinLockAcquire(&list.mutex);
}
void unlock_list(const HASHHDR* header, FreeList& list) {
  if (!partitioned(header)) return;
  SpinLockRelease(&list.mutex);
  bgw::leave_critical();
}

int match_strings(const void* key1, const void* key2, Size keysize) {
  return strncmp(static_cast<const char*>(key1), static_cast<const char*>(key2), keysize - 1);
}
void* copy_string(void* dest, const void* src, Size keysize) {
  strlcpy(static_cast<char*>(dest), static_cast<const char*>(src), keysize);
  return dest;
}

// Local tables allocate in their own context; the function's type leaves no room for it.
MemoryContext allocation_context = nullptr;
void* allocate_local(Size size) {
  return MemoryContextAllocExtended(allocation_context, size, MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE);
}
void* allocate(HTAB* table, Size size) {
  allocation_context = table->context;
  return table->alloc(size);
}

// How many elements to get at a time: about a page of small ones, never less than 32 at a go.
int choose_elements_at_once(Size entrysize) {
  Size size = kElementHeader + MAXALIGN(entrysize);
  return static_cast<int>(Max(32, 4096 / size));
}

long power_of_two(long number) {
  return static_cast<long>(std::bit_ceil(static_cast<uint64>(Max(number, 1))));
}

// More free elements for list `index`. False without memory, or when the table has all it may have.
bool add_elements(HTAB* table, long count, int index) {
  HASHHDR* header = table->header;
  Size size = element_size(header);
  char* memory = static_cast<char*>(allocate(table, static_cast<Size>(count) * size));
  if (!memory) return false;
  HASHELEMENT* chain = nullptr;
  for (long i = count; i-- > 0;) {
    HASHELEMENT* element = reinterpret_cast<HASHELEMENT*>(memory + static_cast<Size>(i) * size);
    element->link = chain;
    chain = element;
  }
  FreeList& list = free_list(header, index);
  HASHELEMENT* last = reinterpret_cast<HASHELEMENT*>(memory + static_cast<Size>(count - 1) * size);
  lock_list(header, list);
  last->link = list.elements;
  list.elements = chain;
  unlock_list(header, list);
  return true;
}

HASHELEMENT* take_from(HASHHDR* header, int index, int counted_at) {
  FreeList& list = free_list(header, index);
  lock_list(header, list);
  HASHELEMENT* element = list.elements;
  if (element) {
    list.elements = element->link;
    if (index == counted_at) list.entries++;
  }
  unlock_list(header, list);
  if (element && index != counted_at) {
    FreeList& counted = free_list(header, counted_at);
    lock_list(header, counted);
    counted.entries++;
    unlock_list(header, counted);
  }
  return element;
}

// A free element for an entry with this hash value; null when there is none to be had.
HASHELEMENT* take_element(HTAB* table, uint32 hash) {
  HASHHDR* header = table->header;
  int index = free_list_of(header, hash);
  for (;;) {
    if (HASHELEMENT* element = take_from(header, index, index)) return element;
    if (!header->fixed_size && add_elements(table, header->elements_at_once, index)) continue;
    if (!partitioned(header)) return nullptr;
    // The other partitions may have some left.
    for (int step = 1; step < kFreeLists; ++step)
      if (HASHELEMENT* element = take_from(header, (index + step) % kFreeLists, index)) return element;
    return nullptr;
  }
}

void give_element_back(HASHHDR* header, HASHELEMENT* element, uint32 hash) {
  FreeList& list = free_list(header, free_list_of(header, hash));
  lock_list(header, list);
  element->link = list.elements;
  list.elements = element;
  list.entries--;
  unlock_list(header, list);
}

uint32 bucket_number(const HASHHDR* header, uint32 hash) {
  uint32 bucket = hash & header->high_mask;
  return bucket <= header->max_bucket ? bucket : hash & header->low_mask;
}

HashBucket* bucket_at(HTAB* table, uint32 number) {
  return &table->directory[number >> table->segment_shift][number & (table->segment_size - 1)];
}

HashSegment new_segment(HTAB* table) {
  Size size = sizeof(HashBucket) * static_cast<Size>(table->segment_size);
  HashSegment segment = static_cast<HashSegment>(allocate(table, size));
  if (segment) memset(segment, 0, size);
  return segment;
}

bool grow_directory(HTAB* table) {
  HASHHDR* header = table->header;
  if (header->max_directory_size != NO_MAX_DSIZE) return false;
  long size = header->directory_size * 2;
  Size bytes = static_cast<Size>(size) * sizeof(HashSegment);
  HashSegment* directory = static_cast<HashSegment*>(allocate(table, bytes));
  if (!directory) return false;
  memset(directory, 0, bytes);
  memcpy(directory, table->directory, static_cast<Size>(header->directory_size) * sizeof(HashSegment));
  HashSegment* before = table->directory;
  table->directory = directory;
  header->directory_size = size;
  if (table->alloc == allocate_local) pfree(before);
  return true;
}

// Adds a bucket and moves to it what belongs there. Without memory the chains just get longer.
void split_bucket(HTAB* table) {
  HASHHDR* header = table->header;
  uint32 added = header->max_bucket + 1;
  long segment = added >> table->segment_shift;
  if (segment >= header->segments) {
    if (segment >= header->directory_size && !grow_directory(table)) return;
    if (!(table->directory[segment] = new_segment(table))) return;
    header->segments++;
  }
  uint32 split = added & header->low_mask;
  header->max_bucket = added;
  if (added > header->high_mask) {
    header->low_mask = header->high_mask;
    header->high_mask = added | header->low_mask;
  }
  HashBucket* stays = bucket_at(table, split);
  HashBucket* moves = bucket_at(table, added);
  for (HASHELEMENT* element = *stays; element;) {
    HASHELEMENT* next = element->link;
    HashBucket*& tail = bucket_number(header, element->hashvalue) == split ? stays : moves;
    *tail = element;
    tail = &element->link;
    element = next;
  }
  *stays = nullptr;
  *moves = nullptr;
}

// The chain's link to the first entry for which `same` holds; *link is null if there is none.
template <class Same>
HashBucket* find_in_chain(HashBucket* link, uint32 hash, Same same) {
  for (HASHELEMENT* element; (element = *link); link = &element->link)
    if (element->hashvalue == hash && same(key_of(element))) break;
  return link;
}

// Where the link to the entry is; *link is null if there is no such entry. Keys of a word are compared here, without
// a call: they are what most shared tables have.
HashBucket* find_link(HTAB* table, const void* key, uint32 hash) {
  HashBucket* link = bucket_at(table, bucket_number(table->header, hash));
  const Size keysize = table->keysize;
  if (table->match == memcmp && keysize == sizeof(uint64)) {
    uint64 wanted;
    memcpy(&wanted, key, sizeof wanted);
    return find_in_chain(link, hash, [wanted](const void* found) {
      return *static_cast<const uint64*>(found) == wanted;
    });
  }
  HashCompareFunc match = table->match;
  return find_in_chain(link, hash, [=](const void* found) { return match(found, key, keysize) == 0; });
}

// Sequential scans in progress, with the transaction nesting level they were begun at.
constexpr int kMaxScans = 100;
struct Scan {
  HTAB* table;
  int level;
} scans[kMaxScans];
int scan_count = 0;

bool has_scans(HTAB* table) {
  for (int i = 0; i < scan_count; ++i)
    if (scans[i].table == table) return true;
  return false;
}

void end_scan(HTAB* table) {
  // The latest first: scans of one table nest.
  for (int i = scan_count; i-- > 0;) {
    if (scans[i].table != table) continue;
    scans[i] = scans[--scan_count];
    return;
  }
  elog(ERROR, "no hash_seq_search scan for hash table \"%s\"", table->name);
}

void choose_functions(HTAB* table, const HASHCTL* info, int flags) {
  if (flags & HASH_FUNCTION)
    table->hash = info->hash;
  else if (flags & HASH_BLOBS)
    table->hash = info->keysize == sizeof(uint32) ? uint32_hash : tag_hash;
  else
    table->hash = string_hash;
  bool strings = table->hash == string_hash;
  table->match = (flags & HASH_COMPARE) ? info->match : strings ? match_strings : memcmp;
  table->keycopy = (flags & HASH_KEYCOPY) ? info->keycopy : strings ? copy_string : memcpy;
  table->alloc = (flags & HASH_ALLOC) ? info->alloc : allocate_local;
}

// Directory and buckets for `expected` entries.
bool make_buckets(HTAB* table, long expected) {
  HASHHDR* header = table->header;
  for (int i = 0; i < (partitioned(header) ? kFreeLists : 1); ++i) SpinLockInit(&free_list(header, i).mutex);
  long buckets = power_of_two(Max(expected, header->partitions));
  header->max_bucket = header->low_mask = static_cast<uint32>(buckets - 1);
  header->high_mask = static_cast<uint32>(buckets * 2 - 1);
  long segments = power_of_two((buckets - 1) / table->segment_size + 1);
  if (segments > header->directory_size) {
    if (table->directory) return false;
    header->directory_size = segments;
  }
  if (!table->directory) {
    Size bytes = static_cast<Size>(header->directory_size) * sizeof(HashSegment);
    table->directory = static_cast<HashSegment*>(allocate(table, bytes));
    if (!table->directory) return false;
    memset(table->directory, 0, bytes);
  }
  for (; header->segments < segments; header->segments++)
    if (!(table->directory[header->segments] = new_segment(table))) return false;
  return true;
}

// All elements of a table that cannot get them later.
void preallocate(HTAB* table, long count) {
  HASHHDR* header = table->header;
  int lists = partitioned(header) ? kFreeLists : 1;
  for (int i = 0; i < lists; ++i) {
    long share = count / lists + (i < count % lists ? 1 : 0);
    if (share > 0 && !add_elements(table, share, i))
      ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
  }
}

}  // namespace

extern "C" {

int my_log2(long num) {
  return num <= 1 ? 0 : static_cast<int>(std::bit_width(static_cast<uint64>(num - 1)));
}

HTAB* hash_create(const char* tabname, long nelem, const HASHCTL* info, int flags) {
  bool shared = (flags & HASH_SHARED_MEM) != 0;
  MemoryContext context;
  if (shared)
    context = TopMemoryContext;
  else {
    context = AllocSetContextCreate((flags & HASH_CONTEXT) ? info->hcxt : TopMemoryContext, "dynahash",
                                    ALLOCSET_DEFAULT_SIZES);
  }
  HTAB* table = static_cast<HTAB*>(MemoryContextAllocZero(context, sizeof(HTAB)));
  table->name = MemoryContextStrdup(context, tabname);
  if (!shared) MemoryContextSetIdentifier(context, table->name);
  table->context = context;
  table->shared = shared;
  choose_functions(table, info, flags);

  if (shared) {
    table->header = info->hctl;
    bool with_partitions = (flags & HASH_ATTACH) ? partitioned(info->hctl) : (flags & HASH_PARTITION) != 0;
    table->directory =
        reinterpret_cast<HashSegment*>(reinterpret_cast<char*>(table->header) + header_size(with_partitions));
    if (flags & HASH_ATTACH) {
      table->keysize = table->header->keysize;
      table->segment_size = table->header->segment_size;
      table->segment_shift = table->header->segment_shift;
      return table;
    }
  } else {
    table->header =
        static_cast<HASHHDR*>(MemoryContextAlloc(context, header_size((flags & HASH_PARTITION) != 0)));
  }

  HASHHDR* header = table->header;
  memset(static_cast<void*>(header), 0, header_size((flags & HASH_PARTITION) != 0));
  if (shared)
    memset(static_cast<void*>(table->directory), 0, static_cast<Size>(info->dsize) * sizeof(HashSegment));
  header->keysize = table->keysize = info->keysize;
  header->entrysize = info->entrysize;
  header->partitions = (flags & HASH_PARTITION) ? info->num_partitions : 0;
  header->segment_size = table->segment_size = (flags & HASH_SEGMENT) ? info->ssize : kSegmentSize;
  header->segment_shift = table->segment_shift = my_log2(header->segment_size);
  header->directory_size = (flags & HASH_DIRSIZE) ? info->dsize : kDirectorySize;
  header->max_directory_size = (flags & HASH_DIRSIZE) ? info->max_dsize : NO_MAX_DSIZE;
  header->elements_at_once = choose_elements_at_once(info->entrysize);

  if (!make_buckets(table, nelem)) {
    if (!shared) hash_destroy(table);
    elog(ERROR, "failed to initialize hash table \"%s\"", tabname);
  }
  if (shared || (flags & HASH_FIXED_SIZE)) preallocate(table, nelem);
  header->fixed_size = (flags & HASH_FIXED_SIZE) != 0;
  return table;
}

void hash_destroy(HTAB* hashp) {
  if (hashp && !hashp->shared) MemoryContextDelete(hashp->context);
}

// The space a shared table of this size needs at most.
Size hash_estimate_size(long num_entries, Size entrysize) {
  long buckets = power_of_two(num_entries);
  long segments = power_of_two((buckets - 1) / kSegmentSize + 1);
  Size size = header_size(true) + PG_CACHE_LINE_SIZE;
  size = add_size(size, mul_size(static_cast<Size>(hash_select_dirsize(num_entries)), sizeof(HashSegment)));
  // Each allocation may be rounded up to a cache line.
  size = add_size(
      size, mul_size(static_cast<Size>(segments), kSegmentSize * sizeof(HashBucket) + PG_CACHE_LINE_SIZE));
  Size element = kElementHeader + MAXALIGN(entrysize);
  int at_once = choose_elements_at_once(entrysize);
  Size batches = static_cast<Size>((num_entries - 1) / at_once + 1);
  size = add_size(size, mul_size(batches, at_once * element + PG_CACHE_LINE_SIZE));
  return add_size(size, kFreeLists * PG_CACHE_LINE_SIZE);
}

long hash_select_dirsize(long num_entries) {
  long segments = power_of_two((power_of_two(num_entries) - 1) / kSegmentSize + 1);
  return Max(kDirectorySize, segments);
}

// What must lie at info->hctl: the header and the directory behind it.
Size hash_get_shared_size(HASHCTL* info, int flags) {
  Assert((flags & HASH_DIRSIZE) && info->dsize == info->max_dsize);
  return header_size((flags & HASH_PARTITION) != 0) + static_cast<Size>(info->dsize) * sizeof(HashSegment);
}

uint32 get_hash_value(HTAB* hashp, const void* keyPtr) {
  return hashp->hash(keyPtr, hashp->keysize);
}

void* hash_search(HTAB* hashp, const void* keyPtr, HASHACTION action, bool* foundPtr) {
  return hash_search_with_hash_value(hashp, keyPtr, hashp->hash(keyPtr, hashp->keysize), action, foundPtr);
}

void* hash_search_with_hash_value(HTAB* hashp, const void* keyPtr, uint32 hashvalue, HASHACTION action,
                                  bool* foundPtr) {
  HASHHDR* header = hashp->header;
  bool entering = action == HASH_ENTER || action == HASH_ENTER_NULL;
  if (entering && !partitioned(header) && !hashp->frozen &&
      free_list(header, 0).entries > static_cast<int64>(header->max_bucket) && !has_scans(hashp)) {
    begin_change(hashp);
    split_bucket(hashp);
    end_change(hashp);
  }

  HashBucket* link = find_link(hashp, keyPtr, hashvalue);
  HASHELEMENT* element = *link;
  if (foundPtr) *foundPtr = element != nullptr;

  if (action == HASH_REMOVE && element) {
    begin_change(hashp);
    *link = element->link;
    // The caller may look at the removed entry until its next change of the table.
    give_element_back(header, element, hashvalue);
    end_change(hashp);
  }
  if (element) return key_of(element);
  if (!entering) return nullptr;

  if (hashp->frozen) elog(ERROR, "cannot insert into frozen hashtable \"%s\"", hashp->name);
  begin_change(hashp);
  element = take_element(hashp, hashvalue);
  if (!element) {
    end_change(hashp);
    if (action == HASH_ENTER_NULL) return nullptr;
    if (hashp->shared) ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of shared memory")));
    ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
  }
  element->link = nullptr;
  element->hashvalue = hashvalue;
  hashp->keycopy(key_of(element), keyPtr, hashp->keysize);
  *link = element;
  end_change(hashp);
  return key_of(element);
}

// Gives an entry another key, keeping its address. False if an entry has that key already.
bool hash_update_hash_key(HTAB* hashp, void* existingEntry, const void* newKeyPtr) {
  if (hashp->frozen) elog(ERROR, "cannot update in frozen hashtable \"%s\"", hashp->name);
  HASHELEMENT* element = element_of(existingEntry);
  HashBucket* from = bucket_at(hashp, bucket_number(hashp->header, element->hashvalue));
  while (*from && *from != element) from = &(*from)->link;
  if (!*from) elog(ERROR, "hash_update_hash_key argument is not in hashtable \"%s\"", hashp->name);

  uint32 hash = get_hash_value(hashp, newKeyPtr);
  HashBucket* to = find_link(hashp, newKeyPtr, hash);
  if (*to) return false;
  begin_change(hashp);
  if (bucket_number(hashp->header, hash) != bucket_number(hashp->header, element->hashvalue)) {
    *from = element->link;
    element->link = nullptr;
    *to = element;
  }
  element->hashvalue = hash;
  hashp->keycopy(key_of(element), newKeyPtr, hashp->keysize);
  end_change(hashp);
  return true;
}

long hash_get_num_entries(HTAB* hashp) {
  HASHHDR* header = hashp->header;
  int64 total = free_list(header, 0).entries;
  if (partitioned(header))
    for (int i = 1; i < kFreeLists; ++i) total += free_list(header, i).entries;
  return static_cast<long>(total);
}

void hash_seq_init(HASH_SEQ_STATUS* status, HTAB* hashp) {
  status->hashp = hashp;
  status->curBucket = 0;
  status->curEntry = nullptr;
  if (hashp->frozen) return;
  if (scan_count >= kMaxScans)
    elog(ERROR, "too many active hash_seq_search scans, cannot start one on \"%s\"", hashp->name);
  scans[scan_count++] = {hashp, GetCurrentTransactionNestLevel()};
}

// The next entry; null at the end, which also ends the scan. The entry returned last may be removed.
void* hash_seq_search(HASH_SEQ_STATUS* status) {
  HASHELEMENT* element = status->curEntry;
  if (!element) {
    HTAB* table = status->hashp;
    uint32 last = table->header->max_bucket;
    uint32 bucket = status->curBucket;
    while (bucket <= last && !(element = *bucket_at(table, bucket))) bucket++;
    status->curBucket = bucket;
    if (!element) {
      hash_seq_term(status);
      return nullptr;
    }
  }
  status->curEntry = element->link;
  if (!status->curEntry) status->curBucket++;
  return key_of(element);
}

void hash_seq_term(HASH_SEQ_STATUS* status) {
  if (!status->hashp->frozen) end_scan(status->hashp);
}

// No entry will be added any more: scans need no bookkeeping from now on.
void hash_freeze(HTAB* hashp) {
  if (hashp->shared) elog(ERROR, "cannot freeze shared hashtable \"%s\"", hashp->name);
  if (!hashp->frozen && has_scans(hashp))
    elog(ERROR, "cannot freeze hashtable \"%s\" because it has active scans", hashp->name);
  hashp->frozen = true;
}

void hash_stats(const char* where, HTAB* hashp) {
  write_stderr("%s: hash table \"%s\": %ld entries, %u buckets\n", where, hashp->name,
               hash_get_num_entries(hashp), hashp->header->max_bucket + 1);
}

// A scan that outlives a committed transaction was forgotten; after an abort that is to be expected.
void AtEOXact_HashTables(bool isCommit) {
  if (isCommit)
    for (int i = 0; i < scan_count; ++i)
      elog(WARNING, "leaked hash_seq_search scan for hash table %p", static_cast<void*>(scans[i].table));
  scan_count = 0;
}

void AtEOSubXact_HashTables(bool isCommit, int nestDepth) {
  for (int i = scan_count; i-- > 0;) {
    if (scans[i].level < nestDepth) continue;
    if (isCommit)
      elog(WARNING, "leaked hash_seq_search scan for hash table %p", static_cast<void*>(scans[i].table));
    scans[i] = scans[--scan_count];
  }
}

}  // extern "C"
