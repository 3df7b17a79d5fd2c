// Property: wherever in a call the default SIGTERM handler ends a worker, the worker leaves in order and what
// it shared with others stays whole: no lock kept, no segment lost, no table or area out of joint.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "support/children.hpp"
#include "support/must.hpp"
#include "support/sudden_end.hpp"

extern "C" {
#include "postgres.h"
#include "lib/dshash.h"
#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/proclist.h"
#include "storage/shm_mq.h"
#include "storage/shm_toc.h"
#include "storage/shmem.h"
#include "utils/dsa.h"
#include "utils/hsearch.h"
}

using bgw_test::becomes_true;
using bgw_test::end_everywhere;
using bgw_test::run_child;
using bgw_test::shared_bytes;
using bgw_test::shared_value;
using bgw_test::start_child;
using bgw_test::wait_for_child;

namespace {

constexpr int tranche = LWTRANCHE_PARALLEL_HASH_JOIN;

class SuddenEndTest : public ::testing::Test {
 protected:
  void SetUp() override {
    bgw_test::become_postmaster();
    if (!bgw_test::can_single_step()) GTEST_SKIP() << "no single steps on this processor";
  }
};

// A child that lives through the rounds of a test: what dynamic shared memory needs, and what looks after each
// round.
struct Keeper {
  struct Shared {
    std::atomic<int> asked, done;
    std::atomic<bool> leave;
    std::atomic<dsm_handle> handle;
    std::atomic<dsa_pointer> pointer;
    std::atomic<int> count;
  };
  Shared* shared = shared_value<Shared>();
  pid_t pid = 0;

  // `main` gets a function that waits for the next round; it says false when there is none any more.
  template <class Main>
  void start(Main main) {
    pid = start_child([=, shared = shared] {
      main(shared, [=] {
        const int done = ++shared->done;
        MUST(becomes_true([=] { return shared->asked == done || shared->leave; }, 60));
        return !shared->leave;
      });
    });
    ASSERT_TRUE(becomes_true([=, this] { return shared->done == 1; }));
  }
  void next() {
    const int asked = ++shared->asked;
    ASSERT_TRUE(becomes_true([=, this] { return shared->done == asked + 1; }, 10))
        << "the keeper found something";
  }
  void stop() {
    shared->leave = true;
    EXPECT_TRUE(wait_for_child(pid).exited_with(0));
  }
};

int free_segments() {
  std::vector<dsm_segment*> segments;
  while (dsm_segment* seg = dsm_create(1, DSM_CREATE_NULL_IF_MAXSEGMENTS)) segments.push_back(seg);
  for (dsm_segment* seg : segments) dsm_detach(seg);
  return static_cast<int>(segments.size());
}

}  // namespace

TEST_F(SuddenEndTest, NoSegmentIsLost) {
  Keeper keeper;
  keeper.start([](Keeper::Shared* shared, auto next_round) {
    const int all = free_segments();
    while (next_round()) {
      const dsm_handle handle = shared->handle.exchange(DSM_HANDLE_INVALID);
      // Whoever can be attached to now is kept by its pin.
      if (dsm_segment* seg = handle == DSM_HANDLE_INVALID ? nullptr : dsm_attach(handle)) {
        dsm_unpin_segment(handle);
        dsm_detach(seg);
      }
      MUST(free_segments() == all);
    }
  });
  auto* shared = keeper.shared;
  end_everywhere({.action =
                      [=](int) {
                        dsm_segment* seg = dsm_create(5000, 0);
                        shared->handle = dsm_segment_handle(seg);
                        dsm_pin_segment(seg);
                        dsm_detach(seg);
                        seg = dsm_attach(shared->handle);
                        dsm_unpin_segment(shared->handle);
                        dsm_detach(seg);
                      },
                  .after = [&](int) { keeper.next(); }},
                 30, bgw_test::test_seed());
  keeper.stop();
}

TEST_F(SuddenEndTest, AnAreaStaysWhole) {
  for (bool in_place : {false, true}) {
    SCOPED_TRACE(in_place);
    Keeper keeper;
    const Size place_size = dsa_minimum_size() + 50000;
    void* place = shared_bytes(place_size);
    keeper.start([=](Keeper::Shared* shared, auto next_round) {
      const int all = free_segments();
      dsa_area* area =
          in_place ? dsa_create_in_place(place, place_size, tranche, nullptr) : dsa_create(tranche);
      shared->handle = in_place ? 1 : dsa_get_handle(area);
      std::vector<std::pair<dsa_pointer, Size>> mine;
      const auto look = [&] {
        for (auto [pointer, size] : mine) {
          auto* bytes = static_cast<unsigned char*>(dsa_get_address(area, pointer));
          MUST(std::all_of(bytes, bytes + size, [=](unsigned char byte) { return byte == size % 251; }));
        }
      };
      while (next_round()) {
        look();
        for (Size size : {Size{24}, Size{24}, Size{600}, Size{9000}, Size{40000}}) {
          mine.emplace_back(dsa_allocate(area, size), size);
          memset(dsa_get_address(area, mine.back().first), static_cast<int>(size % 251), size);
        }
        look();
        while (mine.size() > 20) {
          dsa_free(area, mine.front().first);
          mine.erase(mine.begin());
        }
      }
      if (in_place) dsa_release_in_place(place);
      dsa_detach(area);
      MUST(free_segments() == all);
    });
    static dsa_area* area;
    static bool trims;  // in one of the two: it has many steps
    trims = in_place;
    auto* shared = keeper.shared;
    end_everywhere({.before =
                        [=](int) {
                          area = in_place ? dsa_attach_in_place(place, nullptr) : dsa_attach(shared->handle);
                          if (in_place)
                            on_shmem_exit(dsa_on_shmem_exit_release_in_place, PointerGetDatum(place));
                        },
                    .action =
                        [](int) {
                          dsa_pointer pointers[3];
                          const Size sizes[3] = {24, 600, 70000};
                          for (int i = 0; i < 3; i++) pointers[i] = dsa_allocate(area, sizes[i]);
                          for (dsa_pointer pointer : pointers) dsa_free(area, pointer);
                          if (trims) dsa_trim(area);
                        },
                    .after = [&](int) { keeper.next(); }},
                   15, bgw_test::test_seed());
    keeper.stop();
  }
}

namespace {

struct Entry {
  int64 key;
  int64 value;
};

const dshash_parameters parameters = {sizeof(int64), sizeof(Entry), dshash_memcmp, dshash_memhash, tranche};

constexpr int own_keys = 7;  // one more fills a partition's first buckets, and the next makes it grow

// Keys of one partition of a table.
std::vector<int64> keys_together(int count) {
  std::vector<int64> keys;
  for (int64 key = 0; static_cast<int>(keys.size()) < count; key++)
    if (dshash_memhash(&key, sizeof key, nullptr) >> 25 == 77) keys.push_back(key);
  return keys;
}

// What dshash_dump() says, to standard error, that the table has.
int64 entries_by_dump(dshash_table* table) {
  FILE* file = tmpfile();
  fflush(stderr);
  const int kept = dup(STDERR_FILENO);
  dup2(fileno(file), STDERR_FILENO);
  dshash_dump(table);
  fflush(stderr);
  dup2(kept, STDERR_FILENO);
  close(kept);
  rewind(file);
  int64 total = 0;
  char line[200];
  unsigned partition, entries, buckets;
  int partitions = 0;
  while (fgets(line, sizeof line, file))
    if (sscanf(line, "partition %u: %u entries, %u buckets", &partition, &entries, &buckets) == 3)
      total += entries, partitions++;
  fclose(file);
  MUST(partitions == 128);
  return total;
}

}  // namespace

TEST_F(SuddenEndTest, ADshashTableStaysWhole) {
  static std::vector<int64> keys;
  keys = keys_together(own_keys + 3);
  static dsa_area* area;
  static dshash_table* table;
  Keeper keeper;
  keeper.start([](Keeper::Shared* shared, auto next_round) {
    area = dsa_create(tranche);
    shared->handle = dsa_get_handle(area);
    const auto make = [&] {
      table = dshash_create(area, &parameters, nullptr);
      for (int i = 0; i < own_keys; i++) {
        bool found;
        auto* entry = static_cast<Entry*>(dshash_find_or_insert(table, &keys[i], &found));
        entry->value = keys[i] * 3;
        dshash_release_lock(table, entry);
      }
      shared->pointer = dshash_get_hash_table_handle(table);
    };
    make();
    while (next_round()) {
      std::set<int64> seen;
      dshash_seq_status scan;
      dshash_seq_init(&scan, table, false);
      while (auto* entry = static_cast<Entry*>(dshash_seq_next(&scan))) {
        MUST(seen.insert(entry->key).second);
        MUST(std::find(keys.begin(), keys.end(), entry->key) != keys.end());
      }
      dshash_seq_term(&scan);
      MUST(entries_by_dump(table) == static_cast<int64>(seen.size()));
      for (int i = 0; i < own_keys; i++) {
        auto* entry = static_cast<Entry*>(dshash_find(table, &keys[i], false));
        MUST(entry && entry->value == keys[i] * 3);
        dshash_release_lock(table, entry);
      }
      dshash_destroy(table);
      make();
    }
  });
  auto* shared = keeper.shared;
  end_everywhere({.before =
                      [=](int) {
                        area = dsa_attach(shared->handle);
                        table = dshash_attach(area, &parameters, shared->pointer, nullptr);
                      },
                  .action =
                      [](int) {
                        bool found;
                        for (int i = own_keys; i < own_keys + 3; i++)
                          dshash_release_lock(table, dshash_find_or_insert(table, &keys[i], &found));
                        for (int i = own_keys; i < own_keys + 2; i++) dshash_delete_key(table, &keys[i]);
                      },
                  .after = [&](int) { keeper.next(); }},
                 30, bgw_test::test_seed());
  keeper.stop();
}

TEST_F(SuddenEndTest, ASharedHashTableStaysWhole) {
  for (bool partitioned : {false, true}) {
    SCOPED_TRACE(partitioned);
    static HTAB* table;
    static LWLock* lock;
    HASHCTL info = {};
    info.keysize = sizeof(int64);
    info.entrysize = sizeof(Entry);
    info.num_partitions = 4;
    table = ShmemInitHash(partitioned ? "sudden end, partitioned" : "sudden end", 16, 512, &info,
                          HASH_ELEM | HASH_BLOBS | (partitioned ? HASH_PARTITION : 0));
    lock = static_cast<LWLock*>(shared_bytes(sizeof(LWLock)));
    LWLockInitialize(lock, tranche);
    constexpr int64 mine = 1000000;
    for (int64 key = mine; key < mine + 10; key++)
      static_cast<Entry*>(hash_search(table, &key, HASH_ENTER, nullptr))->value = key;
    end_everywhere({.action =
                        [](int round) {
                          LWLockAcquire(lock, LW_EXCLUSIVE);
                          for (int64 key = round * 3; key < round * 3 + 3; key++)
                            (void)hash_search(table, &key, HASH_ENTER, nullptr);
                          int64 key = round * 3 + 1;
                          const int64 other = -1 - round * 3;
                          (void)hash_update_hash_key(table, hash_search(table, &key, HASH_FIND, nullptr),
                                                     &other);
                          key = round * 3 + 2;
                          (void)hash_search(table, &key, HASH_REMOVE, nullptr);
                          LWLockRelease(lock);
                        },
                    .after =
                        [](int round) {
                          ASSERT_EQ(pg_atomic_read_u32(&lock->state) & ((1U << 25) - 1), 0u);
                          std::set<int64> seen;
                          HASH_SEQ_STATUS scan;
                          hash_seq_init(&scan, table);
                          while (auto* entry = static_cast<Entry*>(hash_seq_search(&scan)))
                            ASSERT_TRUE(seen.insert(entry->key).second);
                          ASSERT_EQ(hash_get_num_entries(table), static_cast<long>(seen.size()));
                          for (int64 key : seen) {
                            auto* entry = static_cast<Entry*>(hash_search(table, &key, HASH_FIND, nullptr));
                            ASSERT_NE(entry, nullptr) << key;
                            ASSERT_EQ(entry->key, key);
                          }
                          for (int64 key = mine; key < mine + 10; key++) ASSERT_TRUE(seen.contains(key)) << key;
                          // Some stay, so that the table grows from round to round.
                          std::erase_if(seen, [](int64 key) { return key >= mine || key % 3 == 0; });
                          for (int64 key : seen)
                            ASSERT_NE(hash_search(table, &key, HASH_REMOVE, nullptr), nullptr);
                        }},
                   30, bgw_test::test_seed());
  }
}

TEST_F(SuddenEndTest, AQueueGivesWholeMessagesAndThenItsEnd) {
  Keeper keeper;
  keeper.start([](Keeper::Shared* shared, auto next_round) {
    for (;;) {
      dsm_segment* seg = dsm_create(1000, 0);
      shm_mq* mq = shm_mq_create(dsm_segment_address(seg), 400);
      shm_mq_set_receiver(mq, MyProc);
      shm_mq_handle* mqh = shm_mq_attach(mq, seg, nullptr);
      shared->handle = dsm_segment_handle(seg);
      if (!next_round()) return;
      Size size;
      void* data;
      int number = 0;
      shm_mq_result result;
      while ((result = shm_mq_receive(mqh, &size, &data, true)) == SHM_MQ_SUCCESS) {
        MUST(size == 20U + static_cast<unsigned>(number) * 13);
        MUST(std::all_of(static_cast<char*>(data), static_cast<char*>(data) + size,
                         [=](char byte) { return byte == 'a' + number; }));
        number++;
      }
      // Who has not got as far as shm_mq_attach() is nobody whose end could be seen.
      MUST(result == SHM_MQ_DETACHED || number == 0);
      dsm_detach(seg);
    }
  });
  auto* shared = keeper.shared;
  static dsm_segment* seg;
  static std::string text[3];
  for (int i = 0; i < 3; i++)
    text[i] = std::string(static_cast<std::size_t>(20 + i * 13), static_cast<char>('a' + i));
  end_everywhere({.before = [=](int) { seg = dsm_attach(shared->handle); },
                  .action =
                      [](int round) {
                        auto* mq = static_cast<shm_mq*>(dsm_segment_address(seg));
                        shm_mq_set_sender(mq, MyProc);
                        shm_mq_handle* mqh = shm_mq_attach(mq, seg, nullptr);
                        for (const std::string& one : text)
                          (void)shm_mq_send(mqh, one.size(), one.data(), true, true);
                        if (round % 2)
                          shm_mq_detach(mqh);
                        else
                          shmem_exit(0);  // the segment's end says it
                      },
                  .after = [&](int) { keeper.next(); }},
                 30, bgw_test::test_seed());
  keeper.stop();
}

// The same for what lies in ordinary shared memory, in one go.
TEST_F(SuddenEndTest, NoLockIsKeptAndNobodyIsLeftInAQueue) {
  struct Shared {
    LWLock lock, other_lock;
    ConditionVariable cv;
    uint64 variable;
    char toc[20000];
  };
  static Shared* shared;
  shared = shared_value<Shared>();
  LWLockInitialize(&shared->lock, tranche);
  LWLockInitialize(&shared->other_lock, tranche);
  ConditionVariableInit(&shared->cv);
  static shm_toc* toc;
  toc = shm_toc_create(42, shared->toc, sizeof shared->toc);
  end_everywhere({.action =
                      [](int round) {
                        LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
                        LWLockAcquire(&shared->other_lock, LW_SHARED);
                        LWLockUpdateVar(&shared->lock, &shared->variable, static_cast<uint64>(round));
                        LWLockRelease(&shared->lock);
                        (void)LWLockConditionalAcquire(&shared->lock, LW_SHARED);
                        LWLockReleaseAll();
                        ConditionVariablePrepareToSleep(&shared->cv);
                        ConditionVariableSignal(&shared->cv);
                        ConditionVariableCancelSleep();
                        ConditionVariablePrepareToSleep(&shared->cv);
                        ConditionVariableBroadcast(&shared->cv);
                        shm_toc_insert(toc, static_cast<uint64>(round), shm_toc_allocate(toc, 32));
                      },
                  .after =
                      [](int) {
                        ASSERT_EQ(pg_atomic_read_u32(&shared->lock.state), 0u);
                        ASSERT_EQ(pg_atomic_read_u32(&shared->other_lock.state), 0u);
                        ASSERT_TRUE(proclist_is_empty(&shared->cv.wakeup));
                        ConditionVariableSignal(&shared->cv);
                        ASSERT_GT(shm_toc_freespace(toc), 0u);
                      }},
                 30, bgw_test::test_seed());
}

// SIGTERM may also come when the worker is leaving anyway.
TEST_F(SuddenEndTest, AWorkerThatIsLeavingLeavesInOrder) {
  static int* called;
  called = shared_value<int>();
  static dsm_handle* handle;
  handle = shared_value<dsm_handle>();
  end_everywhere({.before =
                      [](int) {
                        *called = 0;
                        on_shmem_exit([](int, Datum) { ++*called; }, 0);
                        dsm_segment* seg = dsm_create(100, 0);
                        *handle = dsm_segment_handle(seg);
                        before_shmem_exit([](int, Datum) { ++*called; }, 0);
                      },
                  // What proc_exit() does before the C library's part.
                  .action = [](int) { shmem_exit(0); },
                  .after =
                      [](int) {
                        EXPECT_GE(*called, 1);  // one may have been interrupted before it counted
                        for (uint32 i = 0; i < ProcGlobal->allProcCount; i++)
                          EXPECT_EQ(ProcGlobal->allProcs[i].pid, 0);
                      }},
                 30, bgw_test::test_seed());
  EXPECT_TRUE(run_child([] { MUST(dsm_attach(*handle) == nullptr); }).exited_with(0));
}
