// Sets agree with std::set under random changes and combinations; NULL and bit-less objects are both empty.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <random>
#include <set>

extern "C" {
#include "postgres.h"
#include "nodes/bitmapset.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"
}

namespace {

using Set = std::set<int>;
Set members(const Bitmapset* set) {
  Set result;
  for (int x = -1; (x = bms_next_member(set, x)) >= 0;) result.insert(x);
  return result;
}

TEST(BitmapsetTest, RandomSetsAgreeWithStdSet) {
  const char* given = getenv("BGW_TEST_SEED");
  unsigned seed = given ? static_cast<unsigned>(atoi(given)) : std::random_device()();
  SCOPED_TRACE(testing::Message() << "BGW_TEST_SEED=" << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 2000; ++round) {
    Bitmapset* sets[2] = {nullptr, nullptr};
    Set expected[2];
    for (int which = 0; which < 2; ++which)
      for (unsigned n = random() % 20; n-- > 0;) {
        int x = static_cast<int>(random() % 200);
        if (random() % 4 == 0) {
          sets[which] = bms_del_member(sets[which], x);
          expected[which].erase(x);
        } else if (random() % 8 == 0) {
          sets[which] = bms_add_range(sets[which], x, x + 70);
          for (int y = x; y <= x + 70; ++y) expected[which].insert(y);
        } else {
          sets[which] = bms_add_member(sets[which], x);
          expected[which].insert(x);
        }
      }
    auto [a, b] = sets;
    const Set &x = expected[0], &y = expected[1];
    ASSERT_EQ(members(a), x);
    ASSERT_EQ(bms_num_members(a), static_cast<int>(x.size()));
    ASSERT_EQ(bms_is_empty(a), x.empty());
    Set both, all, left;
    std::set_intersection(x.begin(), x.end(), y.begin(), y.end(), std::inserter(both, both.end()));
    std::set_union(x.begin(), x.end(), y.begin(), y.end(), std::inserter(all, all.end()));
    std::set_difference(x.begin(), x.end(), y.begin(), y.end(), std::inserter(left, left.end()));
    ASSERT_EQ(members(bms_intersect(a, b)), both);
    ASSERT_EQ(members(bms_union(a, b)), all);
    ASSERT_EQ(members(bms_difference(a, b)), left);
    ASSERT_EQ(members(bms_add_members(bms_copy(a), b)), all);
    ASSERT_EQ(members(bms_int_members(bms_copy(a), b)), both);
    ASSERT_EQ(members(bms_del_members(bms_copy(a), b)), left);
    ASSERT_EQ(members(bms_join(bms_copy(a), bms_copy(b))), all);
    ASSERT_EQ(bms_equal(a, b), x == y);
    ASSERT_EQ(bms_is_subset(a, b), left.empty());
    ASSERT_EQ(bms_overlap(a, b), !both.empty());
    if (x == y) {
      ASSERT_EQ(bms_hash_value(a), bms_hash_value(b));
    }
    ASSERT_EQ(bms_compare(a, b), -bms_compare(b, a));
    Set backwards;
    for (int m = -1; (m = bms_prev_member(a, m)) >= 0;) backwards.insert(m);
    ASSERT_EQ(backwards, x);
    int index = 0;
    for (int m : x) ASSERT_EQ(bms_member_index(a, m), index++);
  }
}

TEST(BitmapsetTest, SingletonsAndMembership) {
  Bitmapset* one = bms_make_singleton(130);
  int member = 0;
  EXPECT_TRUE(bms_get_singleton_member(one, &member));
  EXPECT_EQ(member, 130);
  EXPECT_EQ(bms_singleton_member(one), 130);
  EXPECT_EQ(bms_membership(nullptr), BMS_EMPTY_SET);
  EXPECT_EQ(bms_membership(one), BMS_SINGLETON);
  EXPECT_EQ(bms_membership(bms_add_member(bms_copy(one), 1)), BMS_MULTIPLE);
  EXPECT_EQ(bms_subset_compare(nullptr, one), BMS_SUBSET1);
  EXPECT_EQ(bms_first_member(one), 130);
  EXPECT_TRUE(bms_is_empty(one));
  EXPECT_TRUE(bms_equal(one, nullptr));
  EXPECT_EQ(bms_first_member(one), -1);
}

TEST(BitmapsetTest, ListsDifferencesAndKeys) {
  Bitmapset* a = bms_add_member(bms_make_singleton(3), 200);
  Bitmapset* shorter = bms_make_singleton(3);
  EXPECT_TRUE(bms_is_member(200, a));
  EXPECT_TRUE(bms_overlap_list(a, list_make2_int(5, 200)));
  EXPECT_FALSE(bms_overlap_list(a, list_make2_int(5, 201)));
  EXPECT_FALSE(bms_overlap_list(nullptr, list_make1_int(0)));
  EXPECT_TRUE(bms_nonempty_difference(a, shorter));
  EXPECT_FALSE(bms_nonempty_difference(shorter, a));
  EXPECT_TRUE(bms_nonempty_difference(a, nullptr));
  EXPECT_FALSE(bms_nonempty_difference(nullptr, a));
  // As a hash table with sets for keys calls them: with the address of the pointer. What was taken out again
  // leaves no trace.
  Bitmapset* cut = bms_del_member(bms_copy(a), 200);
  EXPECT_EQ(bitmap_hash(&cut, sizeof(Bitmapset*)), bitmap_hash(&shorter, sizeof(Bitmapset*)));
  EXPECT_EQ(bitmap_match(&cut, &shorter, sizeof(Bitmapset*)), 0);
  EXPECT_NE(bitmap_match(&a, &shorter, sizeof(Bitmapset*)), 0);
  bms_free(a);
  bms_free(nullptr);
}

}  // namespace
