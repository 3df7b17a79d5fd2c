// Reports have the server's effect at each level (return, jump, end of the process), and the server's look in
// the log: prefix, severity, follow-up lines, JSON; a log that cannot be written costs entries, nothing else.
#include <gtest/gtest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <functional>
#include <regex>

#include "bridge/error.hpp"
#include "core/log.hpp"
#include "support/caught.hpp"

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
}

namespace {

using bgw_test::Caught;
using bgw_test::caught;

template <class Function>
std::string stderr_of(const Function& function) {
  testing::internal::CaptureStderr();
  function();
  return testing::internal::GetCapturedStderr();
}

// Runs `function` in a child and returns its wait status and what it wrote to stderr.
std::pair<int, std::string> in_child(void (*function)()) {
  int status = 0;
  std::string text = stderr_of([&] {
    pid_t child = fork();
    if (child == 0) {
      MyProcPid = getpid();
      on_exit_reset();
      function();
      _exit(77);
    }
    waitpid(child, &status, 0);
  });
  return {status, text};
}

class ElogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    prefix_ = Log_line_prefix;
    messages_ = log_min_messages;
    statement_ = log_min_error_statement;
    Log_line_prefix = const_cast<char*>("");
    log_min_messages = WARNING;
    log_min_error_statement = ERROR;
    Log_error_verbosity = PGERROR_DEFAULT;
    Log_destination = LOG_DESTINATION_STDERR;
    debug_query_string = nullptr;
    if (MyProcPid == 0) MyProcPid = getpid();
  }
  void TearDown() override {
    Log_line_prefix = prefix_;
    log_min_messages = messages_;
    log_min_error_statement = statement_;
    Log_error_verbosity = PGERROR_DEFAULT;
    Log_destination = LOG_DESTINATION_STDERR;
    debug_query_string = nullptr;
    emit_log_hook = nullptr;
    error_context_stack = nullptr;
  }

 private:
  char* prefix_ = nullptr;
  int messages_ = 0, statement_ = 0;
};

TEST_F(ElogTest, ThresholdSortsLogBetweenErrorAndFatal) {
  struct {
    int threshold;
    const char* seen;
  } rows[] = {{WARNING, "LLWE"}, {ERROR, "LLE"},      {LOG, "LL"},
              {FATAL, ""},       {DEBUG5, "DLLINWE"}, {NOTICE, "LLNWE"}};
  for (auto& row : rows) {
    log_min_messages = row.threshold;
    std::string seen;
    for (int level : {DEBUG1, LOG, LOG_SERVER_ONLY, INFO, NOTICE, WARNING, WARNING_CLIENT_ONLY, ERROR})
      if (message_level_is_interesting(level)) seen += error_severity(level)[0];
    EXPECT_EQ(seen, row.seen) << row.threshold;
  }
}

TEST_F(ElogTest, FollowUpLinesAreTheServers) {
  std::string text = stderr_of([] {
    errno = ENOENT;
    ereport(LOG, (errcode(ERRCODE_DISK_FULL), errmsg("first\nsecond: %m"), errdetail("det%d", 1),
                  errhint("do %s", "this"), internalerrquery("SELECT\n1"), internalerrposition(8)));
  });
  EXPECT_EQ(text,
            "LOG:  first\n\tsecond: No such file or directory at character 8\nDETAIL:  det1\nHINT:  do this\n"
            "QUERY:  SELECT\n\t1\n");
  text = stderr_of([] {
    ereport(WARNING, (errmsg_plural("%d row", "%d rows", 2UL, 2), errdetail("shown to clients"),
                      errdetail_log("for the log"), errposition(3)));
  });
  EXPECT_EQ(text, "WARNING:  2 rows at character 3\nDETAIL:  for the log\n");
}

TEST_F(ElogTest, VerbosityTerseAndVerbose) {
  auto report = [] { ereport(LOG, (errmsg("m"), errdetail("d"), errhint("h"), errcode(ERRCODE_DISK_FULL))); };
  Log_error_verbosity = PGERROR_TERSE;
  EXPECT_EQ(stderr_of(report), "LOG:  m\n");
  Log_error_verbosity = PGERROR_VERBOSE;
  std::string text = stderr_of(report);
  EXPECT_TRUE(std::regex_match(
      text,
      std::regex("LOG:  53100: m\nDETAIL:  d\nHINT:  h\nLOCATION:  operator\\(\\), elog_test\\.cc:\\d+\n")))
      << text;
}

TEST_F(ElogTest, StatementIsShownFromItsLevelUp) {
  debug_query_string = "SELECT\n2";
  EXPECT_EQ(stderr_of([] { elog(WARNING, "w"); }), "WARNING:  w\n");
  log_min_error_statement = WARNING;
  EXPECT_EQ(stderr_of([] { elog(WARNING, "w"); }), "WARNING:  w\nSTATEMENT:  SELECT\n\t2\n");
  EXPECT_EQ(stderr_of([] { ereport(WARNING, (errmsg("w"), errhidestmt(true))); }), "WARNING:  w\n");
}

TEST_F(ElogTest, EveryEscapeOfThePrefix) {
  char format[] = "%b|%10p|%-10p|%c|%l|%e|%x|%v|%a%u%d%r%h%i|%P|%Q|%%|%Z|%5a|%q hidden";
  Log_line_prefix = format;
  std::string pid = std::to_string(MyProcPid);
  std::string text = stderr_of([] { ereport(LOG, (errmsg("m"), errcode(ERRCODE_DISK_FULL))); });
  std::string wide = std::string(10 - pid.size(), ' ') + pid, left = pid + std::string(10 - pid.size(), ' ');
  char session[64];
  snprintf(session, sizeof(session), "%lx.%x", static_cast<long>(MyStartTime), MyProcPid);
  std::string type = MyProcPid == PostmasterPid ? "postmaster" : GetBackendTypeDesc(MyBackendType);
  std::string start = type + "|" + wide + "|" + left + "|" + session + "|";
  ASSERT_EQ(text.substr(0, start.size()), start);
  EXPECT_TRUE(std::regex_match(text.substr(start.size()),
                               std::regex("\\d+\\|53100\\|0\\|.*\\|\\|\\|0\\|%\\|\\|     \\|LOG:  m\n")))
      << text;
}

TEST_F(ElogTest, TimesInThePrefixAgree) {
  char format[] = "%m|%t|%n|%s|";
  Log_line_prefix = format;
  std::string text = stderr_of([] { elog(LOG, "m"); });
  std::smatch parts;
  ASSERT_TRUE(std::regex_match(
      text, parts,
      std::regex("(\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d)\\.(\\d{3}) (\\S+)\\|(.*)\\|(\\d+)\\.(\\d{3})\\|"
                 "\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d \\S+\\|LOG:  m\n")))
      << text;
  EXPECT_EQ(parts[4].str(), parts[1].str() + " " + parts[3].str());
  EXPECT_EQ(parts[6].str(), parts[2].str());
}

TEST_F(ElogTest, AWorkersTypeAndThePostmastersInThePrefix) {
  char format[] = "[%b] ";
  Log_line_prefix = format;
  auto [status, text] = in_child([] {
    static BackgroundWorker worker = {};
    strcpy(worker.bgw_type, "my type");
    MyBgworkerEntry = &worker;
    MyBackendType = B_BG_WORKER;
    elog(LOG, "from a worker");
    PostmasterPid = MyProcPid;
    elog(LOG, "from the postmaster");
  });
  EXPECT_EQ(text, "[my type] LOG:  from a worker\n[postmaster] LOG:  from the postmaster\n");
}

TEST_F(ElogTest, LineNumbersStartAnewInAChild) {
  char format[] = "%l ";
  Log_line_prefix = format;
  stderr_of([] { elog(LOG, "parent"); });
  auto [status, text] = in_child([] {
    elog(LOG, "a");
    ereport(LOG, (errmsg("b"), errdetail("c")));
  });
  EXPECT_EQ(text, "1 LOG:  a\n2 LOG:  b\n3 DETAIL:  c\n");
}

void say_context(void* arg) {
  errcontext("in %s", static_cast<const char*>(arg));
}

TEST_F(ElogTest, ContextCallbacksAddUpInnermostFirst) {
  ErrorContextCallback outer = {nullptr, say_context, const_cast<char*>("outer")};
  ErrorContextCallback inner = {&outer, say_context, const_cast<char*>("inner")};
  error_context_stack = &inner;
  EXPECT_EQ(stderr_of([] { elog(LOG, "m"); }), "LOG:  m\nCONTEXT:  in inner\n\tin outer\n");
  EXPECT_EQ(stderr_of([] { ereport(LOG, (errmsg("m"), errhidecontext(true))); }), "LOG:  m\n");
  EXPECT_STREQ(GetErrorContextStack(), "in inner\nin outer");
  Caught error = caught([](void*) { elog(ERROR, "e"); });
  EXPECT_EQ(error.context, "in inner\nin outer");
  EXPECT_EQ(error_context_stack, &inner);
}

TEST_F(ElogTest, ACaughtErrorIsSilentAndKeepsItsFields) {
  Caught error;
  std::string text = stderr_of([&] {
    error = caught([](void*) {
      InterruptHoldoffCount = 3;
      QueryCancelHoldoffCount = 2;
      ereport(ERROR, (errcode(ERRCODE_DIVISION_BY_ZERO), errmsg("m"), errdetail("d"), errhint("h")));
    });
  });
  EXPECT_EQ(text, "");
  EXPECT_EQ(error.elevel, 21);
  EXPECT_EQ(error.sqlstate, "22012");
  EXPECT_EQ(error.message + error.detail + error.hint, "mdh");
  EXPECT_EQ(InterruptHoldoffCount, 0u);
  EXPECT_EQ(QueryCancelHoldoffCount, 0u);
  EXPECT_FALSE(HaveCompleteError());
}

bool in_error_context;
bool complete_in_catch;
TEST_F(ElogTest, InPgCatchTheErrorContextIsCurrentAndRethrowKeepsTheError) {
  Caught error = caught([](void*) {
    PG_TRY();
    { ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("inner"))); }
    PG_CATCH();
    {
      in_error_context = CurrentMemoryContext == ErrorContext;
      complete_in_catch = HaveCompleteError();
      PG_RE_THROW();
    }
    PG_END_TRY();
  });
  EXPECT_TRUE(in_error_context);
  EXPECT_TRUE(complete_in_catch);
  EXPECT_EQ(error.message, "inner");
  EXPECT_EQ(error.sqlstate, "42601");
}

TEST_F(ElogTest, ACopiedErrorCanBeThrownAgain) {
  Caught error = caught([](void*) {
    MemoryContext context = CurrentMemoryContext;
    ErrorData* volatile copy = nullptr;
    PG_TRY();
    { ereport(ERROR, (errcode(ERRCODE_DISK_FULL), errmsg("copied"), errhint("h"))); }
    PG_CATCH();
    {
      MemoryContextSwitchTo(context);
      copy = CopyErrorData();
      FlushErrorState();
    }
    PG_END_TRY();
    ReThrowError(copy);
  });
  EXPECT_EQ(error.message, "copied");
  EXPECT_EQ(error.hint, "h");
  EXPECT_EQ(error.sqlstate, "53100");

  ErrorData notice = {};
  notice.elevel = WARNING;
  notice.sqlerrcode = ERRCODE_WARNING;
  notice.message = const_cast<char*>("from afar");
  EXPECT_EQ(stderr_of([&] { ThrowErrorData(&notice); }), "WARNING:  from afar\n");
}

TEST_F(ElogTest, AnErrorInACallbackOfAnErrorIsContained) {
  ErrorContextCallback bad = {nullptr, [](void*) { elog(ERROR, "callback fails"); }, nullptr};
  error_context_stack = &bad;
  Caught error = caught([](void*) { elog(ERROR, "first"); });
  EXPECT_TRUE(error.raised);
  error_context_stack = nullptr;
  // And everything works afterwards.
  EXPECT_EQ(caught([](void*) { elog(ERROR, "second"); }).message, "second");
}

TEST_F(ElogTest, ErrorWithoutAHandlerIsFatalAndPanicAborts) {
  auto [status, text] = in_child([] {
    PG_exception_stack = nullptr;
    elog(ERROR, "nobody catches");
  });
  EXPECT_EQ(text, "FATAL:  nobody catches\n");
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1) << status;

  std::tie(status, text) = in_child([] { caught([](void*) { elog(FATAL, "the end"); }); });
  EXPECT_EQ(text, "FATAL:  the end\n");
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1) << status;

  std::tie(status, text) = in_child([] {
    caught([](void*) {
      START_CRIT_SECTION();
      elog(ERROR, "in a critical section");
    });
  });
  EXPECT_EQ(text, "PANIC:  in a critical section\n");
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) << status;
}

TEST_F(ElogTest, ErrorWhileExitingIsFatalAndOtherCallbacksRun) {
  auto [status, text] = in_child([] {
    on_proc_exit([](int code, Datum) { elog(LOG, "last callback, code %d", code); }, 0);
    on_proc_exit([](int, Datum) { elog(ERROR, "callback fails"); }, 0);
    caught([](void*) { proc_exit(0); });
  });
  EXPECT_EQ(text, "FATAL:  callback fails\nLOG:  last callback, code 1\n");
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1) << status;
}

TEST_F(ElogTest, TheHookSeesTheReportAndMaySilenceIt) {
  emit_log_hook = [](ErrorData* error) { error->output_to_server = error->message[0] != 'x'; };
  EXPECT_EQ(stderr_of([] {
              elog(LOG, "x hidden");
              elog(LOG, "shown");
            }),
            "LOG:  shown\n");
}

TEST_F(ElogTest, JsonHasTheServersKeys) {
  Log_destination = LOG_DESTINATION_JSONLOG;
  Log_error_verbosity = PGERROR_VERBOSE;
  debug_query_string = "SELECT \"q\"\t";
  log_min_error_statement = WARNING;
  std::string text = stderr_of([] {
    ereport(WARNING, (errmsg("quote \" back \\ line\n bell \a"), errdetail("d"), errhint("h"),
                      errcode(ERRCODE_DISK_FULL)));
  });
  ASSERT_EQ(text.back(), '\n');
  auto entry = nlohmann::json::parse(text);
  EXPECT_EQ(entry["message"], "quote \" back \\ line\n bell \a");
  EXPECT_EQ(entry["pid"], MyProcPid);
  EXPECT_EQ(entry["error_severity"], "WARNING");
  EXPECT_EQ(entry["state_code"], "53100");
  EXPECT_EQ(entry["detail"], "d");
  EXPECT_EQ(entry["hint"], "h");
  EXPECT_EQ(entry["statement"], "SELECT \"q\"\t");
  EXPECT_EQ(entry["file_name"], "elog_test.cc");
  EXPECT_TRUE(entry["file_line_num"].is_number());
  for (const char* key :
       {"timestamp", "session_id", "line_num", "session_start", "txid", "backend_type", "query_id"})
    EXPECT_TRUE(entry.contains(key)) << key;
  EXPECT_FALSE(entry.contains("user"));
}

TEST_F(ElogTest, ALogThatCannotBeWrittenCostsEntriesOnly) {
  int full = open("/dev/full", O_WRONLY);
  ASSERT_GE(full, 0);
  std::string text = stderr_of([&] {
    int good = dup(STDERR_FILENO);
    dup2(full, STDERR_FILENO);
    elog(LOG, "lost 1");
    elog(LOG, "lost 2");
    dup2(good, STDERR_FILENO);
    close(good);
    elog(LOG, "kept");
    elog(LOG, "kept too");
  });
  close(full);
  EXPECT_EQ(text,
            "LOG:  kept\nLOG:  2 log entries could not be written: No space left on device\nLOG:  kept too\n");
}

TEST_F(ElogTest, AReaderThatIsGoneDoesNotEndTheProcess) {
  auto [status, text] = in_child([] {
    signal(SIGPIPE, SIG_DFL);
    int ends[2];
    if (pipe(ends) != 0) _exit(1);
    close(ends[0]);
    dup2(ends[1], STDERR_FILENO);
    elog(LOG, "nobody reads");
    _exit(5);
  });
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 5) << status;
}

TEST_F(ElogTest, ALongEntryIsOneWrite) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_DIRECT), 0);  // each write is one packet
  int good = dup(STDERR_FILENO);
  dup2(ends[1], STDERR_FILENO);
  ereport(LOG, (errmsg("%s", std::string(2000, 'a').c_str()), errdetail("d"), errhint("h")));
  dup2(good, STDERR_FILENO);
  close(good);
  char buffer[8192];
  EXPECT_EQ(read(ends[0], buffer, sizeof(buffer)),
            static_cast<ssize_t>(strlen("LOG:  \nDETAIL:  d\nHINT:  h\n") + 2000));
  close(ends[0]);
  close(ends[1]);
}

TEST_F(ElogTest, FilesErrorsMapToTheirCodes) {
  struct {
    int code;
    const char* sqlstate;
  } rows[] = {{ENOENT, "58P01"}, {EACCES, "42501"}, {ENOSPC, "53100"}, {EMFILE, "53000"},
              {EBADF, "XX000"},  {ENOMEM, "53200"}, {EIO, "58030"}};
  for (auto& row : rows) {
    Caught error = caught(
        [](void* arg) {
          errno = *static_cast<int*>(arg);
          ereport(ERROR, (errcode_for_file_access(), errmsg("x")));
        },
        &row.code);
    EXPECT_EQ(error.sqlstate, row.sqlstate);
  }
}

TEST_F(ElogTest, ErrorsOfTheCoreAreRaisedWithTheirFields) {
  Caught error = caught([](void*) {
    bgw::value_or_raise([]() -> bgw::Result<int> {
      return bgw::Error{.message = std::string(100, 'm'), .sqlstate = "08006", .detail = "d", .hint = "h %d"};
    });
  });
  EXPECT_EQ(error.message, std::string(100, 'm'));
  EXPECT_EQ(error.sqlstate, "08006");
  EXPECT_EQ(error.detail, "d");
  EXPECT_EQ(error.hint, "h %d");
  EXPECT_EQ(bgw::value_or_raise([]() -> bgw::Result<int> { return 5; }), 5);
}

TEST_F(ElogTest, EntriesOfTheCoreGoToTheServersLogAndNeverJump) {
  auto before = bgw::set_log_sink(nullptr);
  bgw::install_log_sink();
  char format[] = "[%e] ";
  Log_line_prefix = format;
  InterruptHoldoffCount = 1;
  std::string text = stderr_of([] {
    bgw::log("plain");
    bgw::log({.level = bgw::LogLevel::notice, .message = "hidden"});
    bgw::log(
        {.level = bgw::LogLevel::error, .message = "bad", .sqlstate = "08001", .detail = "d", .hint = "h"});
  });
  EXPECT_EQ(InterruptHoldoffCount, 1u);
  InterruptHoldoffCount = 0;
  bgw::set_log_sink(before);
  EXPECT_EQ(text, "[00000] LOG:  plain\n[08001] ERROR:  bad\n[08001] DETAIL:  d\n[08001] HINT:  h\n");
}

}  // namespace
