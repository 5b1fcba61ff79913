"""Two devices in a call, as one value that can be copied, and everything that may happen next.

Nothing is drawn: an explorer tries every event of `events` at every state that it reaches.
Mail in flight is delivered in any order, once may be lost and once may come twice; people do
what they may at any point; a state may time out. Media is reduced to what a call can see of
it: an end is there at once, and stands when both ends name each other.
"""

import copyreg
import pickle
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import ClassVar

from hark.calls.config import CallConfig
from hark.calls.events import (
    CallEffect,
    CallState,
    CallView,
    Peer,
    RecordCall,
    SendSignal,
    SignalReceived,
)
from hark.calls.machine import DEFAULT_CONFIG, Calls
from hark.calls.media import (
    CloseMedia,
    ConnectMedia,
    EndMedia,
    FirstSound,
    LocalCandidates,
    LocalMedia,
    MediaClosed,
    MediaConnected,
    MediaFact,
    MediaPath,
    MediaSilent,
    Nat,
    OpenMedia,
    PathKind,
)
from hark.crypto.hashing import sha256
from hark.machine import Instant
from hark.wire.call import (
    CallAnswer,
    CallCandidate,
    CallCandidates,
    CallOutcome,
    CallRedialAnswer,
    CallTransport,
    parse_signal,
)
from hark.wire.ids import AccountId, CallId, DeviceId

DIRECT = MediaPath(PathKind.DIRECT, "", Nat.NONE, True, True)
ACCOUNTS = (AccountId(bytes([1]) * 32), AccountId(bytes([2]) * 32))
DEVICES = (DeviceId(bytes([1]) * 16), DeviceId(bytes([2]) * 16))
Place = tuple[CallId, int]
"""A connection of a call."""
Key = tuple[bytes, int]
"""A base key and a key id."""
Joined = tuple[CallTransport, Key, Key]
"""The other end that an engine was given, and the keys to send and to receive under."""


class Dice:
    """Bytes that do not repeat; names of calls are as the explorer wants them."""

    def __init__(self, seed: int, call: bytes) -> None:
        self._seed = bytes([seed])
        self._call = call
        self._count = 0

    def __call__(self, count: int) -> bytes:
        self._count += 1
        if self._count == 1 and count == len(self._call):
            return self._call
        return sha256(self._seed + self._count.to_bytes(4, "big"))[:count]


@dataclass(frozen=True)
class Budget:
    """How much may still happen besides delivery."""

    places: tuple[bool, bool] = (True, False)
    answers: int = 1
    declines: int = 0
    hang_ups: int = 0
    losses: int = 0
    repeats: int = 0
    time_outs: int = 0
    breaks: int = 0
    restarts: int = 0


@dataclass
class Side:
    """One device, and its media engine."""

    calls: Calls
    inbox: list[bytes] = field(default_factory=list)
    """In flight to it."""
    ends: dict[Place, CallTransport] = field(default_factory=dict)
    joined: dict[Place, Joined] = field(default_factory=dict)
    standing: list[Place] = field(default_factory=list)
    broken: list[Place] = field(default_factory=list)
    silent: list[Place] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)
    ended: list[CallId] = field(default_factory=list)
    outcomes: dict[CallId, CallOutcome] = field(default_factory=dict)
    called: list[CallId] = field(default_factory=list)
    """The calls that this side has placed."""


@dataclass
class World:
    """Everything there is."""

    sides: tuple[Side, Side]
    budget: Budget
    trickles: bool
    """Whether each end has a batch of candidates besides those of its first signal."""
    now: Instant = Instant(0.0)

    def frozen(self) -> bytes:
        """This state as bytes: to know it again, and to make copies of it."""
        for side in self.sides:
            side.inbox.sort()
            # What faces were told last decides nothing.
            side.calls._shown = dict.fromkeys(side.calls._shown)  # type: ignore[arg-type]
        buffer = BytesIO()
        _Freezer(buffer).dump(self)
        return buffer.getvalue()


def thawed(frozen: bytes) -> World:
    world: World = pickle.loads(frozen)
    return world


class _Freezer(pickle.Pickler):
    """Writes no constants, and little of what it knows."""

    dispatch_table: ClassVar = {
        **copyreg.dispatch_table,
        CallConfig: lambda _: (_config, ()),
        Peer: lambda peer: (Peer, (peer.account, peer.own_epoch, peer.peer_epoch)),
    }


def _config() -> CallConfig:
    return DEFAULT_CONFIG


def new_world(budget: Budget, *, trickles: bool) -> World:
    names = (bytes(16), bytes([9]) * 16)
    sides = tuple(
        Side(
            Calls(account=ACCOUNTS[n], device=DEVICES[n], random_bytes=Dice(n, names[n])),
        )
        for n in (0, 1)
    )
    return World((sides[0], sides[1]), budget, trickles)


# Events.

Event = tuple[str, int, int]
"""What happens, to which side, and with which of several."""


def events(world: World) -> Iterator[Event]:
    """Everything that may happen now."""
    budget = world.budget
    for number, side in enumerate(world.sides):
        if budget.places[number]:
            yield "place", number, 0
        different = {body: place for place, body in reversed(list(enumerate(side.inbox)))}
        for place in different.values():
            yield "deliver", number, place
            if budget.losses:
                yield "lose", number, place
            if budget.repeats:
                yield "repeat", number, place
        for place, view in enumerate(side.calls.views()):
            if view.state is CallState.INCOMING and budget.answers:
                yield "answer", number, place
            if view.state is CallState.INCOMING and budget.declines:
                yield "decline", number, place
            if view.state is not CallState.ENDED and budget.hang_ups:
                yield "hang_up", number, place
        if budget.restarts and side.calls.views():
            yield "restart", number, 0
    yield from media_events(world)
    if budget.time_outs and next_deadline(world) is not None:
        yield "time_out", 0, 0


def media_events(world: World) -> Iterator[Event]:
    for number, side in enumerate(world.sides):
        for place, connection in enumerate(side.joined):
            if connection not in side.standing and meets(world, number, connection):
                yield "stand", number, place
        for place, connection in enumerate(side.standing):
            gone = connection not in world.sides[1 - number].ends
            if gone and connection not in side.broken:
                yield "closed", number, place
            if connection in side.broken and connection not in side.silent:
                yield "silent", number, place
        if number == 0 and world.budget.breaks and side.standing:
            yield "break", number, 0


def meets(world: World, number: int, connection: Place) -> bool:
    """Whether two ends name each other; one that has stood may have gone again."""
    here, there = world.sides[number], world.sides[1 - number]
    if connection in there.standing:
        return True
    joined, other = here.joined[connection], there.joined.get(connection)
    return (
        other is not None
        and joined[0] == there.ends[connection]
        and other[0] == here.ends[connection]
    )


def happen(world: World, event: Event) -> None:
    """Let an event happen in this world."""
    kind, number, place = event
    side = world.sides[number]
    match kind:
        case "deliver" | "repeat":
            if kind == "repeat":
                spend(world, "repeats")
                body = side.inbox[place]
            else:
                body = side.inbox.pop(place)
            receive(world, number, body)
        case "lose":
            spend(world, "losses")
            del side.inbox[place]
        case "place" | "answer" | "decline" | "hang_up" | "restart":
            command(world, kind, number, place)
        case "time_out":
            spend(world, "time_outs")
            pass_time(world)
        case "break":
            spend(world, "breaks")
            for each in world.sides:
                each.broken = list(each.standing)
        case _:
            media_happens(world, kind, number, place)


def command(world: World, kind: str, number: int, place: int) -> None:
    side, now = world.sides[number], world.now
    if kind == "place":
        left = [want and n != number for n, want in enumerate(world.budget.places)]
        world.budget = replace(world.budget, places=(left[0], left[1]))
        live = [one for one in side.calls.views() if one.state is not CallState.ENDED]
        if not live:
            peer = Peer(ACCOUNTS[1 - number], 0, 0)
            side.calls.place(peer, now, hide_address=False, records=False)
    elif kind == "restart":
        spend(world, "restarts")
        restart(side, number)
    else:
        view = side.calls.views()[place]
        spend(world, {"answer": "answers", "decline": "declines"}.get(kind, "hang_ups"))
        if kind == "answer":
            side.calls.answer(view.call, now, hide_address=False, records=False)
        elif kind == "decline":
            side.calls.decline(view.call, now)
        else:
            side.calls.hang_up(view.call, now)
    pump(world, number)


def restart(side: Side, number: int) -> None:
    """The program is killed and started again: calls and engine are gone, and say nothing."""
    side.calls = Calls(
        account=ACCOUNTS[number], device=DEVICES[number], random_bytes=Dice(number + 8, b"")
    )
    for gone in (side.ends, side.joined, side.standing):
        gone.clear()
    # What messaging does at a start.
    after = {
        CallOutcome.RINGING: CallOutcome.MISSED,
        CallOutcome.GOING_ON: CallOutcome.INTERRUPTED,
    }
    side.outcomes = {call: after.get(one, one) for call, one in side.outcomes.items()}
    side.ended = list(side.outcomes)


def spend(world: World, name: str) -> None:
    world.budget = replace(world.budget, **{name: getattr(world.budget, name) - 1})


def receive(world: World, number: int, body: bytes) -> None:
    peer = Peer(ACCOUNTS[1 - number], 0, 0)
    item = SignalReceived(peer, DEVICES[1 - number], body)
    world.sides[number].calls.handle(item, world.now)
    pump(world, number)


def tell(world: World, number: int, fact: MediaFact) -> None:
    world.sides[number].calls.handle(fact, world.now)
    pump(world, number)


def media_happens(world: World, kind: str, number: int, place: int) -> None:
    side = world.sides[number]
    if kind == "stand":
        connection = list(side.joined)[place]
        side.standing.append(connection)
        tell(world, number, MediaConnected(*connection, DIRECT))
        tell(world, number, FirstSound(*connection))
        return
    connection = side.standing[place]
    if kind == "closed":
        side.standing.remove(connection)
        tell(world, number, MediaClosed(*connection))
    else:
        side.silent.append(connection)
        tell(world, number, MediaSilent(*connection))


# What comes of it.


def pump(world: World, number: int) -> None:
    """Carry out what a device orders."""
    while effects := world.sides[number].calls.take_effects():
        for effect in effects:
            perform(world, number, effect)


def perform(world: World, number: int, effect: CallEffect) -> None:
    side, other = world.sides[number], world.sides[1 - number]
    match effect:
        case SendSignal(account, body, device, but_not):
            assert account == ACCOUNTS[1 - number]
            check_no_address(side, body)
            if device in (None, DEVICES[1 - number]) and but_not != DEVICES[1 - number]:
                other.inbox.append(body)
        case OpenMedia():
            open_end(world, number, effect)
        case ConnectMedia(call, connection, remote, keys):
            key = (keys.send_base, keys.send_key_id)
            assert key not in side.keys, "a key id is used twice"
            side.keys.append(key)
            receive = (keys.receive_base, keys.receive_key_id)
            side.joined[call, connection] = (remote, key, receive)
        case CloseMedia(call, connection):
            close(side, (call, connection))
        case EndMedia(call):
            assert call not in side.ended, "a call ends twice"
            side.ended.append(call)
            for place in [place for place in side.ends if place[0] == call]:
                close(side, place)
        case RecordCall(call, _, caller_device, outcome, _):
            side.outcomes[call] = outcome
            if caller_device is None and call not in side.called:
                side.called.append(call)
        case _:
            pass


def check_no_address(side: Side, body: bytes) -> None:
    """No address of a callee leaves before somebody has answered there."""
    signal = parse_signal(body)
    if not isinstance(signal, CallAnswer | CallCandidates | CallRedialAnswer):
        return
    view = side.calls.view(CallId(signal.call))
    assert view is not None
    waiting = (CallState.OPENING, CallState.INCOMING)
    assert view.outgoing or view.state not in waiting, "an address was told to a caller"


def open_end(world: World, number: int, order: OpenMedia) -> None:
    side = world.sides[number]
    view = side.calls.view(order.call)
    assert view is not None
    assert view.outgoing or view.state is not CallState.INCOMING, "addresses are looked for"
    mark = bytes([number]) + order.call + order.connection.to_bytes(2, "big")
    name = sha256(mark).hex()
    transport = CallTransport(name[:8], name[8:40], sha256(b"certificate" + mark))
    side.ends[order.call, order.connection] = transport
    here = (order.call, order.connection)
    address = CallCandidate(0, f"192.0.2.{number + 1}", 40_000, 1, "f")
    local = LocalMedia(*here, transport, (address,), not world.trickles)
    side.calls.handle(local, world.now)
    if world.trickles:
        more = CallCandidate(0, f"192.0.2.{number + 11}", 40_000, 1, "f")
        side.calls.handle(LocalCandidates(*here, (more,), True), world.now)


def close(side: Side, place: Place) -> None:
    del side.ends[place]
    side.joined.pop(place, None)
    if place in side.standing:
        side.standing.remove(place)


# Time.


def next_deadline(world: World) -> Instant | None:
    """Return the next deadline of a call that is not over."""
    deadlines = [
        at
        for side in world.sides
        if (at := side.calls.deadline()) is not None and live_calls(side)
    ]
    return min(deadlines, default=None)


def pass_time(world: World) -> None:
    """Let the next deadline come."""
    deadline = next_deadline(world)
    assert deadline is not None
    world.now = max(world.now, deadline)
    for number in (0, 1):
        world.sides[number].calls.handle_deadline(world.now)
        pump(world, number)


def live_calls(side: Side) -> list[CallView]:
    return [view for view in side.calls.views() if view.state is not CallState.ENDED]


# The end.


def settle(world: World) -> None:
    """Let everything come to rest: mail arrives, media stands, time-outs run."""
    for _ in range(200):
        waiting = list(events_without_people(world))
        if waiting:
            happen(world, waiting[0])
        elif next_deadline(world) is not None:
            pass_time(world)
        else:
            return
    raise AssertionError("the two never come to rest")


def events_without_people(world: World) -> Iterator[Event]:
    for number, side in enumerate(world.sides):
        if side.inbox:
            yield "deliver", number, 0
    for event in media_events(world):
        if event[0] != "break":
            yield event
