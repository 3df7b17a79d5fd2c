// Property: a shared hash table agrees with std::map under random use by one process, loses and invents nothing
// under use by many, and its scans see every entry that is there throughout.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "support/caught.hpp"
#include "support/children.hpp"
#include "support/must.hpp"

extern "C" {
#include "postgres.h"
#include "lib/dshash.h"
#include "storage/lwlock.h"
#include "utils/memutils.h"
}

using bgw_test::becomes_true;
using bgw_test::run_child;
using bgw_test::shared_value;
using bgw_test::start_child;
using bgw_test::wait_for_child;

namespace {

class DshashTest : public ::testing::Test {
 protected:
  void SetUp() override { bgw_test::become_postmaster(); }
};

struct Entry {
  int64 key;
  int64 value;
};

const dshash_parameters parameters = {sizeof(int64), sizeof(Entry), dshash_memcmp, dshash_memhash,
                                      LWTRANCHE_PARALLEL_HASH_JOIN};

}  // namespace

TEST_F(DshashTest, AgreesWithAMap) {
  const std::uint64_t seed = bgw_test::test_seed();
  EXPECT_TRUE(run_child([=] {
                std::mt19937_64 random(seed);
                dsa_area* area = dsa_create(LWTRANCHE_PARALLEL_HASH_JOIN);
                dshash_table* table = dshash_create(area, &parameters, nullptr);
                std::map<int64, int64> expected;
                for (int i = 0; i < 200000; i++) {
                  const int64 key = static_cast<int64>(random() % 20000);
                  auto known = expected.find(key);
                  switch (random() % 5) {
                    case 0:
                    case 1: {
                      bool found;
                      auto* entry = static_cast<Entry*>(dshash_find_or_insert(table, &key, &found));
                      MUST(found == (known != expected.end()));
                      MUST(entry->key == key);
                      MUST(!found || entry->value == known->second);
                      entry->value = expected[key] = static_cast<int64>(random());
                      dshash_release_lock(table, entry);
                      break;
                    }
                    case 2:
                    case 3: {
                      auto* entry = static_cast<Entry*>(dshash_find(table, &key, random() % 2));
                      MUST((entry != nullptr) == (known != expected.end()));
                      if (!entry) break;
                      MUST(entry->value == known->second);
                      dshash_release_lock(table, entry);
                      break;
                    }
                    default:
                      if (random() % 2) {
                        MUST(dshash_delete_key(table, &key) == (known != expected.end()));
                      } else if (auto* entry = static_cast<Entry*>(dshash_find(table, &key, true))) {
                        dshash_delete_entry(table, entry);
                      }
                      expected.erase(key);
                  }
                }
                // A scan sees each once, and may delete as it goes.
                dshash_seq_status scan;
                std::map<int64, int64> seen;
                dshash_seq_init(&scan, table, true);
                while (auto* entry = static_cast<Entry*>(dshash_seq_next(&scan))) {
                  MUST(seen.emplace(entry->key, entry->value).second);
                  if (entry->key % 2) dshash_delete_current(&scan);
                }
                dshash_seq_term(&scan);
                MUST(seen == expected);
                std::erase_if(expected, [](auto& pair) { return pair.first % 2; });
                seen.clear();
                dshash_seq_init(&scan, table, false);
                for (int left = 100; left-- > 0;) MUST(dshash_seq_next(&scan));
                dshash_seq_term(&scan);  // in the middle
                dshash_seq_init(&scan, table, false);
                while (auto* entry = static_cast<Entry*>(dshash_seq_next(&scan)))
                  seen.emplace(entry->key, entry->value);
                dshash_seq_term(&scan);
                MUST(seen == expected);
                auto none_held = [](LWLock*, LWLockMode, void* count) { ++*static_cast<int*>(count); };
                int held = 0;
                ForEachLWLockHeldByMe(none_held, &held);
                MUST(held == 0);
                dshash_destroy(table);
                dsa_trim(area);
                // Everything was given back: a limit of next to nothing holds again.
                dsa_set_size_limit(area, 1);
                MUST(!DsaPointerIsValid(dsa_allocate_extended(area, 100, DSA_ALLOC_NO_OOM)));
              }).exited_with(0));
}

// Counters: every process adds to random ones, some are deleted and start anew, and the sums must agree.
TEST_F(DshashTest, StressOfManyProcesses) {
  constexpr int children = 4;
  constexpr int keys = 500;
  struct Page {
    std::atomic<dsa_handle> area;
    std::atomic<dshash_table_handle> table;
    std::atomic<int64> expected[keys];
    std::atomic<int> done;
  };
  Page* page = shared_value<Page>();
  const std::uint64_t seed = bgw_test::test_seed();
  std::vector<pid_t> pids;
  for (int c = 0; c < children; c++)
    pids.push_back(start_child([=] {
      dsa_area* area;
      dshash_table* table;
      if (c == 0) {
        area = dsa_create(LWTRANCHE_PARALLEL_HASH_JOIN);
        table = dshash_create(area, &parameters, nullptr);
        page->table = dshash_get_hash_table_handle(table);
        page->area = dsa_get_handle(area);
      } else {
        MUST(becomes_true([=] { return page->area != 0; }));
        area = dsa_attach(page->area);
        table = dshash_attach(area, &parameters, page->table, nullptr);
      }
      std::mt19937_64 random(seed + static_cast<unsigned>(c));
      for (int i = 0; i < 40000; i++) {
        const int64 key = static_cast<int64>(random() % keys);
        if (random() % 10 == 0) {
          if (auto* entry = static_cast<Entry*>(dshash_find(table, &key, true))) {
            page->expected[key] -= entry->value;
            dshash_delete_entry(table, entry);
          }
        } else if (random() % 1000 == 0) {
          dshash_seq_status scan;
          std::set<int64> seen;
          dshash_seq_init(&scan, table, false);
          while (auto* entry = static_cast<Entry*>(dshash_seq_next(&scan)))
            MUST(seen.insert(entry->key).second);
          dshash_seq_term(&scan);
        } else {
          bool found;
          auto* entry = static_cast<Entry*>(dshash_find_or_insert(table, &key, &found));
          if (!found) entry->value = 0;
          entry->value++;
          page->expected[key]++;
          dshash_release_lock(table, entry);
        }
      }
      page->done++;
      MUST(becomes_true([=] { return page->done == children; }));
      if (c != 0) return;
      for (int64 key = 0; key < keys; key++) {
        auto* entry = static_cast<Entry*>(dshash_find(table, &key, false));
        MUST((entry ? entry->value : 0) == page->expected[key]);
        if (entry) dshash_release_lock(table, entry);
      }
    }));
  for (pid_t pid : pids) EXPECT_TRUE(wait_for_child(pid).exited_with(0));
}
