"""What a caller says, kept in memory, and when it is over.

A frame counts as sound when it is louder than the least that speech has, and either clearly
louder than the quietest moment so far or nearly as loud as the loudest. So a humming computer
does not keep a recording going once somebody has spoken above it, and nobody who speaks without
a pause is cut off: in doubt the recording goes on.
"""

import math
import operator
import struct
from collections import deque

from hark.wire.sound import FRAME_MS, FRAME_SAMPLES, FRAMES_PER_S

MAX_FRAMES = 10 * FRAMES_PER_S
QUIET_FRAMES = 3 * FRAMES_PER_S // 2
"""A pause of 1.5 s after something was said is its end; pauses inside sentences are shorter."""
LEAST_LEVEL = 300.0
"""Root mean square of a quiet voice, of 32,767 (-41 dB)."""
ABOVE_FLOOR = 3.0
"""How much louder than the quietest moment sound is (10 dB)."""
BELOW_PEAK = 4.0
"""How much less than the loudest frame is sound all the same (12 dB)."""
FLOOR_FRAMES = 10
"""A moment: 200 ms, longer than the gaps inside words."""
TAIL_FRAMES = 15
"""What is kept after the last sound, so that no word loses its end."""


class Recording:
    """One recording. Nothing of it is ever written anywhere."""

    def __init__(self) -> None:
        self._frames: list[bytes] = []
        self._latest: deque[float] = deque(maxlen=FLOOR_FRAMES)
        self._floor = 0.0
        self._peak = 0.0
        self._heard_until = 0
        """Number of frames up to the last one with sound; 0 when there was none."""

    def add(self, frame: bytes) -> bool:
        """Take the next frame; return whether the recording is over."""
        self._frames.append(frame)
        loud = level(frame)
        self._adapt(loud)
        relative = min(ABOVE_FLOOR * self._floor, self._peak / BELOW_PEAK)
        if loud > max(LEAST_LEVEL, relative):
            self._heard_until = len(self._frames)
        return len(self._frames) >= MAX_FRAMES or self._quiet_again()

    @property
    def frames(self) -> list[bytes]:
        """What was said: to the last sound and a little more; empty when nothing was."""
        if not self._heard_until:
            return []
        return self._frames[: self._heard_until + TAIL_FRAMES]

    @property
    def duration_ms(self) -> int:
        """How long `frames` is."""
        return len(self.frames) * FRAME_MS

    def _adapt(self, loud: float) -> None:
        """Learn the quietest moment and the loudest frame."""
        self._peak = max(self._peak, loud)
        self._latest.append(loud)
        count = len(self._frames)
        if count >= FLOOR_FRAMES:
            moment = sum(self._latest) / FLOOR_FRAMES
            self._floor = moment if count == FLOOR_FRAMES else min(self._floor, moment)

    def _quiet_again(self) -> bool:
        quiet = len(self._frames) - self._heard_until
        return self._heard_until > 0 and quiet >= QUIET_FRAMES


def level(frame: bytes) -> float:
    """Return how loud a frame is: the root of the mean square of its samples, 0..32,768."""
    samples = struct.unpack(f"<{FRAME_SAMPLES}h", frame)
    return math.sqrt(sum(map(operator.mul, samples, samples)) / FRAME_SAMPLES)
