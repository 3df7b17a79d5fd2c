"""Rows of docs/conformance.md (and entries of docs/differences.md) that no paired test can show, and why."""

NO_WAIT = ("A smart shutdown of the host waits for no client (SD-01 in docs/differences.md), so there is no such phase "
           "for a worker to be in.")

NOT_APPLICABLE = {
    "SLOT-06": "A fork fails only when the processes of the machine, or of the user that every other test runs as too, "
               "are used up; the host's side is shown by the unit tests of the registry (start_failed).",
    "RST-09": NO_WAIT,
    "SD-02": NO_WAIT,
    "S-09b": "It changes how the upstream plans the statement, and the worker that runs a statement cannot see its plan.",
    "S-14": "The server has no bgworkerd.wake_channels: there is nothing to run beside the host.",
}
