"""The core of a node: links, messaging and calls wired into one machine.

`NodeCore` joins siblings that do not know each other: what messaging orders goes to the
links, what the links learn goes to messaging; a call's signals go out as mail and come in as
mail. It has no I/O; the daemon drives it on a thread of its own, the simulator in virtual
time.

Inputs that come close together share a transaction: they are collected until somebody takes
the effects (which a driver does after each round), asks messaging something, or a deadline
comes.
"""

from dataclasses import dataclass

from hark.calls import events as c
from hark.calls.machine import Calls
from hark.calls.media import MediaFact, MediaOrder, MediaSilent
from hark.errors import DiskFullError, StoreStaleError
from hark.machine import Instant, RandomBytes, UnixMs
from hark.messaging import events as m
from hark.messaging.machine import Messaging
from hark.messaging.views import MessageView
from hark.node.links import ConnectionInput, ConnectionOrder, LinkPool
from hark.wire.ids import AccountId, CallId, NodeId

DISK_FULL_RETRY_S = 30.0
"""After a commit failed for want of room, the next try comes so much later, in seconds."""
MAX_BATCH = 200
"""Inputs that share one transaction at most, so that one commit stays short."""
_STOPPING = {m.ContactChange.BLOCKED, m.ContactChange.NEW_EPOCH, m.ContactChange.FROZEN}
"""After these nothing is sent to a contact: neither words nor a voice."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event for the faces."""

    event: m.Event
    message: MessageView | None
    """The message that it is about, as it is now; None when it is about none."""


@dataclass(frozen=True, slots=True)
class CallTold:
    """A call has changed: for the faces."""

    view: c.CallView
    contact_name: str


NodeInput = ConnectionInput | m.StampFound | MediaFact
NodeEffect = ConnectionOrder | m.FindStamp | Told | CallTold | MediaOrder


class NodeCore:
    """One node without I/O. See the module's docstring.

    Args:
        messaging: the account's messaging machine, not started yet.
        calls: the device's calls.
        random_bytes: for jitter and nonces of the links.
        unix_ms: the calendar.
    """

    def __init__(
        self,
        messaging: Messaging,
        calls: Calls,
        *,
        random_bytes: RandomBytes,
        unix_ms: UnixMs,
    ) -> None:
        self._messaging = messaging
        self._calls = calls
        self._pool = LinkPool(random_bytes=random_bytes, unix_ms=unix_ms)
        self._collected: list[m.MessagingInput] = []
        self._call_orders: list[m.CallOrder] = []
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

    def calls(self, now: Instant) -> Calls:
        """Return the calls, with everything that came before already taken in."""
        self._now = now
        self._settle()
        return self._calls

    def place_call(self, contact: AccountId, now: Instant, *, records: bool) -> CallId:
        """Call a contact.

        Raises:
            UsageError: as `Messaging.call_peer` and `Calls.place` say.
        """
        messaging = self.messaging(now)
        peer = messaging.call_peer(contact, now)
        hide_address = messaging.hide_address()
        return self._calls.place(
            _peer_of(peer), now, hide_address=hide_address, records=records
        )

    def answer_call(self, call: CallId, now: Instant, *, records: bool) -> None:
        """Take a call.

        Raises:
            NoSuchCallError: it does not ring here any more.
        """
        hide_address = self.messaging(now).hide_address()
        self._calls.answer(call, now, hide_address=hide_address, records=records)

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
            case _:
                if isinstance(item, MediaSilent):
                    # A new path is agreed upon over the links. If this machine has moved to
                    # another network they are as dead, and would notice much later.
                    self._pool.probe(now)
                self._calls.handle(item, now)
        self._collected.extend(self._pool.take_facts())
        if len(self._collected) >= MAX_BATCH:
            self._settle()

    def handle_deadline(self, now: Instant) -> None:
        """Take the passing of time."""
        self._now = now
        self._pool.handle_deadline(now)
        self._calls.handle_deadline(now)
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
        moments = [self._pool.deadline(), self._calls.deadline(), messaging_at]
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
            for call_effect in self._calls.take_effects():
                self._perform_for_calls(call_effect)
            if self._call_orders and not self._blocked():
                self._carry_calls()
                continue
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

    def _carry_calls(self) -> None:
        """Send the signals of calls and note what became of them, in one transaction."""
        try:
            self._messaging.carry_calls(self._call_orders, self._now)
        except DiskFullError:
            # By the time there is room a signal would be too late; what became of a call is
            # still to be noted.
            self._call_orders = [
                order for order in self._call_orders if isinstance(order, m.RecordOrder)
            ]
            self._block()
        except StoreStaleError:
            # Nothing is sent from this store any more, nor written to it. Calls that go on
            # are not in it; the person still ends them.
            self._call_orders = []
        else:
            self._call_orders = []

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
            case m.CallSignalled(account, device, body, own_epoch, contact_epoch):
                peer = c.Peer(account, own_epoch, contact_epoch)
                self._calls.handle(c.SignalReceived(peer, device, body), now)
            case m.Notify(event):
                self._effects.append(Told(event, self._message_of(event)))
                if isinstance(event, m.ContactChanged) and event.change in _STOPPING:
                    self._end_calls_with(event.contact)

    def _end_calls_with(self, contact: AccountId) -> None:
        """Leave every call with somebody to whom nothing may be sent from now on."""
        for view in self._calls.views():
            if view.account == contact and view.state is not c.CallState.ENDED:
                self._calls.hang_up(view.call, self._now)

    def _perform_for_calls(self, effect: c.CallEffect) -> None:
        match effect:
            case c.SendSignal(account, body, device, but_not):
                self._call_orders.append(m.SignalOrder(account, body, device, but_not))
            case c.RecordCall(call, account, caller_device, outcome, duration_ms):
                self._call_orders.append(
                    m.RecordOrder(call, account, caller_device, outcome, duration_ms)
                )
            case c.CallChanged(view):
                self._effects.append(CallTold(view, self._messaging.name_of(view.account)))
            case _:
                self._effects.append(effect)

    def _message_of(self, event: m.Event) -> MessageView | None:
        if isinstance(event, m.MessageAdded | m.MessageChanged):
            return self._messaging.message(event.message_id)
        return None


def _peer_of(peer: m.CallPeer) -> c.Peer:
    return c.Peer(peer.account, peer.own_epoch, peer.contact_epoch)
