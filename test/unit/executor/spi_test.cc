// SPI on a session of a real server: codes, counts, rows, errors and contexts are those that a worker inside
// the server would get.
#include <signal.h>
#include <sys/time.h>

#include <chrono>

#include "executor/spi_fixture.hpp"

extern "C" {
#include "catalog/namespace.h"
#include "catalog/pg_type_d.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/portal.h"
}

namespace bgw_test {
namespace {

TEST_F(SpiTest, ConnectAndFinish) {
  EXPECT_EQ(SPI_finish(), SPI_ERROR_UNCONNECTED);
  EXPECT_EQ(SPI_execute("SELECT 1", true, 0), SPI_ERROR_UNCONNECTED);
  EXPECT_EQ(SPI_execute(nullptr, true, 0), SPI_ERROR_ARGUMENT);
  EXPECT_EQ(SPI_execute("SELECT 1", true, -1), SPI_ERROR_ARGUMENT);
  EXPECT_EQ(SPI_prepare("SELECT 1", 0, nullptr), nullptr);
  EXPECT_EQ(SPI_result, SPI_ERROR_UNCONNECTED);
  StartTransactionCommand();
  MemoryContext transaction = CurrentMemoryContext;
  EXPECT_EQ(SPI_connect(), SPI_OK_CONNECT);
  PushActiveSnapshot(GetTransactionSnapshot());
  EXPECT_EQ(code_of("SELECT generate_series(1, 3)"), SPI_OK_SELECT);
  EXPECT_EQ(SPI_processed, 3u);
  EXPECT_EQ(SPI_connect(), SPI_OK_CONNECT);
  EXPECT_EQ(SPI_processed, 0u);
  EXPECT_EQ(SPI_tuptable, nullptr);
  EXPECT_EQ(SPI_finish(), SPI_OK_FINISH);
  EXPECT_EQ(SPI_processed, 3u);
  ASSERT_NE(SPI_tuptable, nullptr);
  EXPECT_EQ(SPI_finish(), SPI_OK_FINISH);
  EXPECT_EQ(CurrentMemoryContext, transaction);
  PopActiveSnapshot();
  CommitTransactionCommand();
  EXPECT_EQ(CurrentMemoryContext, TopMemoryContext);
}

TEST_F(SpiTest, CodesOfStatements) {
  begin();
  EXPECT_EQ(code_of("CREATE TABLE c1 (a int, b text)"), SPI_OK_UTILITY);
  EXPECT_EQ(SPI_tuptable, nullptr);
  EXPECT_EQ(code_of("INSERT INTO c1 VALUES (1, 'x'), (2, NULL)"), SPI_OK_INSERT);
  EXPECT_EQ(SPI_processed, 2u);
  EXPECT_EQ(SPI_tuptable, nullptr);
  EXPECT_EQ(code_of("INSERT INTO c1 VALUES (3, 'z') RETURNING a"), SPI_OK_INSERT_RETURNING);
  ASSERT_NE(SPI_tuptable, nullptr);
  EXPECT_EQ(SPI_processed, 1u);
  EXPECT_EQ(code_of("UPDATE c1 SET b = 'y' WHERE a < 3"), SPI_OK_UPDATE);
  EXPECT_EQ(SPI_processed, 2u);
  EXPECT_EQ(code_of("UPDATE c1 SET b = 'y' RETURNING b"), SPI_OK_UPDATE_RETURNING);
  EXPECT_EQ(code_of("SELECT * FROM c1 WHERE false"), SPI_OK_SELECT);
  EXPECT_EQ(SPI_processed, 0u);
  ASSERT_NE(SPI_tuptable, nullptr);
  EXPECT_EQ(SPI_tuptable->tupdesc->natts, 2);
  EXPECT_EQ(
      code_of("MERGE INTO c1 USING (SELECT 9 a) s ON c1.a = s.a WHEN NOT MATCHED THEN INSERT VALUES (9, 'm')"),
      SPI_OK_MERGE);
  EXPECT_EQ(SPI_processed, 1u);
  EXPECT_EQ(code_of("DELETE FROM c1 WHERE a = 9"), SPI_OK_DELETE);
  EXPECT_EQ(code_of("DELETE FROM c1 WHERE a = 3 RETURNING *"), SPI_OK_DELETE_RETURNING);
  EXPECT_EQ(code_of("SELECT * INTO c2 FROM c1"), SPI_OK_SELINTO);
  EXPECT_EQ(SPI_processed, 2u);
  EXPECT_EQ(code_of("CREATE TABLE c3 AS SELECT * FROM c1"), SPI_OK_UTILITY);
  EXPECT_EQ(SPI_processed, 2u);
  EXPECT_EQ(code_of("CREATE TABLE IF NOT EXISTS c3 AS SELECT * FROM c1"), SPI_OK_UTILITY);
  EXPECT_EQ(SPI_processed, 0u);
  EXPECT_EQ(code_of("EXPLAIN SELECT 1"), SPI_OK_UTILITY);
  EXPECT_GT(SPI_processed, 0u);
  ASSERT_NE(SPI_tuptable, nullptr);
  EXPECT_EQ(code_of("SHOW work_mem"), SPI_OK_UTILITY);
  EXPECT_EQ(SPI_processed, 1u);
  EXPECT_EQ(code_of("COMMIT"), SPI_ERROR_TRANSACTION);
  EXPECT_EQ(code_of("SAVEPOINT x"), SPI_ERROR_TRANSACTION);
  EXPECT_EQ(code_of("COPY c1 TO STDOUT"), SPI_ERROR_COPY);
  EXPECT_EQ(code_of("COPY c1 FROM STDIN"), SPI_ERROR_COPY);
  EXPECT_EQ(code_of(""), SPI_OK_REWRITTEN);
  EXPECT_EQ(code_of(" ; -- nothing"), SPI_OK_REWRITTEN);
  EXPECT_EQ(code_of("INSERT INTO c1 VALUES (7, 'seven'); COMMIT; INSERT INTO c1 VALUES (8, '')"),
            SPI_ERROR_TRANSACTION);
  EXPECT_EQ(SPI_processed, 1u);
  EXPECT_EQ(value("SELECT string_agg(a::text, ',' ORDER BY a) FROM c1"), "1,2,7");
  EXPECT_EQ(code_of("NOTIFY x"), SPI_OK_UTILITY);
  EXPECT_EQ(code_of("DO 'BEGIN PERFORM 1; END'"), SPI_OK_UTILITY);
  end();
}

TEST_F(SpiTest, Refusals) {
  begin();
  Caught c = run("LISTEN x");
  EXPECT_EQ(c.sqlstate, "0A000");
  EXPECT_EQ(c.message, "cannot execute LISTEN within a background process");
  c = run("VACUUM");
  EXPECT_EQ(c.sqlstate, "25001");
  EXPECT_EQ(c.message, "VACUUM cannot be executed from a function");
  c = run("SHOW work_mem", nullptr, true);
  EXPECT_EQ(c.sqlstate, "0A000");
  EXPECT_EQ(c.message, "SHOW is not allowed in a non-volatile function");
  c = run("SELECT 1 FROM pg_class FOR UPDATE", nullptr, true);
  EXPECT_EQ(c.message, "SELECT FOR UPDATE is not allowed in a non-volatile function");
  c = run("SELECT $1");
  EXPECT_EQ(c.sqlstate, "42P02");
  EXPECT_EQ(c.message, "there is no parameter $1");
  PopActiveSnapshot();
  c = run("SELECT 1");
  EXPECT_EQ(c.sqlstate, "XX000");
  EXPECT_EQ(c.message, "cannot execute SQL without an outer snapshot or portal");
  EXPECT_EQ(code_of("SET work_mem = '5MB'"), SPI_OK_UTILITY);
  PushActiveSnapshot(GetTransactionSnapshot());
  EXPECT_EQ(value("SHOW work_mem"), "5MB");
  end();
}

TEST_F(SpiTest, ErrorsKeepTheirFieldsAndGetContext) {
  begin();
  Caught c = run("SELECT 1/0");
  EXPECT_EQ(c.sqlstate, "22012");
  EXPECT_EQ(c.message, "division by zero");
  EXPECT_EQ(c.context, "SQL statement \"SELECT 1/0\"");
  c = run("SELECT nope");
  EXPECT_EQ(c.sqlstate, "42703");
  EXPECT_EQ(c.context, "");  // it has a position instead
  c = run("SELEC 1");
  EXPECT_EQ(c.sqlstate, "42601");
  EXPECT_EQ(c.message, "syntax error at or near \"SELEC\"");
  // Caught and flushed without an abort: the transaction goes on (the first statement failed, too).
  EXPECT_EQ(value("SELECT 42"), "42");
  EXPECT_EQ(run("SELECT 1/0").sqlstate, "22012");
  EXPECT_EQ(value("SELECT 43"), "43");
  end();
}

TEST_F(SpiTest, StatementSavepointsAreASetting) {
  begin();
  EXPECT_EQ(code_of("CREATE TABLE usable (a int)"), SPI_OK_UTILITY);
  EXPECT_EQ(run("SELECT 1/0").sqlstate, "22012");
  EXPECT_EQ(code_of("INSERT INTO usable VALUES (1)"), SPI_OK_INSERT);
  end();

  statement_savepoints = false;  // bgworkerd.statement_savepoints
  begin();
  EXPECT_EQ(run("SELECT 1/0").sqlstate, "22012");  // the first of its transaction, which is begun anew
  EXPECT_EQ(code_of("INSERT INTO usable VALUES (2)"), SPI_OK_INSERT);
  EXPECT_EQ(run("SELECT 1/0").sqlstate, "22012");
  EXPECT_EQ(run("INSERT INTO usable VALUES (3)").sqlstate, "25P02");
  SPI_finish();
  PopActiveSnapshot();
  Caught c = caught([](void*) { CommitTransactionCommand(); });
  EXPECT_EQ(c.sqlstate, "25P02");
  AbortCurrentTransaction();

  statement_savepoints = true;
  begin();
  EXPECT_EQ(value("SELECT string_agg(a::text, ',') FROM usable"), "1");
  EXPECT_EQ(run("SELECT 1/0").sqlstate, "22012");
  EXPECT_EQ(code_of("DROP TABLE usable"), SPI_OK_UTILITY);
  end();
}

TEST_F(SpiTest, ValuesAndAccessors) {
  begin();
  ASSERT_EQ(
      code_of(
          "SELECT 1::int4 AS i, 2::int8 AS l, true AS t, 'x\xc3\xa4'::text AS s, NULL::text AS n, 1.5::float8 "
          "AS f, (SELECT a FROM pg_attribute a WHERE attrelid = 1262 AND attnum = 1) AS a, 'v'::varchar(3) AS v"),
      SPI_OK_SELECT);
  TupleDesc d = SPI_tuptable->tupdesc;
  HeapTuple t = SPI_tuptable->vals[0];
  bool null = true;
  EXPECT_EQ(DatumGetInt32(SPI_getbinval(t, d, 1, &null)), 1);
  EXPECT_FALSE(null);
  EXPECT_EQ(DatumGetInt64(SPI_getbinval(t, d, 2, &null)), 2);
  EXPECT_TRUE(DatumGetBool(SPI_getbinval(t, d, 3, &null)));
  EXPECT_STREQ(TextDatumGetCString(SPI_getbinval(t, d, 4, &null)), "x\xc3\xa4");
  SPI_getbinval(t, d, 5, &null);
  EXPECT_TRUE(null);
  EXPECT_EQ(SPI_getvalue(t, d, 5), nullptr);
  EXPECT_EQ(SPI_result, 0);
  EXPECT_EQ(DatumGetFloat8(SPI_getbinval(t, d, 6, &null)), 1.5);
  EXPECT_TRUE(std::string_view(SPI_getvalue(t, d, 7)).starts_with("(1262,oid,26,"));
  EXPECT_STREQ(SPI_gettype(d, 8), "varchar");
  EXPECT_EQ(SPI_gettypeid(d, 1), static_cast<Oid>(INT4OID));
  EXPECT_EQ(SPI_fnumber(d, "s"), 4);
  EXPECT_EQ(SPI_fnumber(d, "ctid"), -1);
  EXPECT_EQ(SPI_fnumber(d, "zzz"), SPI_ERROR_NOATTRIBUTE);
  EXPECT_STREQ(SPI_fname(d, 2), "l");
  EXPECT_EQ(SPI_getvalue(t, d, 0), nullptr);
  EXPECT_EQ(SPI_result, SPI_ERROR_NOATTRIBUTE);
  SPI_getbinval(t, d, 99, &null);
  EXPECT_TRUE(null);
  EXPECT_EQ(SPI_result, SPI_ERROR_NOATTRIBUTE);
  struct Row {
    HeapTuple tuple;
    TupleDesc desc;
  } row = {t, d};
  Caught c = caught(
      [](void* argument) {
        Row* r = static_cast<Row*>(argument);
        bool isnull;
        SPI_getbinval(r->tuple, r->desc, 7, &isnull);
      },
      &row);
  EXPECT_TRUE(c.raised);
  EXPECT_EQ(c.sqlstate, "0A000");
  end();
}

TEST_F(SpiTest, ParametersOfExtensionTypesAreTheirTexts) {
  begin();
  ASSERT_EQ(code_of("CREATE EXTENSION cube"), SPI_OK_UTILITY);
  ASSERT_EQ(code_of("SELECT '(1,2)'::cube"), SPI_OK_SELECT);
  struct Parameter {
    Oid type;
    Datum value;
    int code;
  } parameter = {SPI_gettypeid(SPI_tuptable->tupdesc, 1), CStringGetTextDatum("(3, 4)"), 0};
  auto send = [&] {
    return caught(
        [](void* argument) {
          Parameter* p = static_cast<Parameter*>(argument);
          p->code = SPI_execute_with_args("SELECT $1", 1, &p->type, &p->value, nullptr, true, 0);
        },
        &parameter);
  };
  EXPECT_FALSE(send().raised);
  EXPECT_EQ(parameter.code, SPI_OK_SELECT);
  EXPECT_STREQ(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1), "(3, 4)");
  // Bytes of the type's own form, and such that are no text at all.
  parameter.value = PointerGetDatum(cstring_to_text_with_len("\2\0\0\0(1)", 7));
  EXPECT_EQ(send().sqlstate, "0A000");
  parameter.value = PointerGetDatum(cstring_to_text_with_len("\xff\xfe", 2));
  EXPECT_EQ(send().sqlstate, "0A000");
  // Text that is not one of the type's is the upstream's to refuse.
  parameter.value = CStringGetTextDatum("no cube");
  EXPECT_EQ(send().sqlstate, "22P02");
  end();
}

TEST_F(SpiTest, ParametersAndPlans) {
  begin();
  Oid types[2] = {INT4OID, TEXTOID};
  Datum values[2] = {Int32GetDatum(5), CStringGetTextDatum("five")};
  EXPECT_EQ(SPI_execute_with_args("SELECT $1 + 1, $2 || '!'", 2, types, values, nullptr, true, 0),
            SPI_OK_SELECT);
  EXPECT_STREQ(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1), "6");
  EXPECT_STREQ(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2), "five!");
  EXPECT_EQ(SPI_execute_with_args("SELECT $2; SELECT $1", 2, types, values, "n ", true, 0), SPI_OK_SELECT);
  EXPECT_EQ(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1), nullptr);
  EXPECT_EQ(SPI_execute_with_args("SELECT $1", 1, nullptr, nullptr, nullptr, true, 0), SPI_ERROR_PARAM);
  SPIPlanPtr plan = SPI_prepare("SELECT $1 * 2, $2", 2, types);
  ASSERT_NE(plan, nullptr);
  EXPECT_EQ(SPI_getargcount(plan), 2);
  EXPECT_EQ(SPI_getargtypeid(plan, 1), static_cast<Oid>(TEXTOID));
  EXPECT_TRUE(SPI_is_cursor_plan(plan));
  EXPECT_EQ(SPI_execute_plan(plan, nullptr, nullptr, true, 0), SPI_ERROR_PARAM);
  EXPECT_EQ(SPI_execute_plan(nullptr, nullptr, nullptr, true, 0), SPI_ERROR_ARGUMENT);
  EXPECT_EQ(SPI_keepplan(plan), 0);
  EXPECT_EQ(SPI_keepplan(plan), SPI_ERROR_ARGUMENT);
  end();
  for (int i = 0; i < 3; ++i) {
    begin();
    values[0] = Int32GetDatum(i);
    values[1] = CStringGetTextDatum("x");
    EXPECT_EQ(SPI_execute_plan(plan, values, nullptr, true, 0), SPI_OK_SELECT);
    EXPECT_EQ(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1), std::to_string(2 * i));
    end();
  }
  EXPECT_EQ(SPI_freeplan(plan), 0);
  begin();
  Caught c = caught([](void*) { SPI_prepare("SELECT * FROM no_such_table", 0, nullptr); });
  EXPECT_EQ(c.sqlstate, "42P01");
  SPIPlanPtr commit = SPI_prepare("COMMIT", 0, nullptr);
  ASSERT_NE(commit, nullptr);
  EXPECT_EQ(SPI_execute_plan(commit, nullptr, nullptr, false, 0), SPI_ERROR_TRANSACTION);
  end();
}

TEST_F(SpiTest, RowLimits) {
  begin();
  EXPECT_EQ(code_of("SELECT generate_series(1, 100)", true, 7), SPI_OK_SELECT);
  EXPECT_EQ(SPI_processed, 7u);
  code_of("CREATE TABLE lim AS SELECT generate_series(1, 10) a");
  EXPECT_EQ(code_of("INSERT INTO lim SELECT * FROM lim", false, 3), SPI_OK_INSERT);
  EXPECT_EQ(SPI_processed, 10u);  // no RETURNING: the limit does not count
  Caught c = run("DELETE FROM lim RETURNING a", nullptr, false, 3);
  EXPECT_EQ(c.sqlstate, "0A000");
  EXPECT_EQ(value("SELECT count(*) FROM lim"), "20");
  EXPECT_EQ(code_of("DELETE FROM lim RETURNING a", false, 20), SPI_OK_DELETE_RETURNING);
  EXPECT_EQ(SPI_processed, 20u);
  end();
}

TEST_F(SpiTest, TupleTablesLiveUntilFreed) {
  begin();
  code_of("SELECT 1");
  SPITupleTable* first = SPI_tuptable;
  code_of("SELECT 2");
  EXPECT_STREQ(SPI_getvalue(first->vals[0], first->tupdesc, 1), "1");
  SPI_freetuptable(first);
  EXPECT_NE(SPI_tuptable, nullptr);
  SPI_freetuptable(SPI_tuptable);
  EXPECT_EQ(SPI_tuptable, nullptr);
  EXPECT_EQ(SPI_processed, 1u);
  SPI_freetuptable(nullptr);
  code_of("SELECT 'kept'");
  HeapTuple copy = SPI_copytuple(SPI_tuptable->vals[0]);
  EXPECT_EQ(GetMemoryChunkContext(copy), TopTransactionContext);
  end();
  EXPECT_EQ(SPI_copytuple(nullptr), nullptr);
  EXPECT_EQ(SPI_result, SPI_ERROR_ARGUMENT);
}

TEST_F(SpiTest, Cursors) {
  begin();
  SPIPlanPtr plan = SPI_prepare_cursor("SELECT generate_series(1, 10)", 0, nullptr, CURSOR_OPT_SCROLL);
  Portal portal = SPI_cursor_open("cur", plan, nullptr, nullptr, true);
  ASSERT_NE(portal, nullptr);
  EXPECT_EQ(SPI_cursor_find("cur"), portal);
  EXPECT_EQ(SPI_cursor_find("other"), nullptr);
  SPI_cursor_fetch(portal, true, 3);
  EXPECT_EQ(SPI_processed, 3u);
  ASSERT_NE(SPI_tuptable, nullptr);
  SPI_cursor_move(portal, true, 2);
  EXPECT_EQ(SPI_processed, 2u);
  SPI_cursor_fetch(portal, true, 1);
  EXPECT_STREQ(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1), "6");
  SPI_scroll_cursor_fetch(portal, FETCH_ABSOLUTE, 2);
  EXPECT_STREQ(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1), "2");
  SPI_cursor_fetch(portal, true, FETCH_ALL);
  EXPECT_EQ(SPI_processed, 8u);
  SPI_cursor_fetch(portal, true, 1);
  EXPECT_EQ(SPI_processed, 0u);
  ASSERT_NE(SPI_tuptable, nullptr);
  EXPECT_EQ(value("SELECT count(*) FROM pg_cursors WHERE name = 'cur'"), "1");
  Caught c = caught(
      [](void*) { SPI_cursor_open_with_args("cur", "SELECT 1", 0, nullptr, nullptr, nullptr, true, 0); });
  EXPECT_EQ(c.sqlstate, "42P03");
  SPI_cursor_close(portal);
  EXPECT_EQ(SPI_cursor_find("cur"), nullptr);
  c = caught(
      [](void*) { SPI_cursor_open_with_args(nullptr, "SET x.y = 1", 0, nullptr, nullptr, nullptr, false, 0); });
  EXPECT_EQ(c.sqlstate, "42P11");
  EXPECT_EQ(c.message, "cannot open SET query as cursor");
  code_of("CREATE TABLE cur_t (a int)");
  portal = SPI_cursor_open_with_args(nullptr, "INSERT INTO cur_t SELECT generate_series(1, 5) RETURNING a", 0,
                                     nullptr, nullptr, nullptr, false, 0);
  SPI_cursor_fetch(portal, true, 2);
  EXPECT_EQ(SPI_processed, 2u);
  SPI_cursor_fetch(portal, true, 2);
  EXPECT_STREQ(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1), "3");
  SPI_cursor_fetch(portal, true, 10);
  EXPECT_EQ(SPI_processed, 1u);
  SPI_cursor_close(portal);
  code_of("DECLARE sqlcur CURSOR FOR SELECT 5");
  EXPECT_NE(SPI_cursor_find("sqlcur"), nullptr);
  end();
}

void cancel_on_alarm(int) {
  QueryCancelPending = true;
  InterruptPending = true;
}

TEST_F(SpiTest, CancelStopsTheStatementAndLeavesTheTransaction) {
  begin();
  code_of("CREATE TABLE canc (a int)");
  struct sigaction action = {}, before;
  action.sa_handler = cancel_on_alarm;
  sigaction(SIGALRM, &action, &before);
  itimerval timer = {.it_interval = {0, 0}, .it_value = {0, 100000}};
  setitimer(ITIMER_REAL, &timer, nullptr);
  Caught c = run("SELECT pg_sleep(30)");
  sigaction(SIGALRM, &before, nullptr);
  EXPECT_EQ(c.sqlstate, "57014");
  EXPECT_EQ(c.message, "canceling statement due to user request");
  EXPECT_EQ(c.context, "SQL statement \"SELECT pg_sleep(30)\"");
  EXPECT_EQ(value("SELECT count(*) FROM canc"), "0");
  end();
}

TEST_F(SpiTest, LookUpsAndUsers) {
  EXPECT_EQ(get_database_oid("postgres", false), MyDatabaseId);
  EXPECT_EQ(get_database_oid("nope", true), InvalidOid);
  Caught c = caught([](void*) { get_role_oid("nope", false); });
  EXPECT_EQ(c.sqlstate, "42704");
  EXPECT_EQ(c.message, "role \"nope\" does not exist");
  EXPECT_STREQ(GetUserNameFromId(GetUserId(), false), "postgres");
  EXPECT_TRUE(superuser());
  begin();
  Oid schema = get_namespace_oid("pg_catalog", false);
  EXPECT_EQ(schema, 11u);
  EXPECT_EQ(get_relname_relid("pg_class", schema), 1259u);
  EXPECT_STREQ(get_rel_name(1259), "pg_class");
  EXPECT_NE(get_extension_oid("plpgsql", false), InvalidOid);
  code_of("CREATE ROLE lowly");
  Oid lowly = get_role_oid("lowly", false);
  EXPECT_FALSE(superuser_arg(lowly));
  Oid before;
  int context;
  GetUserIdAndSecContext(&before, &context);
  SetUserIdAndSecContext(lowly, context | SECURITY_LOCAL_USERID_CHANGE);
  EXPECT_EQ(value("SELECT current_user"), "lowly");
  EXPECT_EQ(run("SELECT * FROM pg_authid").sqlstate, "42501");
  EXPECT_EQ(value("SELECT current_user"), "lowly");
  SetUserIdAndSecContext(before, context);
  EXPECT_EQ(value("SELECT current_user"), "postgres");
  SPI_finish();
  PopActiveSnapshot();
  AbortCurrentTransaction();
  begin();
  EXPECT_EQ(value("SELECT current_user"), "postgres");
  end();
}

TEST_F(SpiTest, NonatomicTransactionControl) {
  begin();
  Caught c = caught([](void*) { SPI_commit(); });
  EXPECT_EQ(c.sqlstate, "2D000");
  EXPECT_EQ(c.message, "invalid transaction termination");
  code_of("CREATE TABLE na (a int)");
  end();
  StartTransactionCommand();
  SPI_connect_ext(SPI_OPT_NONATOMIC);
  PushActiveSnapshot(GetTransactionSnapshot());
  code_of("INSERT INTO na VALUES (1)");
  PopActiveSnapshot();
  SPI_commit();
  PushActiveSnapshot(GetTransactionSnapshot());
  code_of("INSERT INTO na VALUES (2)");
  PopActiveSnapshot();
  SPI_rollback();
  PushActiveSnapshot(GetTransactionSnapshot());
  EXPECT_EQ(value("SELECT count(*) FROM na"), "1");
  PopActiveSnapshot();
  SPI_finish();
  CommitTransactionCommand();
}

}  // namespace
}  // namespace bgw_test
