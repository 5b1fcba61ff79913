"""Settings: file, then environment, then flags; every mistake is named."""

from pathlib import Path

import pytest

from hark.errors import ConfigurationError
from hark.supernode.config import SupernodeConfig, load_config, setting_names

DATA = Path("/data")


def test_defaults_hold_where_nothing_is_said() -> None:
    config = load_config(DATA, file=None, environment={}, flags={})
    assert config == SupernodeConfig(DATA)


def test_flags_win_over_environment_and_environment_over_file(tmp_path: Path) -> None:
    file = tmp_path / "supernode.toml"
    file.write_text('port = 1\nworkers = 2\nhost = "::"\nlinks_per_s = 7.5\n')
    environment = {"HARK_SUPERNODE_PORT": "3", "HARK_SUPERNODE_WORKERS": "4", "PORT": "5"}
    config = load_config(DATA, file=file, environment=environment, flags={"port": 6})
    assert (config.port, config.workers, config.host) == (6, 4, "::")
    assert config.links_per_s == 7.5


def test_flags_that_were_not_given_change_nothing() -> None:
    environment = {"HARK_SUPERNODE_HOST": "::1"}
    flags = dict.fromkeys(setting_names())
    assert load_config(DATA, file=None, environment=environment, flags=flags).host == "::1"


def test_any_free_port_means_any_free_admin_port_unless_one_is_named() -> None:
    def admin_port(flags: dict[str, int | float | str | None]) -> int:
        return load_config(DATA, file=None, environment={}, flags=flags).admin_port

    assert admin_port({"port": 0}) == 0
    assert admin_port({"port": 0, "admin_port": 9}) == 9
    assert admin_port({"port": 7443}) == 7444


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("colour = 1", "colour"),
        ("port = 65536", "port"),
        ("port = -1", "port"),
        ("port = true", "port"),
        ("port = nan", "port"),
        ('workers = "many"', "workers"),
        ("workers = [1]", "workers"),
        ("host = 1", "host"),
        ("links_per_s = 0", "links_per_s"),
        ("port = ", "supernode.toml"),
    ],
)
def test_setting_that_cannot_be_is_named(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "supernode.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=named):
        load_config(DATA, file=file, environment={}, flags={})
