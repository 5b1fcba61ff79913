"""Calls, as far as they are mail: whom one may call, signals out, signals in.

Nothing of what a signal says is decided here. It goes the way of all mail, so that no home can
tell it from a text, and is given up after a minute; one that a home has held for longer than a
call rings leaves a missed call, or nothing. Source: spec/messaging.md#calls.
"""

from collections.abc import Iterable

from hark.errors import MalformedError, UsageError
from hark.messaging import call_records, contacts, outbox, outgoing, peers, trust
from hark.messaging.asks import RowKey
from hark.messaging.events import (
    CallOrder,
    CallPeer,
    CallSignalled,
    Cause,
    ContactStatus,
    RecordOrder,
    SignalOrder,
)
from hark.messaging.tables import CONTACTS, ContactRow
from hark.messaging.work import Work
from hark.wire.bodies import BodyType
from hark.wire.call import CallOffer, CallOutcome, CallRecordBody, parse_signal
from hark.wire.envelope import Payload
from hark.wire.ids import AccountId, CallId, DeviceId


def peer_of(work: Work, account: AccountId) -> CallPeer | None:
    """Return a contact that may be called now; None if it has not accepted us.

    In that case our request goes to it again, and says that we would like to call.

    Raises:
        UnknownContactError, ContactBlockedError, ContactFrozenError,
        ContactUnverifiedError: it may not be called.
        UsageError: it is our own account, or a stranger who has not been answered yet.
    """
    if account == work.own.account:
        raise UsageError("this is your own account")
    row = contacts.find(work, account)
    contacts.check_sending(row)
    if row.status != ContactStatus.ACCEPTED:
        contacts.ask_for_call(work, row)
        return None
    return CallPeer(account, work.own.chain.epoch, row.epoch)


def carry(work: Work, orders: Iterable[CallOrder]) -> None:
    """Send signals on their way and note what calls have become."""
    for order in orders:
        match order:
            case SignalOrder():
                _send(work, order)
            case RecordOrder(call, contact, caller_device, outcome, duration_ms):
                if work.t.get(CONTACTS, contact) is not None:
                    record = CallRecordBody(outcome, duration_ms)
                    call_records.note(work, contact, call, caller_device, record)


def take_signal(
    work: Work, contact: ContactRow, device: DeviceId, payload: Payload, *, late: bool
) -> None:
    """Take a signal of a contact: it matters now, leaves a missed call, or is dropped.

    Args:
        work: the transaction.
        contact: who sent it.
        device: with which device.
        payload: with the signal as its body.
        late: whether it has lain somewhere for longer than a call rings.

    Raises:
        MalformedError: it is no signal; if it matters, the calls hear of that all the same.
    """
    account = AccountId(contact.account)
    own_epoch = work.own.chain.epoch
    signalled = CallSignalled(account, device, payload.body, own_epoch, contact.epoch)
    matters = not late and trust.stopping_cause(contact) is Cause.NONE
    try:
        signal = parse_signal(payload.body)
    except MalformedError:
        if matters:
            # Whatever goes on with this device ends by it.
            work.emit(signalled)
        raise
    if isinstance(signal, CallOffer):
        outcome = CallOutcome.RINGING if matters else CallOutcome.MISSED
        is_new = call_records.note(
            work,
            account,
            CallId(signal.call),
            device,
            CallRecordBody(outcome, 0),
            sent_unix_ms=payload.sent_unix_ms,
        )
        # A call that was here before does not ring again, whoever repeats its offer.
        matters = matters and is_new
    if matters:
        work.emit(signalled)


def _send(work: Work, order: SignalOrder) -> None:
    if trust.sending_stopped(work, order.account) is not Cause.NONE:
        return
    message_id = outgoing.new_message_id(work)
    for peer in peers.devices_of(work, order.account):
        device = DeviceId(peer.device)
        meant = device != order.but_not if order.device is None else device == order.device
        if meant and peer.card:
            key = RowKey(message_id, order.account, device)
            outbox.enqueue(work, key, BodyType.CALL, order.body)
