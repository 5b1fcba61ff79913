"""Places of a profile: predictable, private, short enough for a socket."""

from pathlib import Path

import pytest

from hark.errors import ConfigurationError
from hark.node.paths import MAX_SOCKET_PATH_BYTES, paths_of


def test_profile_lies_in_hark_home_when_there_is_one() -> None:
    paths = paths_of("bob", {"HARK_HOME": "/data/hark", "HOME": "/home/b"})
    assert paths.data_dir == Path("/data/hark/bob")


def test_profile_lies_where_xdg_says() -> None:
    paths = paths_of("bob", {"XDG_DATA_HOME": "/xdg", "HOME": "/home/b"})
    assert paths.data_dir == Path("/xdg/hark/bob")


def test_profile_lies_in_the_home_otherwise() -> None:
    assert paths_of("bob", {"HOME": "/home/b"}).data_dir == Path(
        "/home/b/.local/share/hark/bob"
    )


def test_two_homes_never_share_a_socket() -> None:
    places = [{"HARK_HOME": f"/data/{name}", "XDG_RUNTIME_DIR": "/run/1"} for name in "ab"]
    first, second = (paths_of("bob", place).socket for place in places)
    assert first != second
    assert first.parent == Path("/run/1/hark")


def test_deep_hark_home_does_not_make_the_socket_path_longer() -> None:
    paths = paths_of("x" * 32, {"HARK_HOME": "/" + "deep/" * 40, "XDG_RUNTIME_DIR": "/run/1"})
    assert len(str(paths.socket)) <= MAX_SOCKET_PATH_BYTES


def test_socket_path_that_the_system_would_cut_off_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        paths_of("bob", {"HOME": "/", "XDG_RUNTIME_DIR": "/" + "deep/" * 30})


@pytest.mark.parametrize("profile", ["", "..", "a/b", "a b", "ü", "x" * 33, ".hidden"])
def test_profile_that_could_leave_its_folder_is_refused(profile: str) -> None:
    with pytest.raises(ConfigurationError):
        paths_of(profile, {"HOME": "/home/b"})
