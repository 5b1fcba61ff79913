"""Deliberately broken builds: each must be noticed by the test that it names.

A mutant is `tests/mutants/<name>.patch`. Its first line is `must fail: <test id>`, its second
says what is broken; then comes a unified diff. It is applied to a temporary copy, in which the
named test has to fail, and not by an error of the test itself.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MUTANTS = sorted((ROOT / "tests" / "mutants").glob("*.patch"))
COPIED = ("src", "tests", "spec", "docs", "README.md", "pyproject.toml")
TESTS_FAILED = 1
"""Exit code of pytest when tests ran and some failed; errors of collection give others."""


def named_test(mutant: Path) -> str:
    first = mutant.read_text("utf-8").splitlines()[0].removeprefix("# ")
    return first.removeprefix("must fail: ").strip()


def copy_tree(place: Path) -> None:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, place / name, ignore=ignored)
        else:
            shutil.copy(source, place / name)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.stem)
def test_mutant_is_noticed_by_the_test_that_it_names(mutant: Path, tmp_path: Path) -> None:
    copy_tree(tmp_path)
    applied = subprocess.run(
        ["git", "apply", "--unsafe-paths", "--recount", f"--directory={tmp_path}", mutant],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert applied.returncode == 0, f"the patch does not apply any more: {applied.stderr}"
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    ran = subprocess.run(
        [*command, named_test(mutant)],
        cwd=tmp_path,
        # The programs that a test starts are those of the copy, too.
        env={**os.environ, "PYTHONPATH": str(tmp_path / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == TESTS_FAILED, f"it was not noticed:\n{ran.stdout}{ran.stderr}"


def test_there_are_mutants() -> None:
    assert len(MUTANTS) >= 3
