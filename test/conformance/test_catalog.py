"""The property: modules that read the catalogues, or tables, the way code of the server does see the same in the host as in a
real server."""

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
