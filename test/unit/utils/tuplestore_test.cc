// A store of tuples gives them back in order, forwards and backwards, to each of its readers; a reader at the
// end sees what is added, but for the active one, which stays there until it rescans.
#include <gtest/gtest.h>

#include <vector>

extern "C" {
#include "postgres.h"
#include "access/htup_details.h"
#include "catalog/pg_type_d.h"
#include "executor/executor.h"
#include "utils/memutils.h"
}
#include "utils/tuplestore_internal.hpp"

namespace {

class Tuplestore : public ::testing::Test {
 protected:
  void SetUp() override {
    context_ = AllocSetContextCreate(TopMemoryContext, "tuplestore test", ALLOCSET_DEFAULT_SIZES);
    caller_ = MemoryContextSwitchTo(context_);
    desc_ = CreateTemplateTupleDesc(1);
    TupleDescInitEntry(desc_, 1, "n", INT4OID, -1, 0);
    store_ = tuplestore_begin_heap(true, false, 1024);
  }
  void TearDown() override {
    tuplestore_end(store_);
    MemoryContextSwitchTo(caller_);
    MemoryContextDelete(context_);
  }
  void put(int n) {
    Datum value = Int32GetDatum(n);
    bool isnull = false;
    if (n % 2 == 0) {
      tuplestore_putvalues(store_, desc_, &value, &isnull);
    } else {
      tuplestore_puttuple(store_, heap_form_tuple(desc_, &value, &isnull));
    }
  }
  std::vector<int> rest() {
    std::vector<int> numbers;
    while (MinimalTuple minimal = bgw::tuplestore_next(store_)) {
      HeapTuple tuple = heap_tuple_from_minimal_tuple(minimal);
      Datum value;
      bool isnull;
      heap_deform_tuple(tuple, desc_, &value, &isnull);
      numbers.push_back(DatumGetInt32(value));
    }
    return numbers;
  }

  MemoryContext context_ = nullptr, caller_ = nullptr;
  TupleDesc desc_ = nullptr;
  Tuplestorestate* store_ = nullptr;
};

TEST_F(Tuplestore, GivesBackWhatWasPut) {
  std::vector<int> expected;
  for (int n = 0; n < 1000; n++) {
    put(n);
    expected.push_back(n);
  }
  EXPECT_EQ(tuplestore_tuple_count(store_), 1000);
  EXPECT_TRUE(tuplestore_in_memory(store_));
  EXPECT_EQ(rest(), expected);
  EXPECT_TRUE(tuplestore_ateof(store_));
  tuplestore_rescan(store_);
  EXPECT_FALSE(tuplestore_ateof(store_));
  EXPECT_EQ(rest(), expected);
}

TEST_F(Tuplestore, StepsBothWays) {
  for (int n = 0; n < 3; n++) put(n);
  EXPECT_FALSE(tuplestore_advance(store_, false));
  EXPECT_TRUE(tuplestore_skiptuples(store_, 2, true));
  EXPECT_TRUE(tuplestore_advance(store_, false));  // gives 0
  EXPECT_EQ(rest(), (std::vector<int>{1, 2}));
  EXPECT_TRUE(tuplestore_skiptuples(store_, 3, false));  // from the end: 2, 1, 0
  EXPECT_FALSE(tuplestore_advance(store_, false));
  EXPECT_EQ(rest(), (std::vector<int>{0, 1, 2}));
}

TEST_F(Tuplestore, ReadersAreIndependent) {
  put(0);
  const int second = tuplestore_alloc_read_pointer(store_, EXEC_FLAG_REWIND);
  EXPECT_EQ(rest(), (std::vector<int>{0}));
  tuplestore_select_read_pointer(store_, second);
  EXPECT_EQ(rest(), (std::vector<int>{0}));
  put(1);
  EXPECT_TRUE(tuplestore_ateof(store_));
  EXPECT_EQ(rest(), std::vector<int>{});
  tuplestore_select_read_pointer(store_, 0);
  EXPECT_EQ(rest(), (std::vector<int>{1}));
  tuplestore_clear(store_);
  EXPECT_EQ(tuplestore_tuple_count(store_), 0);
  put(5);
  EXPECT_EQ(rest(), (std::vector<int>{5}));
}

}  // namespace
