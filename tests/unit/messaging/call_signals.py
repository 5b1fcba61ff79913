"""Signals and orders of calls, for tests that only carry them."""

from hark.messaging.events import RecordOrder, SignalOrder
from hark.wire.call import (
    CallCandidate,
    CallEnd,
    CallOffer,
    CallOutcome,
    CallSignal,
    CallStream,
    CallTransport,
    EndReason,
)
from hark.wire.codec import encode
from hark.wire.ids import AccountId, CallId, DeviceId

CALL = CallId(b"the first call  ")
OTHER_CALL = CallId(b"the second call ")
ADDRESS = "192.0.2.77"
"""In every offer made here: nobody who may not see it must ever hold it."""


def offer(call: CallId = CALL) -> CallOffer:
    return CallOffer(
        call=call,
        commitment=bytes(32),
        secret=bytes(range(32)),
        caller_epoch=1,
        callee_epoch=1,
        streams=[CallStream(0, 0)],
        transport=CallTransport("user", "p" * 22, bytes(32)),
        candidates=[CallCandidate(0, ADDRESS, 40_000, 100, "1")],
        final=True,
        records=False,
    )


def ending(call: CallId = CALL) -> CallEnd:
    return CallEnd(call, EndReason.CANCELLED, 0)


def signal(
    account: AccountId,
    what: CallSignal | None = None,
    *,
    device: DeviceId | None = None,
    but_not: DeviceId | None = None,
) -> SignalOrder:
    return SignalOrder(account, encode(what or offer()), device, but_not)


def record(
    contact: AccountId,
    outcome: CallOutcome,
    *,
    call: CallId = CALL,
    caller_device: DeviceId | None = None,
    duration_ms: int = 0,
) -> RecordOrder:
    return RecordOrder(call, contact, caller_device, outcome, duration_ms)
