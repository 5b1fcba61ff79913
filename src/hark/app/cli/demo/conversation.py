"""Alice's end of the demo's call, as a bot would write it (`hark.control.bot`).

She calls, waits for the tone, speaks, and keeps all that comes back until Echo hangs up.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from hark.app.cli.demo.stage import DemoError
from hark.app.sound_test.recording import LEAST_LEVEL, QUIET_FRAMES, level
from hark.control.bot import Bot
from hark.control.call_sound import CallSound
from hark.control.schema import Call
from hark.wire.sound import FRAMES_PER_S, SILENCE

LEAD_FRAMES = 4
"""Sent ahead, so that a moment in which this program is late is not heard."""
TONE_END_FRAMES = 5
"""Quiet frames after the tone: then it is over."""
MAX_WAIT_FRAMES = 10 * FRAMES_PER_S
TIMEOUT_S = 60.0
"""For the whole conversation, in seconds. It takes three times as long as what is said."""


@dataclass
class Conversation:
    """What came of it."""

    said: list[bytes]
    heard: list[bytes] = field(default_factory=list)
    """Every frame that came back."""
    said_from: int = 0
    """Place in `heard` at which Alice began to speak."""
    first_sound_ms: float = 0.0
    """From the press on *call* to the first frame that was decoded."""
    active: Call | None = None
    """As it was last while it was connected."""
    ended: Call | None = None


async def converse(
    bot: Bot,
    contact: str,
    said: list[bytes],
    *,
    on_connected: Callable[[Call], None],
    on_answered: Callable[[Call], None],
) -> Conversation:
    """Call a sound test and speak.

    Args:
        bot: of the node that calls.
        contact: whom.
        said: frames to say.
        on_connected: called, in a thread, once the first sound has come.
        on_answered: called, in a thread, when all has been played back, before the end.

    Raises:
        DemoError: it did not go as it must.
    """
    done = Conversation(said)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            begin = time.monotonic()
            # It keeps what it hears, so it says so.
            call = await bot.place_call(contact, recording=True)
            sounding = asyncio.Event()
            watching = asyncio.create_task(_watch(bot, call.id, done, sounding, begin))
            try:
                async with bot.call_sound(call.id) as sound:
                    await sounding.wait()
                    await _speak(sound, done, on_connected, on_answered)
                await watching
            finally:
                watching.cancel()
    except TimeoutError:
        raise DemoError(f"the call did not end within {TIMEOUT_S:.0f} s") from None
    return done


async def _watch(
    bot: Bot, call_id: str, done: Conversation, sounding: asyncio.Event, begin: float
) -> None:
    """Look at the call until it is over."""
    try:
        async for call in bot.call_changes(call_id):
            if call.state == "ended":
                done.ended = call
            elif call.path is not None:
                done.active = call
            if call.heard and not sounding.is_set():
                done.first_sound_ms = (time.monotonic() - begin) * 1000
                sounding.set()
    finally:
        sounding.set()


async def _speak(
    sound: CallSound,
    done: Conversation,
    on_connected: Callable[[Call], None],
    on_answered: Callable[[Call], None],
) -> None:
    if done.active is None:
        raise DemoError(f"the call was not connected: {_reason(done)}")
    for _ in range(LEAD_FRAMES):
        await sound.send(SILENCE)
    await _wait_for_tone(sound, done)
    await asyncio.to_thread(on_connected, done.active)
    done.said_from = len(done.heard)
    for frame in done.said:
        await _exchange(sound, done, frame)
    # The silence by which the end is known, and all of it once more.
    for _ in range(QUIET_FRAMES + len(done.said)):
        await _exchange(sound, done, SILENCE)
    await asyncio.to_thread(on_answered, done.active)
    while (frame_back := await sound.next()) is not None:
        done.heard.append(frame_back)
        await sound.send(SILENCE)


async def _wait_for_tone(sound: CallSound, done: Conversation) -> None:
    quiet: int | None = None
    for _ in range(MAX_WAIT_FRAMES):
        frame = await _exchange(sound, done, SILENCE)
        if level(frame) > LEAST_LEVEL:
            quiet = 0
        elif quiet is not None:
            quiet += 1
            if quiet == TONE_END_FRAMES:
                return
    raise DemoError("Echo gave no tone")


async def _exchange(sound: CallSound, done: Conversation, frame: bytes) -> bytes:
    """Send a frame for each that comes: the call itself is the clock."""
    await sound.send(frame)
    heard = await sound.next()
    if heard is None:
        raise DemoError(f"the call ended in the middle: {_reason(done)}")
    done.heard.append(heard)
    return heard


def _reason(done: Conversation) -> str:
    return done.ended.reason if done.ended is not None else "nothing was heard"
