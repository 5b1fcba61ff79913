"""Two people with real nodes who call each other through the API that every face uses."""

import asyncio
import contextlib
import math
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType

from hark.app.cli.demo.stage import Stage
from hark.control.bot import Bot
from hark.control.call_sound import CallSound
from hark.control.schema import Call
from hark.errors import NodeNotRunningError
from hark.wire.sound import FRAME_SAMPLES, SAMPLE_RATE_HZ

ALICE, BOB = "alice", "bob"
PATIENCE_S = 30.0
POLL_S = 0.02
AMPLITUDE = 8_000
HEARD_SHARE = 0.5
"""Share of a stretch of sound's power that must lie at a tone's frequency to be that tone."""


def tone(hz: int, number: int) -> bytes:
    """Return frame `number` of a tone without end."""
    first = number * FRAME_SAMPLES
    return struct.pack(
        f"<{FRAME_SAMPLES}h",
        *(
            round(AMPLITUDE * math.sin(2 * math.pi * hz * (first + n) / SAMPLE_RATE_HZ))
            for n in range(FRAME_SAMPLES)
        ),
    )


def has_tone(pcm: bytes, hz: int) -> bool:
    """Return whether a stretch of sound is mostly this tone (Goertzel)."""
    samples = struct.unpack(f"<{len(pcm) // 2}h", pcm)
    step = 2 * math.pi * hz / SAMPLE_RATE_HZ
    real = sum(value * math.cos(step * n) for n, value in enumerate(samples))
    imaginary = sum(value * math.sin(step * n) for n, value in enumerate(samples))
    power = sum(value * value for value in samples)
    at_tone = 2 * (real * real + imaginary * imaginary) / max(1, len(samples))
    return power > 0 and at_tone / power > HEARD_SHARE


@dataclass
class Voice:
    """Somebody who says one tone for ever and keeps what they hear."""

    hz: int
    heard: list[bytes] = field(default_factory=list)

    def hears(self, hz: int) -> bool:
        """Return whether the last half second is this tone."""
        return len(self.heard) >= 25 and has_tone(b"".join(self.heard[-25:]), hz)

    def says(self, number: int) -> bytes:
        """Return the frame that is said after `number` others."""
        return tone(self.hz, number)

    async def talk(self, sound: CallSound) -> None:
        """Speak and listen until the call is over."""
        with contextlib.suppress(NodeNotRunningError):
            number = 0
            while (frame := await sound.next()) is not None:
                self.heard.append(frame)
                await sound.send(self.says(number))
                number += 1


@dataclass
class Pair:
    """Two accepted contacts with running nodes."""

    stage: Stage
    alice: Bot
    bob: Bot

    async def connect(self) -> tuple[Call, Call]:
        """Let Alice call and Bob answer; return both ends of the active call."""
        placed = await self.alice.place_call(BOB)
        await self.bob.answer_call(await self.ringing())
        await self.until(self.both_hear(placed.id), "both hear each other")
        return await one(self.alice, placed.id), await one(self.bob, placed.id)

    async def ringing(self) -> str:
        """Wait until a call rings at Bob's; return its id."""
        found: list[str] = []

        async def rings() -> bool:
            found[:] = [call.id for call in await self.bob.calls() if call.state == "incoming"]
            return bool(found)

        await self.until(rings, "it rings")
        return found[0]

    def both_hear(self, call_id: str) -> Callable[[], Awaitable[bool]]:
        """Return a question: is the call active and heard on both ends?"""

        async def answer() -> bool:
            ends = [await one(bot, call_id) for bot in (self.alice, self.bob)]
            return all(end.state == "active" and end.heard for end in ends)

        return answer

    async def until(
        self, happened: Callable[[], Awaitable[bool]], what: str, timeout_s: float = PATIENCE_S
    ) -> None:
        """Wait until something has happened; fail with `what` when it does not."""
        try:
            async with asyncio.timeout(timeout_s):
                while not await happened():  # noqa: ASYNC110 (it happens in another process)
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            raise AssertionError(f"waited in vain: {what}") from error


async def one(bot: Bot, call_id: str) -> Call:
    """Return a call as it is now."""
    return next(call for call in await bot.calls() if call.id == call_id)


async def state_of(bot: Bot, call_id: str, *states: str, timeout_s: float = PATIENCE_S) -> Call:
    """Wait until a call is in one of these states; return it."""
    async with asyncio.timeout(timeout_s):
        while (call := await one(bot, call_id)).state not in states:  # noqa: ASYNC110 (as above)
            await asyncio.sleep(POLL_S)
    return call


@asynccontextmanager
async def talking(bot: Bot, call_id: str, voice: Voice) -> AsyncIterator[None]:
    """Let a voice speak and listen in a call."""
    async with bot.call_sound(call_id) as sound:
        task = asyncio.create_task(voice.talk(sound))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@asynccontextmanager
async def pair_on(stage: Stage) -> AsyncIterator[Pair]:
    """Give the two people of a stage, which `move_in` has prepared."""
    async with (
        Bot.connect(stage.paths(ALICE).socket) as alice,
        Bot.connect(stage.paths(BOB).socket) as bob,
    ):
        yield Pair(stage, alice, bob)


def move_in(stage: Stage, names: Mapping[str, str] = MappingProxyType({})) -> None:
    """Start a supernode and two people who are contacts.

    Args:
        stage: for them.
        names: that they go by, where it is not their profile's.
    """
    home = str(stage.start_supernode())
    for profile in (ALICE, BOB):
        words = ["--words-file", str(stage.folder / f"{profile}.words")]
        name = names.get(profile, profile)
        stage.hark(profile, "init", "--name", name, *words, "--supernode", home)
        client = stage.start_node(profile)
        stage.until(
            lambda client=client: all(home.attached for home in client.whoami().homes),
            f"{profile} has its mailboxes",
        )
    alice, bob = stage.client(ALICE), stage.client(BOB)
    alice.add(bob.invite().link, BOB)
    stage.until(lambda: alice.contact(BOB).status == "accepted", "they are contacts")
    stage.until(lambda: any(c.status == "accepted" for c in bob.contacts()), "both ways")
    bob.rename(alice.whoami().account, ALICE)
