"""Fixed binary layouts: what is signed, hashed or compared is written byte by byte.

`Writer` appends fields, `Reader` takes them off the front. Integers are unsigned and
big-endian. A layout read by `Reader` and closed with `end` has exactly one encoding: there is
no padding, no optional length and nothing after the last field. `Reader` raises
`MalformedError` and nothing else, whatever the bytes. Source: spec/identity.md#notation.
"""

from typing import Self

from hark.errors import MalformedError


class Reader:
    """Takes fields off the front of a byte string."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes.

        Raises:
            MalformedError: fewer are left.
        """
        after = self._at + count
        if after > len(self._data):
            raise MalformedError("cut off")
        field = self._data[self._at : after]
        self._at = after
        return field

    def expect(self, constant: bytes) -> None:
        """Take a field that can have one value only.

        Raises:
            MalformedError: it has another.
        """
        if self.take(len(constant)) != constant:
            raise MalformedError("a constant field has another value")

    def u8(self) -> int:
        """Return the next 1-byte integer; `MalformedError` at the end."""
        return self.take(1)[0]

    def u16(self) -> int:
        """Return the next 2-byte integer; `MalformedError` at the end."""
        return int.from_bytes(self.take(2), "big")

    def u32(self) -> int:
        """Return the next 4-byte integer; `MalformedError` at the end."""
        return int.from_bytes(self.take(4), "big")

    def u64(self) -> int:
        """Return the next 8-byte integer; `MalformedError` at the end."""
        return int.from_bytes(self.take(8), "big")

    def sized(self, limit: int) -> bytes:
        """Return the next field that carries its length in 2 bytes.

        Raises:
            MalformedError: longer than `limit` bytes, or cut off.
        """
        length = self.u16()
        if length > limit:
            raise MalformedError("a field is too long")
        return self.take(length)

    def rest(self) -> bytes:
        """Return all bytes that are left."""
        return self.take(len(self._data) - self._at)

    def end(self) -> None:
        """Say that the layout is complete.

        Raises:
            MalformedError: something follows.
        """
        if self._at != len(self._data):
            raise MalformedError("bytes after the end")


class Writer:
    """Appends fields to a byte string. A number out of range is our bug: `OverflowError`."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def raw(self, field: bytes) -> Self:
        """Append bytes as they are."""
        self._parts.append(field)
        return self

    def u8(self, number: int) -> Self:
        """Append a 1-byte integer."""
        return self.raw(number.to_bytes(1, "big"))

    def u16(self, number: int) -> Self:
        """Append a 2-byte integer."""
        return self.raw(number.to_bytes(2, "big"))

    def u32(self, number: int) -> Self:
        """Append a 4-byte integer."""
        return self.raw(number.to_bytes(4, "big"))

    def u64(self, number: int) -> Self:
        """Append an 8-byte integer."""
        return self.raw(number.to_bytes(8, "big"))

    def sized(self, field: bytes) -> Self:
        """Append a field with its length, 2 bytes, before it."""
        return self.u16(len(field)).raw(field)

    def finish(self) -> bytes:
        """Return all that was appended."""
        return b"".join(self._parts)
