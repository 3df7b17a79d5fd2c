// Snapshots as a worker holds them. The snapshot that counts is the upstream's own, taken statement by
// statement; what the host hands out are real SnapshotData objects with the bookkeeping that modules and
// SPI rely on: a stack of active ones, reference counts, and the warnings about those left behind.
//
// Active snapshots live in TopTransactionContext and die with the transaction. Ordinary code only.
extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
}

#include "access/xact_internal.hpp"

extern "C" {

bool FirstSnapshotSet = false;
TransactionId TransactionXmin = FirstNormalTransactionId;
TransactionId RecentXmin = FirstNormalTransactionId;
int old_snapshot_threshold = -1;
SnapshotData CatalogSnapshotData = {};
SnapshotData SnapshotSelfData = {};
SnapshotData SnapshotAnyData = {};

}  // extern "C"

namespace {

// One entry of the stack of active snapshots.
struct ActiveSnapshot {
  Snapshot snapshot;
  int level;  // nesting level of the transaction that pushed it
  ActiveSnapshot* below;
};

SnapshotData current_snapshot;  // what GetTransactionSnapshot hands out, static as the server's is
SnapshotData latest_snapshot;
ActiveSnapshot* active_top = nullptr;
int registered = 0;

[[maybe_unused]] const bool special_snapshots = [] {
  SnapshotSelfData.snapshot_type = SNAPSHOT_SELF;
  SnapshotAnyData.snapshot_type = SNAPSHOT_ANY;
  CatalogSnapshotData.snapshot_type = SNAPSHOT_MVCC;
  return true;
}();

Snapshot fill(SnapshotData* snapshot) {
  snapshot->snapshot_type = SNAPSHOT_MVCC;
  snapshot->xmin = FirstNormalTransactionId;
  snapshot->xmax = FirstNormalTransactionId;
  snapshot->curcid = GetCurrentCommandId(false);
  snapshot->copied = false;
  snapshot->takenDuringRecovery = false;
  return snapshot;
}

Snapshot copy_snapshot(Snapshot snapshot) {
  Snapshot copy = static_cast<Snapshot>(MemoryContextAlloc(TopTransactionContext, sizeof(SnapshotData)));
  *copy = *snapshot;
  copy->copied = true;
  copy->active_count = 0;
  copy->regd_count = 0;
  copy->xip = nullptr;
  copy->xcnt = 0;
  copy->subxip = nullptr;
  copy->subxcnt = 0;
  return copy;
}

void free_if_unused(Snapshot snapshot) {
  if (snapshot->copied && snapshot->active_count == 0 && snapshot->regd_count == 0) pfree(snapshot);
}

void require_transaction(const char* what) {
  // The server's behaviour here is undefined; ours is an end with a reason.
  if (TopTransactionContext == nullptr)
    ereport(FATAL,
            (errcode(ERRCODE_NO_ACTIVE_SQL_TRANSACTION), errmsg("%s called outside a transaction", what)));
}

void pop() {
  ActiveSnapshot* gone = active_top;
  active_top = gone->below;
  gone->snapshot->active_count--;
  free_if_unused(gone->snapshot);
  pfree(gone);
}

}  // namespace

extern "C" {

Snapshot GetTransactionSnapshot(void) {
  require_transaction("GetTransactionSnapshot");
  FirstSnapshotSet = true;
  return fill(&current_snapshot);
}

Snapshot GetLatestSnapshot(void) {
  require_transaction("GetLatestSnapshot");
  if (!FirstSnapshotSet) return GetTransactionSnapshot();
  return fill(&latest_snapshot);
}

Snapshot GetOldestSnapshot(void) {
  return active_top ? active_top->snapshot : nullptr;
}

Snapshot GetCatalogSnapshot(Oid relid) {
  return fill(&CatalogSnapshotData);
}
Snapshot GetNonHistoricCatalogSnapshot(Oid relid) {
  return GetCatalogSnapshot(relid);
}
void InvalidateCatalogSnapshot(void) {}
void InvalidateCatalogSnapshotConditionally(void) {}

void SnapshotSetCommandId(CommandId curcid) {
  current_snapshot.curcid = curcid;
  latest_snapshot.curcid = curcid;
}

void PushActiveSnapshot(Snapshot snapshot) {
  PushActiveSnapshotWithLevel(snapshot, GetCurrentTransactionNestLevel());
}

void PushActiveSnapshotWithLevel(Snapshot snapshot, int snap_level) {
  require_transaction("PushActiveSnapshot");
  ActiveSnapshot* entry =
      static_cast<ActiveSnapshot*>(MemoryContextAlloc(TopTransactionContext, sizeof(ActiveSnapshot)));
  entry->snapshot = snapshot->copied ? snapshot : copy_snapshot(snapshot);
  entry->level = snap_level;
  entry->below = active_top;
  entry->snapshot->active_count++;
  active_top = entry;
}

void PushCopiedSnapshot(Snapshot snapshot) {
  require_transaction("PushCopiedSnapshot");
  PushActiveSnapshot(copy_snapshot(snapshot));
}

void UpdateActiveSnapshotCommandId(void) {
  if (active_top) active_top->snapshot->curcid = GetCurrentCommandId(false);
}

void PopActiveSnapshot(void) {
  if (active_top == nullptr) elog(ERROR, "no active snapshot to pop");
  pop();
}

Snapshot GetActiveSnapshot(void) {
  return active_top ? active_top->snapshot : nullptr;
}
bool ActiveSnapshotSet(void) {
  return active_top != nullptr;
}

Snapshot RegisterSnapshot(Snapshot snapshot) {
  return snapshot == InvalidSnapshot ? InvalidSnapshot
                                     : RegisterSnapshotOnOwner(snapshot, CurrentResourceOwner);
}

Snapshot RegisterSnapshotOnOwner(Snapshot snapshot, ResourceOwner owner) {
  if (snapshot == InvalidSnapshot) return InvalidSnapshot;
  require_transaction("RegisterSnapshot");
  Snapshot kept = snapshot->copied ? snapshot : copy_snapshot(snapshot);
  kept->regd_count++;
  registered++;
  return kept;
}

void UnregisterSnapshot(Snapshot snapshot) {
  UnregisterSnapshotFromOwner(snapshot, CurrentResourceOwner);
}

void UnregisterSnapshotFromOwner(Snapshot snapshot, ResourceOwner owner) {
  if (snapshot == InvalidSnapshot) return;
  snapshot->regd_count--;
  registered--;
  free_if_unused(snapshot);
}

bool ThereAreNoPriorRegisteredSnapshots(void) {
  return registered <= 1;
}
bool HaveRegisteredOrActiveSnapshot(void) {
  return active_top != nullptr || registered > 0;
}
bool XactHasExportedSnapshots(void) {
  return false;
}
bool HistoricSnapshotActive(void) {
  return false;
}
bool XidInMVCCSnapshot(TransactionId xid, Snapshot snapshot) {
  return false;
}

void AtSubCommit_Snapshot(int level) {
  for (ActiveSnapshot* a = active_top; a != nullptr && a->level >= level; a = a->below) a->level = level - 1;
}

void AtSubAbort_Snapshot(int level) {
  while (active_top != nullptr && active_top->level >= level) pop();
}

void AtEOXact_Snapshot(bool isCommit, bool resetXmin) {
  if (isCommit)
    for (ActiveSnapshot* a = active_top; a != nullptr; a = a->below)
      elog(WARNING, "snapshot %p still active", a);
  // The objects themselves go with TopTransactionContext.
  active_top = nullptr;
  registered = 0;
  FirstSnapshotSet = false;
}

}  // extern "C"
