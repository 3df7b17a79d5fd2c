// A session runs what it is given in as few round trips as its header says, keeps the transaction usable
// after a failed statement, and says what happened when the connection goes.
#include "core/session.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>

#include "core/statement.hpp"
#include "support/private_server.hpp"

namespace bgw {
namespace {

volatile bool interrupt_wanted = false;

WaitOutcome poll_wait(int fd, short events, int timeout_ms) noexcept {
  if (interrupt_wanted) return WaitOutcome::interrupted;
  pollfd p{fd, events, 0};
  int n = ::poll(&p, 1, timeout_ms < 0 || timeout_ms > 20 ? 20 : timeout_ms);
  return n > 0 ? WaitOutcome::ready : WaitOutcome::timeout;
}

Request text_request(std::string text) {
  Request r;
  r.text = std::move(text);
  r.preparable = true;
  return r;
}

class SessionTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server = new bgw_test::PrivateServer(); }
  static void TearDownTestSuite() {
    delete server;
    server = nullptr;
  }
  void SetUp() override {
    interrupt_wanted = false;
    connect(session);
  }
  static void connect(Session& s) {
    ASSERT_EQ(s.connect({server->conninfo(), {{"application_name", "session_test"}}}), Step::done);
    ASSERT_TRUE(s.connected()) << s.failure()->message.message;
  }
  // Runs one statement; the first value of the first row, or the SQLSTATE in brackets.
  std::string run(Session& s, Request request) {
    EXPECT_EQ(s.execute(std::move(request)), Step::done);
    if (s.failure()) return "[" + s.failure()->message.sqlstate + "]";
    RowSet rows = s.take_rows();
    if (!rows.has_rows() || rows.rows() == 0) return rows.command_tag();
    return rows.is_null(0, 0) ? "NULL" : rows.value(0, 0);
  }
  std::string run(const std::string& text) { return run(session, text_request(text)); }
  std::string once(const std::string& text) {
    session.begin();
    std::string answer = run(text);
    EXPECT_EQ(session.commit(), Step::done);
    return session.failure() ? "commit[" + session.failure()->message.sqlstate + "]" : answer;
  }
  static bgw_test::PrivateServer* server;
  Session session{poll_wait};
};

bgw_test::PrivateServer* SessionTest::server = nullptr;

TEST_F(SessionTest, TransactionsCommitAndRollBack) {
  EXPECT_EQ(once("CREATE TABLE t1 (a int)"), "CREATE TABLE");
  EXPECT_EQ(once("INSERT INTO t1 VALUES (1), (2)"), "INSERT 0 2");
  session.begin();
  EXPECT_EQ(run("INSERT INTO t1 VALUES (3)"), "INSERT 0 1");
  session.rollback();
  EXPECT_EQ(once("SELECT count(*) FROM t1"), "2");
  session.begin();
  EXPECT_EQ(session.commit(), Step::done);  // nothing was run, nothing is sent
  EXPECT_FALSE(session.failure());
}

TEST_F(SessionTest, FailedStatementLeavesTransactionUsable) {
  once("CREATE TABLE t2 (a int)");
  session.begin();
  EXPECT_EQ(run("SELECT 1/0"), "[22012]");  // first statement: the transaction is begun anew
  EXPECT_EQ(run("INSERT INTO t2 VALUES (1)"), "INSERT 0 1");
  EXPECT_EQ(run("INSERT INTO t2 SELECT 1/0"), "[22012]");
  EXPECT_EQ(run("SELEC"), "[42601]");
  EXPECT_EQ(run("INSERT INTO t2 VALUES (2)"), "INSERT 0 1");
  EXPECT_EQ(session.commit(), Step::done);
  EXPECT_FALSE(session.failure());
  EXPECT_EQ(once("SELECT string_agg(a::text, ',' ORDER BY a) FROM t2"), "1,2");

  session.set_statement_savepoints(false);
  session.begin();
  EXPECT_EQ(run("INSERT INTO t2 VALUES (3)"), "INSERT 0 1");
  EXPECT_EQ(run("SELECT 1/0"), "[22012]");
  EXPECT_EQ(run("SELECT 1"), "[25P02]");
  EXPECT_EQ(session.commit(), Step::done);
  ASSERT_TRUE(session.failure());
  EXPECT_EQ(session.failure()->message.sqlstate, "25P02");
  EXPECT_EQ(once("SELECT count(*) FROM t2"), "2");
}

TEST_F(SessionTest, SubtransactionsAreSavepoints) {
  once("CREATE TABLE t3 (a int)");
  session.begin();
  run("INSERT INTO t3 VALUES (1)");
  session.begin_sub();
  run("INSERT INTO t3 VALUES (2)");
  session.begin_sub();
  run("INSERT INTO t3 VALUES (3)");
  session.release_sub();
  session.rollback_sub();
  session.begin_sub();
  EXPECT_EQ(run("SELECT 1/0"), "[22012]");  // first of its level
  run("INSERT INTO t3 VALUES (4)");
  EXPECT_EQ(run("SELECT 1/0"), "[22012]");  // not the first
  session.begin_sub();
  run("INSERT INTO t3 VALUES (5)");
  session.release_sub();
  session.begin_sub();  // nothing runs in it
  session.rollback_sub();
  session.release_sub();
  run("INSERT INTO t3 VALUES (6)");
  EXPECT_EQ(session.commit(), Step::done);
  EXPECT_FALSE(session.failure());
  EXPECT_EQ(once("SELECT string_agg(a::text, ',' ORDER BY a) FROM t3"), "1,4,5,6");
}

TEST_F(SessionTest, ParametersAndRepeatedTexts) {
  for (int i = 0; i < 5; ++i) {
    Request r = text_request("SELECT $1::int + $2::int");
    r.types = {23, 23};
    r.values = {std::to_string(i), std::nullopt};
    session.begin();
    EXPECT_EQ(run(session, r), "NULL");
    r.values = {std::to_string(i), "10"};
    EXPECT_EQ(run(session, r), std::to_string(i + 10));
    session.rollback();
  }
  EXPECT_EQ(once("SELECT count(*) FROM pg_prepared_statements"), "1");
}

TEST_F(SessionTest, PreparedStatementsSurviveWhatHappensToThem) {
  once("CREATE TABLE t4 (a int)");
  once("INSERT INTO t4 VALUES (7)");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(once("SELECT * FROM t4"), "7");
  once("ALTER TABLE t4 ALTER a TYPE text USING 'x' || a");
  EXPECT_EQ(once("SELECT * FROM t4"), "x7");  // result type changed: prepared anew
  session.begin();
  run("INSERT INTO t4 VALUES ('y')");
  run("ALTER TABLE t4 ADD b int");
  EXPECT_EQ(run("SELECT * FROM t4"), "x7");  // and in the middle of a transaction
  session.commit();
  EXPECT_FALSE(session.failure());
  once("DO 'BEGIN EXECUTE ''DEALLOCATE ALL''; END'");
  session.begin();
  run("INSERT INTO t4 VALUES ('z')");
  EXPECT_EQ(run("SELECT * FROM t4"), "x7");
  session.commit();
  EXPECT_FALSE(session.failure());
  EXPECT_EQ(once("SELECT count(*) FROM t4"), "3");
  Request discard = text_request("DEALLOCATE ALL");
  discard.drops_prepared = true;
  session.begin();
  EXPECT_EQ(run(session, discard), "DEALLOCATE ALL");
  session.commit();
  EXPECT_EQ(once("SELECT * FROM t4"), "x7");
}

TEST_F(SessionTest, PreparedStatementsFollowTheSearchPath) {
  once("CREATE SCHEMA first");
  once("CREATE SCHEMA second");
  once("CREATE TABLE first.t (a int)");
  once("CREATE TABLE second.t (a int)");
  once("INSERT INTO first.t VALUES (1)");
  once("INSERT INTO second.t VALUES (2)");
  once("SET search_path = first");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(once("SELECT * FROM t"), "1");
  once("SET search_path = second");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(once("SELECT * FROM t"), "2");
  once("ALTER TABLE first.t ALTER a TYPE text USING 'one'");
  session.begin();
  EXPECT_EQ(run("SELECT * FROM t"), "2");
  run("SET LOCAL search_path = first");
  EXPECT_EQ(run("SELECT * FROM t"), "one");  // of another type, too
  session.rollback();
  EXPECT_EQ(once("SELECT * FROM t"), "2");
}

TEST_F(SessionTest, PreparedStatementsSurviveErrors) {
  // Refused when it is prepared, again and again, until it makes sense.
  for (int i = 0; i < 3; ++i) EXPECT_EQ(once("SELECT a FROM t60"), "[42P01]");
  once("CREATE TABLE t60 (a int)");
  once("INSERT INTO t60 VALUES (0), (1)");
  session.begin();
  EXPECT_EQ(run("SELECT sum(a) FROM t60"), "1");
  // Fails when it is run, and is prepared all the same.
  Request r = text_request("SELECT 1 / $1");
  r.types = {23};
  for (int i = 0; i < 4; ++i) {
    r.values = {std::to_string(i % 2)};
    EXPECT_EQ(run(session, r), i % 2 == 0 ? "[22012]" : "1");
  }
  EXPECT_EQ(run("SELECT sum(a) FROM t60"), "1");
  session.commit();
  EXPECT_FALSE(session.failure());
}

TEST_F(SessionTest, PreparedStatementsAreMadeAnewAfterDiscardAndReconnect) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(once("SELECT 11"), "11");
  // Not told to the session: DISCARD ALL cannot be run in a transaction.
  ASSERT_EQ(session.execute_outside({text_request("DISCARD ALL")}), Step::done);
  ASSERT_FALSE(session.failure());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(once("SELECT 11"), "11");
  session.close();
  connect(session);
  EXPECT_EQ(once("SELECT count(*) FROM pg_prepared_statements"), "0");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(once("SELECT 11"), "11");
  EXPECT_EQ(once("SELECT count(*) > 0 FROM pg_prepared_statements WHERE statement = 'SELECT 11'"), "t");
}

TEST_F(SessionTest, EvictedStatementsAreDeallocated) {
  Session small(poll_wait, 4, 1);
  connect(small);
  for (int i = 0; i < 20; ++i) {
    small.begin();
    EXPECT_EQ(run(small, text_request("SELECT " + std::to_string(i))), std::to_string(i));
    small.commit();
  }
  small.begin();
  Request count = text_request("SELECT count(*) <= 5 FROM pg_prepared_statements");
  EXPECT_EQ(run(small, count), "t");
  small.rollback();
}

TEST_F(SessionTest, PrepareReportsErrorsWithoutRunning) {
  session.begin();
  ASSERT_EQ(session.prepare(text_request("SELECT * FROM no_such_table")), Step::done);
  ASSERT_TRUE(session.failure());
  EXPECT_EQ(session.failure()->message.sqlstate, "42P01");
  EXPECT_EQ(session.failure()->message.position, 15);
  ASSERT_EQ(session.prepare(text_request("SELECT pg_sleep(100)")), Step::done);
  EXPECT_FALSE(session.failure());
  EXPECT_EQ(run("SELECT 5"), "5");
  session.commit();
}

TEST_F(SessionTest, DescribeTellsTheColumnsWithoutRunning) {
  session.begin();
  for (int i = 0; i < 3; i++) {  // the third time as a prepared statement
    Request request = text_request("SELECT 1::int8 AS a, ROW(1), pg_sleep(100)");
    request.preparable = true;
    ASSERT_EQ(session.describe(std::move(request)), Step::done);
    ASSERT_FALSE(session.failure());
    const RowSet columns = session.take_rows();
    ASSERT_EQ(columns.columns(), 3);
    EXPECT_EQ(columns.rows(), 0);
    EXPECT_STREQ(columns.name(0), "a");
    EXPECT_EQ(columns.type(0), 20u);
    EXPECT_EQ(columns.type(1), 2249u);
  }
  ASSERT_EQ(session.describe(text_request("SELECT * FROM no_such_table")), Step::done);
  ASSERT_TRUE(session.failure());
  EXPECT_EQ(session.failure()->message.sqlstate, "42P01");
  for (const bool binary : {true, false}) {
    Request request = text_request("SELECT 7::int4");
    request.binary_rows = binary;
    ASSERT_EQ(session.execute(std::move(request)), Step::done);
    const RowSet rows = session.take_rows();
    EXPECT_EQ(rows.binary(), binary);
    EXPECT_EQ(rows.length(0, 0), binary ? 4 : 1);
  }
  session.commit();
}

TEST_F(SessionTest, RowLimits) {
  once("CREATE TABLE t5 AS SELECT generate_series(1, 10) a");
  once("CREATE SEQUENCE s5");
  session.begin();
  Request r = text_request("SELECT a, nextval('s5') FROM t5 -- comment");
  r.row_limit = 3;
  r.limit_by_cursor = true;
  ASSERT_EQ(session.execute(r), Step::done);
  ASSERT_FALSE(session.failure()) << session.failure()->message.message;
  EXPECT_EQ(session.take_rows().rows(), 3);
  EXPECT_EQ(run("SELECT last_value FROM s5"), "3");  // the rest was not computed
  Request with_params = text_request("SELECT a FROM t5 WHERE a > $1 ORDER BY a");
  with_params.types = {23};
  with_params.values = {"4"};
  with_params.row_limit = 1;
  with_params.limit_by_cursor = true;
  EXPECT_EQ(run(session, with_params), "5");
  Request wrong = text_request("SELECT nope FROM t5");
  wrong.row_limit = 1;
  wrong.limit_by_cursor = true;
  EXPECT_EQ(run(session, wrong), "[42703]");
  EXPECT_EQ(session.failure()->message.position, 8);
  Request dml = text_request("DELETE FROM t5 RETURNING a");
  dml.row_limit = 3;
  ASSERT_EQ(session.execute(dml), Step::done);
  EXPECT_TRUE(session.too_many());
  EXPECT_EQ(run("SELECT count(*) FROM t5"), "10");
  dml.row_limit = 10;
  ASSERT_EQ(session.execute(dml), Step::done);
  EXPECT_FALSE(session.too_many());
  EXPECT_EQ(run("SELECT count(*) FROM t5"), "0");
  session.commit();
  EXPECT_FALSE(session.failure());
}

TEST_F(SessionTest, ReadOnlyCommitIsNotWaitedFor) {
  session.begin();
  Request r = text_request("SELECT 1");
  r.read_only = true;
  EXPECT_EQ(run(session, r), "1");
  EXPECT_EQ(session.commit(), Step::done);
  EXPECT_TRUE(session.busy());  // its answer is still to come
  EXPECT_EQ(once("SELECT 2"), "2");
  EXPECT_FALSE(session.busy());
}

TEST_F(SessionTest, FieldsOfErrorsAndNotices) {
  once("CREATE TABLE t6 (a int CONSTRAINT positive CHECK (a > 0))");
  session.begin();
  EXPECT_EQ(run("INSERT INTO t6 VALUES (-1)"), "[23514]");
  EXPECT_EQ(session.failure()->message.constraint_name, "positive");
  EXPECT_EQ(session.failure()->message.table_name, "t6");
  EXPECT_EQ(session.failure()->message.schema_name, "public");
  EXPECT_FALSE(session.failure()->message.detail.empty());
  run("DO $$BEGIN RAISE WARNING 'look out' USING HINT = 'a hint', ERRCODE = '01234'; END$$");
  std::vector<ServerMessage> notices = session.take_notices();
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_EQ(notices[0].message, "look out");
  EXPECT_EQ(notices[0].severity, "WARNING");
  EXPECT_EQ(notices[0].sqlstate, "01234");
  EXPECT_EQ(notices[0].hint, "a hint");
  session.rollback();
}

TEST_F(SessionTest, InterruptCancelAndDrain) {
  session.begin();
  EXPECT_EQ(run("SELECT 1"), "1");
  interrupt_wanted = true;
  ASSERT_EQ(session.execute(text_request("SELECT pg_sleep(60)")), Step::interrupted);
  EXPECT_TRUE(session.stop(30000));
  ASSERT_TRUE(session.failure());
  EXPECT_EQ(session.failure()->message.sqlstate, "57014");
  interrupt_wanted = false;
  EXPECT_EQ(run("SELECT 2"), "2");
  session.rollback();
}

TEST_F(SessionTest, ErrorAtCommit) {
  once("CREATE TABLE t7 (a int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED)");
  session.begin();
  run("INSERT INTO t7 VALUES (1), (1)");
  EXPECT_EQ(session.commit(), Step::done);
  ASSERT_TRUE(session.failure());
  EXPECT_EQ(session.failure()->message.sqlstate, "23505");
  EXPECT_FALSE(session.in_transaction());
  EXPECT_EQ(once("SELECT count(*) FROM t7"), "0");
}

TEST_F(SessionTest, LostConnection) {
  std::string pid = once("SELECT pg_backend_pid()");
  Session other(poll_wait);
  connect(other);
  auto kill = [&] {
    other.begin();
    run(other, text_request("SELECT pg_terminate_backend(" + pid + ", 5000)"));
    other.commit();
  };
  session.begin();
  run("SELECT 1");
  kill();
  EXPECT_EQ(run("SELECT 1"), "[57P01]");
  EXPECT_EQ(session.failure()->kind, Failure::Kind::lost);
  EXPECT_FALSE(session.connected());
  EXPECT_EQ(run("SELECT 1"), "[57P01]");
  session.rollback();

  connect(session);
  pid = once("SELECT pg_backend_pid()");
  session.begin();
  run("CREATE TABLE t8 (a int)");
  kill();
  EXPECT_EQ(session.commit(), Step::done);
  ASSERT_TRUE(session.failure());
  EXPECT_EQ(session.failure()->kind, Failure::Kind::commit_unknown);
  EXPECT_EQ(session.failure()->message.sqlstate, "08007");
}

TEST_F(SessionTest, ConnectFailuresCarryTheServersWords) {
  Session s(poll_wait);
  ASSERT_EQ(s.connect({server->conninfo(), {{"dbname", "no_such_db"}}}), Step::done);
  ASSERT_TRUE(s.failure());
  EXPECT_EQ(s.failure()->message.message, "database \"no_such_db\" does not exist");
  EXPECT_EQ(s.failure()->message.sqlstate, "3D000");
  ASSERT_EQ(s.connect({server->conninfo(), {{"user", "no_such_role"}}}), Step::done);
  EXPECT_EQ(s.failure()->message.sqlstate, "28000");
  ASSERT_EQ(s.connect({"host=/nonexistent dbname=x", {}}), Step::done);
  EXPECT_EQ(s.failure()->message.sqlstate, "08001");
  EXPECT_FALSE(s.failure()->from_server);
  ASSERT_EQ(s.connect({"nonsense", {}}), Step::done);
  EXPECT_EQ(s.failure()->message.sqlstate, "F0000");
}

TEST_F(SessionTest, NotificationsArriveWhileIdle) {
  once("LISTEN wake");
  Session other(poll_wait);
  connect(other);
  other.begin();
  run(other, text_request("NOTIFY wake"));
  other.commit();
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  int seen = 0;
  while (!seen && std::chrono::steady_clock::now() < deadline) {
    pollfd p{session.socket(), POLLIN, 0};
    ::poll(&p, 1, 100);
    seen = session.take_notifications();
  }
  EXPECT_EQ(seen, 1);
}

TEST_F(SessionTest, ManySavepointsInOneTransaction) {
  once("CREATE TABLE t9 (a int)");
  session.begin();
  int good = 0;
  for (int i = 0; i < 200; ++i) {
    bool bad = i % 3 == 1;
    std::string answer = run(bad ? "INSERT INTO t9 VALUES (1/0)" : "INSERT INTO t9 VALUES (1)");
    EXPECT_EQ(answer, bad ? "[22012]" : "INSERT 0 1");
    good += !bad;
  }
  session.commit();
  EXPECT_FALSE(session.failure());
  EXPECT_EQ(once("SELECT count(*) FROM t9"), std::to_string(good));
}

}  // namespace
}  // namespace bgw
