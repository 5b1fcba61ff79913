"""Generated tones: what a machine tells a listener without speech.

One high tone says *speak now*. A sound test ends with two tones that rise when the path was
direct and fall when it was relayed, and then one to four short ones: the more, the better.
Every tone swells and fades, so that nothing clicks. Made once, without numpy.
"""

import math
import struct
from functools import cache

from hark.wire.sound import FRAME_BYTES, FRAME_MS, SAMPLE_RATE_HZ, SILENCE

RAMP_MS = 10
"""Time to swell and to fade. A tone that starts at once is heard as a click."""
AMPLITUDE = 8_000
"""Of 32,767: as loud as speech at a common distance, never distorted."""
BEGIN_HZ = 880.0
LOW_HZ, HIGH_HZ = 523.25, 783.99
"""A fifth apart (C5 and G5): nobody mistakes which is higher."""
COUNT_HZ = 987.77
PAUSE_MS = 120
MAX_GRADE = 4

Frames = tuple[bytes, ...]


@cache
def begin() -> Frames:
    """Return the tone after which one speaks."""
    return _silence(100) + tone(BEGIN_HZ, 240)


@cache
def summary(*, relayed: bool, grade: int) -> Frames:
    """Return what a sound test has found.

    Args:
        relayed: whether the path was relayed; else it was direct.
        grade: 1 (bad) to 4 (very good).
    """
    assert 1 <= grade <= MAX_GRADE
    first, second = (HIGH_HZ, LOW_HZ) if relayed else (LOW_HZ, HIGH_HZ)
    path = tone(first, 240) + _silence(PAUSE_MS) + tone(second, 240)
    count = (tone(COUNT_HZ, 80) + _silence(PAUSE_MS)) * grade
    return _silence(400) + path + _silence(400) + count


def tone(frequency_hz: float, duration_ms: int) -> Frames:
    """Return a sine that swells and fades.

    Args:
        frequency_hz: its pitch.
        duration_ms: a multiple of `FRAME_MS`, and at least two ramps.
    """
    assert duration_ms % FRAME_MS == 0
    count = SAMPLE_RATE_HZ * duration_ms // 1000
    step = 2 * math.pi * frequency_hz / SAMPLE_RATE_HZ
    samples = [
        round(AMPLITUDE * _ramp(place, count) * math.sin(step * place))
        for place in range(count)
    ]
    data = struct.pack(f"<{count}h", *samples)
    return tuple(data[at : at + FRAME_BYTES] for at in range(0, len(data), FRAME_BYTES))


def _ramp(place: int, count: int) -> float:
    """Return how far a tone has swelled at one of its samples, 0..1."""
    ramp = SAMPLE_RATE_HZ * RAMP_MS // 1000
    distance = min(place, count - 1 - place, ramp)
    return (1 - math.cos(math.pi * distance / ramp)) / 2


def _silence(duration_ms: int) -> Frames:
    assert duration_ms % FRAME_MS == 0
    return (SILENCE,) * (duration_ms // FRAME_MS)
