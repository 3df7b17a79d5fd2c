"""`make run` as a newcomer sees it: the log as it comes, a load, where to look, the table of workers, and nothing left after
Ctrl-C."""

import os
import re
import signal
import urllib.request

import harness
import pytest
from harness import BUILD, SLOW, wait_until

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
# The workers that it shows, where they are built, and a line of where to look for what each has to tell.
TOLD = {
    "statement_history": r'psql -h \S+ -U postgres postgres -c "SELECT calls, exec_ms, query FROM statement_history\.top_by_time',
    "stats_exporter": r"curl http://127\.0\.0\.1:\d+/metrics",
    "index_rebuilder": r'psql .* index_rebuilder\.',
    "idle_terminator": r'psql .* idle_terminator\.',
}


def show(space, as_root, data):
    demo = harness.Daemon(space, "demo")
    space.daemons.append(demo)
    port = harness.free_port()
    demo.allowed = [r"embedded: FATAL:  the database system is starting up"]
    demo.spawn(["sh", os.path.join(ROOT, "dev", "run"), BUILD], as_root=as_root,
               env={"BGWORKERD_DATA": data, "BGWORKERD_RUN_TABLE_SECONDS": "1", "BGWORKERD_RUN_WORK_SECONDS": "1", "HOME": space.folder,
                    "BGWORKERD_RUN_PORT": str(port), "PATH": f"{harness.BINDIR}:{os.environ['PATH']}"})
    demo.log.wait_for(r"bgworkerd is ready", 4 * harness.DEADLINE)
    demo.log.wait_for(r"The load is running", 4 * harness.DEADLINE)
    demo.log.wait_for(r"bgworkerctl -D \S+ top")
    built = [name for name in TOLD if os.path.exists(os.path.join(BUILD, "lib", name + ".so"))]
    assert built
    mark = demo.log.mark()
    for name in built:
        demo.log.wait_for(TOLD[name])
        demo.log.wait_for(rf"{name} .* running ", start=mark)

    # What it tells to type, typed.
    conninfo = f"host={data}/run user=postgres dbname=postgres"

    def ask(text):
        return space.sql(conninfo, text)

    if "statement_history" in built:
        wait_until(lambda: ask("SELECT count(*) > 0 FROM statement_history.top_by_time"
                               " WHERE query LIKE 'UPDATE pgbench_accounts%' AND calls > 0") == "t",
                   60 * SLOW, "the load is in the history")
    if "stats_exporter" in built:
        def scrape():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10 * SLOW) as answer:
                return answer.read().decode()
        wait_until(lambda: re.search(r'pg_stat_user_tables_n_tup_upd\{.*relname="pgbench_accounts".*\} [1-9]', scrape()),
                   30 * SLOW, "the load is in the metrics")
    assert ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'orders_number_key'::regclass") == "f"
    # Sessions that are ended come back.
    wait_until(lambda: ask("SELECT string_agg(state, ', ' ORDER BY state) FROM pg_stat_activity WHERE application_name LIKE"
                           " 'forgotten%'") == "idle, idle, idle in transaction", what="idle sessions are there")
    if "index_rebuilder" in built:
        wait_until(lambda: ask("SELECT count(*) FROM index_rebuilder.finding WHERE index_name = 'orders_number_key'") == "1",
                   60 * SLOW, "the invalid index is found")
    if "idle_terminator" in built:
        wait_until(lambda: ask("SELECT count(*) > 1 FROM idle_terminator.audit WHERE application = 'forgotten console'"
                               " AND outcome = 'ended'") == "t", 90 * SLOW, "idle sessions are ended")
        assert ask("SELECT count(*) FROM idle_terminator.audit WHERE application <> 'forgotten console'") == "0"
    demo.send(signal.SIGINT)
    assert demo.wait_exit() == 0
    demo.log.wait_for(r"database system is shut down")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root's rights")
def test_run_as_root(space):
    show(space, True, os.path.join(space.folder, "demo"))


def test_run_as_ordinary_user(space):
    if os.geteuid() == 0 and not space.readable(os.path.join(ROOT, "dev", "run")):
        pytest.skip("the ordinary user cannot read the folder of the sources")
    show(space, False, os.path.join(space.folder, "demo"))


def test_run_again(space):
    """A second time in the same folder, left by an earlier version: the private server has no line for embedded.conf."""
    data = os.path.join(space.folder, "demo")
    host = space.host("demo").start()
    host.log.wait_for(r"embedded: LOG:  database system is ready to accept connections", 4 * harness.DEADLINE)
    host.stop()
    conf = os.path.join(data, "embedded", "postgresql.conf")
    text = harness.read_file(conf)
    assert "embedded.conf" in text
    harness.write_whole(conf, text.replace("include_if_exists = '../embedded.conf'\n", ""))
    show(space, os.geteuid() == 0, data)
