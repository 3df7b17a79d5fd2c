// Hash tables in a dynamic shared area (lib/dshash.h): they grow with their entries, and processes that use
// different parts of one do not wait for each other.
//
// Mechanism. A table is 128 partitions, chosen by the upper bits of the hash value. Each is a hash table of its
// own, with its lock, its array of buckets and its count; an entry that is found stays locked through its
// partition.
//
// Invariants:
//  1. Everything of a partition - array, chains, entries - is read with its lock held, and changed with it held
//     exclusively. No process holds the locks of two partitions because of one table.
//  2. A partition doubles its array when it has more entries than buckets, and never halves it. It can do so at
//  any
//     insertion, because nobody else can be between two of its entries then.
//  3. Memory is got before anything is changed: a failed insertion leaves the table as it was.
//  4. The default SIGTERM handler does not come between the first change of a partition and the last
//     (bridge/critical.hpp): its lock is let go at the end of the process, and others go on.
#include "bridge/critical.hpp"

extern "C" {
#include "postgres.h"
#include "common/hashfn.h"
#include "lib/dshash.h"
#include "storage/lwlock.h"
#include "utils/memutils.h"
}

// What stands before each entry.
struct dshash_table_item {
  dsa_pointer next;  // in the bucket's chain
  dshash_hash hash;
};

namespace {

using Item = dshash_table_item;

constexpr uint32 table_magic = 0x75FF6A20;
constexpr int partition_bits = 7;
constexpr int partition_count = 1 << partition_bits;
constexpr uint32 first_buckets = 8;
constexpr Size item_head = MAXALIGN(sizeof(Item));

struct Partition {
  LWLock lock;
  uint32 buckets;  // 0 or a power of two
  uint32 entries;
  dsa_pointer array;  // of `buckets` pointers to items
  char padding[64 - sizeof(LWLock) - 2 * sizeof(uint32) - sizeof(dsa_pointer)];
};

struct Control {
  uint32 magic;
  dshash_table_handle handle;  // this object's own
  Partition partitions[partition_count];
};

}  // namespace

struct dshash_table {
  dsa_area* area;
  dshash_parameters parameters;
  void* argument;  // for the parameters' functions
  Control* control;
};

namespace {

int partition_of(dshash_hash hash) {
  return static_cast<int>(hash >> (32 - partition_bits));
}

void* entry_of(Item* item) {
  return reinterpret_cast<char*>(item) + item_head;
}
Item* item_of(void* entry) {
  return reinterpret_cast<Item*>(static_cast<char*>(entry) - item_head);
}
Item* item_at(dshash_table* table, dsa_pointer pointer) {
  return static_cast<Item*>(dsa_get_address(table->area, pointer));
}
dsa_pointer* array_of(dshash_table* table, const Partition& partition) {
  return static_cast<dsa_pointer*>(dsa_get_address(table->area, partition.array));
}

dshash_hash hash_key(dshash_table* table, const void* key) {
  return table->parameters.hash_function(key, table->parameters.key_size, table->argument);
}

// The link to the entry with this key; a link to nothing if there is none, null if there are no buckets.
dsa_pointer* find_link(dshash_table* table, const Partition& partition, const void* key, dshash_hash hash) {
  if (partition.buckets == 0) return nullptr;
  dsa_pointer* link = &array_of(table, partition)[hash & (partition.buckets - 1)];
  while (DsaPointerIsValid(*link)) {
    Item* item = item_at(table, *link);
    if (item->hash == hash && table->parameters.compare_function(
                                  key, entry_of(item), table->parameters.key_size, table->argument) == 0)
      break;
    link = &item->next;
  }
  return link;
}

dsa_pointer* find_link_to(dshash_table* table, const Partition& partition, const Item* wanted) {
  dsa_pointer* link = &array_of(table, partition)[wanted->hash & (partition.buckets - 1)];
  for (;;) {
    if (!DsaPointerIsValid(*link)) elog(ERROR, "entry is not in the dshash table");
    Item* item = item_at(table, *link);
    if (item == wanted) return link;
    link = &item->next;
  }
}

void remove_at(dshash_table* table, Partition& partition, dsa_pointer* link) {
  bgw::enter_critical();
  const dsa_pointer pointer = *link;
  *link = item_at(table, pointer)->next;
  partition.entries--;
  dsa_free(table->area, pointer);
  bgw::leave_critical();
}

// Invariant 2. Without memory the chains just get longer, unless there is no array at all.
void make_room(dshash_table* table, Partition& partition) {
  if (partition.entries < partition.buckets) return;
  const uint32 buckets = partition.buckets ? partition.buckets * 2 : first_buckets;
  if (buckets == 0) return;
  const int flags = DSA_ALLOC_ZERO | DSA_ALLOC_HUGE | (partition.buckets ? DSA_ALLOC_NO_OOM : 0);
  const dsa_pointer array = dsa_allocate_extended(table->area, buckets * sizeof(dsa_pointer), flags);
  if (!DsaPointerIsValid(array)) return;
  auto* to = static_cast<dsa_pointer*>(dsa_get_address(table->area, array));
  dsa_pointer* from = partition.buckets ? array_of(table, partition) : nullptr;
  for (uint32 i = 0; i < partition.buckets; i++)
    for (dsa_pointer pointer = from[i]; DsaPointerIsValid(pointer);) {
      Item* item = item_at(table, pointer);
      const dsa_pointer next = item->next;
      dsa_pointer* bucket = &to[item->hash & (buckets - 1)];
      item->next = *bucket;
      *bucket = pointer;
      pointer = next;
    }
  const dsa_pointer before = partition.array;
  partition.array = array;
  partition.buckets = buckets;
  if (DsaPointerIsValid(before)) dsa_free(table->area, before);
}

dshash_table* new_table(dsa_area* area, const dshash_parameters* params, void* arg) {
  auto* table = static_cast<dshash_table*>(palloc(sizeof(dshash_table)));
  *table = {area, *params, arg, nullptr};
  return table;
}

void lock(Partition& partition, bool exclusive) {
  LWLockAcquire(&partition.lock, exclusive ? LW_EXCLUSIVE : LW_SHARED);
}

// Scans: `curpartition` is the one whose lock is held, -1 before the first and partition_count after the last.
bool enter_partition(dshash_seq_status* status, int number) {
  status->curpartition = number;
  status->curbucket = 0;
  status->curitem = nullptr;
  if (number == partition_count) return false;
  Partition& partition = status->hash_table->control->partitions[number];
  lock(partition, status->exclusive);
  status->nbuckets = static_cast<int>(partition.buckets);
  status->pnextitem = partition.buckets ? array_of(status->hash_table, partition)[0] : InvalidDsaPointer;
  return true;
}

void leave_partition(dshash_seq_status* status) {
  if (status->curpartition >= 0 && status->curpartition < partition_count)
    LWLockRelease(&status->hash_table->control->partitions[status->curpartition].lock);
}

}  // namespace

extern "C" {

dshash_table* dshash_create(dsa_area* area, const dshash_parameters* params, void* arg) {
  dshash_table* table = new_table(area, params, arg);
  const dsa_pointer handle = dsa_allocate0(area, sizeof(Control));
  table->control = static_cast<Control*>(dsa_get_address(area, handle));
  table->control->magic = table_magic;
  table->control->handle = handle;
  for (Partition& partition : table->control->partitions) LWLockInitialize(&partition.lock, params->tranche_id);
  return table;
}

dshash_table* dshash_attach(dsa_area* area, const dshash_parameters* params, dshash_table_handle handle,
                            void* arg) {
  auto* control = static_cast<Control*>(dsa_get_address(area, handle));
  if (!control || control->magic != table_magic) elog(ERROR, "there is no dshash table with this handle");
  dshash_table* table = new_table(area, params, arg);
  table->control = control;
  return table;
}

void dshash_detach(dshash_table* hash_table) {
  pfree(hash_table);
}

// For the only user that is left.
void dshash_destroy(dshash_table* hash_table) {
  Control* control = hash_table->control;
  bgw::enter_critical();
  for (Partition& partition : control->partitions) {
    if (partition.buckets == 0) continue;
    dsa_pointer* array = array_of(hash_table, partition);
    for (uint32 i = 0; i < partition.buckets; i++)
      while (DsaPointerIsValid(array[i])) remove_at(hash_table, partition, &array[i]);
    dsa_free(hash_table->area, partition.array);
  }
  control->magic = 0;
  dsa_free(hash_table->area, control->handle);
  bgw::leave_critical();
  pfree(hash_table);
}

dshash_table_handle dshash_get_hash_table_handle(dshash_table* hash_table) {
  return hash_table->control->handle;
}

void* dshash_find(dshash_table* hash_table, const void* key, bool exclusive) {
  const dshash_hash hash = hash_key(hash_table, key);
  Partition& partition = hash_table->control->partitions[partition_of(hash)];
  lock(partition, exclusive);
  dsa_pointer* link = find_link(hash_table, partition, key, hash);
  if (link && DsaPointerIsValid(*link)) return entry_of(item_at(hash_table, *link));
  LWLockRelease(&partition.lock);
  return nullptr;
}

void* dshash_find_or_insert(dshash_table* hash_table, const void* key, bool* found) {
  const dshash_hash hash = hash_key(hash_table, key);
  Partition& partition = hash_table->control->partitions[partition_of(hash)];
  lock(partition, true);
  dsa_pointer* link = find_link(hash_table, partition, key, hash);
  *found = link && DsaPointerIsValid(*link);
  if (*found) return entry_of(item_at(hash_table, *link));

  bgw::enter_critical();
  make_room(hash_table, partition);
  const dsa_pointer pointer = dsa_allocate(hash_table->area, item_head + hash_table->parameters.entry_size);
  Item* item = item_at(hash_table, pointer);
  dsa_pointer* bucket = &array_of(hash_table, partition)[hash & (partition.buckets - 1)];
  item->hash = hash;
  item->next = *bucket;
  memcpy(entry_of(item), key, hash_table->parameters.key_size);
  *bucket = pointer;
  partition.entries++;
  bgw::leave_critical();
  return entry_of(item);
}

bool dshash_delete_key(dshash_table* hash_table, const void* key) {
  const dshash_hash hash = hash_key(hash_table, key);
  Partition& partition = hash_table->control->partitions[partition_of(hash)];
  lock(partition, true);
  dsa_pointer* link = find_link(hash_table, partition, key, hash);
  const bool found = link && DsaPointerIsValid(*link);
  if (found) remove_at(hash_table, partition, link);
  LWLockRelease(&partition.lock);
  return found;
}

// The entry was found for exclusive use; its lock is let go with it.
void dshash_delete_entry(dshash_table* hash_table, void* entry) {
  Item* item = item_of(entry);
  Partition& partition = hash_table->control->partitions[partition_of(item->hash)];
  Assert(LWLockHeldByMeInMode(&partition.lock, LW_EXCLUSIVE));
  remove_at(hash_table, partition, find_link_to(hash_table, partition, item));
  LWLockRelease(&partition.lock);
}

void dshash_release_lock(dshash_table* hash_table, void* entry) {
  LWLockRelease(&hash_table->control->partitions[partition_of(item_of(entry)->hash)].lock);
}

void dshash_seq_init(dshash_seq_status* status, dshash_table* hash_table, bool exclusive) {
  *status = {.hash_table = hash_table,
             .curbucket = 0,
             .nbuckets = 0,
             .curitem = nullptr,
             .pnextitem = InvalidDsaPointer,
             .curpartition = -1,
             .exclusive = exclusive};
}

// The next entry, locked until the next call; null at the end, when no lock is held any more.
void* dshash_seq_next(dshash_seq_status* status) {
  dshash_table* table = status->hash_table;
  if (status->curpartition == partition_count) return nullptr;
  if (status->curpartition < 0) enter_partition(status, 0);
  while (!DsaPointerIsValid(status->pnextitem)) {
    if (++status->curbucket < status->nbuckets) {
      status->pnextitem = array_of(table, table->control->partitions[status->curpartition])[status->curbucket];
      continue;
    }
    leave_partition(status);
    if (!enter_partition(status, status->curpartition + 1)) return nullptr;
  }
  status->curitem = item_at(table, status->pnextitem);
  status->pnextitem = status->curitem->next;  // the current one may be deleted
  return entry_of(status->curitem);
}

void dshash_seq_term(dshash_seq_status* status) {
  leave_partition(status);
  status->curpartition = partition_count;
}

void dshash_delete_current(dshash_seq_status* status) {
  Assert(status->exclusive && status->curitem);
  Partition& partition = status->hash_table->control->partitions[status->curpartition];
  remove_at(status->hash_table, partition, find_link_to(status->hash_table, partition, status->curitem));
  status->curitem = nullptr;
}

int dshash_memcmp(const void* a, const void* b, size_t size, void* arg) {
  return memcmp(a, b, size);
}

dshash_hash dshash_memhash(const void* v, size_t size, void* arg) {
  return tag_hash(v, size);
}

// For the developer, to standard error.
void dshash_dump(dshash_table* hash_table) {
  for (int i = 0; i < partition_count; i++) {
    Partition& partition = hash_table->control->partitions[i];
    lock(partition, false);
    fprintf(stderr, "partition %d: %u entries, %u buckets\n", i, partition.entries, partition.buckets);
    LWLockRelease(&partition.lock);
  }
}

}  // extern "C"
