// Property: a wait on a latch ends when and only when it should: the latch is set (from this process, a handler
// or another process, before or during the wait), the time is over (never early), a socket is ready, or the
// postmaster is gone; and it says which in the server's bits.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <string>

#include "bridge/critical.hpp"
#include "bridge/wait.hpp"
#include "port/clock.hpp"
#include "port/fd.hpp"
#include "support/caught.hpp"
#include "support/children.hpp"

extern "C" {
#include "postgres.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"
}

using bgw_test::becomes_true;
using bgw_test::caught;
using bgw_test::Ended;
using bgw_test::run_child;
using bgw_test::shared_value;
using bgw_test::SharedLog;
using bgw_test::start_child;
using bgw_test::wait_for_child;

namespace {

constexpr uint32 wait_event = PG_WAIT_EXTENSION;

std::int64_t now_ms() {
  return bgw::monotonic_ns() / bgw::nanoseconds_per_millisecond;
}

int wait_latch(int events, long timeout = -1) {
  return WaitLatch(MyLatch, events, timeout, wait_event);
}

struct SocketPair {
  SocketPair() {
    int both[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, both) != 0) abort();
    near.reset(both[0]);
    far.reset(both[1]);
  }
  void send() { EXPECT_EQ(write(far.get(), "x", 1), 1); }
  // After this the near end cannot be written to.
  void fill() {
    char block[4096] = {};
    while (write(near.get(), block, sizeof block) > 0) {
    }
  }
  bgw::UniqueFd near, far;
};

class LatchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    bgw_test::become_postmaster();
    ResetLatch(MyLatch);
  }
};

volatile sig_atomic_t handled = 0;
void count_only(SIGNAL_ARGS) {
  handled = handled + 1;
}
void set_my_latch(SIGNAL_ARGS) {
  handled = handled + 1;
  SetLatch(MyLatch);
}

// Sends SIGALRM to this process after `ms`, and again every `again_ms`.
void alarm_in(int ms, int again_ms = 0) {
  itimerval timer = {};
  timer.it_value.tv_usec = ms * 1000;
  timer.it_interval.tv_usec = again_ms * 1000;
  setitimer(ITIMER_REAL, &timer, nullptr);
}

}  // namespace

TEST_F(LatchTest, StaysSetUntilReset) {
  SetLatch(MyLatch);
  EXPECT_EQ(wait_latch(WL_LATCH_SET), WL_LATCH_SET);
  EXPECT_EQ(wait_latch(WL_LATCH_SET | WL_TIMEOUT, 0), WL_LATCH_SET);
  ResetLatch(MyLatch);
  EXPECT_EQ(wait_latch(WL_LATCH_SET | WL_TIMEOUT, 0), WL_TIMEOUT);
}

TEST_F(LatchTest, TimeoutIsNeverEarly) {
  for (int i = 0; i < 20; i++) {
    const std::int64_t before = bgw::monotonic_ns();
    EXPECT_EQ(wait_latch(WL_LATCH_SET | WL_TIMEOUT, 3), WL_TIMEOUT);
    EXPECT_GE(bgw::monotonic_ns() - before, 3 * bgw::nanoseconds_per_millisecond);
  }
}

TEST_F(LatchTest, ASetLatchDoesNotWakeWhoDidNotAskForIt) {
  SetLatch(MyLatch);
  EXPECT_EQ(wait_latch(WL_TIMEOUT, 5), WL_TIMEOUT);
  EXPECT_EQ(WaitLatch(nullptr, WL_TIMEOUT, 5, wait_event), WL_TIMEOUT);
}

TEST_F(LatchTest, AHandlerThatDoesNotSetTheLatchNeitherEndsNorLengthensTheWait) {
  for (bool with_socket : {false, true}) {
    SocketPair sockets;
    handled = 0;
    pqsignal(SIGALRM, count_only);
    alarm_in(5, 5);
    const std::int64_t before = now_ms();
    int bits = with_socket ? WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_TIMEOUT,
                                               sockets.near.get(), 60, wait_event)
                           : wait_latch(WL_LATCH_SET | WL_TIMEOUT, 60);
    const std::int64_t took = now_ms() - before;
    alarm_in(0);
    EXPECT_EQ(bits, WL_TIMEOUT);
    EXPECT_GE(handled, 3);
    EXPECT_GE(took, 60);
    EXPECT_LT(took, 1000);
  }
}

TEST_F(LatchTest, AHandlerThatSetsTheLatchEndsTheWait) {
  for (bool with_socket : {false, true}) {
    SocketPair sockets;
    ResetLatch(MyLatch);
    pqsignal(SIGALRM, set_my_latch);
    alarm_in(10);
    int bits = with_socket ? WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_TIMEOUT,
                                               sockets.near.get(), 20000, wait_event)
                           : wait_latch(WL_LATCH_SET | WL_TIMEOUT, 20000);
    EXPECT_EQ(bits, WL_LATCH_SET);
  }
  pqsignal(SIGALRM, SIG_DFL);
}

TEST_F(LatchTest, AStrayWakeUpSignalDoesNotEndTheWait) {
  kill(getpid(), SIGURG);
  EXPECT_EQ(wait_latch(WL_LATCH_SET | WL_TIMEOUT, 10), WL_TIMEOUT);
  SocketPair sockets;
  kill(getpid(), SIGURG);
  EXPECT_EQ(WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_TIMEOUT, sockets.near.get(), 10,
                              wait_event),
            WL_TIMEOUT);
}

TEST_F(LatchTest, SetLatchKeepsErrno) {
  errno = 4711;
  SetLatch(MyLatch);
  EXPECT_EQ(errno, 4711);
}

TEST_F(LatchTest, WaitingOnWhatIsNotOursIsAnError) {
  static Latch nobodys;
  InitSharedLatch(&nobodys);
  auto wait = [](void*) { WaitLatch(&nobodys, WL_LATCH_SET | WL_TIMEOUT, 0, wait_event); };
  EXPECT_EQ(caught(wait).message, "cannot wait on a latch owned by another process");
  auto wait_with_socket = [](void*) {
    WaitLatchOrSocket(&nobodys, WL_LATCH_SET | WL_TIMEOUT, PGINVALID_SOCKET, 0, wait_event);
  };
  EXPECT_EQ(caught(wait_with_socket).message, "cannot wait on a latch owned by another process");
  OwnLatch(&nobodys);
  EXPECT_EQ(WaitLatch(&nobodys, WL_LATCH_SET | WL_TIMEOUT, 0, wait_event), WL_TIMEOUT);
  SetLatch(&nobodys);
  EXPECT_EQ(WaitLatch(&nobodys, WL_LATCH_SET | WL_TIMEOUT, 0, wait_event), WL_LATCH_SET);
  DisownLatch(&nobodys);
  EXPECT_EQ(caught(wait).message, "cannot wait on a latch owned by another process");
}

TEST_F(LatchTest, OwningAnOwnedLatchPanics) {
  Latch* latch = shared_value<Latch>();
  InitSharedLatch(latch);
  OwnLatch(latch);
  EXPECT_TRUE(run_child([latch] { OwnLatch(latch); }).killed_by(SIGABRT));
}

TEST_F(LatchTest, WaitLatchOrSocketChecksItsArguments) {
  auto no_latch = [](void*) { WaitLatchOrSocket(nullptr, WL_LATCH_SET, PGINVALID_SOCKET, 0, wait_event); };
  EXPECT_EQ(caught(no_latch).message, "cannot wait on latch without a specified latch");
  auto no_socket = [](void*) {
    WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE, PGINVALID_SOCKET, 0, wait_event);
  };
  EXPECT_EQ(caught(no_socket).message, "cannot wait on socket event without a socket");
  EXPECT_EQ(caught(no_socket).sqlstate, "XX000");
}

TEST_F(LatchTest, SocketBits) {
  SocketPair sockets;
  const int in = WL_SOCKET_READABLE, out = WL_SOCKET_WRITEABLE;
  auto wait = [&](int events) {
    return WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_TIMEOUT | events, sockets.near.get(), 0, wait_event);
  };
  EXPECT_EQ(wait(in), WL_TIMEOUT);
  EXPECT_EQ(wait(out), out);
  EXPECT_EQ(wait(in | out), out);
  sockets.send();
  EXPECT_EQ(wait(in), in);
  EXPECT_EQ(wait(in | out), in | out);
  SetLatch(MyLatch);
  EXPECT_EQ(wait(in | out), WL_LATCH_SET);
  ResetLatch(MyLatch);
  sockets.fill();
  EXPECT_EQ(wait(out), WL_TIMEOUT);
  // The peer's end shows as readable, and as writeable too.
  sockets.far.reset();
  EXPECT_EQ(wait(in | out), in | out);
  EXPECT_EQ(wait(out), out);
}

TEST_F(LatchTest, AFreshChildsLatchStartsOutSet) {
  Ended ended = run_child([] {
    int first = wait_latch(WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 5000);
    ResetLatch(MyLatch);
    int second = wait_latch(WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 1);
    bool own = MyLatch == &MyProc->procLatch && MyProc->procLatch.owner_pid == MyProcPid;
    proc_exit(first == WL_LATCH_SET && second == WL_TIMEOUT && own ? 0 : 9);
  });
  EXPECT_TRUE(ended.exited_with(0));
}

TEST_F(LatchTest, SetFromAnotherProcessWakesFutexAndPollSleepers) {
  for (bool with_socket : {false, true}) {
    std::atomic<Latch*>* latch = shared_value<std::atomic<Latch*>>();
    pid_t child = start_child([latch, with_socket] {
      SocketPair sockets;
      ResetLatch(MyLatch);
      latch->store(MyLatch);
      int bits = with_socket
                     ? WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_EXIT_ON_PM_DEATH,
                                         sockets.near.get(), -1, wait_event)
                     : wait_latch(WL_LATCH_SET | WL_EXIT_ON_PM_DEATH);
      proc_exit(bits == WL_LATCH_SET ? 0 : 9);
    });
    ASSERT_TRUE(becomes_true([&] { return latch->load() && latch->load()->maybe_sleeping; }));
    SetLatch(latch->load());
    EXPECT_TRUE(wait_for_child(child).exited_with(0));
  }
}

TEST_F(LatchTest, TheWaitEventIsShownWhileWaiting) {
  std::atomic<PGPROC*>* proc = shared_value<std::atomic<PGPROC*>>();
  pid_t child = start_child([proc] {
    ResetLatch(MyLatch);
    proc->store(MyProc);
    wait_latch(WL_LATCH_SET | WL_EXIT_ON_PM_DEATH);
    proc_exit(MyProc->wait_event_info == 0 ? 0 : 9);
  });
  EXPECT_TRUE(becomes_true([&] { return proc->load() && proc->load()->wait_event_info == wait_event; }));
  SetLatch(&proc->load()->procLatch);
  EXPECT_TRUE(wait_for_child(child).exited_with(0));
}

namespace {

// Runs `worker` as the child of a postmaster that is killed once the worker says that it is ready. Returns what
// the worker noted, and whether it was gone within a second.
struct Orphaned {
  std::string notes;
  std::int64_t gone_after_ms = -1;
};

struct OrphanPage {
  std::atomic<int> ready;
  std::atomic<pid_t> worker;
};

Orphaned run_orphan(const std::function<void(OrphanPage*, SharedLog&)>& worker) {
  OrphanPage* page = shared_value<OrphanPage>();
  SharedLog notes;
  fflush(nullptr);
  prctl(PR_SET_CHILD_SUBREAPER, 1);  // so that the orphan's end can be waited for
  const pid_t postmaster = fork();
  if (postmaster == 0) {
    MyProcPid = PostmasterPid = getpid();
    page->worker = start_child([&] { worker(page, notes); });
    for (;;) pause();
  }
  EXPECT_TRUE(becomes_true([&] { return page->ready == 1; }));
  usleep(20000);  // most likely asleep by now; right either way
  kill(postmaster, SIGKILL);
  const std::int64_t killed_at = now_ms();
  waitpid(postmaster, nullptr, 0);
  Orphaned orphaned;
  if (becomes_true([&] { return waitpid(page->worker, nullptr, WNOHANG) == page->worker; }))
    orphaned.gone_after_ms = now_ms() - killed_at;
  else
    kill(page->worker, SIGKILL);
  prctl(PR_SET_CHILD_SUBREAPER, 0);
  orphaned.notes = notes.text();
  return orphaned;
}

void note_exit_code(int code, Datum arg) {
  reinterpret_cast<SharedLog*>(arg)->add("exit " + std::to_string(code));
}

}  // namespace

TEST_F(LatchTest, PostmasterDeathEndsAWaitThatExits) {
  for (bool with_socket : {false, true})
    for (bool unblocked : {false, true}) {
      Orphaned orphaned = run_orphan([=](OrphanPage* page, SharedLog& notes) {
        SocketPair sockets;
        if (unblocked) PG_SETMASK(&UnBlockSig);
        on_proc_exit(note_exit_code, PointerGetDatum(&notes));
        ResetLatch(MyLatch);
        page->ready = 1;
        if (with_socket)
          WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_EXIT_ON_PM_DEATH,
                            sockets.near.get(), -1, wait_event);
        else
          wait_latch(WL_LATCH_SET | WL_EXIT_ON_PM_DEATH);
        notes.add("returned");
      });
      EXPECT_EQ(orphaned.notes, "exit 1") << with_socket << unblocked;
      EXPECT_GE(orphaned.gone_after_ms, 0);
    }
}

TEST_F(LatchTest, PostmasterDeathIsReportedEveryTime) {
  for (int asked : {static_cast<int>(WL_POSTMASTER_DEATH), 0})
    for (bool with_socket : {false, true}) {
      if (with_socket && !asked) continue;  // WaitLatchOrSocket looks only when asked
      Orphaned orphaned = run_orphan([=](OrphanPage* page, SharedLog& notes) {
        SocketPair sockets;
        PG_SETMASK(&UnBlockSig);
        ResetLatch(MyLatch);
        page->ready = 1;
        for (int i = 0; i < 3; i++) {
          int bits = with_socket ? WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | asked,
                                                     sockets.near.get(), -1, wait_event)
                                 : wait_latch(WL_LATCH_SET | WL_TIMEOUT | asked, 20000);
          notes.add(std::to_string(bits));
        }
        notes.add(PostmasterIsAlive() ? "alive" : "gone");
      });
      EXPECT_EQ(orphaned.notes, "16|16|16|gone") << asked << with_socket;
    }
}

TEST_F(LatchTest, AnOrphanThatDoesNotWaitIsKilledAfterSomeGrace) {
  Orphaned orphaned = run_orphan([](OrphanPage* page, SharedLog& notes) {
    PG_SETMASK(&UnBlockSig);
    page->ready = 1;
    volatile bool for_ever = true;
    while (for_ever) {
    }
  });
  EXPECT_GE(orphaned.gone_after_ms, 400);
}

TEST_F(LatchTest, PostmasterDeathEndsASessionsSocketWait) {
  Orphaned orphaned = run_orphan([](OrphanPage* page, SharedLog& notes) {
    SocketPair sockets;
    PG_SETMASK(&UnBlockSig);
    on_proc_exit(note_exit_code, PointerGetDatum(&notes));
    page->ready = 1;
    bgw::WaitOutcome outcome = bgw::wait_for_socket(sockets.near.get(), POLLIN, -1);
    notes.add(outcome == bgw::WaitOutcome::interrupted ? "interrupted" : "other");
    CHECK_FOR_INTERRUPTS();
    notes.add("not reached");
  });
  EXPECT_EQ(orphaned.notes, "interrupted|exit 1");
}

TEST_F(LatchTest, SessionSocketWaitOutcomes) {
  SocketPair sockets;
  EXPECT_EQ(bgw::wait_for_socket(sockets.near.get(), POLLIN, 5), bgw::WaitOutcome::timeout);
  EXPECT_EQ(bgw::wait_for_socket(sockets.near.get(), POLLOUT, 5), bgw::WaitOutcome::ready);
  sockets.send();
  EXPECT_EQ(bgw::wait_for_socket(sockets.near.get(), POLLIN, -1), bgw::WaitOutcome::ready);
}

TEST_F(LatchTest, SessionSocketWaitIsInterruptedByPendingInterruptsOnly) {
  SocketPair sockets;
  // A handler that leaves nothing to do does not interrupt.
  pqsignal(SIGALRM, count_only);
  alarm_in(5);
  EXPECT_EQ(bgw::wait_for_socket(sockets.near.get(), POLLIN, 30), bgw::WaitOutcome::timeout);
  // One that does, does.
  pqsignal(SIGALRM, [](SIGNAL_ARGS) { InterruptPending = true; });
  alarm_in(10);
  EXPECT_EQ(bgw::wait_for_socket(sockets.near.get(), POLLIN, 20000), bgw::WaitOutcome::interrupted);
  // What is pending already is seen before sleeping, unless nobody could serve it.
  EXPECT_EQ(bgw::wait_for_socket(sockets.near.get(), POLLIN, 20000), bgw::WaitOutcome::interrupted);
  HOLD_INTERRUPTS();
  EXPECT_EQ(bgw::wait_for_socket(sockets.near.get(), POLLIN, 5), bgw::WaitOutcome::timeout);
  RESUME_INTERRUPTS();
  InterruptPending = false;
  pqsignal(SIGALRM, [](SIGNAL_ARGS) { bgw::exit_deferred = 1; });
  alarm_in(10);
  EXPECT_EQ(bgw::wait_for_socket(sockets.near.get(), POLLIN, 20000), bgw::WaitOutcome::interrupted);
  bgw::exit_deferred = 0;
  pqsignal(SIGALRM, SIG_DFL);
}

namespace {

int consumed = 0;
int consumed_from = -1;
bool consuming_sets = false;
void consume() noexcept {
  char byte;
  consumed++;
  [[maybe_unused]] ssize_t got = read(consumed_from, &byte, 1);
  if (consuming_sets) SetLatch(MyLatch);
}

}  // namespace

TEST_F(LatchTest, AWatchedSessionIsServedDuringWaitsOnMyLatch) {
  SocketPair sockets;
  consumed = 0;
  consumed_from = sockets.near.get();
  bgw::watch_session_socket(sockets.near.get(), consume);

  consuming_sets = false;
  sockets.send();
  EXPECT_EQ(wait_latch(WL_LATCH_SET | WL_TIMEOUT, 20), WL_TIMEOUT);
  EXPECT_EQ(consumed, 1);

  consuming_sets = true;
  sockets.send();
  EXPECT_EQ(wait_latch(WL_LATCH_SET | WL_TIMEOUT, 20000), WL_LATCH_SET);
  EXPECT_EQ(consumed, 2);
  ResetLatch(MyLatch);

  // A wait that does not ask for the latch leaves the session alone.
  sockets.send();
  EXPECT_EQ(wait_latch(WL_TIMEOUT, 5), WL_TIMEOUT);
  EXPECT_EQ(consumed, 2);

  // Waits with other sockets serve it too.
  SocketPair others;
  EXPECT_EQ(WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE, others.near.get(), -1, wait_event),
            WL_LATCH_SET);
  EXPECT_EQ(consumed, 3);
  ResetLatch(MyLatch);

  // A lost connection is announced once and ends the watch.
  consuming_sets = false;
  sockets.far.reset();
  EXPECT_EQ(wait_latch(WL_LATCH_SET | WL_TIMEOUT, 10), WL_TIMEOUT);
  EXPECT_EQ(wait_latch(WL_LATCH_SET | WL_TIMEOUT, 10), WL_TIMEOUT);
  EXPECT_EQ(consumed, 4);
  bgw::watch_session_socket(-1, nullptr);
}
