"""Reading for the faces: no query changes anything."""

from hark.errors import UnknownContactError
from hark.identity.safety_number import safety_number as number_of
from hark.messaging import (
    call_records,
    contacts,
    envelope_keys,
    homes,
    mailboxes,
    peers,
    quarantine,
    trust,
)
from hark.messaging.conversations import conversation, order_of
from hark.messaging.events import Cause, ContactStatus, MessageState, Trust
from hark.messaging.tables import (
    CONTACTS,
    CONTACTS_BY_STATUS,
    KEYS_BY_COUNTER,
    MESSAGES_BY_ID,
    MESSAGES_BY_POSITION,
    OLM_ACCOUNT,
    OUTBOX_BY_DUE,
    ContactRow,
    HomeRow,
    MessageRow,
)
from hark.messaging.views import (
    NEWER_HARK_TEXT,
    ContactView,
    Diagnostics,
    MessageKind,
    MessageView,
    OwnAccount,
    OwnHome,
)
from hark.messaging.work import Work
from hark.wire.bodies import BodyType
from hark.wire.call import CallOutcome, CallRecordBody
from hark.wire.ids import AccountId, MessageId, NodeId
from hark.wire.sound import FRAME_MS, OPUS_PACKET_BYTES


def whoami(work: Work) -> OwnAccount:
    """Return who we are."""
    own = work.own
    return OwnAccount(
        own.account,
        own.device_id,
        own.row.name,
        own.chain.epoch,
        own.chain.chain_seq,
        len(own.chain.devices),
        [_home_view(work, home) for home in homes.home_rows(work)],
    )


def contact_views(work: Work) -> list[ContactView]:
    """Return all contacts, the oldest of each status first."""
    return [
        _contact_view(work, row)
        for status in ContactStatus
        for row in work.t.select(CONTACTS_BY_STATUS, status.value)
    ]


def history(
    work: Work, contact: AccountId, limit: int, before: bytes | None
) -> list[MessageView]:
    """Return the newest messages of a conversation, oldest of them first.

    Args:
        work: the transaction.
        contact: whose conversation.
        limit: at most so many.
        before: `MessageView.position` of a message; only those before it.

    Raises:
        UnknownContactError: there is no such contact.
    """
    if work.t.get(CONTACTS, contact) is None:
        raise UnknownContactError
    rows = work.t.select(
        MESSAGES_BY_POSITION, contact, below=before, limit=limit, descending=True
    )
    return [_message_view(work, row) for row in reversed(rows)]


def message(work: Work, message_id: MessageId) -> MessageView | None:
    """Return a message; of several with one id (somebody chose ours), our own."""
    rows = work.t.select(MESSAGES_BY_ID, message_id)
    rows.sort(key=lambda row: row.author != work.own.account)
    return _message_view(work, rows[0]) if rows else None


def voicemail(work: Work, message_id: MessageId) -> bytes | None:
    """Return the packets of a voicemail; None when there is none of this id."""
    rows = work.t.select(MESSAGES_BY_ID, message_id)
    found = [row.body for row in rows if row.body_type == BodyType.VOICEMAIL]
    return found[0] if found else None


def name_of(work: Work, contact: AccountId) -> str:
    """Return what a contact is called here; empty for nobody we know."""
    row = work.t.get(CONTACTS, contact)
    return "" if row is None else row.name


def safety_number(work: Work, contact: AccountId) -> str:
    """Return the 60 digits of us and a contact; empty while its keys are not known.

    Raises:
        UnknownContactError: there is no such contact.
    """
    contacts.find(work, contact)
    chain = trust.chain_of(work, contact)
    return "" if chain is None else number_of(work.own.chain, chain)


def diagnostics(work: Work) -> Diagnostics:
    """Return what a look at the works needs."""
    rows = work.t.select(OUTBOX_BY_DUE)
    causes: dict[str, int] = {}
    for row in rows:
        causes[row.cause] = causes.get(row.cause, 0) + 1
    keys = work.t.select(KEYS_BY_COUNTER, descending=True)
    offsets = sorted(work.volatile.clock_offsets_ms.values(), key=abs)
    offset_ms = work.clock_offset_ms or (offsets[-1] if offsets else 0)
    account = work.t.get(OLM_ACCOUNT, 0)
    return Diagnostics(
        generation=work.own.row.generation,
        overtaken=bool(work.own.row.stale),
        outbox_count=len(rows),
        outbox_by_cause=causes,
        quarantine_by_cause=quarantine.count_by_cause(work),
        clock_offset_ms=offset_ms,
        clock_is_wrong=abs(offset_ms) > work.config.clock_warning_ms,
        envelope_key_ages_ms=[work.now_unix_ms - key.made_unix_ms for key in keys],
        one_time_keys=0 if account is None else account.one_time_count,
        internal_errors=dict(work.volatile.internal_errors),
    )


def _home_view(work: Work, home: HomeRow) -> OwnHome:
    pair = mailboxes.pair_at(work.t, home)
    version = envelope_keys.bundle_version(work)
    ready = pair is not None and all(
        row.mailbox in work.volatile.attached and row.published >= version for row in pair
    )
    connected = NodeId(home.node) in work.volatile.links
    return OwnHome(homes.address_of(home), connected, connected and ready)


def _contact_view(work: Work, row: ContactRow) -> ContactView:
    account = AccountId(row.account)
    chain = trust.chain_of(work, account)
    moving = conversation(work.t, account)
    return ContactView(
        account,
        row.name or row.their_name,
        row.their_name,
        ContactStatus(row.status),
        Trust(row.trust),
        "" if chain is None else number_of(work.own.chain, chain),
        len(peers.devices_of(work, account)),
        moving.unread,
        moving.last_unix_ms,
        bool(row.wants_call),
    )


_KINDS: dict[int, MessageKind] = {
    BodyType.TEXT: MessageKind.TEXT,
    BodyType.CALL_RECORD: MessageKind.CALL,
    BodyType.VOICEMAIL: MessageKind.VOICEMAIL,
}


def _text_of(row: MessageRow) -> str:
    match row.body_type:
        case BodyType.TEXT:
            return row.body.decode()
        case BodyType.CALL_RECORD | BodyType.VOICEMAIL:
            return ""
        case _:
            return NEWER_HARK_TEXT


def _duration_ms(row: MessageRow, record: CallRecordBody | None) -> int:
    if row.body_type == BodyType.VOICEMAIL:
        return len(row.body) // OPUS_PACKET_BYTES * FRAME_MS
    return 0 if record is None else record.duration_ms


def _message_view(work: Work, row: MessageRow) -> MessageView:
    kind = _KINDS.get(row.body_type, MessageKind.UNKNOWN)
    record = call_records.record_of(row) if kind is MessageKind.CALL else None
    return MessageView(
        MessageId(row.message_id),
        AccountId(row.contact),
        row.author == work.own.account,
        kind,
        _text_of(row),
        row.sent_unix_ms,
        order_of(row),
        row.position,
        MessageState(row.state),
        row.held_by,
        Cause(row.cause),
        bool(row.unread),
        None if record is None else CallOutcome(record.outcome),
        _duration_ms(row, record),
    )
