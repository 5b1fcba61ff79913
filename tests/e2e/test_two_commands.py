"""The first two commands of the README, `git clone` and `make run`, on a machine of their own.

The machine is a Debian root directory with git, make, python3 and ca-certificates and nothing
else (`debian_root.py`); what is cloned is the last commit, so uncommitted work is not tested.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import debian_root
from tests.e2e.debian_root import USER, DebianRoot

REPOSITORY = Path(__file__).parents[2]

MAX_SECOND_SETUP_S = 1.0
"""A set-up that finds everything done compares two files."""

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.slow,
    # Builds an operating system the first time and installs every package twice.
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module")
def base() -> Path:
    missing = [name for name in debian_root.REQUIRED_PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    return debian_root.build_base()


@pytest.fixture
def debian(base: Path) -> Iterator[DebianRoot]:
    with tempfile.TemporaryDirectory(dir=debian_root.cache_folder()) as folder:
        yield DebianRoot.copy_of(base, Path(folder, "root"))


def assert_demo_passes(debian: DebianRoot, user: str, *, network: bool) -> None:
    done = debian.run("cd hark && make -s run ARGS=--json", user=user, network=network)
    assert done.returncode == 0, done.stdout + done.stderr
    # Programs read this: one JSON object and nothing else.
    assert isinstance(json.loads(done.stdout), dict)


def test_root_on_a_bare_machine_gets_python_venv_installed_and_the_demo_passes(
    debian: DebianRoot,
) -> None:
    assert debian.run("python3 -c 'import ensurepip'").returncode != 0
    debian.clone(REPOSITORY, "root")

    assert_demo_passes(debian, "root", network=True)

    durations_s = []
    for _ in range(3):
        start = time.monotonic()
        done = debian.run("cd hark && make setup", network=False)
        durations_s.append(time.monotonic() - start)
        assert done.returncode == 0, done.stderr
        assert "installing" not in done.stderr
    assert min(durations_s) <= MAX_SECOND_SETUP_S


def test_a_plain_user_needs_neither_root_nor_compiler_and_no_network_the_second_time(
    debian: DebianRoot,
) -> None:
    done = debian.run("apt-get -qq update && apt-get -qq install -y python3-venv")
    assert done.returncode == 0, done.stderr
    assert debian.run("command -v cc gcc c++ clang rustc").stdout == ""
    debian.clone(REPOSITORY, USER)

    assert_demo_passes(debian, USER, network=True)
    assert_demo_passes(debian, USER, network=False)


def test_a_plain_user_without_python_venv_is_told_the_command_in_one_line(
    debian: DebianRoot,
) -> None:
    debian.clone(REPOSITORY, USER)

    done = debian.run("cd hark && tools/setup", user=USER)
    assert done.returncode == 3
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "sudo apt-get install python3-venv" in done.stderr

    # make has an exit code of its own, and names that of the command.
    done = debian.run("cd hark && make run", user=USER)
    assert done.returncode != 0
    assert "sudo apt-get install python3-venv" in done.stderr
    assert "Error 3" in done.stderr
