"""The property: modules that read the catalogues, or tables, the way code of the server does see the same in the host as in a
real server."""

import os

from compare import agree, run_both

EXITED = r'background worker "w" \(PID \d+\) exited with exit code'


def catalog(space, action, words="flag", last=("LOG", "probe: done"), **more):
    transcripts = run_both(space, "probe_catalog", f"w {action} {words}", EXITED, postmaster=False, **more)
    agree(transcripts)
    assert transcripts[1]["w"][-1] == last
    return transcripts


def test_launcher(space):
    """A launcher lists the databases from pg_database, connected to one of them."""
    transcripts = catalog(space, "launcher:postgres", sql="CREATE DATABASE another CONNECTION LIMIT 7")
    assert any('"another"' in text and "limit 7" in text for _, text in transcripts[1]["w"])


def test_launcher_without_database(space):
    """The same, without a database of its own, which is all that most launchers ask for."""
    catalog(space, "launcher", sql="CREATE DATABASE another CONNECTION LIMIT 7")


def test_blind(space):
    """Without a database only what the server needs to let somebody in can be read."""
    catalog(space, "blind", last=("FATAL", "cannot read pg_class without having selected a database"))


TABLES = """
CREATE SCHEMA "s p";
SET search_path = "s p";
CREATE TABLE plain (id int PRIMARY KEY, name text NOT NULL DEFAULT 'none', at timestamptz, flag bool, "Odd name" numeric(9,2),
  owner regrole, kin regclass[], who aclitem, CHECK (id > 0), CONSTRAINT named CHECK (length(name) < 100) NO INHERIT);
INSERT INTO plain SELECT i, 'row ' || i, '2020-01-02 03:04:05+00', i % 2 = 0, i * 1.25, 'postgres',
  ARRAY['pg_class', '"s p".plain']::regclass[] FROM generate_series(1, 5) i;
INSERT INTO plain (id, name) VALUES (6, repeat('long', 20)), (7, '');
CREATE TABLE dropped (a int, b text, c int, d text, e int GENERATED ALWAYS AS (a + 1) STORED);
INSERT INTO dropped VALUES (1, 'b', 2, 'd'), (3, NULL, NULL, NULL);
ALTER TABLE dropped DROP COLUMN b, ADD COLUMN f text DEFAULT 'added', ALTER d SET STATISTICS 0, DROP COLUMN c;
INSERT INTO dropped (a, d) VALUES (4, 'after');
CREATE TABLE empty (a int, b "char"[]);
CREATE TABLE nothing ();
INSERT INTO nothing DEFAULT VALUES;
CREATE TABLE parent (a int, b text);
CREATE TABLE child (c int) INHERITS (parent);
INSERT INTO parent VALUES (1, 'parent');
INSERT INTO child VALUES (2, 'child', 3);
CREATE VIEW "a view" AS SELECT 1 AS one;
CREATE SEQUENCE "a sequence" START 42;
CREATE TYPE "a type" AS (a int, b text);
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE DOMAIN class AS regclass;
CREATE TABLE partitioned (a int, b mood, c "a type", d class, e int4range) PARTITION BY RANGE (a);
CREATE TABLE reached PARTITION OF partitioned FOR VALUES FROM (0) TO (10);
INSERT INTO partitioned VALUES (1, 'happy', (1, 'x'), 'pg_type', '[1,5)'), (2, 'sad', NULL, NULL, 'empty');
CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT $1 * 2';
CREATE FUNCTION once(int) RETURNS int LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION twice(text) RETURNS text LANGUAGE sql AS 'SELECT $1 || $1';
CREATE STATISTICS related (dependencies) ON a, b FROM parent;
CREATE PUBLICATION one FOR TABLE plain, TABLES IN SCHEMA "s p";
CREATE FOREIGN DATA WRAPPER wrapper; CREATE SERVER server FOREIGN DATA WRAPPER wrapper;
CREATE USER MAPPING FOR postgres SERVER server; CREATE FOREIGN TABLE foreign_table (a int) SERVER server;
CREATE ROLE member; CREATE ROLE outer_role ROLE member;
ALTER DEFAULT PRIVILEGES FOR ROLE member GRANT SELECT ON TABLES TO outer_role;
GRANT SET ON PARAMETER work_mem TO member;
CREATE RULE noted AS ON INSERT TO parent DO ALSO NOTHING;
"""


def seeded(seed):
    seed = int(os.environ.get("BGW_TEST_SEED", seed))
    print(f"BGW_TEST_SEED={seed}")
    return seed


def test_catalogs(space):
    """What every catalogue is made of and every row of it, forwards and backwards."""
    catalog(space, "catalogs", sql=TABLES)


def test_tables(space):
    """Tables of the user's by name: dropped columns, generated and added ones, inheritance, and what is no table or not there."""
    catalog(space, "tables", sql=TABLES)


def test_caches(space):
    """Every catalogue cache by keys that are there and by keys that are not, lists by parts of the keys, what is not given back
    and what is given back twice."""
    catalog(space, f"caches:{seeded(20261128)}", sql=TABLES)


def test_lookups(space):
    """What lsyscache tells of columns, functions, operators, indexes and the like, and functions by their names, on drawn OIDs."""
    catalog(space, f"lookups:{seeded(20261129)}", sql=TABLES)


def test_scans(space):
    """Scans by keys of every simple type, in the order of an index and back, with and without one, and with other keys again."""
    catalog(space, "scans", sql=TABLES)


def test_other_keys(space):
    """A condition that has no plain SQL is refused by name."""
    transcripts = run_both(space, "probe_catalog", "w like flag", EXITED, postmaster=False, sql=TABLES)
    assert transcripts[0]["w"][-1] == ("LOG", "probe: done")
    assert transcripts[1]["w"][-2] == ("ERROR", 'a scan key with function 850 on column name of relation "plain" is not '
                                       "available outside the server")


def test_changes(space):
    """What the worker's own statements change is seen at once, what is rolled back is as it was, what is held stays; locks."""
    catalog(space, "changes", sql=TABLES)
