"""A small world: supernodes, people with one or two devices, and everything that goes wrong.

A world is built from a seed and a `Weather`. People write, read and come and go; the weather
breaks links, crashes nodes and supernodes in the middle of commits, sets clocks, and lets
supernodes misbehave. After `calm_down` nothing fails any more, and what the properties of
`hark_lab.sim.properties` say must hold.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from hark.identity.words import RootSeed
from hark.machine import Instant
from hark.messaging import events as m
from hark.messaging.machine import Messaging
from hark.messaging.provision import create_account, join_account, new_device
from hark.wire.address import Address
from hark.wire.ids import AccountId, MessageId, NodeId
from hark_lab.sim.clock import FIRST_UNIX_MS, Calendar, VirtualClock
from hark_lab.sim.device_store import Crash, DictDeviceStore
from hark_lab.sim.mailbox_store import MailboxDisk
from hark_lab.sim.network import Connection, Path
from hark_lab.sim.node import SimNode
from hark_lab.sim.supernode import Misbehaviour, SimSupernode

RESTART_S = (0.5, 20.0)
"""Shortest and longest time until somebody starts a crashed program again, in seconds."""
CALM_S = 3 * 24 * 3600.0
"""How long a world is left alone at the end: resends and healing take up to a day."""


@dataclass(frozen=True, slots=True)
class Weather:
    """What goes wrong, and how often."""

    path: Path = field(default_factory=Path)
    device_crash_share: float = 0.0
    """Share of a device's commits that a power cut comes before or after, 0..1."""
    supernode_crash_share: float = 0.0
    """The same for supernodes."""
    misbehaviour: Misbehaviour = field(default_factory=Misbehaviour)
    clock_error_ms: int = 0
    """Largest error of a device's calendar, either way, in milliseconds."""
    clock_step_share: float = 0.0
    """Share of a person's doings after which the calendar of the device is set anew."""


class Person:
    """An account with its devices."""

    def __init__(self, name: str, account: AccountId, devices: list[SimNode]) -> None:
        self.name = name
        self.account = account
        self.devices = devices


@dataclass(frozen=True, slots=True)
class Written:
    """A message that a person wrote, acknowledged or not."""

    writer: Person
    device: SimNode
    reader: Person
    text: str
    number: int
    """Counts the messages of this device to this reader."""
    message_id: MessageId | None
    """None when a crash came before the command returned: it may exist or not."""


class World:
    """One simulated world. Everything in it happens by its seed."""

    def __init__(self, seed: int, weather: Weather, supernode_count: int = 1) -> None:
        self.random = Random(seed)  # noqa: S311 (a run must be repeatable)
        self.clock = VirtualClock()
        self.weather = weather
        self.calm = True
        self.supernodes: dict[NodeId, SimSupernode] = {}
        self.people: list[Person] = []
        self.written: list[Written] = []
        self.events: list[tuple[SimNode, m.Event]] = []
        self._numbers: dict[tuple[int, AccountId], int] = {}
        for number in range(supernode_count):
            supernode = SimSupernode(
                self.clock,
                self.random,
                disk=MailboxDisk(),
                random_bytes=self.random.randbytes,
                host=f"supernode{number}.test",
            )
            supernode.on_crash = self._restart_later
            self.supernodes[supernode.address.node_id] = supernode

    # Building.

    def add_person(
        self, name: str, device_count: int = 1, homes: list[Address] | None = None
    ) -> Person:
        """Make an account with its devices, all running."""
        addresses = homes or [one.address for one in self.supernodes.values()][:2]
        store = DictDeviceStore()
        account = create_account(
            store,
            RootSeed(self.random.randbytes(32)),
            name,
            addresses,
            random_bytes=self.random.randbytes,
            now_unix_ms=FIRST_UNIX_MS,
        )
        person = Person(name, account, [self._add_node(store)])
        self.people.append(person)
        self.clock.run_for(30.0)
        for _ in range(device_count - 1):
            self._add_device(person, addresses)
        return person

    def introduce(self, first: Person, second: Person) -> None:
        """Let `second` add `first` by an invitation, in calm weather."""
        invited = first.devices[0].ask(lambda messaging: messaging.invite(self.clock.now))
        self.must(second.devices[0], lambda msg, now: msg.add(invited, first.name, now))
        self.clock.run_for(120.0)

    def _add_device(self, person: Person, homes: list[Address]) -> None:
        new = new_device(self.random.randbytes)
        link = person.devices[0].ask(lambda msg: msg.let_in(new.device, self.clock.now))
        store = DictDeviceStore()
        join_account(
            store,
            new,
            link,
            homes,
            random_bytes=self.random.randbytes,
            now_unix_ms=FIRST_UNIX_MS,
        )
        person.devices.append(self._add_node(store))
        self.clock.run_for(60.0)

    def _add_node(self, store: DictDeviceStore) -> SimNode:
        error_ms = self.random.randint(
            -self.weather.clock_error_ms, self.weather.clock_error_ms
        )
        node = SimNode(
            self.clock,
            self.random,
            store=store,
            random_bytes=self.random.randbytes,
            dial=self._dial,
            accept=lambda address, link: self.supernodes[address.node_id].accept(link),
            calendar=Calendar(self.clock, error_ms),
        )
        node.told = lambda event: self.events.append((node, event))
        node.on_crash = self._restart_later
        store.fault = self._maybe_crash
        node.start()
        return node

    # What people do.

    def write(self, writer: Person, reader: Person) -> None:
        """Let a person write to another from one of their running devices."""
        running = [device for device in writer.devices if device.up]
        if not running:
            return
        device = self.random.choice(running)
        key = (id(device), reader.account)
        number = self._numbers[key] = self._numbers.get(key, 0) + 1
        place = writer.devices.index(device)
        text = f"{writer.name}.{place} to {reader.name}: {number}"
        sent: list[MessageId] = []
        device.do(lambda msg, now: sent.append(msg.send_text(reader.account, text, now)))
        self.written.append(
            Written(writer, device, reader, text, number, sent[0] if sent else None)
        )

    def read(self, reader: Person, writer: Person) -> None:
        """Let a person look at a conversation."""
        for device in reader.devices:
            if device.up:
                device.do(lambda msg, now: msg.mark_read(writer.account, now))

    def set_clock(self, device: SimNode) -> None:
        """Set a device's calendar to another wrong time."""
        limit = self.weather.clock_error_ms
        device.calendar.error_ms = self.random.randint(-limit, limit)

    def must(self, device: SimNode, command: Callable[[Messaging, Instant], object]) -> None:
        """Carry out a command that no crash may interrupt."""
        if not device.do(command):
            raise AssertionError("a command was interrupted in calm weather")

    # Weather.

    def let_it_storm(self) -> None:
        """Let the weather of this world begin."""
        self.calm = False
        for supernode in self.supernodes.values():
            supernode.crash_share = self.weather.supernode_crash_share
            supernode.misbehaviour = self.weather.misbehaviour

    def calm_down(self, calm_s: float = CALM_S) -> None:
        """Let nothing fail any more, bring everybody back, and wait until it has settled."""
        self.calm = True
        for supernode in self.supernodes.values():
            supernode.crash_share = 0.0
            if not supernode.misbehaviour.honest:
                # An honest program takes its place, over the same disk.
                supernode.misbehaviour = Misbehaviour()
                supernode.crash()
            if not supernode.up:
                supernode.start()
        for device in self.devices():
            if not device.up and not device.overtaken:
                device.start()
        self.clock.run_for(calm_s)

    def devices(self) -> list[SimNode]:
        """Return the devices of everybody."""
        return [device for person in self.people for device in person.devices]

    def _dial(self, address: Address) -> Connection | None:
        supernode = self.supernodes.get(address.node_id)
        path = Path() if self.calm else self.weather.path
        if supernode is None or not supernode.up or self.random.random() < path.refuse_share:
            return None
        return Connection(self.clock, self.random, path)

    def _maybe_crash(self, _place: str) -> None:
        """Stand at both sides of every commit of every device."""
        if not self.calm and self.random.random() < self.weather.device_crash_share / 2:
            raise Crash

    def _restart_later(self, machine: SimNode | SimSupernode) -> None:
        def start() -> None:
            if not machine.up:
                machine.start()

        self.clock.after(self.random.uniform(*RESTART_S), start)
