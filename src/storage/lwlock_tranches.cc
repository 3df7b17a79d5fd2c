// Where lightweight locks lie and what they are called: the main array with the server's individual locks at
// the server's places, the tranches that modules ask for by name, and the numbers they take at run time.
//
// The arrays are made by the postmaster with the shared region (CreateLWLocks); requests are collected before,
// in the postmaster's own memory, and survive a crash reset. Names of tranches registered at run time are each
// process's own, children inheriting what the postmaster knew at the fork. The counter of numbers is shared and
// atomic.
#include <cstring>

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"
}

#include "storage/lwlock_tranches.hpp"

namespace {

// In the order of storage/lwlocknames.h; numbers that the server no longer uses have no name.
const char* const individual_names[] = {"<unassigned:0>",
                                        "ShmemIndex",
                                        "OidGen",
                                        "XidGen",
                                        "ProcArray",
                                        "SInvalRead",
                                        "SInvalWrite",
                                        "WALBufMapping",
                                        "WALWrite",
                                        "ControlFile",
                                        "<unassigned:10>",
                                        "XactSLRU",
                                        "SubtransSLRU",
                                        "MultiXactGen",
                                        "MultiXactOffsetSLRU",
                                        "MultiXactMemberSLRU",
                                        "RelCacheInit",
                                        "CheckpointerComm",
                                        "TwoPhaseState",
                                        "TablespaceCreate",
                                        "BtreeVacuum",
                                        "AddinShmemInit",
                                        "Autovacuum",
                                        "AutovacuumSchedule",
                                        "SyncScan",
                                        "RelationMapping",
                                        "NotifySLRU",
                                        "NotifyQueue",
                                        "SerializableXactHash",
                                        "SerializableFinishedList",
                                        "SerializablePredicateList",
                                        "SerialSLRU",
                                        "SyncRep",
                                        "BackgroundWorker",
                                        "DynamicSharedMemoryControl",
                                        "AutoFile",
                                        "ReplicationSlotAllocation",
                                        "ReplicationSlotControl",
                                        "CommitTsSLRU",
                                        "CommitTs",
                                        "ReplicationOrigin",
                                        "MultiXactTruncation",
                                        "OldSnapshotTimeMap",
                                        "LogicalRepWorker",
                                        "XactTruncation",
                                        "<unassigned:45>",
                                        "WrapLimitsVacuum",
                                        "NotifyQueueTail"};
static_assert(lengthof(individual_names) == NUM_INDIVIDUAL_LWLOCKS);

// In the order of BuiltinTrancheIds.
const char* const builtin_names[] = {"XactBuffer",
                                     "CommitTsBuffer",
                                     "SubtransBuffer",
                                     "MultiXactOffsetBuffer",
                                     "MultiXactMemberBuffer",
                                     "NotifyBuffer",
                                     "SerialBuffer",
                                     "WALInsert",
                                     "BufferContent",
                                     "ReplicationOriginState",
                                     "ReplicationSlotIO",
                                     "LockFastPath",
                                     "BufferMapping",
                                     "LockManager",
                                     "PredicateLockManager",
                                     "ParallelHashJoin",
                                     "ParallelQueryDSA",
                                     "PerSessionDSA",
                                     "PerSessionRecordType",
                                     "PerSessionRecordTypmod",
                                     "SharedTupleStore",
                                     "SharedTidBitmap",
                                     "ParallelAppend",
                                     "PerXactPredicateList",
                                     "PgStatsDSA",
                                     "PgStatsHash",
                                     "PgStatsData"};
static_assert(lengthof(builtin_names) == LWTRANCHE_FIRST_USER_DEFINED - NUM_INDIVIDUAL_LWLOCKS);

struct TrancheRequest {
  char name[NAMEDATALEN];
  int lock_count;
};

// The postmaster's own, in TopMemoryContext.
TrancheRequest* requests = nullptr;
int request_capacity = 0;

// Each process's own, in TopMemoryContext, indexed from the first user-defined tranche; null where unknown.
const char** registered_names = nullptr;
int registered_capacity = 0;

pg_atomic_uint32* next_tranche_id = nullptr;  // in shared memory

int named_lock_count() {
  int count = 0;
  for (int i = 0; i < NamedLWLockTrancheRequests; i++) count += requests[i].lock_count;
  return count;
}

void initialize_range(int first, int count, int tranche_id) {
  for (int i = first; i < first + count; i++) LWLockInitialize(&MainLWLockArray[i].lock, tranche_id);
}

}  // namespace

namespace bgw {

const char* tranche_name(uint16 tranche_id) {
  if (tranche_id < NUM_INDIVIDUAL_LWLOCKS) return individual_names[tranche_id];
  if (tranche_id < LWTRANCHE_FIRST_USER_DEFINED) return builtin_names[tranche_id - NUM_INDIVIDUAL_LWLOCKS];
  int index = tranche_id - LWTRANCHE_FIRST_USER_DEFINED;
  if (index < registered_capacity && registered_names[index]) return registered_names[index];
  return "extension";
}

}  // namespace bgw

extern "C" {

LWLockPadded* MainLWLockArray = nullptr;
NamedLWLockTranche* NamedLWLockTrancheArray = nullptr;
int NamedLWLockTrancheRequests = 0;

void RequestNamedLWLockTranche(const char* tranche_name, int num_lwlocks) {
  if (!process_shmem_requests_in_progress)
    elog(FATAL, "cannot request additional LWLocks outside shmem_request_hook");
  if (NamedLWLockTrancheRequests >= request_capacity) {
    int capacity = request_capacity ? request_capacity * 2 : 16;
    TrancheRequest* larger = static_cast<TrancheRequest*>(
        MemoryContextAllocZero(TopMemoryContext, capacity * sizeof(TrancheRequest)));
    if (requests) {
      memcpy(larger, requests, request_capacity * sizeof(TrancheRequest));
      pfree(requests);
    }
    requests = larger;
    request_capacity = capacity;
  }
  TrancheRequest* request = &requests[NamedLWLockTrancheRequests];
  strlcpy(request->name, tranche_name, NAMEDATALEN);
  request->lock_count = num_lwlocks;
  NamedLWLockTrancheRequests++;
}

Size LWLockShmemSize(void) {
  Size size = PG_CACHE_LINE_SIZE;  // the counter
  size = add_size(size, mul_size(NUM_FIXED_LWLOCKS + named_lock_count(), sizeof(LWLockPadded)));
  size = add_size(size, mul_size(NamedLWLockTrancheRequests, sizeof(NamedLWLockTranche) + NAMEDATALEN));
  return add_size(size, 2 * PG_CACHE_LINE_SIZE);
}

void CreateLWLocks(void) {
  next_tranche_id = static_cast<pg_atomic_uint32*>(ShmemAlloc(sizeof(pg_atomic_uint32)));
  pg_atomic_init_u32(next_tranche_id, LWTRANCHE_FIRST_USER_DEFINED);

  int total = NUM_FIXED_LWLOCKS + named_lock_count();
  MainLWLockArray = static_cast<LWLockPadded*>(ShmemAlloc(mul_size(total, sizeof(LWLockPadded))));
  for (int i = 0; i < NUM_INDIVIDUAL_LWLOCKS; i++) LWLockInitialize(&MainLWLockArray[i].lock, i);
  initialize_range(BUFFER_MAPPING_LWLOCK_OFFSET, NUM_BUFFER_PARTITIONS, LWTRANCHE_BUFFER_MAPPING);
  initialize_range(LOCK_MANAGER_LWLOCK_OFFSET, NUM_LOCK_PARTITIONS, LWTRANCHE_LOCK_MANAGER);
  initialize_range(PREDICATELOCK_MANAGER_LWLOCK_OFFSET, NUM_PREDICATELOCK_PARTITIONS,
                   LWTRANCHE_PREDICATE_LOCK_MANAGER);

  NamedLWLockTrancheArray = nullptr;
  if (NamedLWLockTrancheRequests == 0) return;
  NamedLWLockTrancheArray = static_cast<NamedLWLockTranche*>(
      ShmemAlloc(mul_size(NamedLWLockTrancheRequests, sizeof(NamedLWLockTranche) + NAMEDATALEN)));
  char* names = reinterpret_cast<char*>(NamedLWLockTrancheArray + NamedLWLockTrancheRequests);
  int first = NUM_FIXED_LWLOCKS;
  for (int i = 0; i < NamedLWLockTrancheRequests; i++) {
    NamedLWLockTranche* tranche = &NamedLWLockTrancheArray[i];
    tranche->trancheName = names + i * NAMEDATALEN;
    strlcpy(tranche->trancheName, requests[i].name, NAMEDATALEN);
    tranche->trancheId = LWLockNewTrancheId();
    LWLockRegisterTranche(tranche->trancheId, requests[i].name);
    initialize_range(first, requests[i].lock_count, tranche->trancheId);
    first += requests[i].lock_count;
  }
}

LWLockPadded* GetNamedLWLockTranche(const char* tranche_name) {
  int first = NUM_FIXED_LWLOCKS;
  for (int i = 0; i < NamedLWLockTrancheRequests; i++) {
    if (strcmp(requests[i].name, tranche_name) == 0) return &MainLWLockArray[first];
    first += requests[i].lock_count;
  }
  elog(ERROR, "requested tranche is not registered");
  return nullptr;
}

int LWLockNewTrancheId(void) {
  return static_cast<int>(pg_atomic_fetch_add_u32(next_tranche_id, 1));
}

// The name is kept by reference: the caller must keep it for the life of the process.
void LWLockRegisterTranche(int tranche_id, const char* tranche_name) {
  if (tranche_id < LWTRANCHE_FIRST_USER_DEFINED) return;
  int index = tranche_id - LWTRANCHE_FIRST_USER_DEFINED;
  if (index >= registered_capacity) {
    int capacity = Max(8, registered_capacity);
    while (capacity <= index) capacity *= 2;
    const char** larger =
        static_cast<const char**>(MemoryContextAllocZero(TopMemoryContext, capacity * sizeof(char*)));
    if (registered_names) {
      memcpy(larger, registered_names, registered_capacity * sizeof(char*));
      pfree(registered_names);
    }
    registered_names = larger;
    registered_capacity = capacity;
  }
  registered_names[index] = tranche_name;
}

const char* GetLWLockIdentifier(uint32 classId, uint16 eventId) {
  Assert(classId == PG_WAIT_LWLOCK);
  return bgw::tranche_name(eventId);
}

}  // extern "C"
