"""A dictionary whose changes since the last commit can be undone.

The mailbox service changes its memory while it works through a batch; when the database then
cannot commit, the memory must be as before. Values are never changed in place, only replaced.
"""

from collections.abc import Iterator
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class UndoableDict(Generic[K, V]):
    """A mapping with `commit` and `rollback`."""

    __slots__ = ("_before", "_items")

    def __init__(self) -> None:
        self._items: dict[K, V] = {}
        self._before: dict[K, V | None] = {}
        """Of each key changed since the last commit: its value then, None for absent."""

    def get(self, key: K) -> V | None:
        """Return the value, or None."""
        return self._items.get(key)

    def set(self, key: K, value: V) -> None:
        """Add or replace."""
        if key not in self._before:
            self._before[key] = self._items.get(key)
        self._items[key] = value

    def pop(self, key: K) -> V | None:
        """Remove and return the value, or None."""
        if key not in self._items:
            return None
        if key not in self._before:
            self._before[key] = self._items[key]
        return self._items.pop(key)

    def commit(self) -> None:
        """Keep the changes."""
        self._before.clear()

    def rollback(self) -> None:
        """Undo the changes since the last commit."""
        for key, value in self._before.items():
            if value is None:
                self._items.pop(key, None)
            else:
                self._items[key] = value
        self._before.clear()

    def items(self) -> list[tuple[K, V]]:
        """Return a copy of all pairs."""
        return list(self._items.items())

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[K]:
        return iter(list(self._items))
