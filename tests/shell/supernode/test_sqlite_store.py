"""The mailbox store over SQLite: the contract, and what is SQLite's own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hark.errors import DiskFullError, StoreInUseError
from hark.overlay.mailbox.store import MailboxStore
from hark.supernode.declarations import DATABASE_FILE
from hark.supernode.storage.database import open_database, schema_versions
from hark.supernode.storage.sqlite import SqliteMailboxStore
from tests.unit.overlay.mailbox_store_contract import BOX, ROW, MailboxStoreContract, hashed


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[[], MailboxStore]]:
    """Open the database anew each time; none of them is closed, as after a crash."""
    opened: list[SqliteMailboxStore] = []

    def open_again() -> MailboxStore:
        opened.append(SqliteMailboxStore(tmp_path))
        return opened[-1]

    yield open_again
    for store in opened:
        store._connection.close()


class TestSqliteMailboxStore(MailboxStoreContract):
    """The contract over SQLite."""


def test_store_is_as_durable_and_as_forgetful_as_promised(tmp_path: Path) -> None:
    store = SqliteMailboxStore(tmp_path)
    settings = {
        "journal_mode": "wal",
        "synchronous": 2,
        "secure_delete": 1,
        "foreign_keys": 1,
        "auto_vacuum": 2,
    }
    for name, value in settings.items():
        assert store._connection.execute(f"PRAGMA {name}").fetchone()[0] == value
    assert (tmp_path / DATABASE_FILE).stat().st_mode & 0o777 == 0o600
    store.close()


def test_batch_that_does_not_fit_is_undone_and_the_next_one_works(tmp_path: Path) -> None:
    store = SqliteMailboxStore(tmp_path)
    with store.transaction() as t:
        t.insert_mailbox(ROW)
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages + 5}").fetchall()

    def fill() -> None:
        with store.transaction() as t:
            for number in range(10):
                t.insert_envelope(BOX, hashed(number), bytes(4000), 0, 9)

    with pytest.raises(DiskFullError):
        fill()
    with store.transaction() as t:
        row = t.mailbox(BOX)
        assert row is not None
        assert row.envelope_count == 0
        t.insert_envelope(BOX, hashed(99), bytes(4000), 0, 9)
    store.close()


def test_room_of_deleted_mail_goes_back_to_the_disk(tmp_path: Path) -> None:
    store = SqliteMailboxStore(tmp_path)
    with store.transaction() as t:
        t.insert_mailbox(ROW)
        sequences = [t.insert_envelope(BOX, hashed(n), bytes(4000), 0, 9) for n in range(500)]
    store.checkpoint()
    full_bytes = (tmp_path / DATABASE_FILE).stat().st_size
    with store.transaction() as t:
        t.delete_envelopes(BOX, sequences)
    store.give_back_room()
    assert store.checkpoint()
    assert (tmp_path / DATABASE_FILE).stat().st_size < full_bytes / 10
    store.close()


def test_locked_database_is_in_use(tmp_path: Path) -> None:
    store = SqliteMailboxStore(tmp_path)
    other = open_database(tmp_path / DATABASE_FILE)
    other.execute("PRAGMA busy_timeout = 0").fetchall()
    store._connection.execute("PRAGMA busy_timeout = 0").fetchall()
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreInUseError), store.transaction():
        pass
    other.close()
    store.close()


def test_schema_files_are_numbered_without_gaps() -> None:
    assert len(schema_versions()) >= 1
    folder = Path(__file__).parents[3] / "src/hark/supernode/storage/schema"
    names = sorted(path.name for path in folder.iterdir())
    assert names == [f"{number:04}.sql" for number in range(1, len(names) + 1)]
