"""What may be registered, what is refused and with which words, and in which order what was accepted starts."""

from compare import agree, run_both
from rows import shows

REGISTERING = r"registering background worker"


@shows({"REG-01": REGISTERING,
        "REG-04": r"only dynamic background workers can request notification",
        "CHK-01": r'worker "a": background workers without shared memory access are not supported',
        "CHK-02": r'worker "b": cannot request database access if starting at postmaster start',
        "CHK-03": r'postmaster.*worker "[cfghi]"(:|$)|[ghi]\|LOG: probe: idle',
        "CHK-04": r'worker "d": parallel workers may not be configured for restart'})
def test_refused_registrations(space):
    agree(run_both(space, "probe",
                   "a idle noshmem; b idle db start=postmaster; c idle restart=86400001; d idle parallel restart=1; "
                   "e idle notify; ok idle; f idle restart=-5; g idle restart=0; h idle restart=86400; "
                   "i idle restart=86400000", r"probe: idle", during=lambda d: d.log.wait_for(r"probe: idle", count=4)))


@shows({"CHK-05": r'postmaster\|(LOG|DEBUG): (background worker "[a-e]"|registering)|[e]\|LOG: probe: idle'})
def test_order_of_checks(space):
    """Each has all the faults of the next ones; the last has none that is looked for."""
    agree(run_both(space, "probe",
                   "a idle db start=postmaster restart=-5 parallel notify noshmem; "
                   "b idle db start=postmaster restart=-5 parallel notify; c idle restart=-5 parallel notify; "
                   "d idle restart=5 parallel notify; e idle oddflags; x idle oddstart notify", r"probe: idle",
                   ignore=("x",)))


@shows({"REG-05": r"too many background workers"})
def test_too_many_workers(space):
    agree(run_both(space, "probe", "a idle; b idle; c idle noshmem; d idle; e idle", r"probe: idle",
                   during=lambda d: d.log.wait_for(r"probe: idle", count=2), settings={"max_worker_processes": 2}))


@shows({"REG-05": r"too many background workers"})
def test_too_many_for_one(space):
    agree(run_both(space, "probe", "a idle; b idle", r"probe: idle", settings={"max_worker_processes": 1}))


@shows({"REG-05": r"too many background workers"})
def test_no_workers_at_all(space):
    agree(run_both(space, "probe", "a idle; b idle", r"database system is ready to accept connections",
                   settings={"max_worker_processes": 0}, ignore=("a", "b")))


@shows({"REG-06": r'type was empty|background worker ""|"(w|first|second)"'})
def test_names(space):
    """An empty type is the name; a name may be empty, and may be another's."""
    def during(daemon):
        daemon.log.wait_for(r'background worker "" \(PID \d+\) exited')
        daemon.log.wait_for(r'background worker "first" \(PID \d+\) exited')
        daemon.log.wait_for(r'background worker "w" \(PID \d+\) exited')

    agree(run_both(space, "probe", "w return notype; x return noname notype; same proc_exit:1 type=first; "
                   "same idle type=second", r"probe: idle", during=during, ignore=("x",), apart=True))


@shows({"REG-07": r"entry|argument"})
def test_values_seen(space):
    """The struct as it was registered, to the last byte, although the caller has overwritten its own since."""
    agree(run_both(space, "probe", "w environment:anything type=kind bytes restart=7", r"exited with exit code"))


@shows({"REG-02": r"must be registered in|late"})
def test_registered_in_request_hook(space):
    agree(run_both(space, "probe_api", "w idle", r"probe: idle", settings={"probe_api.register_in": "request"}))


@shows({"REG-02": r"must be registered in|late"})
def test_registered_in_startup_hook(space):
    agree(run_both(space, "probe_api", "w idle", r"probe: idle", settings={"probe_api.register_in": "startup"}))


@shows({"START-04": r'starting background worker process "[abc]"'})
def test_start_order(space):
    """Workers are started in the reverse order of their registration."""
    agree(run_both(space, "probe", "a idle; b idle; c idle", r"probe: idle",
                   during=lambda d: d.log.wait_for(r"probe: idle", count=3)))


@shows({"START-04": r'starting background worker process'})
def test_start_order_of_many(space):
    """More than one pass of starts, in the same order."""
    agree(run_both(space, "probe", "m idle times=120", r"probe: idle", ignore=("m",),
                   during=lambda d: d.log.wait_for(r"probe: idle", count=120, deadline=60),
                   settings={"max_worker_processes": 120}))


@shows({"START-01": r'starting background worker process "w"|database system is ready',
        "START-05": r'starting background worker process "[cf]"|database system is ready'})
def test_start_before_ready(space):
    """A worker for the postmaster's start is running when the server says that it is ready, and the others are forked
    just before."""
    agree(run_both(space, "probe", "w idle start=postmaster; c idle start=consistent; f idle start=finished",
                   r"database system is ready", during=lambda d: d.log.wait_for(r"probe: idle", count=3)))
