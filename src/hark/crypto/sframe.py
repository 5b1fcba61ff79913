"""SFrame: the seal on every frame of a call, inside the encryption of the connection.

A frame is a header (key id and counter), the ciphertext and a tag. A key id names the key, the
counter the nonce: under one key no counter may be used twice. Senders therefore only count
upwards, and receivers open no counter twice.

The labels of the key schedule are those of the RFC. Source: RFC 9605; spec/calls.md#sframe.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hark.errors import ForgedError, MalformedError, ProtocolError, UsageError

TAG_BYTES = 16
NONCE_BYTES = 12
FIRST_COUNTER = 65_536
"""Counters start here, so that each of them takes three bytes and all headers of a key have
one length."""
COUNTER_LIMIT = 2**24
"""No counter reaches this: after 92 hours of voice a new key is needed."""
REPLAY_WINDOW = 1_024
"""A frame may come so many counters after the newest one, and no later: 20 s of voice."""

_MAX_NUMBER = 2**64 - 1
_LARGEST_SHORT = 7
"""Numbers up to this one stand in the first byte of a header."""
_LONG = 8
"""Set beside a length where the number itself follows."""


class Suite(IntEnum):
    """Cipher suites by their registered numbers; hark speaks the first of them."""

    AES_128_GCM_SHA256_128 = 4
    AES_256_GCM_SHA512_128 = 5


_SUITES: dict[Suite, tuple[hashes.HashAlgorithm, int]] = {
    Suite.AES_128_GCM_SHA256_128: (hashes.SHA256(), 16),
    Suite.AES_256_GCM_SHA512_128: (hashes.SHA512(), 32),
}
"""Hash of the key schedule, and bytes of a key."""


class Header(NamedTuple):
    """What stands before the ciphertext, in clear but authenticated."""

    key_id: int
    counter: int
    size: int
    """Bytes that the header takes."""


def encode_header(key_id: int, counter: int) -> bytes:
    """Encode a header, 1 to 17 bytes. Both numbers are below 2**64. Source: RFC 9605, 4.3."""
    key_bits, key_bytes = _encode_number(key_id)
    counter_bits, counter_bytes = _encode_number(counter)
    return bytes((key_bits << 4 | counter_bits,)) + key_bytes + counter_bytes


def parse_header(data: bytes) -> Header:
    """Parse the header at the beginning of `data`.

    Raises:
        MalformedError: cut off, or a number in more bytes than it needs.
    """
    if not data:
        raise MalformedError("a frame without a header")
    key_id, place = _parse_number(data, data[0] >> 4, 1)
    counter, place = _parse_number(data, data[0] & 15, place)
    return Header(key_id, counter, place)


def _encode_number(number: int) -> tuple[int, bytes]:
    """Return the four bits of `number` in the first byte, and the bytes that follow."""
    if not 0 <= number <= _MAX_NUMBER:
        raise ValueError("a key id or counter of SFrame is below 2**64")
    if number <= _LARGEST_SHORT:
        return number, b""
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return _LONG | len(raw) - 1, raw


def _parse_number(data: bytes, bits: int, place: int) -> tuple[int, int]:
    """Return a number by its four bits, and the place behind it."""
    if not bits & _LONG:
        return bits, place
    end = place + (bits & 7) + 1
    raw = data[place:end]
    number = int.from_bytes(raw, "big")
    if len(data) < end or _encode_number(number) != (bits, raw):
        raise MalformedError("a frame whose header is cut off or not canonical")
    return number, end


class FrameKey:
    """The key and salt of one key id. It keeps no count: see `SFrameSender`."""

    __slots__ = ("_cipher", "_key_id", "_salt")

    def __init__(
        self, base_key: bytes, key_id: int, suite: Suite = Suite.AES_128_GCM_SHA256_128
    ) -> None:
        key, salt = derive_key(base_key, key_id, suite)
        self._cipher = AESGCM(key)
        self._salt = int.from_bytes(salt, "big")
        self._key_id = key_id

    def seal(self, counter: int, frame: bytes, metadata: bytes = b"") -> bytes:
        """Seal a frame under a counter that was never used with this key.

        Args:
            counter: below 2**64.
            frame: of any length.
            metadata: authenticated, not part of the result.

        Returns:
            Header, ciphertext and tag.
        """
        header = encode_header(self._key_id, counter)
        return header + self._cipher.encrypt(self._nonce(counter), frame, header + metadata)

    def open(self, header: Header, data: bytes, metadata: bytes = b"") -> bytes:
        """Open `data`, the whole sealed frame, whose header is `header`.

        Raises:
            ForgedError: altered, cut off, or sealed under another key or metadata.
        """
        aad = data[: header.size] + metadata
        try:
            return self._cipher.decrypt(self._nonce(header.counter), data[header.size :], aad)
        except (InvalidTag, ValueError):
            raise ForgedError("a frame does not open") from None

    def _nonce(self, counter: int) -> bytes:
        return (self._salt ^ counter).to_bytes(NONCE_BYTES, "big")


def derive_key(base_key: bytes, key_id: int, suite: Suite) -> tuple[bytes, bytes]:
    """Return key and salt of `key_id` under `base_key`. Source: RFC 9605, 4.4.2."""
    algorithm, key_bytes = _SUITES[suite]
    context = key_id.to_bytes(8, "big") + suite.to_bytes(2, "big")
    key_info, salt_info = (
        b"SFrame 1.0 Secret key " + context,
        b"SFrame 1.0 Secret salt " + context,
    )
    return (
        HKDF(algorithm, key_bytes, None, key_info).derive(base_key),
        HKDF(algorithm, NONCE_BYTES, None, salt_info).derive(base_key),
    )


class SFrameSender:
    """Seals what one stream sends on one connection, each frame under the next counter."""

    __slots__ = ("_counter", "_key")

    def __init__(
        self, base_key: bytes, key_id: int, first_counter: int = FIRST_COUNTER
    ) -> None:
        if not FIRST_COUNTER <= first_counter <= COUNTER_LIMIT:
            raise ValueError("a counter that would not take three bytes")
        self._key = FrameKey(base_key, key_id)
        self._counter = first_counter

    @property
    def counter(self) -> int:
        """The counter of the next frame."""
        return self._counter

    def seal(self, frame: bytes) -> bytes:
        """Seal the next frame. All frames of a sender grow by the same number of bytes.

        Raises:
            UsageError: the counters are used up. Another connection has another key id.
        """
        if self._counter >= COUNTER_LIMIT:
            raise UsageError("a connection has sealed as many frames as one key may")
        sealed = self._key.seal(self._counter, frame)
        self._counter += 1
        return sealed


@dataclass(frozen=True, slots=True)
class OpenedFrame:
    """A frame that was sealed by the other end and has not been opened before."""

    counter: int
    """Grows by one with every frame that the sender has sealed."""
    frame: bytes = field(repr=False)


class SFrameReceiver:
    """Opens what one stream of the other end sends on one connection, each frame once."""

    __slots__ = ("_key", "_key_id", "_newest", "_seen")

    def __init__(self, base_key: bytes, key_id: int) -> None:
        self._key = FrameKey(base_key, key_id)
        self._key_id = key_id
        self._newest = FIRST_COUNTER - 1
        # Bit n: the counter n below the newest one has been opened.
        self._seen = 0

    def open(self, data: bytes) -> OpenedFrame:
        """Open a sealed frame. What is refused changes nothing here.

        Raises:
            MalformedError: the header is cut off or not canonical.
            ProtocolError: another key id, a counter out of range, opened before, or too old.
            ForgedError: altered, cut off, or sealed under another key.
        """
        header = parse_header(data)
        if header.key_id != self._key_id:
            raise ProtocolError("a frame under a key id that is not of this stream")
        if not FIRST_COUNTER <= header.counter < COUNTER_LIMIT:
            raise ProtocolError("a frame whose counter is out of range")
        self._check_new(header.counter)
        frame = self._key.open(header, data)
        self._remember(header.counter)
        return OpenedFrame(header.counter, frame)

    def _check_new(self, counter: int) -> None:
        age = self._newest - counter
        if age >= REPLAY_WINDOW or (age >= 0 and self._seen >> age & 1):
            raise ProtocolError("a frame that has been opened before, or is too old to tell")

    def _remember(self, counter: int) -> None:
        age = self._newest - counter
        if age >= 0:
            self._seen |= 1 << age
            return
        self._newest = counter
        # Counters are below 2**24, so the shift is bounded before the mask cuts it.
        self._seen = (self._seen << -age | 1) & ((1 << REPLAY_WINDOW) - 1)
