"""What all system and conformance tests share: the fixture that gives a test its own servers and hosts."""

import os
import sys

import pytest

for folder in ("system", "conformance"):
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), folder))
import harness  # noqa: E402
import rows  # noqa: E402


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    setattr(item, "report_" + call.when, outcome.get_result())
    if call.when == "call":
        item.failure = call.excinfo.value if call.excinfo is not None else None


@pytest.fixture(autouse=True)
def conformance(request):
    """Records what a test that names rows of docs/conformance.md compares, and judges it at the end."""
    marks = getattr(request.function, "conformance", None)
    if marks is None or os.environ.get("BGW_TEST_REFERENCE_ONLY"):
        yield
        return
    name = rows.name_of(str(request.node.path), request.node.name)
    rows.current = recorder = rows.Recorder(name, marks)
    yield
    rows.current = None
    failure = getattr(request.node, "failure", None)
    if isinstance(failure, pytest.skip.Exception):
        return
    verdicts = recorder.write(failure, rows.folder())
    if failure is None:
        wrong = [f"{row} {entry}: {verdict} {why}" for row, entry, verdict, why, _, _ in verdicts
                 if verdict == "failed" or (verdict == "differs" and not entry)]
        assert not wrong, "\n".join(wrong)


@pytest.fixture
def space(request):
    """The test's folder, with makers of servers and hosts; every remainder of them is a failure."""
    made = harness.Space(request.node.name)
    try:
        yield made
        complaints = made.close()
        failed = getattr(request.node, "report_call", None)
        failed = failed is not None and failed.failed
        if complaints or failed:
            harness.dump(made)
        if not failed:
            assert not complaints, "\n".join(complaints)
    finally:
        made.remove()
