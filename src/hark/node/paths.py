"""Where a profile's files lie.

`$HARK_HOME/<profile>/`, else `$XDG_DATA_HOME/hark/<profile>/` (`~/.local/share/hark/…`). The
control socket lies where sockets belong (`$XDG_RUNTIME_DIR/hark/`, else `/tmp/hark-<uid>/`):
its path may be 107 bytes long at most, and its folder is the user's alone. With `$HARK_HOME`
the socket's name carries a digest of that place, so that two homes never share a socket.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hark.errors import ConfigurationError

MAX_PROFILE_CHARS = 32
MAX_SOCKET_PATH_BYTES = 107
"""`sun_path` of Linux less its final NUL."""


@dataclass(frozen=True, slots=True)
class Paths:
    """The places of one profile."""

    profile: str
    data_dir: Path
    socket: Path

    @property
    def database(self) -> Path:
        """The encrypted device store."""
        return self.data_dir / "store.db"

    @property
    def keyfile(self) -> Path:
        """The store's key, wrapped by a passphrase, or the note that the keyring has it."""
        return self.data_dir / "key.json"

    @property
    def lock(self) -> Path:
        """Held by the one program that runs on the store."""
        return self.data_dir / "lock"

    @property
    def log(self) -> Path:
        """Log of a node that runs in the background."""
        return self.data_dir / "hark.log"


def paths_of(profile: str, environment: Mapping[str, str] = os.environ) -> Paths:
    """Return the places of `profile`.

    Args:
        profile: 1..32 letters, digits, `-` or `_`.
        environment: where `HARK_HOME`, `XDG_DATA_HOME`, `XDG_RUNTIME_DIR`, `HOME` are read.

    Raises:
        ConfigurationError: the profile's name has other characters, or the place of the
            socket would be longer than the system allows.
    """
    plain = profile.replace("-", "").replace("_", "")
    if not plain.isascii() or not plain.isalnum() or len(profile) > MAX_PROFILE_CHARS:
        raise ConfigurationError("a profile's name is made of letters, digits, - and _")
    socket = _socket_dir(environment) / f"{_socket_name(profile, environment)}.sock"
    if len(os.fsencode(socket)) > MAX_SOCKET_PATH_BYTES:
        raise ConfigurationError("the path of the control socket would be too long")
    return Paths(profile, _data_root(environment) / profile, socket)


def _data_root(environment: Mapping[str, str]) -> Path:
    if home := environment.get("HARK_HOME"):
        return Path(home).absolute()
    if xdg := environment.get("XDG_DATA_HOME"):
        return Path(xdg) / "hark"
    return Path(environment.get("HOME", "/")) / ".local" / "share" / "hark"


def _socket_dir(environment: Mapping[str, str]) -> Path:
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        return Path(runtime) / "hark"
    return Path("/tmp") / f"hark-{os.getuid()}"  # noqa: S108 (0700, owner checked when opened)


def _socket_name(profile: str, environment: Mapping[str, str]) -> str:
    home = environment.get("HARK_HOME")
    if not home:
        return profile
    digest = hashlib.sha256(os.fsencode(Path(home).absolute())).hexdigest()[:12]
    return f"{profile}-{digest}"
