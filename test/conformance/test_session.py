"""What SQL does to a worker's session, its C code sees as in a real server."""

from compare import agree, run_both

EXITED = r'background worker "w" \(PID \d+\) exited with exit code'


def session(space, action, options="db", **more):
    transcripts = run_both(space, "probe_session", f"w {action} {options}", EXITED, **more)
    agree(transcripts)
    return transcripts


def test_G_16_settings_by_sql(space):
    """SET, RESET, SHOW of the module's variables and of the server's act on the module's C code too."""
    session(space, "settings")


def test_S_17_parameters_of_every_kind(space):
    """OID aliases, enums and domains as parameters; nothing is lost or mistaken under odd date and float settings."""
    session(space, "parameters")


def test_batch(space):
    """A batch has the same effects, counts and errors whether its rows travel together or one by one."""
    session(space, "batch")
