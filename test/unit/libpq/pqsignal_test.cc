// Property: a child starts with exactly the server's set of signals blocked, keeps only the wake-up signal
// blocked once it lets signals through, and handlers are installed as the server installs them.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <set>

#include "support/children.hpp"

extern "C" {
#include "postgres.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
}

namespace {

// Of the standard signals; the kernel ignores KILL and STOP in a mask.
std::set<int> not_in(const sigset_t& mask) {
  std::set<int> open;
  for (int signo = 1; signo < 32; signo++)
    if (signo != SIGKILL && signo != SIGSTOP && !sigismember(&mask, signo)) open.insert(signo);
  return open;
}

std::set<int> open_now() {
  sigset_t mask;
  sigprocmask(SIG_SETMASK, nullptr, &mask);
  return not_in(mask);
}

const std::set<int> faults = {SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGSEGV, SIGBUS, SIGSYS, SIGCONT};

}  // namespace

TEST(PqSignalTest, Masks) {
  bgw_test::become_postmaster();
  EXPECT_EQ(not_in(BlockSig), faults);
  std::set<int> startup = faults;
  startup.insert({SIGQUIT, SIGTERM, SIGALRM});
  EXPECT_EQ(not_in(StartupBlockSig), startup);
}

TEST(PqSignalTest, AChildsMaskBeforeAndAfterUnblocking) {
  EXPECT_TRUE(bgw_test::run_child([] {
                std::set<int> expected = faults;
                expected.insert(SIGQUIT);
                if (open_now() != expected) _exit(3);
                PG_SETMASK(&UnBlockSig);
                std::set<int> open = open_now();
                if (open.size() != 28 || open.count(SIGURG)) _exit(4);
                struct sigaction urgent;
                sigaction(SIGURG, nullptr, &urgent);
                if (urgent.sa_handler != SIG_IGN) _exit(5);
                _exit(0);
              }).exited_with(0));
}

TEST(PqSignalTest, HandlersRestartSystemCalls) {
  pqsigfunc before = pqsignal(SIGUSR2, SIG_IGN);
  EXPECT_EQ(before, SIG_DFL);
  struct sigaction action;
  sigaction(SIGUSR2, nullptr, &action);
  EXPECT_EQ(action.sa_handler, SIG_IGN);
  EXPECT_TRUE(action.sa_flags & SA_RESTART);
  EXPECT_FALSE(action.sa_flags & SA_NOCLDSTOP);
  EXPECT_EQ(pqsignal(SIGUSR2, SIG_DFL), SIG_IGN);

  before = pqsignal(SIGCHLD, SIG_DFL);
  sigaction(SIGCHLD, nullptr, &action);
  EXPECT_TRUE(action.sa_flags & SA_NOCLDSTOP);
  pqsignal(SIGCHLD, before);
  EXPECT_EQ(pqsignal(SIGKILL, SIG_IGN), SIG_ERR);
}

TEST(PqSignalTest, QuitInAFreshChildExitsWithTwoAndRunsNoCallback) {
  bgw_test::Ended ended = bgw_test::run_child([] {
    kill(getpid(), SIGQUIT);
    pause();
  });
  EXPECT_TRUE(ended.exited_with(2));
  EXPECT_FALSE(ended.clean);
}
