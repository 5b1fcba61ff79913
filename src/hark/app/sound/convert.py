"""Sound of any rate and number of channels becomes frames as `hark.wire.sound` says, and back.

Loads the media library (PyAV), so only modules that a command loads late import this one.
"""

from av import AudioFrame, AudioResampler

from hark.wire.sound import FRAME_BYTES, SAMPLE_BYTES, SAMPLE_RATE_HZ

SAMPLES = "s16"
"""16 bits, channels interleaved."""
LAYOUTS = {1: "mono", 2: "stereo"}
"""How the library calls the channels of a device; more than two are never asked for."""


class Framer:
    """Makes whole frames out of sound in any form. Holds less than two frames back."""

    def __init__(self) -> None:
        self._resampler = AudioResampler(format=SAMPLES, layout="mono", rate=SAMPLE_RATE_HZ)
        self._rest = bytearray()

    def feed(self, sound: AudioFrame) -> list[bytes]:
        """Take some sound; return the frames that are full now."""
        # A damaged file may jump in time: each of its samples counts once, one after the other.
        sound.pts = None
        return self._cut(self._resampler.resample(sound))

    def finish(self) -> list[bytes]:
        """Return what was held back, the last frame filled up with silence. Ends the work."""
        frames = self._cut(self._resampler.resample(None))
        if self._rest:
            frames.append(bytes(self._rest).ljust(FRAME_BYTES, b"\0"))
        return frames

    def _cut(self, converted: list[AudioFrame]) -> list[bytes]:
        for part in converted:
            self._rest += _samples_of(part, 1)
        whole = len(self._rest) // FRAME_BYTES * FRAME_BYTES
        frames = [
            bytes(self._rest[start : start + FRAME_BYTES])
            for start in range(0, whole, FRAME_BYTES)
        ]
        del self._rest[:whole]
        return frames


class FromDevice:
    """Makes frames out of what a microphone gives in its own rate and channels.

    Args:
        rate_hz: of the device.
        channels: of the device, 1 or 2.
    """

    def __init__(self, rate_hz: int, channels: int) -> None:
        self._rate_hz = rate_hz
        self._channels = channels
        self._framer = Framer()

    def feed(self, block: bytes) -> list[bytes]:
        """Take a block of 16-bit samples, channels interleaved; return the full frames."""
        return self._framer.feed(_sound_of(block, self._rate_hz, self._channels))


class ToDevice:
    """Makes sound in a speaker's own rate and channels out of frames.

    Args:
        rate_hz: of the device.
        channels: of the device, 1 or 2.
    """

    def __init__(self, rate_hz: int, channels: int) -> None:
        self._channels = channels
        self._resampler = AudioResampler(format=SAMPLES, layout=LAYOUTS[channels], rate=rate_hz)

    def feed(self, frame: bytes) -> bytes:
        """Take one frame; return 16-bit samples, channels interleaved."""
        converted = self._resampler.resample(_sound_of(frame, SAMPLE_RATE_HZ, 1))
        return b"".join(_samples_of(part, self._channels) for part in converted)


def _sound_of(samples: bytes, rate_hz: int, channels: int) -> AudioFrame:
    count = len(samples) // (SAMPLE_BYTES * channels)
    sound = AudioFrame(format=SAMPLES, layout=LAYOUTS[channels], samples=count)
    sound.sample_rate = rate_hz
    sound.planes[0].update(samples)
    return sound


def _samples_of(sound: AudioFrame, channels: int) -> bytes:
    # The library's buffer is longer than what is in it.
    return bytes(sound.planes[0])[: sound.samples * channels * SAMPLE_BYTES]
