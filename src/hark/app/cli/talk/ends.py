"""What speaks and what listens for the person in a call: devices, or files instead of them."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hark.app.sound.pump import Paced, Sink, Source
from hark.control.problems import sentence_of
from hark.errors import HarkError


class Recorder:
    """Keeps what is heard in a WAV file, while it is switched on.

    Loads the media library.

    Raises:
        UsageError: there is a file of that name already, or none can be made there.
        DiskFullError: there is no room for it.
    """

    def __init__(self, path: Path) -> None:
        from hark.app.sound.wav import WavWriter  # noqa: PLC0415

        self._writer = WavWriter(path)
        self.is_on = True

    def play(self, frame: bytes) -> None:
        """Take the next frame."""
        if self.is_on:
            self._writer.write(frame)

    def close(self) -> None:
        """Write what is left and close the file."""
        self._writer.close()


@dataclass(frozen=True, slots=True)
class Ends:
    """What is joined to the sound of a call."""

    source: Source
    sinks: Sequence[Sink]
    recorder: Recorder | None
    """One of the sinks, when there is one."""
    begin: Callable[[], None]
    """To be called when somebody is there to hear what the source says."""


@asynccontextmanager
async def open_ends(
    audio: Path | None, record: Path | None, tell: Callable[[str], None]
) -> AsyncIterator[Ends]:
    """Open what a call needs before anybody is disturbed by it.

    Args:
        audio: a WAV file to play into the call; then no device is used.
        record: a new WAV file for what is heard.
        tell: given a sentence when a device goes or comes, or the recording fails.

    Raises:
        SoundFileError: `audio` cannot be used.
        UsageError: `record` is there already.
        SoundDeviceError: there is no microphone or no speaker.
        MissingPartError: the sound library is not installed.
        DiskFullError: there is no room for the recording.
    """
    async with AsyncExitStack() as opened:
        recorder = _opened_recorder(record, opened, tell)
        sinks: list[Sink] = [] if recorder is None else [recorder]
        if audio is not None:
            from hark.app.sound.wav import WavReader  # noqa: PLC0415

            reader = opened.enter_context(WavReader(audio))
            yield Ends(Paced(reader), sinks, recorder, _nothing)
            return
        from hark.app.sound.devices import Microphone, Speaker, running  # noqa: PLC0415

        microphone, speaker = Microphone(), Speaker()
        await opened.enter_async_context(running(microphone.stream, speaker.stream, tell=tell))
        yield Ends(microphone, [speaker, *sinks], recorder, microphone.forget)


def _opened_recorder(
    record: Path | None, opened: AsyncExitStack, tell: Callable[[str], None]
) -> Recorder | None:
    if record is None:
        return None
    recorder = Recorder(record)

    def close() -> None:
        try:
            recorder.close()
        except HarkError as error:
            tell(f"{sentence_of(error)} ({error})")

    opened.callback(close)
    return recorder


def _nothing() -> None:
    """A file begins when it is asked for its first frame."""
