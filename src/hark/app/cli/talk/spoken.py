"""Spoken messages: from a file or the microphone into packets, and back into sound."""

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from pathlib import Path

from hark.app.cli.talk.screen import Screen, keys
from hark.app.sound.devices import Microphone, Speaker, running
from hark.errors import MalformedError
from hark.node.media.opus import OpusDecoder
from hark.node.media.voice import VoiceEncoder
from hark.wire.sound import FRAMES_PER_S, MAX_VOICEMAIL_S, OPUS_PACKET_BYTES

MAX_FRAMES = MAX_VOICEMAIL_S * FRAMES_PER_S


def packets_of(frames: Iterable[bytes]) -> bytes:
    """Return frames as packets, as `hark.control.schema.VoicemailRequest` says.

    Raises:
        MissingPartError: the codec is not there.
    """
    encoder = VoiceEncoder()
    return b"".join(encoder.encode(frame) for frame in frames)


def frames_of(packets: bytes) -> Iterator[bytes]:
    """Give the frames of a spoken message; what cannot be decoded is concealed.

    Raises:
        MissingPartError: the codec is not there.
    """
    decoder = OpusDecoder()
    for start in range(0, len(packets), OPUS_PACKET_BYTES):
        try:
            yield decoder.decode(packets[start : start + OPUS_PACKET_BYTES])
        except MalformedError:
            yield decoder.conceal()


def read_message(path: Path) -> tuple[list[bytes], bool]:
    """Return the frames of a WAV file that go into a message, and whether it is longer.

    Raises:
        SoundFileError: the file cannot be used.
    """
    from hark.app.sound.wav import WavReader  # noqa: PLC0415 (loads the media library)

    frames: list[bytes] = []
    with WavReader(path) as reader:
        while (frame := reader.next()) is not None:
            if len(frames) == MAX_FRAMES:
                return frames, True
            frames.append(frame)
    return frames, False


async def record_message(screen: Screen) -> list[bytes]:
    """Record what a person says, until a key is pressed or a message is full.

    Raises:
        SoundDeviceError: there is no microphone.
        MissingPartError: the sound library is not installed.
    """
    frames: list[bytes] = []
    microphone = Microphone()

    async def listen() -> None:
        while len(frames) < MAX_FRAMES:
            frames.append(await microphone.next())
            left_s = (MAX_FRAMES - len(frames)) // FRAMES_PER_S
            screen.show_status(f"Recording: {left_s} s left")

    async with running(microphone.stream, tell=screen.say):
        screen.say("Speak now. Any key ends the message, Ctrl-C throws it away.")
        microphone.forget()
        await _until_key(listen())
        screen.close()
    return frames


async def play_message(frames: Sequence[bytes], screen: Screen) -> None:
    """Play frames by the speaker, until their end or until a key is pressed.

    Raises:
        SoundDeviceError: there is no speaker.
        MissingPartError: the sound library is not installed.
    """
    speaker = Speaker()
    async with running(speaker.stream, tell=screen.say):
        await _until_key(speaker.play_whole(frames))


async def _until_key(work: Coroutine[None, None, None]) -> None:
    pressed = asyncio.Event()
    with keys(lambda _key: pressed.set()):
        tasks = {asyncio.create_task(work), asyncio.create_task(_wait(pressed))}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _wait(event: asyncio.Event) -> None:
    await event.wait()
