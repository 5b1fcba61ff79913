"""What the overlay's tests build their cases from: a home in memory, people, a joined link."""

import ssl
from dataclasses import dataclass, field
from random import Random

from hark.crypto.admission import token_hash
from hark.crypto.certificates import make_certificate, node_id_of_key
from hark.crypto.hashing import sha256
from hark.crypto.signing import SigningKey
from hark.machine import Instant
from hark.overlay.link.client import LinkClient
from hark.overlay.link.events import ClientEffect, FrameReceived, SendFrame, TransportOpened
from hark.overlay.mailbox.events import (
    Answered,
    Asked,
    Attach,
    Attached,
    Deliver,
    LinkRef,
    ServiceInput,
    ServiceOutput,
)
from hark.overlay.mailbox.limits import MailboxLimits
from hark.overlay.mailbox.service import MailboxService
from hark.overlay.mailbox.stamps import NO_MAILBOX, find_nonce
from hark.wire import link as link_wire
from hark.wire.address import Address
from hark.wire.codec import encode
from hark.wire.ids import MailboxId
from hark.wire.link import Hello
from hark.wire.mailbox import (
    CONTACT_MAILBOX,
    REQUESTS_MAILBOX,
    Challenge,
    CreateMailbox,
    DeliveryToken,
    GetChallenge,
    MailboxAnswer,
    MailboxCreated,
    MailboxRequest,
    Put,
    Stamp,
)
from hark_lab.sim.mailbox_store import MemoryMailboxStore

NODE_KEY = SigningKey.from_seed(bytes([7]) * 32)
OTHER_NODE_KEY = SigningKey.from_seed(bytes([8]) * 32)
TOKEN = b"delivery-token-1"
INSTANCE = b"instance-of-one."
START_UNIX_MS = 1_800_000_000_000
QUICK_STAMPS = MailboxLimits(create_stamp_bits=1, request_stamp_bits=2)
A_LINK = LinkRef(1)
SENDER = LinkRef(1000)


def certificate_of(key: SigningKey) -> bytes:
    """Return the certificate of a node key, DER."""
    return ssl.PEM_cert_to_DER_cert(make_certificate(key)[0].decode("ascii"))


CERTIFICATE = certificate_of(NODE_KEY)
OTHER_CERTIFICATE = certificate_of(OTHER_NODE_KEY)
CERTIFICATE_HASH = sha256(CERTIFICATE)
ADDRESS = Address(node_id_of_key(NODE_KEY.public), "home.example", 7443)
HELLO = Hello(1, bytes(32), START_UNIX_MS, 4000)


def owner_key(number: int) -> SigningKey:
    """Return the owner key of test mailbox `number`."""
    return SigningKey.from_seed(number.to_bytes(32, "big"))


@dataclass
class Home:
    """A mailbox service over memory, with a clock that stands still until it is moved."""

    limits: MailboxLimits = QUICK_STAMPS
    store: MemoryMailboxStore = field(default_factory=MemoryMailboxStore)
    now: float = 100.0
    now_unix_ms: int = START_UNIX_MS

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Lose everything but the disk."""
        self.store = MemoryMailboxStore(self.store.disk)
        self.service = MailboxService(
            self.store,
            node_key=NODE_KEY,
            random_bytes=Random(1).randbytes,
            limits=self.limits,
        )

    def later(self, *, ms: int) -> None:
        """Let time pass."""
        self.now += ms / 1000
        self.now_unix_ms += ms

    def apply(self, *items: ServiceInput) -> list[ServiceOutput]:
        """Apply one batch."""
        return self.service.apply(items, Instant(self.now), self.now_unix_ms)

    def ask(self, request: MailboxRequest, link: LinkRef = SENDER) -> MailboxAnswer:
        """Ask by itself, and return the one answer."""
        answers = [
            output.answer
            for output in self.apply(Asked(link, 1, request))
            if isinstance(output, Answered)
        ]
        assert len(answers) == 1
        return answers[0]

    def stamp(self, mailbox: MailboxId, subject_hash: bytes) -> Stamp:
        """Get a challenge and do the work."""
        challenge = self.ask(GetChallenge(mailbox))
        assert isinstance(challenge, Challenge)
        nonce = find_nonce(
            challenge.challenge, mailbox, subject_hash, challenge.bits, 0, 1_000_000
        )
        assert nonce is not None
        return Stamp(challenge.challenge, nonce)

    def create(self, number: int = 1, kind: int = CONTACT_MAILBOX) -> MailboxId:
        """Make the mailbox of `owner_key(number)`."""
        owner = owner_key(number).public.raw
        kept = token_hash(TOKEN) if kind == CONTACT_MAILBOX else bytes(32)
        stamp = self.stamp(NO_MAILBOX, sha256(owner))
        created = self.ask(CreateMailbox(kind, owner, kept, stamp))
        assert isinstance(created, MailboxCreated)
        return MailboxId(created.mailbox)

    def create_requests(self, number: int = 1) -> MailboxId:
        """Make a requests mailbox."""
        return self.create(number, REQUESTS_MAILBOX)

    def attach(
        self,
        mailbox: MailboxId,
        link: LinkRef = A_LINK,
        *,
        number: int = 1,
        generation: int = 1,
        instance: bytes = INSTANCE,
    ) -> list[ServiceOutput]:
        """Log in to a mailbox."""
        owner = owner_key(number).public.raw
        return self.apply(Attach(link, mailbox, owner, generation, instance))

    def put(self, mailbox: MailboxId, envelope: bytes) -> MailboxAnswer:
        """Put as a contact."""
        return self.ask(put_by_token(mailbox, envelope))


def put_by_token(mailbox: MailboxId, envelope: bytes, token: bytes = TOKEN) -> Put:
    """Return the request of a contact."""
    return Put(mailbox, DeliveryToken(token), envelope)


def delivered(outputs: list[ServiceOutput]) -> list[bytes]:
    """Return the envelopes that are pushed, in order."""
    return [output.envelope for output in outputs if isinstance(output, Deliver)]


def attached_code(outputs: list[ServiceOutput]) -> int:
    """Return the code of the one `Attached`."""
    codes = [output.code for output in outputs if isinstance(output, Attached)]
    assert len(codes) == 1
    return codes[0]


def new_client(seed: int = 1) -> LinkClient:
    """Return a link client of the test home whose clock starts at `START_UNIX_MS`."""
    return LinkClient(
        ADDRESS,
        random_bytes=Random(seed).randbytes,
        unix_ms=lambda now: START_UNIX_MS + int(now * 1000),
    )


def client_up(seed: int = 1) -> LinkClient:
    """Return a client whose link stands since moment 0; effects so far are taken."""
    client = new_client(seed)
    client.start(Instant(0.0))
    client.handle(TransportOpened(CERTIFICATE), Instant(0.0))
    client.handle(FrameReceived(encode(HELLO)), Instant(0.0))
    client.take_effects()
    return client


def sent(effects: list[ClientEffect]) -> list[link_wire.NodeFrame]:
    """Return the frames that a client sends, parsed."""
    return [
        link_wire.NODE_FRAME_PARSER.parse(effect.frame)
        for effect in effects
        if isinstance(effect, SendFrame)
    ]
