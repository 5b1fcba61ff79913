"""Opening an envelope: the checks, in their one order.

 1. version, suite and length;
 2. the key id is one of ours;
 3. the envelope's hash has not been seen (fallback pre-key messages can be replayed);
 4. the seal opens for this key, this account and this device;
 5. the sender is a device of a verified chain, known or introduced; never ourselves;
 6. the ratchet opens the message, under the curve key that the *chain* names;
 7. the bind inside names sender, recipient and envelope key (constant time);
 8. the caller stores ratchet, hash and effect in one transaction,
 9. and only after it lets the home delete the envelope.

Nothing is stored before step 7 has passed, and nothing is ever answered to whoever failed.
Source: spec/messaging.md#receive-order.
"""

from contextlib import suppress
from dataclasses import dataclass

from hark.crypto.admission import envelope_hash
from hark.crypto.hashing import equal
from hark.errors import ForgedError, PeerError
from hark.identity.chain import Change, IdentityChain
from hark.identity.devices import Device
from hark.identity.envelope_key import EnvelopeKeyRecord
from hark.identity.introduction import Introduction
from hark.messaging import envelope_keys, peers, sessions, trust
from hark.messaging.sealing import Party, bind_of, open_envelope, parse_record
from hark.messaging.sessions import Decrypted
from hark.messaging.tables import (
    ENVELOPE_KEYS,
    PEER_DEVICES,
    SEEN,
    EnvelopeKeyRow,
    SeenRow,
)
from hark.messaging.work import Work
from hark.wire.envelope import InnerMessage, OuterEnvelope, Payload
from hark.wire.ids import AccountId, DeviceId, KeyId


class UnopenedError(Exception):
    """An envelope failed a check. Not an error of ours: it goes to the quarantine."""

    def __init__(
        self, cause: str, account: bytes = b"", device: bytes = b"", *, learn: bool = False
    ) -> None:
        super().__init__(cause)
        self.cause = cause
        """Name of the check: `FAILURES`."""
        self.account = account
        """Who the sender claims to be, unproven; empty when that is not even known."""
        self.device = device
        self.learn = learn
        """Whether a newer chain of that account may cure it."""
        self.fork: IdentityChain | None = None
        """A validly signed chain that contradicts the one we know. It is proof by itself,
        whoever brought it."""


FAILURES = {
    "malformed": "not an envelope of this version",
    "unknown_key": "sealed to a key that has been deleted, or was never ours",
    "not_opened": "the seal does not open",
    "unknown_sender": "from a device that no known chain lists",
    "bad_introduction": "the introduction does not prove its sender",
    "not_decrypted": "no session opens it",
    "bad_bind": "meant for somebody else, or passed off as another's",
}
"""Causes that this module gives, and what they mean."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An envelope that has passed every check; nothing of it is stored yet."""

    envelope_hash: bytes
    key_id: KeyId
    sender: Party
    payload: Payload
    decrypted: Decrypted
    introduced: IdentityChain | None
    """The chain that came with a first contact, verified."""
    introduced_record: EnvelopeKeyRecord | None


def open_received(work: Work, envelope: bytes) -> Opened | SeenRow:
    """Run the checks 1 to 7.

    Returns:
        The opened envelope, or, where step 3 stops it, what is remembered of the first copy.

    Raises:
        UnopenedError: a check failed.
    """
    try:
        outer = OuterEnvelope.parse(envelope)  # 1
    except PeerError:
        raise UnopenedError("malformed") from None
    key = work.t.get(ENVELOPE_KEYS, outer.key_id)  # 2
    if key is None:
        raise UnopenedError("unknown_key")
    name = envelope_hash(envelope)
    seen = work.t.get(SEEN, outer.key_id, name)  # 3
    if seen is not None:
        return seen
    inner = _open_seal(work, key, outer)  # 4
    sender, introduction, chain = _find_sender(work, inner)  # 5
    decrypted, payload = _decrypt(work, inner, sender)  # 6
    recipient = Party(work.own.account, work.own.device)
    bind = bind_of(sender, recipient, parse_record(key.record).record_hash)
    if not equal(bind, payload.bind):  # 7
        raise UnopenedError("bad_bind", inner.from_account, inner.from_device)
    record = None if introduction is None else introduction.envelope_key
    return Opened(name, outer.key_id, sender, payload, decrypted, chain, record)


def _open_seal(work: Work, key: EnvelopeKeyRow, outer: OuterEnvelope) -> InnerMessage:
    try:
        secret = envelope_keys.secret_of(work, key)
        return open_envelope(parse_record(key.record), secret, outer)
    except PeerError:
        raise UnopenedError("not_opened") from None


def _find_sender(
    work: Work, inner: InnerMessage
) -> tuple[Party, Introduction | None, IdentityChain | None]:
    account, device_id = inner.from_account, inner.from_device
    if (account, device_id) == (work.own.account, work.own.device_id):
        raise UnopenedError("unknown_sender", account, device_id)
    if inner.introduction:
        introduction, chain = _introduced(inner)
        # What we know already has the last word on who speaks for an account.
        known = trust.chain_of(work, account)
        joined, change = (chain, None) if known is None else known.merge(chain)
        device = joined.device(device_id)
        if device is None or change is Change.FROZEN:
            failure = UnopenedError("unknown_sender", account, device_id)
            failure.fork = chain if change is Change.FROZEN else None
            raise failure
        return Party(account, device), introduction, chain
    row = work.t.get(PEER_DEVICES, account, device_id)
    if row is None:
        raise UnopenedError("unknown_sender", account, device_id, learn=True)
    return Party(account, Device(device_id, row.ed_key, row.curve_key)), None, None


def _introduced(inner: InnerMessage) -> tuple[Introduction, IdentityChain]:
    account, device_id = inner.from_account, inner.from_device
    try:
        introduction = Introduction.parse(inner.introduction)
        chain = introduction.verify()
        if not equal(chain.account_id, account):
            raise ForgedError("an introduction of another account")
        if introduction.envelope_key.device_id != device_id:
            raise ForgedError("an introduction of another device")
    except PeerError:
        raise UnopenedError("bad_introduction", account, device_id) from None
    return introduction, chain


def _decrypt(work: Work, inner: InnerMessage, sender: Party) -> tuple[Decrypted, Payload]:
    try:
        decrypted = sessions.decrypt(work, sender, inner.olm_type, inner.olm_body)
        return decrypted, Payload.parse(decrypted.plaintext)
    except PeerError:
        raise UnopenedError(
            "not_decrypted", inner.from_account, inner.from_device, learn=True
        ) from None


def accept(work: Work, opened: Opened) -> bool:
    """Store what has been proven: ratchet, hash, chain, envelope key, counter.

    Returns:
        Whether the device has named a higher envelope-key counter than before: it is alive.
    """
    # The chain first: it drops the sessions of devices that are gone.
    if opened.introduced is not None:
        trust.learn_chain(work, opened.introduced)
    sessions.accept(work, opened.decrypted)
    payload, account = opened.payload, opened.sender.account
    device = DeviceId(opened.sender.device.device_id)
    seen = SeenRow(
        envelope_hash=opened.envelope_hash,
        key_id=opened.key_id,
        account=account,
        device=device,
        message_id=payload.message_id,
        body_type=payload.body_type,
        answered_unix_ms=0,
    )
    work.t.put(SEEN, seen)
    peer = work.t.get(PEER_DEVICES, account, device)
    if peer is None:
        return False
    if opened.introduced_record is not None:
        # An older one than we know is passed over.
        with suppress(PeerError):
            peer = peers.learn_record(work, peer, opened.introduced_record)
    before = peer.gossip_counter
    return peers.learn_counter(work, peer, payload.own_key_counter).gossip_counter > before


def sender_of(opened: Opened) -> tuple[AccountId, DeviceId]:
    """Return who sent an envelope that has been opened."""
    return opened.sender.account, opened.sender.device.device_id
