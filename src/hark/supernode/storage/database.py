"""Opening the database of a supernode: settings, schema versions, errors.

The settings, and why:

- WAL with `synchronous=FULL`: what a commit acknowledged survives a power cut.
- `secure_delete`: a deleted envelope is overwritten with zeros in the database file. The
  `-wal` keeps older images of its pages until `checkpoint` empties it.
- incremental `auto_vacuum` (must be set before anything is written): room that a sweep made
  goes back to the disk.
"""

import importlib.resources
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hark.errors import (
    ConfigurationError,
    DiskFullError,
    OperatorError,
    StoreDamagedError,
    StoreInUseError,
    StoreVersionError,
)

APPLICATION_ID = 0x6861726B
"""In the file's header, "hark": tells `file` and us what this database is."""
CACHE_KIB = 64 * 1024
"""Page cache. The inner pages of the indexes of a million envelopes fit."""
CHECKPOINT_PAGES = 4000
"""Pages in the WAL at which a commit moves them to the database, 16 MB."""
QUICK_CHECK_MAX_BYTES = 64 * 1024 * 1024
"""Databases up to this size are checked whole at each start (0.2 s). For larger ones damage
shows at the first read that meets it; `hark supernode scan` reads all of it."""

_SCHEMA = importlib.resources.files("hark.supernode.storage") / "schema"


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
            new = _check(connection, path)
            _configure(connection, new=new)
            _upgrade(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def schema_versions() -> list[str]:
    """Return the SQL that makes each version out of the one before, oldest first."""
    files = [entry for entry in _SCHEMA.iterdir() if entry.name.endswith(".sql")]
    return [entry.read_text("utf-8") for entry in sorted(files, key=lambda file: file.name)]


@contextmanager
def as_store_errors() -> Iterator[None]:
    """Turn what SQLite raises into hark's errors."""
    try:
        yield
    except sqlite3.Error as error:
        raise _store_error(error) from error


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


def _check(connection: sqlite3.Connection, path: Path) -> bool:
    """Refuse a file that is not ours or not whole; return whether it is a new one."""
    connection.execute("PRAGMA cell_size_check = ON")
    # Reads the schema, so that a file that is no database shows here.
    tables = _scalar(connection, "SELECT count(*) FROM sqlite_schema")
    if tables and _scalar(connection, "PRAGMA application_id") != APPLICATION_ID:
        raise StoreDamagedError("this database was not made by hark")
    if path.stat().st_size <= QUICK_CHECK_MAX_BYTES:
        answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if answer != "ok":
            raise StoreDamagedError("the database's pages contradict each other")
    return tables == 0


def _upgrade(connection: sqlite3.Connection) -> None:
    versions = schema_versions()
    version = _scalar(connection, "PRAGMA user_version")
    if version > len(versions):
        raise StoreVersionError(f"schema {version}, this program knows {len(versions)}")
    for number in range(version, len(versions)):
        # One transaction each: a crash leaves the old version or the new one.
        connection.executescript(
            f"BEGIN IMMEDIATE; {versions[number]}; PRAGMA user_version = {number + 1}; "
            f"PRAGMA application_id = {APPLICATION_ID}; COMMIT;"
        )


def _scalar(connection: sqlite3.Connection, sql: str) -> int:
    return int(connection.execute(sql).fetchone()[0])


def _store_error(error: sqlite3.Error) -> OperatorError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return DiskFullError("no room in the database")
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StoreInUseError("the database is locked")
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR}:
        return StoreDamagedError("the database cannot be read")
    if code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}:
        return ConfigurationError("the database cannot be opened for writing")
    # Anything else is a bug of ours and must not look like the disk's fault.
    raise error
