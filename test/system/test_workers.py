"""What holds for every worker of modules/: its README says all that can be set and who it should be, and its defaults are those."""

import os
import re

import pytest

import harness

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
WORKERS = [name for name in ("statement_history", "stats_exporter", "index_rebuilder", "idle_terminator")
           if os.path.isdir(os.path.join(ROOT, "modules", name))]


@pytest.mark.parametrize("name", WORKERS)
def test_readme(space, name):
    """Each parameter that the module defines is in the README's table with the default that it has, and none else is; the README shows
    how to make the role, which is no superuser."""
    readme = harness.read_file(os.path.join(ROOT, "modules", name, "README.md"))
    server = space.postgres("server", settings={"shared_preload_libraries": name}).start()
    show = f"SELECT name, setting FROM pg_settings WHERE name LIKE '{name}.%' ORDER BY name"
    defined = server.sql(show)
    told = dict(re.findall(rf"^\| `({name}\.\w+)` \| (.*?) \|", readme, re.M))
    assert sorted(told) == [line.split("|")[0] for line in defined.splitlines()]
    # The server reads the defaults that are told as it reads any configuration file, and has then what it had without them.
    server.stop()
    server.write_settings(**{parameter: "" if default == "empty" else default.strip("`") for parameter, default in told.items()})
    server.start()
    assert server.sql(show) == defined
    assert server.sql(f"SELECT name FROM pg_settings WHERE name LIKE '{name}.%' AND source <> 'configuration file'") == ""
    assert not [line for line in server.log.lines if "invalid value" in line or "valid range" in line]
    assert re.search(r"CREATE ROLE \w+ LOGIN;", readme) and "SUPERUSER" not in readme


@pytest.mark.parametrize("name", WORKERS)
def test_refuses_values_out_of_range(space, name):
    """A parameter with a range refuses what is outside of it, with the range, and the worker runs with its default."""
    server = space.postgres("server", settings={"shared_preload_libraries": name}).start()
    rows = [line.split("|") for line in server.sql(
        f"SELECT name, max_val FROM pg_settings WHERE name LIKE '{name}.%' AND vartype = 'integer' AND max_val::int8 < 2147483647").splitlines()]
    assert rows
    host = space.host(upstream=server.conninfo(), settings={
        "shared_preload_libraries": name, **{parameter: str(int(most) + 1) for parameter, most in rows}}).start()
    for parameter, most in rows:
        host.log.wait_for(rf'{int(most) + 1}\S*( \w+)? is outside the valid range for parameter "{re.escape(parameter)}"')
    host.log.wait_for(r"bgworkerd is ready")
