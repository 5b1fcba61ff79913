"""A transaction that remembers the rows it has seen, and how soon one asks for attention.

A message touches its contact, its device and its conversation several times; each is read from
the store once for a transaction. What is written goes through at once, so the store never
lacks anything that is remembered here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hark.messaging.store import Index, RowT, Table, Transaction, Value
from hark.messaging.tables import (
    CONTACTS,
    CONVERSATIONS,
    NEVER_UNIX_MS,
    OUTBOX,
    PEER_DEVICES,
    PEERS_BY_ACCOUNT,
    RECEIPTS,
    OutboxRow,
    ReceiptRow,
)

_REMEMBERED: tuple[Table[Any], ...] = (CONTACTS, PEER_DEVICES, CONVERSATIONS)
_TIMED: tuple[Table[Any], ...] = (OUTBOX, RECEIPTS)


class RecallingTransaction:
    """Keeps the contract of `hark.messaging.store.Transaction`, over another one."""

    def __init__(self, inner: Transaction) -> None:
        self._inner = inner
        self._rows: dict[tuple[str, tuple[Value, ...]], Any] = {}
        self._devices: dict[tuple[Value, ...], list[Any]] = {}
        self.earliest_due_unix_ms = NEVER_UNIX_MS
        """When the first of the rows written here is to be looked at."""

    def get(self, table: Table[RowT], *key: Value) -> RowT | None:
        """Return the row of this key, or None."""
        if table not in _REMEMBERED:
            return self._inner.get(table, *key)
        name = (table.name, key)
        if name not in self._rows:
            self._rows[name] = self._inner.get(table, *key)
        row: RowT | None = self._rows[name]
        return row

    def put(self, table: Table[RowT], row: RowT) -> None:
        """Store a row, in the place of one with the same key."""
        self._inner.put(table, row)
        self._note(table, row)

    def insert(self, table: Table[RowT], row: RowT) -> bool:
        """Store a row unless one with its key is there; whether it was stored."""
        stored = self._inner.insert(table, row)
        if stored:
            self._note(table, row)
        return stored

    def delete(self, table: Table[RowT], *key: Value) -> bool:
        """Delete the row of this key; whether there was one."""
        self._rows.pop((table.name, key), None)
        self._devices.clear()
        return self._inner.delete(table, *key)

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
        plain = index is PEERS_BY_ACCOUNT and above is None and below is None and not limit
        if plain and equal in self._devices:
            return list(self._devices[equal])
        rows = self._inner.select(
            index, *equal, above=above, below=below, limit=limit, descending=descending
        )
        if index.table in _REMEMBERED:
            for row in rows:
                self._rows[index.table.name, row[: index.table.key_count]] = row
        if plain and not descending:
            self._devices[equal] = list(rows)
        return rows

    def count(self, index: Index[RowT], *equal: Value) -> int:
        """Return how many rows have these values in the first columns of `index`."""
        return self._inner.count(index, *equal)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Open a part of the transaction that is undone alone when its block raises."""
        try:
            with self._inner.savepoint():
                yield
        except BaseException:
            self._rows.clear()
            self._devices.clear()
            raise

    def _note(self, table: Table[RowT], row: RowT) -> None:
        if table in _REMEMBERED:
            self._rows[table.name, row[: table.key_count]] = row
            if table is PEER_DEVICES:
                self._devices.clear()
        elif table in _TIMED:
            assert isinstance(row, OutboxRow | ReceiptRow)
            self.earliest_due_unix_ms = min(self.earliest_due_unix_ms, row.due_unix_ms)
