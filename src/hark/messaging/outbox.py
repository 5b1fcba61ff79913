"""The outbox: every message on its way to one device, until that device says it has it.

A row is sealed once and put, byte for byte the same, to both homes of the device, again and
again until the recipient's own receipt comes; the recipient drops what it has seen. Ratchet
and row are stored in one transaction, and the put goes out only after it.
What a row waits for is its `cause`; when to look again is its `due_unix_ms`.
Source: spec/messaging.md#outbox.
"""

from dataclasses import dataclass
from operator import attrgetter

from hark.crypto.admission import envelope_hash
from hark.errors import StoreDamagedError
from hark.identity.introduction import Introduction
from hark.identity.invitation import Invitation, put_pass
from hark.messaging import claims, conversations, peers, sessions, trust
from hark.messaging.asks import PutChallenge, PutEnvelope, RowKey
from hark.messaging.claims import UNKNOWN_DEVICE, Doorway
from hark.messaging.events import Cause, MessageState
from hark.messaging.sealing import Party, bind_of, parse_record, seal_envelope
from hark.messaging.tables import (
    CONTACTS,
    CUSTODY,
    CUSTODY_BY_MESSAGE,
    KEYS_BY_COUNTER,
    NEVER_UNIX_MS,
    OUTBOX,
    OUTBOX_BY_DEVICE,
    PEER_DEVICES,
    CustodyRow,
    OutboxRow,
    PeerDeviceRow,
    SessionRow,
)
from hark.messaging.volatile import Backoff
from hark.messaging.work import Work
from hark.wire.bodies import BodyType, EmptyBody
from hark.wire.codec import encode
from hark.wire.envelope import LARGE_REQUEST_INNER_BYTES, InnerMessage, Payload
from hark.wire.error_codes import ErrorCode
from hark.wire.ids import MESSAGE_ID_BYTES, AccountId, DeviceId, MailboxId, MessageId, NodeId
from hark.wire.mailbox import (
    Admission,
    Challenge,
    DeliveryToken,
    GetChallenge,
    Held,
    InvitationPass,
    Put,
    Refused,
    Stamp,
)

_NO_STOP_FOR_REQUEST = {Cause.NOT_ACCEPTED, Cause.NEW_EPOCH}

ROUTE_CONTACT = 0
"""To the contact mailbox, with the delivery token."""
ROUTE_PASS = 1
"""To the requests mailbox, with the pass of an invitation."""
ROUTE_STAMP = 2
"""To the requests mailbox, with a stamp."""

_FULL_RETRY_MS = 10 * 60 * 1000
_REFUSED_RETRY_MS = 60 * 60 * 1000
_FETCH_FAILURES = frozenset({Cause.NO_HOME, Cause.REFUSED, Cause.KEYS_INVALID})
"""Why keys could not be had: stays told until they come."""
_ONCE = frozenset({BodyType.RECEIPT, BodyType.CALL, BodyType.PRESENCE})
"""Bodies that are put once: nobody confirms a receipt, a signal of a call, or a knock."""
_MAX_KNOCK_BYTES = LARGE_REQUEST_INNER_BYTES - 1024
"""Longest body that fits a requests mailbox, with all that goes around it."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a message says, the same for every device."""

    message_id: MessageId
    sent_unix_ms: int
    body_type: BodyType
    body: bytes


def key_of(row: OutboxRow) -> RowKey:
    """Return the name of a row."""
    return RowKey(MessageId(row.message_id), AccountId(row.account), DeviceId(row.device))


def row_of(work: Work, key: RowKey) -> OutboxRow | None:
    """Return the row of this name, or None when it is done with."""
    return work.t.get(OUTBOX, key.account, key.device, key.message_id)


def enqueue(
    work: Work,
    key: RowKey,
    body_type: BodyType,
    body: bytes,
    *,
    conversation: bytes = b"",
    sent_unix_ms: int = 0,
    route: int = ROUTE_CONTACT,
) -> None:
    """Add a message to one device, and do at once what can be done.

    Args:
        work: the transaction.
        key: the message, the recipient (or our own account) and which of its devices.
        body_type: what `body` is.
        body: as encoded.
        conversation: the contact whose conversation shows it; empty when nothing does.
        sent_unix_ms: when it was written; 0 for now.
        route: how the recipient's home is made to take it.
    """
    row = OutboxRow(
        message_id=key.message_id,
        account=key.account,
        device=key.device,
        serial=_next_serial(work),
        conversation=conversation,
        body_type=body_type,
        body=body,
        sent_unix_ms=sent_unix_ms or work.calendar_unix_ms,
        expires_unix_ms=work.now_unix_ms + _life_ms(work, body_type),
        due_unix_ms=work.now_unix_ms,
        envelope=b"",
        key_counter=0,
        first_put_unix_ms=0,
        held=0,
        tries=0,
        resends=0,
        route=route,
        cause=Cause.NONE.value,
    )
    advance(work, row)


def advance(work: Work, row: OutboxRow) -> None:
    """Do with a row what can be done now, and store when to look at it again."""
    if work.now_unix_ms >= row.expires_unix_ms:
        _expire(work, row)
        return
    stop = _stopping_cause(work, row)
    if stop is not Cause.NONE and row.body_type == BodyType.CALL:
        forget(work, row)
        return
    if stop is not Cause.NONE:
        wait(work, row, stop, NEVER_UNIX_MS)
        return
    if not row.envelope:
        sealed = _seal(work, row)
        if sealed is None:
            return
        row = sealed
    _put(work, row)


def wait(work: Work, row: OutboxRow, cause: Cause, due_unix_ms: int) -> None:
    """Store a row with what it waits for, and tell the person if it is a message."""
    if row.body_type == BodyType.CALL:
        # It is looked at when its short life is over, whatever it waits for.
        due_unix_ms = min(due_unix_ms, row.expires_unix_ms)
    work.t.put(OUTBOX, row._replace(cause=cause.value, due_unix_ms=due_unix_ms))
    if row.conversation and not row.held and row.cause != cause:
        _note_state(work, row, MessageState.WAITING, cause)


def forget(work: Work, row: OutboxRow) -> None:
    """Remove a row and the custody receipts for it: it is delivered, or given up."""
    work.t.delete(OUTBOX, row.account, row.device, row.message_id)
    receipts = work.t.select(CUSTODY_BY_MESSAGE, row.message_id, row.account, row.device)
    for receipt in receipts:
        work.t.delete(
            CUSTODY, receipt.message_id, receipt.account, receipt.device, receipt.node
        )


def rows_to(work: Work, account: AccountId, device: DeviceId | None = None) -> list[OutboxRow]:
    """Return the rows for an account or for one of its devices, oldest first."""
    whom = (account,) if device is None else (account, device)
    return sorted(work.t.select(OUTBOX_BY_DEVICE, *whom), key=attrgetter("serial"))


def wake(work: Work, account: AccountId, device: DeviceId | None = None) -> None:
    """Look again at what waits for an account: something about it has changed."""
    for row in rows_to(work, account, device):
        if not row.envelope or row.due_unix_ms == NEVER_UNIX_MS:
            advance(work, row)


def aim(work: Work, account: AccountId, device: DeviceId) -> None:
    """Send to a device what was addressed to whichever device an invitation leads to."""
    for row in rows_to(work, account, UNKNOWN_DEVICE):
        forget(work, row)
        advance(work, row._replace(device=device))


def keys_refused(work: Work, account: AccountId, device: DeviceId, cause: Cause) -> None:
    """Note why the keys for a device could not be had."""
    for row in rows_to(work, account, device):
        if not row.envelope:
            wait(work, row, cause, _retry_unix_ms(work, row._replace(tries=row.tries + 1)))


def pump(work: Work, account: AccountId, device: DeviceId) -> None:
    """Go on with messages that waited for room in a device's window."""
    waiting = work.volatile.crowded.get((account, device))
    while waiting and work.volatile.puts[account, device] < work.config.put_window:
        key = next(iter(waiting))
        del waiting[key]
        row = row_of(work, key)
        if row is not None and not row.held:
            advance(work, row)


def home_up(work: Work, node: NodeId) -> None:
    """Go on with what this home could not be asked before."""
    work.volatile.backoff.pop(node, None)
    starved = work.volatile.starved.pop(node, {})
    for key in starved:
        work.volatile.claim_backoff.pop((key.account, key.device), None)
        row = row_of(work, key)
        if row is not None:
            advance(work, row)


def home_lost(work: Work, node: NodeId) -> None:
    """Let a home rest that does not answer, longer each time."""
    backoff = work.volatile.backoff.get(node)
    if backoff is not None and work.now < backoff.until:
        return
    tries = backoff.tries + 1 if backoff else 1
    longest = work.config.retry_first_ms * 2 ** min(tries - 1, 16)
    delay_ms = min(longest, work.config.retry_last_ms)
    half = delay_ms // 2
    until = work.after_ms(half + work.random_below(half + 1))
    work.volatile.backoff[node] = Backoff(tries, until)


# Answers of homes.


def put_lost(work: Work, purpose: PutEnvelope | PutChallenge) -> None:
    """Note that a put or a challenge was not answered; asking again is safe."""
    row = row_of(work, purpose.key)
    if row is None:
        return
    place = _place(work, row, purpose.slot)
    if place is not None:
        home_lost(work, place.address.node_id)
        _starve(work, row, place.address.node_id)
    if not row.held:
        wait(work, row, Cause.NO_HOME, _retry_unix_ms(work, row))


def put_held(work: Work, purpose: PutEnvelope, answer: Held) -> None:
    """Take a home's promise to hold an envelope."""
    row = row_of(work, purpose.key)
    if row is None or not row.envelope:
        return
    if row.body_type in _ONCE:
        forget(work, row)
        return
    place = _place(work, row, purpose.slot)
    if place is not None:
        custody = CustodyRow(
            row.message_id,
            row.account,
            row.device,
            place.address.node_id,
            encode(answer),
            answer.held_until_unix_ms,
        )
        work.t.put(CUSTODY, custody)
    first = not row.held
    row = row._replace(held=row.held | 1 << purpose.slot, cause=Cause.NONE.value)
    if first:
        row = row._replace(first_put_unix_ms=work.now_unix_ms, tries=0)
        row = row._replace(due_unix_ms=_reput_unix_ms(work, row))
    work.t.put(OUTBOX, row)
    if row.conversation:
        _note_state(work, row, MessageState.HELD, Cause.NONE)


def put_refused(work: Work, purpose: PutEnvelope | PutChallenge, answer: Refused) -> None:
    """React to a home that does not take an envelope."""
    row = row_of(work, purpose.key)
    if row is None:
        return
    code = ErrorCode(answer.code)
    wait_ms = max(answer.retry_after_ms, work.config.retry_first_ms * 2 ** min(row.tries, 6))
    cause = Cause.REFUSED
    match code:
        case ErrorCode.TOKEN_STALE:
            _knock(work, row)
            return
        case ErrorCode.PASS_INVALID:
            # The pass is used up: a stamp opens the same door.
            _put(work, row._replace(route=ROUTE_STAMP))
            return
        case ErrorCode.STAMP_INVALID:
            cause = Cause(row.cause)
        case ErrorCode.MAILBOX_FULL:
            cause, wait_ms = Cause.MAILBOX_FULL, max(wait_ms, _FULL_RETRY_MS)
        case ErrorCode.UNKNOWN_MAILBOX | ErrorCode.TOO_LARGE | ErrorCode.MALFORMED:
            wait_ms = max(wait_ms, _REFUSED_RETRY_MS)
        case _:
            pass
    if not row.held:
        wait(work, row, cause, work.now_unix_ms + work.jittered_ms(wait_ms))


def _knock(work: Work, row: OutboxRow) -> None:
    """Go to the door of strangers: the contact has a new token, which we do not know yet.

    What goes there has another size, so it is encrypted anew, and costs a stamp. So one
    message goes; inside, the contact sees who we are, takes it and sends its new card. The
    others wait for that.
    """
    others = rows_to(work, AccountId(row.account), DeviceId(row.device))
    if any(other.route == ROUTE_STAMP for other in others):
        wait(work, row, Cause.TOKEN_STALE, work.now_unix_ms + _FULL_RETRY_MS)
        return
    if len(row.body) > _MAX_KNOCK_BYTES:
        # It would not be taken there; a word that says nothing knocks in its place.
        wait(work, row, Cause.TOKEN_STALE, work.now_unix_ms + _FULL_RETRY_MS)
        knock = MessageId(work.random_bytes(MESSAGE_ID_BYTES))
        key = RowKey(knock, AccountId(row.account), DeviceId(row.device))
        enqueue(work, key, BodyType.PRESENCE, encode(EmptyBody()), route=ROUTE_STAMP)
        return
    row = row._replace(route=ROUTE_STAMP, envelope=b"", held=0, cause=Cause.TOKEN_STALE.value)
    advance(work, row)


def challenge_given(work: Work, purpose: PutChallenge, answer: Challenge) -> None:
    """Have a stamp made for an envelope."""
    row = row_of(work, purpose.key)
    place = None if row is None else _place(work, row, purpose.slot)
    if row is None or place is None or row.route == ROUTE_CONTACT or not row.envelope:
        return
    subject = envelope_hash(row.envelope)
    work.find_stamp(purpose, answer.challenge, answer.bits, place.mailbox, subject)


def stamp_found(
    work: Work, purpose: PutChallenge, challenge: bytes, nonce: bytes, subject: bytes
) -> None:
    """Put an envelope with its stamp, if it is still the envelope that was stamped."""
    row = row_of(work, purpose.key)
    place = None if row is None else _place(work, row, purpose.slot)
    if row is None or place is None or row.route == ROUTE_CONTACT:
        # A new card has come meanwhile; the envelope has gone by the front door.
        return
    if envelope_hash(row.envelope) != subject:
        return
    request = Put(place.mailbox, Stamp(challenge, nonce), row.envelope)
    work.ask(place.address, request, PutEnvelope(purpose.key, purpose.slot))


# Inside.


def _life_ms(work: Work, body_type: BodyType) -> int:
    """Return for how long a message is tried."""
    is_signal = body_type is BodyType.CALL
    return work.config.signal_life_ms if is_signal else work.config.outbox_life_ms


def _next_serial(work: Work) -> int:
    # By the clock, so that it goes on after a restart; a clock that jumps back changes only
    # the order in which waiting messages leave.
    serial = max(work.now_unix_ms * 1000, work.volatile.last_serial + 1)
    work.volatile.last_serial = serial
    return serial


def _stopping_cause(work: Work, row: OutboxRow) -> Cause:
    stop = trust.sending_stopped(work, AccountId(row.account))
    # A request goes although the account is in a new epoch: a person has just added the new
    # link, and the other side needs our keys before it has a number to compare.
    if row.body_type == BodyType.CONTACT_REQUEST and stop in _NO_STOP_FOR_REQUEST:
        return Cause.NONE
    return stop


def _seal(work: Work, row: OutboxRow) -> OutboxRow | None:
    """Encrypt and seal a row; None when it has to wait, and that has been stored."""
    account, device = AccountId(row.account), DeviceId(row.device)
    peer = work.t.get(PEER_DEVICES, account, device)
    if peer is None and device != UNKNOWN_DEVICE:
        # The device has left its account; the message goes to those that are there.
        forget(work, row)
        return None
    if work.volatile.puts[account, device] >= work.config.put_window:
        work.volatile.crowded.setdefault((account, device), {})[key_of(row)] = None
        wait(work, row, Cause(row.cause), work.now_unix_ms + work.config.retry_first_ms)
        return None
    if row.body_type == BodyType.CALL and _all_rest(work, row):
        # It may be given up before a home takes it, and what is encrypted and never sent
        # leaves a gap: the ratchet of the recipient follows over 2,000 of them, no further.
        wait(work, row, Cause.NO_HOME, _retry_unix_ms(work, row))
        return None
    record = None if peer is None else peers.usable_record(work, peer)
    session = sessions.newest_session(work, account, device)
    if peer is None or record is None or session is None:
        by_requests = row.route == ROUTE_STAMP
        node = claims.want_keys(work, account, device, one_time=True, by_requests=by_requests)
        if node is not None:
            _starve(work, row, node)
        cause = Cause(row.cause)
        if cause not in _FETCH_FAILURES:
            cause = Cause.HEALING if row.resends else Cause.FETCHING_KEYS
        wait(work, row, cause, _retry_unix_ms(work, row))
        return None
    if peer.gossip_counter > peer.record_counter:
        claims.want_keys(work, account, device, one_time=False)
    content = Content(
        MessageId(row.message_id), row.sent_unix_ms, BodyType(row.body_type), row.body
    )
    as_request = row.route != ROUTE_CONTACT
    envelope = seal_content(work, peer, session, content, as_request=as_request)
    return row._replace(envelope=envelope, key_counter=record.counter)


def _all_rest(work: Work, row: OutboxRow) -> bool:
    """Return whether no home of the device is asked now; the row goes on when one is back."""
    nodes = [place.address.node_id for place, _admission in _places(work, row)]
    resting = [node for node in nodes if _rests(work, node)]
    if not nodes or len(resting) < len(nodes):
        return False
    for node in nodes:
        _starve(work, row, node)
    return True


def _rests(work: Work, node: NodeId) -> bool:
    backoff = work.volatile.backoff.get(node)
    return backoff is not None and work.now < backoff.until


def seal_content(
    work: Work,
    peer: PeerDeviceRow,
    session: SessionRow,
    content: Content,
    *,
    as_request: bool = False,
) -> bytes:
    """Encrypt a message on the device's ratchet and seal it to the device's envelope key."""
    own, recipient = work.own, peers.party_of(peer)
    record = parse_record(peer.record)
    payload = Payload(
        bind=bind_of(Party(own.account, own.device), recipient, record.record_hash),
        message_id=content.message_id,
        sent_unix_ms=content.sent_unix_ms,
        from_chain_seq=own.chain.chain_seq,
        to_chain_seq=_known_chain_seq(work, recipient.account),
        own_key_counter=own.key_counter,
        body_type=content.body_type,
        body=content.body,
    )
    olm_type, olm_body = sessions.encrypt(work, session, payload.encode())
    is_request = content.body_type is BodyType.CONTACT_REQUEST
    introduction = _introduction(work) if is_request else b""
    inner = InnerMessage(own.account, own.device_id, olm_type, olm_body, introduction)
    return seal_envelope(record, inner, as_request=as_request)


def _known_chain_seq(work: Work, account: AccountId) -> int:
    if account == work.own.account:
        return work.own.chain.chain_seq
    row = work.t.get(CONTACTS, account)
    return 0 if row is None else row.chain_seq


def _introduction(work: Work) -> bytes:
    newest = work.t.select(KEYS_BY_COUNTER, limit=1, descending=True)
    if not newest:
        raise StoreDamagedError("there is no envelope key")
    return Introduction.of(work.own.chain, parse_record(newest[0].record)).encode()


def _put(work: Work, row: OutboxRow) -> None:
    """Ask every home of the device to take the envelope, and store when to look again."""
    places = _places(work, row)
    if not places and work.t.get(PEER_DEVICES, row.account, row.device) is None:
        # The device has left its account; the message goes to those that are there.
        forget(work, row)
        return
    for slot, (place, admission) in enumerate(places):
        node = place.address.node_id
        if _rests(work, node):
            _starve(work, row, node)
            continue
        key = key_of(row)
        if admission is None:
            request = GetChallenge(place.mailbox)
            work.ask(place.address, request, PutChallenge(key, slot))
        else:
            put = Put(place.mailbox, admission, row.envelope)
            work.ask(place.address, put, PutEnvelope(key, slot))
    row = row._replace(tries=row.tries + 1)
    due_unix_ms = _reput_unix_ms(work, row) if row.held else _retry_unix_ms(work, row)
    work.t.put(OUTBOX, row._replace(due_unix_ms=due_unix_ms))


def _places(work: Work, row: OutboxRow) -> list[tuple[Doorway, Admission | None]]:
    """Return where a row goes and what admits it; None stands for a stamp."""
    account = AccountId(row.account)
    peer = work.t.get(PEER_DEVICES, account, row.device)
    if row.route == ROUTE_CONTACT:
        found = [] if peer is None else claims.doorways(work, peer, account)
        return [(place, DeliveryToken(place.token)) for place in found if place.token]
    admission = _pass(work, account) if row.route == ROUTE_PASS else None
    if peer is None or not peer.card:
        return [(place, admission) for place in claims.invited_doorways(work, account)]
    return [
        (
            Doorway(peers.address_of(home), MailboxId(home.requests_mailbox), b""),
            admission,
        )
        for home in peers.homes_of(peer)
    ]


def _place(work: Work, row: OutboxRow, slot: int) -> Doorway | None:
    found = _places(work, row)
    return found[slot][0] if slot < len(found) else None


def _pass(work: Work, account: AccountId) -> InvitationPass | None:
    row = work.t.get(CONTACTS, account)
    token = Invitation.parse(row.invitation).token if row and row.invitation else None
    return InvitationPass(put_pass(token)) if token else None


def _starve(work: Work, row: OutboxRow, node: NodeId) -> None:
    work.volatile.starved.setdefault(node, {})[key_of(row)] = None


def _retry_unix_ms(work: Work, row: OutboxRow) -> int:
    """Return when to try again what no home has taken: soon, then every few minutes."""
    delay_ms = work.config.retry_first_ms * 2 ** min(row.tries, 16)
    delay_ms = min(delay_ms, work.config.retry_last_ms)
    return work.now_unix_ms + work.jittered_ms(delay_ms)


def _reput_unix_ms(work: Work, row: OutboxRow) -> int:
    """Return when to put again what is held and not confirmed."""
    delays_ms = work.config.reput_delays_ms
    if row.body_type == BodyType.CONTACT_REQUEST:
        # A stranger asks once more, half a day later, and then waits for its end.
        again = row.tries == 0 and row.resends == 0
        return work.now_unix_ms + delays_ms[-1] if again else row.expires_unix_ms
    delay_ms = delays_ms[min(row.tries, len(delays_ms) - 1)]
    return work.now_unix_ms + work.jittered_ms(delay_ms)


def _note_state(work: Work, row: OutboxRow, state: MessageState, cause: Cause) -> None:
    message = conversations.own_message(
        work, AccountId(row.conversation), MessageId(row.message_id)
    )
    # Copies to our own other devices say nothing about the recipient.
    if message is not None and row.account == row.conversation:
        held_by = row.held.bit_count()
        conversations.advance(work, message, state, held_by=held_by, cause=cause)


def _expire(work: Work, row: OutboxRow) -> None:
    forget(work, row)
    if row.conversation:
        _note_state(work, row, MessageState.EXPIRED, Cause(row.cause))
