"""SPI and transactions give a worker the same in the host, over its session, as inside a real server."""

from compare import agree, run_both

EXITED = r'background worker "w" \(PID \d+\) exited with exit code'


def sql(space, action, options="db", **more):
    transcripts = run_both(space, "probe_spi", f"w {action} {options}", EXITED, **more)
    agree(transcripts)
    return transcripts


def test_return_codes(space):
    sql(space, "codes")


def test_accessors(space):
    sql(space, "accessors")


def test_plans(space):
    sql(space, "plans")


def test_types(space):
    sql(space, "types")


def test_types_that_only_print(space):
    sql(space, "odd_types")


def test_transactions(space):
    sql(space, "transactions")


def test_identity(space):
    sql(space, "identity")


def test_uncaught_error(space):
    sql(space, "uncaught")


def test_uncaught_error_with_position(space):
    sql(space, "uncaught_position")


def test_return_with_open_transaction(space):
    sql(space, "return_open")


def test_messages_from_statements(space):
    sql(space, "messages")


def connect(space, argument, options="flag", action="connect", settings=None, prepare=None):
    def during(daemon):
        pass

    transcripts = run_both(space, "probe", f"w {action}:{argument} {options}".replace(": ", " "), EXITED)
    agree(transcripts)
    return transcripts[1]["w"]


def test_connect(space):
    connect(space, "postgres")


def test_connect_missing_database(space):
    said = connect(space, "nosuchdb")
    assert ("FATAL", 'database "nosuchdb" does not exist') in said


def test_connect_missing_role(space):
    said = connect(space, "postgres/nosuchrole")
    assert ("FATAL", 'role "nosuchrole" does not exist') in said


def test_connect_not_allowed(space):
    said = connect(space, "template0")
    assert ("FATAL", 'database "template0" is not currently accepting connections') in said


def test_connect_without_flag(space):
    said = connect(space, "postgres", options="")
    assert ("FATAL", "database connection requirement not indicated during registration") in said


def test_connect_by_missing_oid(space):
    said = connect(space, "99", action="connect_oid")
    assert ("FATAL", "database 99 does not exist") in said
