"""A device store in dictionaries, for tests and the simulator.

It keeps the contract of `hark.messaging.store`: what a transaction did is undone when its
block raises. `fault` is called before and after each commit that changes something; one that
raises `Crash` is a power cut at that very place: before it, nothing of the transaction is
kept, after it, everything is, and in neither case does its owner hear of success.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hark.messaging import tables
from hark.messaging.store import Index, RowT, Table, Transaction, Value

Key = tuple[Value, ...]
Undo = tuple[Table[Any], Key, tuple[Value, ...] | None]

ALL_INDEXES: tuple[Index[Any], ...] = tuple(
    value for value in vars(tables).values() if isinstance(value, Index)
)
BEFORE_COMMIT = "before commit"
AFTER_COMMIT = "after commit"


class Crash(BaseException):
    """The device loses power here. Not an `Exception`: nothing may swallow it."""


class DictDeviceStore:
    """Rows by table and key, and one sorted list of keys for each index."""

    def __init__(self, fault: Callable[[str], None] | None = None) -> None:
        self._rows: dict[str, dict[Key, tuple[Value, ...]]] = {}
        self._orders: dict[str, list[Key]] = {index.name: [] for index in ALL_INDEXES}
        self._indexes: dict[str, list[tuple[Index[Any], list[int]]]] = {}
        for index in ALL_INDEXES:
            places = [index.table.columns.index(column) for column in index.columns]
            self._indexes.setdefault(index.table.name, []).append((index, places))
        self._undo: list[Undo] | None = None
        self.fault = fault
        self.commit_count = 0
        """Transactions that have changed something."""

    def copy(self) -> "DictDeviceStore":
        """Return a copy of what was committed, as a backup of the file would be."""
        assert self._undo is None, "in the middle of a transaction"
        other = DictDeviceStore(self.fault)
        other._rows = {name: dict(rows) for name, rows in self._rows.items()}
        other._orders = {name: list(order) for name, order in self._orders.items()}
        return other

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open a transaction; see `hark.messaging.store.DeviceStore`."""
        assert self._undo is None, "transactions do not nest"
        self._undo = []
        try:
            yield self
            changed = bool(self._undo)
            if changed and self.fault is not None:
                self.fault(BEFORE_COMMIT)
        except BaseException:
            self._undo_to(0)
            self._undo = None
            raise
        self._undo = None
        self.commit_count += changed
        if changed and self.fault is not None:
            self.fault(AFTER_COMMIT)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Open a part of the transaction that is undone alone."""
        assert self._undo is not None
        mark = len(self._undo)
        try:
            yield
        except BaseException:
            self._undo_to(mark)
            raise

    def get(self, table: Table[RowT], *key: Value) -> RowT | None:
        """Return the row of this key, or None."""
        row = self._rows.get(table.name, {}).get(key)
        return None if row is None else table.make(row)

    def put(self, table: Table[RowT], row: RowT) -> None:
        """Store a row, in the place of one with the same key."""
        self._change(table, row[: table.key_count], tuple(row))

    def insert(self, table: Table[RowT], row: RowT) -> bool:
        """Store a row unless one with its key is there."""
        key = row[: table.key_count]
        if key in self._rows.get(table.name, {}):
            return False
        self._change(table, key, tuple(row))
        return True

    def delete(self, table: Table[RowT], *key: Value) -> bool:
        """Delete the row of this key."""
        if key not in self._rows.get(table.name, {}):
            return False
        self._change(table, key, None)
        return True

    def select(
        self,
        index: Index[RowT],
        *equal: Value,
        above: Value | None = None,
        below: Value | None = None,
        limit: int | None = None,
        descending: bool = False,
    ) -> list[RowT]:
        """Return rows in the order of `index`."""
        order = self._orders[index.name]
        start, end = self._range(order, equal, above, below)
        keys = order[start:end]
        if descending:
            keys.reverse()
        rows = self._rows.get(index.table.name, {})
        width = len(index.columns)
        return [index.table.make(rows[key[width:]]) for key in keys[:limit]]

    def count(self, index: Index[RowT], *equal: Value) -> int:
        """Return how many rows have these values in the first columns."""
        start, end = self._range(self._orders[index.name], equal, None, None)
        return end - start

    def _range(
        self, order: list[Key], equal: Key, above: Value | None, below: Value | None
    ) -> tuple[int, int]:
        """Return the slice of an index that the conditions name."""
        width = len(equal)

        def first(key: Key) -> Key:
            return key[: width + 1]

        if above is None:
            start = bisect_left(order, equal, key=lambda key: key[:width])
        else:
            start = bisect_right(order, (*equal, above), key=first)
        if below is None:
            end = bisect_right(order, equal, key=lambda key: key[:width])
        else:
            end = bisect_left(order, (*equal, below), key=first)
        return start, max(start, end)

    def _change(self, table: Table[Any], key: Key, row: tuple[Value, ...] | None) -> None:
        assert self._undo is not None, "a change outside a transaction"
        old = self._set(table, key, row)
        self._undo.append((table, key, old))

    def _set(
        self, table: Table[Any], key: Key, row: tuple[Value, ...] | None
    ) -> tuple[Value, ...] | None:
        rows = self._rows.setdefault(table.name, {})
        old = rows.pop(key, None)
        for index, places in self._indexes.get(table.name, ()):
            order = self._orders[index.name]
            if old is not None:
                place = bisect_left(order, (*(old[i] for i in places), *key))
                del order[place]
            if row is not None:
                insort(order, (*(row[i] for i in places), *key))
        if row is not None:
            rows[key] = row
        return old

    def _undo_to(self, mark: int) -> None:
        assert self._undo is not None
        while len(self._undo) > mark:
            self._set(*self._undo.pop())
