"""What every database of ours has in common: schema versions, the check at the start, errors.

SQLite and SQLCipher are used by two bindings with one interface and one set of result codes.
How a database is opened and set up is said where it is used.
"""

import importlib.resources
import sqlite3
from pathlib import Path
from typing import Protocol

from hark.errors import (
    ConfigurationError,
    DiskFullError,
    OperatorError,
    StoreDamagedError,
    StoreInUseError,
    StoreVersionError,
)

APPLICATION_ID = 0x6861726B
"""In the file's header, "hark": tells us, and `file` where it can read it, what this is."""


class Cursor(Protocol):
    """The result of a statement."""

    def fetchone(self) -> tuple[int | str, ...] | None:
        """Return the next row, or None."""


class Connection(Protocol):
    """An open database of either binding, in autocommit mode."""

    def execute(self, sql: str, /) -> Cursor:
        """Run one statement."""

    def executescript(self, sql: str, /) -> object:
        """Run several statements."""


def schema_versions(package: str) -> list[str]:
    """Return the SQL that makes each version out of the one before, oldest first.

    Args:
        package: has a folder `schema` with a file for each version, in the order of names.
    """
    folder = importlib.resources.files(package) / "schema"
    files = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return [entry.read_text("utf-8") for entry in sorted(files, key=lambda file: file.name)]


def check_whole(connection: Connection, path: Path, quick_check_max_bytes: int) -> bool:
    """Refuse a file that is not ours or not whole; write nothing.

    Args:
        connection: just opened.
        path: of the file.
        quick_check_max_bytes: files up to this size are read whole.

    Returns:
        Whether it is a new one, without any table.

    Raises:
        StoreDamagedError: it was made by another program, or its pages contradict each other.
    """
    # Reads the schema, so that a wrong key and a file that is no database show here.
    tables = _scalar(connection, "SELECT count(*) FROM sqlite_master")
    if tables and _scalar(connection, "PRAGMA application_id") != APPLICATION_ID:
        raise StoreDamagedError("this database was not made by hark")
    if path.stat().st_size <= quick_check_max_bytes:
        row = connection.execute("PRAGMA quick_check(1)").fetchone()
        if row is None or row[0] != "ok":
            raise StoreDamagedError("the database's pages contradict each other")
    return tables == 0


def upgrade(connection: Connection, versions: list[str]) -> None:
    """Bring the tables to the newest version, one transaction for each.

    Args:
        connection: of the database.
        versions: as `schema_versions` returns them.

    Raises:
        StoreVersionError: a newer version of hark wrote it.
    """
    version = _scalar(connection, "PRAGMA user_version")
    if version > len(versions):
        raise StoreVersionError(f"schema {version}, this program knows {len(versions)}")
    for number in range(version, len(versions)):
        # A crash leaves the old version or the new one.
        connection.executescript(
            f"BEGIN IMMEDIATE; {versions[number]}; PRAGMA user_version = {number + 1}; "
            f"PRAGMA application_id = {APPLICATION_ID}; COMMIT;"
        )


def store_error(error: Exception, name: str) -> OperatorError:
    """Return hark's error for what a binding raised.

    Args:
        error: with a `sqlite_errorcode`.
        name: of the database, for a person: "the device store".

    Raises:
        Exception: `error` itself, when it is a bug of ours and must not look like the disk's
            fault.
    """
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return DiskFullError(f"no room in {name}")
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StoreInUseError(f"{name} is locked")
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR}:
        return StoreDamagedError(f"{name} cannot be read")
    if code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}:
        return ConfigurationError(f"{name} cannot be opened for writing")
    raise error


def _scalar(connection: Connection, sql: str) -> int:
    row = connection.execute(sql).fetchone()
    assert row is not None, "every such statement has a row"
    return int(row[0])
