"""Starting many workers goes through the fork server, and does without it when it is gone or deaf."""

import json
import os
import signal

from harness import BUILD, descendants, title, wait_until, zombies


def many(space, count=60):
    workers = ";".join(f"w{number} idle restart=0" for number in range(count))
    return space.host(settings={"shared_preload_libraries": "probe", "probe.workers": workers,
                                "max_worker_processes": count + 4})


def running(host):
    """name -> pid of the workers' processes."""
    return {name: pid for name, pid in host.workers().items() if name.startswith("w")}


def all_run(host, count=60, other_than=()):
    wait_until(lambda: len(running(host)) == count and not set(running(host).values()) & set(other_than),
               what=f"{count} workers running")
    pids = [pid for pid in descendants(host.pid) if title(pid).startswith("bgworkerd: w")]
    assert len(pids) == count
    return set(running(host).values())


def helper(host, name):
    return [pid for pid in descendants(host.pid) if title(pid).rstrip() == f"bgworkerd: {name}"]


def no_strays(host):
    """Nobody but the host's own processes is among its children, and no zombie stays."""
    wait_until(lambda: not zombies(host.pid), what="no zombie")


def test_workers_are_children_of_the_postmaster(space):
    host = many(space).start()
    for pid in all_run(host):
        with open(f"/proc/{pid}/stat") as f:
            assert int(f.read().rsplit(")", 1)[1].split()[1]) == host.pid
    assert len(helper(host, "fork server")) == 1
    wait_until(lambda: len(helper(host, "spare")) == 4, what="4 spares")


def test_killed_fork_server(space):
    """Killed at rest and killed while workers are starting: it is made anew and every worker runs once."""
    host = many(space).start()
    host.expect_crash = True
    before = all_run(host)
    os.kill(helper(host, "fork server")[0], signal.SIGKILL)
    host.log.wait_for(r"fork server process \(PID \d+\) was terminated by signal 9")
    for pid in before:
        os.kill(pid, signal.SIGTERM)  # each ends with code 1 and comes back at once
    before = all_run(host, other_than=before)
    for _ in range(3):
        for pid in running(host).values():
            os.kill(pid, signal.SIGTERM)  # more than there are spares: a fork server is wanted
        server = wait_until(lambda: helper(host, "fork server"), what="a new fork server")[0]
        os.kill(server, signal.SIGKILL)
        wait_until(lambda: server not in helper(host, "fork server"), what="its end")
    all_run(host, other_than=before)
    no_strays(host)


def test_deaf_fork_server(space):
    host = many(space).start()
    host.expect_crash = True
    before = all_run(host)
    wait_until(lambda: len(helper(host, "spare")) == 4, what="4 spares")
    os.kill(helper(host, "fork server")[0], signal.SIGSTOP)
    for pid in before:
        os.kill(pid, signal.SIGTERM)
    host.log.wait_for(r"fork server process \(PID \d+\) does not answer")
    all_run(host, other_than=before)
    no_strays(host)


def with_plant(space, host):
    """Starts the host; returns the function that plants what happens to one announcement (plants/announcement.cc)."""
    folder = os.path.join(space.folder, "plant")
    os.mkdir(folder)
    os.chmod(folder, 0o777)  # the host removes the file
    file = os.path.join(folder, "fate")
    host.start(env={"LD_PRELOAD": f"{BUILD}/test/plants/announcement.so", "BGW_ANNOUNCEMENT": file})
    before = all_run(host)
    wait_until(lambda: len(helper(host, "spare")) == 4, what="4 spares")

    def plant(descriptors, fate):
        with open(f"{file}.new", "w") as f:
            f.write(f"{descriptors} {fate}")
        os.chmod(f"{file}.new", 0o644)
        os.rename(f"{file}.new", file)
        return f"{file}.{fate}"
    return before, plant


def lose_announcement(space, host, descriptors, act):
    """The fork server dies between making a process and saying so: the postmaster knows that process all the same."""
    host.expect_crash = True
    before, plant = with_plant(space, host)
    plant(descriptors, "lost")
    act(before)
    host.log.wait_for(r"fork server process \(PID \d+\) was terminated by signal 9")
    wait_until(lambda: len(helper(host, "spare")) == 4, what="4 spares again")
    no_strays(host)
    return before


def end_all(pids):
    for pid in pids:
        os.kill(pid, signal.SIGTERM)


def test_lost_announcement_of_a_worker(space):
    host = many(space)
    before = lose_announcement(space, host, 1, end_all)
    all_run(host, other_than=before)
    assert not any("reinitializing" in line for line in host.log.lines)  # each worker runs once, and none was taken for crashed
    host.stop()


def test_lost_announcement_of_a_spare(space):
    host = many(space)
    before = lose_announcement(space, host, 2, lambda pids: end_all(list(pids)[:1]))
    all_run(host, other_than=list(before)[:1])
    host.stop()


def test_terminated_before_it_is_announced(space):
    """A worker that runs before the postmaster knows its process is ended as soon as it does, and not started again."""
    host = many(space)
    host.expect_crash = True  # on a machine that stalls, the late fork server may be taken for a stuck one
    before, plant = with_plant(space, host)
    late = plant(1, "late")
    end_all(before)
    wait_until(lambda: os.path.exists(late), what="a fork server that holds an announcement back")

    def unannounced():
        known = {row["pid"] for row in json.loads(host.control("ps", "--json").stdout)["workers"]}
        return [(name, pid) for name, pid in running(host).items() if pid not in known and pid not in before]
    name, pid = wait_until(unannounced, what="a worker nobody has announced")[0]
    host.control("terminate", name)
    assert title(pid).split()[1] == name  # nobody could signal it yet
    os.remove(late)
    wait_until(lambda: name not in host.workers(), what=f"the end of {name}")
    all_run(host, count=59, other_than=before)
    assert not any("reinitializing" in line for line in host.log.lines)
    host.stop()


def test_reload_while_starting(space):
    """Spares of the old settings are never used, and none of those on their way is left over."""
    host = many(space).start(ready=False)
    host.log.wait_for(r"starting bgworkerd")
    for count in range(1, 6):
        host.reload()
        host.log.wait_for(r"reloading configuration files", count=count)
    all_run(host)
    wait_until(lambda: len(helper(host, "fork server")) == 1 and len(helper(host, "spare")) == 4,
               what="one fork server and four spares")
    no_strays(host)


def test_no_spares(space):
    host = many(space)
    host.write_settings(spare_worker_processes=0)
    host.start()
    all_run(host)
    assert not helper(host, "fork server") and not helper(host, "spare")


def test_what_forks_copy(space):
    """Of the program's file a fork server has no page of its own: its variables are one mapping of plain memory, and what
    is read-only is the file's, or one that all share. Each such page is copied for every process."""
    host = many(space).start()
    all_run(host)
    own, variables = 0, []
    with open(f"/proc/{helper(host, 'fork server')[0]}/smaps") as maps:
        for line in maps:
            words = line.split()
            if not words[0].endswith(":"):
                program = line.rstrip().endswith("/bgworkerd") or "bgworkerd relocated data" in line
                last = words
            elif words[0] == "Anonymous:" and program:
                own += int(words[1])
            elif words[0] == "Anonymous:" and words[1] != "0" and last[1] == "rw-p" and not variables:
                variables.append(last)
    assert own == 0
    assert len(variables[0]) == 5, variables  # nothing is written behind its addresses: no file's name
