"""How a supernode is set up: file, then environment, then flags; read once, at the edge.

Every setting has one name: `links_per_s` is the key in the file, `HARK_SUPERNODE_LINKS_PER_S`
the variable and `--links-per-s` the flag.
"""

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hark.errors import ConfigurationError

DEFAULT_PORT = 7443
ENVIRONMENT_PREFIX = "HARK_SUPERNODE_"

Setting = str | int | float


@dataclass(frozen=True, slots=True)
class SupernodeConfig:
    """All settings of a supernode."""

    data_dir: Path
    """Private folder for the key, the mailboxes and a lock; nothing else is written."""
    host: str = "0.0.0.0"  # noqa: S104 (a server is there for all)
    """Address to listen on; `::` for IPv6 and IPv4."""
    public_host: str = ""
    """Name or address by which people reach this machine, for the line to give to them."""
    port: int = DEFAULT_PORT
    """TCP port for nodes; 0 for a free one."""
    admin_port: int = DEFAULT_PORT + 1
    """TCP port for `/metrics` and `/health`, on 127.0.0.1 only; 0 for a free one."""
    workers: int = 1
    """Processes that hold links. 1: everything in one process. One per core, and one per
    18,000 links where 20,000 files may be open."""
    links_per_s: float = 500.0
    """New links a second and worker, lasting. A core can do about 1,500 and nothing else."""
    burst_count: int = 2_000
    """New links at once and worker, before that rate counts."""
    max_link_count: int = 18_000
    """Open links and worker. Less where the system allows fewer open files."""


_BOUNDS: Mapping[str, tuple[float, float]] = {
    "port": (0, 65_535),
    "admin_port": (0, 65_535),
    "workers": (1, 64),
    "links_per_s": (1, 100_000),
    "burst_count": (1, 1_000_000),
    "max_link_count": (1, 1_000_000),
}
"""Smallest and largest value of each number."""


def load_config(
    data_dir: Path,
    *,
    file: Path | None,
    environment: Mapping[str, str],
    flags: Mapping[str, Setting | None],
) -> SupernodeConfig:
    """Return the settings from all places.

    Args:
        data_dir: where the supernode keeps its things.
        file: TOML file, or None.
        environment: variables; those with our prefix count.
        flags: from the command line; None where a flag was not given.

    Raises:
        ConfigurationError: a setting is unknown, or out of bounds; the message says which.
    """
    settings: dict[str, Setting] = {}
    for source in (_from_file(file), _from_environment(environment), flags):
        settings |= {name: value for name, value in source.items() if value is not None}
    if str(settings.get("port", "")) == "0":
        # Who asks for any free port runs several supernodes, or a test.
        settings.setdefault("admin_port", 0)
    return _config(data_dir, settings)


def setting_names() -> list[str]:
    """Return the names of all settings but the data directory."""
    fields = dataclasses.fields(SupernodeConfig)
    return [field.name for field in fields if field.name != "data_dir"]


def _from_file(file: Path | None) -> Mapping[str, Setting]:
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{file.name} cannot be read as TOML") from error


def _from_environment(environment: Mapping[str, str]) -> Mapping[str, Setting]:
    return {
        name.removeprefix(ENVIRONMENT_PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(ENVIRONMENT_PREFIX)
    }


def _config(data_dir: Path, settings: Mapping[str, Setting]) -> SupernodeConfig:
    for name in settings:
        if name not in setting_names():
            raise ConfigurationError(f"there is no setting {name}")
    default = SupernodeConfig(data_dir)

    def text(name: str, otherwise: str) -> str:
        value = settings.get(name, otherwise)
        if not isinstance(value, str):
            raise ConfigurationError(f"{name} has to be text")
        return value

    def number(name: str, otherwise: float) -> float:
        return _number(name, settings.get(name, otherwise))

    return SupernodeConfig(
        data_dir=data_dir,
        host=text("host", default.host),
        public_host=text("public_host", default.public_host),
        port=int(number("port", default.port)),
        admin_port=int(number("admin_port", default.admin_port)),
        workers=int(number("workers", default.workers)),
        links_per_s=number("links_per_s", default.links_per_s),
        burst_count=int(number("burst_count", default.burst_count)),
        max_link_count=int(number("max_link_count", default.max_link_count)),
    )


def _number(name: str, value: object) -> float:
    low, high = _BOUNDS[name]
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise ConfigurationError(f"{name} has to be a number")
    try:
        number = float(value)
    except ValueError as error:
        raise ConfigurationError(f"{name} has to be a number") from error
    # `not <=` also refuses what is not a number at all.
    if not low <= number <= high:
        raise ConfigurationError(f"{name} has to be between {low:g} and {high:g}")
    return number
