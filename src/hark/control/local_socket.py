"""The Unix socket between a node and its faces: where only one user's programs meet.

The folder is 0700 and ours, the socket is 0600, and on Linux the kernel tells each side which
user the other one is. Source: spec/control.md#socket.
"""

import contextlib
import os
import socket
import struct
from pathlib import Path

from hark.errors import ConfigurationError, NodeNotRunningError, StoreInUseError

MAX_SOCKET_PATH_BYTES = 107
"""`sun_path` of Linux less its final NUL."""

_UCRED = struct.Struct("3i")
"""`struct ucred`: process id, user id, group id."""


def connect(path: Path, *, timeout_s: float) -> socket.socket:
    """Return a connection to the node that serves `path`.

    Args:
        path: of the control socket.
        timeout_s: how long any later call on the socket may take, in seconds.

    Raises:
        NodeNotRunningError: no node listens there.
        ConfigurationError: the socket lies in a folder of somebody else, or somebody else
            listens on it.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        check_socket_folder(path.parent)
        connection.settimeout(timeout_s)
        connection.connect(os.fspath(path))
        if not is_same_user(connection):
            raise ConfigurationError("the control socket belongs to somebody else")
    except OSError as error:
        connection.close()
        raise NodeNotRunningError from error
    except ConfigurationError:
        connection.close()
        raise
    return connection


def is_same_user(peer: socket.socket) -> bool:
    """Return whether our own user opened this Unix connection.

    Where the kernel cannot be asked this way (macOS), the 0700 folder and the 0600 socket
    have to be enough, and the answer is yes.
    """
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    _pid, user_id, _gid = _UCRED.unpack(credentials)
    return bool(user_id == os.geteuid())


def check_socket_folder(folder: Path) -> None:
    """Check that a socket's folder is ours and closed to others.

    Clients check it too: in `/tmp` somebody else may have made a folder of this name first, to
    be told what was meant for the node.

    Raises:
        ConfigurationError: it is not a folder, not ours, or others may enter it.
    """
    status = folder.lstat()
    if not folder.is_dir() or folder.is_symlink() or status.st_uid != os.geteuid():
        raise ConfigurationError("the folder of the control socket belongs to somebody else")
    if status.st_mode & 0o077:
        raise ConfigurationError("others may enter the folder of the control socket")


def listen(path: Path) -> socket.socket:
    """Return a socket at `path` that is ready to listen, for our own user alone.

    Raises:
        ConfigurationError: the path is too long, or others may enter the folder.
        StoreInUseError: another node answers on this socket.
    """
    if len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
        raise ConfigurationError("the path of the control socket is longer than 107 bytes")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError("the folder of the control socket cannot be made") from error
    check_socket_folder(path.parent)
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Nobody can reach it before it listens, so there is no moment with wider rights.
        listener.bind(os.fspath(path))
        path.chmod(0o600)
    except OSError as error:
        listener.close()
        raise ConfigurationError("the control socket cannot be made") from error
    return listener


def _remove_stale(path: Path) -> None:
    """Remove the socket that a killed node left; refuse when a node still answers on it."""
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
        try:
            probe.connect(os.fspath(path))
        except FileNotFoundError:
            return
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise StoreInUseError("a node answers on its control socket")
