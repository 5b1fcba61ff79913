"""What we write: one message to every device of the recipient, a copy to our own others."""

from collections.abc import Iterator

from hark.messaging import outbox, peers, trust
from hark.messaging.asks import RowKey
from hark.messaging.conversations import add_message, conversation, order_of, position_of
from hark.messaging.events import Cause, MessageState
from hark.messaging.tables import MESSAGES_BY_POSITION, OUTBOX, MessageRow
from hark.messaging.work import Work
from hark.wire.bodies import BodyType, SyncText, TextBody, VoicemailBody
from hark.wire.codec import encode
from hark.wire.ids import MESSAGE_ID_BYTES, AccountId, DeviceId, MessageId

_ON_THE_WAY = (MessageState.WAITING, MessageState.HELD)
_PAGE = 200


def new_message_id(work: Work) -> MessageId:
    """Return a fresh random id."""
    return MessageId(work.random_bytes(MESSAGE_ID_BYTES))


def send_text(work: Work, contact: AccountId, text: str) -> MessageId:
    """Write a text into a conversation and send it on its way.

    Whether it may be sent now is asked per device by the outbox; until then it waits here.
    """
    row = _write(work, contact, BodyType.TEXT, text.encode())
    copy_to_own(work, row)
    return MessageId(row.message_id)


def send_voicemail(work: Work, contact: AccountId, packets: bytes) -> MessageId:
    """Leave a spoken message, as `send_text` does a written one.

    Our own other devices get no copy of it: to them it would be as large as to the contact.
    """
    return MessageId(_write(work, contact, BodyType.VOICEMAIL, packets).message_id)


def _write(work: Work, contact: AccountId, body_type: BodyType, body: bytes) -> MessageRow:
    """Add a message to its conversation and send it on its way."""
    own, message_id = work.own, new_message_id(work)
    order = conversation(work.t, contact).highest_order + 1
    stop = trust.sending_stopped(work, contact)
    row = MessageRow(
        author=own.account,
        author_device=own.device_id,
        message_id=message_id,
        contact=contact,
        position=position_of(order, own.account, own.device_id, message_id),
        body_type=body_type,
        body=body,
        sent_unix_ms=work.calendar_unix_ms,
        state=MessageState.WAITING.value,
        held_by=0,
        cause=stop.value,
        unread=0,
    )
    add_message(work, row)
    if stop is Cause.NONE:
        _spread(work, row, is_new=True)
    return row


def catch_up(work: Work, contact: AccountId) -> None:
    """Send what waits in a conversation to every device that has none of it yet.

    After the contact accepted, after its number was looked at, and when it has a new device
    or new mailboxes.
    """
    if trust.sending_stopped(work, contact) is not Cause.NONE:
        return
    outbox.wake(work, contact)
    for row in reversed(list(_undelivered(work, contact))):
        _spread(work, row)


def send_control(
    work: Work,
    account: AccountId,
    body_type: BodyType,
    body: bytes,
    *,
    only: DeviceId | None = None,
) -> None:
    """Send a body that no conversation shows to all devices of an account, or to one."""
    message_id = new_message_id(work)
    for peer in peers.devices_of(work, account):
        device = DeviceId(peer.device)
        if only is None or device == only:
            outbox.enqueue(work, RowKey(message_id, account, device), body_type, body)


def sync(work: Work, body: bytes) -> None:
    """Tell our own other devices."""
    send_control(work, work.own.account, BodyType.SYNC, body)


def _undelivered(work: Work, contact: AccountId) -> Iterator[MessageRow]:
    """Yield what this device wrote and nobody has confirmed, newest first."""
    oldest_unix_ms = work.calendar_unix_ms - work.config.outbox_life_ms
    own, before = work.own, None
    while True:
        rows = work.t.select(
            MESSAGES_BY_POSITION, contact, below=before, limit=_PAGE, descending=True
        )
        for row in rows:
            mine = (row.author, row.author_device) == (own.account, own.device_id)
            if mine and row.state in _ON_THE_WAY:
                yield row
        if len(rows) < _PAGE or rows[-1].sent_unix_ms < oldest_unix_ms:
            return
        before = rows[-1].position


def _spread(work: Work, row: MessageRow, *, is_new: bool = False) -> None:
    """Put a message into the outbox for each device that it has not been put there for."""
    contact, message_id = AccountId(row.contact), MessageId(row.message_id)
    body = _body_of(row)
    for peer in peers.devices_of(work, contact):
        if not peer.card:
            continue
        if not is_new and work.t.get(OUTBOX, contact, peer.device, message_id) is not None:
            continue
        outbox.enqueue(
            work,
            RowKey(message_id, contact, DeviceId(peer.device)),
            BodyType(row.body_type),
            body,
            conversation=contact,
            sent_unix_ms=row.sent_unix_ms,
        )


def _body_of(row: MessageRow) -> bytes:
    if row.body_type == BodyType.VOICEMAIL:
        return encode(VoicemailBody(order_of(row), row.body))
    return encode(TextBody(order_of(row), row.body.decode()))


def copy_to_own(work: Work, row: MessageRow) -> None:
    """Tell our own other devices what this one has written, and what became of it.

    The text goes along each time: whichever of two copies comes first, the other adds to it.
    """
    if not peers.devices_of(work, work.own.account):
        return
    on_the_way = row.state in _ON_THE_WAY
    body = SyncText(
        row.contact,
        row.message_id,
        row.sent_unix_ms,
        TextBody(order_of(row), row.body.decode()),
        MessageState.HELD.value if on_the_way else row.state,
    )
    sync(work, encode(body))
