"""What holds for every test.

1. Tests in `unit`, `spec` and `sim` may not open a socket, sleep or start an event loop.
2. `needs_root` tests are left out without root, `needs_vectors` tests without the outside
   vectors. What was left out is listed at the end of the run; with `HARK_REQUIRE_ALL=1` (as
   `.ci/run` sets it) leaving out is failure, whatever the reason.
3. Property tests run in one of two profiles, chosen by `--hypothesis-profile`: `quick` (the
   default) looks for new cases, `ci` tries more of them, the same ones each time.
"""

import asyncio
import os
import socket
import time
from collections.abc import Generator
from pathlib import Path
from typing import NoReturn

import hypothesis
import pytest

from tests.vectors import find_vectors

TESTS = Path(__file__).parent
QUIET_FOLDERS = ("unit", "spec", "sim")
"""Folders whose tests have no world: no sockets, no sleeping."""

REQUIRE_ALL = os.environ.get("HARK_REQUIRE_ALL") == "1"

hypothesis.settings.register_profile("quick", max_examples=50, deadline=None, print_blob=True)
hypothesis.settings.register_profile(
    "ci", max_examples=300, deadline=None, derandomize=True, print_blob=True
)
hypothesis.settings.load_profile("quick")


def is_root() -> bool:
    """Return whether this process may do what `needs_root` tests do."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture(autouse=True)
def _no_world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse sockets, sleeping and event loops where a test must not need them."""
    if request.path.relative_to(TESTS).parts[0] not in QUIET_FOLDERS:
        return

    def refusing(what: str) -> object:
        # `pytest.fail` raises a `BaseException`, so no `except Exception` swallows it.
        def refuse(*_args: object, **_options: object) -> NoReturn:
            pytest.fail(f"a test in tests/{{{','.join(QUIET_FOLDERS)}}} must not {what}")

        return refuse

    # The constructor, not the name: modules that imported the class before are caught too.
    monkeypatch.setattr(socket.socket, "__init__", refusing("open a socket"))
    monkeypatch.setattr(socket, "socketpair", refusing("open a socket"))
    monkeypatch.setattr(time, "sleep", refusing("sleep"))
    monkeypatch.setattr(asyncio, "run", refusing("start an event loop"))
    monkeypatch.setattr(asyncio, "new_event_loop", refusing("start an event loop"))


@pytest.fixture(scope="session")
def vectors_dir() -> Path:
    """The folder of the outside test vectors; the test is left out when there is none."""
    folder = find_vectors()
    if folder is None:
        pytest.skip("outside test vectors not found; set HARK_VECTORS to their folder")
    return folder


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what this machine or this user cannot run."""
    if item.get_closest_marker("needs_root") and not is_root():
        pytest.skip("needs root")
    if item.get_closest_marker("needs_vectors") and find_vectors() is None:
        pytest.skip("outside test vectors not found; set HARK_VECTORS to their folder")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make a left-out test a failed one where everything is required."""
    report = yield
    # An expected failure is reported as skipped as well, but it did run.
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"HARK_REQUIRE_ALL=1, but {item.nodeid} was left out: {_why(report)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Make a left-out module a failed one where everything is required."""
    report = yield
    if REQUIRE_ALL and report.skipped:
        report.outcome = "failed"
        report.longrepr = (
            f"HARK_REQUIRE_ALL=1, but {collector.nodeid} was left out: {_why(report)}"
        )
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what was left out, so that a green run does not claim more than it did."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.section("left out")
        for report in skipped:
            terminalreporter.line(f"{report.nodeid}: {_why(report)}")


def _why(report: pytest.TestReport | pytest.CollectReport) -> str:
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return str(report.longrepr)
