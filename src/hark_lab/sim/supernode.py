"""A supernode in virtual time: the real link and mailbox machines, a disk that can fail.

What arrives within one commit time is one batch, as in the real store thread. `crash` loses
every link and everything in memory; the store keeps what was committed. `Misbehaviour` makes
it the supernode of an enemy: it drops, doubles, reorders or withholds mail that it has
promised to hold, and never says so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from ssl import PEM_cert_to_DER_cert

from hark.crypto.certificates import make_certificate, node_id_of_key
from hark.crypto.hashing import sha256
from hark.crypto.signing import SigningKey
from hark.machine import RandomBytes
from hark.overlay.link.events import CloseTransport, SendFrame
from hark.overlay.link.server import LinkServer, LinkServerShared
from hark.overlay.mailbox.events import Deliver, LinkRef, ServiceInput
from hark.overlay.mailbox.limits import MailboxLimits
from hark.overlay.mailbox.service import MailboxService
from hark.wire.address import Address
from hark_lab.sim.clock import Calendar, VirtualClock
from hark_lab.sim.device_store import Crash
from hark_lab.sim.mailbox_store import MailboxDisk, MemoryMailboxStore
from hark_lab.sim.network import Connection

CHEAP_STAMPS = MailboxLimits(create_stamp_bits=2, request_stamp_bits=4)
"""Virtual time does not make hashing faster: a simulated stamp is worth little real work."""
COMMIT_S = (0.001, 0.02)
"""Shortest and longest time of one commit, in seconds."""


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """Shares of deliveries that a hostile supernode treats so, each 0..1."""

    drop: float = 0.0
    double: float = 0.0
    reorder: float = 0.0
    """Sent again later, after what came behind it."""

    @property
    def honest(self) -> bool:
        """Whether it does nothing of the kind."""
        return not (self.drop or self.double or self.reorder)


class SimSupernode:
    """One supernode of a simulated world."""

    def __init__(
        self,
        clock: VirtualClock,
        random: Random,
        *,
        disk: MailboxDisk,
        random_bytes: RandomBytes,
        host: str,
    ) -> None:
        self._clock = clock
        self._random = random
        self.disk = disk
        self._random_bytes = random_bytes
        self._calendar = Calendar(clock)
        self._key = SigningKey.from_seed(random_bytes(32))
        self._certificate = PEM_cert_to_DER_cert(make_certificate(self._key)[0].decode())
        self.address = Address(node_id_of_key(self._key.public), host, 7443)
        self.misbehaviour = Misbehaviour()
        self.crash_share = 0.0
        """Share of commits that a crash comes before or after, 0..1."""
        self.on_crash: Callable[[SimSupernode], None] = _ignore
        """Given this supernode when a planned crash has come."""
        self.up = False
        self._life = 0
        self.start()

    # Life.

    def start(self) -> None:
        """Start, or start again, from what the store has."""
        self.up = True
        self._life += 1
        self._links: dict[LinkRef, tuple[LinkServer, Connection]] = {}
        self._batch: list[ServiceInput] = []
        self._next_link = 1
        self._service = MailboxService(
            MemoryMailboxStore(
                self.disk, before_commit=self._maybe_crash, after_commit=self._maybe_crash
            ),
            node_key=self._key,
            random_bytes=self._random_bytes,
            limits=CHEAP_STAMPS,
        )
        self._shared = LinkServerShared(
            sha256(self._certificate), random_bytes=self._random_bytes
        )

    def crash(self) -> None:
        """Die at once: links and memory are gone, what was committed stays."""
        self.up = False
        self._life += 1
        for _, connection in self._links.values():
            connection.cut()

    def _maybe_crash(self) -> None:
        if self._random.random() < self.crash_share / 2:
            raise Crash

    def sweep(self) -> None:
        """Let go of what has expired, as the running program does from time to time."""
        self._service.sweep(self._calendar.unix_ms(self._clock.now))

    # Links.

    def accept(self, connection: Connection) -> bytes:
        """Take a connection and return the certificate that it shows."""
        link = LinkRef(self._next_link)
        self._next_link += 1
        now_unix_ms = self._calendar.unix_ms(self._clock.now)
        server = LinkServer(link, self._shared, self._clock.now, now_unix_ms)
        self._links[link] = (server, connection)
        connection.to_supernode = self._while_alive(lambda frame: self._on_frame(link, frame))
        connection.supernode_lost = lambda: self._on_lost(link)
        self._pump(link)
        return self._certificate

    def _while_alive(self, take: Callable[[bytes], None]) -> Callable[[bytes], None]:
        """Let frames of a connection reach only the life that accepted it."""
        life = self._life

        def guarded(frame: bytes) -> None:
            if life == self._life:
                take(frame)

        return guarded

    def _on_frame(self, link: LinkRef, frame: bytes) -> None:
        if link in self._links:
            self._links[link][0].receive_frame(frame, self._clock.now)
            self._pump(link)

    def _on_lost(self, link: LinkRef) -> None:
        if link in self._links:
            self._links[link][0].lost()
            self._pump(link)
            self._links.pop(link, None)

    def _pump(self, link: LinkRef) -> None:
        server, connection = self._links[link]
        for effect in server.take_effects():
            match effect:
                case SendFrame(frame):
                    connection.from_supernode(frame)
                case CloseTransport():
                    connection.close_by_supernode()
                case _:
                    self._collect(effect)

    # The store, one batch at a time.

    def _collect(self, item: ServiceInput) -> None:
        if not self._batch:
            life = self._life
            self._clock.after(
                self._random.uniform(*COMMIT_S),
                lambda: self._commit() if life == self._life else None,
            )
        self._batch.append(item)

    def _commit(self) -> None:
        batch, self._batch = self._batch, []
        now = self._clock.now
        try:
            outputs = self._service.apply(batch, now, self._calendar.unix_ms(now))
        except Crash:
            self.crash()
            self.on_crash(self)
            return
        for output in outputs:
            if isinstance(output, Deliver) and not self.misbehaviour.honest:
                self._deliver_badly(output)
            else:
                self._deliver(output.link, output)

    def _deliver(self, link: LinkRef, output: object) -> None:
        if link in self._links:
            self._links[link][0].deliver(output)  # type: ignore[arg-type]
            self._pump(link)

    def _deliver_badly(self, output: Deliver) -> None:
        chance = self._random.random()
        bad = self.misbehaviour
        if chance < bad.drop:
            return
        chance -= bad.drop
        if chance < bad.double:
            self._deliver(output.link, output)
            self._deliver(output.link, output)
        elif chance - bad.double < bad.reorder:
            delay_s = self._random.uniform(0.0, 2.0)
            life = self._life
            self._clock.after(
                delay_s,
                lambda: self._deliver(output.link, output) if life == self._life else None,
            )
        else:
            self._deliver(output.link, output)


def _ignore(_what: object) -> None:
    """Nobody has asked to be told."""
