"""What holds for every worker of modules/: its README says all that can be set and who it should be, and its defaults and
ranges are those."""

import os
import re

import pytest

import harness

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
WORKERS = [name for name in ("statement_history", "stats_exporter", "index_rebuilder", "idle_terminator")
           if os.path.isdir(os.path.join(ROOT, "modules", name))]

MILLISECONDS = {"ms": 1, "s": 1000, "min": 60000, "h": 3600000, "d": 86400000, "day": 86400000, "days": 86400000,
                "year": 366 * 86400000, "years": 366 * 86400000}
KILOBYTES = {"kB": 1, "MB": 1024, "GB": 1024**2, "TB": 1024**3}


def scale(told, unit):
    """How many of the parameter's unit are one of the unit that the README tells."""
    if not unit:
        return 1
    units = MILLISECONDS if unit in MILLISECONDS else KILOBYTES
    return units[told] / units[unit] if told in units else pytest.fail(f"{told} is no unit like {unit}")


@pytest.mark.parametrize("name", WORKERS)
def test_readme(space, name):
    """Each parameter that the module defines is in the README's table with its default, its range or values, and whether a change
    needs a restart, and none else is; the README shows how to make the role, which is no superuser."""
    readme = harness.read_file(os.path.join(ROOT, "modules", name, "README.md"))
    server = space.postgres("server", settings={"shared_preload_libraries": name}).start()
    # Ranges: "0 (for ever) to 1 day"; the unit stands once where both ends have it, and a year has 366 days.
    for line in server.sql(f"SELECT name, coalesce(unit, ''), min_val, max_val FROM pg_settings WHERE name LIKE '{name}.%'"
                           " AND vartype IN ('integer', 'real')").splitlines():
        parameter, unit, least, most = line.split("|")
        meaning = re.search(rf"^\| `{re.escape(parameter)}` \| .*? \| (.*) \|$", readme, re.M)
        range_told = meaning and re.search(r"\b(\d+)(?: ([a-zA-Z]+))?(?: \([^)]*\))? to (\d+)(?: ([a-zA-Z]+))?", meaning[1])
        assert range_told, f"the README tells no range of {parameter}, which is {least} to {most} {unit}"
        low, low_unit, high, high_unit = range_told.groups()
        ends = [int(end) * scale(end_unit or high_unit, unit) for end, end_unit in ((low, low_unit), (high, high_unit))]
        assert ends == pytest.approx([float(least), float(most)], rel=0.001), f"{parameter} is {least} to {most} {unit}"
    for line in server.sql(f"SELECT name, array_to_string(enumvals, ',') FROM pg_settings WHERE name LIKE '{name}.%'"
                           " AND vartype = 'enum'").splitlines():
        parameter, values = line.split("|")
        meaning = re.search(rf"^\| `{re.escape(parameter)}` \| .*? \| (.*) \|$", readme, re.M)
        assert all(f"`{value}`" in meaning[1] for value in values.split(",")), f"{parameter} is one of {values}"
    # What takes a restart says so, and nothing else does.
    assert sorted(re.findall(rf"^\| `({name}\.\w+)` .*; needs a restart \|$", readme, re.M)) == server.sql(
        f"SELECT name FROM pg_settings WHERE name LIKE '{name}.%' AND context = 'postmaster' ORDER BY name").splitlines()
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
