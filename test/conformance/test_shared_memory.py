"""Dynamic shared memory, queues, areas and tables give a worker the same in the host as in a real server."""

from compare import agree, run_both

EXITED = r'background worker "w" \(PID \d+\) exited with exit code'
IGNORED = {"ignore": ("partner",)}


def both(space, action, until=EXITED):
    transcripts = run_both(space, "probe_shm", f"w {action} flag", until, postmaster=False)
    agree(transcripts)
    return transcripts[1]["w"]


def test_queues(space):
    said = both(space, "echo")
    assert ("LOG", 'probe: echo: "xxxxxxxxxxxxxxxxxxxx" of 100000 bytes') in said
    assert ("LOG", "probe: after detaching: DETACHED") in said


def test_queue_whose_partner_leaves(space):
    assert ("LOG", "probe: then: DETACHED") in both(space, "partner_leaves")


def test_queue_whose_partner_never_attaches(space):
    assert ("LOG", "probe: wait for attach: DETACHED") in both(space, "partner_fails")


def test_areas_and_tables(space):
    assert ("LOG", "probe: 1000 ones, 500 twos, keys add up to 1124250") in both(space, "area")


def test_segments(space):
    assert ("LOG", "probe: detach callback 9") in both(space, "segments")
