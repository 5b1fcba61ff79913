"""One voice each way: frames become packets here, and packets become frames again.

Sealing and sending are not done here; `hark.node.media.engine` puts this at its two ends.
"""

from array import array
from dataclasses import dataclass

from hark.calls.jitter import Conceal, JitterBuffer, Merge, Play, Recover, Starve, Take
from hark.errors import MalformedError
from hark.machine import Instant
from hark.node.media.opus import OpusDecoder, OpusEncoder
from hark.wire.sound import FRAME_SAMPLES, SILENCE

FIRST_EXPECTED_LOSS = 0.05
"""Until the first reports; a call is at its most fragile when it begins."""
CALMED_BY = 0.9
"""What is left of the expectation after a report of no loss: over 20 s of calm until none."""
NO_LOSS = 0.005
"""A share below this is not worth a copy."""


class VoiceEncoder:
    """Makes packets of what is said.

    Raises:
        MissingPartError: the codec is not there.
    """

    def __init__(self) -> None:
        self._encoder = OpusEncoder()
        self.expected_loss = FIRST_EXPECTED_LOSS
        """Share of packets that is prepared for, 0..1."""
        self._encoder.expect_loss(self.expected_loss)

    def encode(self, frame: bytes) -> bytes:
        """Return the packet of the next 20 ms; every packet has one and the same size."""
        return self._encoder.encode(frame)

    def expect_loss(self, share: float) -> None:
        """Take in what the other end says: the share of packets (0..1) lost since it last did.

        Reports come about once a second. More loss is believed at once, less of it slowly.
        """
        expected = max(share, self.expected_loss * CALMED_BY)
        self.expected_loss = expected if expected >= NO_LOSS else 0.0
        self._encoder.expect_loss(self.expected_loss)


@dataclass(frozen=True, slots=True)
class VoiceCounters:
    """What has been played since the start, in frames of 20 ms, and what came to nothing."""

    played: int
    """From packets that came."""
    recovered: int
    """From the copy in the packet after the lost one."""
    concealed: int
    """Made up: neither the packet nor a copy of it was there."""
    refused: int
    """Packets that the codec could not read; concealed too."""
    late: int
    """Packets that came after their turn."""
    skipped: int
    """Packets thrown away because much newer ones came."""


class VoicePlayer:
    """Makes a steady voice of packets that come as they may.

    Nothing that a peer sends makes it raise: what cannot be decoded is concealed and counted.

    Raises:
        MissingPartError: the codec is not there.
    """

    def __init__(self) -> None:
        self._decoder = OpusDecoder()
        self._buffer = JitterBuffer()
        self._played = 0
        self._refused = 0
        self._sounds = False
        """Whether something has been played since it was last silent."""

    @property
    def counters(self) -> VoiceCounters:
        """What has happened so far."""
        buffer = self._buffer.counters
        return VoiceCounters(
            played=self._played,
            recovered=buffer.recovered,
            concealed=buffer.concealed,
            refused=self._refused,
            late=buffer.late,
            skipped=buffer.skipped,
        )

    @property
    def depth(self) -> int:
        """How many frames lie in the buffer."""
        return self._buffer.depth

    def put(self, counter: int, packet: bytes, now: Instant) -> None:
        """Take a packet; `counter` is the SFrame counter that it was sealed with."""
        self._buffer.put(counter, packet, now)

    def play(self, now: Instant) -> bytes:
        """Return the frame for the next 20 ms. To be called every 20 ms."""
        return self._frame_of(self._buffer.take(now))

    def _frame_of(self, taken: Take) -> bytes:
        match taken:
            case Play(packet):
                return self._decode(packet)
            case Merge(first, second):
                return fade_over(self._decode(first), self._decode(second))
            case Recover(next_packet):
                return self._recover(next_packet)
            case Conceal():
                return self._decoder.conceal()
            case Starve():
                return self._fall_silent()

    def _fall_silent(self) -> bytes:
        """Return silence; the first time, what there was still fades out."""
        if not self._sounds:
            return SILENCE
        self._sounds = False
        return fade_over(self._decoder.conceal(), SILENCE)

    def _decode(self, packet: bytes) -> bytes:
        try:
            frame = self._decoder.decode(packet)
        except MalformedError:
            self._refused += 1
            return self._decoder.conceal()
        self._played += 1
        self._sounds = True
        return frame

    def _recover(self, next_packet: bytes) -> bytes:
        try:
            return self._decoder.recover(next_packet)
        except MalformedError:
            # It is counted when its own turn comes.
            return self._decoder.conceal()


def fade_over(first: bytes, second: bytes) -> bytes:
    """Return one frame that begins as the first and ends as the second."""
    begins, ends = array("h", first), array("h", second)
    faded = (
        (begins[at] * (FRAME_SAMPLES - at) + ends[at] * at) // FRAME_SAMPLES
        for at in range(FRAME_SAMPLES)
    )
    return array("h", faded).tobytes()
