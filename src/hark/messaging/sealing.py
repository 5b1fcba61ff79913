"""The sealed envelope: from a ratchet message to bytes for a mailbox, and back.

Pure functions over keys. What has to be looked up, and in which order the checks are made, is
in `hark.messaging.opening`. Source: spec/messaging.md#envelope.
"""

from dataclasses import dataclass
from functools import lru_cache

from hark.crypto.hashing import labelled_hash
from hark.crypto.labels import Label
from hark.crypto.padding import padded_length
from hark.crypto.xwing import EnvelopeSecret, seal
from hark.errors import MalformedError
from hark.identity.devices import Device
from hark.identity.envelope_key import EnvelopeKeyRecord
from hark.wire.envelope import (
    LARGE_REQUEST_INNER_BYTES,
    MIN_INNER_BYTES,
    REQUEST_INNER_BYTES,
    SUITE,
    InnerMessage,
    OuterEnvelope,
)
from hark.wire.ids import AccountId

_SUITE_BYTES = bytes([SUITE])


@dataclass(frozen=True, slots=True)
class Party:
    """A device of an account, as a *verified* chain lists it."""

    account: AccountId
    device: Device


def bind_of(sender: Party, recipient: Party, record_hash: bytes) -> bytes:
    """Return what ties a payload to sender, recipient and envelope key, 32 bytes.

    Olm does not authenticate identities, and the seal authenticates nobody: without this, a
    message to one could be passed off as a message to another (unknown key share).

    Args:
        sender: who writes.
        recipient: for whom it is.
        record_hash: hash of the envelope-key record that the envelope is sealed to.
    """
    return labelled_hash(
        Label.BIND,
        sender.account,
        sender.device.ed_key,
        sender.device.curve_key,
        recipient.account,
        recipient.device.ed_key,
        recipient.device.curve_key,
        record_hash,
    )


def seal_envelope(
    record: EnvelopeKeyRecord, inner: InnerMessage, *, as_request: bool = False
) -> bytes:
    """Pad and seal an inner message to a device's envelope key.

    Args:
        record: the recipient device's verified record.
        inner: the message.
        as_request: pad to the size that a requests mailbox takes, whatever is inside.

    Raises:
        MalformedError: the record's key is not usable.
    """
    plaintext = inner.encode()
    padded = plaintext.ljust(_padded_bytes(len(plaintext), as_request=as_request), b"\0")
    sealed = seal(record.public, _info(record), padded)
    return OuterEnvelope(record.key_id, sealed).encode()


def open_envelope(
    record: EnvelopeKeyRecord, secret: EnvelopeSecret, outer: OuterEnvelope
) -> InnerMessage:
    """Open an envelope for one of our own keys.

    Raises:
        ForgedError: not sealed to this key for this device, or altered.
        MalformedError: what is inside is not padded or laid out as it must be.
    """
    plaintext = secret.open(_info(record), outer.sealed)
    inner = InnerMessage.parse(plaintext)
    unpadded = len(inner.encode())
    allowed = {_padded_bytes(unpadded, as_request=request) for request in (False, True)}
    if len(plaintext) not in allowed:
        raise MalformedError("an inner message that is not padded as it must be")
    return inner


@lru_cache(maxsize=1024)
def parse_record(data: bytes) -> EnvelopeKeyRecord:
    """Read a record that was verified before it was stored."""
    return EnvelopeKeyRecord.parse(data)


def _info(record: EnvelopeKeyRecord) -> bytes:
    """Return the context of the seal: to whom, under which key."""
    return (
        Label.ENVELOPE
        + _SUITE_BYTES
        + record.account_id
        + record.device_id
        + record.key_id
        + record.record_hash
    )


def _padded_bytes(length: int, *, as_request: bool) -> int:
    """Return the padded length of an inner message."""
    if as_request:
        for bucket in (REQUEST_INNER_BYTES, LARGE_REQUEST_INNER_BYTES):
            if length <= bucket:
                return bucket
    return padded_length(length, MIN_INNER_BYTES)
