// The loop calls back what happened, once each, in time, and never a watch or deadline that was taken back;
// signals given to it interrupt nothing; a forked child can drop its descriptors.
#include "core/event_loop.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/status_page.hpp"

namespace {

using namespace std::chrono_literals;
using bgw::EventLoop;

class EventLoopTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ::sigprocmask(SIG_SETMASK, nullptr, &before_);
    ASSERT_TRUE(loop_.open({SIGUSR2}, [this](int signal) {
      signals_.push_back(signal);
      if (stop_on_signal_) loop_.stop();
    }));
    guard_ = loop_.call_after(10s, [this] {
      timed_out_ = true;
      loop_.stop();
    });
    ASSERT_EQ(::pipe2(pipe_, O_CLOEXEC), 0);
  }
  void TearDown() override {
    EXPECT_FALSE(timed_out_);
    ::close(pipe_[0]);
    ::close(pipe_[1]);
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
  }
  void run() { ASSERT_TRUE(loop_.run()); }

  EventLoop loop_;
  sigset_t before_;
  std::vector<int> signals_;
  bool stop_on_signal_ = true;
  bool timed_out_ = false;
  EventLoop::TimerId guard_;
  int pipe_[2];
};

TEST_F(EventLoopTest, CallsBackAReadableDescriptor) {
  ASSERT_TRUE(loop_.watch(pipe_[0], [this] {
    char byte;
    ASSERT_EQ(::read(pipe_[0], &byte, 1), 1);
    EXPECT_EQ(byte, 'x');
    loop_.stop();
  }));
  ASSERT_EQ(::write(pipe_[1], "x", 1), 1);
  run();
}

TEST_F(EventLoopTest, SignalsArriveAsCallbacks) {
  ::kill(::getpid(), SIGUSR2);
  run();
  EXPECT_EQ(signals_, std::vector<int>{SIGUSR2});
}

TEST_F(EventLoopTest, DeadlinesRunInOrderAndNotEarly) {
  std::vector<int> order;
  auto start = EventLoop::Clock::now();
  loop_.call_at(start + 30ms, [&] {
    order.push_back(2);
    EXPECT_GE(EventLoop::Clock::now() - start, 30ms);
    loop_.stop();
  });
  loop_.call_at(start + 10ms, [&] {
    order.push_back(1);
    EXPECT_GE(EventLoop::Clock::now() - start, 10ms);
  });
  auto cancelled = loop_.call_at(start + 20ms, [&] { order.push_back(99); });
  loop_.cancel(cancelled);
  run();
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST_F(EventLoopTest, AWatchTakenBackIsNotCalledEvenIfItsEventWasCollected) {
  int other[2];
  ASSERT_EQ(::pipe2(other, O_CLOEXEC), 0);
  int calls = 0;
  auto drop_both = [&] {
    calls++;
    loop_.unwatch(pipe_[0]);
    loop_.unwatch(other[0]);
    loop_.call_soon([this] { loop_.stop(); });
  };
  ASSERT_TRUE(loop_.watch(pipe_[0], drop_both));
  ASSERT_TRUE(loop_.watch(other[0], drop_both));
  ASSERT_EQ(::write(pipe_[1], "x", 1), 1);
  ASSERT_EQ(::write(other[1], "x", 1), 1);
  run();
  EXPECT_EQ(calls, 1);
  ::close(other[0]);
  ::close(other[1]);
}

TEST_F(EventLoopTest, AChildClosesWhatIsThePostmastersAlone) {
  int moved = EventLoop::make_private(::dup(pipe_[0]));
  ASSERT_GE(moved, 0);
  pid_t child = ::fork();
  if (child == 0) {
    EventLoop::close_private_descriptors();
    bool closed = ::fcntl(moved, F_GETFD) < 0;
    bool kept = ::fcntl(pipe_[0], F_GETFD) >= 0;
    ::_exit(closed && kept ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_GE(::fcntl(moved, F_GETFD), 0);
  ::close(moved);
}

TEST(StatusPage, AChildReadsWhatThePostmasterWroteAndCannotWriteIt) {
  ASSERT_TRUE(bgw::StatusPage::create(4, 8));
  bgw::WorkerRegistry registry;
  auto& worker = registry.add({.name = "n", .type = "t", .restart_after = 5s, .flags = 3}, 2);
  registry.started(worker, 4711);
  bgw::StatusPage::set_worker(2, worker, 6, "library", "function");
  bgw::StatusPage::set_child_pid(6, 4711);
  bgw::StatusPage::set_upstream(
      {.level = bgw::UpstreamLevel::consistent, .in_recovery = true, .server_version = 150020});
  pid_t child = ::fork();
  if (child == 0) {
    bgw::StatusPage::protect_in_child();
    auto rows = bgw::StatusPage::workers();
    bool good = rows.size() == 1 && rows[0].first == 2 && std::string(rows[0].second.name) == "n" &&
                rows[0].second.pid == 4711 && rows[0].second.child_slot == 6 && rows[0].second.starts == 1 &&
                rows[0].second.restart_seconds == 5 &&
                bgw::StatusPage::child_pids() == std::vector<pid_t>{4711} &&
                bgw::StatusPage::upstream().in_recovery;
    if (!good) ::_exit(1);
    ::signal(SIGSEGV, [](int) { ::_exit(42); });
    bgw::StatusPage::clear_worker(2);
    ::_exit(2);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 42);
  EXPECT_EQ(bgw::StatusPage::workers().size(), 1u);
  bgw::StatusPage::clear_worker(2);
  EXPECT_TRUE(bgw::StatusPage::workers().empty());
}

}  // namespace
