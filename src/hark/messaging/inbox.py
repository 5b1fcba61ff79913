"""Receiving: an envelope is opened, taken, and acknowledged, in one transaction.

Whatever happens, the home is told that the envelope is safe here: it was taken, it was taken
before, or it lies in the quarantine with its cause. Source: spec/messaging.md#receive-order.
"""

from hark.errors import PeerError
from hark.messaging import healing, intake, opening, outgoing, quarantine, receipts, trust
from hark.messaging.claims import want_keys
from hark.messaging.events import ContactStatus
from hark.messaging.intake import Arrival
from hark.messaging.opening import Opened, UnopenedError
from hark.messaging.tables import (
    CONTACTS,
    PEER_DEVICES,
    PEERS_BY_ACCOUNT,
    RECEIVED,
    SEEN,
    ReceivedRow,
    SeenRow,
)
from hark.messaging.work import Work
from hark.wire.bodies import BodyType, ChainBody, ReceiptKind
from hark.wire.codec import encode
from hark.wire.ids import AccountId, DeviceId, MessageId

CHAIN_INTERVAL_MS = 60 * 60 * 1000
"""A contact that does not know our newest statement is sent it at most so often."""

_CONFIRMED = frozenset(
    {
        BodyType.TEXT,
        BodyType.VOICEMAIL,
        BodyType.CONTACT_ACCEPT,
        BodyType.CARD,
        BodyType.CHAIN,
        BodyType.SYNC,
    }
)
"""Bodies that are answered by a delivery receipt, as unknown ones are."""
_UNCONFIRMED = frozenset(BodyType) - _CONFIRMED
_TAKEN_ONCE = {BodyType.CONTACT_REQUEST, BodyType.CALL}
"""Bodies that say something else when they are said twice, though nobody confirms them."""


def receive(
    work: Work, envelope: bytes, *, by_requests: bool, late: bool = False, live: bool = False
) -> None:
    """Take one envelope, whatever it is.

    Args:
        work: the transaction.
        envelope: as it came.
        by_requests: whether it came through a requests mailbox.
        late: whether the home has held it for longer than a call rings.
        live: whether it was passed on without ever being stored.
    """
    try:
        found = opening.open_received(work, envelope)
        if isinstance(found, SeenRow):
            _repeat(work, found)
            return
        take(work, found, by_requests=by_requests, late=late, live=live)
    except UnopenedError as failure:
        if not live:
            quarantine.keep(work, envelope, failure)
        if failure.fork is not None:
            trust.learn_chain(work, failure.fork)
        if failure.learn:
            _ask_who(work, failure)


def retry(work: Work, account: AccountId) -> None:
    """Try again what lies in the quarantine and claims to be from an account."""
    for row in quarantine.curable(work, account):
        try:
            found = opening.open_received(work, row.envelope)
            if not isinstance(found, SeenRow):
                # How long it has lain at its home and here is not known any more.
                take(work, found, by_requests=False, late=True, live=False)
        except UnopenedError as failure:
            quarantine.failed_again(work, row, failure.cause)
        else:
            quarantine.release(work, row)


def take(work: Work, opened: Opened, *, by_requests: bool, late: bool, live: bool) -> None:
    """Store what an opened envelope proves and do what its body says.

    Raises:
        UnopenedError: the sender is nobody who may say this; nothing has been stored.
    """
    account, device = opening.sender_of(opened)
    payload = opened.payload
    intake.check_allowed(work, account, device, payload.body_type)
    alive = opening.accept(work, opened)
    work.volatile.live_unanswered.pop((account, device), None)
    arrival = Arrival(account, device, payload, by_requests=by_requests, late=late, live=live)
    if _is_first(work, arrival):
        try:
            intake.take_body(work, arrival)
        except PeerError:
            # A proven sender wrote a body that does not parse. The ratchet has moved; there
            # is nothing to show, and a receipt would be a lie.
            work.volatile.internal_errors["malformed_body"] += 1
            return
    _confirm(work, account, device, payload.message_id, payload.body_type)
    peer = work.t.get(PEER_DEVICES, account, device)
    if peer is not None and alive:
        healing.expect(work, peer)
    _compare_chains(work, arrival)


def _is_first(work: Work, arrival: Arrival) -> bool:
    """Whether this message id has not been taken from this device before."""
    row = ReceivedRow(
        arrival.account, arrival.device, arrival.payload.message_id, work.now_unix_ms
    )
    if arrival.payload.body_type in _UNCONFIRMED - _TAKEN_ONCE:
        # Saying these twice changes nothing, so they need no memory.
        return True
    return work.t.insert(RECEIVED, row)


def _confirm(
    work: Work, account: AccountId, device: DeviceId, message_id: MessageId, body_type: int
) -> None:
    if body_type in _UNCONFIRMED:
        return
    contact = work.t.get(CONTACTS, account)
    if contact is not None and contact.status in (
        ContactStatus.REQUESTED,
        ContactStatus.BLOCKED,
    ):
        return
    receipts.owe(work, account, message_id, ReceiptKind.DELIVERED, device)


def _repeat(work: Work, seen: SeenRow) -> None:
    """Answer an envelope that was taken before: perhaps our receipt was lost."""
    waited_ms = work.now_unix_ms - seen.answered_unix_ms
    if waited_ms < work.config.receipt_repeat_ms:
        return
    work.t.put(SEEN, seen._replace(answered_unix_ms=work.now_unix_ms))
    _confirm(
        work,
        AccountId(seen.account),
        DeviceId(seen.device),
        MessageId(seen.message_id),
        seen.body_type,
    )


def _compare_chains(work: Work, arrival: Arrival) -> None:
    """Fetch a chain that is newer than ours, send ours where it is not known."""
    account, payload = arrival.account, arrival.payload
    own = work.own
    if account == own.account:
        return
    contact = work.t.get(CONTACTS, account)
    if contact is None or contact.status != ContactStatus.ACCEPTED:
        return
    if payload.from_chain_seq > contact.chain_seq:
        want_keys(work, account, arrival.device, one_time=False)
    if payload.to_chain_seq < own.chain.chain_seq:
        send_chain(work, account)


def send_chain(work: Work, account: AccountId) -> None:
    """Send our chain to a contact that does not know its newest statement."""
    last = work.volatile.chains_sent.get(account)
    if last is not None and work.now - last < CHAIN_INTERVAL_MS / 1000:
        return
    work.volatile.chains_sent[account] = work.now
    body = ChainBody(work.own.chain.shortened().encode())
    outgoing.send_control(work, account, BodyType.CHAIN, encode(body))


def _ask_who(work: Work, failure: UnopenedError) -> None:
    """Fetch the chain of a contact whose new device seems to be writing."""
    account = AccountId(failure.account)
    if work.t.get(CONTACTS, account) is None:
        return
    if trust.chain_of(work, account) is None:
        return
    if failure.cause != "unknown_sender":
        return
    for peer in work.t.select(PEERS_BY_ACCOUNT, account, limit=1):
        want_keys(work, account, DeviceId(peer.device), one_time=False)
