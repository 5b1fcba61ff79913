"""Conversations: the messages as a person sees them, in one order on all devices.

Each text carries an order: one more than the highest that its writer had seen. History is
sorted by (order, author, author's device, message id), so that all devices of both sides show
the same sequence whatever the paths did. A hostile order is bounded: see `MAX_ORDER_JUMP`.
Source: spec/messaging.md#order.
"""

from hark.messaging.events import Cause, MessageAdded, MessageChanged, MessageState
from hark.messaging.store import Transaction
from hark.messaging.tables import (
    CONVERSATIONS,
    MESSAGES,
    MESSAGES_BY_ID,
    ConversationRow,
    MessageRow,
)
from hark.messaging.work import Work
from hark.wire.ids import AccountId, DeviceId, MessageId

MAX_ORDER_JUMP = 1_000_000
"""A message that claims to come so far after all others is placed just after them: whoever
jumped to the end of the numbers would keep the last place for ever."""

_FINAL_RANK = {
    MessageState.WAITING: 0,
    MessageState.HELD: 1,
    MessageState.EXPIRED: 2,
    MessageState.DELIVERED: 3,
    MessageState.READ: 4,
    MessageState.RECEIVED: 5,
    MessageState.NOTED: 6,
}
"""A state only ever gives way to a higher one: late news do not undo what is known."""


def conversation(transaction: Transaction, contact: AccountId) -> ConversationRow:
    """Return what moves in a conversation; of a new one, zeros."""
    return transaction.get(CONVERSATIONS, contact) or ConversationRow(contact, 0, 0, 0)


def position_of(
    order: int, author: AccountId, device: DeviceId, message_id: MessageId
) -> bytes:
    """Return the place of a message as bytes that sort as the places do."""
    return order.to_bytes(8, "big") + author + device + message_id


def order_of(row: MessageRow) -> int:
    """Return the order number in a message's place."""
    return int.from_bytes(row.position[:8], "big")


def clamped_order(claimed: int, highest: int) -> int:
    """Return the order that a received message gets."""
    return claimed if claimed <= highest + MAX_ORDER_JUMP else highest + 1


def add_message(work: Work, row: MessageRow) -> bool:
    """Add a message to its conversation; False when it was there already."""
    if not work.t.insert(MESSAGES, row):
        return False
    contact = AccountId(row.contact)
    before = conversation(work.t, contact)
    work.t.put(
        CONVERSATIONS,
        before._replace(
            highest_order=max(before.highest_order, order_of(row)),
            unread=before.unread + row.unread,
            last_unix_ms=max(before.last_unix_ms, row.sent_unix_ms),
        ),
    )
    outgoing = row.author == work.own.account
    work.notify(MessageAdded(contact, MessageId(row.message_id), outgoing))
    return True


def advance(
    work: Work,
    row: MessageRow,
    state: MessageState,
    *,
    held_by: int = 0,
    cause: Cause = Cause.NONE,
) -> bool:
    """Move a message of ours on to `state`, if it is not further already.

    Returns:
        Whether its state has changed.
    """
    before = MessageState(row.state)
    if _FINAL_RANK[state] < _FINAL_RANK[before]:
        return False
    held_by = max(held_by, row.held_by)
    if (state, held_by, cause) == (before, row.held_by, row.cause):
        return False
    work.t.put(MESSAGES, row._replace(state=state.value, held_by=held_by, cause=cause.value))
    work.notify(
        MessageChanged(AccountId(row.contact), MessageId(row.message_id), state, held_by, cause)
    )
    return state is not before


def change_record(work: Work, row: MessageRow, body: bytes, *, unread: int) -> None:
    """Let a message that is kept here alone say something else."""
    work.t.put(MESSAGES, row._replace(body=body, unread=unread))
    before = conversation(work.t, AccountId(row.contact))
    if unread != row.unread:
        left = max(0, before.unread + unread - row.unread)
        work.t.put(CONVERSATIONS, before._replace(unread=left))
    state, cause = MessageState(row.state), Cause(row.cause)
    contact, message_id = AccountId(row.contact), MessageId(row.message_id)
    work.notify(MessageChanged(contact, message_id, state, row.held_by, cause))


def own_message(
    work: Work, contact: AccountId, message_id: MessageId, device: DeviceId | None = None
) -> MessageRow | None:
    """Return a message that this account wrote to `contact`, or None.

    The contact is part of the question: a receipt from one person never moves a message to
    another.
    """
    own = work.own
    row = work.t.get(MESSAGES, message_id, own.account, device or own.device_id)
    if row is not None:
        return row if row.contact == contact else None
    for other in work.t.select(MESSAGES_BY_ID, message_id):
        if (other.author, other.contact) == (own.account, contact):
            return other
    return None
