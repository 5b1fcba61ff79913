"""Receipts: owed, gathered for a moment, sent once.

A delivery receipt leaves within two seconds, at random, while the person has the chat open;
otherwise it waits a little longer so that several share an envelope. They are put once and
dropped when a home holds them: a lost one is cured by the sender, who puts its message again
and so makes us repeat the receipt. Source: spec/messaging.md#receipts.
"""

from hark.messaging import conversations, outbox, outgoing, peers, trust
from hark.messaging.asks import RowKey
from hark.messaging.events import Cause, MessageState
from hark.messaging.tables import (
    RECEIPTS,
    RECEIPTS_BY_DUE,
    RECEIPTS_BY_PEER,
    MessageRow,
    ReceiptRow,
)
from hark.messaging.work import Work
from hark.wire.bodies import MAX_RECEIPT_IDS, BodyType, ReceiptBody, ReceiptKind
from hark.wire.codec import encode
from hark.wire.ids import MESSAGE_ID_BYTES, AccountId, DeviceId, MessageId


def owe(
    work: Work,
    account: AccountId,
    message_id: MessageId,
    kind: ReceiptKind,
    device: DeviceId,
) -> None:
    """Remember that a receipt is to be sent to the device that wrote, soon or a bit later."""
    is_open = account in work.volatile.open_chats or account == work.own.account
    config = work.config
    if is_open or kind is ReceiptKind.READ:
        delay_ms = work.random_below(config.receipt_open_ms + 1)
    else:
        delay_ms = config.receipt_batch_ms // 2
        delay_ms += work.random_below(config.receipt_batch_ms // 2 + 1)
    row = ReceiptRow(account, device, kind, message_id, work.now_unix_ms + delay_ms)
    work.t.insert(RECEIPTS, row)


def next_due_unix_ms(work: Work) -> int | None:
    """Return when the next receipt is to leave, or None."""
    rows = work.t.select(RECEIPTS_BY_DUE, limit=1)
    return rows[0].due_unix_ms if rows else None


def send_due(work: Work) -> None:
    """Send what is due, and with it whatever else goes to the same devices."""
    for row in work.t.select(RECEIPTS_BY_DUE, below=work.now_unix_ms + 1):
        # An earlier round of this loop may have taken it along.
        if work.t.get(RECEIPTS, row.account, row.device, row.kind, row.message_id) is None:
            continue
        _send(work, AccountId(row.account), DeviceId(row.device), ReceiptKind(row.kind))


def take(work: Work, account: AccountId, device: DeviceId, body: ReceiptBody) -> None:
    """Take a receipt of a device: nothing more goes to it, and the person sees the state."""
    kind = ReceiptKind(body.kind)
    state = MessageState.READ if kind is ReceiptKind.READ else MessageState.DELIVERED
    for raw in body.message_ids:
        message_id = MessageId(raw)
        row = outbox.row_of(work, RowKey(message_id, account, device))
        if row is not None and row.envelope:
            outbox.forget(work, row)
        message = conversations.own_message(work, account, message_id)
        if message is not None and conversations.advance(work, message, state):
            _tell_own(work, message._replace(state=state.value))


def _tell_own(work: Work, row: MessageRow) -> None:
    if row.author_device == work.own.device_id and row.body_type == BodyType.TEXT:
        outgoing.copy_to_own(work, row)


def _send(work: Work, account: AccountId, device: DeviceId, kind: ReceiptKind) -> None:
    rows = work.t.select(RECEIPTS_BY_PEER, account, device, kind, limit=MAX_RECEIPT_IDS)
    for row in rows:
        work.t.delete(RECEIPTS, row.account, row.device, row.kind, row.message_id)
    # Whoever may not be written to gets no receipts either, now or later.
    if trust.sending_stopped(work, account) is not Cause.NONE:
        return
    body = encode(ReceiptBody(kind, [row.message_id for row in rows]))
    message_id = MessageId(work.random_bytes(MESSAGE_ID_BYTES))
    for peer in peers.devices_of(work, account):
        key = RowKey(message_id, account, DeviceId(peer.device))
        if peer.card and device == peer.device:
            outbox.enqueue(work, key, BodyType.RECEIPT, body)
