"""A new path for a broken one.

The caller makes attempts, each a connection with a new number; the callee asks for them. The
old connection stays open until a new one stands: it may come back. How a side hears decides
its own state; an attempt for the other side's sake leaves ours as it is.
Source: spec/calls.md#redial.
"""

from hark.calls.call import ANSWERED, Call, Timer
from hark.calls.candidates import PeerCandidates
from hark.calls.connection import Connection
from hark.calls.events import CallState
from hark.calls.refusal import SignalRefusedError
from hark.calls.table import Step
from hark.machine import Instant
from hark.wire.call import MAX_CONNECTION, CallRedial, CallRedialWanted, Refusal

MAX_AHEAD = 8
"""How far a connection number may be ahead of the newest that we know: some redials may have
been lost, but not many in 20 seconds."""


def broken(call: Call, now: Instant) -> None:
    """Start to look for a new path, unless one is being made."""
    if _fall_silent(call, now) and call.pending() is None:
        again(call, now)


def again(call: Call, now: Instant) -> None:
    """Make the next attempt, as soon as it may be made."""
    drop_pending(call)
    at = Instant(call.attempts.begun_at + call.config.redial_pause_s)
    if at <= now:
        attempt(call, now)
    else:
        call.timers[Timer.REDIAL] = at


def attempt(call: Call, now: Instant) -> None:
    """Make an attempt (the caller), or ask for one (the callee)."""
    call.attempts.begun_at = now
    call.wait(Timer.ATTEMPT, now, call.config.redial_attempt_s)
    if not call.outgoing:
        call.send(CallRedialWanted(call.id, call.newest))
    elif call.newest < MAX_CONNECTION:
        call.open_connection(call.newest + 1, now)


def attempt_over(call: Call, now: Instant) -> None:
    """Give an attempt up that has had its time."""
    drop_pending(call)
    if call.state is CallState.RECONNECTING:
        attempt(call, now)


def wanted(call: Call, number: int, now: Instant) -> None:
    """Make an attempt because the callee hears nothing on a connection.

    Raises:
        SignalRefusedError: there never was such a connection.
    """
    if number > call.newest:
        raise SignalRefusedError(Refusal.BAD_CONNECTION)
    pending = call.pending()
    newest = pending.number if pending is not None else call.current
    if call.state in (CallState.ACTIVE, CallState.RECONNECTING) and number >= newest:
        _stay(call, now)
        again(call, now)


def stands(call: Call, connection: Connection, now: Instant) -> None:
    """Use a connection that stands from now on, and no other."""
    connection.stands = True
    call.redials += connection.number > 1
    call.current = connection.number
    for other in list(call.connections.values()):
        if other is not connection:
            close(call, other)
    for timer in (Timer.REDIAL, Timer.ATTEMPT, Timer.CLOSED):
        call.timers.pop(timer, None)
    call.step(Step.CONNECTED, now)


def drop_pending(call: Call) -> None:
    """Give up the connection that is being made, if there is one."""
    pending = call.pending()
    if pending is not None:
        close(call, pending)


def close(call: Call, connection: Connection) -> None:
    """Close a connection; of the first, the transcript needs the end of our candidates."""
    call.close_connection(connection)
    if connection is call.first and connection.local is not None:
        for body in connection.own.more((), final=True):
            call.send_body(body)


def _fall_silent(call: Call, now: Instant) -> bool:
    """Note that the path carries nothing; return whether that is new."""
    if call.silent_since is None:
        call.silent_since = now
    return call.step(Step.SILENT, now)


def _stay(call: Call, now: Instant) -> None:
    """Who has closed the path and wants another has not hung up; until then there is none."""
    if call.timers.pop(Timer.CLOSED, None) is not None:
        _fall_silent(call, now)


# What the other side's numbers may be.


def is_new(call: Call, number: int, body: bytes) -> bool:
    """Return whether the caller's redial is a new one, and no late or repeated one.

    Raises:
        SignalRefusedError: its number was used for something else, or is out of turn.
    """
    if number > call.newest:
        check_ahead(call, number)
        return True
    if number == 1 or (number == call.newest and body != call.described):
        raise SignalRefusedError(Refusal.BAD_CONNECTION)
    return False


def check_ahead(call: Call, number: int) -> None:
    """Check that a connection that is not known may be about to come.

    Raises:
        SignalRefusedError: the caller alone makes new ones, after the answer, one by one.
    """
    if call.outgoing or call.state not in ANSWERED or number > _highest(call) + MAX_AHEAD:
        raise SignalRefusedError(Refusal.BAD_CONNECTION)


def put_off(call: Call, signal: CallRedial, body: bytes, now: Instant) -> bool:
    """Keep a new redial for later when the last one was followed too lately.

    Several come at once when the mail was held up: only the newest of them matters then.

    Returns:
        Whether it has to wait.
    """
    attempts = call.attempts
    at = Instant(attempts.followed_at + call.config.redial_pause_s)
    if at <= now:
        attempts.put_off = None
        return False
    _stay(call, now)
    call.timers[Timer.FOLLOW] = at
    if signal.connection > _highest(call):
        attempts.put_off = signal, body
        _forget_overtaking(call, signal.connection - 1)
    return True


def follow(call: Call, number: int, now: Instant) -> Connection:
    """Open our end of a connection that the caller has begun."""
    drop_pending(call)
    _stay(call, now)
    call.timers.pop(Timer.REDIAL, None)
    call.attempts.begun_at = call.attempts.followed_at = now
    call.wait(Timer.ATTEMPT, now, call.config.redial_attempt_s)
    connection = call.open_connection(number, now)
    connection.theirs = call.overtaking.get(number, PeerCandidates())
    _forget_overtaking(call, number)
    return connection


def _highest(call: Call) -> int:
    """Return the highest number that the caller has redialled with, as far as we know."""
    put_off = call.attempts.put_off
    return call.newest if put_off is None else max(call.newest, put_off[0].connection)


def _forget_overtaking(call: Call, number: int) -> None:
    """Forget the candidates of connections that will not be opened any more."""
    for known in [known for known in call.overtaking if known <= number]:
        del call.overtaking[known]


def awaited(call: Call, number: int, body: bytes) -> Connection | None:
    """Return the connection that the callee answers; None when it has been given up.

    Raises:
        SignalRefusedError: nothing of this number was to be answered, or it has been already.
    """
    connection = call.connections.get(number)
    if number == 1 or number > call.newest:
        raise SignalRefusedError(Refusal.BAD_CONNECTION)
    if connection is None:
        return None
    if connection.remote is None and connection.local is not None:
        return connection
    if body != call.described:
        raise SignalRefusedError(Refusal.BAD_CONNECTION)
    return None
