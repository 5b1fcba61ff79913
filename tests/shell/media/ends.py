"""Two media engines that hold a call, and what the call machine would do for them."""

import asyncio
import gc
import hashlib
import math
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

from hark.calls.media import (
    AddCandidates,
    ConnectMedia,
    IceServer,
    LocalCandidates,
    LocalMedia,
    MediaConnected,
    MediaFact,
    MediaKeys,
    OpenMedia,
)
from hark.node.media.engine import MediaEngine
from hark.wire.call import CallTransport
from hark.wire.ids import CallId
from hark.wire.sound import FRAME_SAMPLES, SAMPLE_RATE_HZ

CALL = CallId(b"\x01" * 16)
HEARD = 0.7
"""Share of a tone in what is played when it has come through. On a machine with more work than
time, frames come late, and what makes up for them is no clean tone."""
FactT = TypeVar("FactT", bound=MediaFact)


def key_of(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def keys_of(own: str, peer: str, connection: int = 1) -> MediaKeys:
    """Keys of one side; the other side's are the same with the names changed over."""
    return MediaKeys(key_of(own), key_of(peer), connection << 8, connection << 8)


class Speaker:
    """Speaks prepared frames and remembers what it is given to play."""

    def __init__(self, frames: list[bytes] | None = None) -> None:
        self._frames = frames or []
        self.taken = 0
        self.heard: list[bytes] = []

    def take(self) -> bytes | None:
        self.taken += 1
        return self._frames[(self.taken - 1) % len(self._frames)] if self._frames else None

    def give(self, frame: bytes) -> None:
        self.heard.append(frame)


def tone(frequency_hz: float, frame_count: int = 50, level: float = 0.4) -> list[bytes]:
    """Frames of a sine; 50 of them join without a click for whole frequencies."""
    samples = array(
        "h",
        (
            int(32_767 * level * math.sin(2 * math.pi * frequency_hz * at / SAMPLE_RATE_HZ))
            for at in range(frame_count * FRAME_SAMPLES)
        ),
    )
    raw = samples.tobytes()
    return [raw[at : at + 2 * FRAME_SAMPLES] for at in range(0, len(raw), 2 * FRAME_SAMPLES)]


def share_of_tone(frames: list[bytes], frequency_hz: float) -> float:
    """Return how much of the power is at this frequency, 0..1 (Goertzel, frame by frame).

    Each frame counts for itself, so a frame left out between two does not disturb. The
    frequency is a multiple of 50 Hz.
    """
    step = 2 * math.pi * frequency_hz / SAMPLE_RATE_HZ
    waves = [(math.cos(step * at), math.sin(step * at)) for at in range(FRAME_SAMPLES)]
    power = found = 0.0
    for frame in frames:
        samples = array("h", frame)
        real = sum(sample * wave[0] for sample, wave in zip(samples, waves, strict=True))
        imaginary = sum(sample * wave[1] for sample, wave in zip(samples, waves, strict=True))
        power += sum(sample * sample for sample in samples)
        found += 2 * (real**2 + imaginary**2) / FRAME_SAMPLES
    return found / power if power else 0.0


def is_silent(frames: list[bytes]) -> bool:
    return all(abs(sample) < 32 for frame in frames for sample in array("h", frame))


class End:
    """One engine, its facts, and a way to wait for them."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.engine = MediaEngine(tell=self._on_fact)
        self.facts: list[MediaFact] = []
        self.on_fact: Callable[[MediaFact], None] = lambda fact: None
        self._news = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def _on_fact(self, fact: MediaFact) -> None:
        self.facts.append(fact)
        self.on_fact(fact)
        task = asyncio.get_running_loop().create_task(self._wake())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _wake(self) -> None:
        async with self._news:
            self._news.notify_all()

    def told(self, kind: type[FactT], call: CallId = CALL) -> list[FactT]:
        return [fact for fact in self.facts if isinstance(fact, kind) and fact.call == call]

    async def wait(
        self, kind: type[FactT], *, call: CallId = CALL, count: int = 1, within_s: float = 10
    ) -> FactT:
        """Return the fact of a kind, or the `count`-th of them."""
        await self.until(lambda: len(self.told(kind, call)) >= count, within_s=within_s)
        return self.told(kind, call)[count - 1]

    async def until(self, reached: Callable[[], bool], *, within_s: float = 10) -> None:
        """Wait until this is so; it is looked at after every fact."""
        async with asyncio.timeout(within_s), self._news:
            await self._news.wait_for(reached)

    def stands(self, call: CallId, connection: int) -> bool:
        return any(fact.connection == connection for fact in self.told(MediaConnected, call))

    def open(
        self,
        *,
        controlling: bool,
        call: CallId = CALL,
        connection: int = 1,
        hide_address: bool = False,
        servers: tuple[IceServer, ...] = (),
    ) -> None:
        self.engine.perform(OpenMedia(call, connection, controlling, hide_address, servers))


def introduce(
    left: End,
    right: End,
    *,
    call: CallId = CALL,
    connection: int = 1,
    change: Callable[[CallTransport], CallTransport] = lambda transport: transport,
    keys: Callable[[str, str, int], MediaKeys] = keys_of,
) -> None:
    """Carry what two ends say of themselves to each other, as soon as they say it.

    Args:
        left: the caller.
        right: the callee.
        call: that is theirs.
        connection: number of the connection.
        change: what somebody in between makes of the right end's description.
        keys: makes the keys of the left end.
    """

    def carry(source: End, target: End, fact: MediaFact) -> None:
        if not isinstance(fact, LocalMedia | LocalCandidates):
            return
        if (fact.call, fact.connection) != (call, connection):
            return
        add = AddCandidates(call, connection, fact.candidates, fact.final)
        if isinstance(fact, LocalMedia):
            transport = change(fact.transport) if source is right else fact.transport
            own = keys(target.name, source.name, connection) if target is left else None
            secrets = own or keys_of(target.name, source.name, connection)
            target.engine.perform(ConnectMedia(call, connection, transport, secrets))
        target.engine.perform(add)

    for source, target in ((left, right), (right, left)):
        for fact in list(source.facts):
            carry(source, target, fact)
        before = source.on_fact

        def on_fact(
            fact: MediaFact,
            source: End = source,
            target: End = target,
            before: Callable[[MediaFact], None] = before,
        ) -> None:
            before(fact)
            # Never within `perform`: an order is not answered in the middle of itself.
            asyncio.get_running_loop().call_soon(carry, source, target, fact)

        source.on_fact = on_fact


@asynccontextmanager
async def two_ends() -> AsyncIterator[tuple[End, End]]:
    left, right = End("left"), End("right")
    try:
        yield left, right
    finally:
        await asyncio.gather(left.engine.close(), right.engine.close())


@asynccontextmanager
async def a_call(call: CallId = CALL) -> AsyncIterator[tuple[End, End]]:
    """Two ends that are connected."""
    async with two_ends() as (left, right):
        await connect(left, right, call=call)
        yield left, right


async def connect(left: End, right: End, *, call: CallId = CALL, connection: int = 1) -> None:
    """Connect two ends and wait until both say so."""
    introduce(left, right, call=call, connection=connection)
    left.open(controlling=True, call=call, connection=connection)
    right.open(controlling=False, call=call, connection=connection)
    for end in (left, right):
        await end.until(partial(end.stands, call, connection))


def in_a_loop(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run a scenario; what a task or a callback leaves behind unhandled fails the test."""
    unhandled: list[str] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: unhandled.append(repr(context)))
        await scenario()
        await asyncio.sleep(0.01)
        gc.collect()
        left_over = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left_over, left_over

    asyncio.run(run())
    assert unhandled == []


def with_other_fingerprint(transport: CallTransport) -> CallTransport:
    return CallTransport(transport.username, transport.password, bytes(32))
