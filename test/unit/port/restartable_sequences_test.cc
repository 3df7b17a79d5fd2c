// A process without restartable sequences.
#include "port/restartable_sequences.hpp"

#include <gtest/gtest.h>

#include <sched.h>
#include <sys/rseq.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

volatile const rseq* registered_area() {
  return reinterpret_cast<volatile const rseq*>(static_cast<char*>(__builtin_thread_pointer()) + __rseq_offset);
}

TEST(RestartableSequences, AreLeftAndTheProcessorIsStillKnown) {
  if (__rseq_size == 0) GTEST_SKIP() << "the C library registers none here";
  pid_t pid = fork();
  if (pid == 0) {
    bgw::leave_restartable_sequences();
    if (static_cast<int>(registered_area()->cpu_id) >= 0) _exit(1);
    if (sched_getcpu() < 0) _exit(2);
    bgw::leave_restartable_sequences();  // nothing to leave: nothing happens
    pid_t forked = fork();
    if (forked == 0) _exit(static_cast<int>(registered_area()->cpu_id) < 0 && sched_getcpu() >= 0 ? 0 : 3);
    int status = -1;
    waitpid(forked, &status, 0);
    _exit(WEXITSTATUS(status));
  }
  int status = -1;
  waitpid(pid, &status, 0);
  EXPECT_EQ(status, 0) << "check " << WEXITSTATUS(status) << " failed";
}

}  // namespace
