// Transaction numbers compared (access/transam.h, utils/builtins.h): they go round, so of two ordinary ones
// that is the earlier which is less than half of the circle behind; those below FirstNormalTransactionId are
// before all.
extern "C" {
#include "postgres.h"
#include "access/transam.h"
#include "utils/builtins.h"
}

namespace {

bool precedes(TransactionId a, TransactionId b) {
  if (!TransactionIdIsNormal(a) || !TransactionIdIsNormal(b)) return a < b;
  return static_cast<int32>(a - b) < 0;
}

template <typename Number>
int order(Number a, Number b) {
  return a == b ? 0 : a < b ? -1 : 1;
}

}  // namespace

extern "C" {

bool TransactionIdPrecedes(TransactionId id1, TransactionId id2) {
  return precedes(id1, id2);
}
bool TransactionIdPrecedesOrEquals(TransactionId id1, TransactionId id2) {
  return id1 == id2 || precedes(id1, id2);
}
bool TransactionIdFollows(TransactionId id1, TransactionId id2) {
  return precedes(id2, id1);
}
bool TransactionIdFollowsOrEquals(TransactionId id1, TransactionId id2) {
  return id1 == id2 || precedes(id2, id1);
}

TransactionId TransactionIdLatest(TransactionId mainxid, int nxids, const TransactionId* xids) {
  TransactionId latest = mainxid;
  for (int i = 0; i < nxids; i++)
    if (precedes(latest, xids[i])) latest = xids[i];
  return latest;
}

// For qsort: as numbers, which is an order of all of them.
int xidComparator(const void* arg1, const void* arg2) {
  return order(*static_cast<const TransactionId*>(arg1), *static_cast<const TransactionId*>(arg2));
}

// For qsort, of ordinary numbers that are less than half of the circle apart: the earlier first.
int xidLogicalComparator(const void* arg1, const void* arg2) {
  TransactionId xid1 = *static_cast<const TransactionId*>(arg1),
                xid2 = *static_cast<const TransactionId*>(arg2);
  return xid1 == xid2 ? 0 : precedes(xid1, xid2) ? -1 : 1;
}

int oid_cmp(const void* p1, const void* p2) {
  return order(*static_cast<const Oid*>(p1), *static_cast<const Oid*>(p2));
}

}  // extern "C"
