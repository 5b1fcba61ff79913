"""The core of a node: links and messaging wired into one machine.

`NodeCore` joins siblings that do not know each other: what messaging orders goes to the
links, what the links learn goes to messaging. It has no I/O; the daemon drives it on a thread
of its own, the simulator in virtual time.

Inputs that come close together share a transaction: they are collected until somebody takes
the effects (which a driver does after each round), asks messaging something, or a deadline
comes.
"""

from dataclasses import dataclass

from hark.errors import DiskFullError
from hark.machine import Instant, RandomBytes, UnixMs
from hark.messaging import events as m
from hark.messaging.machine import Messaging
from hark.messaging.views import MessageView
from hark.node.links import ConnectionInput, ConnectionOrder, LinkPool
from hark.wire.ids import NodeId

DISK_FULL_RETRY_S = 30.0
"""After a commit failed for want of room, the next try comes so much later, in seconds."""
MAX_BATCH = 200
"""Inputs that share one transaction at most, so that one commit stays short."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event for the faces."""

    event: m.Event
    message: MessageView | None
    """The message that it is about, as it is now; None when it is about none."""


NodeInput = ConnectionInput | m.StampFound
NodeEffect = ConnectionOrder | m.FindStamp | Told


class NodeCore:
    """One node without I/O. See the module's docstring.

    Args:
        messaging: the account's messaging machine, not started yet.
        random_bytes: for jitter and nonces of the links.
        unix_ms: the calendar.
    """

    def __init__(
        self, messaging: Messaging, *, random_bytes: RandomBytes, unix_ms: UnixMs
    ) -> None:
        self._messaging = messaging
        self._pool = LinkPool(random_bytes=random_bytes, unix_ms=unix_ms)
        self._collected: list[m.MessagingInput] = []
        self._effects: list[NodeEffect] = []
        self._now = Instant(0.0)
        self._blocked_until: Instant | None = None

    def start(self, now: Instant) -> None:
        """Begin: count this start in the store, connect to the homes.

        Raises:
            StoreStaleError: a newer copy of this store has been seen.
        """
        self._now = now
        self._messaging.start(now)
        self._settle()

    def messaging(self, now: Instant) -> Messaging:
        """Return messaging with everything that came before already taken in.

        For the commands and questions of a person: call, then `take_effects`.
        """
        self._now = now
        self._settle()
        return self._messaging

    def home_reasons(self, now: Instant) -> dict[NodeId, str]:
        """Return for each of our homes why its link is down; empty when it is up."""
        homes = self.messaging(now).whoami().homes
        return {home.address.node_id: self._pool.reason(home.address.node_id) for home in homes}

    def handle(self, item: NodeInput, now: Instant) -> None:
        """Take one input."""
        self._now = now
        match item:
            case ConnectionInput():
                self._pool.handle(item, now)
            case m.StampFound():
                self._collected.append(item)
        self._collected.extend(self._pool.take_facts())
        if len(self._collected) >= MAX_BATCH:
            self._settle()

    def handle_deadline(self, now: Instant) -> None:
        """Take the passing of time."""
        self._now = now
        self._pool.handle_deadline(now)
        self._settle()
        if self._blocked():
            return
        try:
            self._messaging.handle_deadline(now)
        except DiskFullError:
            self._block()
        self._settle()

    def deadline(self) -> Instant | None:
        """Return when to call `handle_deadline` next, or None for never."""
        messaging_at = self._blocked_until or self._messaging.deadline()
        moments = [self._pool.deadline(), messaging_at]
        return min((moment for moment in moments if moment is not None), default=None)

    def take_effects(self) -> list[NodeEffect]:
        """Return what must be done now, oldest first, and forget it."""
        self._settle()
        effects, self._effects = self._effects, []
        return effects

    def _settle(self) -> None:
        """Pass orders down and facts up until both sides are quiet."""
        while True:
            for effect in self._messaging.take_effects():
                self._perform(effect)
            self._effects.extend(self._pool.take_orders())
            self._collected.extend(self._pool.take_facts())
            if not self._collected or self._blocked():
                return
            batch = self._collected[:MAX_BATCH]
            try:
                self._messaging.handle_batch(batch, self._now)
            except DiskFullError:
                # Nothing of it was kept. It waits here, and at the homes, which push no more
                # than a window ahead of what is acknowledged.
                self._block()
                return
            del self._collected[: len(batch)]

    def _block(self) -> None:
        self._blocked_until = Instant(self._now + DISK_FULL_RETRY_S)

    def _blocked(self) -> bool:
        """Whether the disk was full a moment ago."""
        if self._blocked_until is not None and self._now >= self._blocked_until:
            self._blocked_until = None
        return self._blocked_until is not None

    def _perform(self, effect: m.MessagingEffect) -> None:
        now = self._now
        match effect:
            case m.AskHome():
                self._pool.ask(effect, now)
            case m.KeepHome(address):
                self._pool.keep(address, now)
            case m.LeaveHome(home):
                self._pool.leave(home, now)
            case m.LogInMailbox():
                self._pool.log_in(effect, now)
            case m.AcknowledgeMail():
                self._pool.acknowledge(effect, now)
            case m.SendLive():
                self._pool.send_live(effect, now)
            case m.FindStamp():
                self._effects.append(effect)
            case m.Notify(event):
                self._effects.append(Told(event, self._message_of(event)))

    def _message_of(self, event: m.Event) -> MessageView | None:
        if isinstance(event, m.MessageAdded | m.MessageChanged):
            return self._messaging.message(event.message_id)
        return None
