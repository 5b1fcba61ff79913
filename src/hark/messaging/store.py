"""What messaging needs of a database: a synchronous store of typed rows, with transactions.

A `Table` says how a row looks and what its key is, an `Index` in which other order it is
read. The rows themselves are in `hark.messaging.tables`. Implemented over SQLCipher in
`hark.node.storage` and over dictionaries in `hark_lab.sim`; one set of contract tests holds
both to the same behaviour.

Everything inside one `transaction()` becomes durable together when the block ends, or not at
all when it raises. There is one writer, and transactions do not nest; `savepoint()` is the
part of a transaction that can be given up alone. Source: spec/messaging.md#storage.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

Value = int | bytes | str
"""What a column holds. There are no NULLs: empty bytes and 0 say *none*."""

RowT = TypeVar("RowT", bound=tuple[Value, ...])


@dataclass(frozen=True, slots=True, eq=False)
class Table(Generic[RowT]):
    """A kind of row. The first `key_count` columns name a row."""

    name: str
    columns: tuple[str, ...]
    key_count: int
    make: Callable[[Iterable[Any]], RowT]  # `NamedTuple._make` is typed so
    """Turns the values of all columns, in order, into a row."""

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns that name a row."""
        return self.columns[: self.key_count]


@dataclass(frozen=True, slots=True, eq=False)
class Index(Generic[RowT]):
    """An order in which the rows of a table are read: by `columns`, then by the key."""

    name: str
    table: Table[RowT]
    columns: tuple[str, ...]
    unique: bool = False
    """Whether the columns name a row by themselves, so that the key adds nothing."""

    @property
    def is_of_key(self) -> bool:
        """Whether this is the order of the key itself, so that a database has it already."""
        return self.table.key_columns[: len(self.columns)] == self.columns


class Transaction(Protocol):
    """Reads and writes of one transaction; a read sees the writes before it."""

    def get(self, table: Table[RowT], *key: Value) -> RowT | None:
        """Return the row of this key, or None."""

    def put(self, table: Table[RowT], row: RowT) -> None:
        """Store a row, in the place of one with the same key."""

    def insert(self, table: Table[RowT], row: RowT) -> bool:
        """Store a row unless one with its key is there; whether it was stored."""

    def delete(self, table: Table[RowT], *key: Value) -> bool:
        """Delete the row of this key; whether there was one."""

    def select(
        self,
        index: Index[RowT],
        *equal: Value,
        above: Value | None = None,
        below: Value | None = None,
        limit: int | None = None,
        descending: bool = False,
    ) -> list[RowT]:
        """Return rows in the order of `index`.

        Args:
            index: the order.
            equal: values that the first columns of the index must have.
            above: the next column must be greater than this.
            below: the next column must be smaller than this.
            limit: at most so many rows.
            descending: from the other end.
        """

    def count(self, index: Index[RowT], *equal: Value) -> int:
        """Return how many rows have these values in the first columns of `index`."""

    def savepoint(self) -> AbstractContextManager[None]:
        """Open a part of the transaction that is undone alone when its block raises."""


class DeviceStore(Protocol):
    """A durable place for one device's account, ratchets, contacts and messages."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Open a transaction: committed when the block ends, undone when it raises.

        Raises:
            DiskFullError: there is no room to commit; nothing of the block is kept.
            StoreDamagedError: the database is not readable.
        """
