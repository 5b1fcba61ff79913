"""One call: its state, its connections, its times, and what it tells to whom.

The state changes by `step` alone, as the table in `hark.calls.table` says. What signals, facts
and commands do with a call stands in the modules beside this one. Rules it keeps:

1. A call ends once, and then lets go of everything that it holds.
2. Our end of a connection, with its addresses, is made only by a caller or after an answer.
3. Secrets go into the orders to the media engine and nowhere else.
"""

import math
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import NamedTuple

from hark.calls.candidates import PeerCandidates
from hark.calls.config import CallConfig
from hark.calls.connection import Connection
from hark.calls.events import (
    CallEffect,
    CallState,
    CallView,
    Peer,
    RecordCall,
    SasState,
    SendSignal,
)
from hark.calls.media import (
    CloseMedia,
    EndMedia,
    MediaPath,
    MediaQuality,
    OpenMedia,
    SetPlaying,
    SetSending,
)
from hark.calls.setup import Own, Setup
from hark.calls.table import TRANSITIONS, Step, Telling, outcome_of, time_limit_s
from hark.machine import Instant, RandomBytes
from hark.wire.call import (
    CallEnd,
    CallOutcome,
    CallRedial,
    CallStatus,
    EndReason,
    Refusal,
)
from hark.wire.codec import Message, encode
from hark.wire.ids import CallId, DeviceId

UNANSWERED = (CallState.CALLING, CallState.RINGING)
"""Our offer is out, and nobody has answered it."""
ANSWERED = (CallState.CONNECTING, CallState.ACTIVE, CallState.RECONNECTING)


class Timer(Enum):
    """What a call waits for; each at most once at a time."""

    STATE = auto()
    """The end of the time that the state may last."""
    RING_CONFIRM = auto()
    BUSY = auto()
    GLARE = auto()
    CANDIDATES = auto()
    CHECK = auto()
    REDIAL = auto()
    """The next attempt at a new path."""
    ATTEMPT = auto()
    """The end of the present attempt."""
    FOLLOW = auto()
    """When the caller's next redial may be followed."""
    CLOSED = auto()


@dataclass(slots=True)
class Part:
    """How one side takes part."""

    muted: bool = False
    held: bool = False
    records: bool = False


class Ending(NamedTuple):
    """How a call has ended."""

    reason: EndReason
    refusal: Refusal
    by_peer: bool
    at: Instant


@dataclass(slots=True)
class Attempts:
    """What is remembered of attempts at new paths, so that a peer cannot make us hurry."""

    begun_at: Instant = Instant(-math.inf)
    """When the last one began."""
    followed_at: Instant = Instant(-math.inf)
    """When a redial of the caller's was last followed."""
    put_off: tuple[CallRedial, bytes] | None = None
    """The newest redial that came too soon after that, as it is and as it was carried."""


class Call:
    """A call as this device sees it.

    Args:
        call: its name.
        own: who we are.
        peer: the contact, and the keys by which we know each other.
        device: the caller's, when that is the contact; None: we call.
        config: times and bounds.
        random_bytes: for secret and nonce.
        effects: where the call puts what is to be done.
        now: the moment.
    """

    def __init__(
        self,
        call: CallId,
        own: Own,
        peer: Peer,
        *,
        device: DeviceId | None,
        config: CallConfig,
        random_bytes: RandomBytes,
        effects: list[CallEffect],
        now: Instant,
    ) -> None:
        self.id = call
        self.peer = peer
        self.device = device
        """The contact's device: the caller, or the one whose answer held."""
        self.caller_device = device
        self.outgoing = device is None
        self.config = config
        self.effects = effects
        self.state = CallState.OPENING if self.outgoing else CallState.INCOMING
        self.setup = Setup(call, own, peer, outgoing=self.outgoing, random_bytes=random_bytes)
        self.timers: dict[Timer, Instant] = {}
        self.first = Connection(call, 1)
        """The connection whose candidates are part of the transcript."""
        self.connections: dict[int, Connection] = {}
        """Those that are open, by number."""
        self.overtaking: dict[int, PeerCandidates] = {}
        """Candidates of connections that no signal has opened yet, by number."""
        self.newest = 0
        """The highest number that was ever used."""
        self.current = 0
        """Number of the path that stands, or stood last; 0 before the first."""
        self.described = b""
        """The signal by which the other side has described its end of the newest."""
        self.attempts = Attempts()
        """The last ones to make a new path."""
        self.redials = 0
        self.ringing: set[DeviceId] = set()
        """The contact's devices that ring, as far as we know."""
        self.hide_address = False
        self.part = Part()
        """How we take part."""
        self.peer_part = Part()
        """How the other end takes part, as its newest status says."""
        self.peer_sequence = 0
        """Of that status."""
        self.ring_confirmed = False
        self.ending: Ending | None = None
        self.path: MediaPath | None = None
        self.quality: MediaQuality | None = None
        self.heard = False
        self.silent_since: Instant | None = None
        """When the last path fell silent; None once something was heard again."""
        self._answered_at: Instant | None = None
        self._sending = True
        self._playing = True
        self._told_status = Part()
        self._sequence = 0
        self._limit_state(now)

    # States.

    def step(
        self,
        step: Step,
        now: Instant,
        *,
        reason: EndReason = EndReason.REFUSED,
        refusal: Refusal = Refusal.NONE,
        by_peer: bool = False,
    ) -> bool:
        """Do what the table says for a step; return whether it says anything.

        Args:
            step: what has happened.
            now: the moment.
            reason: for a step that brings the reason of the end with it.
            refusal: for `REFUSED`.
            by_peer: whether the other side has ended the call.
        """
        move = TRANSITIONS[self.state].get(step)
        if move is None:
            return False
        if move.to is CallState.ENDED:
            why = reason if move.reason is None else move.reason
            self._end(why, move.telling, now, refusal, by_peer=by_peer)
            return True
        if move.to is not self.state:
            self.state = move.to
            self._limit_state(now)
        if step in (Step.ANSWERED, Step.OPENED) and move.to is CallState.CONNECTING:
            self._answered(now)
        return True

    def refuse(self, refusal: Refusal, now: Instant) -> None:
        """End the call because of a signal that was not what it must be."""
        self.step(Step.REFUSED, now, refusal=refusal)

    def _limit_state(self, now: Instant) -> None:
        limit_s = time_limit_s(self.state, self.config)
        if self.state is CallState.RECONNECTING and self.silent_since is not None:
            # A path that stands and carries nothing is no success: the time goes on.
            now = self.silent_since
        if limit_s is not None:
            self.wait(Timer.STATE, now, limit_s)
        elif self.state is not CallState.RINGING:
            self.timers.pop(Timer.STATE, None)

    def _answered(self, now: Instant) -> None:
        self._answered_at = now
        for timer in (Timer.RING_CONFIRM, Timer.BUSY, Timer.GLARE):
            self.timers.pop(timer, None)
        self.wait(Timer.CHECK, now, self.config.check_timeout_s)
        self.record(CallOutcome.GOING_ON, now)

    def _end(
        self,
        reason: EndReason,
        telling: Telling,
        now: Instant,
        refusal: Refusal,
        *,
        by_peer: bool,
    ) -> None:
        outcome = outcome_of(reason, outgoing=self.outgoing, connected=self.current > 0)
        self.state = CallState.ENDED
        self.ending = Ending(reason, refusal, by_peer, now)
        self.timers.clear()
        self.connections.clear()
        # In this order: a connection that closes after the word needs no guess.
        self._tell_end(reason, telling, refusal)
        self.effects.append(EndMedia(self.id))
        self.record(outcome, now)

    def _tell_end(self, reason: EndReason, telling: Telling, refusal: Refusal) -> None:
        match telling:
            case Telling.PEER:
                self.send(CallEnd(self.id, reason, refusal))
            case Telling.OTHERS:
                busy = reason is EndReason.BUSY
                word = EndReason.CANCELLED if busy else EndReason.ELSEWHERE
                self.send_others(CallEnd(self.id, word, Refusal.NONE))
            case Telling.NOBODY:
                pass

    # Telling.

    def send(self, signal: Message, device: DeviceId | None = None) -> bytes:
        """Send a signal to the other end, to all devices before an answer, or to one."""
        body = encode(signal)
        self.send_body(body, device)
        return body

    def send_body(self, body: bytes, device: DeviceId | None = None) -> None:
        """Send an encoded signal, as `send` does."""
        self.effects.append(SendSignal(self.peer.account, body, device or self.device))

    def send_others(self, signal: Message) -> None:
        """Send a signal to every device of the contact but the other end."""
        account = self.peer.account
        self.effects.append(SendSignal(account, encode(signal), but_not=self.device))

    def tell_status(self) -> None:
        """Tell the other end how we take part, when it does not know that yet."""
        status = replace(self.part)
        if self.state not in ANSWERED or status == self._told_status:
            return
        self._told_status = status
        self._sequence += 1
        muted, held, records = self.part.muted, self.part.held, self.part.records
        self.send(CallStatus(self.id, self._sequence, muted, held, records))

    def told_records(self) -> None:
        """Note that an offer or answer says whether we record."""
        self._told_status = Part(records=self.part.records)

    def record(self, outcome: CallOutcome, now: Instant) -> None:
        """Note in the history what this call is now."""
        over = outcome is CallOutcome.ANSWERED
        duration_ms = self.duration_ms(now) if over else 0
        self.effects.append(
            RecordCall(self.id, self.peer.account, self.caller_device, outcome, duration_ms)
        )

    # Media.

    def open_connection(self, number: int, now: Instant) -> Connection:
        """Have our end of a new connection made."""
        connection = self.first if number == 1 else Connection(self.id, number)
        connection.since = now
        self.connections[number] = connection
        self.newest = number
        servers, hide = self.config.ice_servers, self.hide_address
        self.effects.append(OpenMedia(self.id, number, self.outgoing, hide, servers))
        if number == 1:
            self.switch_sound()
        return connection

    def close_connection(self, connection: Connection) -> None:
        """Close a connection that is open."""
        del self.connections[connection.number]
        self.effects.append(CloseMedia(self.id, connection.number))

    def pending(self) -> Connection | None:
        """Return the connection that is being made, if there is one."""
        newest = self.connections.get(self.newest)
        return None if newest is None or newest.stands else newest

    def switch_sound(self) -> None:
        """Order of the engine what has changed in what it is to send and to play."""
        if self.newest == 0:
            return
        sending, playing = not (self.part.muted or self.part.held), not self.part.held
        if sending is not self._sending:
            self._sending = sending
            self.effects.append(SetSending(self.id, sending))
        if playing is not self._playing:
            self._playing = playing
            self.effects.append(SetPlaying(self.id, playing))

    # Time.

    def wait(self, timer: Timer, now: Instant, duration_s: float) -> None:
        """Set a timer."""
        self.timers[timer] = Instant(now + duration_s)

    def deadline(self) -> Instant | None:
        """Return when the next timer ends."""
        return min(self.timers.values(), default=None)

    def take_due(self, now: Instant) -> Timer | None:
        """Return a timer that has ended, the earliest first, and forget it."""
        due = [(at, timer.value, timer) for timer, at in self.timers.items() if at <= now]
        if not due:
            return None
        _at, _number, timer = min(due)
        del self.timers[timer]
        return timer

    # Showing.

    def view(self, duration_ms: int) -> CallView:
        """Return what a person is shown; how long it has lasted is given (`duration_ms`)."""
        ending = self.ending
        return CallView(
            call=self.id,
            account=self.peer.account,
            device=self.device,
            outgoing=self.outgoing,
            state=self.state,
            ring_confirmed=self.ring_confirmed,
            reason=None if ending is None else ending.reason,
            by_peer=ending is not None and ending.by_peer,
            refusal=Refusal.NONE if ending is None else ending.refusal,
            path=self.path,
            sas_state=SasState.READY if self.setup.sas else SasState.CHECKING,
            sas=self.setup.sas,
            heard=self.heard,
            muted=self.part.muted,
            held=self.part.held,
            records=self.part.records,
            peer_muted=self.peer_part.muted,
            peer_held=self.peer_part.held,
            peer_records=self.peer_part.records,
            quality=self.quality,
            connection=self.current,
            redials=self.redials,
            duration_ms=duration_ms,
        )

    def duration_ms(self, now: Instant) -> int:
        """Return the time since the answer, up to the end, in milliseconds; 0 before."""
        if self._answered_at is None:
            return 0
        until = now if self.ending is None else self.ending.at
        return round((until - self._answered_at) * 1000)
