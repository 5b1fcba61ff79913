"""A sound test: a call that is answered by a machine, for a person who wants to hear herself.

It answers at once and says that it records, gives a tone, keeps what is said for up to ten
seconds in memory, stops recording, plays it back, and tells in tones and in a message how the
path was. The message is sent too when the caller hangs up early.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from hark.app.sound import tones
from hark.app.sound_test.recording import Recording
from hark.app.sound_test.report import Findings, report
from hark.control.bot import Bot
from hark.control.call_sound import CallSound
from hark.control.schema import Call
from hark.errors import CallError, HarkError
from hark.wire.sound import SILENCE

LEAD_FRAMES = 4
"""Sent ahead, so that a moment in which this program is late is not heard."""
LAST_WORD_S = 5.0
"""How long to wait for the reason of a call's end, in seconds, once its sound has ended."""


class CallOverError(HarkError):
    """The other side has hung up, or the call was lost."""


async def sound_test(bot: Bot, call: Call) -> None:
    """Take a call as a sound test, to its end.

    Raises:
        HarkError: of the node: the call is over already, or the report cannot be sent.
    """
    await bot.answer_call(call.id, recording=True)
    try:
        findings = await _conversation(bot, call.id)
        await bot.send(call.contact, report(findings))
    finally:
        with suppress(HarkError):
            await bot.hang_up(call.id)


async def _conversation(bot: Bot, call_id: str) -> Findings:
    findings, connected = Findings(), asyncio.Event()
    watching = asyncio.create_task(_watch(bot, call_id, findings, connected))
    try:
        await connected.wait()
        await _converse(bot, call_id, findings)
    except (CallOverError, CallError):
        # The caller has hung up, or there was no path: the call's last word says which.
        await asyncio.wait([watching], timeout=LAST_WORD_S)
    finally:
        await _cancel(watching)
    return findings


async def _watch(bot: Bot, call_id: str, findings: Findings, connected: asyncio.Event) -> None:
    """Look at a call until it is over; set the event when it is connected, or over."""
    try:
        async for call in bot.call_changes(call_id):
            findings.take(call)
            if call.path is not None:
                connected.set()
    finally:
        connected.set()


async def _cancel(watching: asyncio.Task[None]) -> None:
    watching.cancel()
    with suppress(asyncio.CancelledError, HarkError):
        await watching


async def _converse(bot: Bot, call_id: str, findings: Findings) -> None:
    async with bot.call_sound(call_id) as sound:
        for _ in range(LEAD_FRAMES):
            await sound.send(SILENCE)
        await _play(sound, tones.begin())
        said = await _record(sound)
        findings.recorded_ms = said.duration_ms
        await bot.switch_call(call_id, recording=False)
        await _play(sound, said.frames)
        grade = findings.measured.grade()
        await _play(sound, tones.summary(relayed=findings.relayed, grade=grade))
        # What was sent ahead has to be played before the end.
        await _play(sound, [SILENCE] * LEAD_FRAMES)


async def _record(sound: CallSound) -> Recording:
    recording = Recording()
    is_over = False
    while not is_over:
        await sound.send(SILENCE)
        is_over = recording.add(await _next(sound))
    return recording


async def _play(sound: CallSound, frames: Iterable[bytes]) -> None:
    """Send a frame for each that comes: the call itself is the clock."""
    for frame in frames:
        await sound.send(frame)
        await _next(sound)


async def _next(sound: CallSound) -> bytes:
    frame = await sound.next()
    if frame is None:
        raise CallOverError
    return frame
