"""How long does it take from the mouth to the ear, and what does it cost?

File-fed, on real clocks: chirps go in at one end, and the moment is found, by
cross-correlation, at which each comes out at the other. Between them lies what a call does to
a voice: framing (20 ms), codec, SFrame, RTP, a path in user space (none, and 60 ms one way),
jitter buffer, codec. Both ends beat every 20 ms, each in a phase of its own; several pairs
speak at once. ICE, DTLS and sockets are not in it, and neither are sound devices (two times
20 ms where there are some).

Then, without clocks, how much of a core these parts take at one end.

    python -m benchmarks.bench_mouth_to_ear --seconds 8 --pairs 5
"""

import argparse
import asyncio
import math
import os
import random
import time
from array import array
from collections.abc import Callable
from statistics import median, quantiles

from benchmarks._report import Goal, write_report
from hark.app.sound.score import delay_samples
from hark.calls.media import MediaKeys
from hark.machine import Instant
from hark.node.media.voice import VoiceEncoder, VoicePlayer
from hark.node.media.voice_stream import VoiceReceiver, VoiceSender
from hark.wire.sound import FRAME_MS, FRAME_SAMPLES, FRAMES_PER_S, SAMPLE_RATE_HZ, SILENCE
from hark_lab.sim.voice import recorded_speech

FRAME_S = FRAME_MS / 1000
CHIRP_EVERY = 25
"""Frames, from one chirp to the next."""
LOWEST_HZ, HIGHEST_HZ = 400, 3600
ONE_WAY_MS = (0, 60)
CPU_FRAMES = 1_000


def chirp() -> bytes:
    """Return one frame in which the pitch rises."""
    found = array("h")
    for sample in range(FRAME_SAMPLES):
        at_s = sample / SAMPLE_RATE_HZ
        rise = (HIGHEST_HZ - LOWEST_HZ) * at_s / (2 * FRAME_S)
        swell = math.sin(math.pi * sample / FRAME_SAMPLES)
        found.append(int(20_000 * swell * math.sin(math.tau * (LOWEST_HZ + rise) * at_s)))
    return found.tobytes()


CHIRP = chirp()


def ends() -> tuple[VoiceSender, VoiceReceiver, VoicePlayer]:
    """Return one end that speaks and the other that listens."""
    there, back = os.urandom(32), os.urandom(32)
    player = VoicePlayer()
    sender = VoiceSender(MediaKeys(there, back, 256, 257), VoiceEncoder())
    return sender, VoiceReceiver(MediaKeys(back, there, 257, 256), player), player


async def beat(frames: int, first_s: float, step: Callable[[int, float], None]) -> None:
    """Call `step` every 20 ms, with the number of the beat and the moment that it was due."""
    for number in range(frames):
        due_s = first_s + number * FRAME_S
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        step(number, due_s)


async def talk(frames: int, one_way_s: float, phase_s: float) -> list[float]:
    """Let one pair talk and return how long each chirp took, in milliseconds."""
    loop = asyncio.get_running_loop()
    sender, receiver, player = ends()
    heard: list[tuple[float, bytes]] = []
    spoken_s: list[float] = []

    def speak(number: int, due_s: float) -> None:
        sounds = number % CHIRP_EVERY == CHIRP_EVERY // 2
        if sounds:
            # It began one frame ago: only then is the frame full.
            spoken_s.append(due_s - FRAME_S)
        packet = sender.packet(CHIRP if sounds else SILENCE)
        loop.call_later(one_way_s, arrive, packet)

    def arrive(packet: bytes) -> None:
        receiver.take(packet, Instant(time.monotonic()))

    def listen(_number: int, _due_s: float) -> None:
        frame = player.play(Instant(time.monotonic()))
        # Its first sample sounds now, not when it was due.
        heard.append((time.monotonic(), frame))

    begin_s = time.monotonic() + 0.1
    await asyncio.gather(
        beat(frames, begin_s, speak), beat(frames + 10, begin_s + phase_s, listen)
    )
    return [delay for at_s in spoken_s if (delay := delay_ms(heard, at_s)) is not None]


def delay_ms(heard: list[tuple[float, bytes]], spoken_s: float) -> float | None:
    """Return how long after `spoken_s` the chirp is heard; None when it is cut off."""
    after = [index for index, (at_s, _) in enumerate(heard) if at_s >= spoken_s]
    window = heard[after[0] : after[0] + CHIRP_EVERY - 1] if after else []
    if len(window) < CHIRP_EVERY - 1:
        return None
    offset = delay_samples([CHIRP], [frame for _, frame in window])
    index, rest = divmod(offset, FRAME_SAMPLES)
    return 1000 * (window[index][0] + rest / SAMPLE_RATE_HZ - spoken_s)


async def talk_all(frames: int, one_way_s: float, pairs: int) -> list[float]:
    phases = [random.uniform(0, FRAME_S) for _ in range(pairs)]
    talks = [talk(frames, one_way_s, phase_s) for phase_s in phases]
    return [delay for delays in await asyncio.gather(*talks) for delay in delays]


def cpu_percent() -> float:
    """Return how much of a core one end takes that speaks and listens."""
    sender, receiver, player = ends()
    speech = recorded_speech() or [CHIRP]
    started_s = time.process_time()
    for number in range(CPU_FRAMES):
        now = Instant(number * FRAME_S)
        receiver.take(sender.packet(speech[number % len(speech)]), now)
        player.play(Instant(now + FRAME_S / 2))
    return 100 * (time.process_time() - started_s) / (CPU_FRAMES * FRAME_S)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args(arguments)
    frames = round(options.seconds * FRAMES_PER_S)
    figures: dict[str, float] = {}
    samples: dict[str, list[float]] = {}
    for one_way_ms in ONE_WAY_MS:
        delays = asyncio.run(talk_all(frames, one_way_ms / 1000, options.pairs))
        name = f"path_of_{one_way_ms}_ms"
        samples[name] = delays
        figures[f"{name}_p50_ms"] = median(delays)
        figures[f"{name}_p95_ms"] = quantiles(delays, n=20)[-1]
    samples["cpu_percent_of_a_core"] = [cpu_percent() for _ in range(5)]
    figures["cpu_percent_of_a_core"] = median(samples["cpu_percent_of_a_core"])
    write_report(
        "mouth_to_ear",
        question="How long does it take from the mouth to the ear, and what does it cost?",
        parameters={
            "path": "in user space, one process",
            "seconds": options.seconds,
            "pairs": options.pairs,
            "sound_devices": "none, file-fed",
        },
        figures=figures,
        samples=samples,
        goals=[
            Goal("path_of_0_ms_p50_ms", at_most=80),
            Goal("path_of_60_ms_p50_ms", at_most=150),
            Goal("cpu_percent_of_a_core", at_most=10),
        ],
    )


if __name__ == "__main__":
    main()
