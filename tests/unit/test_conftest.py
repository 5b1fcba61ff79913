"""What `tests/conftest.py` promises: no world in quiet folders, nothing left out unnoticed."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

LEFT_OUT = {
    "skip": "def test_it() -> None: pytest.skip('no reason')",
    "module": "pytest.importorskip('a_module_that_nobody_has')",
    "empty": "@pytest.mark.parametrize('case', [])\ndef test_it(case: int) -> None: ...",
    "fixture": "def test_it(vectors_dir: object) -> None: ...",
    "marker": "@pytest.mark.needs_vectors\ndef test_it() -> None: ...",
}
"""Every way in which a test is left out, as test modules."""

RUN = {
    "pass": "def test_it() -> None: ...",
    "xfail": "@pytest.mark.xfail\ndef test_it() -> None: raise AssertionError",
}
"""Tests that do run, one of them with an expected failure."""


# Names are looked up when the test runs, after the fixture replaced what they stand for.
# ruff: disable[PLW0108]
@pytest.mark.parametrize(
    "action",
    [
        pytest.param(socket.socket, id="a socket"),
        pytest.param(lambda: socket.create_connection(("127.0.0.1", 9)), id="a connection"),
        pytest.param(lambda: socket.socketpair(), id="a pair of sockets"),
        pytest.param(lambda: time.sleep(0), id="sleeping"),
        pytest.param(lambda: asyncio.new_event_loop(), id="an event loop"),
    ],
)
# ruff: enable[PLW0108]
def test_a_unit_test_is_refused_the_world(action: Callable[[], object]) -> None:
    with pytest.raises(pytest.fail.Exception, match="must not"):
        action()


def run_under_conftest(
    folder: Path, modules: dict[str, str], *, require_all: bool
) -> tuple[int, str]:
    """Run test modules under a copy of our conftest, without vectors."""
    (folder / "tests/shell").mkdir(parents=True)
    shutil.copy(REPOSITORY / "pyproject.toml", folder)
    for name in ("conftest.py", "vectors.py"):
        shutil.copy(REPOSITORY / "tests" / name, folder / "tests")
    for name, text in modules.items():
        module = folder / f"tests/shell/test_{name}.py"
        module.write_text(f"import pytest\n{text}\n")
    options = ["-q", "-p", "no:cacheprovider", "--continue-on-collection-errors"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=folder,
        env={
            **os.environ,
            "HARK_REQUIRE_ALL": "1" if require_all else "0",
            "HARK_VECTORS": str(folder / "absent"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_what_was_left_out_is_listed_with_its_reason(tmp_path: Path) -> None:
    code, said = run_under_conftest(tmp_path, LEFT_OUT | RUN, require_all=False)

    assert code == pytest.ExitCode.OK, said
    assert "1 passed, 5 skipped, 1 xfailed" in said
    listed = said.partition(" left out ")[2]
    assert "no reason" in listed
    assert [name for name in LEFT_OUT if f"tests/shell/test_{name}.py" not in listed] == []


def test_leaving_out_fails_where_everything_is_required(tmp_path: Path) -> None:
    code, said = run_under_conftest(tmp_path, LEFT_OUT | RUN, require_all=True)

    assert code == pytest.ExitCode.TESTS_FAILED, said
    assert "1 failed, 1 passed, 1 xfailed, 4 errors" in said
    assert said.count("HARK_REQUIRE_ALL=1, but") >= len(LEFT_OUT)
