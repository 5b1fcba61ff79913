"""Fetching what is needed to write to a device, and judging what the home gave.

A claim returns sealed blobs: the account's chain, the device's envelope-key record and a
prekey. The home is believed in nothing: the chain leads from the account id to the device,
and the device has signed the rest. Source: spec/messaging.md#claims.
"""

from dataclasses import dataclass

from hark.crypto.hashing import equal
from hark.errors import ForgedError, InvitationError, ProtocolError
from hark.identity.bundle import BlobKind, open_blob
from hark.identity.chain import IdentityChain
from hark.identity.envelope_key import EnvelopeKeyRecord
from hark.identity.invitation import Invitation
from hark.identity.prekeys import PrekeyKind, SignedPrekey
from hark.messaging import peers, sessions, trust
from hark.messaging.asks import ClaimKeys
from hark.messaging.tables import CONTACTS, PEER_DEVICES, PeerDeviceRow
from hark.messaging.volatile import Backoff
from hark.messaging.work import Work
from hark.wire.address import Address
from hark.wire.ids import DEVICE_ID_BYTES, AccountId, DeviceId, MailboxId, NodeId
from hark.wire.mailbox import Bundle, Claim

LOOK_INTERVAL_MS = 60 * 1000
"""A device's keys are looked at, without opening a session, at most so often."""
UNKNOWN_DEVICE = DeviceId(bytes(DEVICE_ID_BYTES))
"""Stands for the device that an invitation leads to, before its keys have come."""


@dataclass(frozen=True, slots=True)
class Doorway:
    """One place where an account can be reached."""

    address: Address
    mailbox: MailboxId
    token: bytes
    """The delivery token; empty for a requests mailbox."""


def invited_doorways(work: Work, account: AccountId) -> list[Doorway]:
    """Return the requests mailboxes that the invitation of a contact names."""
    row = work.t.get(CONTACTS, account)
    if row is None or not row.invitation:
        return []
    try:
        invitation = Invitation.parse(row.invitation)
    except InvitationError:
        return []
    return [
        Doorway(Address(home.node_id, home.host, home.port), home.requests_mailbox, b"")
        for home in invitation.homes
    ]


def doorways(work: Work, peer: PeerDeviceRow | None, account: AccountId) -> list[Doorway]:
    """Return where the keys of a device can be had: by its card, else by invitation."""
    if peer is None or not peer.card:
        return invited_doorways(work, account)
    return [
        Doorway(peers.address_of(home), MailboxId(home.contact_mailbox), home.token)
        for home in peers.homes_of(peer)
    ]


def want_keys(
    work: Work,
    account: AccountId,
    device: DeviceId,
    *,
    one_time: bool,
    by_requests: bool = False,
) -> NodeId | None:
    """Ask a home for the keys of a device, unless that is under way or has just failed.

    Args:
        work: the transaction.
        account: whose device.
        device: which, or `UNKNOWN_DEVICE`.
        one_time: whether a session is to be opened.
        by_requests: go through the requests mailbox, since the token is out of date.

    Returns:
        The home that is to give them, or None when nowhere is known.
    """
    backoff = work.volatile.claim_backoff.get((account, device))
    peer = work.t.get(PEER_DEVICES, account, device)
    places = doorways(work, peer, account)
    if not places:
        return None
    slot = (backoff.tries if backoff else 0) % len(places)
    place = places[slot]
    if by_requests and peer is not None and peer.card:
        home = peers.homes_of(peer)[slot]
        place = Doorway(place.address, MailboxId(home.requests_mailbox), b"")
    node = place.address.node_id
    looked_ms = 0 if peer is None else work.calendar_unix_ms - peer.claimed_unix_ms
    if not one_time and peer is not None and 0 <= looked_ms < LOOK_INTERVAL_MS:
        return node
    resting = work.volatile.backoff.get(node)
    if any(rest is not None and work.now < rest.until for rest in (backoff, resting)):
        return node
    one_time = one_time and bool(place.token)
    purpose = ClaimKeys(account, device, slot, by_requests=by_requests, one_time=one_time)
    work.ask(place.address, Claim(place.mailbox, place.token, one_time), purpose)
    return node


def failed(work: Work, purpose: ClaimKeys, retry_after_ms: int = 0) -> None:
    """Wait longer after each failure, and try the other home then."""
    key = (purpose.account, purpose.device)
    backoff = work.volatile.claim_backoff.get(key)
    tries = backoff.tries + 1 if backoff else 1
    delay_ms = min(work.config.retry_first_ms * 2 ** min(tries, 16), work.config.retry_last_ms)
    until = work.after_ms(work.jittered_ms(max(delay_ms, retry_after_ms)))
    work.volatile.claim_backoff[key] = Backoff(tries, until)


def take_bundle(work: Work, purpose: ClaimKeys, bundle: Bundle) -> PeerDeviceRow:
    """Judge the answer to a claim and store what it proves.

    1. The chain opens and verifies, and is of the account that was asked for.
    2. It is joined to the chain that we know (a fork or a new epoch shows here).
    3. The record names a device that the joined chain lists; the one asked for, if known.
    4. That device signed the record; it is not older than what we know, nor out of date.
    5. If a session is wanted: that device signed the prekey, as the kind that it is.

    Returns:
        The device, with its keys.

    Raises:
        PeerError: a step fails. What the steps before it proved is kept.
    """
    account = purpose.account
    data = open_blob(BlobKind.CHAIN, account, bundle.chain_blob)
    chain = IdentityChain.parse(data)  # 1
    if not equal(chain.account_id, account):
        raise ForgedError("a chain of another account")
    trust.learn_chain(work, chain)  # 2
    record = EnvelopeKeyRecord.parse(
        open_blob(BlobKind.ENVELOPE_KEY, account, bundle.record_blob)
    )
    if purpose.device not in (UNKNOWN_DEVICE, record.device_id):  # 3
        raise ForgedError("an envelope key of another device")
    peer = work.t.get(PEER_DEVICES, account, record.device_id)
    if peer is None:
        raise ForgedError("an envelope key of a device that is not listed")
    peer = peers.learn_record(work, peer, record)  # 4
    peer = peer._replace(claimed_unix_ms=work.calendar_unix_ms)
    work.t.put(PEER_DEVICES, peer)
    work.volatile.claim_backoff.pop((account, purpose.device), None)
    device = DeviceId(peer.device)
    known = sessions.newest_session(work, account, device)
    if known is None or (account, device) in work.volatile.healing:
        _open_session(work, peer, bundle)  # 5
    return work.t.get(PEER_DEVICES, account, device) or peer


def _open_session(work: Work, peer: PeerDeviceRow, bundle: Bundle) -> None:
    party = peers.party_of(peer)
    one_time = bool(bundle.one_time_blob)
    kind = PrekeyKind.ONE_TIME if one_time else PrekeyKind.FALLBACK
    blob_kind = BlobKind.ONE_TIME_PREKEY if one_time else BlobKind.FALLBACK_PREKEY
    blob = bundle.one_time_blob if one_time else bundle.fallback_blob
    prekey = SignedPrekey.parse(open_blob(blob_kind, party.account, blob))
    if prekey.kind is not kind:
        raise ProtocolError("a prekey of another kind than it was given out as")
    prekey.verify(party.account, party.device)
    sessions.open_outbound(work, peer, prekey.curve_key)
