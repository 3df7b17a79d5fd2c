"""Workers registered at run time, their handles and who is told of them: the same in the host as in a real server."""

from compare import agree, run_both

EXITED = r'background worker "w" \(PID \d+\) exited with exit code'


def dynamic(space, action, until=EXITED, options="flag", **more):
    agree(run_both(space, "probe_dynamic", f"w {action} {options}".strip(), until, **more))


def test_h01_h02_h08_h09_status(space):
    dynamic(space, "status")
