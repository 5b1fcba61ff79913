"""Room kept free on the disk, so that a full disk can be left again.

Deleting needs room too: a transaction is written to the `-wal` first, and emptying the `-wal`
needs room in the database file. On a disk that is full to the last block a supernode could
neither take mail nor let go of any. So a file of zeros holds some blocks; it is given up when
the disk is full, and laid out again before new mail is taken.
"""

import os
from pathlib import Path

RESERVE_NAME = "reserve"
RESERVE_BYTES = 32 * 1024 * 1024
"""Twice the size at which the `-wal` is emptied."""


class DiskReserve:
    """The file of zeros."""

    def __init__(self, directory: Path, size_bytes: int = RESERVE_BYTES) -> None:
        self._path = directory / RESERVE_NAME
        self._size_bytes = size_bytes

    def lay_out(self) -> bool:
        """Take the room; return whether it was there. Harmless when taken already."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        try:
            descriptor = os.open(self._path, flags, 0o600)
        except OSError:
            return False
        try:
            os.posix_fallocate(descriptor, 0, self._size_bytes)
        except OSError:
            self.give_up()
            return False
        finally:
            os.close(descriptor)
        return True

    def give_up(self) -> None:
        """Give the room back to the disk."""
        self._path.unlink(missing_ok=True)
