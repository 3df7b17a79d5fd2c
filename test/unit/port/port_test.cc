// Property: the owners of descriptors close what they hold exactly once, errors name the call, deadlines do not
// wrap, and a futex sleep ends for a change or at its deadline, never before.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <limits>

#include "port/clock.hpp"
#include "port/fd.hpp"
#include "port/futex.hpp"
#include "port/process.hpp"
#include "support/children.hpp"

namespace {
bool is_open(int fd) {
  return fcntl(fd, F_GETFD) >= 0;
}
}  // namespace

TEST(UniqueFdTest, ClosesOnceAndMoves) {
  auto opened = bgw::open_file("/dev/null", O_RDONLY);
  ASSERT_TRUE(opened);
  const int number = opened->get();
  EXPECT_EQ(fcntl(number, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  {
    bgw::UniqueFd moved = std::move(*opened);
    EXPECT_FALSE(static_cast<bool>(*opened));
    EXPECT_EQ(moved.get(), number);
    EXPECT_TRUE(is_open(number));
    errno = 17;
  }
  EXPECT_EQ(errno, 17);
  EXPECT_FALSE(is_open(number));
}

TEST(UniqueFdTest, ErrorsNameTheCallAndTheReason) {
  auto opened = bgw::open_file("/no/such/file", O_RDONLY);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().message, "could not open file \"/no/such/file\": No such file or directory");
}

TEST(ClockTest, DeadlinesDoNotWrap) {
  EXPECT_EQ(bgw::deadline_after_ms(-1), bgw::no_deadline);
  EXPECT_EQ(bgw::deadline_after_ms(std::numeric_limits<long>::max()), std::numeric_limits<std::int64_t>::max());
  const std::int64_t now = bgw::monotonic_ns();
  EXPECT_GE(bgw::deadline_after_ms(10), now + 10 * bgw::nanoseconds_per_millisecond);
}

TEST(FutexTest, EndsForAChangeOrAtTheDeadline) {
  int* word = bgw_test::shared_value<int>();
  EXPECT_EQ(bgw::futex_wait(word, 1, bgw::no_deadline), bgw::FutexOutcome::look_again);
  const std::int64_t deadline = bgw::monotonic_ns() + 5 * bgw::nanoseconds_per_millisecond;
  while (bgw::futex_wait(word, 0, deadline) != bgw::FutexOutcome::timeout) {
  }
  EXPECT_GE(bgw::monotonic_ns(), deadline);
  EXPECT_EQ(bgw::futex_wake(word, 1), 0);

  pid_t child = fork();
  if (child == 0) {
    while (__atomic_load_n(word, __ATOMIC_SEQ_CST) == 0) bgw::futex_wait(word, 0, bgw::no_deadline);
    _exit(0);
  }
  __atomic_store_n(word, 1, __ATOMIC_SEQ_CST);
  bgw::futex_wake(word, 1);
  EXPECT_TRUE(bgw_test::wait_for_child(child).exited_with(0));
}

TEST(ProcessTest, ADescriptorShowsTheEnd) {
  pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  auto descriptor = bgw::pidfd_open(child);
  ASSERT_TRUE(descriptor);
  pollfd entry = {.fd = descriptor->get(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&entry, 1, 0), 0);
  EXPECT_TRUE(bgw::pidfd_send_signal(descriptor->get(), SIGKILL));
  EXPECT_EQ(poll(&entry, 1, 10000), 1);
  waitpid(child, nullptr, 0);
}
