"""The sound of a call and what it is joined to: either may fail, and the call goes on."""

import asyncio
import time
from typing import cast

from hark.app.sound.pump import Paced, Pump
from hark.control.call_sound import CallSound
from hark.errors import DiskFullError, HarkError, NodeNotRunningError, SoundFileError
from hark.wire.sound import FRAME_MS
from tests.shell.control.fake_calls import frame_of


class Line:
    """The sound of a call, as a test says it."""

    def __init__(self, *heard: bytes | HarkError) -> None:
        self._heard = list(heard)
        self.sent: list[bytes] = []
        self.over = asyncio.Event()

    async def next(self) -> bytes | None:
        if not self._heard:
            await self.over.wait()
            return None
        frame = self._heard.pop(0)
        if isinstance(frame, HarkError):
            raise frame
        return frame

    async def send(self, frame: bytes) -> bool:
        self.sent.append(frame)
        return True


class Kept:
    """Frames that are there already; after the last one the file turns out to be damaged."""

    def __init__(self, count: int, error: HarkError | None = None) -> None:
        self._left = [frame_of(number) for number in range(count)]
        self._error = error

    def next(self) -> bytes | None:
        if not self._left and self._error is not None:
            raise self._error
        return self._left.pop(0) if self._left else None


class Ears:
    """Keeps what it is given, up to a number of frames."""

    def __init__(self, room: int = 1_000) -> None:
        self.heard: list[bytes] = []
        self._room = room

    def play(self, frame: bytes) -> None:
        if len(self.heard) == self._room:
            raise DiskFullError
        self.heard.append(frame)


def test_nothing_is_sent_before_somebody_is_there_and_then_in_real_time() -> None:
    async def scene() -> None:
        line = Line()
        pump = Pump(Paced(Kept(20)), [], print)
        running = asyncio.create_task(pump.run(cast(CallSound, line)))
        await asyncio.sleep(0.1)
        assert line.sent == []
        pump.speak()
        began_s = time.monotonic()
        while len(line.sent) < 20:
            assert len(line.sent) <= 1 + (time.monotonic() - began_s) * 1000 / FRAME_MS
            await asyncio.sleep(0.005)
        line.over.set()
        await running
        assert line.sent == [frame_of(number) for number in range(20)]

    asyncio.run(scene())


def test_a_sink_that_fails_is_left_out_and_the_others_hear_on() -> None:
    async def scene() -> None:
        frames = [frame_of(number) for number in range(9)]
        line, full, ears = Line(*frames), Ears(room=3), Ears()
        told: list[HarkError] = []
        line.over.set()
        await Pump(Paced(Kept(0)), [full, ears], told.append).run(cast(CallSound, line))
        assert full.heard == frames[:3]
        assert ears.heard == frames
        assert [type(error) for error in told] == [DiskFullError]

    asyncio.run(scene())


def test_a_source_that_fails_leaves_silence_and_the_call_goes_on() -> None:
    async def scene() -> None:
        line, ears = Line(), Ears()
        told: list[HarkError] = []
        pump = Pump(Paced(Kept(2, SoundFileError("damaged"))), [ears], told.append)
        running = asyncio.create_task(pump.run(cast(CallSound, line)))
        pump.speak()
        await asyncio.sleep(0.2)
        assert len(line.sent) == 2
        assert [str(error) for error in told] == ["damaged"]
        assert not running.done()
        line.over.set()
        await running

    asyncio.run(scene())


def test_a_node_that_stops_ends_the_pump_with_its_error() -> None:
    async def scene() -> None:
        line = Line(frame_of(1), NodeNotRunningError())
        try:
            await Pump(Paced(Kept(9)), [], print).run(cast(CallSound, line))
        except NodeNotRunningError:
            return
        raise AssertionError("it went on")

    asyncio.run(scene())
