"""Joins the sound of a call with what speaks and what listens at this end.

A *source* gives frames no faster than they are spoken, a *sink* takes them as they come. The
call is the master: it ends the pump. A source that ends leaves silence behind it, and a sink
that fails is left out; both are told, and the call goes on.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from hark.control.call_sound import CallSound
from hark.errors import HarkError
from hark.wire.sound import FRAME_MS


class Source(Protocol):
    """Speaks for the person: a microphone, or a file at its own pace."""

    async def next(self) -> bytes | None:
        """Wait for the next frame; None when nothing more will come."""


class Sink(Protocol):
    """Listens for the person: a speaker, or a file."""

    def play(self, frame: bytes) -> None:
        """Take the next frame; an error ends this sink alone."""


class Frames(Protocol):
    """Frames that are there already, such as a file (`hark.app.sound.wav.WavReader`)."""

    def next(self) -> bytes | None:
        """Return the next frame; None after the last."""


class Paced:
    """Gives frames that are there already as fast as they would be spoken.

    The node counts by the same clock, so none piles up and none is missing. After a pause of
    this program the late frames come at once, and the node drops what is too old.
    """

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._due_s: float | None = None

    async def next(self) -> bytes | None:
        """Wait until the next frame is due and return it; the first one is due at once."""
        now_s = time.monotonic()
        if self._due_s is None:
            self._due_s = now_s
        await asyncio.sleep(max(0.0, self._due_s - now_s))
        self._due_s += FRAME_MS / 1000
        return self._frames.next()


class Pump:
    """Carries the sound of one call.

    Args:
        source: what speaks; asked for nothing before `speak` is called.
        sinks: what listens.
        tell: given the error by which the source or a sink has ended.
    """

    def __init__(
        self, source: Source, sinks: Sequence[Sink], tell: Callable[[HarkError], None]
    ) -> None:
        self._source = source
        self._sinks = list(sinks)
        self._tell = tell
        self._may_speak = asyncio.Event()

    def speak(self) -> None:
        """Begin to send: somebody is there. Harmless when done already."""
        self._may_speak.set()

    async def run(self, sound: CallSound) -> None:
        """Carry sound both ways until the call is over.

        Raises:
            NodeNotRunningError: the node has stopped.
        """
        sending = asyncio.create_task(self._send(sound))
        try:
            while (frame := await sound.next()) is not None:
                self._play(frame)
        finally:
            sending.cancel()
            # A node that has stopped is noticed where frames come from.
            with suppress(asyncio.CancelledError, HarkError):
                await sending

    async def _send(self, sound: CallSound) -> None:
        await self._may_speak.wait()
        while (frame := await self._next()) is not None:
            await sound.send(frame)

    async def _next(self) -> bytes | None:
        try:
            return await self._source.next()
        except HarkError as error:
            self._tell(error)
            return None

    def _play(self, frame: bytes) -> None:
        for sink in list(self._sinks):
            try:
                sink.play(frame)
            except HarkError as error:
                self._sinks.remove(sink)
                self._tell(error)
