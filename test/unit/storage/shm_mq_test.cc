// Property: what one process sends through a queue the other receives, message for message and byte for byte,
// whatever the sizes, the ring and the mixture of waiting and not waiting; and a side that goes away is
// noticed.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "support/caught.hpp"
#include "support/children.hpp"
#include "support/must.hpp"

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shm_mq.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"
}

using bgw_test::becomes_true;
using bgw_test::caught;
using bgw_test::shared_bytes;
using bgw_test::start_child;
using bgw_test::wait_for_child;

namespace {

class ShmMqTest : public ::testing::Test {
 protected:
  void SetUp() override { bgw_test::become_postmaster(); }
};

shm_mq* new_queue(Size ring) {
  const Size size = shm_mq_minimum_size - MAXIMUM_ALIGNOF + ring;
  return shm_mq_create(shared_bytes(size), size);
}

shm_mq_handle* as_sender(shm_mq* mq) {
  shm_mq_set_sender(mq, MyProc);
  return shm_mq_attach(mq, nullptr, nullptr);
}
shm_mq_handle* as_receiver(shm_mq* mq) {
  shm_mq_set_receiver(mq, MyProc);
  return shm_mq_attach(mq, nullptr, nullptr);
}

void wait_a_moment() {
  (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 1000, PG_WAIT_EXTENSION);
  ResetLatch(MyLatch);
}

// The i-th message of a run: sizes from nothing to several rings.
std::string message(std::uint64_t seed, int i) {
  std::mt19937_64 random(seed * 1000003 + static_cast<unsigned>(i));
  Size size = random() % 4 == 0 ? random() % 20000 : random() % 90;
  std::string text(size, '\0');
  for (Size at = 0; at < size; at++) text[at] = static_cast<char>(random() >> 8);
  return text;
}

// A process at both ends, with one handle for the two: sends until nothing fits, takes some out, and again.
TEST_F(ShmMqTest, OneHandleForBothEnds) {
  shm_mq* mq = new_queue(320);
  EXPECT_TRUE(bgw_test::run_child([=] {
                shm_mq_set_receiver(mq, MyProc);
                shm_mq_handle* mqh = as_sender(mq);
                std::mt19937 random(20010203);
                std::vector<std::string> under_way;
                int sent = 0, received = 0;
                while (received < 2000) {
                  for (unsigned some = random() % 4; some > 0; some--) {
                    // With its length a message takes 32 bytes at most, and the last one received is still in
                    // the ring.
                    if (under_way.size() == 320 / 32 - 1) break;
                    const std::string message(random() % 25, static_cast<char>('a' + sent % 26));
                    const bool flush = random() % 2 == 0;
                    MUST(shm_mq_send(mqh, message.size(), message.data(), true, flush) == SHM_MQ_SUCCESS);
                    under_way.push_back(message);
                    sent++;
                  }
                  for (unsigned some = random() % 4; some > 0; some--) {
                    Size size;
                    void* data;
                    const shm_mq_result result = shm_mq_receive(mqh, &size, &data, true);
                    MUST(result == (under_way.empty() ? SHM_MQ_WOULD_BLOCK : SHM_MQ_SUCCESS));
                    if (under_way.empty()) continue;
                    MUST(std::string(static_cast<char*>(data), size) == under_way.front());
                    under_way.erase(under_way.begin());
                    received++;
                  }
                }
                shm_mq_detach(mqh);
              }).exited_with(0));
}

}  // namespace

TEST_F(ShmMqTest, StreamsArriveWhole) {
  const std::uint64_t seed = bgw_test::test_seed();
  constexpr int count = 3000;
  for (Size ring : {Size{8}, Size{64}, Size{1000}, Size{4096}, Size{65536}}) {
    SCOPED_TRACE(ring);
    shm_mq* mq = new_queue(ring);
    const int messages = ring < 64 ? 300 : count;
    pid_t sender = start_child([=] {
      shm_mq_handle* mqh = as_sender(mq);
      std::mt19937_64 random(seed + 1);
      MUST(shm_mq_wait_for_attach(mqh) == SHM_MQ_SUCCESS);
      for (int i = 0; i < messages; i++) {
        const std::string text = message(seed, i);
        // In up to four pieces, some of them empty.
        shm_mq_iovec pieces[4];
        Size at = 0;
        for (int p = 0; p < 4; p++) {
          const Size size = p == 3 ? text.size() - at : random() % (text.size() - at + 1);
          pieces[p] = {text.data() + at, size};
          at += size;
        }
        const bool nowait = random() % 2;
        const bool flush = random() % 4 == 0;
        shm_mq_result result;
        while ((result = shm_mq_sendv(mqh, pieces, 4, nowait, flush)) == SHM_MQ_WOULD_BLOCK) {
          MUST(nowait);
          wait_a_moment();
        }
        MUST(result == SHM_MQ_SUCCESS);
      }
      shm_mq_detach(mqh);
    });
    pid_t receiver = start_child([=] {
      shm_mq_handle* mqh = as_receiver(mq);
      std::mt19937_64 random(seed + 2);
      Size size;
      void* data;
      for (int i = 0; i < messages; i++) {
        const bool nowait = random() % 2;
        shm_mq_result result;
        while ((result = shm_mq_receive(mqh, &size, &data, nowait)) == SHM_MQ_WOULD_BLOCK) {
          MUST(nowait);
          wait_a_moment();
        }
        MUST(result == SHM_MQ_SUCCESS);
        const std::string text = message(seed, i);
        MUST(size == text.size());
        MUST(size == 0 || memcmp(data, text.data(), size) == 0);
      }
      MUST(shm_mq_receive(mqh, &size, &data, random() % 2) != SHM_MQ_SUCCESS);
      MUST(shm_mq_receive(mqh, &size, &data, false) == SHM_MQ_DETACHED);
    });
    EXPECT_TRUE(wait_for_child(sender).exited_with(0));
    EXPECT_TRUE(wait_for_child(receiver).exited_with(0));
  }
}

TEST_F(ShmMqTest, NothingIsVisibleBeforeAFlushOrAQuarter) {
  shm_mq* mq = new_queue(4096);
  auto* step = bgw_test::shared_value<std::atomic<int>>();
  pid_t sender = start_child([=] {
    shm_mq_handle* mqh = as_sender(mq);
    char text[100] = "first";
    MUST(shm_mq_send(mqh, 100, text, true, false) == SHM_MQ_SUCCESS);
    *step = 1;
    MUST(becomes_true([=] { return *step == 2; }));
    MUST(shm_mq_send(mqh, 100, text, true, true) == SHM_MQ_SUCCESS);
    *step = 3;
    MUST(becomes_true([=] { return *step == 4; }));
    for (int i = 0; i < 12; i++) MUST(shm_mq_send(mqh, 100, text, true, false) == SHM_MQ_SUCCESS);
    *step = 5;
    MUST(becomes_true([=] { return *step == 6; }));
  });
  EXPECT_TRUE(bgw_test::run_child([=] {
                shm_mq_handle* mqh = as_receiver(mq);
                Size size;
                void* data;
                MUST(becomes_true([=] { return *step == 1; }));
                MUST(shm_mq_receive(mqh, &size, &data, true) == SHM_MQ_WOULD_BLOCK);
                *step = 2;
                MUST(becomes_true([=] { return *step == 3; }));
                MUST(shm_mq_receive(mqh, &size, &data, true) == SHM_MQ_SUCCESS);
                MUST(shm_mq_receive(mqh, &size, &data, true) == SHM_MQ_SUCCESS);
                MUST(shm_mq_receive(mqh, &size, &data, true) == SHM_MQ_WOULD_BLOCK);
                *step = 4;
                MUST(becomes_true([=] { return *step == 5; }));
                int seen = 0;
                while (shm_mq_receive(mqh, &size, &data, true) == SHM_MQ_SUCCESS) seen++;
                MUST(seen > 0 && seen <= 12);
                *step = 6;
              }).exited_with(0));
  EXPECT_TRUE(wait_for_child(sender).exited_with(0));
}

TEST_F(ShmMqTest, AFullQueueWouldBlockUntilThereIsRoomAndGoesOnWhereItStopped) {
  shm_mq* mq = new_queue(1024);
  auto* step = bgw_test::shared_value<std::atomic<int>>();
  pid_t sender = start_child([=] {
    shm_mq_handle* mqh = as_sender(mq);
    std::vector<char> big(5000, 'x');
    // Nobody is there to receive: no waiting, no loss.
    MUST(shm_mq_send(mqh, big.size(), big.data(), true, true) == SHM_MQ_WOULD_BLOCK);
    *step = 1;
    shm_mq_result result;
    while ((result = shm_mq_send(mqh, big.size(), big.data(), true, true)) == SHM_MQ_WOULD_BLOCK)
      wait_a_moment();
    MUST(result == SHM_MQ_SUCCESS);
    while (shm_mq_send(mqh, 8, "8 bytes.", true, true) == SHM_MQ_SUCCESS) {
    }
    MUST(becomes_true([=] { return *step == 2; }));
    MUST(shm_mq_send(mqh, 8, "8 bytes.", false, true) == SHM_MQ_DETACHED);
  });
  EXPECT_TRUE(becomes_true([=] { return *step == 1; }));
  EXPECT_TRUE(bgw_test::run_child([=] {
                shm_mq_handle* mqh = as_receiver(mq);
                MUST(shm_mq_get_queue(mqh) == mq && shm_mq_get_receiver(mq) == MyProc);
                Size size;
                void* data;
                MUST(shm_mq_receive(mqh, &size, &data, false) == SHM_MQ_SUCCESS);
                MUST(size == 5000 && static_cast<char*>(data)[0] == 'x' &&
                     static_cast<char*>(data)[4999] == 'x');
                MUST(shm_mq_receive(mqh, &size, &data, false) == SHM_MQ_SUCCESS && size == 8);
                shm_mq_detach(mqh);
                *step = 2;
              }).exited_with(0));
  EXPECT_TRUE(wait_for_child(sender).exited_with(0));
}

TEST_F(ShmMqTest, AProcessThatEndsDetachesThroughItsSegment) {
  auto* handle = bgw_test::shared_value<std::atomic<dsm_handle>>();
  pid_t sender = start_child([=] {
    dsm_segment* seg = dsm_create(10000, 0);
    shm_mq* mq = shm_mq_create(dsm_segment_address(seg), 10000);
    shm_mq_set_sender(mq, MyProc);
    shm_mq_handle* mqh = shm_mq_attach(mq, seg, nullptr);
    *handle = dsm_segment_handle(seg);
    MUST(shm_mq_wait_for_attach(mqh) == SHM_MQ_SUCCESS);
    MUST(shm_mq_send(mqh, 4, "last", false, true) == SHM_MQ_SUCCESS);
    proc_exit(1);
  });
  EXPECT_TRUE(becomes_true([=] { return *handle != 0; }));
  EXPECT_TRUE(bgw_test::run_child([=] {
                dsm_segment* seg = dsm_attach(*handle);
                auto* mq = static_cast<shm_mq*>(dsm_segment_address(seg));
                shm_mq_set_receiver(mq, MyProc);
                shm_mq_handle* mqh = shm_mq_attach(mq, seg, nullptr);
                Size size;
                void* data;
                MUST(shm_mq_receive(mqh, &size, &data, false) == SHM_MQ_SUCCESS && size == 4);
                MUST(memcmp(data, "last", 4) == 0);
                MUST(shm_mq_receive(mqh, &size, &data, false) == SHM_MQ_DETACHED);
              }).exited_with(0));
  EXPECT_TRUE(wait_for_child(sender).exited_with(1));
}

TEST_F(ShmMqTest, WaitersShowTheirWaitEventAndTooLongMessagesAreRefused) {
  shm_mq* mq = new_queue(1024);
  static auto* proc = bgw_test::shared_value<std::atomic<PGPROC*>>();
  pid_t receiver = start_child([=] {
    shm_mq_handle* mqh = as_receiver(mq);
    *proc = MyProc;
    Size size;
    void* data;
    MUST(shm_mq_receive(mqh, &size, &data, false) == SHM_MQ_DETACHED);
  });
  EXPECT_TRUE(becomes_true([] { return *proc && proc->load()->wait_event_info == WAIT_EVENT_MQ_INTERNAL; }));
  pid_t sender = start_child([=] {
    static shm_mq_handle* mqh;
    mqh = as_sender(mq);
    auto refused = caught([](void*) { (void)shm_mq_send(mqh, MaxAllocSize + 1, "", false, true); });
    MUST(refused.sqlstate == "54000");
    MUST(refused.message == "cannot send a message of size 1073741824 via shared memory queue");
    MUST(becomes_true([] { return proc->load()->wait_event_info == WAIT_EVENT_MQ_RECEIVE; }));
    shm_mq_detach(mqh);
  });
  EXPECT_TRUE(wait_for_child(sender).exited_with(0));
  EXPECT_TRUE(wait_for_child(receiver).exited_with(0));
}
