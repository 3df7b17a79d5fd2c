// What types cost: built-in ones no question to the upstream, a user's one for each type and transaction, names
// of OIDs one for each column with new ones; and what becomes of them where nobody can be asked any more.
//
// Questions are counted in the server's own log, which it writes before it answers.
#include <fstream>
#include <vector>

#include "executor/spi_fixture.hpp"

extern "C" {
#include "access/htup_details.h"
#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"
}

#include "bridge/user_types.hpp"

namespace {

using namespace bgw_test;

class UserTypesTest : public SpiTest {
 protected:
  // What the session has asked since the last call, but for what opens and closes transactions.
  static std::vector<std::string> asked() {
    static std::streamoff seen = 0;
    std::ifstream log(server().folder() + "/log");
    log.seekg(seen);
    std::vector<std::string> statements;
    for (std::string line; std::getline(log, line);) {
      seen += static_cast<std::streamoff>(line.size()) + 1;
      const size_t execute = line.find("LOG:  execute ");
      if (execute == std::string::npos) continue;
      const std::string text = line.substr(line.find(": ", execute + 14) + 2);
      bool counts = true;
      for (const char* control : {"BEGIN", "START", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE"})
        counts = counts && text.rfind(control, 0) != 0;
      if (counts) statements.push_back(text);
    }
    return statements;
  }

  // How many of them are not the statement itself.
  static int questions(const std::string& statement) {
    int own = 0, others = 0;
    for (const std::string& text : asked()) (text == statement ? own : others)++;
    EXPECT_EQ(own, 1) << "times " << statement;
    return others;
  }

  void SetUp() override {
    begin();
    code_of("SET log_statement = 'all'");
    end();
    asked();
  }

  void TearDown() override {
    SpiTest::TearDown();
    statement_savepoints = true;
    begin();
    code_of("DROP TABLE IF EXISTS trip_t; DROP TYPE IF EXISTS trip_row, trip_range, trip_mood CASCADE; DEALLOCATE ALL");
    end();
  }

  static void make_types() {
    begin();
    EXPECT_EQ(
        code_of(
            "CREATE TYPE trip_mood AS ENUM ('sad', 'fine'); CREATE TYPE trip_range AS RANGE (subtype = float8);"
            "CREATE TYPE trip_row AS (m trip_mood, ms trip_mood[], r trip_range)"),
        SPI_OK_UTILITY);
    end();
    asked();
  }

  static constexpr const char* a_row = "SELECT ROW('sad', '{fine,sad}', '[1,2]')::trip_row";
};

TEST_F(UserTypesTest, BuiltinTypesCostNoQuestion) {
  const std::string statement =
      "SELECT 1, 'a'::text, '{1,2}'::int8[], '[1,5]'::int4range, '{[1,2),[4,5)}'::nummultirange, "
      "ARRAY['[2024-01-01,)']::daterange[], '{\"a\": 1}'::jsonb, 1.5::numeric, '12:00+01'::timetz";
  begin();
  ASSERT_EQ(code_of(statement.c_str(), true), SPI_OK_SELECT);
  for (int i = 1; i <= SPI_tuptable->tupdesc->natts; i++) {
    bool isnull;
    SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i, &isnull);
    EXPECT_NE(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i), nullptr);
    lookup_type_cache(SPI_gettypeid(SPI_tuptable->tupdesc, i),
                      TYPECACHE_CMP_PROC_FINFO | TYPECACHE_HASH_PROC_FINFO | TYPECACHE_RANGE_INFO |
                          TYPECACHE_MULTIRANGE_INFO);
  }
  end();
  EXPECT_EQ(questions(statement), 0);
}

TEST_F(UserTypesTest, OneQuestionForEachTypeAndTransaction) {
  make_types();
  for (int round = 0; round < 2; round++) {
    begin();
    ASSERT_EQ(code_of(a_row, true), SPI_OK_SELECT);
    bool isnull;
    Oid type = SPI_gettypeid(SPI_tuptable->tupdesc, 1);
    Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
    EXPECT_STREQ(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1),
                 "(sad,\"{fine,sad}\",\"[1,2]\")");
    EXPECT_EQ(questions(a_row), 1) << "round " << round;
    // The same type again: another statement, its value as a parameter, its parts.
    ASSERT_EQ(code_of("SELECT NULL::trip_row", true), SPI_OK_SELECT);
    EXPECT_EQ(questions("SELECT NULL::trip_row"), 0) << "round " << round;
    ASSERT_EQ(SPI_execute_with_args("SELECT $1", 1, &type, &value, nullptr, true, 0), SPI_OK_SELECT);
    EXPECT_EQ(questions("SELECT $1"), 0) << "round " << round;
    TupleDesc row = lookup_rowtype_tupdesc_copy(type, -1);
    lookup_type_cache(TupleDescAttr(row, 2)->atttypid, TYPECACHE_RANGE_INFO | TYPECACHE_CMP_PROC_FINFO);
    EXPECT_TRUE(type_is_enum(TupleDescAttr(row, 0)->atttypid));
    EXPECT_TRUE(asked().empty()) << "round " << round;
    end();
  }
}

TEST_F(UserTypesTest, OneQuestionForTheNamesOfAColumn) {
  const char* rows = "SELECT oid::regclass FROM pg_class WHERE oid < 10000 ORDER BY oid";
  const char* array = "SELECT array_agg(oid::regclass ORDER BY oid) FROM pg_class WHERE oid < 10000";
  begin();
  ASSERT_EQ(code_of(rows, true), SPI_OK_SELECT);
  EXPECT_GT(SPI_processed, 100u);
  EXPECT_EQ(questions(rows), 1);
  ASSERT_EQ(code_of(array, true), SPI_OK_SELECT);
  bool isnull;
  Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
  Oid type = REGCLASSARRAYOID;
  EXPECT_EQ(questions(array), 0) << "all are known";
  ASSERT_EQ(SPI_execute_with_args("SELECT $1::oid[]", 1, &type, &value, nullptr, true, 0), SPI_OK_SELECT);
  EXPECT_EQ(questions("SELECT $1::oid[]"), 0);
  end();
  begin();
  ASSERT_EQ(code_of(array, true), SPI_OK_SELECT);
  EXPECT_EQ(questions(array), 1) << "in a transaction of its own";
  end();
}

// A text that runs as a prepared statement by now fails once when another session has made its type anew, and from then on
// means that one; what the transaction did before stays.
TEST_F(UserTypesTest, ATypeMadeAnewIsMeantFromTheNextTimeOn) {
  const std::string mood = "SELECT 'sad'::trip_mood";
  make_types();
  for (int round = 0; round < 3; round++) {
    begin();
    EXPECT_EQ(value(a_row), "(sad,\"{fine,sad}\",\"[1,2]\")");
    EXPECT_EQ(value(mood.c_str()), "sad");
    end();
  }
  auto other = server().connect();
  query(other.get(), "DROP TYPE trip_row, trip_range, trip_mood CASCADE");
  query(other.get(), "CREATE TYPE trip_mood AS ENUM ('fine', 'sad')");
  query(other.get(), "CREATE TYPE trip_row AS (m text, ms trip_mood[], r text)");
  query(other.get(), "CREATE TABLE trip_t (a int)");
  begin();
  code_of("INSERT INTO trip_t VALUES (1)");
  for (const char* text : {a_row, mood.c_str()}) {
    BeginInternalSubTransaction(nullptr);
    Caught failed = run(text);
    EXPECT_EQ(failed.sqlstate, "XX000") << failed.message;
    RollbackAndReleaseCurrentSubTransaction();
  }
  EXPECT_EQ(value(a_row), "(sad,\"{fine,sad}\",\"[1,2]\")");
  EXPECT_EQ(value(mood.c_str()), "sad");
  EXPECT_EQ(value("SELECT count(*) FROM trip_t"), "1");
  end();
}

// A value at hand keeps its form when the transaction that it came from is gone, and is printed without a
// question.
TEST_F(UserTypesTest, AValueOutlivesItsTransaction) {
  make_types();
  begin();
  ASSERT_EQ(code_of(a_row, true), SPI_OK_SELECT);
  MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
  HeapTuple tuple = heap_copytuple(SPI_tuptable->vals[0]);
  TupleDesc desc = CreateTupleDescCopy(SPI_tuptable->tupdesc);
  MemoryContextSwitchTo(caller);
  AbortOutOfAnyTransaction();
  asked();
  MemoryContextSwitchTo(TopMemoryContext);
  EXPECT_STREQ(SPI_getvalue(tuple, desc, 1), "(sad,\"{fine,sad}\",\"[1,2]\")");
  EXPECT_TRUE(asked().empty());
}

// In a transaction that an error has ended on the upstream a type that is not known yet cannot be asked for:
// that is the upstream's error, and the transaction can be rolled back as always.
TEST_F(UserTypesTest, AnUnknownTypeInAFailedTransaction) {
  make_types();
  begin();
  ASSERT_EQ(code_of("SELECT 'trip_row'::regtype::oid", true), SPI_OK_SELECT);
  bool isnull;
  static Oid type;
  type = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
  end();
  statement_savepoints = false;
  begin();
  EXPECT_EQ(code_of("SELECT 1"), SPI_OK_SELECT);
  EXPECT_TRUE(run("SELECT 1/0").raised);
  Caught error = caught([](void*) { lookup_rowtype_tupdesc(type, -1); });
  EXPECT_TRUE(error.raised);
  EXPECT_EQ(error.sqlstate, "25P02") << error.message;
  AbortOutOfAnyTransaction();
  statement_savepoints = true;
  begin();
  EXPECT_EQ(value(a_row), "(sad,\"{fine,sad}\",\"[1,2]\")");
  end();
}

}  // namespace
