// Transaction numbers are ordered round the circle, with the special ones before all; places of tuples are
// ordered by block and number, and counted on across blocks.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

extern "C" {
#include "postgres.h"
#include "access/transam.h"
#include "storage/itemptr.h"
#include "utils/builtins.h"
}

namespace {

TEST(TransactionNumbers, RoundTheCircle) {
  for (TransactionId start : {3u, 100u, 0x7fffffffu, 0xfffffff0u}) {
    TransactionId later = start + 0x7ffffff0u;
    if (!TransactionIdIsNormal(later)) later += FirstNormalTransactionId;
    EXPECT_TRUE(TransactionIdPrecedes(start, later));
    EXPECT_FALSE(TransactionIdPrecedes(later, start));
    EXPECT_TRUE(TransactionIdFollows(later, start));
    EXPECT_TRUE(TransactionIdFollowsOrEquals(start, start));
    EXPECT_TRUE(TransactionIdPrecedesOrEquals(start, start));
    EXPECT_FALSE(TransactionIdPrecedes(start, start));
    EXPECT_TRUE(TransactionIdPrecedes(FrozenTransactionId, start));
    EXPECT_TRUE(TransactionIdFollows(start, BootstrapTransactionId));
    EXPECT_EQ(xidLogicalComparator(&start, &later), -1);
    EXPECT_EQ(xidLogicalComparator(&later, &start), 1);
    EXPECT_EQ(xidLogicalComparator(&start, &start), 0);
  }
  TransactionId xids[] = {0xffffffffu, 4, 0xfffffff0u};
  EXPECT_EQ(TransactionIdLatest(0xfffffffeu, 3, xids), 4u);
  EXPECT_EQ(TransactionIdLatest(9, 0, nullptr), 9u);
  std::vector<TransactionId> numbers{5, 0xfffffff0u, 3};
  qsort(numbers.data(), numbers.size(), sizeof(TransactionId), xidComparator);
  EXPECT_EQ(numbers, (std::vector<TransactionId>{3, 5, 0xfffffff0u}));
  qsort(numbers.data(), numbers.size(), sizeof(TransactionId), xidLogicalComparator);
  EXPECT_EQ(numbers, (std::vector<TransactionId>{0xfffffff0u, 3, 5}));
  std::vector<Oid> oids{0x90000000u, 1, 7};
  qsort(oids.data(), oids.size(), sizeof(Oid), oid_cmp);
  EXPECT_EQ(oids, (std::vector<Oid>{1, 7, 0x90000000u}));
}

TEST(ItemPointer, ComparedAndCountedOn) {
  ItemPointerData a, b;
  ItemPointerSet(&a, 1, PG_UINT16_MAX);
  ItemPointerSet(&b, 2, 0);
  EXPECT_EQ(ItemPointerCompare(&a, &b), -1);
  EXPECT_EQ(ItemPointerCompare(&b, &a), 1);
  ItemPointerInc(&a);
  EXPECT_TRUE(ItemPointerEquals(&a, &b));
  ItemPointerInc(&a);
  EXPECT_EQ(ItemPointerCompare(&a, &b), 1);
  ItemPointerDec(&a);
  ItemPointerDec(&a);
  EXPECT_EQ(ItemPointerGetBlockNumberNoCheck(&a), 1u);
  EXPECT_EQ(ItemPointerGetOffsetNumberNoCheck(&a), PG_UINT16_MAX);
  ItemPointerSet(&a, 0, 0);
  b = a;
  ItemPointerDec(&a);
  EXPECT_TRUE(ItemPointerEquals(&a, &b));
  ItemPointerSet(&a, InvalidBlockNumber, PG_UINT16_MAX);
  b = a;
  ItemPointerInc(&a);
  EXPECT_TRUE(ItemPointerEquals(&a, &b));
}

}  // namespace
