"""The envelope-key record: the public key to which envelopes for a device are sealed.

The device makes a new key every 24 hours while it is online and signs a record of it. The
counter, not the clock, stops an old record from coming back; the dates bound how long a key is
used when its device is away. Source: spec/identity.md#envelope-key-record.
"""

from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import cached_property
from typing import Protocol, Self

from hark.crypto.hashing import sha256
from hark.crypto.labels import Label
from hark.crypto.signing import ED25519_SIGNATURE_BYTES
from hark.crypto.xwing import PUBLIC_BYTES
from hark.errors import ForgedError, MalformedError, ProtocolError
from hark.identity.devices import Device
from hark.wire.ids import (
    ACCOUNT_ID_BYTES,
    DEVICE_ID_BYTES,
    KEY_ID_BYTES,
    AccountId,
    DeviceId,
    KeyId,
)
from hark.wire.layout import Reader, Writer

HOUR_MS = 60 * 60 * 1000
DAY_MS = 24 * HOUR_MS

ENVELOPE_KEY_LIFE_MS = DAY_MS
"""From `not_before` to `not_after`, as we make records."""
MAX_ENVELOPE_KEY_LIFE_MS = 30 * DAY_MS
"""Longest life that a record may claim."""
MAX_COUNTER = 2**53 - 1
"""Messages carry the counter in 53 bits, and a database takes no more than 63."""
CLOCK_SLACK_MS = 26 * HOUR_MS
"""How far two clocks may be apart: a day and the widest mistake of a time zone."""
MAX_EXPIRED_USE_MS = 30 * DAY_MS
"""How long after its end the newest key of a device that is away may still be used."""


class DeviceSigner(Protocol):
    """What signs for a device: `OlmAccount` in a node, `SigningKey` in vectors."""

    def sign(self, label: Label, message: bytes) -> bytes:
        """Return the device's Ed25519 signature over the label and `message`."""


class Freshness(Enum):
    """Whether a record may be used now."""

    FRESH = auto()
    """Yes."""
    EXPIRED = auto()
    """Only if a fetch has just said that it is still the newest."""


@dataclass(frozen=True)
class EnvelopeKeyRecord:
    """1,370 bytes, all of them but the signature signed by the device.

    Label (10), account id (32), device id (16), key id (8), counter (8), not_before (8),
    not_after (8), X-Wing public key (1,216), Ed25519 signature (64).
    """

    account_id: AccountId
    device_id: DeviceId
    key_id: KeyId
    """8 random bytes, which name the key in an envelope."""
    counter: int
    """Rises by at least 1 with every key of the device; from 1."""
    not_before_unix_ms: int
    not_after_unix_ms: int
    public: bytes
    """X-Wing public key, 1,216 bytes."""
    signature: bytes

    @classmethod
    def sign(
        cls,
        signer: DeviceSigner,
        *,
        account_id: AccountId,
        device_id: DeviceId,
        key_id: KeyId,
        counter: int,
        not_before_unix_ms: int,
        not_after_unix_ms: int,
        public: bytes,
    ) -> Self:
        """Make a record signed by the device.

        Raises:
            MalformedError: a rule of `parse` is broken.
        """
        unsigned = cls(
            account_id,
            device_id,
            key_id,
            counter,
            not_before_unix_ms,
            not_after_unix_ms,
            public,
            bytes(ED25519_SIGNATURE_BYTES),
        )
        signature = signer.sign(Label.ENVELOPE_KEY, unsigned.body())
        return cls.parse(replace(unsigned, signature=signature).encode())

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read the layout above; the signature is not checked yet.

        Raises:
            MalformedError: not the layout, a counter out of range, or a life of 0 or above 30
                days.
        """
        reader = Reader(data)
        reader.expect(Label.ENVELOPE_KEY)
        record = cls(
            AccountId(reader.take(ACCOUNT_ID_BYTES)),
            DeviceId(reader.take(DEVICE_ID_BYTES)),
            KeyId(reader.take(KEY_ID_BYTES)),
            reader.u64(),
            reader.u64(),
            reader.u64(),
            reader.take(PUBLIC_BYTES),
            reader.take(ED25519_SIGNATURE_BYTES),
        )
        reader.end()
        if not 1 <= record.counter <= MAX_COUNTER:
            raise MalformedError("an envelope key's counter is out of range")
        life_ms = record.not_after_unix_ms - record.not_before_unix_ms
        if not 0 < life_ms <= MAX_ENVELOPE_KEY_LIFE_MS:
            raise MalformedError("an impossible life of an envelope key")
        return record

    def body(self) -> bytes:
        """Return what is signed, without the label."""
        return (
            Writer()
            .raw(self.account_id)
            .raw(self.device_id)
            .raw(self.key_id)
            .u64(self.counter)
            .u64(self.not_before_unix_ms)
            .u64(self.not_after_unix_ms)
            .raw(self.public)
            .finish()
        )

    def encode(self) -> bytes:
        """Write the layout above."""
        return Label.ENVELOPE_KEY + self.body() + self.signature

    @cached_property
    def record_hash(self) -> bytes:
        """SHA-256 over all bytes of the record; part of every envelope's `info` and `bind`."""
        return sha256(self.encode())

    def verify(self, account_id: AccountId, device: Device) -> None:
        """Check that the record is of this device of this account, and signed by it.

        Args:
            account_id: the account whose verified chain lists `device`.
            device: the device as the chain lists it.

        Raises:
            ForgedError: it is not.
        """
        if (self.account_id, self.device_id) != (account_id, device.device_id):
            raise ForgedError("an envelope key of another device")
        device.key.verify(Label.ENVELOPE_KEY, self.body(), self.signature)

    def check_fresh(self, now_unix_ms: int, lowest_counter: int) -> Freshness:
        """Judge whether the record may be used now, with a slack of 26 hours both ways.

        Args:
            now_unix_ms: calendar time.
            lowest_counter: the highest counter seen from this device; 0 for none.

        Raises:
            ProtocolError: an older record than one already seen, not valid yet, or expired for
                more than 30 days.
        """
        if self.counter < lowest_counter:
            raise ProtocolError("an older envelope key than the one known")
        if now_unix_ms + CLOCK_SLACK_MS < self.not_before_unix_ms:
            raise ProtocolError("an envelope key from the future: a clock is wrong")
        late_ms = now_unix_ms - CLOCK_SLACK_MS - self.not_after_unix_ms
        if late_ms > MAX_EXPIRED_USE_MS:
            raise ProtocolError("an envelope key that expired too long ago")
        return Freshness.EXPIRED if late_ms > 0 else Freshness.FRESH
