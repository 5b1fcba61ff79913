"""Opening the encrypted database of a device: settings, schema versions, errors.

The settings, and why:

- SQLCipher with a raw 32-byte key: every page is encrypted and authenticated.
- WAL with `synchronous=FULL`, always: with less, a power cut could take back the last commits,
  and a ratchet would use a key a second time.
- `secure_delete`: what is deleted is overwritten, also inside the encryption.

The library's own log is off: it names pages and would write to the terminal.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlcipher3 import dbapi2 as sqlcipher

from hark.runtime import databases

CHECKPOINT_PAGES = 1000
"""Pages in the WAL at which a commit moves them to the database, 4 MB."""
QUICK_CHECK_MAX_BYTES = 16 * 1024 * 1024
"""Databases up to this size are checked whole at each start (0.1 s)."""


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
            databases.check_whole(connection, path, QUICK_CHECK_MAX_BYTES)
            databases.upgrade(connection, schema_versions())
        except BaseException:
            connection.close()
            raise
    return connection


def schema_versions() -> list[str]:
    """Return the SQL that makes each version out of the one before, oldest first."""
    return databases.schema_versions("hark.node.storage")


@contextmanager
def as_store_errors() -> Iterator[None]:
    """Turn what SQLCipher raises into hark's errors."""
    try:
        yield
    except sqlcipher.Error as error:
        raise databases.store_error(error, "the device store") from error


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
