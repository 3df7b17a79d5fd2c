"""Dynamic workers where no server can be held beside the host: shared memory written over by a module, and a very large
number of slots."""

import re

import pytest

SCRIBBLES = ["r1", "r2", "r3", "ffff", "0000"]


@pytest.mark.parametrize("scribble", SCRIBBLES)
def test_scribbled_slots(space, scribble):
    """A worker overwrites the whole slot area. The postmaster says so, loses no worker and believes nothing of it; after
    that workers can be registered and terminated as before."""
    upstream = space.postgres("upstream").start()
    host = space.host(upstream=upstream, settings={
        "shared_preload_libraries": "probe_dynamic", "log_min_messages": "debug1", "max_worker_processes": 64,
        "probe_dynamic.workers": f"w scribble:{scribble} flag; bystander idle restart=1"}).start()
    bystander = host.worker("bystander")
    host.log.wait_for("probe: done")
    said = [text for _, text in host.log.of("w") if text.startswith("probe: ")]
    assert not [text for text in said if "lost" in text]
    assert said[1:] == ["probe: startup: STARTED"] + ["probe: shutdown: STOPPED"] * 4 + ["probe: done"]
    damage = [text for text in host.log.text().splitlines() if re.search("put right [0-9]+ damaged background", text)]
    print("\n".join(damage))
    assert 1 <= len(damage) <= 5, damage
    assert host.worker("bystander") == bystander
    assert host.log.count("probe: idle") == 5  # the bystander, three before, one after
    host.stop()


def test_as_many_slots_as_the_server_allows(space):
    """With every slot that a setting can ask for, registering and ending workers works, and one that is not used costs
    nothing to speak of."""
    upstream = space.postgres("upstream").start()
    host = space.host(upstream=upstream, settings={
        "shared_preload_libraries": "probe_dynamic", "log_min_messages": "debug1", "max_worker_processes": 262000,
        "probe_dynamic.workers": "w status flag"}).start()
    host.log.wait_for("probe: without a library, shutdown: STOPPED", deadline=60)
    host.stop()
