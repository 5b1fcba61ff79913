"""Both ends of links and the mailbox service together, over wires that can be cut."""

from dataclasses import dataclass, field
from random import Random

from hark.crypto.admission import token_hash
from hark.crypto.hashing import sha256
from hark.machine import Instant
from hark.overlay.link.client import LinkClient, LinkState
from hark.overlay.link.events import (
    AnswerArrived,
    ClientEffect,
    CloseTransport,
    FrameReceived,
    LinkUp,
    LiveArrived,
    LiveOutcome,
    LoggedIn,
    LoginRefused,
    MailArrived,
    OpenTransport,
    SendFrame,
    TransportLost,
    TransportOpened,
)
from hark.overlay.link.server import LinkServer, LinkServerShared
from hark.overlay.mailbox.custody import check_receipt
from hark.overlay.mailbox.events import LinkRef, ServiceInput
from hark.overlay.mailbox.stamps import NO_MAILBOX, find_nonce
from hark.wire.error_codes import ErrorCode
from hark.wire.ids import MailboxId
from hark.wire.mailbox import (
    CONTACT_MAILBOX,
    Challenge,
    CreateMailbox,
    DeliveryToken,
    GetChallenge,
    Held,
    MailboxAnswer,
    MailboxCreated,
    MailboxRequest,
    Put,
    Stamp,
)
from tests.unit.overlay.world import (
    CERTIFICATE,
    CERTIFICATE_HASH,
    INSTANCE,
    TOKEN,
    Home,
    new_client,
    owner_key,
)


@dataclass
class World:
    """One home and nodes with a link each; whatever can happen at once does."""

    home: Home = field(default_factory=Home)
    clients: list[LinkClient] = field(default_factory=list)
    servers: dict[LinkRef, LinkServer] = field(default_factory=dict)
    client_of: dict[LinkRef, int] = field(default_factory=dict)
    facts: list[list[ClientEffect]] = field(default_factory=list)
    inputs: list[ServiceInput] = field(default_factory=list)
    reachable: bool = True
    next_link: int = 1
    shared: LinkServerShared = field(
        default_factory=lambda: LinkServerShared(
            CERTIFICATE_HASH, random_bytes=Random(3).randbytes
        )
    )

    @property
    def now(self) -> Instant:
        return Instant(self.home.now)

    def node(self) -> LinkClient:
        """Add a node and let it connect."""
        client = new_client(len(self.clients))
        self.clients.append(client)
        self.facts.append([])
        client.start(self.now)
        self.run()
        return client

    def facts_of(self, client: LinkClient) -> list[ClientEffect]:
        """Return, and forget, what a node has learned."""
        number = self.clients.index(client)
        facts, self.facts[number] = self.facts[number], []
        return facts

    def run(self) -> None:
        """Let everything happen that is due."""
        while self._clients_speak() or self._servers_speak() or self._service_works():
            pass

    def ask(self, client: LinkClient, request: MailboxRequest) -> MailboxAnswer:
        """Ask, and return the answer; other facts stay."""
        request_id = client.ask(request, self.now)
        self.run()
        kept = self.facts[self.clients.index(client)]
        for fact in kept:
            if isinstance(fact, AnswerArrived) and fact.request_id == request_id:
                kept.remove(fact)
                return fact.answer
        raise AssertionError("no answer came")

    def make_mailbox(self, client: LinkClient, number: int = 1) -> MailboxId:
        """Make the mailbox of `owner_key(number)` over the link, stamp and all."""
        owner = owner_key(number).public.raw
        challenge = self.ask(client, GetChallenge(NO_MAILBOX))
        assert isinstance(challenge, Challenge)
        nonce = find_nonce(
            challenge.challenge, NO_MAILBOX, sha256(owner), challenge.bits, 0, 10_000
        )
        assert nonce is not None
        stamp = Stamp(challenge.challenge, nonce)
        created = self.ask(
            client, CreateMailbox(CONTACT_MAILBOX, owner, token_hash(TOKEN), stamp)
        )
        assert isinstance(created, MailboxCreated)
        return MailboxId(created.mailbox)

    def log_in(self, client: LinkClient, box: MailboxId, generation: int = 1) -> None:
        client.log_in(box, owner_key(1), generation, INSTANCE, self.now)
        self.run()

    def cut_everything(self) -> None:
        """Cut all wires; what is under way on them is lost."""
        for link, server in list(self.servers.items()):
            client = self.clients[self.client_of[link]]
            server.lost()
            self._collect(link)
            client.handle(TransportLost("cut"), self.now)
        self.run()

    def until_all_are_up(self) -> None:
        """Let time pass until every node has come back."""
        while any(client.state is not LinkState.UP for client in self.clients):
            self.home.later(ms=100)
            for client in self.clients:
                client.handle_deadline(self.now)
            self.run()

    def _clients_speak(self) -> bool:
        spoke = False
        for number, client in enumerate(self.clients):
            for effect in client.take_effects():
                spoke = True
                self._perform(number, effect)
        return spoke

    def _perform(self, number: int, effect: ClientEffect) -> None:
        link = self._link_of(number)
        match effect:
            case OpenTransport() if self.reachable:
                self._connect(number)
            case OpenTransport():
                self.clients[number].handle(TransportLost("refused"), self.now)
            case SendFrame(frame):
                if link is not None:
                    self.servers[link].receive_frame(frame, self.now)
            case CloseTransport():
                if link is not None:
                    self.servers[link].lost()
            case _:
                self.facts[number].append(effect)

    def _connect(self, number: int) -> None:
        link = LinkRef(self.next_link)
        self.next_link += 1
        self.servers[link] = LinkServer(link, self.shared, self.now, self.home.now_unix_ms)
        self.client_of[link] = number
        self.clients[number].handle(TransportOpened(CERTIFICATE), self.now)

    def _link_of(self, number: int) -> LinkRef | None:
        links = [
            link
            for link, owner in self.client_of.items()
            if owner == number and not self.servers[link].closed
        ]
        return links[-1] if links else None

    def _servers_speak(self) -> bool:
        return sum(self._collect(link) for link in list(self.servers)) > 0

    def _collect(self, link: LinkRef) -> bool:
        server = self.servers[link]
        effects = server.take_effects()
        client = self.clients[self.client_of[link]]
        for effect in effects:
            match effect:
                case SendFrame(frame):
                    client.handle(FrameReceived(frame), self.now)
                case CloseTransport():
                    client.handle(TransportLost("closed"), self.now)
                case _:
                    self.inputs.append(effect)
        if server.closed:
            del self.servers[link], self.client_of[link]
        return bool(effects)

    def _service_works(self) -> bool:
        batch, self.inputs = self.inputs, []
        for output in self.home.apply(*batch) if batch else []:
            if output.link in self.servers:
                self.servers[output.link].deliver(output)
        return bool(batch)


def test_message_travels_from_a_node_by_its_home_to_another_and_is_deleted() -> None:
    world = World()
    anna, boris = world.node(), world.node()
    box = world.make_mailbox(anna)
    world.log_in(anna, box)
    held = world.ask(boris, Put(box, DeliveryToken(TOKEN), b"sealed"))
    assert isinstance(held, Held)
    check_receipt(held, box, b"sealed", CERTIFICATE)
    up, logged_in, mail = world.facts_of(anna)
    assert isinstance(up, LinkUp)
    assert logged_in == LoggedIn(box, 0)
    assert isinstance(mail, MailArrived)
    assert world.home.store.disk.contains(b"sealed")
    anna.acknowledge(box, [mail.sequence], world.now)
    world.run()
    assert not world.home.store.disk.contains(b"sealed")


def test_live_envelope_travels_and_its_sender_hears_of_it() -> None:
    world = World()
    anna, boris = world.node(), world.node()
    box = world.make_mailbox(anna)
    world.log_in(anna, box)
    world.facts_of(anna)
    world.facts_of(boris)
    request_id = boris.send_live(box, TOKEN, b"typing", world.now)
    world.run()
    assert world.facts_of(anna) == [LiveArrived(box, b"typing")]
    assert world.facts_of(boris) == [LiveOutcome(request_id, passed=True)]


def test_mail_arrives_once_acknowledged_or_again_after_every_cut() -> None:
    for seed in range(10):
        random = Random(seed)
        world = World()
        anna, boris = world.node(), world.node()
        box = world.make_mailbox(anna)
        world.log_in(anna, box)
        sent: list[bytes] = []
        durable: set[bytes] = set()
        for number in range(60):
            if random.random() < 0.15:
                world.cut_everything()
                if random.random() < 0.5:
                    world.home.restart()
                world.until_all_are_up()
            envelope = b"%d" % number
            if isinstance(world.ask(boris, Put(box, DeliveryToken(TOKEN), envelope)), Held):
                sent.append(envelope)
            for fact in world.facts_of(anna):
                if isinstance(fact, MailArrived) and random.random() < 0.7:
                    durable.add(fact.envelope)
                    anna.acknowledge(box, [fact.sequence], world.now)
            world.run()
        world.cut_everything()
        world.until_all_are_up()
        rest = [fact for fact in world.facts_of(anna) if isinstance(fact, MailArrived)]
        assert not durable & {fact.envelope for fact in rest}
        assert durable | {fact.envelope for fact in rest} == set(sent)
        assert len(sent) == 60


def test_copy_of_a_store_is_refused_and_the_newer_one_goes_on() -> None:
    world = World()
    anna = world.node()
    box = world.make_mailbox(anna)
    world.log_in(anna, box, generation=2)
    copy = world.node()
    copy.log_in(box, owner_key(1), 1, bytes(16), world.now)
    world.run()
    assert LoginRefused(box, ErrorCode.STORE_STALE) in world.facts_of(copy)
    newer = world.node()
    world.log_in(newer, box, generation=3)
    assert LoggedIn(box, 0) in world.facts_of(newer)
    assert anna.state is LinkState.WAITING
    world.until_all_are_up()
    assert LoginRefused(box, ErrorCode.STORE_STALE) in world.facts_of(anna)


def test_node_comes_back_by_itself_when_the_home_was_away() -> None:
    world = World()
    anna = world.node()
    box = world.make_mailbox(anna)
    world.log_in(anna, box)
    world.reachable = False
    world.cut_everything()
    for _ in range(3000):
        world.home.later(ms=100)
        anna.handle_deadline(world.now)
        world.run()
    world.facts_of(anna)
    assert anna.state is LinkState.WAITING
    world.reachable = True
    world.until_all_are_up()
    assert LoggedIn(box, 0) in world.facts_of(anna)


def test_idle_link_stands_for_a_day_with_few_wake_ups() -> None:
    world = World()
    anna = world.node()
    wake_ups = 0
    for _ in range(24 * 60):
        world.home.later(ms=60_000)
        due = anna.deadline()
        if due is not None and due <= world.now:
            wake_ups += 1
            anna.handle_deadline(world.now)
            world.run()
        for server in list(world.servers.values()):
            server.handle_deadline(world.now)
    assert anna.state is LinkState.UP
    assert wake_ups < 24 * 5
