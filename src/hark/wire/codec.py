"""Typed, bounded MessagePack and JSON: the only module family that knows `msgspec`.

`Message` is the base of every MessagePack message (arrays, tagged by a number where there is
a union), `Record` the base of every JSON object of the control contract. Every field has a
type and every length a bound; unknown fields are refused.

MessagePack is *not* canonical: what is signed, hashed or compared must be parsed with
`parse_canonical`, which re-encodes and compares. `parse*` raise `MalformedError` and nothing
else. Source: spec/link.md#encoding.
"""

from typing import Generic, TypeVar, dataclass_transform

import msgspec

from hark.errors import MalformedError

T = TypeVar("T")

Meta = msgspec.Meta
"""Bounds of a field, inside `Annotated`; here for packages that must not know `msgspec`."""


# The decorator tells type checkers that subclasses are frozen too.
@dataclass_transform(frozen_default=True)
class Message(
    msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True
):
    """Base of a MessagePack message: a frozen struct, encoded as an array."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of a JSON object of the control contract."""


_ENCODER = msgspec.msgpack.Encoder()
_JSON_ENCODER = msgspec.json.Encoder()


def encode(message: Message) -> bytes:
    """Encode a message as MessagePack."""
    return _ENCODER.encode(message)


def encode_json(record: object) -> bytes:
    """Encode a record, or a list of records, as JSON (bytes become base64)."""
    return _JSON_ENCODER.encode(record)


class Parser(Generic[T]):
    """A compiled parser of one MessagePack type or union of `Message` types."""

    def __init__(self, message_type: object) -> None:
        self._decoder: msgspec.msgpack.Decoder[T] = msgspec.msgpack.Decoder(message_type)

    def parse(self, data: bytes | bytearray | memoryview) -> T:
        """Parse `data` as one message.

        Raises:
            MalformedError: not one well-formed message of this type.
        """
        try:
            return self._decoder.decode(data)
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            raise MalformedError("not a well-formed message") from error

    def parse_canonical(self, data: bytes) -> T:
        """Parse `data`, and refuse it unless encoding the result gives the same bytes.

        Raises:
            MalformedError: not well-formed, or not as `encode` would have written it.
        """
        message = self.parse(data)
        if _ENCODER.encode(message) != data:
            raise MalformedError("not in canonical form")
        return message


class JsonParser(Generic[T]):
    """A parser of one JSON type of the control contract, compiled when it is first used.

    A command uses one or two of the many that there are, and a person waits for it.
    """

    def __init__(self, record_type: object) -> None:
        self._record_type = record_type
        self._decoder: msgspec.json.Decoder[T] | None = None

    def parse(self, data: bytes | str) -> T:
        """Parse `data` as one JSON value.

        Raises:
            MalformedError: not well-formed, or of another shape; the message names the field.
        """
        if self._decoder is None:
            self._decoder = msgspec.json.Decoder(self._record_type)
        try:
            return self._decoder.decode(data)
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            raise MalformedError(str(error)) from error
