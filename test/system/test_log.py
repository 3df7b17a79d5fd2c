"""The log's forms beside a real server's: the same module in both, JSON records key by key, time stamps in a zone."""

import calendar
import json
import os
import re
import time

import harness
from harness import read_file, wait_until

API = "elog elog db"
SPI = "divide uncaught db; position uncaught_position db; says messages db"
# What numbers processes, sessions and transactions, and when: compared by form only.
MASKED = ("timestamp", "pid", "session_id", "session_start", "vxid", "txid")


def records(text, workers):
    """{worker: [its JSON records, keys in order]} of a log of one record per line."""
    found = {worker: [] for worker in workers}
    for line in text.splitlines():
        if line.startswith("{") and line.endswith("}"):
            record = json.loads(line)
            if record["backend_type"] in found:
                found[record["backend_type"]].append(record)
    return found


def shape(record):
    """A record as (key, type, value), with the numbers in what changes from run to run taken out."""
    def value(key, of):
        if key == "txid":  # the upstream numbers transactions, not the host
            return "N"
        return re.sub(r"[0-9a-f]+", "N", str(of)) if key in MASKED else of
    return [(key, type(of).__name__, value(key, of)) for key, of in record.items()]


def server_json(server):
    path = os.path.join(server.data, "log", "test.json")
    return read_file(path) if os.path.exists(path) else ""


def wait_for_ends(seen):
    """Until the processes that have written the records are gone: one that is just ending would say that it is stopped."""
    pids = {record["pid"] for of_one in seen.values() for record in of_one}
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), what=f"the end of {pids}")


def both_json(space, module, workers, **settings):
    names = [entry.split()[0] for entry in workers.split(";")]
    common = {"shared_preload_libraries": module, f"{module}.workers": workers, "log_destination": "jsonlog",
              "max_worker_processes": 16, "log_timezone": "Asia/Tokyo", **settings}
    server = space.postgres("reference", settings={**common, "logging_collector": "on", "log_directory": "log",
                                                   "log_filename": "test.log", "log_rotation_age": 0})
    server.start(ready=False)
    # A worker that ends well is not spoken of.
    ends = ['"a log line"' if name == "says" else rf'background worker \\"{name}\\" \(PID \d+\) exited'
            for name in names]
    wait_until(lambda: all(re.search(end, server_json(server)) for end in ends), what="the server's workers end")
    wait_for_ends(records(server_json(server), names))
    server.stop()
    upstream = space.postgres("upstream").start()
    host = space.host(upstream=upstream, settings=common).start(ready=False)
    for end in ends:
        host.log.wait_for(end)
    wait_for_ends(records(host.log.text(), names))
    host.stop()
    return records(server_json(server), names), records(host.log.text(), names)


def compare_json(space, module, workers, severities, **settings):
    server, host = both_json(space, module, workers, **settings)
    seen = set()
    for name, expected in server.items():
        assert [r["message"] for r in host[name]] == [r["message"] for r in expected], name
        for ours, theirs in zip(host[name], expected):
            assert shape(ours) == shape(theirs), f"{name}: {theirs['message']}"
            seen.add(theirs["error_severity"])
    assert severities <= seen
    return server, host


def test_jsonlog_reports(space):
    """Every level, detail, hint, context, statement, several lines, as the server writes them."""
    server, _ = compare_json(space, "probe_api", API, {"LOG", "WARNING", "ERROR"})
    everything = next(r for r in server["elog"] if r["message"] == "probe: with everything")
    assert {"detail", "hint", "context"} <= set(everything)


def test_jsonlog_sql_errors(space):
    """An error in SQL has the statement in its context, and a position where there is one."""
    server, _ = compare_json(space, "probe_spi", SPI, {"ERROR", "WARNING"})
    assert "SQL statement" in server["divide"][-1]["context"]


def test_jsonlog_fatal(space):
    compare_json(space, "probe", "gone fatal; odd connect:nosuchdb flag", {"FATAL"})


def test_jsonlog_verbose(space):
    """Verbose: where in the source a report was made. The module's own are compared, not the server's."""
    server, host = both_json(space, "probe", "gone fatal", log_error_verbosity="verbose")
    assert [shape(r) for r in host["gone"]] == [shape(r) for r in server["gone"]]
    assert {"func_name", "file_name", "file_line_num"} <= set(server["gone"][0])


def test_log_timezone(space):
    """Time stamps of text lines are in log_timezone, whatever the environment says; a reload changes it."""
    def stamps(daemon, start=0):
        """The zone and the offset that the text `%t|%m|%n|` of the last line of the log shows."""
        line = daemon.log.wait_for(r"^(\S+ \S+) (\S+)\|(\S+ \S+?)\.(\d{3}) (\S+)\|(\d+)\.(\d{3})\|.*probe: (?:idle|reloaded)",
                                   start=start)
        by_t, zone_t, by_m, milliseconds, zone_m, seconds, also_milliseconds = line.groups()
        assert (by_t, zone_t, milliseconds) == (by_m, zone_m, also_milliseconds)
        utc = calendar.timegm(time.strptime(by_t, "%Y-%m-%d %H:%M:%S")) - int(seconds)
        return zone_t, utc

    answers = []
    common = {"shared_preload_libraries": "probe", "probe.workers": "idler idle", "log_line_prefix": "%t|%m|%n|"}
    for daemon in (space.postgres("reference", settings={**common, "log_timezone": "Asia/Kathmandu"}),
                   space.host(upstream=space.postgres("upstream").start(),
                              settings={**common, "log_timezone": "Asia/Kathmandu"})):
        daemon.start()
        said = [stamps(daemon)]
        for zone in ("America/St_Johns", "<+03>-3", "nosuch/zone", "GMT"):
            mark = daemon.log.mark()
            daemon.write_settings(log_timezone=zone)
            daemon.reload()
            said.append(stamps(daemon, mark))
        assert daemon.log.count(r'invalid value for parameter "log_timezone": "nosuch/zone"') >= 1
        answers.append(said)
        daemon.stop()
    server, host = answers
    assert host == server
    assert server[0] == ("+0545", (5 * 60 + 45) * 60)
    assert server[2] == server[3] == ("+03", 3 * 3600)


def test_zone_of_a_new_configuration(space):
    """--init sets log_timezone as initdb does: the system's zone."""
    for number, zone in enumerate(("Europe/Berlin", "CET-1CEST,M3.5.0,M10.5.0/3", None)):
        # A zone that is not given comes from /etc/localtime.
        environment = ["env", "-u", "TZ"] if zone is None else ["env", f"TZ={zone}"]
        cluster, ours = (os.path.join(space.folder, f"{kind}{number}") for kind in ("cluster", "ours"))
        space.run([*environment, f"{harness.BINDIR}/initdb", "-N", "-D", cluster])
        space.run([*environment, space.program("bgworkerd"), "--init", "-D", ours])
        expected = re.search(r"^log_timezone = '(.*)'", read_file(os.path.join(cluster, "postgresql.conf")), re.M)
        got = re.search(r"^log_timezone = '(.*)'", read_file(os.path.join(ours, "bgworkerd.conf")), re.M)
        assert got.group(1) == expected.group(1)


def test_destinations_of_the_server_only(space):
    """csvlog and syslog are refused, with what there is instead; on reload the old value stays."""
    upstream = space.postgres("upstream").start()
    host = space.host(upstream=upstream, settings={"log_destination": "csvlog"}).start(ready=False)
    assert host.wait_exit() == 1
    assert 'invalid value for parameter "log_destination": "csvlog"' in host.log.text()
    assert "Available destinations: stderr, jsonlog" in host.log.text()
    host.write_settings(log_destination="stderr")
    host.start()
    mark = host.log.mark()
    host.write_settings(log_destination="stderr, syslog")
    host.reload()
    host.log.wait_for(r'invalid value for parameter "log_destination": "stderr, syslog"', start=mark)
    host.log.wait_for(r"HINT:  Available destinations: stderr, jsonlog", start=mark)
