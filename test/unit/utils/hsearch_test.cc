// Hash tables of every kind agree with std::map under random use; scans see each entry once, even while
// entries are removed; shared tables work within the space that was estimated for them.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include "support/caught.hpp"

extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
}

namespace {

using bgw_test::caught;

struct Entry {
  int32 key;
  int32 value;
};

HASHCTL control(Size keysize, Size entrysize) {
  HASHCTL info = {};
  info.keysize = keysize;
  info.entrysize = entrysize;
  return info;
}

TEST(HashTest, RandomUseAgreesWithAMap) {
  const char* given = getenv("BGW_TEST_SEED");
  unsigned seed = given ? static_cast<unsigned>(atoi(given)) : std::random_device()();
  SCOPED_TRACE(testing::Message() << "BGW_TEST_SEED=" << seed);
  std::mt19937 random(seed);
  HASHCTL info = control(sizeof(int32), sizeof(Entry));
  HTAB* table = hash_create("random", 4, &info, HASH_ELEM | HASH_BLOBS);
  std::map<int, int> expected;
  for (int step = 0; step < 200000; ++step) {
    int32 key = static_cast<int32>(random() % 5000);
    bool found;
    switch (random() % 4) {
      case 0:
      case 1: {
        Entry* entry = static_cast<Entry*>(hash_search(table, &key, HASH_ENTER, &found));
        ASSERT_EQ(found, expected.count(key) == 1);
        ASSERT_EQ(entry->key, key);
        entry->value = expected[key] = step;
        break;
      }
      case 2:
        hash_search(table, &key, HASH_REMOVE, &found);
        ASSERT_EQ(found, expected.erase(key) == 1);
        break;
      case 3: {
        Entry* entry = static_cast<Entry*>(hash_search(table, &key, HASH_FIND, nullptr));
        ASSERT_EQ(entry != nullptr, expected.count(key) == 1);
        if (entry) {
          ASSERT_EQ(entry->value, expected[key]);
        }
        break;
      }
    }
  }
  ASSERT_EQ(hash_get_num_entries(table), static_cast<long>(expected.size()));
  hash_destroy(table);
}

TEST(HashTest, AScanSeesEachEntryOnceWhileOthersComeAndGo) {
  HASHCTL info = control(sizeof(int32), sizeof(Entry));
  HTAB* table = hash_create("scanned", 16, &info, HASH_ELEM | HASH_BLOBS);
  for (int32 key = 0; key < 3000; ++key) hash_search(table, &key, HASH_ENTER, nullptr);
  HASH_SEQ_STATUS scan;
  hash_seq_init(&scan, table);
  std::set<int> seen;
  while (Entry* entry = static_cast<Entry*>(hash_seq_search(&scan))) {
    if (entry->key >= 3000) continue;
    ASSERT_TRUE(seen.insert(entry->key).second);
    int32 key = entry->key;
    if (key % 2) hash_search(table, &key, HASH_REMOVE, nullptr);
    key += 10000;
    hash_search(table, &key, HASH_ENTER, nullptr);
  }
  EXPECT_EQ(seen.size(), 3000u);
  EXPECT_EQ(hash_get_num_entries(table), 1500 + 3000);
  hash_destroy(table);
}

TEST(HashTest, StringsAreCutToTheKeysSize) {
  struct Named {
    char name[8];
    int value;
  };
  HASHCTL info = control(8, sizeof(Named));
  HTAB* table = hash_create("strings", 16, &info, HASH_ELEM | HASH_STRINGS);
  static_cast<Named*>(hash_search(table, "abcdefghijk", HASH_ENTER, nullptr))->value = 7;
  Named* found = static_cast<Named*>(hash_search(table, "abcdefghXXX", HASH_FIND, nullptr));
  ASSERT_NE(found, nullptr);
  EXPECT_STREQ(found->name, "abcdefg");
  EXPECT_EQ(hash_search(table, "abcdef", HASH_FIND, nullptr), nullptr);
  hash_destroy(table);
}

TEST(HashTest, OwnFunctionsAreUsed) {
  HASHCTL info = control(sizeof(int32), sizeof(Entry));
  info.hash = [](const void* key, Size) -> uint32 {
    return static_cast<uint32>(*static_cast<const int32*>(key) / 10);
  };
  info.match = [](const void* a, const void* b, Size) -> int {
    return *static_cast<const int32*>(a) / 10 - *static_cast<const int32*>(b) / 10;
  };
  info.hcxt = AllocSetContextCreate(TopMemoryContext, "parent", ALLOCSET_SMALL_SIZES);
  HTAB* table = hash_create("own", 16, &info, HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
  int32 key = 41;
  hash_search(table, &key, HASH_ENTER, nullptr);
  key = 49;
  EXPECT_NE(hash_search(table, &key, HASH_FIND, nullptr), nullptr);
  EXPECT_EQ(get_hash_value(table, &key), 4u);
  MemoryContextDelete(info.hcxt);  // and the table with it
}

TEST(HashTest, KeysCanBeChangedAndTablesFrozen) {
  HASHCTL info = control(sizeof(int32), sizeof(Entry));
  static HTAB* table;
  table = hash_create("frozen", 16, &info, HASH_ELEM | HASH_BLOBS);
  int32 one = 1, two = 2, three = 3;
  Entry* entry = static_cast<Entry*>(hash_search(table, &one, HASH_ENTER, nullptr));
  hash_search(table, &two, HASH_ENTER, nullptr);
  EXPECT_FALSE(hash_update_hash_key(table, entry, &two));
  EXPECT_TRUE(hash_update_hash_key(table, entry, &three));
  EXPECT_EQ(hash_search(table, &one, HASH_FIND, nullptr), nullptr);
  EXPECT_EQ(hash_search(table, &three, HASH_FIND, nullptr), entry);
  hash_freeze(table);
  auto error = caught([](void*) {
    int32 key = 99;
    hash_search(table, &key, HASH_ENTER, nullptr);
  });
  EXPECT_EQ(error.message, "cannot insert into frozen hashtable \"frozen\"");
  hash_destroy(table);
}

TEST(HashTest, AScanLeftOpenIsReportedAtCommitOnly) {
  HASHCTL info = control(sizeof(int32), sizeof(Entry));
  HTAB* table = hash_create("leaked", 16, &info, HASH_ELEM | HASH_BLOBS);
  HASH_SEQ_STATUS scan;
  hash_seq_init(&scan, table);
  AtEOXact_HashTables(false);
  hash_seq_init(&scan, table);
  testing::internal::CaptureStderr();
  AtEOXact_HashTables(true);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("leaked hash_seq_search scan for hash table"),
            std::string::npos);
  hash_destroy(table);
}

// A stand-in for shared memory of a given size.
char* shared_at;
Size shared_left;
void* allocate_shared(Size size) {
  size = CACHELINEALIGN(size);
  if (size > shared_left) return nullptr;
  shared_left -= size;
  void* result = shared_at;
  shared_at += size;
  return result;
}

HASHCTL shared_control(long entries, bool partitioned) {
  Size space = hash_estimate_size(entries, sizeof(Entry));
  shared_at =
      static_cast<char*>(mmap(nullptr, space, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  shared_left = space;
  HASHCTL info = control(sizeof(int32), sizeof(Entry));
  info.num_partitions = 16;
  info.dsize = info.max_dsize = hash_select_dirsize(entries);
  info.alloc = allocate_shared;
  int flags =
      HASH_SHARED_MEM | HASH_ALLOC | HASH_DIRSIZE | HASH_ELEM | HASH_BLOBS | (partitioned ? HASH_PARTITION : 0);
  info.hctl = static_cast<HASHHDR*>(allocate_shared(hash_get_shared_size(&info, flags)));
  return info;
}

TEST(HashTest, SharedTablesHoldWhatWasEstimatedAndAreSeenByOthers) {
  for (bool partitioned : {false, true})
    for (long entries : {10L, 1000L, 20000L}) {
      SCOPED_TRACE(testing::Message() << entries << (partitioned ? " partitioned" : ""));
      HASHCTL info = shared_control(entries, partitioned);
      int flags = HASH_SHARED_MEM | HASH_ALLOC | HASH_DIRSIZE | HASH_ELEM | HASH_BLOBS |
                  (partitioned ? HASH_PARTITION : 0);
      HTAB* table = hash_create("shared", entries, &info, flags);
      int status = 0;
      pid_t child = fork();
      if (child == 0) {
        HTAB* attached = hash_create("shared", entries, &info, flags | HASH_ATTACH);
        for (int32 key = 0; key < entries; ++key)
          if (!hash_search(attached, &key, HASH_ENTER_NULL, nullptr)) _exit(1);
        int32 key = 5;
        hash_search(attached, &key, HASH_REMOVE, nullptr);
        _exit(0);
      }
      waitpid(child, &status, 0);
      ASSERT_EQ(status, 0) << "the table was full too early";
      EXPECT_EQ(hash_get_num_entries(table), entries - 1);
      for (int32 key = 0; key < entries; ++key) {
        Entry* entry = static_cast<Entry*>(hash_search(table, &key, HASH_FIND, nullptr));
        ASSERT_EQ(entry != nullptr, key != 5);
      }
    }
}

TEST(HashTest, AFullSharedTableSaysSo) {
  HASHCTL info = shared_control(10, false);
  static HTAB* table;
  table = hash_create("full", 10, &info,
                      HASH_SHARED_MEM | HASH_ALLOC | HASH_DIRSIZE | HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
  for (int32 key = 0; key < 10; ++key) ASSERT_NE(hash_search(table, &key, HASH_ENTER_NULL, nullptr), nullptr);
  int32 key = 10;
  EXPECT_EQ(hash_search(table, &key, HASH_ENTER_NULL, nullptr), nullptr);
  auto error = caught([](void*) {
    int32 another = 11;
    hash_search(table, &another, HASH_ENTER, nullptr);
  });
  EXPECT_EQ(error.message, "out of shared memory");
  EXPECT_EQ(error.sqlstate, "53200");
  key = 3;
  hash_search(table, &key, HASH_REMOVE, nullptr);
  key = 11;
  EXPECT_NE(hash_search(table, &key, HASH_ENTER, nullptr), nullptr);
}

TEST(HashTest, WithTheHashValueAtHandAndScansLeftEarly) {
  HASHCTL control = {};
  control.keysize = sizeof(int);
  control.entrysize = 2 * sizeof(int);
  HTAB* table = hash_create("by value", 16, &control, HASH_ELEM | HASH_BLOBS);
  for (int key = 0; key < 100; key++) {
    uint32 value = get_hash_value(table, &key);
    bool found;
    int* entry = static_cast<int*>(hash_search_with_hash_value(table, &key, value, HASH_ENTER, &found));
    ASSERT_FALSE(found);
    entry[1] = key * key;
    EXPECT_EQ(hash_search(table, &key, HASH_FIND, &found), entry);
  }
  HASH_SEQ_STATUS scan;
  hash_seq_init(&scan, table);
  ASSERT_NE(hash_seq_search(&scan), nullptr);
  hash_seq_term(&scan);
  // No scan is open any more: the table may be frozen and dropped, and the end of a transaction has nothing to
  // say.
  hash_freeze(table);
  ::testing::internal::CaptureStderr();
  hash_stats("here", table);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "here: hash table \"by value\": 100 entries, 100 buckets\n");
  AtEOSubXact_HashTables(true, 1);
  AtEOXact_HashTables(true);
  EXPECT_EQ(hash_get_num_entries(table), 100);
  hash_destroy(table);
}

}  // namespace
