"""What each body does, once its sender has been proven.

One function for each kind of body. Who may say what is asked first (`check_allowed`): a
stranger may ask to be a contact and nothing else, only our own devices may tell us what we
have written. Source: spec/messaging.md#bodies.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from hark.errors import MalformedError, PeerError
from hark.identity.chain import IdentityChain
from hark.messaging import (
    calls,
    cards,
    contacts,
    names,
    outbox,
    outgoing,
    peers,
    receipts,
    trust,
)
from hark.messaging.conversations import (
    add_message,
    advance,
    clamped_order,
    conversation,
    own_message,
    position_of,
)
from hark.messaging.events import (
    Cause,
    ContactChange,
    ContactChanged,
    ContactStatus,
    MessageState,
    PresenceSeen,
    Trust,
    TypingSeen,
)
from hark.messaging.opening import UnopenedError
from hark.messaging.tables import (
    CONTACTS,
    CONVERSATIONS,
    MESSAGES,
    MESSAGES_BY_ID,
    MESSAGES_BY_POSITION,
    ContactRow,
    MessageRow,
)
from hark.messaging.work import Work
from hark.wire.bodies import (
    CARD_PARSER,
    CHAIN_PARSER,
    CONTACT_ACCEPT_PARSER,
    CONTACT_REQUEST_PARSER,
    EMPTY_PARSER,
    MAX_RECEIPT_IDS,
    RECEIPT_PARSER,
    SYNC_PARSER,
    TEXT_PARSER,
    VOICEMAIL_PARSER,
    BodyType,
    DeviceCard,
    ReceiptKind,
    SyncContact,
    SyncRead,
    SyncText,
)
from hark.wire.codec import encode
from hark.wire.envelope import Payload
from hark.wire.ids import AccountId, DeviceId, MessageId


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message whose sender has been proven."""

    account: AccountId
    device: DeviceId
    payload: Payload
    by_requests: bool
    """It came through our requests mailbox."""
    late: bool
    """It has lain somewhere for longer than a call rings."""
    live: bool
    """It was passed on and never stored."""


_OWN_BODIES = frozenset({BodyType.SYNC, BodyType.RECEIPT, BodyType.CARD, BodyType.CHAIN})
_LIVE_BODIES = frozenset({BodyType.TYPING, BodyType.PRESENCE})


def check_allowed(work: Work, account: AccountId, device: DeviceId, body_type: int) -> None:
    """Check that this sender may send this kind of body, before anything is stored.

    Raises:
        UnopenedError: a person who is no contact says more than that it wants to be one.
    """
    if account == work.own.account:
        return
    contact = work.t.get(CONTACTS, account)
    if contact is None and body_type != BodyType.CONTACT_REQUEST:
        raise UnopenedError("not_contact", account, device)
    if contact is None and contacts.request_count(work) >= work.config.max_requests:
        raise UnopenedError("too_many_requests", account, device)


def take_body(work: Work, arrival: Arrival) -> None:
    """Do what a body says.

    Raises:
        PeerError: it does not parse.
    """
    body_type = arrival.payload.body_type
    if arrival.account == work.own.account:
        _take_from_own(work, arrival)
        return
    contact = work.t.get(CONTACTS, arrival.account)
    if body_type == BodyType.CONTACT_REQUEST:
        _take_request(work, arrival, contact)
        return
    # `check_allowed` has let through only those who are known.
    if contact is None or not contacts.may_hear(contact):
        return
    known = body_type in _TAKERS
    (_TAKERS[body_type] if known else _take_unknown)(work, arrival, contact)
    if arrival.by_requests and contact.status == ContactStatus.ACCEPTED:
        _tell_new_token(work, arrival.account)


def _take_text(work: Work, arrival: Arrival, contact: ContactRow) -> None:
    body = TEXT_PARSER.parse(arrival.payload.body)
    _show(work, arrival, body.order, body.text.encode())


def _take_unknown(work: Work, arrival: Arrival, contact: ContactRow) -> None:
    """Keep what a newer hark has sent, in its place in the conversation."""
    highest = conversation(work.t, arrival.account).highest_order
    _show(work, arrival, highest + 1, arrival.payload.body)


def _show(work: Work, arrival: Arrival, order: int, body: bytes) -> None:
    highest = conversation(work.t, arrival.account).highest_order
    payload = arrival.payload
    position = position_of(
        clamped_order(order, highest), arrival.account, arrival.device, payload.message_id
    )
    row = MessageRow(
        author=arrival.account,
        author_device=arrival.device,
        message_id=payload.message_id,
        contact=arrival.account,
        position=position,
        body_type=payload.body_type,
        body=body,
        sent_unix_ms=payload.sent_unix_ms,
        state=MessageState.RECEIVED.value,
        held_by=0,
        cause=Cause.NONE.value,
        unread=1,
    )
    add_message(work, row)


def _take_voicemail(work: Work, arrival: Arrival, contact: ContactRow) -> None:
    body = VOICEMAIL_PARSER.parse(arrival.payload.body)
    _show(work, arrival, body.order, body.packets)


def _take_call(work: Work, arrival: Arrival, contact: ContactRow) -> None:
    # Signals come as mail: of what is passed on live no home says how old it is.
    late = arrival.late or arrival.live
    calls.take_signal(work, contact, arrival.device, arrival.payload, late=late)


def _refuse(work: Work, arrival: Arrival, contact: ContactRow) -> None:
    raise MalformedError("a body that is kept in a history and never sent")


def _take_receipt(work: Work, arrival: Arrival, contact: ContactRow) -> None:
    body = RECEIPT_PARSER.parse(arrival.payload.body)
    receipts.take(work, arrival.account, arrival.device, body)


def _take_accept(work: Work, arrival: Arrival, contact: ContactRow) -> None:
    body = CONTACT_ACCEPT_PARSER.parse(arrival.payload.body)
    account = arrival.account
    if contact.status == ContactStatus.REQUESTED:
        return
    _learn_cards(work, account, body.cards)
    for row in outbox.rows_to(work, account):
        if row.body_type == BodyType.CONTACT_REQUEST:
            outbox.forget(work, row)
    contact = contact._replace(their_name=names.clean_name(body.name), invitation="")
    if contact.status == ContactStatus.INVITED:
        status, change = ContactStatus.ACCEPTED, ContactChange.ACCEPTED
        contacts.set_status(work, _named(work, contact, body.name), status, change)
        contacts.tell_own(work, account)
    else:
        work.t.put(CONTACTS, contact)
    outgoing.catch_up(work, account)


def _take_card(work: Work, arrival: Arrival, contact: ContactRow) -> None:
    _learn_cards(work, arrival.account, CARD_PARSER.parse(arrival.payload.body).cards)


def _take_chain(work: Work, arrival: Arrival, contact: ContactRow) -> None:
    chain = IdentityChain.parse(CHAIN_PARSER.parse(arrival.payload.body).chain)
    # A contact speaks about its own account only.
    if chain.account_id == arrival.account:
        trust.learn_chain(work, chain)


def _take_typing(work: Work, arrival: Arrival, contact: ContactRow) -> None:
    EMPTY_PARSER.parse(arrival.payload.body)
    if arrival.live and contact.status == ContactStatus.ACCEPTED:
        work.notify(TypingSeen(arrival.account))


def _take_presence(work: Work, arrival: Arrival, contact: ContactRow) -> None:
    EMPTY_PARSER.parse(arrival.payload.body)
    if arrival.live and contact.status == ContactStatus.ACCEPTED:
        work.notify(PresenceSeen(arrival.account))


def _take_nothing(work: Work, arrival: Arrival, contact: ContactRow) -> None:
    """Pass over what only our own devices may say."""


_TAKERS: dict[int, Callable[[Work, Arrival, ContactRow], None]] = {
    BodyType.TEXT: _take_text,
    BodyType.RECEIPT: _take_receipt,
    BodyType.CONTACT_ACCEPT: _take_accept,
    BodyType.CARD: _take_card,
    BodyType.CHAIN: _take_chain,
    BodyType.SYNC: _take_nothing,
    BodyType.TYPING: _take_typing,
    BodyType.PRESENCE: _take_presence,
    BodyType.CALL: _take_call,
    BodyType.VOICEMAIL: _take_voicemail,
    BodyType.CALL_RECORD: _refuse,
}


def _take_request(work: Work, arrival: Arrival, contact: ContactRow | None) -> None:
    """Take a request to be a contact.

    With a token of ours, or where we have asked ourselves, both sides have agreed. A contact
    that asks again has lost its memory of us (it was restored): it is answered again, once
    its new keys have been looked at.
    """
    body = CONTACT_REQUEST_PARSER.parse(arrival.payload.body)
    account = arrival.account
    if contact is not None and contact.status == ContactStatus.BLOCKED:
        return
    invited = contacts.use_token(work, body.invitation_token)
    name = names.clean_name(body.name)
    is_new = contact is None
    if contact is None:
        given = invited.name if invited and invited.name else ""
        given = given or names.distinct_name(work, name, account)
        contact = contacts.new_contact(work, account, given, ContactStatus.REQUESTED)
    contact = contact._replace(their_name=name)
    work.t.put(CONTACTS, contact)
    _learn_cards(work, account, body.cards)
    contact = work.t.get(CONTACTS, account) or contact
    if invited is not None or contact.status in (
        ContactStatus.INVITED,
        ContactStatus.ACCEPTED,
    ):
        if is_new:
            work.notify(ContactChanged(account, ContactChange.ADDED))
        contacts.become_accepted(work, contact)
        return
    if body.wants_call:
        work.t.put(CONTACTS, contact._replace(wants_call=1))
    if is_new:
        work.notify(ContactChanged(account, ContactChange.REQUESTED))
    elif body.wants_call:
        work.notify(ContactChanged(account, ContactChange.WANTS_CALL))


def _named(work: Work, contact: ContactRow, name: str) -> ContactRow:
    if contact.name:
        return contact
    return contact._replace(name=names.distinct_name(work, name, AccountId(contact.account)))


def _learn_cards(work: Work, account: AccountId, learned: list[DeviceCard]) -> None:
    """Store cards; what waited for them, or for a new token, goes on."""
    if not peers.learn_cards(work, account, learned):
        return
    for row in outbox.rows_to(work, account):
        if row.body_type == BodyType.CONTACT_REQUEST:
            continue
        if row.route == outbox.ROUTE_STAMP or row.cause == Cause.TOKEN_STALE:
            outbox.advance(work, row._replace(route=outbox.ROUTE_CONTACT))
    outgoing.catch_up(work, account)


def _tell_new_token(work: Work, account: AccountId) -> None:
    """Tell a contact our present token: it still used an old one."""
    last = work.volatile.cards_sent.get(account)
    if last is None or (work.now - last) * 1000 >= work.config.card_repeat_ms:
        work.volatile.cards_sent[account] = work.now
        cards.send_cards(work, account)


# From our own devices.


def _take_from_own(work: Work, arrival: Arrival) -> None:
    body_type, payload = arrival.payload.body_type, arrival.payload
    if body_type not in _OWN_BODIES:
        return
    match body_type:
        case BodyType.RECEIPT:
            body = RECEIPT_PARSER.parse(payload.body)
            receipts.take(work, arrival.account, arrival.device, body)
        case BodyType.CARD:
            _learn_cards(work, arrival.account, CARD_PARSER.parse(payload.body).cards)
        case BodyType.CHAIN:
            chain = IdentityChain.parse(CHAIN_PARSER.parse(payload.body).chain)
            if chain.account_id == arrival.account:
                trust.learn_chain(work, chain)
        case _:
            _take_sync(work, arrival)


def _take_sync(work: Work, arrival: Arrival) -> None:
    match SYNC_PARSER.parse(arrival.payload.body):
        case SyncText() as body:
            _take_own_text(work, arrival, body)
        case SyncContact() as body:
            _take_own_contact(work, body, arrival.payload.sent_unix_ms)
        case SyncRead(contact, message_ids):
            for message_id in message_ids:
                mark_read(work, AccountId(contact), MessageId(message_id))


def _take_own_text(work: Work, arrival: Arrival, body: SyncText) -> None:
    """Show what another device of ours has written, or what became of it."""
    try:
        state = MessageState(body.state)
    except ValueError:
        return
    if state not in _STATES_OF_OWN:
        return
    contact, message_id = AccountId(body.contact), MessageId(body.message_id)
    highest = conversation(work.t, contact).highest_order
    order = clamped_order(body.text.order, highest)
    row = MessageRow(
        author=arrival.account,
        author_device=arrival.device,
        message_id=message_id,
        contact=contact,
        position=position_of(order, arrival.account, arrival.device, message_id),
        body_type=BodyType.TEXT,
        body=body.text.text.encode(),
        sent_unix_ms=body.sent_unix_ms,
        state=state.value,
        held_by=0,
        cause=Cause.NONE.value,
        unread=0,
    )
    if not add_message(work, row):
        known = own_message(work, contact, message_id, arrival.device)
        if known is not None:
            advance(work, known, state)


_STATES_OF_OWN = (MessageState.HELD, MessageState.DELIVERED, MessageState.READ)


def _take_own_contact(work: Work, body: SyncContact, sent_unix_ms: int) -> None:
    """Take what another device of ours knew about a contact when it wrote this.

    A home may have kept it back: what it says was true then and may not be now.
    """
    account = AccountId(body.contact)
    if account == work.own.account:
        return
    try:
        status, known_trust = ContactStatus(body.status), Trust(body.trust)
    except ValueError:
        return
    row = work.t.get(CONTACTS, account)
    is_new = row is None
    if row is None:
        row = contacts.new_contact(work, account, body.name, status)
    looked_at_epoch = None
    if body.chain:
        try:
            chain = IdentityChain.parse(body.chain)
        except PeerError:
            return
        if chain.account_id == account:
            trust.learn_chain(work, chain)
            looked_at_epoch = chain.epoch
    row = work.t.get(CONTACTS, account) or row
    blocked_since = row.status == ContactStatus.BLOCKED and row.changed_unix_ms > sent_unix_ms
    if row.status != status and not blocked_since:
        row = row._replace(status=status.value, wants_call=0)
        if status is ContactStatus.BLOCKED:
            contacts.forget_outgoing(work, account)
    # It counts only if the number that the person looked at there was of this very epoch.
    looked_at = known_trust is Trust.VERIFIED and looked_at_epoch == row.epoch
    if looked_at and row.trust != Trust.FROZEN:
        row = row._replace(trust=Trust.VERIFIED.value)
    work.t.put(CONTACTS, row)
    change = ContactChange.ADDED if is_new else _CHANGE_OF_STATUS[ContactStatus(row.status)]
    work.notify(ContactChanged(account, change))
    _learn_cards(work, account, body.cards)
    outgoing.catch_up(work, account)


_CHANGE_OF_STATUS = {
    ContactStatus.INVITED: ContactChange.ADDED,
    ContactStatus.REQUESTED: ContactChange.REQUESTED,
    ContactStatus.ACCEPTED: ContactChange.ACCEPTED,
    ContactStatus.BLOCKED: ContactChange.BLOCKED,
}


def mark_read(work: Work, contact: AccountId, message_id: MessageId) -> None:
    """Note that a received message has been read."""
    for row in work.t.select(MESSAGES_BY_ID, message_id):
        if row.contact == contact and row.unread:
            work.t.put(MESSAGES, row._replace(unread=0))
            before = conversation(work.t, contact)
            unread = max(0, before.unread - 1)
            work.t.put(CONVERSATIONS, before._replace(unread=unread))


def _unread(work: Work, contact: AccountId) -> list[MessageRow]:
    """Return what has not been read, newest first; the conversation knows how much that is."""
    left = conversation(work.t, contact).unread
    found: list[MessageRow] = []
    before: bytes | None = None
    while len(found) < left:
        rows = work.t.select(
            MESSAGES_BY_POSITION, contact, below=before, limit=MAX_RECEIPT_IDS, descending=True
        )
        found += [row for row in rows if row.unread]
        if len(rows) < MAX_RECEIPT_IDS:
            break
        before = rows[-1].position
    return found


def read_all(work: Work, contact: AccountId, only: Collection[MessageId] | None = None) -> None:
    """Note that what was received has been read (of it, `only` these); tell the writer."""
    rows = [row for row in _unread(work, contact) if only is None or row.message_id in only]
    for row in rows:
        mark_read(work, contact, MessageId(row.message_id))
        message_id, device = MessageId(row.message_id), DeviceId(row.author_device)
        if row.body_type == BodyType.CALL_RECORD:
            continue
        receipts.owe(work, contact, message_id, ReceiptKind.READ, device)
    for start in range(0, len(rows), MAX_RECEIPT_IDS):
        ids = [row.message_id for row in rows[start : start + MAX_RECEIPT_IDS]]
        outgoing.sync(work, encode(SyncRead(contact, ids)))
