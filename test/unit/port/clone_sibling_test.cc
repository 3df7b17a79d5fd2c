// A sibling is a child of the caller's parent, and the C library in it knows who it is.
#include "port/clone_sibling.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>

namespace {

// What the sibling finds; the bit number of the first thing that is wrong, or 0.
int look_around(pid_t parent, pid_t maker) {
  if (getppid() != parent) return 1;
  if (getpid() == maker) return 2;
  if (syscall(SYS_gettid) != getpid()) return 3;
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_t mutex;
  pthread_mutex_init(&mutex, &attributes);
  if (pthread_mutex_lock(&mutex) != 0) return 4;
  if (mutex.__data.__owner != getpid()) return 5;  // the C library's idea of the thread's id
  if (pthread_mutex_lock(&mutex) != EDEADLK) return 6;
  if (pthread_mutex_unlock(&mutex) != 0) return 7;
  static volatile sig_atomic_t caught = 0;
  std::signal(SIGUSR1, [](int) { caught = 1; });
  raise(SIGUSR1);
  if (!caught) return 8;
  pthread_t thread;
  if (pthread_create(
          &thread, nullptr, [](void* p) { return p; }, nullptr) != 0)
    return 9;
  if (pthread_join(thread, nullptr) != 0) return 10;
  return 0;
}

// The maker has written the sibling's pid into the pipe; both are this process's children.
void expect_both_end_well(const int (&ends)[2], pid_t maker) {
  pid_t sibling = 0;
  ASSERT_EQ(read(ends[0], &sibling, sizeof sibling), static_cast<ssize_t>(sizeof sibling));
  ASSERT_GT(sibling, 0);
  int status = -1;
  EXPECT_EQ(waitpid(sibling, &status, 0), sibling);
  EXPECT_EQ(status, 0) << "check " << WEXITSTATUS(status) << " failed in the sibling";
  EXPECT_EQ(waitpid(maker, &status, 0), maker);
  EXPECT_EQ(status, 0);
  close(ends[0]);
  close(ends[1]);
}

TEST(CloneSibling, IsAChildOfTheCallersParent) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  pid_t parent = getpid();
  pid_t maker = fork();
  if (maker == 0) {
    int pidfd = -1;
    pid_t self = getpid();
    pid_t sibling = bgw::clone_sibling(&pidfd);
    if (sibling == 0) _exit(look_around(parent, self));
    pollfd ended{pidfd, POLLIN, 0};
    bool watched = sibling > 0 && poll(&ended, 1, 10000) == 1;
    bool close_on_exec = (fcntl(pidfd, F_GETFD) & FD_CLOEXEC) != 0;
    [[maybe_unused]] ssize_t written = write(ends[1], &sibling, sizeof sibling);
    _exit(watched && close_on_exec ? 0 : 1);
  }
  expect_both_end_well(ends, maker);
}

struct Surroundings {
  pid_t parent;
  pid_t maker;
  char* stack;
};
constexpr std::size_t kStackSize = 64 * 1024;

// The first frame of a sibling with a stack of its own: on that stack, aligned as the ABI wants it, and able to do what any
// process is.
void look_around_on_own_stack(void* argument) {
  auto* around = static_cast<Surroundings*>(argument);
  auto* frame = static_cast<char*>(__builtin_frame_address(0));
  if (frame < around->stack || frame >= around->stack + kStackSize) _exit(20);
  alignas(16) volatile char aligned[16] = {};
  if (reinterpret_cast<std::uintptr_t>(aligned) % 16 != 0) _exit(21);
  char text[64];  // printf of a double wants an aligned stack
  if (std::snprintf(text, sizeof text, "%.3f", 1.5) != 5) _exit(22);
  _exit(look_around(around->parent, around->maker));
}

TEST(CloneSibling, BeginsWithAFunctionOnAStackOfItsOwn) {
  if (!bgw::kBeginsOnItsOwnStack) GTEST_SKIP() << "not where this was built";
  static Surroundings around;
  around.parent = getpid();
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  pid_t maker = fork();
  if (maker == 0) {
    around.maker = getpid();
    around.stack = static_cast<char*>(
        mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (around.stack == MAP_FAILED) _exit(2);
    int pidfd = -1;
    pid_t sibling =
        bgw::clone_sibling({look_around_on_own_stack, &around, around.stack + kStackSize}, &pidfd, nullptr);
    pollfd ended{pidfd, POLLIN, 0};
    bool watched = sibling > 0 && poll(&ended, 1, 10000) == 1;
    // Two processes: nothing of the sibling's stack is to be seen here.
    for (std::size_t i = 0; i < kStackSize; i++)
      if (around.stack[i] != 0) _exit(3);
    [[maybe_unused]] ssize_t written = write(ends[1], &sibling, sizeof sibling);
    _exit(watched ? 0 : 1);
  }
  expect_both_end_well(ends, maker);
}

TEST(CloneSibling, SaysWhyItCannotMakeOneWithAStack) {
  if (!bgw::kBeginsOnItsOwnStack) GTEST_SKIP() << "not where this was built";
  int pidfd = -1;
  errno = 0;
  EXPECT_EQ(bgw::clone_sibling({[](void*) { _exit(0); }, nullptr, nullptr}, &pidfd, nullptr), -1);
  EXPECT_NE(errno, 0);
}

// Not even the caller's death at the worst moment hides the new process from who shares the note.
TEST(CloneSibling, IsNotedBeforeItBegins) {
  auto* note = static_cast<pid_t*>(
      mmap(nullptr, sizeof(pid_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(note, MAP_FAILED);
  pid_t maker = fork();
  if (maker == 0) {
    *static_cast<volatile pid_t*>(note) = 0;
    int pidfd = -1;
    pid_t sibling = bgw::clone_sibling(&pidfd, note);
    if (sibling == 0) _exit(*static_cast<volatile pid_t*>(note) == getpid() ? 0 : 1);
    kill(getpid(), SIGKILL);
  }
  int status = -1;
  ASSERT_EQ(waitpid(maker, &status, 0), maker);
  ASSERT_GT(*static_cast<volatile pid_t*>(note), 0);
  EXPECT_EQ(waitpid(*note, &status, 0), *note);
  EXPECT_EQ(status, 0);
  munmap(note, sizeof(pid_t));
}

}  // namespace
