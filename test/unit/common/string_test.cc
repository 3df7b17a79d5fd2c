// Lines of any length are read whole; a long sort can be interrupted; an options text falls into words; what a
// command may not do is said; a failed assertion aborts; costs have the server's form.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "support/caught.hpp"

extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "common/string.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "tcop/tcopprot.h"
#include "utils/pg_rusage.h"
}

namespace {

using bgw_test::caught;
using bgw_test::Caught;

TEST(Lines, OfAnyLength) {
  FILE* file = tmpfile();
  ASSERT_NE(file, nullptr);
  std::string longest(5000, 'x');
  fputs((longest + "\n\nlast").c_str(), file);
  rewind(file);
  StringInfoData line;
  initStringInfo(&line);
  EXPECT_TRUE(pg_get_line_buf(file, &line));
  EXPECT_EQ(line.data, longest + "\n");
  char* next = pg_get_line(file, nullptr);
  EXPECT_STREQ(next, "\n");
  EXPECT_TRUE(pg_get_line_append(file, &line, nullptr));
  EXPECT_EQ(line.data, longest + "\nlast");
  EXPECT_FALSE(pg_get_line_append(file, &line, nullptr));
  EXPECT_EQ(line.data, longest + "\nlast");
  EXPECT_EQ(pg_get_line(file, nullptr), nullptr);
  fclose(file);
}

int compare_numbers(const void* a, const void* b, void* count) {
  ++*static_cast<int*>(count);
  return *static_cast<const int*>(a) - *static_cast<const int*>(b);
}

TEST(Sort, CanBeInterrupted) {
  int numbers[1000], compared = 0;
  for (int i = 0; i < 1000; i++) numbers[i] = i * 7919 % 1000;
  qsort_interruptible(numbers, 1000, sizeof(int), compare_numbers, &compared);
  for (int i = 0; i < 1000; i++) ASSERT_EQ(numbers[i], i);
  EXPECT_GT(compared, 999);
  int before = compared;
  QueryCancelPending = true;
  InterruptPending = true;
  struct Sorted {
    int *numbers, *compared;
  } sorted{numbers, &compared};
  Caught c = caught(
      [](void* it) {
        Sorted* sorted = static_cast<Sorted*>(it);
        qsort_interruptible(sorted->numbers, 1000, sizeof(int), compare_numbers, sorted->compared);
      },
      &sorted);
  EXPECT_EQ(c.sqlstate, "57014");
  EXPECT_EQ(compared, before);
}

TEST(Options, FallIntoWords) {
  char* words[10] = {nullptr};
  int count = 1;
  pg_split_opts(words, &count, "  -c a=b\\ c\t--d=\\\\e\\");
  ASSERT_EQ(count, 4);
  EXPECT_STREQ(words[1], "-c");
  EXPECT_STREQ(words[2], "a=b c");
  EXPECT_STREQ(words[3], "--d=\\e");
}

TEST(Commands, Prevented) {
  PreventCommandIfReadOnly("THIS");
  PreventCommandIfParallelMode("THIS");
  XactReadOnly = true;
  Caught c = caught([](void*) { PreventCommandIfReadOnly("THIS"); });
  XactReadOnly = false;
  EXPECT_EQ(c.sqlstate + " " + c.message, "25006 cannot execute THIS in a read-only transaction");
  EXPECT_EQ(get_hash_memory_limit(), static_cast<size_t>(work_mem * hash_mem_multiplier * 1024));
}

TEST(Assertions, Abort) {
  EXPECT_DEATH(ExceptionalCondition("1 == 2", "FailedAssertion", "file.c", 12),
               "TRAP: FailedAssertion\\(\"1 == 2\", File: \"file.c\", Line: 12, PID: [0-9]+\\)");
}

TEST(Costs, Shown) {
  PGRUsage since;
  pg_rusage_init(&since);
  std::string text = pg_rusage_show(&since);
  EXPECT_TRUE(testing::internal::RE::FullMatch(
      text, "CPU: user: [0-9]+\\.[0-9][0-9] s, system: [0-9]+\\.[0-9][0-9] s, elapsed: [0-9]+\\.[0-9][0-9] s"))
      << text;
  ResetUsage();
  testing::internal::CaptureStderr();
  ShowUsage("SOME STATISTICS");
  std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("SOME STATISTICS\n"), std::string::npos) << log;
  EXPECT_NE(log.find("DETAIL:  ! system usage stats:\n"), std::string::npos) << log;
  EXPECT_NE(log.find(" voluntary/involuntary context switches\n"), std::string::npos) << log;
}

}  // namespace
