// What a statement is, is read from its text as PostgreSQL's parser reads it, and a text that the parser does
// not know is left for the upstream to judge.
#include "core/statement.hpp"

#include <gtest/gtest.h>

namespace bgw {
namespace {

Statement one(const char* text) {
  ParsedText parsed = parse_statements(text);
  EXPECT_TRUE(parsed.understood) << text;
  EXPECT_EQ(parsed.statements.size(), 1u) << text;
  return parsed.statements.empty() ? Statement{} : parsed.statements[0];
}

TEST(Statement, Kinds) {
  EXPECT_EQ(one("SELECT 1").kind, StatementKind::select);
  EXPECT_EQ(one("values (1)").kind, StatementKind::select);
  EXPECT_EQ(one("TABLE t").kind, StatementKind::select);
  EXPECT_EQ(one("WITH a AS (SELECT 1) SELECT * FROM a").kind, StatementKind::select);
  EXPECT_EQ(one("SELECT 1 INTO t").kind, StatementKind::select_into);
  EXPECT_EQ(one("SELECT a INTO t FROM b UNION SELECT 2").kind, StatementKind::select_into);
  EXPECT_EQ(one("CREATE TABLE t AS SELECT 1").kind, StatementKind::create_table_as);
  EXPECT_EQ(one("INSERT INTO t VALUES (1)").kind, StatementKind::insert);
  EXPECT_TRUE(one("INSERT INTO t VALUES (1) RETURNING a").returning);
  EXPECT_EQ(one("DELETE FROM t").kind, StatementKind::remove);
  EXPECT_EQ(one("MERGE INTO t USING s ON true WHEN MATCHED THEN DO NOTHING").kind, StatementKind::merge);
  EXPECT_EQ(one("COPY t FROM STDIN").kind, StatementKind::copy_client);
  EXPECT_EQ(one("COPY t TO STDOUT").kind, StatementKind::copy_client);
  EXPECT_EQ(one("COPY (SELECT 1) TO '/x'").kind, StatementKind::copy_file);
  for (const char* text : {"BEGIN", "START TRANSACTION", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT s",
                           "RELEASE s", "ROLLBACK TO s", "PREPARE TRANSACTION 'x'", "COMMIT PREPARED 'x'"})
    EXPECT_EQ(one(text).kind, StatementKind::transaction) << text;
  EXPECT_EQ(one("EXPLAIN SELECT 1").kind, StatementKind::utility_rows);
  EXPECT_EQ(one("SHOW work_mem").kind, StatementKind::utility_rows);
  EXPECT_EQ(one("LISTEN x").kind, StatementKind::listen);
  EXPECT_EQ(one("LOCK TABLE t").kind, StatementKind::utility);
}

TEST(Statement, Tags) {
  EXPECT_EQ(one("DROP FOREIGN TABLE t").tag, "DROP FOREIGN TABLE");
  EXPECT_EQ(one("CREATE INDEX ON t (a)").tag, "CREATE INDEX");
  EXPECT_EQ(one("ALTER TABLE t RENAME COLUMN a TO b").tag, "ALTER TABLE");
  EXPECT_EQ(one("SELECT 1 FROM t FOR NO KEY UPDATE").tag, "SELECT FOR NO KEY UPDATE");
  EXPECT_EQ(one("SET a.b = 1").tag, "SET");
  EXPECT_EQ(one("TRUNCATE t").tag, "TRUNCATE TABLE");
  EXPECT_EQ(one("DROP MATERIALIZED VIEW v").tag, "DROP MATERIALIZED VIEW");
  EXPECT_EQ(one("ANALYZE t").tag, "ANALYZE");
}

TEST(Statement, ReadOnlyAndWhereItMayRun) {
  EXPECT_TRUE(one("SELECT f()").read_only);
  EXPECT_FALSE(one("SELECT 1 FROM t FOR SHARE").read_only);
  EXPECT_FALSE(one("SELECT * FROM (SELECT 1 FROM t FOR UPDATE) x").read_only);
  EXPECT_FALSE(one("WITH a AS (DELETE FROM t RETURNING 1) SELECT * FROM a").read_only);
  EXPECT_FALSE(one("WITH a AS (DELETE FROM t RETURNING 1) SELECT * FROM a").cursor_ok);
  EXPECT_EQ(one("VACUUM t").outside_block, "VACUUM");
  EXPECT_EQ(one("CREATE INDEX CONCURRENTLY ON t (a)").outside_block, "CREATE INDEX CONCURRENTLY");
  EXPECT_EQ(one("REINDEX DATABASE d").outside_block, "REINDEX DATABASE");
  EXPECT_EQ(one("ANALYZE t").outside_block, "");
  EXPECT_FALSE(one("SET x = 1").needs_snapshot);
  EXPECT_TRUE(one("CREATE TABLE t (a int)").needs_snapshot);
}

TEST(Statement, WhatMayChangeWhatNamesMean) {
  for (const char* text :
       {"CREATE TABLE t (a int)", "CREATE TEMP VIEW v AS SELECT 1", "ALTER TYPE t ADD VALUE 'x'", "DROP SCHEMA s CASCADE",
        "CREATE TABLE t AS SELECT 1", "SELECT 1 INTO t", "ALTER TABLE t RENAME TO u", "CREATE EXTENSION e",
        "ALTER TABLE t SET SCHEMA s", "DO 'BEGIN END'", "CALL p()", "CREATE FUNCTION f() RETURNS int RETURN 1"})
    EXPECT_TRUE(one(text).changes_names) << text;
  for (const char* text : {"SELECT 1", "INSERT INTO t VALUES (1)", "MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE",
                           "SET search_path = s", "SHOW work_mem", "VACUUM t", "TRUNCATE t", "COMMIT", "LOCK TABLE t",
                           "COPY t TO '/x'", "NOTIFY n", "EXPLAIN SELECT 1", "DECLARE c CURSOR FOR SELECT 1", "FETCH c",
                           "CLOSE c", "ANALYZE t", "REFRESH MATERIALIZED VIEW m", "GRANT SELECT ON t TO r", "CHECKPOINT"})
    EXPECT_FALSE(one(text).changes_names) << text;
}

TEST(Statement, WhatMayNeedBinaryRows) {
  for (const char* text :
       {"SELECT ROW(1, 2)", "SELECT (1, 2)", "SELECT own(1)", "SELECT s.own(1), 2", "SELECT now(), json_each_text($1)",
        "SELECT NULL::record", "SELECT t FROM (VALUES (1, 2)) t", "SELECT array_agg(t) FROM (SELECT 1 a) AS t",
        "WITH c AS (SELECT 1) SELECT c FROM c", "WITH c AS (SELECT 1) SELECT x FROM c AS x", "SELECT f FROM own() f",
        "SELECT own FROM own()", "SELECT g FROM generate_series(1, 2) WITH ORDINALITY g", "VALUES (ROW(1, 2))",
        "SELECT r FROM (SELECT ROW(1, 2) AS r) s", "SELECT 1 UNION SELECT (SELECT own(1))", "SELECT CASE WHEN a THEN (1, 2) END FROM t",
        "INSERT INTO t VALUES (1) RETURNING ROW(a, b)", "UPDATE t SET a = 1 FROM (SELECT 1 b) s RETURNING s",
        "SELECT j FROM (t CROSS JOIN u) AS j", "SELECT most_common_vals FROM pg_stats", "SELECT s.stavalues5 FROM pg_statistic s",
        "SELECT * FROM pg_type", "SELECT a.* FROM t JOIN pg_catalog.pg_attribute a ON true", "TABLE pg_stats_ext",
        "SELECT x FROM (SELECT attmissingval AS x FROM pg_attribute) s", "SELECT 'f'::regproc, 1", "SELECT $1::pg_catalog.regoper"})
    EXPECT_TRUE(one(text).may_need_binary) << text;
  for (const char* text :
       {"SELECT 1", "SELECT * FROM t", "SELECT t FROM t", "SELECT a, b::text FROM t WHERE (a, b) = (1, 2)",
        "SELECT count(*), max(a), pg_catalog.now() FROM t", "SELECT * FROM own(1)", "SELECT a FROM own(1) AS f(a)",
        "SELECT n FROM generate_series(1, 3) n", "SELECT a FROM t ORDER BY own(a)", "SELECT pg_try_advisory_lock(1)",
        "INSERT INTO t VALUES (own(1), (1, 2)) RETURNING a", "INSERT INTO t SELECT own(1)", "UPDATE t SET (a, b) = (1, 2)",
        "SELECT set_config('role', $1, true)", "SELECT a FROM (SELECT 1 AS a) s", "CREATE TABLE t AS SELECT ROW(1)",
        "SELECT attname FROM pg_attribute WHERE attmissingval IS NULL", "SELECT * FROM pg_class", "SELECT count(*) FROM pg_type",
        "SELECT 1 FROM pg_proc ORDER BY prosupport", "SELECT 'f(int)'::regprocedure, 't'::regclass"})
    EXPECT_FALSE(one(text).may_need_binary) << text;
}

TEST(Statement, SeveralStatementsAndCharacters) {
  ParsedText parsed = parse_statements("SELECT 'ä;'; ; -- nothing\n INSERT INTO t VALUES ($2)");
  ASSERT_EQ(parsed.statements.size(), 2u);
  EXPECT_EQ(parsed.statements[0].text, "SELECT 'ä;'");
  EXPECT_EQ(parsed.statements[1].max_param, 2);
  EXPECT_TRUE(parse_statements("").statements.empty());
  EXPECT_TRUE(parse_statements(" ; -- x").statements.empty());
}

TEST(Statement, WhatTheParserDoesNotKnow) {
  ParsedText parsed = parse_statements("SELEC 1");
  EXPECT_FALSE(parsed.understood);
  ParsedText split = split_unknown("SELECT FROM WHERE; COMMIT; SELECT 2");
  ASSERT_EQ(split.statements.size(), 3u);
  EXPECT_EQ(split.statements[0].kind, StatementKind::unknown);
  EXPECT_EQ(split.statements[1].kind, StatementKind::transaction);
  EXPECT_EQ(split.statements[2].kind, StatementKind::select);
  EXPECT_EQ(split.statements[1].offset, 19u);
}

}  // namespace
}  // namespace bgw
