"""The links of a node: one `LinkClient` for each supernode that it talks to.

Links to our own homes are kept and logged in. A link to somebody else's home is opened when
something is asked of it and let go when it has been idle for a minute; it proves no mailbox.
(Once supernodes forward requests, nothing is asked of a foreign home directly any more.)

The pool speaks the words of `messaging` upwards (asks by `ask_id`, facts as its inputs) and
numbers connections downwards, so that news of a connection that was given up is never taken
for news of its successor. A custody receipt that does not verify counts as no answer.

It performs no I/O: `handle` takes what the transports say, `take_orders` says what they must
do. Which effects of `LinkClient` become what is spelled out in `_Link.route`.
"""

from dataclasses import dataclass, field

from hark.crypto.signing import SigningKey
from hark.errors import ForgedError
from hark.machine import Instant, RandomBytes, UnixMs
from hark.messaging import events as m
from hark.overlay.link import events as link
from hark.overlay.link.client import LinkClient
from hark.overlay.mailbox.custody import check_receipt
from hark.wire.address import Address
from hark.wire.error_codes import ErrorCode
from hark.wire.ids import MailboxId, NodeId
from hark.wire.mailbox import Held, MailboxAnswer, MailboxRequest, Put

FOREIGN_IDLE_S = 60.0
"""A link to a foreign home is let go after this long without use, in seconds. Long enough
for the exchange that adding a contact takes, short enough to tell that home little."""
MAX_WAITING_ASKS = 256
"""Asks that wait for one link to come up. Messaging asks again by itself for the rest."""


@dataclass(frozen=True, slots=True)
class ConnectionInput:
    """News of one connection."""

    connection: int
    item: link.ClientInput


@dataclass(frozen=True, slots=True)
class OpenConnection:
    """Connect to a supernode, and call the connection by this number."""

    connection: int
    address: Address


@dataclass(frozen=True, slots=True)
class SendOnConnection:
    """Send one frame."""

    connection: int
    frame: bytes


@dataclass(frozen=True, slots=True)
class CloseConnection:
    """Close; nothing more is said about this connection."""

    connection: int


ConnectionOrder = OpenConnection | SendOnConnection | CloseConnection


@dataclass(slots=True)
class _Link:
    """One supernode: its link machine and what is under way on it."""

    client: LinkClient
    kept: bool
    last_used: Instant
    connection: int | None = None
    node_certificate: bytes = b""
    up: bool = False
    reason: str = "not connected yet"
    """Why it is down, for a person; empty while it is up."""
    waiting: list[m.AskHome] = field(default_factory=list)
    asks: dict[int, int] = field(default_factory=dict)
    """Request id on the link → ask id of messaging."""


class LinkPool:
    """All links of a node. See the module's docstring."""

    def __init__(self, *, random_bytes: RandomBytes, unix_ms: UnixMs) -> None:
        self._random_bytes = random_bytes
        self._unix_ms = unix_ms
        self._links: dict[NodeId, _Link] = {}
        self._by_connection: dict[int, NodeId] = {}
        self._next_connection = 1
        self._orders: list[ConnectionOrder] = []
        self._facts: list[m.MessagingInput] = []

    # What messaging orders.

    def keep(self, address: Address, now: Instant) -> None:
        """Keep a link to one of our homes from now on."""
        self._link(address, now).kept = True
        self._pump(address.node_id, now)

    def leave(self, home: NodeId, now: Instant) -> None:
        """Let a link go."""
        entry = self._links.get(home)
        if entry is None:
            return
        entry.client.stop(now)
        self._pump(home, now)
        self._lose_asks(entry)
        del self._links[home]

    def log_in(self, order: m.LogInMailbox, now: Instant) -> None:
        """Log in to a mailbox at a kept home, now and after each reconnect."""
        entry = self._links[order.home]
        owner = SigningKey.from_seed(order.owner_seed)
        entry.client.log_in(order.mailbox, owner, order.generation, order.instance, now)
        self._pump(order.home, now)

    def ask(self, order: m.AskHome, now: Instant) -> None:
        """Ask a supernode; the answer, or `AskLost`, comes as a fact."""
        home = order.address.node_id
        entry = self._link(order.address, now)
        entry.last_used = now
        if entry.up:
            entry.asks[entry.client.ask(order.request, now)] = order.ask_id
        elif entry.connection is None or len(entry.waiting) >= MAX_WAITING_ASKS:
            self._facts.append(m.AskLost(order.ask_id))
        else:
            entry.waiting.append(order)
        self._pump(home, now)

    def acknowledge(self, order: m.AcknowledgeMail, now: Instant) -> None:
        """Tell a home which mail is safe here; dropped when the link is down."""
        entry = self._links.get(order.home)
        # Without a link the home still holds the mail, and pushes it again.
        if entry is not None and entry.up:
            entry.client.acknowledge(order.mailbox, order.sequences, now)
            self._pump(order.home, now)

    def send_live(self, order: m.SendLive, now: Instant) -> None:
        """Pass a live envelope if the link is up; never repeated."""
        entry = self._links.get(order.address.node_id)
        if entry is not None and entry.up:
            entry.last_used = now
            entry.client.send_live(order.mailbox, order.token, order.envelope, now)
            self._pump(order.address.node_id, now)

    def probe(self, now: Instant) -> None:
        """Find out soon whether the links that seem to stand do: the network may be another."""
        for home, entry in self._links.items():
            if entry.up:
                entry.client.connect_now(now)
                self._pump(home, now)

    def reason(self, home: NodeId) -> str:
        """Return why the link to a supernode is down, for a person; empty when it is up."""
        entry = self._links.get(home)
        return "no link is kept" if entry is None else entry.reason

    # What the transports say, and the passing of time.

    def handle(self, item: ConnectionInput, now: Instant) -> None:
        """Take news of a connection; news of one that was given up is ignored."""
        home = self._by_connection.get(item.connection)
        if home is None:
            return
        entry = self._links[home]
        if isinstance(item.item, link.TransportOpened):
            entry.node_certificate = item.item.certificate_der
        elif isinstance(item.item, link.TransportLost):
            self._forget_connection(entry)
        entry.client.handle(item.item, now)
        self._pump(home, now)

    def handle_deadline(self, now: Instant) -> None:
        """Take the passing of time."""
        for home, entry in list(self._links.items()):
            idle = now - entry.last_used >= FOREIGN_IDLE_S
            if not entry.kept and idle and not entry.asks and not entry.waiting:
                self.leave(home, now)
                continue
            due = entry.client.deadline()
            if due is not None and due <= now:
                entry.client.handle_deadline(now)
                self._pump(home, now)

    def deadline(self) -> Instant | None:
        """Return when `handle_deadline` is due."""
        moments: list[Instant] = []
        for entry in self._links.values():
            due = entry.client.deadline()
            if due is not None:
                moments.append(due)
            if not entry.kept and not entry.asks and not entry.waiting:
                moments.append(Instant(entry.last_used + FOREIGN_IDLE_S))
        return min(moments, default=None)

    def take_orders(self) -> list[ConnectionOrder]:
        """Return what the transports must do, oldest first, and forget it."""
        orders, self._orders = self._orders, []
        return orders

    def take_facts(self) -> list[m.MessagingInput]:
        """Return what messaging must know, oldest first, and forget it."""
        facts, self._facts = self._facts, []
        return facts

    # Inside.

    def _link(self, address: Address, now: Instant) -> _Link:
        """Return the link to this supernode; start one if there is none."""
        entry = self._links.get(address.node_id)
        if entry is None:
            client = LinkClient(address, random_bytes=self._random_bytes, unix_ms=self._unix_ms)
            entry = _Link(client, kept=False, last_used=now)
            self._links[address.node_id] = entry
            client.start(now)
            self._pump(address.node_id, now)
        return entry

    def _pump(self, home: NodeId, now: Instant) -> None:
        """Route what the link machine of `home` wants, until it wants nothing more."""
        entry = self._links[home]
        while effects := entry.client.take_effects():
            for effect in effects:
                self._route(home, entry, effect, now)

    def _route(
        self, home: NodeId, entry: _Link, effect: link.ClientEffect, now: Instant
    ) -> None:
        match effect:
            case link.OpenTransport(address):
                self._open(home, entry, address)
            case link.SendFrame(frame):
                if entry.connection is not None:
                    self._orders.append(SendOnConnection(entry.connection, frame))
            case link.CloseTransport():
                if entry.connection is not None:
                    self._orders.append(CloseConnection(entry.connection))
                self._forget_connection(entry)
            case link.LinkUp(clock_offset_ms):
                self._on_up(home, entry, clock_offset_ms, now)
            case link.LinkDown():
                entry.up = False
                entry.reason = _sentence(effect)
                self._lose_asks(entry)
                self._facts.append(m.HomeDown(home, entry.reason))
            case link.AnswerArrived(request_id, request, answer):
                self._on_answer(entry, request_id, request, answer)
            case link.AskFailed(request_id):
                self._on_ask_failed(entry, request_id)
            case _:
                self._tell(home, effect)

    def _tell(self, home: NodeId, effect: link.ClientEffect) -> None:
        """Pass facts on that only change their words."""
        match effect:
            case link.LoggedIn(mailbox, prekey_count):
                self._facts.append(m.MailboxAttached(home, mailbox, prekey_count))
            case link.LoginRefused(mailbox, code):
                self._facts.append(m.MailboxRefused(home, mailbox, code))
            case link.MailArrived(mailbox, sequence, held_ms, envelope):
                self._facts.append(m.MailReceived(home, mailbox, sequence, held_ms, envelope))
            case link.LiveArrived(_, envelope):
                self._facts.append(m.LiveReceived(envelope))
            case link.PrekeysRanLow(mailbox, prekey_count):
                self._facts.append(m.PrekeysLow(home, mailbox, prekey_count))
            case _:
                # A live envelope's outcome changes nothing: it is never repeated.
                pass

    def _open(self, home: NodeId, entry: _Link, address: Address) -> None:
        entry.connection = self._next_connection
        self._next_connection += 1
        self._by_connection[entry.connection] = home
        self._orders.append(OpenConnection(entry.connection, address))

    def _forget_connection(self, entry: _Link) -> None:
        if entry.connection is not None:
            del self._by_connection[entry.connection]
        entry.connection = None

    def _on_up(self, home: NodeId, entry: _Link, clock_offset_ms: int, now: Instant) -> None:
        entry.up = True
        entry.reason = ""
        self._facts.append(m.HomeUp(home, clock_offset_ms))
        waiting, entry.waiting = entry.waiting, []
        for order in waiting:
            entry.asks[entry.client.ask(order.request, now)] = order.ask_id

    def _on_answer(
        self, entry: _Link, request_id: int, request: MailboxRequest, answer: MailboxAnswer
    ) -> None:
        ask_id = entry.asks.pop(request_id, None)
        if ask_id is None:
            return
        if _receipt_holds(entry.node_certificate, request, answer):
            self._facts.append(m.AnswerReceived(ask_id, answer))
        else:
            self._facts.append(m.AskLost(ask_id))

    def _on_ask_failed(self, entry: _Link, request_id: int) -> None:
        ask_id = entry.asks.pop(request_id, None)
        if ask_id is not None:
            self._facts.append(m.AskLost(ask_id))

    def _lose_asks(self, entry: _Link) -> None:
        lost = [*entry.asks.values(), *(order.ask_id for order in entry.waiting)]
        entry.asks.clear()
        entry.waiting.clear()
        self._facts.extend(m.AskLost(ask_id) for ask_id in lost)


def _receipt_holds(certificate: bytes, request: MailboxRequest, answer: MailboxAnswer) -> bool:
    """Whether a `Held` is signed by whoever answered; other answers need no receipt."""
    if not isinstance(answer, Held):
        return True
    if not isinstance(request, Put):
        return False
    try:
        check_receipt(answer, MailboxId(request.mailbox), request.envelope, certificate)
    except ForgedError:
        return False
    return True


def _sentence(effect: link.LinkDown) -> str:
    """Say why a link is down, for a person."""
    if effect.wrong_supernode:
        return "another supernode answers at its address; nothing was sent to it"
    if effect.cause is ErrorCode.VERSION:
        return "it speaks another version of the protocol; one of the two needs an update"
    return effect.reason
