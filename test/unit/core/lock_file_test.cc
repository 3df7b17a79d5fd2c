// One host per data directory: a second one is refused while the first lives, whatever became of the first's
// file; and however the first died, children of it alive or not, the next one can start.
#include "core/lock_file.hpp"

#include "core/process_support.hpp"

#include <algorithm>

using namespace bgw_test;
using bgw::LockFile;

namespace {

class LockFileTest : public ::testing::Test {
 protected:
  TempFolder folder_;
  std::string file_ = folder_ / "bgworkerd.pid";

  bgw::Result<LockFile> acquire() {
    return LockFile::acquire(folder_.path(), folder_ / "run/control.sock", "0.1");
  }

  // A process that holds the lock until it is killed; with a child that outlives it if `child` is given.
  pid_t start_holder(pid_t* child = nullptr) {
    int ends[2];
    if (pipe(ends) != 0) return -1;
    const pid_t pid = fork_running([&] {
      bgw::Result<LockFile> lock = acquire();
      pid_t grandchild = 0;
      if (child != nullptr && (grandchild = fork()) == 0)
        for (;;) pause();
      const pid_t answer = lock ? grandchild : -1;
      if (write(ends[1], &answer, sizeof(answer)) != sizeof(answer)) _exit(1);
      for (;;) pause();
    });
    pid_t answer = -1;
    EXPECT_EQ(read(ends[0], &answer, sizeof(answer)), static_cast<ssize_t>(sizeof(answer)));
    EXPECT_GE(answer, 0);
    close(ends[0]);
    close(ends[1]);
    if (child != nullptr) *child = answer;
    return pid;
  }
  void kill_and_wait(pid_t pid) {
    ASSERT_EQ(kill(pid, SIGKILL), 0);
    wait_for_exit(pid);
  }
};

}  // namespace

TEST_F(LockFileTest, SaysWhoHoldsItAndGoesAtTheEnd) {
  bgw::Result<LockFile> lock = acquire();
  ASSERT_TRUE(lock) << lock.error().one_line();
  EXPECT_FALSE(lock->left_behind());
  std::istringstream text(read_file(file_));
  std::string pid, directory, started, socket, version, more;
  std::getline(text, pid);
  std::getline(text, directory);
  std::getline(text, started);
  std::getline(text, socket);
  std::getline(text, version);
  EXPECT_EQ(pid, std::to_string(getpid()));
  EXPECT_EQ(directory, folder_.path());
  EXPECT_NEAR(static_cast<double>(std::stoll(started)), static_cast<double>(std::time(nullptr)), 5);
  EXPECT_EQ(socket, folder_ / "run/control.sock");
  EXPECT_EQ(version, "0.1");
  EXPECT_FALSE(std::getline(text, more));
  EXPECT_EQ(mode_of(file_), 0600u);
  lock->release();
  EXPECT_FALSE(exists(file_));
}

TEST_F(LockFileTest, ASecondHostIsRefusedAndToldWhoIsThere) {
  const pid_t holder = start_holder();
  bgw::Result<LockFile> second = acquire();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message, "lock file \"bgworkerd.pid\" already exists");
  EXPECT_EQ(second.error().hint, "Is another bgworkerd (PID " + std::to_string(holder) +
                                     ") running in data directory \"" + folder_.path() + "\"?");
  bgw::Result<std::optional<bgw::LockFileContents>> found = bgw::find_lock_holder(folder_.path());
  ASSERT_TRUE(found);
  ASSERT_TRUE(*found);
  EXPECT_EQ((*found)->pid, holder);
  EXPECT_EQ((*found)->control_socket, folder_ / "run/control.sock");
  // It must not have been disturbed by the attempt.
  EXPECT_FALSE(acquire());
  kill_and_wait(holder);
}

TEST_F(LockFileTest, AKilledHostsFileIsTakenOver) {
  const pid_t holder = start_holder();
  kill_and_wait(holder);
  ASSERT_TRUE(exists(file_));
  bgw::Result<std::optional<bgw::LockFileContents>> found = bgw::find_lock_holder(folder_.path());
  ASSERT_TRUE(found);
  EXPECT_FALSE(*found);
  bgw::Result<LockFile> lock = acquire();
  ASSERT_TRUE(lock) << lock.error().one_line();
  ASSERT_TRUE(lock->left_behind());
  EXPECT_EQ(lock->left_behind()->pid, holder);
}

TEST_F(LockFileTest, ALivingChildOfAKilledHostDoesNotKeepTheNextOneOut) {
  pid_t child = 0;
  const pid_t holder = start_holder(&child);
  ASSERT_GT(child, 0);
  EXPECT_FALSE(acquire());
  kill_and_wait(holder);
  ASSERT_EQ(kill(child, 0), 0) << "the child should still be there";
  bgw::Result<LockFile> lock = acquire();
  EXPECT_TRUE(lock) << lock.error().one_line();
  kill(child, SIGKILL);
}

TEST_F(LockFileTest, AForkedChildNeitherRemovesNorReleasesIt) {
  bgw::Result<LockFile> lock = acquire();
  ASSERT_TRUE(lock);
  EXPECT_EQ(wait_for_exit(fork_running([&] { lock->release(); })), 0);
  ASSERT_TRUE(exists(file_));
  EXPECT_EQ(wait_for_exit(fork_running([&] {
              bgw::Result<std::optional<bgw::LockFileContents>> found = bgw::find_lock_holder(folder_.path());
              ASSERT_TRUE(found);
              EXPECT_TRUE(*found);
              EXPECT_FALSE(acquire());
            })),
            0);
}

TEST_F(LockFileTest, NonsenseInTheFileIsNoObstacle) {
  write_file(file_, std::string("\0\n\n-17 what\n", 12));
  bgw::Result<LockFile> lock = acquire();
  EXPECT_TRUE(lock) << lock.error().one_line();
}

TEST_F(LockFileTest, OfManyAtOnceExactlyOneGetsIt) {
  for (int round = 0; round < 20; round++) {
    int winners[2], start[2];
    ASSERT_EQ(pipe(winners), 0);
    ASSERT_EQ(pipe(start), 0);
    std::vector<pid_t> pids;
    for (int i = 0; i < 8; i++)
      pids.push_back(fork_running([&] {
        char byte;
        close(start[1]);
        close(winners[0]);
        if (read(start[0], &byte, 1) != 0) _exit(1);
        bgw::Result<LockFile> lock = acquire();
        byte = lock ? 'w' : 'l';
        if (write(winners[1], &byte, 1) != 1) _exit(1);
        if (lock)
          for (;;) pause();
      }));
    close(start[0]);
    close(winners[1]);
    close(start[1]);
    std::string results;
    char byte;
    while (results.size() < pids.size() && read(winners[0], &byte, 1) == 1) results.push_back(byte);
    EXPECT_EQ(std::count(results.begin(), results.end(), 'w'), 1) << results;
    for (pid_t pid : pids) {
      kill(pid, SIGKILL);
      wait_for_exit(pid);
    }
    close(winners[0]);
  }
}

TEST_F(LockFileTest, AnUnwritableFolderIsToldAsSuch) {
  run_unprivileged([&] {
    ASSERT_EQ(chmod(folder_.path().c_str(), 0500), 0);
    bgw::Result<LockFile> lock = acquire();
    ASSERT_FALSE(lock);
    EXPECT_EQ(lock.error().message, "could not create lock file \"" + file_ + "\": Permission denied");
    chmod(folder_.path().c_str(), 0700);
  });
}
