// Property: leaving a process runs the exit callbacks of the three lists in the server's order with the
// server's codes, once each, however the process leaves, and the process's status is the one it asked for.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "support/caught.hpp"
#include "support/children.hpp"

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "storage/ipc.h"
}

using bgw_test::Ended;
using bgw_test::run_child;
using bgw_test::SharedLog;

namespace {

SharedLog* events = nullptr;

void note(int code, Datum arg) {
  events->add(std::string(reinterpret_cast<const char*>(arg)) + " " + std::to_string(code));
}

void raise_error(int code, Datum arg) {
  note(code, arg);
  ereport(ERROR, (errmsg("raised in a callback")));
}

Datum name(const char* text) {
  return PointerGetDatum(text);
}

void register_all() {
  on_proc_exit(note, name("proc1"));
  on_proc_exit(note, name("proc2"));
  on_shmem_exit(note, name("shmem1"));
  on_shmem_exit(note, name("shmem2"));
  before_shmem_exit(note, name("before1"));
  before_shmem_exit(note, name("before2"));
}

class IpcTest : public ::testing::Test {
 protected:
  void SetUp() override {
    bgw_test::become_postmaster();
    events = new SharedLog;
  }
  void TearDown() override {
    delete events;
    events = nullptr;
  }
};

void cancel_the_first(void*) {
  cancel_before_shmem_exit(note, PointerGetDatum(nullptr));
}

}  // namespace

TEST_F(IpcTest, ProcExitRunsTheListsInOrderWithItsCode) {
  Ended ended = run_child([] {
    register_all();
    proc_exit(3);
  });
  EXPECT_TRUE(ended.exited_with(3));
  EXPECT_TRUE(ended.clean);
  EXPECT_EQ(events->text(), "before2 3|before1 3|shmem2 3|shmem1 3|proc2 3|proc1 3");
}

TEST_F(IpcTest, PlainExitRunsThemWithMinusOne) {
  Ended ended = run_child([] {
    register_all();
    exit(7);
  });
  EXPECT_TRUE(ended.exited_with(7));
  EXPECT_TRUE(ended.clean);
  EXPECT_EQ(events->text(), "before2 -1|before1 -1|shmem2 -1|shmem1 -1|proc2 -1|proc1 -1");
}

TEST_F(IpcTest, UnderscoreExitRunsNoneAndIsNotClean) {
  Ended ended = run_child([] {
    register_all();
    _exit(0);
  });
  EXPECT_TRUE(ended.exited_with(0));
  EXPECT_FALSE(ended.clean);
  EXPECT_EQ(events->text(), "");
}

TEST_F(IpcTest, AnErrorInACallbackGoesOnWithCodeOne) {
  Ended ended = run_child([] {
    on_proc_exit(note, name("proc"));
    before_shmem_exit(note, name("before1"));
    before_shmem_exit(raise_error, name("raises"));
    before_shmem_exit(note, name("before3"));
    proc_exit(0);
  });
  EXPECT_TRUE(ended.exited_with(1));
  EXPECT_EQ(events->text(), "before3 0|raises 0|before1 1|proc 1");
}

TEST_F(IpcTest, AFreshChildHasNineteenOnProcExitSlots) {
  Ended ended = run_child([] {
    for (int i = 0; i < 25; i++) {
      on_proc_exit([](int, Datum) {}, 0);
      events->add(std::to_string(i + 1));
    }
  });
  EXPECT_TRUE(ended.exited_with(1));
  EXPECT_EQ(events->text(), "1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|16|17|18|19");
}

TEST_F(IpcTest, OnlyTheNewestBeforeShmemExitCanBeCancelled) {
  Ended ended = run_child([] {
    before_shmem_exit(note, name("one"));
    before_shmem_exit(note, name("two"));
    bgw_test::Caught wrong = bgw_test::caught(cancel_the_first);
    events->add(wrong.message);
    cancel_before_shmem_exit(note, name("two"));
    proc_exit(0);
  });
  EXPECT_TRUE(ended.exited_with(0));
  char expected[100];
  snprintf(expected, sizeof expected, "before_shmem_exit callback (%p,0x0) is not the latest entry|one 0",
           reinterpret_cast<void*>(note));
  EXPECT_EQ(events->text(), expected);
}

TEST_F(IpcTest, AChildForgetsItsParentsCallbacks) {
  Ended ended = run_child([] {
    register_all();
    on_exit_reset();
    proc_exit(0);
  });
  EXPECT_TRUE(ended.exited_with(0));
  EXPECT_EQ(events->text(), "");
}

TEST_F(IpcTest, ProcExitInAProcessForkedByAWorkerPanics) {
  Ended ended = run_child([] {
    on_proc_exit(note, name("mine"));
    pid_t grandchild = fork();
    if (grandchild == 0) proc_exit(0);
    int status = 0;
    waitpid(grandchild, &status, 0);
    events->add(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT ? "aborted" : "not aborted");
    proc_exit(0);
  });
  EXPECT_TRUE(ended.exited_with(0));
  EXPECT_EQ(events->text(), "aborted|mine 0");
}

TEST_F(IpcTest, ACallbackMayRegisterAnother) {
  Ended ended = run_child([] {
    on_shmem_exit([](int, Datum) { on_proc_exit(note, name("late")); }, 0);
    proc_exit(0);
  });
  EXPECT_TRUE(ended.exited_with(0));
  EXPECT_EQ(events->text(), "late 0");
}
