// The running portal, and the rule that what needs a snapshot has one. No portal runs in the host: workers
// that make one by hand set ActivePortal themselves.
extern "C" {
#include "postgres.h"
#include "tcop/pquery.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
}

extern "C" {

Portal ActivePortal = nullptr;

void EnsurePortalSnapshotExists(void) {
  if (ActiveSnapshotSet()) return;
  if (unlikely(ActivePortal == nullptr)) elog(ERROR, "cannot execute SQL without an outer snapshot or portal");
  PushActiveSnapshotWithLevel(GetTransactionSnapshot(), ActivePortal->createLevel);
  ActivePortal->portalSnapshot = GetActiveSnapshot();
}

}  // extern "C"
