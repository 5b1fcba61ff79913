"""Microphone and speaker of this machine, as frames; a call goes on when one is pulled out.

The sound library calls back on threads of its own. What passes between them and the event loop
is bounded: where one side is slower, the oldest sound makes way, so that a call never lags.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress

from hark.app.sound import portaudio
from hark.errors import MissingPartError, SoundDeviceError
from hark.wire.sound import FRAME_MS, SAMPLE_BYTES, SAMPLE_RATE_HZ

MAX_HEARD_FRAMES = 10
"""Frames of the microphone that wait to be sent: 200 ms."""
MAX_WAITING_FRAMES = 5
"""Frames that wait to be played: 100 ms. The two clocks differ, so they pile up in the end."""
KEPT_FRAMES = 2
"""Frames that stay when too many wait to be played."""
SILENT_S = 3.0
"""A device that has not asked for or given anything for so long is gone, in seconds. A sound
server may need two until it starts."""
LOOK_S = 0.25
"""How often that is looked at."""
RETRY_S = 2.0
"""Pause before the next attempt to open a device that has gone, in seconds."""
HARDWARE_S = 0.2
"""What a sound system keeps to itself before it is heard, in seconds."""
MAX_CHANNELS = 2
SAMPLES = "int16"

MakeCallback = Callable[[int, int], portaudio.Callback]
"""Given the rate in Hz and the number of channels of the device."""


class DeviceStream:
    """The default device of one direction, opened as what it can do.

    Its methods take up to a second, so they are called on a thread.

    Args:
        name: for a person: `microphone` or `speaker`.
        kind: `input` or `output`.
        make_callback: gives what the library calls.
    """

    def __init__(self, name: str, kind: str, make_callback: MakeCallback) -> None:
        self.name = name
        self._kind = kind
        self._make_callback = make_callback
        self._library: portaudio.Library | None = None
        self._stream: portaudio.Stream | None = None
        self._called_at_s = 0.0
        """Written by the library's thread alone, but for the start."""

    @property
    def is_open(self) -> bool:
        """Whether the device was opened and not closed since."""
        return self._stream is not None

    def is_alive(self) -> bool:
        """Return whether the device gives or takes sound."""
        stream = self._stream
        if stream is None or time.monotonic() > self._called_at_s + SILENT_S:
            return False
        return stream.active

    def open(self) -> None:
        """Open the device and begin.

        Raises:
            MissingPartError: the sound library is not installed.
            SoundDeviceError: there is no such device, or it cannot be used.
        """
        self._library = library = portaudio.load()
        reason = f"no {self.name}"
        for rate_hz, channels in self._forms(library):
            try:
                self._stream = self._opened(library, rate_hz, channels)
            except library.PortAudioError as error:
                reason = f"the {self.name} cannot be opened: {_words_of(error)}"
            else:
                return
        raise SoundDeviceError(reason)

    def close(self) -> None:
        """Stop and let go of the device; harmless when it is not there any more."""
        stream, self._stream = self._stream, None
        if stream is not None and self._library is not None:
            with suppress(self._library.PortAudioError):
                stream.abort()
            with suppress(self._library.PortAudioError):
                stream.close()

    def look_again(self) -> None:
        """Have the library notice new devices. No device may be open."""
        if self._library is not None:
            with suppress(self._library.PortAudioError):
                portaudio.look_again(self._library)

    def _forms(self, library: portaudio.Library) -> list[tuple[int, int]]:
        """Return rates and channels to try, the best first; none without a device."""
        try:
            device = library.query_devices(kind=self._kind)
        except (library.PortAudioError, ValueError):
            return []
        channels = min(MAX_CHANNELS, int(device[f"max_{self._kind}_channels"]))
        own = (round(float(device["default_samplerate"])), channels)
        return list(dict.fromkeys([(SAMPLE_RATE_HZ, 1), (SAMPLE_RATE_HZ, channels), own]))

    def _opened(
        self, library: portaudio.Library, rate_hz: int, channels: int
    ) -> portaudio.Stream:
        callback = self._make_callback(rate_hz, channels)

        def noting(buffer: memoryview, count: int, at: object, status: object) -> None:
            self._called_at_s = time.monotonic()
            callback(buffer, count, at, status)

        open_stream = (
            library.RawInputStream if self._kind == "input" else library.RawOutputStream
        )
        stream = open_stream(
            samplerate=rate_hz,
            channels=channels,
            dtype=SAMPLES,
            blocksize=rate_hz * FRAME_MS // 1000,
            latency="low",
            callback=noting,
        )
        self._called_at_s = time.monotonic()
        stream.start()
        return stream


class Microphone:
    """Gives what the microphone hears. Made on the event loop."""

    def __init__(self) -> None:
        self.stream = DeviceStream("microphone", "input", self._make_callback)
        self._loop = asyncio.get_running_loop()
        self._heard: deque[bytes] = deque(maxlen=MAX_HEARD_FRAMES)
        self._news = asyncio.Event()

    async def next(self) -> bytes:
        """Wait for the next frame; while the microphone is gone there is none."""
        while not self._heard:
            self._news.clear()
            await self._news.wait()
        return self._heard.popleft()

    def forget(self) -> None:
        """Throw away what was heard up to now."""
        self._heard.clear()

    def _make_callback(self, rate_hz: int, channels: int) -> portaudio.Callback:
        split = _splitter(rate_hz, channels)

        def hear(buffer: memoryview, _count: int, _at: object, _status: object) -> None:
            self._heard.extend(split(bytes(buffer)))
            self._loop.call_soon_threadsafe(self._news.set)

        return hear


class Speaker:
    """Plays frames. Made on the event loop."""

    def __init__(self) -> None:
        self.stream = DeviceStream("speaker", "output", self._make_callback)
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[bytes] = deque()
        self._taken = asyncio.Event()

    def play(self, frame: bytes) -> None:
        """Give the next frame of a call; of too many the older ones are left out."""
        self._waiting.append(frame)
        if len(self._waiting) > MAX_WAITING_FRAMES:
            while len(self._waiting) > KEPT_FRAMES:
                self._waiting.popleft()

    async def play_whole(self, frames: Iterable[bytes]) -> None:
        """Play frames that are there already, every one; return when they have been heard.

        While the speaker is gone it waits.
        """
        for frame in frames:
            await self._until_waiting(KEPT_FRAMES)
            self._waiting.append(frame)
        await self._until_waiting(0)
        await asyncio.sleep(HARDWARE_S)

    async def _until_waiting(self, count: int) -> None:
        while len(self._waiting) > count:
            self._taken.clear()
            await self._taken.wait()

    def _make_callback(self, rate_hz: int, channels: int) -> portaudio.Callback:
        convert = _joiner(rate_hz, channels)
        rest = bytearray()

        def speak(buffer: memoryview, count: int, _at: object, _status: object) -> None:
            wanted_bytes = count * channels * SAMPLE_BYTES
            while len(rest) < wanted_bytes:
                try:
                    rest.extend(convert(self._waiting.popleft()))
                except IndexError:
                    break
            buffer[:wanted_bytes] = bytes(rest[:wanted_bytes]).ljust(wanted_bytes, b"\0")
            del rest[:wanted_bytes]
            self._loop.call_soon_threadsafe(self._taken.set)

        return speak


@asynccontextmanager
async def running(*streams: DeviceStream, tell: Callable[[str], None]) -> AsyncIterator[None]:
    """Open devices, and keep them open: one that goes is opened again when it is back.

    Args:
        streams: of microphone and speaker.
        tell: given a sentence for a person when a device goes or is back.

    Raises:
        MissingPartError: the sound library is not installed.
        SoundDeviceError: a device is not there at the beginning.
    """
    with portaudio.quiet():
        try:
            for stream in streams:
                await asyncio.to_thread(stream.open)
            async with _watched(streams, tell):
                yield
        finally:
            for stream in streams:
                await asyncio.to_thread(stream.close)


@asynccontextmanager
async def _watched(
    streams: Sequence[DeviceStream], tell: Callable[[str], None]
) -> AsyncIterator[None]:
    watching = asyncio.create_task(_watch(streams, tell))
    try:
        yield
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def _watch(streams: Sequence[DeviceStream], tell: Callable[[str], None]) -> None:
    while True:
        await asyncio.sleep(LOOK_S)
        for stream in streams:
            if stream.is_open and not stream.is_alive():
                tell(f"The {stream.name} is gone; it is used again when it is back.")
                await asyncio.to_thread(stream.close)
        gone = [stream for stream in streams if not stream.is_open]
        if gone:
            await asyncio.sleep(RETRY_S)
            if len(gone) == len(streams):
                # The list of devices can only be renewed while none is open.
                await asyncio.to_thread(gone[0].look_again)
            for stream in gone:
                await _reopen(stream, tell)


async def _reopen(stream: DeviceStream, tell: Callable[[str], None]) -> None:
    try:
        await asyncio.to_thread(stream.open)
    except (SoundDeviceError, MissingPartError):
        return
    tell(f"The {stream.name} is back.")


def _splitter(rate_hz: int, channels: int) -> Callable[[bytes], list[bytes]]:
    """Return what makes frames out of a device's blocks."""
    if (rate_hz, channels) == (SAMPLE_RATE_HZ, 1):
        return lambda block: [block]
    from hark.app.sound.convert import FromDevice  # noqa: PLC0415 (60 MB that few need)

    return FromDevice(rate_hz, channels).feed


def _joiner(rate_hz: int, channels: int) -> Callable[[bytes], bytes]:
    """Return what makes a device's sound out of frames."""
    if (rate_hz, channels) == (SAMPLE_RATE_HZ, 1):
        return lambda frame: frame
    from hark.app.sound.convert import ToDevice  # noqa: PLC0415 (60 MB that few need)

    return ToDevice(rate_hz, channels).feed


def _words_of(error: Exception) -> str:
    return str(error.args[0]) if error.args else "unknown reason"
