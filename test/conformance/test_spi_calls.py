"""The functions of executor/spi.h that the other tests leave out: the same in the host as in a real server."""

from compare import agree, run_both
from rows import differs

EXITED = r'background worker "w" \(PID \d+\) exited with exit code'


def calls(space, action, **more):
    agree(run_both(space, "probe_spi_calls", f"w {action} db", EXITED, **more))


def test_execute(space):
    """Extended options, lists of parameters, the old names."""
    calls(space, "execute")


def test_kinds(space):
    """Return codes, counts, rows and errors of statements that need something to be set up."""
    calls(space, "kinds")


def test_cursors(space):
    """Over plans with a list of parameters, and over texts."""
    calls(space, "cursors")


def test_tuples(space):
    """Made, changed, copied, returned; and memory that outlives SPI_finish."""
    calls(space, "tuples")


def test_chains(space):
    """Transactions of a nonatomic connection, chained, and what a nested atomic one does to it."""
    calls(space, "chains")


@differs("S-17b", r"trigger data|plan sources")
def test_what_needs_the_executor(space):
    """Refused with the reason and what to use instead."""
    transcripts = run_both(space, "probe_spi_calls", "w trigger_data db", EXITED)
    agree(transcripts)
    said = [text for _, text in transcripts[1]["w"] if "plan sources" in text]
    assert len(said) == 2 and all("0A000" in text and "hint Use SPI_plan_is_valid" in text for text in said), said


@differs("S-17c", r"probe: valid")
def test_jobs(space):
    """What schedulers do all day: claiming, running in subtransactions, writing down, walking rows, committing in loops."""
    calls(space, "jobs")
