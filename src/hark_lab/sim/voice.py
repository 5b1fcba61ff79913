"""A voice on its way through the codec and the jitter buffer, in virtual time.

The parts are those of a real call (`hark.node.media.voice`); only the path between them, and
the clocks of both ends, are made up.
"""

import heapq
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from hark.machine import Instant
from hark.node.media.voice import VoiceCounters, VoiceEncoder, VoicePlayer
from hark.wire.sound import FRAME_BYTES, FRAME_MS, FRAMES_PER_S, SAMPLE_BYTES, SAMPLE_RATE_HZ

RECORDINGS = Path("/usr/share/sounds/alsa")
"""Short sentences of people (Debian: alsa-utils)."""
NO_SPEECH = "Noise.wav"
FIRST_COUNTER = 65_536
FRAME_S = FRAME_MS / 1000

Fate = Callable[[int], float | None]
"""What becomes of packet number n: seconds on its way, or None when it is lost."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What came out at the other end."""

    frames: list[bytes]
    counters: VoiceCounters
    depths: list[int]
    """Frames in the buffer, after each frame played."""


def recorded_speech() -> list[bytes]:
    """Return eleven seconds of people who speak; nothing where there are no recordings."""
    samples = bytearray()
    for path in sorted(RECORDINGS.glob("*.wav")):
        if path.name == NO_SPEECH:
            continue
        with wave.open(str(path), "rb") as file:
            form = (file.getframerate(), file.getnchannels(), file.getsampwidth())
            if form == (SAMPLE_RATE_HZ, 1, SAMPLE_BYTES):
                samples += file.readframes(file.getnframes())
    whole = len(samples) // FRAME_BYTES * FRAME_BYTES
    return [bytes(samples[at : at + FRAME_BYTES]) for at in range(0, whole, FRAME_BYTES)]


def random_loss(share: float, seed: int, *, delay_s: float = 0.001) -> Fate:
    """Return a fate that loses so many packets, each by its own chance."""
    random = Random(seed)  # noqa: S311 (chance that repeats is what is wanted)
    return lambda _number: None if random.random() < share else delay_s


def burst(first: int, count: int, *, delay_s: float = 0.001) -> Fate:
    """Return a fate that loses so many packets in a row."""
    return lambda number: None if first <= number < first + count else delay_s


def carry_voice(
    frames: Sequence[bytes],
    fate: Fate,
    *,
    drift: float = 0.0,
    phase_s: float = 0.007,
) -> Carried:
    """Send frames along a path and return what is heard.

    Args:
        frames: what is said.
        fate: of each packet.
        drift: how much longer a second is at the sender than at the listener.
        phase_s: when, after the sender's beat, the listener's comes.
    """
    arrivals = _send(frames, fate, drift)
    heapq.heapify(arrivals)
    player = VoicePlayer()
    heard: list[bytes] = []
    depths: list[int] = []
    while arrivals or len(heard) < len(frames):
        now = Instant(phase_s + len(heard) * FRAME_S)
        while arrivals and arrivals[0][0] <= now:
            at, counter, packet = heapq.heappop(arrivals)
            player.put(counter, packet, Instant(at))
        heard.append(player.play(now))
        depths.append(player.depth)
    return Carried(heard, player.counters, depths)


def _send(frames: Sequence[bytes], fate: Fate, drift: float) -> list[tuple[float, int, bytes]]:
    """Return when each packet that arrives does, its counter, and itself."""
    encoder = VoiceEncoder()
    arrivals: list[tuple[float, int, bytes]] = []
    lost = 0
    for number, frame in enumerate(frames):
        packet = encoder.encode(frame)
        way_s = fate(number)
        if way_s is None:
            lost += 1
        else:
            sent = (number + 1) * FRAME_S * (1 + drift)
            arrivals.append((sent + way_s, FIRST_COUNTER + number, packet))
        if (number + 1) % FRAMES_PER_S == 0:
            # As the reports of the other end do, once a second.
            encoder.expect_loss(lost / FRAMES_PER_S)
            lost = 0
    return arrivals
