"""Private files: folders for one user only, whole or not at all, one program at a time.

Messages of errors name the file's last part only: a whole path may hold a person's name.
"""

import errno
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from hark.errors import ConfigurationError, DiskFullError, StoreInUseError

NEW_SUFFIX = ".new"
"""Ends the name of a file that is being written; left over only by a crash."""


def private_directory(path: Path) -> Path:
    """Make the folder (0700) if it is not there, and return it.

    Raises:
        ConfigurationError: it belongs to another user, or others may enter it.
        DiskFullError: there is no room for it.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _operator_error(error, path) from error
    status = path.stat()
    if status.st_uid != os.geteuid():
        raise ConfigurationError(f"the folder {path.name} belongs to another user")
    if status.st_mode & 0o077:
        raise ConfigurationError(f"others may enter the folder {path.name}: chmod 700 it")
    return path


def write_private(path: Path, data: bytes) -> None:
    """Write a file (0600) so that after a crash it is the old one or the new one, whole.

    Raises:
        DiskFullError: there is no room; the old file is still there.
        ConfigurationError: the folder cannot be written to.
    """
    new = path.with_name(path.name + NEW_SUFFIX)
    try:
        # A crash, or somebody else, may have left one with other rights.
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
        except OSError:
            new.unlink(missing_ok=True)
            raise
        _sync_directory(path.parent)
    except OSError as error:
        raise _operator_error(error, path) from error


class LockFile:
    """Keeps a second program away from a store for as long as this one runs.

    The lock goes with the process, however it ends. The file holds the process id, for a
    person who asks who has it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            StoreInUseError: another program has it.
            ConfigurationError: the file cannot be opened.
        """
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _operator_error(error, self._path) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise StoreInUseError(f"process {holder or 'unknown'} has it open") from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock up. Harmless when it was not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


def _sync_directory(path: Path) -> None:
    # The new name itself has to survive a power cut.
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _operator_error(error: OSError, path: Path) -> ConfigurationError | DiskFullError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFullError(f"no room to write {path.name}")
    return ConfigurationError(f"{path.name}: {os.strerror(error.errno or 0).lower()}")
