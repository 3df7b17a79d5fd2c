// The last words of children: who spoke is the kernel's word, garbage is passed over, and an end never waits.
#include "postmaster/last_words.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <random>
#include <vector>

namespace {

// Every test runs in a process of its own: the socket is the process's, and closing descriptors is part of it.
void in_child(const std::function<void()>& body) {
  pid_t pid = fork();
  if (pid == 0) {
    body();
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
}

pid_t speak(int status) {
  pid_t pid = fork();
  if (pid == 0) {
    bgw::say_last_words(status);
    _exit(status);
  }
  return pid;
}

int reap(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WEXITSTATUS(status);
}

// The end that children inherit: the lowest descriptor that is a socket of this kind.
int inherited_end() {
  for (int fd = 3; fd < 512; fd++) {
    int type = 0;
    socklen_t size = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET) return fd;
  }
  return -1;
}

TEST(LastWords, NamesTheSenderAndItsStatus) {
  in_child([] {
    ASSERT_TRUE(bgw::open_last_words());
    EXPECT_FALSE(bgw::read_last_words());
    std::minstd_rand random(20260207);
    std::map<pid_t, int> said;
    for (int i = 0; i < 200; i++) {
      int status = static_cast<int>(random() % 256);
      said[speak(status)] = status;
    }
    for (auto& [pid, status] : said) EXPECT_EQ(reap(pid), status);
    std::size_t heard = 0;
    while (auto words = bgw::read_last_words()) {
      ASSERT_TRUE(said.contains(words->pid));
      EXPECT_EQ(said[words->pid], words->status);
      heard++;
    }
    EXPECT_EQ(heard, said.size());
  });
}

TEST(LastWords, DescriptorsAreClosedBefore) {
  in_child([] {
    ASSERT_TRUE(bgw::open_last_words());
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    int high = fcntl(ends[1], F_DUPFD, 300);
    int release[2];
    ASSERT_EQ(pipe(release), 0);
    pid_t pid = fork();
    if (pid == 0) {
      dup2(release[0], STDIN_FILENO);  // the standard ones stay open
      bgw::say_last_words(0);
      char byte;
      while (read(STDIN_FILENO, &byte, 1) > 0) {
      }
      _exit(0);
    }
    close(ends[1]);
    close(high);
    char byte;
    EXPECT_EQ(read(ends[0], &byte, 1), 0);  // the process lives and holds neither copy of the writing end
    close(release[1]);
    EXPECT_EQ(reap(pid), 0);
  });
}

TEST(LastWords, GarbageIsPassedOver) {
  in_child([] {
    ASSERT_TRUE(bgw::open_last_words());
    int fd = inherited_end();
    ASSERT_GE(fd, 0);
    ASSERT_EQ(send(fd, "", 0, 0), 0);
    ASSERT_EQ(send(fd, "too long", 8, 0), 8);
    pid_t pid = speak(1);
    reap(pid);
    auto words = bgw::read_last_words();
    while (words && words->pid == getpid()) words = bgw::read_last_words();
    ASSERT_TRUE(words);
    EXPECT_EQ(words->pid, pid);
    EXPECT_EQ(words->status, 1);
    EXPECT_FALSE(bgw::read_last_words());
  });
}

TEST(LastWords, AFullSocketDelaysNobody) {
  in_child([] {
    ASSERT_TRUE(bgw::open_last_words());
    std::vector<pid_t> pids;
    for (int i = 0; i < 1000; i++) pids.push_back(speak(1));
    for (pid_t pid : pids) EXPECT_EQ(reap(pid), 1);
    int heard = 0;
    while (bgw::read_last_words()) heard++;
    EXPECT_GT(heard, 0);
    pid_t pid = speak(0);
    reap(pid);
    auto words = bgw::read_last_words();
    ASSERT_TRUE(words);
    EXPECT_EQ(words->pid, pid);
  });
}

TEST(LastWords, ASocketShutDownByAChildIsReported) {
  in_child([] {
    ASSERT_TRUE(bgw::open_last_words());
    pid_t pid = fork();
    if (pid == 0) {
      shutdown(inherited_end(), SHUT_RDWR);
      _exit(0);
    }
    reap(pid);
    auto words = bgw::read_last_words();
    ASSERT_TRUE(words);
    EXPECT_EQ(words->pid, 0);
    EXPECT_EQ(reap(speak(1)), 1);  // speaking into it is no harm
  });
}

}  // namespace
