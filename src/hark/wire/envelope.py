"""The layouts of the sealed envelope, version 1: outer, inner, payload.

Three layers, from the outside in (all integers big-endian)::

    outer, seen by the home                      1,130 bytes and the ciphertext
        version 1 | suite 1 | key id 8 | encapsulated key 1,120 | ciphertext N + 16
    inner, what the seal hides                   59 bytes, Olm message, introduction, zeros
        n 4 | version 1 | flags 1 | from account 32 | from device 16
        | Olm type 1 | Olm length 4 | Olm message | [introduction] | zeros
    payload, what the ratchet authenticates      75 bytes and the body
        version 1 | bind 32 | message id 16 | time in ms 8 | from chain seq 4
        | to chain seq 4 | own envelope-key counter 8 | type 2 | body

`n` counts the bytes of the inner before the zeros, itself included. Everything is of one
form only: what `encode` would not write, `parse` refuses. This module knows layouts and no
keys; the order of the checks is in `hark.messaging.opening`.
Source: spec/messaging.md#envelope.
"""

import struct
from dataclasses import dataclass
from typing import Self

from hark.errors import MalformedError
from hark.wire.ids import AccountId, DeviceId, KeyId, MessageId
from hark.wire.mailbox import MAX_ENVELOPE_BYTES, MAX_U53

ENVELOPE_VERSION = 1
SUITE = 1
"""HPKE base, KEM 0x647A (X-Wing), HKDF-SHA256, ChaCha20-Poly1305."""
INNER_VERSION = 1
PAYLOAD_VERSION = 1

SEALED_OFFSET = 10
"""Where the encapsulated key begins."""
SEAL_OVERHEAD_BYTES = 1120 + 16
"""Encapsulated key and tag."""
MIN_INNER_BYTES = 512
"""Smallest inner: pre-key and normal messages of up to about 320 bytes look alike."""
REQUEST_INNER_BYTES = 16 * 1024
"""Every first contact has this inner size, with or without a rotated root …"""
LARGE_REQUEST_INNER_BYTES = 32 * 1024
"""… unless the introduction does not fit."""
MAX_INNER_BYTES = MAX_ENVELOPE_BYTES - SEALED_OFFSET - SEAL_OVERHEAD_BYTES
MIN_ENVELOPE_BYTES = SEALED_OFFSET + SEAL_OVERHEAD_BYTES + MIN_INNER_BYTES

FLAG_INTRODUCTION = 1

_INNER = struct.Struct(">IBB32s16sBI")
INNER_FIXED_BYTES = _INNER.size
_PAYLOAD = struct.Struct(">B32s16sQIIQH")
PAYLOAD_FIXED_BYTES = _PAYLOAD.size


@dataclass(frozen=True, slots=True)
class OuterEnvelope:
    """What a home sees."""

    key_id: KeyId
    """Random name of the recipient device's envelope key."""
    sealed: bytes
    """Encapsulated key and ciphertext."""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read an envelope.

        Raises:
            MalformedError: another version or suite, or of an impossible length.
        """
        if not MIN_ENVELOPE_BYTES <= len(data) <= MAX_ENVELOPE_BYTES:
            raise MalformedError("an envelope of an impossible length")
        if data[0] != ENVELOPE_VERSION or data[1] != SUITE:
            raise MalformedError("an envelope of another version or suite")
        return cls(KeyId(data[2:SEALED_OFFSET]), data[SEALED_OFFSET:])

    def encode(self) -> bytes:
        """Write the layout above."""
        return bytes((ENVELOPE_VERSION, SUITE)) + self.key_id + self.sealed


@dataclass(frozen=True, slots=True)
class InnerMessage:
    """What the seal hides. The sender named here is only a hint for a look-up."""

    from_account: AccountId
    from_device: DeviceId
    olm_type: int
    """0: opens a session; 1: continues one."""
    olm_body: bytes
    introduction: bytes
    """Who the sender is, for first contact; empty otherwise."""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read the inner, zeros included.

        Raises:
            MalformedError: not as `encode` and padding with zeros would have written it.
        """
        if len(data) < INNER_FIXED_BYTES:
            raise MalformedError("an inner message that is cut off")
        end, version, flags, account, device, olm_type, olm_bytes = _INNER.unpack_from(data)
        olm_end = INNER_FIXED_BYTES + olm_bytes
        if version != INNER_VERSION or flags & ~FLAG_INTRODUCTION or olm_type > 1:
            raise MalformedError("an inner message of another version")
        if not olm_end <= end <= len(data) or olm_bytes == 0:
            raise MalformedError("an inner message whose lengths do not add up")
        if (end > olm_end) != bool(flags & FLAG_INTRODUCTION):
            raise MalformedError("an introduction that is announced and absent, or reversed")
        if data.count(0, end) != len(data) - end:
            raise MalformedError("padding that is not zero")
        return cls(
            AccountId(account),
            DeviceId(device),
            olm_type,
            data[INNER_FIXED_BYTES:olm_end],
            data[olm_end:end],
        )

    def encode(self) -> bytes:
        """Write the layout above, without the zeros."""
        flags = FLAG_INTRODUCTION if self.introduction else 0
        end = INNER_FIXED_BYTES + len(self.olm_body) + len(self.introduction)
        header = _INNER.pack(
            end,
            INNER_VERSION,
            flags,
            self.from_account,
            self.from_device,
            self.olm_type,
            len(self.olm_body),
        )
        return header + self.olm_body + self.introduction


@dataclass(frozen=True, slots=True)
class Payload:
    """What the ratchet authenticates: the fixed part and the body of a message."""

    bind: bytes
    """Who speaks to whom under which envelope key, 32 bytes (`spec/messaging.md#bind`)."""
    message_id: MessageId
    sent_unix_ms: int
    from_chain_seq: int
    """Newest statement of the sender's chain that the sender knows."""
    to_chain_seq: int
    """Newest statement of the recipient's chain that the sender knows."""
    own_key_counter: int
    """Counter of the sender's newest envelope key."""
    body_type: int
    body: bytes

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a payload.

        Raises:
            MalformedError: cut off, of another version, or with a number out of range.
        """
        if len(data) < PAYLOAD_FIXED_BYTES:
            raise MalformedError("a payload that is cut off")
        version, bind, message_id, sent, from_seq, to_seq, counter, body_type = (
            _PAYLOAD.unpack_from(data)
        )
        if version != PAYLOAD_VERSION:
            raise MalformedError("a payload of another version")
        if sent > MAX_U53 or counter > MAX_U53:
            raise MalformedError("a number that is out of range")
        return cls(
            bind,
            MessageId(message_id),
            sent,
            from_seq,
            to_seq,
            counter,
            body_type,
            data[PAYLOAD_FIXED_BYTES:],
        )

    def encode(self) -> bytes:
        """Write the layout above."""
        fixed = _PAYLOAD.pack(
            PAYLOAD_VERSION,
            self.bind,
            self.message_id,
            self.sent_unix_ms,
            self.from_chain_seq,
            self.to_chain_seq,
            self.own_key_counter,
            self.body_type,
        )
        return fixed + self.body
