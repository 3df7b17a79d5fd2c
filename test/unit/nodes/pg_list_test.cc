// Lists behave as arrays of cells in which NIL is the empty list, whatever is inserted, deleted and combined.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <vector>

extern "C" {
#include "postgres.h"
#include "nodes/pg_list.h"
#include "nodes/value.h"
#include "utils/memutils.h"
}

namespace {

std::vector<int> ints(const List* list) {
  std::vector<int> values;
  for (int i = 0; i < list_length(list); ++i) values.push_back(list_nth_int(list, i));
  return values;
}
using Ints = std::vector<int>;
List* made(const Ints& values) {
  List* list = NIL;
  for (int value : values) list = lappend_int(list, value);
  return list;
}

TEST(ListTest, RandomChangesAgreeWithAVector) {
  const char* given = getenv("BGW_TEST_SEED");
  unsigned seed = given ? static_cast<unsigned>(atoi(given)) : std::random_device()();
  SCOPED_TRACE(testing::Message() << "BGW_TEST_SEED=" << seed);
  std::mt19937 random(seed);
  List* list = NIL;
  Ints expected;
  for (int step = 0; step < 20000; ++step) {
    int value = static_cast<int>(random() % 50);
    int at = expected.empty() ? 0 : static_cast<int>(random() % expected.size());
    switch (random() % 8) {
      case 0:
      case 1:
        list = lappend_int(list, value);
        expected.push_back(value);
        break;
      case 2:
        list = lcons_int(value, list);
        expected.insert(expected.begin(), value);
        break;
      case 3:
        list = list_insert_nth_int(list, at, value);
        expected.insert(expected.begin() + at, value);
        break;
      case 4:
        if (expected.empty()) break;
        list = list_delete_nth_cell(list, at);
        expected.erase(expected.begin() + at);
        break;
      case 5: {
        list = list_delete_int(list, value);
        auto found = std::find(expected.begin(), expected.end(), value);
        if (found != expected.end()) expected.erase(found);
        break;
      }
      case 6:
        if (random() % 4) break;
        list = list_delete_first_n(list, at);
        expected.erase(expected.begin(), expected.begin() + at);
        break;
      case 7:
        list = random() % 2 ? list_delete_first(list) : list_delete_last(list);
        if (expected.empty()) break;
        if (ints(list) == Ints(expected.begin() + 1, expected.end()))
          expected.erase(expected.begin());
        else
          expected.pop_back();
        break;
    }
    ASSERT_EQ(ints(list), expected) << "at step " << step;
    ASSERT_EQ(list == NIL, expected.empty());
  }
  list_free(list);
}

TEST(ListTest, CombiningLists) {
  List *a = made({1, 2, 2, 3}), *b = made({3, 4, 4, 1});
  EXPECT_EQ(ints(list_union_int(a, b)), (Ints{1, 2, 2, 3, 4}));
  EXPECT_EQ(ints(list_intersection_int(a, b)), (Ints{1, 3}));
  EXPECT_EQ(ints(list_difference_int(a, b)), (Ints{2, 2}));
  EXPECT_EQ(ints(list_concat_copy(a, b)), (Ints{1, 2, 2, 3, 3, 4, 4, 1}));
  EXPECT_EQ(ints(list_append_unique_int(list_copy(a), 2)), (Ints{1, 2, 2, 3}));
  EXPECT_EQ(ints(list_concat_unique_int(list_copy(a), b)), (Ints{1, 2, 2, 3, 4}));
  EXPECT_EQ(ints(list_copy_tail(a, 2)), (Ints{2, 3}));
  EXPECT_EQ(list_copy_tail(a, 4), NIL);
  EXPECT_EQ(ints(list_copy_head(a, 2)), (Ints{1, 2}));
  EXPECT_EQ(ints(list_concat(a, a)), (Ints{1, 2, 2, 3, 1, 2, 2, 3}));
  EXPECT_EQ(ints(list_truncate(a, 3)), (Ints{1, 2, 2}));
  EXPECT_EQ(list_concat(NIL, NIL), NIL);
  List* oids = list_make4_oid(5, 5, 7, 7);
  list_deduplicate_oid(oids);
  EXPECT_EQ(list_length(oids), 2);
  EXPECT_EQ(lsecond_oid(oids), 7u);
}

TEST(ListTest, SortingDeletingInALoopAndNodes) {
  List* list = made({3, 1, 2, 9, 4});
  list_sort(list, list_int_cmp);
  EXPECT_EQ(ints(list), (Ints{1, 2, 3, 4, 9}));
  ListCell* cell;
  foreach (cell, list)
    if (lfirst_int(cell) % 2 == 0) list = foreach_delete_current(list, cell);
  EXPECT_EQ(ints(list), (Ints{1, 3, 9}));

  List* names = list_make2(makeString(pstrdup("a")), makeInteger(4));
  List* copy = list_copy_deep(names);
  EXPECT_TRUE(equal(names, copy));
  EXPECT_TRUE(list_member(copy, makeString(pstrdup("a"))));
  EXPECT_FALSE(list_member_ptr(copy, linitial(names)));
  intVal(lsecond(copy)) = 5;
  EXPECT_FALSE(equal(names, copy));
  EXPECT_STREQ(strVal(linitial(copy)), "a");
}

TEST(ListTest, AListGrowsInItsOwnContext) {
  MemoryContext own = AllocSetContextCreate(TopMemoryContext, "list", ALLOCSET_SMALL_SIZES);
  MemoryContext before = MemoryContextSwitchTo(own);
  List* list = list_make1_int(0);
  MemoryContextSwitchTo(before);
  for (int i = 1; i < 1000; ++i) list = lappend_int(list, i);
  EXPECT_TRUE(MemoryContextContains(own, list->elements));
  MemoryContextDelete(own);
}

// The same operations on OIDs and on pointers, of which some compare what is pointed to.
TEST(ListTest, OidsAndPointers) {
  List* oids = list_make3_oid(4000000000u, 1, 7);
  oids = list_insert_nth_oid(lcons_oid(9, lappend_oid(oids, 7)), 1, 2);
  EXPECT_TRUE(list_member_oid(oids, 4000000000u));
  oids = list_delete_oid(oids, 1);
  List* more = list_make5_oid(7, 7, 50, 2, 60);
  oids = list_append_unique_oid(list_append_unique_oid(oids, 2), 8);
  List* united = list_union_oid(oids, more);
  list_sort(united, list_oid_cmp);
  const Oid expected[] = {2, 7, 7, 8, 9, 50, 60, 4000000000u};
  ASSERT_EQ(list_length(united), 8);
  for (int i = 0; i < 8; i++) EXPECT_EQ(list_nth_oid(united, i), expected[i]);
  List* without = list_difference_oid(united, more);
  ASSERT_EQ(list_length(without), 3);
  EXPECT_EQ(list_nth_oid(without, 2), 4000000000u);
  EXPECT_EQ(list_length(list_concat_unique_oid(list_make2_oid(7, 3), more)), 5);

  String *a = makeString(pstrdup("a")), *same = makeString(pstrdup("a")), *b = makeString(pstrdup("b"));
  List* nodes = list_insert_nth(lcons(b, list_make1(a)), 1, b);
  EXPECT_EQ(list_length(list_append_unique(list_copy(nodes), same)), 3);
  EXPECT_EQ(list_length(list_append_unique_ptr(list_copy(nodes), same)), 4);
  EXPECT_EQ(list_length(list_union(nodes, list_make2(same, makeString(pstrdup("c"))))), 4);
  EXPECT_EQ(list_length(list_union_ptr(nodes, list_make2(same, a))), 4);
  EXPECT_EQ(list_length(list_intersection(nodes, list_make1(same))), 1);
  EXPECT_EQ(list_length(list_difference(nodes, list_make1(same))), 2);
  EXPECT_EQ(list_length(list_difference_ptr(nodes, list_make1(same))), 3);
  EXPECT_EQ(list_length(list_concat_unique(list_make1(a), nodes)), 2);
  EXPECT_EQ(list_length(list_concat_unique_ptr(list_make1(same), nodes)), 3);
  EXPECT_EQ(list_length(list_delete(list_copy(nodes), same)), 2);
  EXPECT_EQ(list_length(list_delete_ptr(list_copy(nodes), same)), 3);
  nodes = list_delete_cell(nodes, list_nth_cell(nodes, 0));
  EXPECT_EQ(linitial(nodes), b);
  EXPECT_EQ(list_length(list_make4(a, a, b, b)), 4);
  list_free_deep(list_make2(palloc(10), palloc(10)));
}

}  // namespace
