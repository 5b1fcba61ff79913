"""The device store over SQLCipher: the contract, and what is SQLCipher's own."""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from hark.errors import DiskFullError, StoreDamagedError, StoreVersionError
from hark.messaging import tables
from hark.messaging.machine import load_own
from hark.messaging.store import DeviceStore, Index, Table
from hark.messaging.tables import CHAINS, CONTACTS, ChainRow
from hark.node.storage.database import schema_versions
from hark.node.storage.sqlcipher import SqlcipherDeviceStore
from hark.wire.bodies import BodyType
from tests.unit.messaging.device_store_contract import (
    STEPS,
    DeviceStoreContract,
    compare_with_dictionary,
    contact,
    fail_in,
)

KEY = bytes(range(32))
DATA = Path(__file__).parents[2] / "data"
SAVED = {
    1: ["hello", "hello yourself"],
    2: ["hello", "hello yourself", "(voicemail)", "(call)"],
}
"""The one conversation in each `device_store_N.db`, which
`python -m tests.data.make_device_store` wrote when N was the newest version."""
SHOWN = {BodyType.VOICEMAIL: "(voicemail)", BodyType.CALL_RECORD: "(call)"}
TABLES = [value for value in vars(tables).values() if isinstance(value, Table)]
INDEXES = [value for value in vars(tables).values() if isinstance(value, Index)]


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[[], DeviceStore]]:
    """Open the database anew each time; none of them is closed, as after a crash."""
    opened: list[SqlcipherDeviceStore] = []

    def open_again() -> DeviceStore:
        opened.append(SqlcipherDeviceStore(tmp_path / "device.db", KEY))
        return opened[-1]

    yield open_again
    for store in opened:
        store.close()


class TestSqlcipherDeviceStore(DeviceStoreContract):
    """The contract over SQLCipher."""


def columns_of(store: SqlcipherDeviceStore, table: Table[Any]) -> list[tuple[str, int]]:
    rows = store._connection.execute(f"PRAGMA table_info({table.name})").fetchall()
    return [(row[1], row[5]) for row in rows]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_schema_has_the_columns_and_the_key_of_each_table(
    table: Table[Any], tmp_path: Path
) -> None:
    store = SqlcipherDeviceStore(tmp_path / "device.db", KEY)
    keyed = [place + 1 for place in range(table.key_count)]
    wanted = keyed + [0] * (len(table.columns) - table.key_count)
    assert columns_of(store, table) == list(zip(table.columns, wanted, strict=True))
    store.close()


@pytest.mark.parametrize("index", INDEXES, ids=lambda index: index.name)
def test_every_order_is_read_from_an_index_and_never_sorted(
    index: Index[Any], tmp_path: Path
) -> None:
    store = SqlcipherDeviceStore(tmp_path / "device.db", KEY)
    plans = []
    real = store._connection

    class Watching:
        def execute(self, sql: str, *values: Any) -> Any:  # noqa: ANN401 (stands in)
            plans.append(real.execute(f"EXPLAIN QUERY PLAN {sql}", *values).fetchall())
            return real.execute(sql, *values)

    store._connection = Watching()
    for width in range(len(index.columns) + 1):
        equal = [b"?" for _ in index.columns[:width]]
        store.select(index, *equal, limit=1)
        if width < len(index.columns):
            store.select(index, *equal, below=b"?", descending=True)
    assert plans
    for plan in plans:
        assert "TEMP B-TREE" not in str(plan), f"{index.name} is sorted: {plan}"
    real.close()


@pytest.mark.claim("D-1")
def test_the_file_shows_nothing_and_opens_under_its_key_only(tmp_path: Path) -> None:
    path = tmp_path / "device.db"
    store = SqlcipherDeviceStore(path, KEY)
    secret = os.urandom(2000)
    with store.transaction() as t:
        t.put(CONTACTS, contact(1)._replace(name="Margarethe"))
        t.put(CHAINS, ChainRow(contact(1).account, secret))
    for file in tmp_path.iterdir():
        data = file.read_bytes()
        assert b"Margarethe" not in data
        assert secret[:16] not in data
        assert b"SQLite format" not in data
        assert file.stat().st_mode & 0o077 == 0
    store.close()
    with pytest.raises(StoreDamagedError):
        SqlcipherDeviceStore(path, bytes(32))
    with pytest.raises(sqlite3.DatabaseError):
        sqlite3.connect(path).execute("SELECT * FROM sqlite_master").fetchall()
    SqlcipherDeviceStore(path, KEY).close()


def test_settings_are_as_durable_as_promised(tmp_path: Path) -> None:
    store = SqlcipherDeviceStore(tmp_path / "device.db", KEY)
    for name, value in {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1}.items():
        assert store._connection.execute(f"PRAGMA {name}").fetchone()[0] == value
    store.close()


@pytest.mark.parametrize("place", [0, 100, 5000, 20_000])
def test_a_damaged_file_is_refused_and_left_as_it_is(place: int, tmp_path: Path) -> None:
    path = tmp_path / "device.db"
    store = SqlcipherDeviceStore(path, KEY)
    with store.transaction() as t:
        for number in range(40):
            t.put(CONTACTS, contact(number))
    store.close()
    damaged = bytearray(path.read_bytes())
    damaged[place] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(StoreDamagedError):
        SqlcipherDeviceStore(path, KEY)
    assert path.read_bytes() == damaged


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "device.db"
    SqlcipherDeviceStore(path, KEY).close()
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(StoreDamagedError):
        SqlcipherDeviceStore(path, KEY)


def test_a_store_of_a_newer_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "device.db"
    store = SqlcipherDeviceStore(path, KEY)
    store._connection.execute(f"PRAGMA user_version = {len(schema_versions()) + 1}")
    store.close()
    before = path.read_bytes()
    with pytest.raises(StoreVersionError):
        SqlcipherDeviceStore(path, KEY)
    assert path.read_bytes() == before


def test_a_transaction_that_does_not_fit_is_undone_and_the_next_one_works(
    tmp_path: Path,
) -> None:
    store = SqlcipherDeviceStore(tmp_path / "device.db", KEY)
    with store.transaction() as t:
        t.put(CONTACTS, contact(1))
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages + 3}").fetchall()

    def fill() -> None:
        with store.transaction() as t:
            t.delete(CONTACTS, contact(1).account)
            with t.savepoint():
                t.put(CHAINS, ChainRow(bytes(32), bytes(100_000)))

    with pytest.raises(DiskFullError):
        fill()
    with store.transaction() as t:
        assert t.get(CONTACTS, contact(1).account) == contact(1)
        t.put(CONTACTS, contact(2))
    store.close()


def test_a_savepoint_that_raises_leaves_the_transaction_open(tmp_path: Path) -> None:
    store = SqlcipherDeviceStore(tmp_path / "device.db", KEY)
    with store.transaction() as t:
        with pytest.raises(ZeroDivisionError):
            fail_in(t, lambda: None)
        t.put(CONTACTS, contact(3))
    with store.transaction() as t:
        assert t.get(CONTACTS, contact(3).account) is not None
    store.close()


@pytest.mark.parametrize("version", range(1, len(schema_versions()) + 1))
def test_a_store_that_each_version_wrote_is_still_read(version: int, tmp_path: Path) -> None:
    path = Path(shutil.copy(DATA / f"device_store_{version}.db", tmp_path / "device.db"))
    store = SqlcipherDeviceStore(path, KEY)
    own = load_own(store)
    assert own.row.name == "anna"
    assert own.row.generation == 1
    with store.transaction() as t:
        rows = t.select(tables.CONTACTS_BY_STATUS, "accepted")
        assert [row.name for row in rows] == ["boris"]
        shown = t.select(tables.MESSAGES_BY_POSITION, rows[0].account)
        texts = [SHOWN.get(row.body_type) or row.body.decode() for row in shown]
        assert texts == SAVED[version]
        assert rows[0].wants_call == own.row.hide_address == 0
        assert t.count(tables.OPEN_CALLS_BY_ID) == texts.count("(call)")
        assert t.select(tables.SESSIONS_OF_DEVICE, rows[0].account)
    store.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(steps=STEPS)
def test_any_changes_leave_what_a_dictionary_would_hold(
    open_store: Callable[[], DeviceStore], steps: list[tuple[str, int, int]]
) -> None:
    compare_with_dictionary(open_store(), steps)
