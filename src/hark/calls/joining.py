"""From an offer to a path: our end, the other end, candidates, confirmation.

An engine is ordered to connect when both ends are known, and gets the other side's candidates
from then on, those that came before included.
Source: spec/calls.md#set-up, spec/calls.md#candidates.
"""

from hark.calls import redial
from hark.calls.call import ANSWERED, Call, Timer
from hark.calls.candidates import PeerCandidates
from hark.calls.connection import Connection
from hark.calls.events import SignalReceived
from hark.calls.media import AddCandidates, ConnectMedia, LocalCandidates, LocalMedia
from hark.calls.refusal import SignalRefusedError
from hark.calls.setup import Inline
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
    EndReason,
    Refusal,
)

# Our end.


def take_local(call: Call, fact: LocalMedia, now: Instant) -> None:
    """Tell the other side of an end of ours that has been made."""
    connection = call.connections.get(fact.connection)
    if connection is None or connection.local is not None:
        return
    connection.local = fact.transport
    call.setup.add_transport(fact.transport)
    first, final = connection.own.first(fact.candidates, final=fact.final)
    _tell_end(call, connection, Inline(fact.transport, first, final), now)
    _send_batches(call, connection.own.more((), final=fact.final))
    _join(call, connection)


def add_local(call: Call, fact: LocalCandidates) -> None:
    """Tell the other side of more addresses of ours."""
    connection = call.connections.get(fact.connection)
    if connection is None or connection.local is None:
        return
    _send_batches(call, connection.own.more(fact.candidates, final=fact.final))


def _tell_end(call: Call, connection: Connection, inline: Inline, now: Instant) -> None:
    number = connection.number
    if number > 1:
        signal = CallRedial if call.outgoing else CallRedialAnswer
        call.send(signal(call.id, number, *inline))
        return
    make = call.setup.make_offer if call.outgoing else call.setup.make_answer
    call.send_body(make(inline, records=call.part.records))
    call.told_records()
    call.step(Step.OPENED, now)
    call.tell_status()


def _send_batches(call: Call, bodies: list[bytes]) -> None:
    for body in bodies:
        call.send_body(body)


# The other end.


def take_offer(call: Call, item: SignalReceived, offer: CallOffer) -> None:
    """Learn the caller's end.

    Raises:
        SignalRefusedError: the offer is not what it must be.
    """
    call.peer_part.records = offer.records
    call.setup.take_offer(offer, item.body, item.device)
    call.first.remote = offer.transport
    call.first.theirs.first(offer.candidates, final=offer.final)


def take_answer(call: Call, item: SignalReceived, answer: CallAnswer, now: Instant) -> None:
    """Connect with the device that has answered, and turn the others away.

    Raises:
        SignalRefusedError: the answer is not what it must be.
    """
    if item.peer != call.peer:
        raise SignalRefusedError(Refusal.KEYS_CHANGED)
    call.setup.take_answer(answer, item.body, item.device)
    call.first.theirs.first(answer.candidates, final=answer.final)
    call.first.remote = answer.transport
    call.device = item.device
    call.peer_part.records = answer.records
    call.step(Step.ANSWERED, now)
    call.send_others(CallEnd(call.id, EndReason.ELSEWHERE, Refusal.NONE))
    call.tell_status()
    _join(call, call.first)


def take_candidates(call: Call, signal: CallCandidates, body: bytes) -> None:
    """Take a batch of the other side's addresses.

    Raises:
        SignalRefusedError: too many, or for a connection that cannot be.
    """
    theirs = _book(call, signal.connection)
    if theirs is None:
        return
    theirs.take(signal, body)
    connection = call.connections.get(signal.connection)
    if connection is not None:
        _give(call, connection)


def take_redial(call: Call, signal: CallRedial, body: bytes, now: Instant) -> None:
    """Have our end of a new connection made; the caller has made its own.

    Raises:
        SignalRefusedError: the number is used or out of turn, or our own end came back.
    """
    if not redial.is_new(call, signal.connection, body):
        return
    if call.setup.is_our_end(signal.transport):
        raise SignalRefusedError(Refusal.REFLECTED)
    if redial.put_off(call, signal, body, now):
        return
    connection = redial.follow(call, signal.connection, now)
    call.described = body
    connection.remote = signal.transport
    connection.theirs.first(signal.candidates, final=signal.final)


def take_redial_answer(call: Call, signal: CallRedialAnswer, body: bytes) -> None:
    """Connect a new connection.

    Raises:
        SignalRefusedError: it is none of ours, or our own end came back.
    """
    connection = redial.awaited(call, signal.connection, body)
    if connection is None:
        return
    if call.setup.is_our_end(signal.transport):
        raise SignalRefusedError(Refusal.REFLECTED)
    call.described = body
    connection.remote = signal.transport
    connection.theirs.first(signal.candidates, final=signal.final)
    _join(call, connection)


def _book(call: Call, number: int) -> PeerCandidates | None:
    """Return where the candidates of a connection belong; None for an old connection."""
    if number == 1:
        # The transcript needs them, even when the connection is closed already.
        return call.first.theirs
    if number in call.connections:
        return call.connections[number].theirs
    if number <= call.newest:
        return None
    redial.check_ahead(call, number)
    return call.overtaking.setdefault(number, PeerCandidates())


def _join(call: Call, connection: Connection) -> None:
    """Order the engine to connect two ends that are known."""
    if connection.local is None or connection.remote is None or connection.joined:
        return
    connection.joined = True
    number = connection.number
    keys = call.setup.keys(number)
    call.effects.append(ConnectMedia(call.id, number, connection.remote, keys))
    _give(call, connection)


def _give(call: Call, connection: Connection) -> None:
    if not connection.joined:
        return
    fresh = connection.theirs.take_fresh()
    if fresh is not None:
        call.effects.append(AddCandidates(call.id, connection.number, *fresh))


# Confirmation.


def take_confirm(call: Call, signal: CallConfirm) -> None:
    """Take the other side's confirmation.

    Raises:
        SignalRefusedError: it does not confirm what we have seen.
    """
    call.setup.take_confirm(signal)


def advance(call: Call, now: Instant) -> None:
    """Check and confirm what can be by now; after everything that has happened to a call.

    Raises:
        SignalRefusedError: the two ends have not seen the same signals.
    """
    if call.state not in ANSWERED:
        return
    confirm = call.setup.advance(call.first.own, call.first.theirs)
    if confirm is not None:
        call.send(confirm)
    if not call.setup.lacks(call.first.theirs):
        call.timers.pop(Timer.CANDIDATES, None)
    elif Timer.CANDIDATES not in call.timers:
        call.wait(Timer.CANDIDATES, now, call.config.candidates_timeout_s)
    if call.setup.sas:
        call.timers.pop(Timer.CHECK, None)
