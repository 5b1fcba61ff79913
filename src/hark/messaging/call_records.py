"""Calls in the history: what each one was, or has become.

A record is a message of its conversation that never leaves this device: its id is that of the
call, its author who called. What is over stays as it is, whatever comes late; what was not
over when this program ended is settled at the next start.
Source: spec/messaging.md#calls.
"""

from hark.messaging.conversations import (
    add_message,
    change_record,
    conversation,
    position_of,
)
from hark.messaging.events import Cause, MessageState
from hark.messaging.tables import (
    MESSAGES,
    OPEN_CALLS,
    OPEN_CALLS_BY_ID,
    MessageRow,
    OpenCallRow,
)
from hark.messaging.work import Work
from hark.wire.bodies import BodyType
from hark.wire.call import CALL_RECORD_PARSER, CallOutcome, CallRecordBody
from hark.wire.codec import encode
from hark.wire.ids import AccountId, CallId, DeviceId, MessageId

_OPEN = frozenset({CallOutcome.RINGING, CallOutcome.GOING_ON})
_SETTLED = {
    CallOutcome.RINGING: CallOutcome.MISSED,
    CallOutcome.GOING_ON: CallOutcome.INTERRUPTED,
}
"""What a call that was not over has become when this program starts again."""


def record_of(row: MessageRow) -> CallRecordBody:
    """Return what a message of type `CALL_RECORD` says."""
    return CALL_RECORD_PARSER.parse(row.body)


def note(
    work: Work,
    contact: AccountId,
    call: CallId,
    caller_device: DeviceId | None,
    record: CallRecordBody,
    *,
    sent_unix_ms: int = 0,
) -> bool:
    """Note what a call is, or has become.

    Args:
        work: the transaction.
        contact: with whom.
        call: its name.
        caller_device: of the contact, when it has called; None: we have.
        record: what to note; nothing that is over goes back to what is not.
        sent_unix_ms: when the call was made; 0 for now.

    Returns:
        Whether the call is new here.
    """
    own = work.own
    caller = own.account if caller_device is None else contact
    device = caller_device or own.device_id
    known = work.t.get(MESSAGES, call, caller, device)
    if known is None:
        row = _new_row(work, contact, call, (caller, device), record)
        add_message(work, row._replace(sent_unix_ms=sent_unix_ms or work.calendar_unix_ms))
    elif not _may_become(known, contact, record):
        return False
    else:
        change_record(work, known, encode(record), unread=_unread(work, known.author, record))
    _follow(work, OpenCallRow(call, caller, device), record)
    return known is None


def settle(work: Work) -> None:
    """Note the end of the calls during which this program ended."""
    for call in work.t.select(OPEN_CALLS_BY_ID):
        row = work.t.get(MESSAGES, call.call, call.caller, call.caller_device)
        if row is None:
            work.t.delete(OPEN_CALLS, *call)
            continue
        outcome = _SETTLED[CallOutcome(record_of(row).outcome)]
        device = None if row.author == work.own.account else DeviceId(row.author_device)
        contact, name = AccountId(row.contact), CallId(row.message_id)
        note(work, contact, name, device, CallRecordBody(outcome, 0))


def _new_row(
    work: Work,
    contact: AccountId,
    call: CallId,
    author: tuple[AccountId, DeviceId],
    record: CallRecordBody,
) -> MessageRow:
    order = conversation(work.t, contact).highest_order + 1
    return MessageRow(
        author=author[0],
        author_device=author[1],
        message_id=call,
        contact=contact,
        position=position_of(order, *author, MessageId(call)),
        body_type=BodyType.CALL_RECORD,
        body=encode(record),
        sent_unix_ms=work.calendar_unix_ms,
        state=MessageState.NOTED.value,
        held_by=0,
        cause=Cause.NONE.value,
        unread=_unread(work, author[0], record),
    )


def _unread(work: Work, caller: bytes, record: CallRecordBody) -> int:
    """Return 1 for a call that a person has not heard of yet: one that it has missed."""
    return int(record.outcome == CallOutcome.MISSED and caller != work.own.account)


def _may_become(row: MessageRow, contact: AccountId, record: CallRecordBody) -> bool:
    # The ids are the caller's to choose: what is no call, or somebody else's, stays.
    if row.body_type != BodyType.CALL_RECORD or row.contact != contact:
        return False
    known = record_of(row)
    return known != record and (known.outcome in _OPEN or record.outcome not in _OPEN)


def _follow(work: Work, call: OpenCallRow, record: CallRecordBody) -> None:
    if record.outcome in _OPEN:
        work.t.put(OPEN_CALLS, call)
    else:
        work.t.delete(OPEN_CALLS, *call)
