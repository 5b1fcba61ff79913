"""A tiny post office: homes in dictionaries that join `Messaging` machines in one thread.

Independent of the real mailbox service, so that a shared misunderstanding shows in the
simulator and not only at the end. Time stands still unless a test moves it.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hark.crypto.admission import envelope_hash, pass_hash, token_hash
from hark.identity.words import RootSeed
from hark.machine import Instant
from hark.messaging.config import MessagingConfig
from hark.messaging.events import (
    AcknowledgeMail,
    AnswerReceived,
    AskHome,
    AskLost,
    CallSignalled,
    Event,
    FindStamp,
    HomeDown,
    HomeUp,
    KeepHome,
    LeaveHome,
    LiveReceived,
    LogInMailbox,
    MailboxAttached,
    MailboxRefused,
    MailReceived,
    MessageState,
    MessagingInput,
    Notify,
    SendLive,
    StampFound,
)
from hark.messaging.machine import Messaging
from hark.messaging.provision import create_account
from hark.messaging.views import MessageView
from hark.wire.address import Address
from hark.wire.error_codes import ErrorCode
from hark.wire.ids import AccountId, MailboxId, NodeId
from hark.wire.mailbox import (
    REQUESTS_MAILBOX,
    AddPrekeys,
    Bundle,
    Challenge,
    Claim,
    CreateMailbox,
    DeleteMailbox,
    DeliveryToken,
    Done,
    GetChallenge,
    Held,
    InvitationPass,
    MailboxAnswer,
    MailboxCreated,
    MailboxRequest,
    PrekeyCount,
    PublishBundle,
    Put,
    Refused,
    RegisterPass,
    SetToken,
    Stamp,
)
from hark_lab.sim.device_store import DictDeviceStore

START_UNIX_MS = 1_800_000_000_000
REQUEST_SIZES = (1146 + 16 * 1024, 1146 + 32 * 1024)
HOUR_S = 3600.0
DAY_S = 24 * HOUR_S


def refused(code: ErrorCode) -> Refused:
    return Refused(code, 0)


@dataclass
class Box:
    """One mailbox at a home."""

    mailbox: MailboxId
    kind: int
    owner_key: bytes
    token_hash: bytes
    envelopes: dict[int, bytes] = field(default_factory=dict)
    bundle: PublishBundle | None = None
    prekeys: list[bytes] = field(default_factory=list)
    passes: set[bytes] = field(default_factory=set)
    generation: int = 0
    instance: bytes = b""


class Home:
    """One supernode, as far as messaging sees it."""

    def __init__(self, number: int, rng: random.Random) -> None:
        self.address = Address(NodeId(bytes([number]) * 32), f"home{number}.example", 7443)
        self.rng = rng
        self.boxes: dict[MailboxId, Box] = {}
        self.sequence = 0
        self.puts: list[bytes] = []
        """Every envelope that was ever put here, for tests that look or replay."""
        self.claims = 0

    def apply(self, request: MailboxRequest, _who: "Person") -> MailboxAnswer:  # noqa: PLR0912
        if isinstance(request, GetChallenge):
            return Challenge(self.rng.randbytes(32), 20, 600_000)
        if isinstance(request, CreateMailbox):
            for known in self.boxes.values():
                if (known.owner_key, known.kind) == (request.owner_key, request.kind):
                    return MailboxCreated(known.mailbox, 2**50)
            mailbox = MailboxId(self.rng.randbytes(16))
            box = Box(mailbox, request.kind, request.owner_key, request.token_hash)
            self.boxes[mailbox] = box
            return MailboxCreated(mailbox, 2**50)
        found = self.boxes.get(MailboxId(request.mailbox))
        if found is None:
            return refused(ErrorCode.UNKNOWN_MAILBOX)
        match request:
            case Put():
                return self._put(found, request)
            case Claim():
                return self._claim(found, request)
            case SetToken():
                found.token_hash = request.token_hash
            case PublishBundle():
                if found.bundle and request.record_counter < found.bundle.record_counter:
                    return refused(ErrorCode.RECORD_OLD)
                found.bundle = request
            case AddPrekeys():
                found.prekeys += request.prekey_blobs
                return PrekeyCount(len(found.prekeys))
            case RegisterPass():
                found.passes.add(request.pass_hash)
            case DeleteMailbox():
                del self.boxes[found.mailbox]
        return Done()

    def _put(self, box: Box, request: Put) -> MailboxAnswer:
        if box.kind == REQUESTS_MAILBOX and len(request.envelope) not in REQUEST_SIZES:
            return refused(ErrorCode.TOO_LARGE)
        if request.envelope not in box.envelopes.values():
            match request.admission:
                case DeliveryToken(token):
                    if token_hash(token) != box.token_hash:
                        return refused(ErrorCode.TOKEN_STALE)
                case InvitationPass(shown):
                    if pass_hash(shown) not in box.passes:
                        return refused(ErrorCode.PASS_INVALID)
                    box.passes.discard(pass_hash(shown))
                case Stamp():
                    assert box.kind == REQUESTS_MAILBOX
            self.sequence += 1
            box.envelopes[self.sequence] = request.envelope
            self.puts.append(request.envelope)
        return Held(2**50, 1, 0, [], bytes(64))

    def _claim(self, box: Box, request: Claim) -> MailboxAnswer:
        self.claims += 1
        if box.kind != REQUESTS_MAILBOX and token_hash(request.token) != box.token_hash:
            return refused(ErrorCode.TOKEN_STALE)
        if box.bundle is None:
            return refused(ErrorCode.RATE_LIMITED)
        one_time = box.prekeys.pop(0) if request.one_time and box.prekeys else b""
        bundle = box.bundle
        return Bundle(
            bundle.record_counter,
            bundle.chain_blob,
            bundle.record_blob,
            bundle.fallback_blob,
            one_time,
        )


class Person:
    """One device: its machine, its store, and what it was told."""

    def __init__(self, world: "World", name: str, store: DictDeviceStore) -> None:
        self.world = world
        self.name = name
        self.store = store
        self.events: list[Event] = []
        self.signals: list[CallSignalled] = []
        self.online = True
        self.attached: set[MailboxId] = set()
        self.kept: dict[NodeId, Address] = {}
        self.starts = 0
        self.machine = self._machine()

    def _machine(self) -> Messaging:
        self.starts += 1
        return Messaging(
            self.store,
            random_bytes=self.world.rng.randbytes,
            unix_ms=self.world.unix_ms,
            instance=self.world.rng.randbytes(16),
            config=self.world.config,
        )

    @property
    def account(self) -> AccountId:
        return self.machine.whoami().account_id

    def restart(self) -> None:
        """Power comes back: a new machine on what the store has kept."""
        self.attached.clear()
        self.kept.clear()
        self.machine = self._machine()
        self.machine.start(self.world.now)

    def go_offline(self) -> None:
        self.online = False
        self.attached.clear()
        for node in self.kept:
            self.machine.handle(HomeDown(node, "lost"), self.world.now)

    def go_online(self) -> None:
        self.online = True
        for address in list(self.kept.values()):
            self.world.connect(self, address)

    def texts(self, contact: "Person") -> list[str]:
        return [view.text for view in self.machine.history(contact.account, 1000)]

    def received(self, contact: "Person") -> list[str]:
        views = self.machine.history(contact.account, 1000)
        return [view.text for view in views if not view.outgoing]

    def last(self, contact: "Person") -> MessageView:
        return self.machine.history(contact.account, 1)[0]

    def states(self, contact: "Person") -> list[MessageState]:
        views = self.machine.history(contact.account, 1000)
        return [view.state for view in views if view.outgoing]


Fault = Callable[[Person, AskHome], str]
"""Says what befalls an ask: "", "lost request", "lost answer"."""


class World:
    """People, homes and one clock."""

    def __init__(
        self, homes: int = 1, seed: int = 1, config: MessagingConfig | None = None
    ) -> None:
        self.rng = random.Random(seed)
        self.now = Instant(100.0)
        self.config = config or MessagingConfig()
        self.homes = {
            home.address.node_id: home
            for home in (Home(number + 1, self.rng) for number in range(homes))
        }
        self.people: list[Person] = []
        self.fault: Fault = lambda _person, _ask: ""
        self.hold_mail: Callable[[Person, bytes], bool] = lambda _person, _envelope: False
        self.held_ms = 0
        """For how long the homes say to have held what they deliver."""
        self.acknowledged: list[int] = []
        self.inputs: dict[int, list[MessagingInput]] = {}

    def unix_ms(self, now: Instant) -> int:
        return START_UNIX_MS + int(now * 1000)

    def addresses(self) -> list[Address]:
        return [home.address for home in self.homes.values()]

    def person(self, name: str, homes: list[Address] | None = None) -> Person:
        store = DictDeviceStore()
        create_account(
            store,
            RootSeed(self.rng.randbytes(32)),
            name,
            homes or self.addresses()[:2],
            random_bytes=self.rng.randbytes,
            now_unix_ms=self.unix_ms(self.now),
        )
        return self.join(name, store)

    def join(self, name: str, store: DictDeviceStore) -> Person:
        person = Person(self, name, store)
        self.people.append(person)
        person.machine.start(self.now)
        self.run()
        return person

    def friends(self, homes: int = 1) -> tuple[Person, Person]:
        """Return two people who have accepted each other."""
        del homes
        alice, bob = self.person("alice"), self.person("bob")
        self.befriend(alice, bob)
        return alice, bob

    def befriend(self, inviter: Person, invited: Person) -> None:
        invitation = inviter.machine.invite(self.now, invited.name)
        self.run()
        invited.machine.add(invitation, inviter.name, self.now)
        self.run()

    # Running.

    def run(self) -> None:
        """Perform effects and deliver mail until nothing moves any more."""
        moved = True
        while moved:
            moved = False
            for person in self.people:
                moved = self.step(person) or moved

    def step(self, person: Person) -> bool:
        """Perform what one person wants and bring its mail; whether anything happened."""
        effects = person.machine.take_effects()
        inputs: list[MessagingInput] = []
        for effect in effects:
            inputs += self._perform(person, effect)
        if inputs:
            person.machine.handle_batch(inputs, self.now)
        return self.deliver(person) or bool(effects)

    def deliver(self, person: Person) -> bool:
        """Push what lies in a person's mailboxes, once for each link."""
        mail: list[MessagingInput] = []
        for home in self.homes.values():
            for box in home.boxes.values():
                if box.mailbox not in person.attached:
                    continue
                for sequence, envelope in sorted(box.envelopes.items()):
                    if not self.hold_mail(person, envelope):
                        node = home.address.node_id
                        mail.append(
                            MailReceived(node, box.mailbox, sequence, self.held_ms, envelope)
                        )
        if mail:
            person.machine.handle_batch(mail, self.now)
        return bool(mail)

    def _perform(  # noqa: PLR0912
        self, person: Person, effect: object
    ) -> list[MessagingInput]:
        match effect:
            case Notify(event):
                person.events.append(event)
            case CallSignalled():
                person.signals.append(effect)
            case KeepHome(address):
                person.kept[address.node_id] = address
                if person.online:
                    return [HomeUp(address.node_id, 0)]
            case LeaveHome(home):
                person.kept.pop(home, None)
            case LogInMailbox():
                return self._log_in(person, effect)
            case AskHome():
                return [self._ask(person, effect)]
            case AcknowledgeMail(home, mailbox, sequences):
                box = self.homes[home].boxes.get(mailbox)
                for sequence in sequences:
                    self.acknowledged.append(sequence)
                    if box is not None:
                        box.envelopes.pop(sequence, None)
            case SendLive():
                self._pass_on(effect)
            case FindStamp(stamp_id):
                return [StampFound(stamp_id, bytes(8))]
            case _:
                raise AssertionError(f"an effect that nobody performs: {effect}")
        return []

    def _log_in(self, person: Person, effect: LogInMailbox) -> list[MessagingInput]:
        person.logins = {**getattr(person, "logins", {}), effect.mailbox: effect}  # type: ignore[attr-defined]
        if not person.online:
            return []
        box = self.homes[effect.home].boxes.get(effect.mailbox)
        if box is None:
            code = ErrorCode.UNKNOWN_MAILBOX
            return [MailboxRefused(effect.home, effect.mailbox, code)]
        seen = (box.generation, box.instance)
        if (effect.generation, effect.instance) != seen and effect.generation <= seen[0]:
            return [MailboxRefused(effect.home, effect.mailbox, ErrorCode.STORE_STALE)]
        box.generation, box.instance = effect.generation, effect.instance
        person.attached.add(effect.mailbox)
        return [MailboxAttached(effect.home, effect.mailbox, len(box.prekeys))]

    def connect(self, person: Person, address: Address) -> None:
        """Bring a person's link and logins back."""
        inputs: list[MessagingInput] = [HomeUp(address.node_id, 0)]
        for effect in getattr(person, "logins", {}).values():
            if effect.home == address.node_id:
                inputs += self._log_in(person, effect)
        person.machine.handle_batch(inputs, self.now)

    def _ask(self, person: Person, effect: AskHome) -> MessagingInput:
        fate = self.fault(person, effect) if person.online else "lost request"
        home = self.homes.get(effect.address.node_id)
        if fate == "lost request" or home is None:
            return AskLost(effect.ask_id)
        answer = home.apply(effect.request, person)
        if fate == "lost answer":
            return AskLost(effect.ask_id)
        return AnswerReceived(effect.ask_id, answer)

    def _pass_on(self, effect: SendLive) -> None:
        box = self.homes[effect.address.node_id].boxes.get(effect.mailbox)
        if box is None or token_hash(effect.token) != box.token_hash:
            return
        for person in self.people:
            if effect.mailbox in person.attached:
                person.machine.handle(LiveReceived(effect.envelope), self.now)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, with every deadline on the way."""
        end = self.now + seconds
        self.run()
        while True:
            deadlines = [
                deadline
                for person in self.people
                if (deadline := person.machine.deadline()) is not None
            ]
            earliest = min(deadlines, default=Instant(end))
            if earliest > end:
                break
            self.now = Instant(max(self.now, earliest))
            for person in self.people:
                person.machine.handle_deadline(self.now)
            self.run()
        self.now = Instant(end)

    # Looking.

    def envelopes_for(self, person: Person) -> list[bytes]:
        """Return what lies in a person's mailboxes."""
        return [
            envelope
            for home in self.homes.values()
            for box in home.boxes.values()
            if box.mailbox in getattr(person, "logins", {})
            for envelope in box.envelopes.values()
        ]


def hash_of(envelope: bytes) -> bytes:
    return envelope_hash(envelope)


def quick(config: MessagingConfig | None = None) -> MessagingConfig:
    """Return settings under which receipts leave at once, and days pass quickly."""
    return replace(
        config or MessagingConfig(),
        receipt_batch_ms=0,
        receipt_open_ms=0,
        maintenance_ms=2 * 3600 * 1000,
    )
