"""What a signal does with a call that is known.

Only the other end of a call counts: before an answer every device of the contact, afterwards
the one that has answered. What only our own role says is our own word come back.
Source: spec/calls.md#signals.
"""

from enum import IntEnum
from typing import TypeVar

from hark.calls import joining, redial
from hark.calls.call import ANSWERED, UNANSWERED, Call, Part, Timer
from hark.calls.events import CallState, SignalReceived
from hark.calls.refusal import SignalRefusedError
from hark.calls.table import Step
from hark.machine import Instant
from hark.wire.call import (
    CallAnswer,
    CallCandidates,
    CallConfirm,
    CallEnd,
    CallOffer,
    CallRedial,
    CallRedialAnswer,
    CallRedialWanted,
    CallRingConfirmed,
    CallRinging,
    CallSignal,
    CallStatus,
    EndReason,
    Refusal,
)
from hark.wire.ids import DeviceId

EXPECTANT = CallRinging | CallAnswer | CallRedial | CallRedialWanted
"""Whoever sends one of these waits: it is told when there is no such call any more."""
FROM_CALLER = CallOffer | CallRingConfirmed | CallRedial
FROM_CALLEE = CallRinging | CallAnswer | CallRedialAnswer | CallRedialWanted
_BEFORE_AN_ANSWER = frozenset(
    {EndReason.CANCELLED, EndReason.NO_ANSWER, EndReason.ELSEWHERE, EndReason.GLARE}
    | {EndReason.REFUSED}
)
"""Why a caller may end a call that rings here; anything else counts as `CANCELLED`."""

NumberT = TypeVar("NumberT", bound=IntEnum)


def is_early(call: Call, signal: CallSignal) -> bool:
    """Return whether a signal may belong to an answer that it has overtaken."""
    return call.state in UNANSWERED and isinstance(signal, CallCandidates | CallStatus)


def take(call: Call, item: SignalReceived, signal: CallSignal, now: Instant) -> None:
    """Do what a signal of the contact's says.

    Raises:
        SignalRefusedError: it is not what it must be; the call has to end.
    """
    device = item.device
    if call.state is CallState.ENDED:
        _answer_late(call, device, signal)
    elif call.device is not None and device != call.device:
        if call.outgoing and isinstance(signal, CallAnswer | CallRinging):
            call.send(CallEnd(call.id, EndReason.ELSEWHERE, Refusal.NONE), device)
    elif isinstance(signal, FROM_CALLEE):
        if not call.outgoing:
            raise SignalRefusedError(Refusal.REFLECTED)
        _take_of_callee(call, item, signal, now)
    elif isinstance(signal, FROM_CALLER):
        if call.outgoing:
            raise SignalRefusedError(Refusal.REFLECTED)
        _take_of_caller(call, signal, item.body, now)
    else:
        _take_of_both(call, item, signal, now)


def _take_of_callee(
    call: Call, item: SignalReceived, signal: FROM_CALLEE, now: Instant
) -> None:
    match signal:
        case CallRinging():
            if call.step(Step.RANG, now):
                call.ringing.add(item.device)
                call.timers.pop(Timer.BUSY, None)
                call.send(CallRingConfirmed(call.id), item.device)
        case CallAnswer():
            if call.state in UNANSWERED:
                joining.take_answer(call, item, signal, now)
        case CallRedialAnswer():
            if call.state in ANSWERED:
                joining.take_redial_answer(call, signal, item.body)
        case CallRedialWanted(connection=number):
            if call.state in ANSWERED:
                redial.wanted(call, number, now)


def _take_of_caller(call: Call, signal: FROM_CALLER, body: bytes, now: Instant) -> None:
    match signal:
        case CallOffer():
            pass
        case CallRingConfirmed():
            call.ring_confirmed = True
            call.timers.pop(Timer.RING_CONFIRM, None)
        case CallRedial():
            joining.take_redial(call, signal, body, now)


def _take_of_both(
    call: Call,
    item: SignalReceived,
    signal: CallCandidates | CallConfirm | CallEnd | CallStatus,
    now: Instant,
) -> None:
    match signal:
        case CallCandidates():
            joining.take_candidates(call, signal, item.body)
        case CallConfirm():
            joining.take_confirm(call, signal)
        case CallStatus():
            _take_status(call, signal)
        case CallEnd():
            _take_end(call, item.device, signal, now)


def _take_status(call: Call, status: CallStatus) -> None:
    if status.sequence > call.peer_sequence:
        call.peer_sequence = status.sequence
        call.peer_part = Part(status.muted, status.held, status.records)


# Ends.


def _take_end(call: Call, device: DeviceId, end: CallEnd, now: Instant) -> None:
    reason = _known(EndReason, end.reason, EndReason.HUNG_UP)
    refusal = Refusal.NONE
    if reason is EndReason.REFUSED:
        refusal = _known(Refusal, end.detail, Refusal.MALFORMED)
    if call.state in UNANSWERED and not _ends_unanswered(call, device, reason, now):
        return
    if call.state is CallState.INCOMING and reason not in _BEFORE_AN_ANSWER:
        reason = EndReason.CANCELLED
    call.step(Step.PEER_ENDED, now, reason=reason, refusal=refusal, by_peer=True)


def _ends_unanswered(call: Call, device: DeviceId, reason: EndReason, now: Instant) -> bool:
    """Return whether the end of one device's part ends our call."""
    match reason:
        case EndReason.GLARE:
            # The other call must come: it is answered then, whenever that is.
            if Timer.GLARE not in call.timers:
                call.wait(Timer.GLARE, now, call.config.glare_wait_s)
        case EndReason.BUSY:
            call.ringing.discard(device)
            if not call.ringing and Timer.BUSY not in call.timers:
                call.wait(Timer.BUSY, now, call.config.busy_wait_s)
        case EndReason.NO_ANSWER | EndReason.ELSEWHERE | EndReason.UNKNOWN_CALL:
            call.ringing.discard(device)
        case _:
            call.device = device
            return True
    return False


def _answer_late(call: Call, device: DeviceId, signal: CallSignal) -> None:
    """Tell a device that waits for us that this call is over."""
    assert call.ending
    if not isinstance(signal, EXPECTANT):
        return
    reason, refusal = call.ending.reason, call.ending.refusal
    if call.device is not None and device != call.device:
        if not call.outgoing:
            return
        reason, refusal = EndReason.ELSEWHERE, Refusal.NONE
    call.send(CallEnd(call.id, reason, refusal), device)


def _known(kind: type[NumberT], number: int, otherwise: NumberT) -> NumberT:
    try:
        return kind(number)
    except ValueError:
        return otherwise
