"""People with devices and calls between them, without messaging, network or media.

Signals wait in `town.mail` until they are delivered, so a test may alter, drop, repeat or
reorder them. A device's media engine makes every end at once; what it was ordered is in
`device.orders`, and a path stands when the test says `town.connect`.
"""

from dataclasses import dataclass, field
from itertools import count
from typing import TypeVar

from hark.calls.config import CallConfig
from hark.calls.events import (
    CallChanged,
    CallEffect,
    CallView,
    Peer,
    RecordCall,
    SendSignal,
    SignalReceived,
)
from hark.calls.machine import Calls
from hark.calls.media import (
    ConnectMedia,
    EndMedia,
    LocalCandidates,
    LocalMedia,
    MediaConnected,
    MediaFact,
    MediaOrder,
    MediaPath,
    Nat,
    OpenMedia,
    PathKind,
)
from hark.crypto.hashing import sha256
from hark.machine import Instant
from hark.wire.call import CallCandidate, CallOutcome, CallSignal, CallTransport, parse_signal
from hark.wire.codec import Message, encode
from hark.wire.ids import AccountId, CallId, DeviceId

DIRECT = MediaPath(PathKind.DIRECT, "", Nat.NONE, True, True)
SignalT = TypeVar("SignalT", bound=Message)


def candidate(number: int) -> CallCandidate:
    return CallCandidate(0, f"192.0.2.{number % 250 + 1}", 40_000 + number, 1000 + number, "f1")


class Dice:
    """Bytes that never repeat, the same in every run."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._count = 0

    def __call__(self, count: int) -> bytes:
        self._count += 1
        return sha256(self._seed + self._count.to_bytes(4, "big"))[:count]


@dataclass
class Letter:
    """A signal under way to one device."""

    sender: "Device"
    to: "Device"
    body: bytes

    @property
    def signal(self) -> CallSignal:
        return parse_signal(self.body)

    def alter(self, **changes: object) -> None:
        fields = {name: getattr(self.signal, name) for name in self.signal.__struct_fields__}
        self.body = encode(type(self.signal)(**{**fields, **changes}))


@dataclass
class Device:
    """One device with its calls."""

    town: "Town"
    account: AccountId
    device: DeviceId
    calls: Calls
    first_candidates: int = 1
    opens_itself: bool = True
    """Whether the engine makes an end as soon as it is ordered."""
    final: bool = True
    """Whether its first addresses are all."""
    epochs: dict[AccountId, int] = field(default_factory=dict)
    effects: list[CallEffect] = field(default_factory=list)

    # What happens to it.

    def place(
        self, to: "Device", *, hide_address: bool = False, records: bool = False
    ) -> CallId:
        peer = self.peer(to)
        call = self.calls.place(peer, self.town.now, hide_address=hide_address, records=records)
        self.pump()
        return call

    def answer(
        self, call: CallId, *, hide_address: bool = False, records: bool = False
    ) -> None:
        self.calls.answer(call, self.town.now, hide_address=hide_address, records=records)
        self.pump()

    def decline(self, call: CallId) -> None:
        self.calls.decline(call, self.town.now)
        self.pump()

    def hang_up(self, call: CallId) -> None:
        self.calls.hang_up(call, self.town.now)
        self.pump()

    def switch(
        self,
        call: CallId,
        *,
        muted: bool | None = None,
        held: bool | None = None,
        records: bool | None = None,
    ) -> None:
        self.calls.switch(call, self.town.now, muted=muted, held=held, records=records)
        self.pump()

    def tell(self, fact: MediaFact) -> None:
        self.calls.handle(fact, self.town.now)
        self.pump()

    def receive(self, sender: "Device", body: bytes) -> None:
        item = SignalReceived(self.peer(sender), sender.device, body)
        self.calls.handle(item, self.town.now)
        self.pump()

    def peer(self, other: "Device") -> Peer:
        return Peer(other.account, self.epochs.get(self.account, 0), self.epoch_of(other))

    def epoch_of(self, other: "Device") -> int:
        return self.epochs.get(other.account, 0)

    # What it does.

    def pump(self) -> None:
        while effects := self.calls.take_effects():
            self.effects += effects
            for effect in effects:
                if isinstance(effect, SendSignal):
                    self.town.post(self, effect)
                elif isinstance(effect, OpenMedia) and self.opens_itself:
                    self.open(effect)

    def open(self, order: OpenMedia) -> None:
        self.calls.handle(self.local_media(order), self.town.now)
        self.pump()

    def local_media(self, order: OpenMedia) -> LocalMedia:
        mark = self.device + order.call + order.connection.to_bytes(2, "big")
        name = sha256(mark).hex()
        transport = CallTransport(name[:8], name[8:40], sha256(b"certificate" + mark))
        found = tuple(candidate(number) for number in range(self.first_candidates))
        return LocalMedia(order.call, order.connection, transport, found, self.final)

    def more_candidates(self, call: CallId, *numbers: int, final: bool = False) -> None:
        connection = max(one.connection for one in self.ordered(OpenMedia))
        found = tuple(candidate(number) for number in numbers)
        self.tell(LocalCandidates(call, connection, found, final))

    # What a test asks.

    def view(self, call: CallId) -> CallView:
        view = self.calls.view(call)
        assert view is not None
        return view

    def only(self) -> CallId:
        (view,) = self.calls.views()
        return view.call

    def ordered(self, kind: type[CallEffect | MediaOrder]) -> list:  # type: ignore[type-arg]
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def outcomes(self, call: CallId) -> list[CallOutcome]:
        return [one.outcome for one in self.ordered(RecordCall) if one.call == call]

    def shown(self, call: CallId) -> list[CallView]:
        return [one.view for one in self.ordered(CallChanged) if one.view.call == call]

    def ends(self, call: CallId) -> int:
        return sum(1 for one in self.ordered(EndMedia) if one.call == call)


class Town:
    """Everybody, and the mail between them."""

    def __init__(self) -> None:
        self.now = Instant(0.0)
        self.devices: list[Device] = []
        self.mail: list[Letter] = []
        self._numbers = count(1)

    def person(self, name: str, devices: int = 1, **config: float) -> list[Device]:
        account = AccountId(sha256(name.encode()))
        return [self.device(account, f"{name}{place}", **config) for place in range(devices)]

    def device(self, account: AccountId, name: str, **config: float) -> Device:
        settings = CallConfig(**config)  # type: ignore[arg-type]
        device_id = DeviceId(sha256(name.encode())[:16])
        calls = Calls(
            account=account,
            device=device_id,
            random_bytes=Dice(name.encode()),
            config=settings,
        )
        device = Device(self, account, device_id, calls)
        self.devices.append(device)
        return device

    def restart(self, device: Device) -> None:
        """Start a device's program again: it knows no call any more."""
        dice = Dice(b"again" + bytes([next(self._numbers)]) + device.device)
        device.calls = Calls(account=device.account, device=device.device, random_bytes=dice)

    def post(self, sender: Device, order: SendSignal) -> None:
        for to in self.devices:
            named = order.device is None or to.device == order.device
            if to.account == order.account and named and to.device != order.but_not:
                self.mail.append(Letter(sender, to, order.body))

    # Mail.

    def deliver(self) -> None:
        """Deliver everything, in order, and what it leads to."""
        while self.mail:
            self.hand_over(self.mail.pop(0))

    def hand_over(self, letter: Letter) -> None:
        letter.to.receive(letter.sender, letter.body)

    def letters(self, kind: type[Message], to: Device | None = None) -> list[Letter]:
        return [
            letter
            for letter in self.mail
            if isinstance(letter.signal, kind) and (to is None or letter.to is to)
        ]

    def letter(self, kind: type[Message], to: Device | None = None) -> Letter:
        (found,) = self.letters(kind, to)
        return found

    def take(self, kind: type[Message], to: Device | None = None) -> Letter:
        """Take the only letter of its kind out of the mail."""
        letter = self.letter(kind, to)
        self.mail.remove(letter)
        return letter

    # Time and media.

    def wait(self, duration_s: float) -> None:
        """Let time pass; nothing is delivered meanwhile."""
        until = Instant(self.now + duration_s)
        while True:
            deadlines = [
                (at, place)
                for place, device in enumerate(self.devices)
                if (at := device.calls.deadline()) is not None and at <= until
            ]
            if not deadlines:
                break
            at, place = min(deadlines)
            self.now = max(self.now, at)
            self.devices[place].calls.handle_deadline(self.now)
            self.devices[place].pump()
        self.now = until

    def connect(self, call: CallId, *devices: Device) -> None:
        """Let the newest connection stand on these devices."""
        for device in devices:
            joined = [one for one in device.ordered(ConnectMedia) if one.call == call]
            device.tell(MediaConnected(call, joined[-1].connection, DIRECT))

    def talk(self, caller: Device, callee: Device, **records: bool) -> CallId:
        """Have two devices talk to each other."""
        call = caller.place(callee, **records)
        self.deliver()
        callee.answer(call)
        self.deliver()
        self.connect(call, caller, callee)
        self.deliver()
        return call
