"""The property: files do in the host what they do in the server (storage/fd.h), on generated arguments (BGW_TEST_SEED, printed; a
fixed one without): more of them than there are descriptors, and temporary ones to the end of what they belong to."""

import os
import re
import signal

from compare import agree, observe, run_both

EXITED = r'background worker "w" \(PID \d+\) exited with exit code'
SETTINGS = {"max_files_per_process": 110}


def without_pids(transcripts):
    """And without the numbers of files: the server has some of its own."""
    return [{who: [(level, re.sub(r"pgsql_tmp\d+\.|File \d+", lambda found: re.sub(r"\d+", "N", found[0]), text)) for level, text in lines] for who, lines in said.items()}
            for said in transcripts]


def left(daemon):
    """The temporary files there are, folders included."""
    top = os.path.join(daemon.data, "base", "pgsql_tmp")
    found = [os.path.relpath(os.path.join(folder, name), top)
             for folder, folders, names in os.walk(top) for name in folders + names]
    return sorted(re.sub(r"^pgsql_tmp\d+", "pgsql_tmpN", name) for name in found)


def files(space, action, seed):
    seed = int(os.environ.get("BGW_TEST_SEED", seed))
    print(f"BGW_TEST_SEED={seed}")
    transcripts = without_pids(run_both(space, "probe_files", f"w {action}:{seed} flag", EXITED, settings=SETTINGS, postmaster=False))
    agree(transcripts)
    assert ("LOG", "probe: done") in transcripts[1]["w"]


def test_pool(space):
    """Virtual files: opening, reading, writing, sizes, errors, and never more descriptors than the limit."""
    files(space, "pool", 20020101)


def test_temporary_files(space):
    """Temporary files through transactions and subtransactions, with limits, log lines and names of their own."""
    files(space, "temporary", 20020102)


def test_files_left_open(space):
    """What a worker leaves open is closed when it ends, after its own callbacks, and removed if it was temporary."""
    def during(daemon):
        for name in ("w", "e"):
            daemon.log.wait_for(rf'background worker "{name}" \(PID \d+\) exited with exit code')
        observe(daemon, f"left: {left(daemon)}")

    agree(without_pids(run_both(space, "probe_files", "w leave:exit flag; e leave:error flag", EXITED, postmaster=False, during=during)))


def test_files_of_a_crash(space):
    """What a killed worker leaves is removed before the others start again, or, if remove_temp_files_after_crash is off, when the
    whole starts again."""
    def kill(daemon, life):
        pid = last_pid(daemon, life)
        os.kill(pid, signal.SIGKILL)
        last_pid(daemon, life + 1)
        observe(daemon, f"life {life + 1}: {left(daemon)}")

    def last_pid(daemon, life):
        return int(daemon.log.wait_for(r"^\[(\d+)\|w\] LOG:  probe: waiting", count=life).group(1))

    def during(daemon):
        last_pid(daemon, 1)
        observe(daemon, f"life 1: {left(daemon)}")
        kill(daemon, 1)
        kill(daemon, 2)
        daemon.write_settings(remove_temp_files_after_crash="on")
        daemon.reload()
        daemon.log.wait_for(r'parameter "remove_temp_files_after_crash" changed to "on"')
        kill(daemon, 3)
        # One more, so that there is something that only a start removes.
        daemon.write_settings(remove_temp_files_after_crash="off")
        daemon.reload()
        daemon.log.wait_for(r'parameter "remove_temp_files_after_crash" changed to "off"')
        kill(daemon, 4)

    def stop(daemon):
        daemon.stop()
        observe(daemon, f"stopped: {left(daemon)}")
        daemon.write_settings(shared_preload_libraries="")
        daemon.start()
        observe(daemon, f"started again: {left(daemon)}")
        daemon.stop()

    agree(without_pids(run_both(space, "probe_files", "w leave:wait flag restart=60", "probe: waiting", ignore=("w",), postmaster=False, crash=True,
                                ready=True, settings={"remove_temp_files_after_crash": "off"}, during=during, stop=stop)))
