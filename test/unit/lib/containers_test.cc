// Property: the heaps, trees, sets and estimators of lib/ agree with the standard library's containers under
// random use, and refuse what they must.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <queue>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "support/caught.hpp"
#include "support/children.hpp"

extern "C" {
#include "postgres.h"
#include "common/hashfn.h"
#include "lib/binaryheap.h"
#include "lib/bipartite_match.h"
#include "lib/bloomfilter.h"
#include "lib/hyperloglog.h"
#include "lib/ilist.h"
#include "lib/integerset.h"
#include "lib/knapsack.h"
#include "lib/pairingheap.h"
#include "lib/rbtree.h"
#include "nodes/bitmapset.h"
#include "utils/memutils.h"
}

using bgw_test::caught;
using bgw_test::test_seed;

namespace {

int compare_datums(Datum a, Datum b, void*) {
  return DatumGetInt32(a) < DatumGetInt32(b) ? -1 : DatumGetInt32(a) > DatumGetInt32(b);
}

}  // namespace

TEST(BinaryHeapTest, AgreesWithAPriorityQueue) {
  std::mt19937 random(static_cast<unsigned>(test_seed()));
  constexpr int capacity = 300;
  binaryheap* heap = binaryheap_allocate(capacity, compare_datums, nullptr);
  std::priority_queue<int> expected;
  for (int i = 0; i < 50000; i++) {
    const int value = static_cast<int>(random() % 1000);
    if (random() % 100 < 50 && heap->bh_size < capacity) {
      binaryheap_add(heap, Int32GetDatum(value));
      expected.push(value);
    } else if (!binaryheap_empty(heap)) {
      ASSERT_EQ(DatumGetInt32(binaryheap_first(heap)), expected.top());
      expected.pop();
      if (random() % 2) {
        ASSERT_TRUE(binaryheap_remove_first(heap) || true);
      } else {
        binaryheap_replace_first(heap, Int32GetDatum(value));
        expected.push(value);
      }
    }
    ASSERT_EQ(heap->bh_size, static_cast<int>(expected.size()));
  }
  binaryheap_reset(heap);
  for (int i = 0; i < capacity; i++)
    binaryheap_add_unordered(heap, Int32GetDatum(static_cast<int>(random() % 1000)));
  EXPECT_FALSE(heap->bh_has_heap_property);
  EXPECT_EQ(caught([](void* it) { binaryheap_add(static_cast<binaryheap*>(it), 0); }, heap).message,
            "out of binary heap slots");
  binaryheap_build(heap);
  for (int last = INT_MAX; !binaryheap_empty(heap);) {
    const int value = DatumGetInt32(binaryheap_remove_first(heap));
    ASSERT_LE(value, last);
    last = value;
  }
  binaryheap_free(heap);
}

TEST(PairingHeapTest, AgreesWithAMultiset) {
  struct Item {
    pairingheap_node node;
    int value;
  };
  std::mt19937 random(static_cast<unsigned>(test_seed()));
  auto compare = [](const pairingheap_node* a, const pairingheap_node* b, void*) {
    return reinterpret_cast<const Item*>(a)->value - reinterpret_cast<const Item*>(b)->value;
  };
  pairingheap* heap = pairingheap_allocate(compare, nullptr);
  std::vector<Item*> items;
  std::multiset<int> expected;
  for (int i = 0; i < 50000; i++) {
    if (random() % 100 < 52) {
      auto* item = new Item{{}, static_cast<int>(random() % 1000)};
      pairingheap_add(heap, &item->node);
      items.push_back(item);
      expected.insert(item->value);
    } else if (!items.empty()) {
      Item* gone;
      if (random() % 2) {
        gone = reinterpret_cast<Item*>(pairingheap_first(heap));
        ASSERT_EQ(gone->value, *expected.rbegin());
        ASSERT_EQ(pairingheap_remove_first(heap), &gone->node);
      } else {
        gone = items[random() % items.size()];
        pairingheap_remove(heap, &gone->node);
      }
      expected.erase(expected.find(gone->value));
      items.erase(std::find(items.begin(), items.end(), gone));
      delete gone;
    }
    ASSERT_EQ(pairingheap_is_empty(heap), expected.empty());
  }
  while (!pairingheap_is_empty(heap)) {
    auto* item = reinterpret_cast<Item*>(pairingheap_remove_first(heap));
    ASSERT_EQ(item->value, *expected.rbegin());
    expected.erase(std::prev(expected.end()));
    delete item;
  }
  EXPECT_TRUE(expected.empty());
  pairingheap_free(heap);
}

namespace {

struct TreeItem {
  RBTNode node;
  int key;
  int value;
};
int live_nodes = 0;

RBTree* new_tree() {
  return rbt_create(
      sizeof(TreeItem),
      [](const RBTNode* a, const RBTNode* b, void*) {
        return reinterpret_cast<const TreeItem*>(a)->key - reinterpret_cast<const TreeItem*>(b)->key;
      },
      [](RBTNode* existing, const RBTNode* added, void*) {
        reinterpret_cast<TreeItem*>(existing)->value += reinterpret_cast<const TreeItem*>(added)->value;
      },
      [](void*) {
        live_nodes++;
        return static_cast<RBTNode*>(palloc(sizeof(TreeItem)));
      },
      [](RBTNode* node, void*) {
        live_nodes--;
        pfree(node);
      },
      nullptr);
}

std::vector<int> keys_of(RBTree* tree, RBTOrderControl order) {
  std::vector<int> keys;
  RBTreeIterator iterator;
  rbt_begin_iterate(tree, order, &iterator);
  while (auto* item = reinterpret_cast<TreeItem*>(rbt_iterate(&iterator))) keys.push_back(item->key);
  return keys;
}

// The black height of what is below, or -1 when a rule is broken. Empty places have no child that differs from
// them.
int black_height(const RBTNode* node) {
  if (node->left == node) return 1;
  if (node->color != 0 && (node->left->color != 0 || node->right->color != 0)) return -1;
  const int left = black_height(node->left);
  const int right = black_height(node->right);
  if (left < 0 || left != right) return -1;
  return left + (node->color == 0);
}

}  // namespace

TEST(RBTreeTest, AgreesWithAMapAndStaysBalanced) {
  std::mt19937 random(static_cast<unsigned>(test_seed()));
  RBTree* tree = new_tree();
  std::map<int, int> expected;
  live_nodes = 0;
  for (int i = 0; i < 30000; i++) {
    TreeItem item = {{}, static_cast<int>(random() % 700), static_cast<int>(random() % 100)};
    auto known = expected.find(item.key);
    if (random() % 2) {
      bool is_new;
      rbt_insert(tree, &item.node, &is_new);
      ASSERT_EQ(is_new, known == expected.end());
      expected[item.key] += item.value;
    } else {
      auto* found = reinterpret_cast<TreeItem*>(rbt_find(tree, &item.node));
      ASSERT_EQ(found != nullptr, known != expected.end());
      if (found) {
        ASSERT_EQ(found->value, known->second);
        rbt_delete(tree, &found->node);
        expected.erase(known);
      }
    }
    ASSERT_EQ(live_nodes, static_cast<int>(expected.size()));
    auto* first = reinterpret_cast<TreeItem*>(rbt_leftmost(tree));
    ASSERT_EQ(first != nullptr, !expected.empty());
    if (first) {
      ASSERT_EQ(first->key, expected.begin()->first);
    }
    if (i % 100 == 0 && first) {
      const RBTNode* root = &first->node;
      while (root->parent) root = root->parent;
      ASSERT_GT(black_height(root), 0);
      std::vector<int> keys;
      for (auto& [key, value] : expected) keys.push_back(key);
      ASSERT_EQ(keys_of(tree, LeftRightWalk), keys);
      std::reverse(keys.begin(), keys.end());
      ASSERT_EQ(keys_of(tree, RightLeftWalk), keys);
    }
  }
  EXPECT_EQ(keys_of(new_tree(), LeftRightWalk), std::vector<int>{});
  auto refused = caught(
      [](void* it) {
        RBTreeIterator iterator;
        rbt_begin_iterate(static_cast<RBTree*>(it), static_cast<RBTOrderControl>(7), &iterator);
      },
      tree);
  EXPECT_EQ(refused.message, "unrecognized rbtree iteration order: 7");
}

TEST(IntegerSetTest, HasExactlyWhatWasAdded) {
  std::mt19937_64 random(test_seed());
  for (int shift : {1, 4, 20, 40}) {
    IntegerSet* set = intset_create();
    std::vector<uint64> members;
    uint64 next = 0;
    for (int i = 0; i < 5000; i++) {
      next += 1 + (random() >> (64 - shift)) * (random() % 50 == 0 ? 100 : 1);
      members.push_back(next);
      intset_add_member(set, next);
      ASSERT_EQ(intset_num_entries(set), members.size());
    }
    for (uint64 member : members) ASSERT_TRUE(intset_is_member(set, member));
    for (int i = 0; i < 5000; i++) {
      const uint64 candidate = random() % (next + 10);
      ASSERT_EQ(intset_is_member(set, candidate),
                std::binary_search(members.begin(), members.end(), candidate));
    }
    ASSERT_FALSE(intset_is_member(set, 0));
    std::vector<uint64> seen;
    uint64 member;
    intset_begin_iterate(set);
    while (intset_iterate_next(set, &member)) seen.push_back(member);
    ASSERT_EQ(seen, members);
    if (shift == 1) {
      EXPECT_LT(intset_memory_usage(set), members.size() * sizeof(uint64));
    }
  }
  // The widest distances there are.
  IntegerSet* set = intset_create();
  EXPECT_FALSE(intset_is_member(set, 5));
  intset_add_member(set, 0);
  for (int i = 0; i < 300; i++) intset_add_member(set, PG_UINT64_MAX - 300 + static_cast<uint64>(i));
  EXPECT_TRUE(intset_is_member(set, 0) && intset_is_member(set, PG_UINT64_MAX - 299));
  EXPECT_FALSE(intset_is_member(set, PG_UINT64_MAX) || intset_is_member(set, 1));
  EXPECT_EQ(caught([](void* it) { intset_add_member(static_cast<IntegerSet*>(it), 7); }, set).message,
            "cannot add value to integer set out of order");
  intset_begin_iterate(set);
  EXPECT_EQ(
      caught([](void* it) { intset_add_member(static_cast<IntegerSet*>(it), PG_UINT64_MAX); }, set).message,
      "cannot add new values to integer set while iteration is in progress");
}

TEST(HyperLogLogTest, EstimatesAreWithinTheirError) {
  for (int count : {0, 10, 1000, 100000, 1000000}) {
    hyperLogLogState state;
    initHyperLogLog(&state, 12);
    for (uint32 i = 0; i < static_cast<uint32>(count); i++) addHyperLogLog(&state, murmurhash32(i));
    EXPECT_NEAR(estimateHyperLogLog(&state), count, count * 0.06 + 1);
    freeHyperLogLog(&state);
  }
  hyperLogLogState state;
  initHyperLogLogError(&state, 0.02);
  EXPECT_EQ(state.registerWidth, 12);
  freeHyperLogLog(&state);
  EXPECT_EQ(caught([](void* it) { initHyperLogLog(static_cast<hyperLogLogState*>(it), 17); }, &state).message,
            "bit width must be between 4 and 16 inclusive");
}

TEST(BloomFilterTest, LacksNothingThatWasAddedAndSeldomClaimsMore) {
  constexpr int count = 200000;
  bloom_filter* filter = bloom_create(count, 4096, test_seed());
  EXPECT_EQ(bloom_prop_bits_set(filter), 0);
  for (int i = 0; i < count; i++) bloom_add_element(filter, reinterpret_cast<unsigned char*>(&i), sizeof i);
  int false_claims = 0;
  for (int i = 0; i < count; i++)
    ASSERT_FALSE(bloom_lacks_element(filter, reinterpret_cast<unsigned char*>(&i), sizeof i));
  for (int i = count; i < 2 * count; i++)
    false_claims += !bloom_lacks_element(filter, reinterpret_cast<unsigned char*>(&i), sizeof i);
  EXPECT_LT(false_claims, count / 100);
  EXPECT_GT(bloom_prop_bits_set(filter), 0.01);
  EXPECT_LT(bloom_prop_bits_set(filter), 0.6);
  bloom_free(filter);
}

TEST(KnapsackTest, IsAsGoodAsTryingEverything) {
  std::mt19937 random(static_cast<unsigned>(test_seed()));
  for (int round = 0; round < 200; round++) {
    const int items = 1 + static_cast<int>(random() % 10);
    const int limit = static_cast<int>(random() % 40);
    int weights[10];
    double values[10];
    for (int i = 0; i < items; i++) weights[i] = static_cast<int>(random() % 15), values[i] = 1 + random() % 30;
    const bool valued = random() % 4 != 0;
    double best = 0;
    for (int choice = 0; choice < 1 << items; choice++) {
      int weight = 0;
      double value = 0;
      for (int i = 0; i < items; i++)
        if (choice >> i & 1) weight += weights[i], value += valued ? values[i] : 1;
      if (weight <= limit) best = std::max(best, value);
    }
    Bitmapset* chosen = DiscreteKnapsack(limit, items, weights, valued ? values : nullptr);
    int weight = 0;
    double value = 0;
    for (int i = -1; (i = bms_next_member(chosen, i)) >= 0;)
      weight += weights[i], value += valued ? values[i] : 1;
    ASSERT_LE(weight, limit);
    ASSERT_EQ(value, best);
  }
}

TEST(BipartiteMatchTest, IsAMatchingAndNoneIsLarger) {
  std::mt19937 random(static_cast<unsigned>(test_seed()));
  for (int round = 0; round < 200; round++) {
    const int us = 1 + static_cast<int>(random() % 8);
    const int vs = 1 + static_cast<int>(random() % 8);
    std::vector<std::vector<short>> lists(static_cast<std::size_t>(us) + 1);
    std::vector<short*> adjacency(static_cast<std::size_t>(us) + 1, nullptr);
    for (std::size_t u = 1; u < lists.size(); u++) {
      std::set<short> neighbours;
      for (unsigned n = random() % 4; n-- > 0;)
        neighbours.insert(static_cast<short>(1 + random() % static_cast<unsigned>(vs)));
      lists[u].push_back(static_cast<short>(neighbours.size()));
      lists[u].insert(lists[u].end(), neighbours.begin(), neighbours.end());
      if (!neighbours.empty()) adjacency[u] = lists[u].data();
    }
    BipartiteMatchState* state = BipartiteMatch(us, vs, adjacency.data());
    int matched = 0;
    for (std::size_t u = 1; u < lists.size(); u++) {
      const short v = state->pair_uv[u];
      if (v == 0) continue;
      matched++;
      ASSERT_EQ(state->pair_vu[v], static_cast<short>(u));
      ASSERT_NE(std::find(lists[u].begin() + 1, lists[u].end(), v), lists[u].end());
    }
    ASSERT_EQ(state->matching, matched);
    // The best there is, by trying every subset of the right for the vertices of the left in turn.
    std::vector<int> best(std::size_t{1} << vs, 0);
    for (std::size_t u = 1; u < lists.size(); u++) {
      std::vector<int> next = best;
      for (std::size_t used = 0; used < best.size(); used++)
        for (std::size_t i = 1; i < lists[u].size(); i++) {
          const std::size_t bit = std::size_t{1} << (lists[u][i] - 1);
          if (!(used & bit)) next[used | bit] = std::max(next[used | bit], best[used] + 1);
        }
      best = next;
    }
    ASSERT_EQ(matched, *std::max_element(best.begin(), best.end()));
    BipartiteMatchFree(state);
  }
  EXPECT_TRUE(caught([](void*) { (void)BipartiteMatch(-1, 1, nullptr); }).raised);
}

TEST(IlistTest, ANodeIsTakenOutOfASingleList) {
  slist_head head;
  slist_init(&head);
  slist_node nodes[4];
  for (slist_node& node : nodes) slist_push_head(&head, &node);
  slist_delete(&head, &nodes[1]);
  slist_delete(&head, &nodes[3]);
  EXPECT_EQ(slist_pop_head_node(&head), &nodes[2]);
  EXPECT_EQ(slist_pop_head_node(&head), &nodes[0]);
  EXPECT_TRUE(slist_is_empty(&head));
}
