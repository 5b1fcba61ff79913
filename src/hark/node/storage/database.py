"""Opening the encrypted database of a device: settings, schema versions, errors.

The settings, and why:

- SQLCipher with a raw 32-byte key: every page is encrypted and authenticated.
- WAL with `synchronous=FULL`, always: with less, a power cut could take back the last commits,
  and a ratchet would use a key a second time.
- `secure_delete`: what is deleted is overwritten, also inside the encryption.

The library's own log is off: it names pages and would write to the terminal.
"""

import importlib.resources
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlcipher3 import dbapi2 as sqlcipher

from hark.errors import (
    ConfigurationError,
    DiskFullError,
    OperatorError,
    StoreDamagedError,
    StoreInUseError,
    StoreVersionError,
)

APPLICATION_ID = 0x6861726B
"""In the file's (encrypted) header, "hark"."""
CHECKPOINT_PAGES = 1000
"""Pages in the WAL at which a commit moves them to the database, 4 MB."""
QUICK_CHECK_MAX_BYTES = 16 * 1024 * 1024
"""Databases up to this size are checked whole at each start (0.1 s)."""

# Primary result codes, <sqlite3.h>; the binding has no names for them.
_BUSY = {5, 6}
_FULL = 13
_DAMAGED = {10, 11, 26}
_UNWRITABLE = {3, 8, 14}

_SCHEMA = importlib.resources.files("hark.node.storage") / "schema"


def open_database(path: Path, key: bytes) -> sqlcipher.Connection:
    """Open the database, make or upgrade its tables.

    Args:
        path: the file; made if it is not there.
        key: 32 bytes.

    Raises:
        StoreDamagedError: not a database under this key, cut off or inconsistent.
        StoreVersionError: a newer version of hark wrote it.
        StoreInUseError: another program has it locked.
        DiskFullError: there is no room for it.
        ConfigurationError: the file cannot be opened for writing.
    """
    with as_store_errors():
        connection = sqlcipher.connect(str(path), isolation_level=None, cached_statements=256)
        try:
            path.chmod(0o600)
            _configure(connection, key)
            _check(connection, path)
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
    """Turn what SQLCipher raises into hark's errors."""
    try:
        yield
    except sqlcipher.Error as error:
        raise _store_error(error) from error


def _configure(connection: sqlcipher.Connection, key: bytes) -> None:
    for pragma in (
        "cipher_log_level = NONE",
        f"key = \"x'{key.hex()}'\"",
        "journal_mode = WAL",
        "synchronous = FULL",
        "secure_delete = ON",
        "cell_size_check = ON",
        "trusted_schema = OFF",
        "temp_store = MEMORY",
        f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def _check(connection: sqlcipher.Connection, path: Path) -> None:
    # Reads the schema, so that a wrong key and a file that is no database show here.
    tables = _scalar(connection, "SELECT count(*) FROM sqlite_master")
    if tables and _scalar(connection, "PRAGMA application_id") != APPLICATION_ID:
        raise StoreDamagedError("this database was not made by hark")
    if path.stat().st_size <= QUICK_CHECK_MAX_BYTES:
        answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if answer != "ok":
            raise StoreDamagedError("the database's pages contradict each other")


def _upgrade(connection: sqlcipher.Connection) -> None:
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


def _scalar(connection: sqlcipher.Connection, sql: str) -> int:
    return int(connection.execute(sql).fetchone()[0])


def _store_error(error: sqlcipher.Error) -> OperatorError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == _FULL:
        return DiskFullError("no room in the device store")
    if code in _BUSY:
        return StoreInUseError("the device store is locked")
    if code in _DAMAGED:
        return StoreDamagedError("the device store cannot be read")
    if code in _UNWRITABLE:
        return ConfigurationError("the device store cannot be opened for writing")
    # Anything else is a bug of ours and must not look like the disk's fault.
    raise error
