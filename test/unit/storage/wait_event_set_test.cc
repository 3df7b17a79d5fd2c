// Property: a wait set reports the events of its members, by position and with the caller's data, as the
// server's does, and refuses what the server refuses.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "port/fd.hpp"
#include "support/caught.hpp"
#include "support/children.hpp"

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"
}

using bgw_test::caught;

namespace {

constexpr uint32 wait_event = PG_WAIT_EXTENSION;

class WaitEventSetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    bgw_test::become_postmaster();
    ResetLatch(MyLatch);
    for (auto* pair : {&first_, &second_}) {
      int both[2];
      ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, both), 0);
      pair->first.reset(both[0]);
      pair->second.reset(both[1]);
    }
    set_ = CreateWaitEventSet(TopMemoryContext, 4);
  }
  void TearDown() override { FreeWaitEventSet(set_); }

  std::pair<bgw::UniqueFd, bgw::UniqueFd> first_, second_;
  WaitEventSet* set_ = nullptr;
  WaitEvent events_[4] = {};
};

}  // namespace

TEST_F(WaitEventSetTest, ReportsEveryReadySocketWithItsData) {
  int a = 0, b = 0;
  EXPECT_EQ(AddWaitEventToSet(set_, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, nullptr), 0);
  EXPECT_EQ(AddWaitEventToSet(set_, WL_SOCKET_READABLE, first_.first.get(), nullptr, &a), 1);
  EXPECT_EQ(AddWaitEventToSet(set_, WL_SOCKET_READABLE, second_.first.get(), nullptr, &b), 2);
  EXPECT_EQ(GetNumRegisteredWaitEvents(set_), 3);
  EXPECT_EQ(WaitEventSetWait(set_, 0, events_, 4, wait_event), 0);

  ASSERT_EQ(write(second_.second.get(), "x", 1), 1);
  ASSERT_EQ(WaitEventSetWait(set_, -1, events_, 4, wait_event), 1);
  EXPECT_EQ(events_[0].pos, 2);
  EXPECT_EQ(events_[0].fd, second_.first.get());
  EXPECT_EQ(events_[0].events, static_cast<uint32>(WL_SOCKET_READABLE));
  EXPECT_EQ(events_[0].user_data, &b);

  ASSERT_EQ(write(first_.second.get(), "x", 1), 1);
  EXPECT_EQ(WaitEventSetWait(set_, -1, events_, 4, wait_event), 2);
  EXPECT_EQ(WaitEventSetWait(set_, -1, events_, 1, wait_event), 1);

  SetLatch(MyLatch);
  ASSERT_EQ(WaitEventSetWait(set_, -1, events_, 1, wait_event), 1);
  EXPECT_EQ(events_[0].events, static_cast<uint32>(WL_LATCH_SET));
  EXPECT_EQ(events_[0].pos, 0);
}

TEST_F(WaitEventSetTest, WithoutSocketsItIsALatchWait) {
  AddWaitEventToSet(set_, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, set_);
  EXPECT_EQ(WaitEventSetWait(set_, 5, events_, 4, wait_event), 0);
  SetLatch(MyLatch);
  ASSERT_EQ(WaitEventSetWait(set_, -1, events_, 4, wait_event), 1);
  EXPECT_EQ(events_[0].user_data, set_);
}

TEST_F(WaitEventSetTest, EventsAndLatchCanBeChanged) {
  AddWaitEventToSet(set_, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, nullptr);
  AddWaitEventToSet(set_, WL_SOCKET_READABLE, first_.first.get(), nullptr, nullptr);
  ModifyWaitEvent(set_, 1, WL_SOCKET_WRITEABLE, nullptr);
  ASSERT_EQ(WaitEventSetWait(set_, -1, events_, 4, wait_event), 1);
  EXPECT_EQ(events_[0].events, static_cast<uint32>(WL_SOCKET_WRITEABLE));
  ModifyWaitEvent(set_, 1, WL_SOCKET_READABLE, nullptr);
  SetLatch(MyLatch);
  ModifyWaitEvent(set_, 0, WL_LATCH_SET, nullptr);
  EXPECT_EQ(WaitEventSetWait(set_, 5, events_, 4, wait_event), 0);
  ModifyWaitEvent(set_, 0, WL_LATCH_SET, MyLatch);
  EXPECT_EQ(WaitEventSetWait(set_, 5, events_, 4, wait_event), 1);
}

TEST_F(WaitEventSetTest, APeersCloseIsReportedToWhoAsks) {
  AddWaitEventToSet(set_, WL_SOCKET_CLOSED, first_.first.get(), nullptr, nullptr);
  ASSERT_EQ(write(first_.second.get(), "x", 1), 1);
  EXPECT_EQ(WaitEventSetWait(set_, 5, events_, 4, wait_event), 0);
  first_.second.reset();
  ASSERT_EQ(WaitEventSetWait(set_, -1, events_, 4, wait_event), 1);
  EXPECT_EQ(events_[0].events, static_cast<uint32>(WL_SOCKET_CLOSED));
  EXPECT_TRUE(WaitEventSetCanReportClosed());
}

TEST_F(WaitEventSetTest, RefusesWhatTheServerRefuses) {
  static WaitEventSet* set;
  static Latch nobodys;
  set = set_;
  InitSharedLatch(&nobodys);
  auto foreign = [](void*) { AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, &nobodys, nullptr); };
  EXPECT_EQ(caught(foreign).message, "cannot wait on a latch owned by another process");
  auto no_latch = [](void*) { AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, nullptr, nullptr); };
  EXPECT_EQ(caught(no_latch).message, "cannot wait on latch without a specified latch");
  auto no_socket = [](void*) {
    AddWaitEventToSet(set, WL_SOCKET_READABLE, PGINVALID_SOCKET, nullptr, nullptr);
  };
  EXPECT_EQ(caught(no_socket).message, "cannot wait on socket event without a socket");
  AddWaitEventToSet(set_, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, nullptr);
  auto modify = [](void*) { ModifyWaitEvent(set, 0, WL_LATCH_SET, &nobodys); };
  EXPECT_EQ(caught(modify).message, "cannot wait on a latch owned by another process");
}

TEST_F(WaitEventSetTest, WakesFromAnotherProcessWhileInEpoll) {
  auto* ready = bgw_test::shared_value<volatile int>();
  auto* proc = bgw_test::shared_value<PGPROC*>();
  int fd = first_.first.get();
  pid_t child = bgw_test::start_child([=] {
    WaitEventSet* set = CreateWaitEventSet(TopMemoryContext, 3);
    AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, nullptr);
    AddWaitEventToSet(set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, nullptr, nullptr);
    AddWaitEventToSet(set, WL_SOCKET_READABLE, fd, nullptr, nullptr);
    ResetLatch(MyLatch);
    *proc = MyProc;
    *ready = 1;
    WaitEvent event;
    int count = WaitEventSetWait(set, -1, &event, 1, wait_event);
    FreeWaitEventSet(set);
    exit(count == 1 && event.events == WL_LATCH_SET ? 0 : 9);
  });
  ASSERT_TRUE(bgw_test::becomes_true([&] { return *ready == 1 && (*proc)->procLatch.maybe_sleeping == 2; }));
  SetLatch(&(*proc)->procLatch);
  EXPECT_TRUE(bgw_test::wait_for_child(child).exited_with(0));
}
