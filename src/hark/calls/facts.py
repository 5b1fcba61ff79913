"""What the media engine and the passing of time do with a call.

Facts about connections that are closed are old news, and change nothing.
Source: spec/calls.md#media.
"""

from hark.calls import joining, redial
from hark.calls.call import Call, Timer
from hark.calls.events import CallState
from hark.calls.media import (
    FirstSound,
    LocalCandidates,
    LocalMedia,
    MediaBack,
    MediaClosed,
    MediaConnected,
    MediaFact,
    MediaFailed,
    MediaFailure,
    MediaQuality,
    MediaSilent,
)
from hark.calls.table import Step
from hark.machine import Instant
from hark.wire.call import EndReason, Refusal


def take(call: Call, fact: MediaFact, now: Instant) -> None:
    """Do what a fact says."""
    connection = call.connections.get(fact.connection)
    if connection is None:
        return
    match fact:
        case LocalMedia():
            joining.take_local(call, fact, now)
        case LocalCandidates():
            joining.add_local(call, fact)
        case MediaConnected():
            call.path = fact.path
            redial.stands(call, connection, now)
        case FirstSound():
            call.heard = True
            call.silent_since = None
        case MediaSilent() | MediaBack() | MediaQuality():
            if connection.number == call.current:
                _take_of_path(call, fact, now)
        case MediaClosed():
            _closed(call, fact.connection, now)
        case MediaFailed():
            _failed(call, fact, now)


def _take_of_path(
    call: Call, fact: MediaSilent | MediaBack | MediaQuality, now: Instant
) -> None:
    match fact:
        case MediaSilent():
            redial.broken(call, now)
        case MediaBack():
            call.silent_since = None
            if call.step(Step.BACK, now):
                call.timers.pop(Timer.REDIAL, None)
        case MediaQuality():
            call.quality = fact


def _closed(call: Call, number: int, now: Instant) -> None:
    """The other side has closed a connection: for a newer one, or because it has hung up."""
    connection = call.connections[number]
    replaced = call.current > 0 and call.pending() is not None
    redial.close(call, connection)
    if not replaced:
        call.wait(Timer.CLOSED, now, call.config.closed_wait_s)
    elif number == call.current:
        redial.broken(call, now)


def _failed(call: Call, fact: MediaFailed, now: Instant) -> None:
    if fact.cause is MediaFailure.WRONG_CERTIFICATE:
        call.refuse(Refusal.WRONG_CERTIFICATE, now)
    elif call.state not in (CallState.ACTIVE, CallState.RECONNECTING):
        hidden = call.hide_address and fact.cause is MediaFailure.NO_CANDIDATES
        call.step(Step.NO_ADDRESS if hidden else Step.NOT_CONNECTED, now)
    else:
        redial.close(call, call.connections[fact.connection])
        if fact.connection == call.current:
            redial.broken(call, now)
        elif call.state is CallState.RECONNECTING:
            redial.again(call, now)


def fire(call: Call, timer: Timer, now: Instant) -> None:
    """Do what is due when a timer ends."""
    match timer:
        case Timer.STATE:
            call.step(Step.TIME_OUT, now)
        case Timer.RING_CONFIRM:
            call.step(Step.NOT_CONFIRMED, now)
        case Timer.BUSY:
            call.step(Step.PEER_ENDED, now, reason=EndReason.BUSY, by_peer=True)
        case Timer.GLARE:
            call.step(Step.OVERRULED, now, by_peer=True)
        case Timer.CANDIDATES | Timer.CHECK:
            call.refuse(Refusal.CANDIDATES_MISSING, now)
        case Timer.REDIAL:
            redial.attempt(call, now)
        case Timer.ATTEMPT:
            redial.attempt_over(call, now)
        case Timer.FOLLOW:
            if call.attempts.put_off is not None:
                joining.take_redial(call, *call.attempts.put_off, now)
        case Timer.CLOSED:
            call.step(Step.PEER_GONE, now, by_peer=True)
