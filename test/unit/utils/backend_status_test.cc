// Property: what a process reports of its activity is what others, and the postmaster after its death, read.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "support/children.hpp"

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/backend_progress.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/wait_event.h"
}

using bgw_test::start_child;
using bgw_test::wait_for_child;

TEST(BackendStatusTest, OthersReadWhatIsReported) {
  auto* ready = bgw_test::shared_value<volatile int>();
  pid_t child = start_child([=] {
    pgstat_report_activity(STATE_RUNNING, "before the entry is taken");
    pgstat_beinit();
    pgstat_beinit();
    MyProc->roleId = 10;  // as one that has connected
    pgstat_bestart();
    pgstat_report_appname("my application");
    pgstat_report_activity(STATE_RUNNING, "SELECT 1");
    ResetLatch(MyLatch);
    *ready = 1;
    WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1, PG_WAIT_EXTENSION);
    pgstat_report_activity(STATE_IDLE, nullptr);
    _exit(0);
  });
  ASSERT_TRUE(bgw_test::becomes_true([=] { return *ready == 1; }));
  pgstat_clear_backend_activity_snapshot();
  PgBackendStatus* entry = nullptr;
  for (int i = 1; i <= pgstat_fetch_stat_numbackends(); i++)
    if (pgstat_fetch_stat_beentry(i)->st_procpid == child) entry = pgstat_fetch_stat_beentry(i);
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->st_state, STATE_RUNNING);
  EXPECT_EQ(entry->st_backendType, B_BG_WORKER);
  EXPECT_STREQ(entry->st_activity_raw, "SELECT 1");
  EXPECT_STREQ(entry->st_appname, "my application");
  EXPECT_STREQ(pgstat_get_backend_current_activity(child, false), "SELECT 1");

  PGPROC* proc = nullptr;
  for (uint32 i = 0; i < ProcGlobal->allProcCount; i++)
    if (ProcGlobal->allProcs[i].pid == child) proc = &ProcGlobal->allProcs[i];
  ASSERT_NE(proc, nullptr);
  SetLatch(&proc->procLatch);
  EXPECT_TRUE(wait_for_child(child).exited_with(0));

  // The child left without cleaning up: its last words are still there for the postmaster.
  char buffer[100];
  EXPECT_STREQ(pgstat_get_crashed_backend_activity(child, buffer, sizeof buffer), "SELECT 1");
  EXPECT_EQ(pgstat_get_crashed_backend_activity(1, buffer, sizeof buffer), nullptr);
}

// Nothing of what an earlier process of the same slot said is a later one's.
TEST(BackendStatusTest, ANewProcessHasSaidNothing) {
  auto* slot = bgw_test::shared_value<int>();
  EXPECT_TRUE(bgw_test::run_child([=] {
                pgstat_beinit();
                pgstat_bestart();
                pgstat_report_appname("an application");
                pgstat_report_activity(STATE_RUNNING, "an activity");
                pgstat_progress_start_command(PROGRESS_COMMAND_COPY, 7);
                MyBEEntry->st_databaseid = 8;
                *slot = MyProc->pgprocno;
              }).exited_with(0));
  EXPECT_TRUE(bgw_test::run_child([=] {
                EXPECT_EQ(MyProc->pgprocno, *slot);
                pgstat_beinit();
                pgstat_bestart();
                EXPECT_STREQ(MyBEEntry->st_activity_raw, "");
                EXPECT_STREQ(MyBEEntry->st_appname, "");
                EXPECT_EQ(MyBEEntry->st_progress_command, PROGRESS_COMMAND_INVALID);
                EXPECT_EQ(MyBEEntry->st_databaseid, InvalidOid);
                EXPECT_EQ(MyBEEntry->st_state, STATE_UNDEFINED);
                EXPECT_EQ(MyBEEntry->st_state_start_timestamp, MyStartTimestamp);
                InitializeGUCOptions();
                SetConfigOption("application_name", "named by a setting", PGC_USERSET, PGC_S_SESSION);
                EXPECT_STREQ(MyBEEntry->st_appname, "named by a setting");
                pgstat_report_activity(STATE_IDLE, nullptr);
                EXPECT_STREQ(MyBEEntry->st_activity_raw, "");
                if (testing::Test::HasFailure()) _exit(3);
              }).exited_with(0));
}

TEST(BackendStatusTest, LongActivitiesAreCutBetweenCharacters) {
  bgw_test::become_postmaster();
  std::string text(static_cast<std::size_t>(pgstat_track_activity_query_size) - 2, 'x');
  text += "\xC3\xA4";
  char* clipped = pgstat_clip_activity(text.substr(0, text.size() - 1).c_str());
  EXPECT_EQ(std::string(clipped), text.substr(0, text.size() - 2));
}

TEST(WaitEventTest, Names) {
  EXPECT_EQ(pgstat_get_wait_event(0), nullptr);
  EXPECT_EQ(pgstat_get_wait_event_type(0), nullptr);
  EXPECT_STREQ(pgstat_get_wait_event(PG_WAIT_EXTENSION), "Extension");
  EXPECT_STREQ(pgstat_get_wait_event_type(PG_WAIT_EXTENSION), "Extension");
  EXPECT_STREQ(pgstat_get_wait_event(WAIT_EVENT_PG_SLEEP), "PgSleep");
  EXPECT_STREQ(pgstat_get_wait_event(WAIT_EVENT_BGWORKER_SHUTDOWN), "BgWorkerShutdown");
  EXPECT_STREQ(pgstat_get_wait_event(WAIT_EVENT_MQ_RECEIVE), "MessageQueueReceive");
  EXPECT_STREQ(pgstat_get_wait_event(WAIT_EVENT_VERSION_FILE_SYNC), "VersionFileSync");
  EXPECT_STREQ(pgstat_get_wait_event(WAIT_EVENT_VERSION_FILE_SYNC + 1), "unknown wait event");
  EXPECT_STREQ(pgstat_get_wait_event_type(0xFF000000U), "???");
}
