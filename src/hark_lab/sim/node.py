"""A node in virtual time: the real core over a disk that can fail and a calendar that can err.

`crash` is a power cut: connections and memory are gone, the store keeps what was committed.
A crash planned at a commit (before it or after it) happens in the middle of whatever the core
was doing, and nothing that it meant to send after that commit leaves.
"""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import TypeVar

from hark.calls.events import CallView
from hark.calls.machine import Calls
from hark.calls.media import MediaFact, MediaOrder
from hark.errors import StoreStaleError
from hark.machine import Instant, RandomBytes
from hark.messaging import events as m
from hark.messaging.machine import Messaging, load_own
from hark.node.core import CallTold, NodeCore, NodeEffect, NodeInput, Told
from hark.node.links import (
    CloseConnection,
    ConnectionInput,
    OpenConnection,
    SendOnConnection,
)
from hark.overlay.link.events import FrameReceived, TransportLost, TransportOpened
from hark.overlay.mailbox.stamps import find_nonce
from hark.wire.address import Address
from hark.wire.ids import CallId
from hark_lab.sim.clock import Calendar, Timer, VirtualClock
from hark_lab.sim.device_store import Crash, DictDeviceStore
from hark_lab.sim.network import Connection

STAMP_S = 1.0
"""What finding a stamp takes, in seconds of virtual time."""
STAMP_TRIES = 2**28

AnswerT = TypeVar("AnswerT")
Dial = Callable[[Address], Connection | None]
"""Connects to a supernode; None when it cannot be reached."""


class SimNode:
    """One device of a simulated world.

    Args:
        clock: virtual time.
        random: for delays.
        store: provisioned with an account.
        random_bytes: for the core.
        dial: the network.
        accept: hands a connection to the supernode of this address; returns its certificate.
        calendar: what this device believes the time to be.
    """

    def __init__(
        self,
        clock: VirtualClock,
        random: Random,
        *,
        store: DictDeviceStore,
        random_bytes: RandomBytes,
        dial: Dial,
        accept: Callable[[Address, Connection], bytes],
        calendar: Calendar,
    ) -> None:
        self.store = store
        self.calendar = calendar
        self.up = False
        self.overtaken = False
        self.crash_count = 0
        self._clock = clock
        self._random = random
        self._random_bytes = random_bytes
        self._dial = dial
        self._accept = accept
        self.told: Callable[[m.Event], None] = _ignore
        """Given every event that the core tells its faces."""
        self.on_crash: Callable[[SimNode], None] = _ignore
        """Given this node when a planned crash has come."""
        self.calls: dict[CallId, CallView] = {}
        """Every call that the core has told its faces of, as it was told last."""
        self.on_media_order: Callable[[MediaOrder], None] = _ignore
        """Given what the core orders of its media engine; without one, no call connects."""
        self._timer: Timer | None = None
        self._connections: dict[int, Connection] = {}
        self._life = 0

    # Life.

    def start(self) -> None:
        """Start, or start again, from what the store has."""
        self.up = True
        self._life += 1
        self._connections = {}
        messaging = Messaging(
            self.store,
            random_bytes=self._random_bytes,
            unix_ms=self.calendar.unix_ms,
            instance=self._random_bytes(16),
        )
        own = load_own(self.store)
        self._core = NodeCore(
            messaging,
            Calls(account=own.account, device=own.device_id, random_bytes=self._random_bytes),
            random_bytes=self._random_bytes,
            unix_ms=self.calendar.unix_ms,
        )
        self._run(self._core.start)

    def crash(self) -> None:
        """Lose power."""
        self.up = False
        self.crash_count += 1
        self._life += 1
        self._let_go()

    def stop(self) -> None:
        """End in order: the same as a crash between two commits."""
        if self.up:
            self.up = False
            self._life += 1
            self._let_go()

    def _let_go(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for connection in self._connections.values():
            connection.cut()
        self._connections = {}

    # What a person does.

    def do(self, command: Callable[[Messaging, Instant], object]) -> bool:
        """Carry out a command; whether it was carried out before a crash."""
        return self._run(lambda now: command(self._core.messaging(now), now))

    def ask(self, question: Callable[[Messaging], AnswerT]) -> AnswerT:
        """Ask messaging something, in calm weather."""
        answers: list[AnswerT] = []
        self._run(lambda now: answers.append(question(self._core.messaging(now))))
        return answers[0]

    def call(self, command: Callable[[NodeCore, Instant], object]) -> bool:
        """Carry out a command about calls; whether it was carried out before a crash."""
        return self._run(lambda now: command(self._core, now))

    def tell_media(self, fact: MediaFact) -> None:
        """Give the core a fact of its media engine."""
        if self.up:
            self._feed(fact)

    # The core.

    def _run(self, action: Callable[[Instant], object]) -> bool:
        """Let the core do something, carry out what follows, arm its timer."""
        try:
            action(self._clock.now)
            effects = self._core.take_effects()
        except Crash:
            self.crash()
            self.on_crash(self)
            return False
        except StoreStaleError:
            self.overtaken = True
            self.stop()
            return False
        for effect in effects:
            self._perform(effect)
        if self.up:
            self._arm()
        return True

    def _arm(self) -> None:
        deadline = self._core.deadline()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = self._clock.at(deadline, self._alive(self._on_time))

    def _on_time(self) -> None:
        self._timer = None
        self._run(self._core.handle_deadline)

    def _feed(self, item: NodeInput) -> None:
        self._run(lambda now: self._core.handle(item, now))

    def _alive(self, action: Callable[[], None]) -> Callable[[], None]:
        """Let something planned in one life of this node not happen in the next."""
        life = self._life
        return lambda: action() if self.up and life == self._life else None

    # Effects.

    def _perform(self, effect: NodeEffect) -> None:
        match effect:
            case OpenConnection(connection, address):
                self._open(connection, address)
            case SendOnConnection(connection, frame):
                if connection in self._connections:
                    self._connections[connection].from_node(frame)
            case CloseConnection(connection):
                if connection in self._connections:
                    self._connections.pop(connection).close_by_node()
            case m.FindStamp():
                self._clock.after(STAMP_S, self._alive(partial(self._find_stamp, effect)))
            case Told(event):
                self.told(event)
            case CallTold(view):
                self.calls[view.call] = view
            case _:
                self.on_media_order(effect)

    def _open(self, number: int, address: Address) -> None:
        connection = self._dial(address)
        if connection is None:
            delay_s = self._random.uniform(0.01, 1.0)
            lost = ConnectionInput(number, TransportLost("connection refused"))
            self._clock.after(delay_s, self._alive(lambda: self._feed(lost)))
            return
        self._connections[number] = connection
        life = self._life

        def to_node(frame: bytes) -> None:
            if self.up and life == self._life:
                self._feed(ConnectionInput(number, FrameReceived(frame)))

        def lost_by_node() -> None:
            if self.up and life == self._life:
                self._connections.pop(number, None)
                self._feed(ConnectionInput(number, TransportLost("connection reset")))

        connection.to_node = to_node
        connection.node_lost = lost_by_node
        certificate = self._accept(address, connection)
        opened = ConnectionInput(number, TransportOpened(certificate))
        # The handshake is over before the supernode's first frame can have come: same path.
        self._clock.at(self._clock.now, self._alive(lambda: self._feed(opened)))

    def _find_stamp(self, effect: m.FindStamp) -> None:
        nonce = find_nonce(
            effect.challenge, effect.mailbox, effect.subject_hash, effect.bits, 0, STAMP_TRIES
        )
        if nonce is not None:
            self._feed(m.StampFound(effect.stamp_id, nonce))


def _ignore(_what: object) -> None:
    """Nobody has asked to be told."""
