"""Opening the database of a supernode: settings, schema versions, errors.

The settings, and why:

- WAL with `synchronous=FULL`: what a commit acknowledged survives a power cut.
- `secure_delete`: a deleted envelope is overwritten with zeros in the database file. The
  `-wal` keeps older images of its pages until `checkpoint` empties it.
- incremental `auto_vacuum` (must be set before anything is written): room that a sweep made
  goes back to the disk.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hark.runtime import databases

CACHE_KIB = 64 * 1024
"""Page cache. The inner pages of the indexes of a million envelopes fit."""
CHECKPOINT_PAGES = 4000
"""Pages in the WAL at which a commit moves them to the database, 16 MB."""
QUICK_CHECK_MAX_BYTES = 64 * 1024 * 1024
"""Databases up to this size are checked whole at each start (0.2 s). For larger ones damage
shows at the first read that meets it."""


def open_database(path: Path) -> sqlite3.Connection:
    """Open the database, make or upgrade its tables.

    Raises:
        StoreDamagedError: it is not a database, cut off or inconsistent.
        StoreVersionError: a newer version of hark wrote it.
        StoreInUseError: another program has it locked.
        DiskFullError: there is no room for it.
    """
    with as_store_errors():
        connection = sqlite3.connect(path, isolation_level=None, cached_statements=64)
        try:
            path.chmod(0o600)
            # A damaged database is left as it is: nothing is written before this.
            connection.execute("PRAGMA cell_size_check = ON")
            new = databases.check_whole(connection, path, QUICK_CHECK_MAX_BYTES)
            _configure(connection, new=new)
            databases.upgrade(connection, schema_versions())
        except BaseException:
            connection.close()
            raise
    return connection


def schema_versions() -> list[str]:
    """Return the SQL that makes each version out of the one before, oldest first."""
    return databases.schema_versions("hark.supernode.storage")


@contextmanager
def as_store_errors() -> Iterator[None]:
    """Turn what SQLite raises into hark's errors."""
    try:
        yield
    except sqlite3.Error as error:
        raise databases.store_error(error, "the database") from error


def _configure(connection: sqlite3.Connection, *, new: bool) -> None:
    if new:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "secure_delete = ON",
        "foreign_keys = ON",
        "trusted_schema = OFF",
        "temp_store = MEMORY",
        f"cache_size = -{CACHE_KIB}",
        f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
