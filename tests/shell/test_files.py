"""Private files: whole or not at all, for one user, one program at a time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hark.errors import ConfigurationError, StoreInUseError
from hark.runtime.files import LockFile, private_directory, write_private


def test_private_directory_is_made_for_its_user_alone(tmp_path: Path) -> None:
    made = private_directory(tmp_path / "a" / "b")
    assert made.stat().st_mode & 0o777 == 0o700
    assert private_directory(made) == made


def test_directory_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "open").chmod(0o755)
    with pytest.raises(ConfigurationError, match="others may enter"):
        private_directory(tmp_path / "open")


def test_file_in_the_place_of_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError):
        private_directory(tmp_path / "file")


def test_written_file_is_private_and_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_private(path, b"old and longer")
    # What a crash left is overwritten.
    (tmp_path / "secret.new").write_bytes(b"half")
    write_private(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_private(path, b"old")
    (tmp_path / "secret.new").mkdir()
    with pytest.raises(ConfigurationError):
        write_private(path, b"new")
    assert path.read_bytes() == b"old"


def test_lock_keeps_a_second_program_away_until_it_is_released(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    program = (
        "import sys; from pathlib import Path; from hark.runtime.files import LockFile;"
        "LockFile(Path(sys.argv[1])).acquire()"
    )
    command = [sys.executable, "-c", program, str(path)]
    with LockFile(path):
        assert path.read_text().strip() == str(os.getpid())
        with pytest.raises(StoreInUseError, match=str(os.getpid())):
            LockFile(path).acquire()
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "StoreInUseError" in ended.stderr
    # The second one's lock went with its process.
    subprocess.run(command, check=True)
    LockFile(path).acquire()
