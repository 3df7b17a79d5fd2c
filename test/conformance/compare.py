"""Runs one module in a real server and in a host, and compares what both log.

Process ids are masked; the lines of each worker are compared strictly in order, and so are the postmaster's lines that
speak of background workers. What the rest of a server logs has no counterpart in a host.
"""

import os
import re

from harness import Postgres

# The postmaster's lines that speak of workers or of the state of the whole.
ABOUT_WORKERS = re.compile(r"background worker|terminating any other|aborting any|all server processes|received .* shutdown|"
                           r"database system is shut down|parameter \"|configuration file|reloading|"
                           r"worker notification|could not|too many|invalid|recalcitrant|restart_after_crash|abnormal",
                           re.S)
QUIET = {"log_min_messages": "debug1", "max_worker_processes": 16}


def mask(text):
    text = re.sub(r"PID:? \d+", "PID N", text)
    text = re.sub(r"\(0x[0-9a-f]+,", "(P,", text)
    text = re.sub(r'in file "[^"]*" line \d+', 'in file "CONF" line N', text)
    text = re.sub(r'"[^"]*/(postgresql|bgworkerd|test)\.conf"', '"CONF"', text)
    return text


def own_lines(lines):
    """A worker's lines without what the server itself says at DEBUG while it runs SQL (in a host's case that is in the
    upstream's log), and without its warnings about things it leaked, which a host does not have."""
    kept, dropping = [], False
    for level, text in lines:
        if level not in ("DETAIL", "HINT", "CONTEXT", "QUERY", "STATEMENT", "LOCATION"):
            dropping = (level == "DEBUG" and not text.startswith("probe: ")) or "reference leak" in text
        if not dropping:
            kept.append((level, mask(text)))
    return kept


def transcript(daemon, workers):
    """{who: [(severity, text)]} for some workers and the postmaster."""
    said = {worker: own_lines(daemon.log.of(worker)) for worker in workers}
    said["postmaster"] = in_shutdown_order([(level, mask(text)) for level, text in daemon.log.of("postmaster")
                          if ABOUT_WORKERS.search(text) and "checkpointer" not in text and "listening on" not in text
                          and "logger" not in text])
    return said


def in_shutdown_order(lines):
    """From a shutdown request on, workers end in any order: their lines are sorted, the others stay where they are."""
    start = next((i for i, (_, text) in enumerate(lines) if re.search("received .* shutdown request", text)), len(lines))
    ends = sorted(line for line in lines[start:] if 'background worker "' in line[1])
    return lines[:start] + [ends.pop(0) if 'background worker "' in line[1] else line for line in lines[start:]]


def run_both(space, module, workers, until, settings=None, during=None, crash=False, stop=None, postmaster=True,
             ignore=(), also=()):
    """Runs `module` with its setting MODULE.workers in both; returns the two transcripts, the server's first.

    until: regular expression of the log line after which both are stopped; during(daemon): what happens before that,
    returning from where in the log `until` is looked for (default: the start). ignore: workers whose own lines do not
    matter. also: types of workers registered at run time whose lines are compared too.
    """
    names = [(re.findall(r"type=(\S+)", entry) or [entry.split()[0]])[0] for entry in workers.split(";")]
    names = [name for name in names if name not in ignore] + list(also)
    both = {"shared_preload_libraries": module, f"{module}.workers": workers, **QUIET, **(settings or {})}
    daemons = [space.postgres("reference", settings=both)]
    if not os.environ.get("BGW_TEST_REFERENCE_ONLY"):  # to try a test itself, where there is no host yet
        upstream = space.postgres("upstream")
        daemons.append(space.host(settings=both, upstream=upstream))
        upstream.start()
    transcripts = []
    for daemon in daemons:
        daemon.expect_crash = crash
        daemon.start(ready=not crash)
        start = during(daemon) if during else 0
        daemon.log.wait_for(until, start=start if isinstance(start, int) else 0)
        if stop is None:
            daemon.stop()
        else:
            stop(daemon)
        said = transcript(daemon, names)
        if not postmaster:
            del said["postmaster"]
        transcripts.append(said)
        assert any(said[name] for name in names), f"{daemon.name}: no worker logged anything"
    return transcripts if len(transcripts) == 2 else transcripts * 2


def agree(transcripts):
    """Fails, naming the first difference, unless both transcripts are the same."""
    server, host = transcripts
    for who in server:
        for number, (expected, got) in enumerate(zip(server[who], host[who])):
            assert got == expected, (f"{who}, line {number + 1}: the host logged\n  {got}\nand the server\n"
                                     f"  {expected}")
        assert host[who] == server[who], (f"{who}: the host logged {len(host[who])} lines and the server "
                                          f"{len(server[who])}; left over: "
                                          f"{host[who][len(server[who]):] or server[who][len(host[who]):]}")


def is_server(daemon):
    return isinstance(daemon, Postgres)
