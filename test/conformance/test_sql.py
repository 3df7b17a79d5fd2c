"""SPI and transactions give a worker the same in the host, over its session, as inside a real server."""

from compare import agree, run_both
from rows import shows

EXITED = r'background worker "w" \(PID \d+\) exited with exit code'


def sql(space, action, options="db", **more):
    transcripts = run_both(space, "probe_spi", f"w {action} {options}", EXITED, **more)
    agree(transcripts)
    return transcripts


@shows({"S-02": r"not connected|NULL text",
        "S-04": r"probe: (SELECT|VALUES|WITH|TABLE|INSERT|UPDATE|DELETE|MERGE)",
        "S-05": r"probe: (CREATE|SELECT \* INTO|EXPLAIN|SHOW|SET|EXECUTE|FETCH|MOVE|LOCK|DO)",
        "S-06": r"probe: (BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|PREPARE TRANSACTION|COPY)",
        "S-07": r"probe: ( ; ;|-- only| ->)",
        "S-08": r"INSERT INTO probe_t VALUES \(1[01]",
        "S-09": r"probe: (SELECT generate_series|INSERT INTO probe_t SELECT g, 'n')|SELECT count",
        "S-10": r"non-volatile",
        "S-12": r"(22012|42P01|42601|42P02|23505)",
        "S-14": r"probe: (LISTEN|NOTIFY|UNLISTEN)"})
def test_return_codes(space):
    sql(space, "codes")


@shows({"S-01": r"nested|inner",
        "S-15": r"still|freed",
        "S-16": r"columns|column 0|null column|getbinval|fname|gettype",
        "S-22": r"finish"})
def test_accessors(space):
    sql(space, "accessors")


@shows({"S-17": r"with args|with null|missing|plan|no values|execute",
        "S-18": r"keep|kept",
        "S-19": r"two statements"})
def test_plans(space):
    sql(space, "plans")


def test_types(space):
    sql(space, "types")


def test_types_that_only_print(space):
    sql(space, "odd_types")


@shows({"X-05": r"nested",
        "X-06": r"commit:|in transaction",
        "X-03": r"after abort",
        "X-04": r"before|after|SELECT 1/0|rows",
        "X-10": r"non-empty SPI stack"})
def test_transactions(space):
    sql(space, "transactions")


@shows({"C-07": r"user id|identity|0\.[123]"})
def test_identity(space):
    sql(space, "identity")


@shows({"LG-09": r"w\|ERROR"})
def test_uncaught_error(space):
    sql(space, "uncaught")


@shows({"LG-09": r"w\|ERROR"})
def test_uncaught_error_with_position(space):
    sql(space, "uncaught_position")


def test_return_with_open_transaction(space):
    sql(space, "return_open")


@shows({"LG-10": r"a (warning|notice|log line)"})
def test_messages_from_statements(space):
    sql(space, "messages")


def test_refused_commit_of_a_reader(space):
    """The server raises an error. The host has not waited for the answer, and tells it when the session ends."""
    server, host = run_both(space, "probe_spi", "w late_refusal db", EXITED)
    refused = 'duplicate key value violates unique constraint "probe_unique_i_key"'
    assert ("ERROR", refused) in server["w"]
    assert ("WARNING", refused) in host["w"]
    assert ("DETAIL", "Key (i)=(1) already exists.") in server["w"] and ("DETAIL", "Key (i)=(1) already exists.") in host["w"]


def connect(space, argument, options="flag", action="connect", settings=None, prepare=None):
    def during(daemon):
        pass

    transcripts = run_both(space, "probe", f"w {action}:{argument} {options}".replace(": ", " "), EXITED)
    agree(transcripts)
    return transcripts[1]["w"]


def test_connect(space):
    connect(space, "postgres")


@shows({"C-02": r"FATAL|exited"})
def test_connect_missing_database(space):
    said = connect(space, "nosuchdb")
    assert ("FATAL", 'database "nosuchdb" does not exist') in said


@shows({"C-03": r"FATAL|exited"})
def test_connect_missing_role(space):
    said = connect(space, "postgres/nosuchrole")
    assert ("FATAL", 'role "nosuchrole" does not exist') in said


@shows({"C-05": r"FATAL|exited"})
def test_connect_not_allowed(space):
    said = connect(space, "template0")
    assert ("FATAL", 'database "template0" is not currently accepting connections') in said


@shows({"C-01": r"FATAL|exited"})
def test_connect_without_flag(space):
    said = connect(space, "postgres", options="")
    assert ("FATAL", "database connection requirement not indicated during registration") in said


@shows({"C-02": r"FATAL|exited"})
def test_connect_by_missing_oid(space):
    said = connect(space, "99", action="connect_oid")
    assert ("FATAL", "database 99 does not exist") in said
