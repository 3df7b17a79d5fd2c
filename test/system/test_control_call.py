"""bgworkerctl call: a module's SQL-callable functions, run in a backend of the host, give what SELECT gives in a
server; what is wrong is said as psql says it."""

import json
import os
import re
import signal
import subprocess
import time

import pytest
from harness import BINDIR, DEADLINE, alive, wait_until
from test_samples import worker_spi

# C function, SQL declaration, and calls: the arguments as SQL writes them and as the command line does.
CALLS = [
    ("same", "(int4) RETURNS int4", [("42", ["42"]), ("NULL", ["NULL"]), ("-7", ["-7"])]),
    ("same", "(text) RETURNS text", [("'abc'", ["abc"]), ("'10:30'", ["10:30"]), ("''", [""]), ("'a:b'", ["text:a:b"])]),
    ("same", "(int8) RETURNS int8", [("9223372036854775807", ["9223372036854775807"])]),
    ("same", "(bool) RETURNS bool", [("true", ["true"]), ("'off'", ["off"])]),
    ("same", "(float8) RETURNS float8", [("0.1", ["0.1"]), ("'-Infinity'", ["float8:-Infinity"])]),
    ("same", "(numeric) RETURNS numeric", [("1.50", ["1.50"])]),
    ("same", "(date) RETURNS date", [("'2024-02-29'", ["2024-02-29"])]),
    ("same", "(timestamptz) RETURNS timestamptz", [("'2024-02-29 12:00+02'", ["2024-02-29 12:00+02"])]),
    ("same", "(interval) RETURNS interval", [("'1 day 2 hours'", ["1 day 2 hours"])]),
    ("same", "(bytea) RETURNS bytea", [(r"'\x00ff'", [r"\x00ff"])]),
    ("same", "(jsonb) RETURNS jsonb", [("'{\"b\":1, \"a\":[null]}'", ['{"b":1, "a":[null]}']), ("'[1,2]'", ["[1,2]"])]),
    ("same", "(int4[]) RETURNS int4[]", [("'{1,NULL,3}'", ["{1,NULL,3}"])]),
    ("same", "(uuid) RETURNS uuid", [("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"])]),
    ("add", "(int4, int4 DEFAULT 20 + 2) RETURNS int4 STRICT", [("1, 2", ["1", "int4:2"]), ("20", ["20"]),
                                                               ("NULL, 1", ["NULL", "1"])]),
    ("types", '(VARIADIC "any") RETURNS text', [("1::int4, 'x'::text, 1.5, true", ["1", "x", "1.5", "true"]),
                                               ("5000000000, NULL::int2", ["5000000000", "NULL::int2"]),
                                               ("'x'::varchar, '{1}'::int8[]", ["varchar:x", "int8[]:{1}"])]),
    ("row", "(int4) RETURNS TABLE(n int4, what text, nothing date)", [("5", ["5"])]),
    ("row", "(INOUT n int4, OUT what text, OUT nothing date)", [("6", ["6"])]),
    ("series", "(int4) RETURNS SETOF int4", [("7", ["7"]), ("0", ["0"])]),
    ("squares", "(int4) RETURNS TABLE(n int4, square int8)", [("3", ["3"]), ("0", ["0"])]),
    ("table", "(int4) RETURNS TABLE(n int4, what text)", [("3", ["3"]), ("0", ["0"])]),
    ("store", "() RETURNS TABLE(k int4, v text)", [("", [])]),
    ("query", "(text) RETURNS text", [("'SELECT current_database()'", ["SELECT current_database()"]),
                                      ("'SELECT count(*) FROM pg_class WHERE false'",
                                       ["SELECT count(*) FROM pg_class WHERE false"])]),
    ("process", "() RETURNS text", []),
    ("void", "(int4, int4) RETURNS void", [("1, 2", ["1", "2"])]),
]


def start_host(space, upstream="host=/nowhere", **settings):
    return space.host(upstream=upstream, settings={"max_worker_processes": 16, **settings}).start()


def call(host, *arguments, check=True):
    return host.control("call", *arguments, check=check)


def test_same_as_in_a_server(space):
    """Each function is declared in the database, called there, and called here with the declaration looked up."""
    upstream = space.postgres("upstream").start()
    host = start_host(space, upstream)
    for name, declaration, calls in CALLS:
        upstream.look(f"CREATE FUNCTION f {declaration} LANGUAGE C AS 'probe_call', 'probe_call_{name}'")
        for sql, arguments in calls:
            expected = upstream.look(f"SELECT * FROM f({sql})")
            done = call(host, "-A", "--session", "probe_call", f"probe_call_{name}", *arguments)
            assert done.stdout.strip() == expected, (name, declaration, sql)
        upstream.look("DROP FUNCTION f")


# What the functions below are declared with.
TYPES = """
    CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
    CREATE DOMAIN small AS int4 CHECK (VALUE < 10);
    CREATE TYPE pair AS (n int4, what text);
    CREATE TABLE item (id int8, gone int4, name varchar(5), at timestamptz, feel mood);
    ALTER TABLE item DROP COLUMN gone;
    CREATE TYPE float8range_ AS RANGE (subtype = float8, multirange_type_name = float8multi_);
"""

# As CALLS, of functions whose result or arguments the call itself decides, and of types of the database.
CALLS_OF_ANY_TYPE = [
    ("describe", "(anyelement) RETURNS text", [("1", ["1"]), ("'x'::text", ["text:x"]), ("NULL::date", ["NULL::date"]),
                                              ("'ok'::mood", ["mood:ok"]), ("5::small", ["small:5"]),
                                              ("'{1}'::int4[]", ["int4[]:{1}"]), ("ROW(1, 'x')::pair", ["pair:(1,x)"])]),
    ("describe", "(anyelement, anyarray) RETURNS text", [("1, '{1,2}'", ["1", "{1,2}"]), ("NULL, '{a}'::text[]", ["NULL", "text[]:{a}"]),
                                                        ("1.5, NULL", ["1.5", "NULL"])]),
    ("describe", "(anycompatible, anycompatible, int8) RETURNS text", [("1, 2.5, 3", ["1", "2.5", "3"]),
                                                                      ("1::int2, 5000000000, 3", ["int2:1", "5000000000", "3"])]),
    ("describe", "(anycompatible, VARIADIC anycompatiblearray) RETURNS text", [("1, 2.5, 3", ["1", "2.5", "3"])]),
    ("describe", "(int4, VARIADIC text[]) RETURNS text", [("1, 'a', 'b'", ["1", "a", "b"]), ("1, VARIADIC '{a}'", ["1", "VARIADIC {a}"]),
                                                         ("1, NULL", ["1", "NULL"])]),
    ("describe", "(VARIADIC \"any\") RETURNS text", [("1, 'a'::text", ["1", "a"]), ("VARIADIC '{1,2}'::int4[]", ["VARIADIC int4[]:{1,2}"])]),
    ("describe", "(anyrange) RETURNS text", [("'[1,3)'::int4range", ["int4range:[1,3)"])]),
    ("describe", "(anyenum, anynonarray) RETURNS text", [("'ok'::mood, 'sad'", ["mood:ok", "sad"])]),
    ("first", "(anyelement) RETURNS anyelement", [("42", ["42"]), ("1.50", ["1.50"]), ("'x'::text", ["x"]), ("true", ["true"]),
                                                 ("NULL::int8", ["NULL::int8"]), ("'2024-02-29'::date", ["date:2024-02-29"]),
                                                 ("'happy'::mood", ["mood:happy"]), ("7::small", ["small:7"]),
                                                 ("ROW(1, 'x y')::pair", ['pair:(1,"x y")'])]),
    ("first", "(anyarray) RETURNS anyarray", [("'{1,NULL}'::int8[]", ["int8[]:{1,NULL}"]), ("'{ok,sad}'::mood[]", ["mood[]:{ok,sad}"])]),
    ("first", "(anycompatible, anycompatible) RETURNS anycompatible", [("1, 2.5", ["1", "2.5"]), ("1, 5000000000", ["1", "5000000000"]),
                                                                      ("NULL::int4, 2", ["NULL::int4", "2"]),
                                                                      ("1, 1e3::float8", ["1", "float8:1e3"])]),
    ("first", "(anyrange, anyelement) RETURNS anyrange", [("'[1,3)'::int4range, 5", ["int4range:[1,3)", "5"]),
                                                         ("'[1,3)'::float8range_, 5::float8", ["float8range_:[1,3)", "float8:5"])]),
    ("first", "(anymultirange) RETURNS anymultirange", [("'{[1,3),[5,6)}'::int4multirange", ["int4multirange:{[1,3),[5,6)}"])]),
    ("array", "(anyelement, anyelement) RETURNS anyarray", [("1, 2", ["1", "2"]), ("'a'::text, NULL", ["a", "NULL"]),
                                                           ("'ok'::mood, 'sad'", ["mood:ok", "sad"]),
                                                           ("ROW(1, 'a')::pair, NULL", ["pair:(1,a)", "NULL"]),
                                                           ("'2024-01-01'::date, '2024-01-02'", ["date:2024-01-01", "2024-01-02"])]),
    ("array", "(anycompatible, anycompatible) RETURNS anycompatiblearray", [("1, 2.5", ["1", "2.5"])]),
    ("element", "(anyarray) RETURNS anyelement", [("'{7,8}'::int4[]", ["int4[]:{7,8}"]), ("'{a,b}'::text[]", ["text[]:{a,b}"]),
                                                 ("'{NULL}'::numeric[]", ["numeric[]:{NULL}"]), ("NULL::date[]", ["NULL::date[]"])]),
    ("element", "(VARIADIC int4[]) RETURNS int4", [("5", ["5"]), ("5, 6, 7", ["5", "6", "7"]), ("NULL, 6", ["NULL", "6"]),
                                                  ("VARIADIC '{9,8}'", ["VARIADIC {9,8}"])]),
    ("element", "(int4, int4, VARIADIC anyarray) RETURNS anyelement", [("1, 2, 3, 4", ["1", "2", "3", "4"])]),
    ("element", "(text, VARIADIC anyarray) RETURNS anyelement", [("'x', 1.5, 2.5", ["x", "1.5", "2.5"]),
                                                               ("'x', VARIADIC '{a,b}'::text[]", ["x", "VARIADIC text[]:{a,b}"])]),
    ("unnest", "(anyarray) RETURNS SETOF anyelement", [("'{1,2,NULL}'::int4[]", ["int4[]:{1,2,NULL}"]), ("'{}'::text[]", ["text[]:{}"]),
                                                      ("'{sad,happy}'::mood[]", ["mood[]:{sad,happy}"]),
                                                      ("ARRAY[ROW(1,'x')::pair]", ['pair[]:{"(1,x)"}'])]),
    ("unnest", "(anyarray) RETURNS SETOF anyelement STRICT", [("NULL::int4[]", ["NULL::int4[]"])]),
    ("rows", "(anyelement, anyarray) RETURNS TABLE(a anyelement, b anyarray)", [("1, '{1,2}'", ["1", "{1,2}"]),
                                                                               ("'x'::text, '{y,NULL}'", ["x", "{y,NULL}"])]),
    ("rows", "(INOUT a anyelement, INOUT b text, OUT c anyarray) RETURNS SETOF record", [("1, 'x'", ["1", "x"])]),
    ("rows", "(int4, text) RETURNS SETOF pair", [("1, 'x'", ["1", "x"]), ("NULL, 'y'", ["NULL", "y"])]),
    ("rows_expected", "(int4, text) RETURNS SETOF pair", [("1, 'x'", ["1", "x"])]),
    ("rows_expected", "(a mood, b small) RETURNS TABLE(feel mood, s small)", [("'ok', 3", ["ok", "3"])]),
    ("values", "(INOUT n int4, INOUT e anyelement) RETURNS SETOF record", [("3, 'x'::text", ["3", "x"]), ("0, 1", ["0", "1"])]),
    ("values", "(int4, text) RETURNS SETOF pair", [("5, 'x'", ["5", "x"]), ("NULL, 'x'", ["NULL", "x"])]),
    ("values", "(int4, text) RETURNS SETOF pair STRICT", [("NULL, 'x'", ["NULL", "x"]), ("1, 'x'", ["1", "x"])]),
    ("make_row", "(int4, text) RETURNS pair", [("1, 'x'", ["1", "x"]), ("1, NULL", ["1", "NULL"]), ("NULL, 'x'", ["NULL", "x"])]),
    ("make_row", "(int4, text) RETURNS pair STRICT", [("1, NULL", ["1", "NULL"])]),
    ("make_row", "(INOUT a anyelement, OUT b anyarray)", [("'x'::text", ["x"])]),
    ("make_row", "(INOUT a mood, INOUT b int4range)", [("'sad', '[1,5]'", ["sad", "[1,5]"])]),
    ("look_at_row", "(pair) RETURNS text STRICT", [("'(1,x)'", ["(1,x)"]), ("'(,\"a b\")'", ['(,"a b")']), ("NULL", ["NULL"])]),
    ("look_at_row", "(item) RETURNS text STRICT", [("'(5,abc,\"2024-01-01 00:00:00+00\",happy)'",
                                                   ['(5,abc,"2024-01-01 00:00:00+00",happy)'])]),
    ("look_at_row", "(anyelement) RETURNS text STRICT", [("ROW(3,'y')::pair", ["pair:(3,y)"])]),
    ("same", "(small) RETURNS small", [("3", ["3"]), ("NULL", ["NULL"])]),
    ("same", "(mood) RETURNS mood", [("'ok'", ["ok"])]),
    ("same", "(item) RETURNS item", [("'(5,abc,,)'", ["(5,abc,,)"]), ("NULL", ["NULL"])]),
    ("same", "(pair[]) RETURNS pair[]", [("ARRAY[ROW(1,'x')::pair, NULL]", ['{"(1,x)",NULL}'])]),
    ("describe", "(anyelement, anyelement DEFAULT 7::int8, VARIADIC int4[] DEFAULT '{1}') RETURNS text",
     [("5000000000", ["5000000000"])]),
]


def test_calls_decide_the_types(space):
    """Polymorphic, variadic and row functions, and those on the database's own types: values, notices of what the call
    is, and rows are the server's."""
    upstream = space.postgres("upstream").start()
    upstream.sql(TYPES)
    host = start_host(space, upstream)
    statements = []
    for name, declaration, calls in CALLS_OF_ANY_TYPE:
        function = f"probe_call_{name}"
        statements += [f"CREATE FUNCTION {function} {declaration} LANGUAGE C AS 'probe_call', '{function}'",
                       *(f"SELECT * FROM {function}({sql})" for sql, _ in calls),
                       f"DROP FUNCTION {function}", r"\echo ====", r"\warn ===="]
    psql = space.run([f"{BINDIR}/psql", "-X", "-q", "-A", "-t", "-d", upstream.conninfo(),
                      *(word for statement in statements for word in ("-c", statement))], check=False)
    expected = list(zip(psql.stdout.split("====\n"), psql.stderr.split("====\n"), strict=True))
    assert len(expected) == len(CALLS_OF_ANY_TYPE) + 1
    wrong = []
    for (name, declaration, calls), (stdout, stderr) in zip(CALLS_OF_ANY_TYPE, expected):
        function = f"probe_call_{name}"
        upstream.look(f"CREATE FUNCTION {function} {declaration} LANGUAGE C AS 'probe_call', '{function}'")
        done = [call(host, "-A", "--session", "probe_call", function, *arguments, check=False) for _, arguments in calls]
        said = "".join(one.stdout for one in done), "".join(one.stderr for one in done)
        if said != (stdout, stderr):
            wrong.append((name, declaration, stdout + stderr, *said))
        upstream.look(f"DROP FUNCTION {function}")
    for one in wrong:
        print("\n  ".join(one))
    assert not wrong


TYPES_THAT_DO_NOT_FIT = [
    ("(anyelement, anyelement)", ["1", "true"], 'arguments declared "anyelement" are not all alike\nDETAIL:  integer versus boolean'),
    ("(anyarray)", ["1"], "argument declared anyarray is not an array type but type integer"),
    ("(anyarray, anyelement)", ["int4[]:{1}", "text:x"],
     "argument declared anyarray is not consistent with argument declared anyelement\nDETAIL:  integer\\[\\] versus text"),
    ("(anyrange)", ["1"], "argument declared anyrange is not a range type but type integer"),
    ("(anyenum)", ["1"], "type matched to anyenum is not an enum type: integer"),
    ("(anynonarray)", ["int4[]:{}"], "type matched to anynonarray is an array type: integer\\[\\]"),
    ("(anyelement)", ["NULL"], "could not determine polymorphic type because input has type unknown\nHINT:  .*NULL::TYPE"),
    ("(anycompatible, anycompatible)", ["1", "true"], "ARRAY types integer and boolean cannot be matched"),
    ("(VARIADIC int4[])", [], "does not take these arguments"),
    ("(VARIADIC int4[])", ["1", "x"], 'invalid input syntax for type integer: "x"'),
    ("(int4)", ["VARIADIC 1"], "does not take these arguments"),
]


def test_types_that_do_not_fit(space):
    """What the server's parser would refuse is refused here, in its words."""
    upstream = space.postgres("upstream").start()
    host = start_host(space, upstream)
    for declaration, arguments, expected in TYPES_THAT_DO_NOT_FIT:
        upstream.look(f"CREATE FUNCTION f{declaration} RETURNS text LANGUAGE C AS 'probe_call', 'probe_call_describe'")
        done = call(host, "--session", "probe_call", "probe_call_describe", *arguments, check=False)
        upstream.look("DROP FUNCTION f")
        assert (done.returncode, done.stdout) == (1, ""), (declaration, arguments)
        assert re.search(expected, done.stderr), (declaration, arguments, done.stderr)


def test_same_without_a_database(space):
    """The same calls with the types on the command line and no session."""
    host = start_host(space)
    for arguments, expected in [
        (["--returns", "int4", "probe_call_same", "42"], "42\n"),
        (["--returns", "int8", "probe_call_same", "5000000000"], "5000000000\n"),
        (["--returns", "int4", "probe_call_add", "-5", "int4:7"], "2\n"),
        (["--returns", "int4", "--strict", "probe_call_add", "NULL", "7"], "\n"),
        (["--returns", "double precision", "probe_call_same", "double precision:1e3"], "1000\n"),
        (["--returns", "numeric", "probe_call_same", "numeric(5,1):3.14159"], "3.1\n"),
        (["--returns", "timestamp with time zone", "probe_call_same",
          "timestamp(0) with time zone:2024-01-01 10:00:00.6+00"], "2024-01-01 10:00:01+00\n"),
        (["--returns", "text", "probe_call_same", "varchar(3):abcdef  "], None),
        (["--returns", "text", "probe_call_same", "--", "-x"], "-x\n"),
        (["--returns", "int4[]", "probe_call_same", "integer[]:{1,2}"], "{1,2}\n"),
        (["--returns", "text", "probe_call_same", "text:NULL"], "NULL\n"),
        (["--returns", "text", "probe_call_same", "null"], "\n"),
        (["--returns", "SETOF int4", "probe_call_series", "4"], "1\n2\n\n4\n"),
        (["--returns", "setof int4", "probe_call_series", "0"], ""),
        (["--returns", "void", "probe_call_void"], ""),
        (["-A", "--returns", "TABLE(n int4, square int8)", "probe_call_squares", "2"], "1|1\n2|4\n"),
        (["-A", "--returns", "RECORD(a int4, b text, c date)", "probe_call_row", "3"], "3|one row|\n"),
        (["-A", "--returns", "TABLE(n int4, \"what ever\" text)", "probe_call_table", "2"], "1|row 1\n2|\n"),
        (["-A", "--returns", "SETOF record", "probe_call_store"], "0|stored\n1|stored\n2|stored\n"),
        (["--returns", "text", "probe_call_types", "1", "-2.5e3", "5000000000", "false", "x y", "NULL",
          "99999999999999999999"], "integer, numeric, bigint, boolean, text, text null, numeric\n"),
        (["--returns", "text", "probe_call_process"], "client backend proc=1 latch=1 worker=0 postmaster=1\n"),
    ]:
        options = arguments[:next(i for i, a in enumerate(arguments) if a.startswith("probe_call"))]
        rest = arguments[len(options):]
        done = call(host, *options, "probe_call", *rest, check=expected is not None)
        if expected is None:
            assert done.stderr == "ERROR:  value too long for type character varying(3)\n"
        else:
            assert done.stdout == expected, arguments


def test_forms_of_output(space):
    host = start_host(space)
    done = call(host, "--returns", "TABLE(n int4, what text)", "probe_call", "probe_call_table", "2")
    assert done.stdout == "n  what\n1  row 1\n2\n"
    done = call(host, "--json", "--returns", "TABLE(n int4, what text)", "probe_call", "probe_call_table", "2")
    assert json.loads(done.stdout) == {
        "columns": [{"name": "n", "type": "integer"}, {"name": "what", "type": "text"}],
        "rows": [["1", "row 1"], ["2", None]], "set": True}
    done = call(host, "--json", "--returns", "int4", "probe_call", "probe_call_same", "NULL")
    assert json.loads(done.stdout) == {"columns": [{"name": "probe_call_same", "type": "integer"}], "rows": [[None]],
                                       "set": False}
    # A result of a type that is not known is not guessed at.
    done = call(host, "probe_call", "probe_call_same", "42")
    assert done.stdout == ""
    assert done.stderr.startswith('NOTICE:  the result of "probe_call_same" is not shown')
    # Many rows, more than one buffer's worth.
    done = call(host, "--returns", "SETOF int4", "probe_call", "probe_call_series", "30000")
    assert len(done.stdout.split("\n")) == 30001


def test_errors_are_psqls(space):
    """Severity, detail, hint and context as psql prints them; notices come on the way; the exit status is 1."""
    upstream = space.postgres("upstream").start()
    host = start_host(space, upstream)
    upstream.sql("CREATE FUNCTION f(int4) RETURNS void LANGUAGE C AS 'probe_call', 'probe_call_error'")
    psql = space.run(["/usr/bin/env", "psql", "-X", "-q", "-d", upstream.conninfo(), "-c", "SELECT f(21)"], check=False)
    done = call(host, "--session", "probe_call", "probe_call_error", "21", check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == psql.stderr
    assert "HINT:  Do not call it." in done.stderr and "CONTEXT:  the probe's own context" in done.stderr
    # The log has it too, with what was being done.
    host.log.wait_for(r"client backend\] ERROR:  the probe failed")
    host.log.wait_for(r"STATEMENT:  call probe_call probe_call_error 21")
    # An upstream's error surfaces with its own fields.
    done = call(host, "--session", "--returns", "text", "probe_call", "probe_call_query", "SELECT 1/0", check=False)
    assert (done.returncode, done.stderr.split("\n")[0]) == (1, "ERROR:  division by zero")
    # FATAL ends the backend and is said as well.
    done = call(host, "probe_call", "probe_call_error", "22", check=False)
    assert done.returncode == 1
    assert "FATAL:  the probe failed\nDETAIL:  It was told to." in done.stderr


@pytest.mark.parametrize("arguments, expected", [
    (["nosuch", "f"], r'ERROR:  could not access file "nosuch": No such file or directory'),
    (["probe_call", "nosuch"], r'ERROR:  could not find function "nosuch" in file'),
    (["probe_call", "probe_call_old"], r'ERROR:  could not find function information for function "probe_call_old"\n'
                                       r"HINT:  SQL-callable functions need an accompanying PG_FUNCTION_INFO_V1"),
    (["probe_call", "probe_call_same", "int4:abc"], r'ERROR:  invalid input syntax for type integer: "abc"'),
    (["probe_call", "probe_call_same", "int2:70000"], r'ERROR:  value "70000" is out of range for type smallint'),
    (["probe_call", "probe_call_same", "itn4:5"], r'ERROR:  type "itn4" does not exist\nDETAIL:  .*\n'
                                                  r"HINT:  To pass it as it is, write text:itn4:5"),
    (["probe_call", "probe_call_same", "int4[:5"], r'ERROR:  invalid type name "int4\["'),
    (["probe_call", "probe_call_same", "int4(3):5"], r'ERROR:  type modifier is not allowed for type "integer"'),
    (["probe_call", "probe_call_same", "gtsvector:x"], r"ERROR:  values of type gtsvector are not available outside"),
    (["--returns", "nosuch", "probe_call", "probe_call_same", "1"], r'ERROR:  type "nosuch" does not exist'),
    (["--returns", "TABLE", "probe_call", "probe_call_same", "1"], r'ERROR:  invalid result type "TABLE"'),
    (["--returns", "TABLE(a)", "probe_call", "probe_call_same", "1"], r'ERROR:  invalid column "a" in result type'),
    (["--returns", "TABLE(a int4", "probe_call", "probe_call_same", "1"], r'ERROR:  invalid result type "TABLE\(a int4"'),
    (["--returns", "int4", "probe_call", "probe_call_series", "3"],
     r'ERROR:  function "probe_call_series" returned a set, but is declared to return one value'),
    (["--returns", "TABLE(k int4)", "probe_call", "probe_call_store"],
     r"ERROR:  function return row and query-specified return row do not match\n"
     r"DETAIL:  Returned row contains 2 attributes, but query expects 1."),
    (["--returns", "TABLE(k int4, v int8)", "probe_call", "probe_call_store"],
     r"DETAIL:  Returned type text at ordinal position 2, but query expects bigint."),
    (["--returns", "text", "probe_call", "probe_call_query", "SELECT 1"], r"FATAL:  "),
])
def test_what_is_wrong_is_named(space, arguments, expected):
    host = start_host(space)
    done = call(host, *arguments, check=False)
    assert done.returncode == 1
    assert re.match(expected, done.stderr) or re.search(expected, done.stderr), done.stderr
    # The host is none the worse for it.
    assert call(host, "--returns", "int4", "probe_call", "probe_call_same", "1").stdout == "1\n"


def test_declarations_of_the_database(space):
    """Overloads are told apart by number and types of the arguments; what cannot be is said, with the candidates."""
    upstream = space.postgres("upstream").start()
    host = start_host(space, upstream)
    upstream.sql("CREATE FUNCTION same(int4) RETURNS int4 LANGUAGE C AS 'probe_call', 'probe_call_same'")
    upstream.sql("CREATE FUNCTION same(text) RETURNS text LANGUAGE C AS 'probe_call', 'probe_call_same'")
    assert call(host, "--session", "probe_call", "probe_call_same", "text:5").stdout == "5\n"
    done = call(host, "--session", "probe_call", "probe_call_same", "5", check=False)
    assert done.returncode == 1
    assert 'function "probe_call_same" of module "probe_call" is not unique' in done.stderr
    assert "same(integer), same(text)" in done.stderr
    done = call(host, "--session", "probe_call", "probe_call_same", "1", "2", check=False)
    assert 'does not take these arguments' in done.stderr
    done = call(host, "-d", "nosuch", "probe_call", "probe_call_same", "1", check=False)
    assert (done.returncode, done.stderr.split("\n")[0]) == (1, 'FATAL:  database "nosuch" does not exist')
    done = call(host, "-U", "nosuch", "probe_call", "probe_call_same", "1", check=False)
    assert (done.returncode, done.stderr.split("\n")[0]) == (1, 'FATAL:  role "nosuch" does not exist')
    # What a failed call did in the database is rolled back; what a good one did is there.
    upstream.sql("CREATE TABLE t(n int)")
    call(host, "--session", "--returns", "text", "probe_call", "probe_call_query", "INSERT INTO t VALUES (1)")
    done = call(host, "--session", "--returns", "text", "probe_call", "probe_call_query",
                "WITH x AS (INSERT INTO t VALUES (2) RETURNING n) SELECT n/0 FROM x", check=False)
    assert done.returncode == 1
    assert upstream.sql("SELECT * FROM t") == "1"


def backend_of(host):
    """The pid of the one backend that runs."""
    from harness import descendants, title
    return [pid for pid in descendants(host.pid) if title(pid).startswith("bgworkerd: backend")]


def test_signals_of_a_session(space):
    """A backend answers signals as a client's session does: SIGINT cancels, SIGTERM ends it, its latch wakes it; a
    client that leaves takes its call with it."""
    host = start_host(space)

    def start_wait(*options):
        mark = host.log.mark()
        process = subprocess.Popen(
            [space.program("bgworkerctl"), "-D", host.data, "call", *options, "--returns", "bool", "probe_call",
             "probe_call_wait", "600"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        host.log.wait_for("probe_call: waiting", start=mark)
        return process, backend_of(host)[0]

    process, backend = start_wait()
    os.kill(backend, signal.SIGINT)
    _, error = process.communicate(timeout=DEADLINE)
    assert (process.returncode, error) == (1, "ERROR:  canceling statement due to user request\n")

    process, backend = start_wait()
    os.kill(backend, signal.SIGTERM)
    _, error = process.communicate(timeout=DEADLINE)
    assert (process.returncode, error) == (1, "FATAL:  terminating connection due to administrator command\n")

    process, backend = start_wait()
    process.kill()
    process.wait()
    host.log.wait_for(r"client backend\] FATAL:  connection to client lost")
    wait_until(lambda: not alive(backend), what="the backend has ended")

    process, backend = start_wait("-t", "1")
    _, error = process.communicate(timeout=DEADLINE)
    assert process.returncode == 6
    assert '"probe_call_wait" has not returned within 1 s' in error
    wait_until(lambda: not alive(backend), what="the backend has ended")
    # None of that was a crash.
    assert host.log.count("terminating any other active server processes") == 0


def test_a_crash_of_a_backend(space):
    """A backend that is killed resets the host, as it would a server; another backend's client is told so."""
    host = start_host(space)
    host.expect_crash = True
    waiting = subprocess.Popen(
        [space.program("bgworkerctl"), "-D", host.data, "call", "probe_call", "probe_call_wait", "600"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    host.log.wait_for("probe_call: waiting")
    done = call(host, "probe_call", "probe_call_crash", check=False)
    assert done.returncode == 1
    assert "the host closed the connection without an answer" in done.stderr
    _, error = waiting.communicate(timeout=DEADLINE)
    assert waiting.returncode == 1
    assert error.startswith("WARNING:  terminating connection because of crash of another server process\n")
    host.log.wait_for("all server processes terminated; reinitializing")
    wait_until(lambda: call(host, "--returns", "int4", "probe_call", "probe_call_same", "1", check=False).stdout == "1\n",
               what="the host serves again")


def test_worker_spi_launch(space):
    """PostgreSQL's own example, unmodified: its SQL function launches its dynamic worker, and gives the pid."""
    folder = worker_spi(space)
    upstream = space.postgres("upstream", settings={"dynamic_library_path": f"{folder}:$libdir"}).start()
    host = start_host(space, upstream, dynamic_library_path=f"{folder}:$libdir",
                      shared_preload_libraries="worker_spi", **{"worker_spi.naptime": "1"})
    host.log.wait_for(r"initialized with schema1.counted")
    host.log.wait_for(r"initialized with schema2.counted")
    pid = int(call(host, "--returns", "int4", "worker_spi", "worker_spi_launch", "4").stdout)
    assert host.worker("worker_spi worker 4") == pid
    host.log.wait_for(r"initialized with schema4.counted")
    # The log line comes before the commit.
    wait_until(lambda: upstream.sql("SELECT to_regclass('schema4.counted')"), what="the table is there")
    upstream.sql("INSERT INTO schema4.counted VALUES ('total', 1), ('delta', 3)")
    wait_until(lambda: upstream.sql("SELECT * FROM schema4.counted") == "total|4", what="the delta is counted")
    # As the module's own SQL script declares it, the types are known.
    upstream.sql("CREATE FUNCTION worker_spi_launch(pg_catalog.int4) RETURNS pg_catalog.int4 STRICT "
                 "AS 'worker_spi' LANGUAGE C")
    second = int(call(host, "--session", "worker_spi", "worker_spi_launch", "5").stdout)
    assert host.worker("worker_spi worker 5") == second != pid
    host.log.wait_for(r"initialized with schema5.counted")
