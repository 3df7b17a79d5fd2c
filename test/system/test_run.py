"""`make run` as a newcomer sees it: the log as it comes, the table of workers, and nothing left after Ctrl-C."""

import os
import signal

import harness
import pytest
from harness import BUILD

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))


def show(space, as_root, data):
    demo = harness.Daemon(space, "demo")
    space.daemons.append(demo)
    script = os.path.join(ROOT, "dev", "run")
    demo.spawn(["sh", script, BUILD], as_root=as_root,
               env={"BGWORKERD_DATA": data, "BGWORKERD_RUN_TABLE_SECONDS": "1", "HOME": space.folder})
    demo.log.wait_for(r"bgworkerd is ready", 4 * harness.DEADLINE)
    demo.log.wait_for(r"hello, world \(greeting 1\)")
    demo.log.wait_for(r"spi_example 1 looks after")
    mark = demo.log.mark()
    demo.log.wait_for(r"hello_world +\d+ ", start=mark)
    demo.log.wait_for(r"spi_example 2 +spi_example +\d+ ", start=mark)
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
