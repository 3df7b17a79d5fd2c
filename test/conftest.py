"""What all system and conformance tests share: the fixture that gives a test its own servers and hosts."""

import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "system"))
import harness  # noqa: E402


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    setattr(item, "report_" + call.when, outcome.get_result())


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
