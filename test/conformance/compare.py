"""Runs one module in a real server and in a host, and compares what both log.

Process ids are masked; the lines of each worker are compared strictly in order, and so are the postmaster's lines that
speak of background workers. What the rest of a server logs has no counterpart in a host.
"""

import os
import re

import rows
from harness import Postgres

# The postmaster's lines that speak of workers or of the state of the whole.
ABOUT_WORKERS = re.compile(r"background worker|probe: |database system is ready|terminating any other|aborting any|all server processes|received .* shutdown|"
                           r"database system is shut down|parameter \"|configuration file|reloading|"
                           r"worker notification|could not|too many|invalid|recalcitrant|restart_after_crash|abnormal",
                           re.S)
# A library that is preloaded into every host: how the tests of the driver plant a deviation.
PLANT = "BGW_CONFORMANCE_PLANT"
QUIET = {"log_min_messages": "debug1", "max_worker_processes": 16}


def mask(text):
    text = re.sub(r"PID:? \d+", "PID N", text)
    text = re.sub(r"\b0x[0-9a-f]{6,}", "P", text)
    text = re.sub(r'in file "[^"]*" line \d+', 'in file "CONF" line N', text)
    text = re.sub(r'"[^"]*/(postgresql|bgworkerd|test)\.conf"', '"CONF"', text)
    return text


def own_lines(lines):
    """A worker's lines without what the server itself says at DEBUG while it runs SQL (in a host's case that is in the
    upstream's log), and without warnings about references it leaked, of which a host has fewer kinds."""
    kept, dropping = [], False
    for level, text in lines:
        if level not in FOLLOW_UP:
            dropping = (level == "DEBUG" and not text.startswith("probe: ")) or "reference leak" in text
        if not dropping:
            kept.append((level, mask(text)))
    return kept


FOLLOW_UP = ("DETAIL", "HINT", "CONTEXT", "QUERY", "STATEMENT", "LOCATION")


def about_workers(lines):
    """The postmaster's lines that speak of workers, with what follows each."""
    kept, keeping = [], False
    for level, text in lines:
        if level not in FOLLOW_UP:
            keeping = ABOUT_WORKERS.search(text) and not re.search("checkpointer|listening on|logger", text)
        if keeping:
            kept.append((level, mask(text)))
    return kept


def transcript(daemon, workers):
    """{who: [(severity, text)]} for some workers and the postmaster."""
    said = {worker: own_lines(daemon.log.of(worker)) for worker in workers}
    said["postmaster"] = in_shutdown_order(about_workers(daemon.log.of("postmaster")))
    return said


def in_shutdown_order(lines):
    """From a shutdown request on, workers end in any order: their lines are sorted, the others stay where they are."""
    start = next((i for i, (_, text) in enumerate(lines) if re.search("received .* shutdown request", text)), len(lines))
    ends = sorted(line for line in lines[start:] if 'background worker "' in line[1])
    return lines[:start] + [ends.pop(0) if 'background worker "' in line[1] else line for line in lines[start:]]


def planted():
    """Arguments of Host.start() that plant a deviation in the host, when a test of the driver asked for one."""
    plant = os.environ.get(PLANT)
    return {"env": {"LD_PRELOAD": plant}} if plant else {}


def prepare(daemon, sql):
    """Runs SQL where the daemon's workers will work, before it starts."""
    statements = [sql] if isinstance(sql, str) else sql
    if is_server(daemon):
        preload = daemon.settings.get("shared_preload_libraries")
        daemon.write_settings(shared_preload_libraries=None)
        daemon.start()
        for statement in statements:
            daemon.sql(statement)
        daemon.stop()
        daemon.write_settings(shared_preload_libraries=preload)
    else:
        for statement in statements:
            daemon.upstream.sql(statement)


def pair(space, settings, upstream_settings=None, standby=False, user="postgres"):
    """A server and a host with the same settings, the host's upstream running; only the server when
    BGW_TEST_REFERENCE_ONLY is set. standby: the server and the upstream are hot standbys of the same primary. user: whom the host connects as."""
    primary = space.postgres("primary").start() if standby else None
    daemons = [space.postgres("reference", settings=settings, primary=primary)]
    if not os.environ.get("BGW_TEST_REFERENCE_ONLY"):  # to try a test itself, where there is no host yet
        upstream = space.postgres("upstream", settings=upstream_settings, primary=primary)
        daemons.append(space.host(settings={**settings, "upstream": upstream.conninfo(user=user)}, upstream=upstream))
        upstream.start()
    return daemons


def by_worker(said):
    """The postmaster's lines that name a worker, each worker's for itself: for workers that end when they like."""
    rest = []
    for level, text in said.pop("postmaster"):
        match = re.search(r'background worker (?:process )?"([^"]*)"', text)
        if match:
            said.setdefault(f"postmaster of {match.group(1)}", []).append((level, text))
        else:
            rest.append((level, text))
    said["postmaster"] = rest
    return dict(sorted(said.items()))


def run_both(space, module, workers, until, settings=None, during=None, crash=False, stop=None, postmaster=True,
             ignore=(), also=(), sql=None, ready=None, apart=False, allowed=(), **more):
    """Runs `module` with its setting MODULE.workers in both; returns the two transcripts, the server's first.

    until: regular expression of the log line after which both are stopped; during(daemon): what happens before that,
    returning from where in the log `until` is looked for (default: the start). ignore: workers whose own lines do not
    matter. also: types of workers registered at run time whose lines are compared too. apart: in what order different
    workers start and end is chance. allowed: what looks like a crash in a log, and is meant. sql: a statement that is
    run in the server, or in the host's upstream, beforehand, or several. ready: whether to wait for the line that says so. For the rest see
    pair().
    """
    names = [(re.findall(r"type=(\S+)", entry) or [entry.split()[0]])[0] for entry in workers.split(";")]
    names = [name for name in names if name not in ignore] + list(also)
    both = {"shared_preload_libraries": module, f"{module}.workers": workers, **QUIET, **(settings or {})}
    transcripts = []
    for daemon in pair(space, both, **more):
        if sql:
            prepare(daemon, sql)
        daemon.expect_crash = crash
        daemon.allowed = list(allowed)
        daemon.observed = []
        daemon.start(ready=not crash if ready is None else ready, **({} if is_server(daemon) else planted()))
        start = during(daemon) if during else 0
        daemon.log.wait_for(until, start=start if isinstance(start, int) else 0)
        if stop is None:
            daemon.stop()
        else:
            stop(daemon)
        said = transcript(daemon, names)
        if not postmaster:
            del said["postmaster"]
        elif apart:
            said = by_worker(said)
        said["observed"] = daemon.observed + [("SEEN", f"exit status {daemon.process.returncode}")]
        transcripts.append(said)
        assert not names or any(said[name] for name in names), f"{daemon.name}: no worker logged anything"
    return transcripts if len(transcripts) == 2 else transcripts * 2


def agree(transcripts):
    """Fails, naming the first difference, unless both transcripts are the same; see rows.py for deliberate ones."""
    server, host = transcripts
    rows.compare(server, host)


def observe(daemon, what):
    """Records what a test saw of a daemon from outside, as an event to be compared."""
    daemon.observed.append(("SEEN", what))


def position(daemon, text):
    """Where in the log a text is first said."""
    return next(i for i, line in enumerate(daemon.log.lines) if text in line)


def recovered(daemon):
    """Waits until the daemon is ready again after a crash; returns where in the log that crash's new life begins. A
    server that is told to stop while it still recovers says other things, and says them when it likes."""
    daemon.log.wait_for(r"all server processes terminated; reinitializing")
    start = position(daemon, "reinitializing")
    daemon.log.wait_for(r"database system is ready to accept connections", start=start)
    return start


def is_server(daemon):
    return isinstance(daemon, Postgres)
