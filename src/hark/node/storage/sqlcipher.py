"""The device store over SQLCipher (`hark.messaging.store.DeviceStore`).

One connection, one thread, one transaction at a time. Statements are made from the table and
index definitions of messaging, once each; no value ever becomes part of a statement.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from hark.errors import DiskFullError
from hark.messaging.store import Index, RowT, Table, Transaction, Value
from hark.node.storage.database import as_store_errors, open_database


class SqlcipherDeviceStore:
    """A device store in one encrypted file.

    Args:
        path: of the database; made if it is not there.
        key: 32 bytes.

    Raises:
        StoreError, DiskFullError, ConfigurationError: as `open_database`.
    """

    def __init__(self, path: Path, key: bytes) -> None:
        self._connection = open_database(path, key)
        self._savepoints = 0

    def close(self) -> None:
        """Close the file. Everything that was committed is in it."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open a transaction; see `hark.messaging.store.DeviceStore`."""
        with as_store_errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self
                self._connection.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Open a part of the transaction that is undone alone."""
        self._savepoints += 1
        name = f"part{self._savepoints}"
        self._connection.execute(f"SAVEPOINT {name}")
        try:
            yield
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.execute(f"ROLLBACK TO {name}")
                self._connection.execute(f"RELEASE {name}")
                raise
            # SQLite has undone the whole transaction (a full disk does that): nobody may go on
            # in it as if only this part had failed.
            raise DiskFullError("no room in the device store") from error
        else:
            self._connection.execute(f"RELEASE {name}")
        finally:
            self._savepoints -= 1

    def get(self, table: Table[RowT], *key: Value) -> RowT | None:
        """Return the row of this key, or None."""
        row = self._connection.execute(_get_sql(table), key).fetchone()
        return None if row is None else table.make(row)

    def put(self, table: Table[RowT], row: RowT) -> None:
        """Store a row, in the place of one with the same key."""
        self._connection.execute(_put_sql(table), tuple(row))

    def insert(self, table: Table[RowT], row: RowT) -> bool:
        """Store a row unless one with its key is there; whether it was stored."""
        return int(self._connection.execute(_insert_sql(table), tuple(row)).rowcount) == 1

    def delete(self, table: Table[RowT], *key: Value) -> bool:
        """Delete the row of this key; whether there was one."""
        return int(self._connection.execute(_delete_sql(table), key).rowcount) == 1

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
        sql = _select_sql(index, len(equal), above is not None, below is not None, descending)
        bounds = tuple(bound for bound in (above, below) if bound is not None)
        # A negative limit is none.
        values = (*equal, *bounds, -1 if limit is None else limit)
        make = index.table.make
        return [make(row) for row in self._connection.execute(sql, values).fetchall()]

    def count(self, index: Index[RowT], *equal: Value) -> int:
        """Return how many rows have these values in the first columns of `index`."""
        row = self._connection.execute(_count_sql(index, len(equal)), equal).fetchone()
        return int(row[0])

    def _roll_back(self) -> None:
        # SQLite ends the transaction by itself on some errors, a full disk among them.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _where(columns: tuple[str, ...]) -> str:
    return " AND ".join(f"{column} = ?" for column in columns)


@cache
def _get_sql(table: Table[Any]) -> str:
    columns = ", ".join(table.columns)
    where = _where(table.key_columns)
    return f"SELECT {columns} FROM {table.name} WHERE {where}"  # noqa: S608 (our own names)


@cache
def _put_sql(table: Table[Any]) -> str:
    columns = ", ".join(table.columns)
    places = ", ".join("?" for _ in table.columns)
    key = ", ".join(table.key_columns)
    rest = table.columns[table.key_count :]
    # Not INSERT OR REPLACE: that deletes and inserts, and touches every index.
    changes = ", ".join(f"{column} = excluded.{column}" for column in rest)
    action = f"UPDATE SET {changes}" if changes else "NOTHING"
    conflict = f"ON CONFLICT ({key}) DO {action}"
    return f"INSERT INTO {table.name} ({columns}) VALUES ({places}) {conflict}"  # noqa: S608


@cache
def _insert_sql(table: Table[Any]) -> str:
    columns = ", ".join(table.columns)
    places = ", ".join("?" for _ in table.columns)
    ending = "ON CONFLICT DO NOTHING"
    return f"INSERT INTO {table.name} ({columns}) VALUES ({places}) {ending}"  # noqa: S608


@cache
def _delete_sql(table: Table[Any]) -> str:
    where = _where(table.key_columns)
    return f"DELETE FROM {table.name} WHERE {where}"  # noqa: S608


@cache
def _select_sql(
    index: Index[Any], equal_count: int, above: bool, below: bool, descending: bool
) -> str:
    columns = ", ".join(index.table.columns)
    conditions = [f"{column} = ?" for column in index.columns[:equal_count]]
    if above:
        conditions.append(f"{index.columns[equal_count]} > ?")
    if below:
        conditions.append(f"{index.columns[equal_count]} < ?")
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    direction = " DESC" if descending else ""
    rest = () if index.unique else index.table.key_columns
    key = tuple(name for name in rest if name not in index.columns)
    order = ", ".join(f"{column}{direction}" for column in index.columns + key)
    ending = f"{where} ORDER BY {order} LIMIT ?"
    return f"SELECT {columns} FROM {index.table.name} {ending}"  # noqa: S608


@cache
def _count_sql(index: Index[Any], equal_count: int) -> str:
    columns = index.columns[:equal_count]
    where = f"WHERE {_where(columns)}" if columns else ""
    return f"SELECT count(*) FROM {index.table.name} {where}"  # noqa: S608
