// A worker's transactions: their states and misuse, subtransactions, callbacks and what errors leave behind
// are as in the server, with the upstream's transaction following.
#include "executor/spi_fixture.hpp"

namespace bgw_test {
namespace {

class XactTest : public SpiTest {};

TEST_F(XactTest, MisuseIsReportedByState) {
  StartTransactionCommand();
  Caught c = caught([](void*) { StartTransactionCommand(); });
  EXPECT_EQ(c.sqlstate, "XX000");
  EXPECT_EQ(c.message, "StartTransactionCommand: unexpected state STARTED");
  EXPECT_TRUE(IsTransactionState());
  SPI_connect();
  PushActiveSnapshot(GetTransactionSnapshot());
  EXPECT_EQ(value("SELECT 1"), "1");
  c = caught([](void*) { ReleaseCurrentSubTransaction(); });
  EXPECT_EQ(c.message, "ReleaseCurrentSubTransaction: unexpected state STARTED");
  end();
  EXPECT_FALSE(IsTransactionState());
  AbortCurrentTransaction();  // nothing to do
}

TEST_F(XactTest, AbortUndoesEverything) {
  begin();
  code_of("CREATE TABLE x1 (a int)");
  end();
  begin();
  code_of("INSERT INTO x1 VALUES (1)");
  EXPECT_EQ(run("SELECT 1/0").sqlstate, "22012");
  AbortCurrentTransaction();
  EXPECT_EQ(CurrentMemoryContext, TopMemoryContext);
  EXPECT_FALSE(ActiveSnapshotSet());
  EXPECT_EQ(SPI_execute("SELECT 1", true, 0), SPI_ERROR_UNCONNECTED);
  begin();
  EXPECT_EQ(value("SELECT count(*) FROM x1"), "0");
  end();
}

TEST_F(XactTest, Subtransactions) {
  begin();
  code_of("CREATE TABLE x2 (a int)");
  code_of("INSERT INTO x2 VALUES (1)");
  MemoryContext outer = CurrentMemoryContext;
  ResourceOwner owner = CurrentResourceOwner;
  BeginInternalSubTransaction(nullptr);
  EXPECT_EQ(GetCurrentTransactionNestLevel(), 2);
  EXPECT_TRUE(IsSubTransaction());
  MemoryContextSwitchTo(outer);
  code_of("INSERT INTO x2 VALUES (2)");
  EXPECT_EQ(run("SELECT 1/0").sqlstate, "22012");
  RollbackAndReleaseCurrentSubTransaction();
  MemoryContextSwitchTo(outer);
  CurrentResourceOwner = owner;
  BeginInternalSubTransaction("named");
  MemoryContextSwitchTo(outer);
  code_of("INSERT INTO x2 VALUES (3)");
  Caught c = run("VACUUM");
  EXPECT_EQ(c.message, "VACUUM cannot run inside a transaction block");
  ReleaseCurrentSubTransaction();
  MemoryContextSwitchTo(outer);
  EXPECT_EQ(GetCurrentTransactionNestLevel(), 1);
  EXPECT_EQ(value("SELECT string_agg(a::text, ',' ORDER BY a) FROM x2"), "1,3");
  end();
}

TEST_F(XactTest, ErrorAtCommitLeavesTransactionToAbort) {
  begin();
  code_of("CREATE TABLE x3 (a int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED)");
  end();
  begin();
  code_of("INSERT INTO x3 VALUES (1), (1)");
  SPI_finish();
  PopActiveSnapshot();
  Caught c = caught([](void*) { CommitTransactionCommand(); });
  EXPECT_EQ(c.sqlstate, "23505");
  EXPECT_TRUE(IsTransactionState());
  AbortCurrentTransaction();
  EXPECT_FALSE(IsTransactionState());
  begin();
  EXPECT_EQ(value("SELECT count(*) FROM x3"), "0");
  end();
}

std::string* events = nullptr;

void on_xact(XactEvent event, void* argument) {
  events->append(std::to_string(event)).push_back(' ');
}

TEST_F(XactTest, CallbacksAndIsolation) {
  std::string seen;
  events = &seen;
  RegisterXactCallback(on_xact, nullptr);
  begin();
  end();
  begin();
  AbortCurrentTransaction();
  UnregisterXactCallback(on_xact, nullptr);
  begin();
  end();
  EXPECT_EQ(seen, std::to_string(XACT_EVENT_PRE_COMMIT) + " " + std::to_string(XACT_EVENT_COMMIT) + " " +
                      std::to_string(XACT_EVENT_ABORT) + " ");
  StartTransactionCommand();
  XactIsoLevel = XACT_REPEATABLE_READ;
  SPI_connect();
  PushActiveSnapshot(GetTransactionSnapshot());
  EXPECT_EQ(value("SHOW transaction_isolation"), "repeatable read");
  end();
  begin();
  EXPECT_EQ(value("SHOW transaction_isolation"), "read committed");
  end();
}

TEST_F(XactTest, CommitWithSpiConnectedStillCommits) {
  begin();
  code_of("CREATE TABLE x4 (a int)");
  CommitTransactionCommand();  // warns about the stack and the snapshot
  EXPECT_EQ(SPI_finish(), SPI_ERROR_UNCONNECTED);
  EXPECT_EQ(query(server().connect().get(), "SELECT count(*) FROM x4"), "0");
}

TEST_F(XactTest, TimestampsStandStillUntilSet) {
  SetCurrentStatementStartTimestamp();
  StartTransactionCommand();
  TimestampTz start = GetCurrentTransactionStartTimestamp();
  EXPECT_EQ(start, GetCurrentStatementStartTimestamp());
  CommitTransactionCommand();
  StartTransactionCommand();
  EXPECT_EQ(GetCurrentTransactionStartTimestamp(), start);
  CommitTransactionCommand();
}

}  // namespace
}  // namespace bgw_test
