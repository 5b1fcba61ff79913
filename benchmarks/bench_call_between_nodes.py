"""What do two whole nodes do to a voice, and what does it cost them?

Two nodes and a supernode as real processes; a program at each end speaks and listens over the
control socket, as every face does. Chirps are found at the other end by cross-correlation, so
the delay holds everything but sound devices: framing (20 ms), two control sockets, codec,
SFrame, SRTP, UDP, jitter buffer. Then a recorded voice is spoken and scored at the other end,
and the processor time of the nodes is read from the kernel.

    python -m benchmarks.bench_call_between_nodes
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles

from benchmarks._processes import cpu_s
from benchmarks._report import Goal, write_report
from benchmarks.bench_mouth_to_ear import CHIRP, CHIRP_EVERY, FRAME_S, delay_ms
from hark.app.cli.demo.stage import Stage
from hark.app.sound.score import score
from hark.control.call_sound import CallSound
from hark.wire.sound import SILENCE
from hark_lab.sim.voice import recorded_speech
from tests.e2e.callers import ALICE, BOB, Pair, move_in, pair_on

SETTLE_S = 3.0
"""A call that has just begun: the jitter buffer finds its depth."""


def main(arguments: list[str] | None = None) -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="of chirps")
    seconds = parser.parse_args(arguments).seconds
    with tempfile.TemporaryDirectory(prefix="hark-calls-") as folder:
        figures, samples = _measured(Path(folder), seconds)
    write_report(
        "call_between_nodes",
        question="What do two whole nodes do to a voice, and what does it cost them?",
        parameters={"seconds": seconds, "sound_devices": "none, file-fed"},
        figures=figures,
        samples=samples,
        goals=[
            Goal("mouth_to_ear_p50_ms", at_most=80),
            Goal("pesq", at_least=4.2),
            Goal("node_cpu_percent_of_a_core", at_most=10),
        ],
    )


def _measured(
    folder: Path, seconds: float
) -> tuple[dict[str, float], dict[str, Sequence[float]]]:
    with Stage(folder / "stage") as stage:
        move_in(stage)
        return asyncio.run(_measure(stage, seconds))


async def _measure(
    stage: Stage, seconds: float
) -> tuple[dict[str, float], dict[str, Sequence[float]]]:
    async with pair_on(stage) as pair:
        call, _ = await pair.connect()
        await asyncio.sleep(SETTLE_S)
        pids = [stage.pid(profile) for profile in (ALICE, BOB)]
        before_s, began_s = [cpu_s(pid) for pid in pids], time.monotonic()
        delays = await _chirps(pair, call.id, seconds)
        took_s = time.monotonic() - began_s
        shares = [100 * (cpu_s(p) - b) / took_s for p, b in zip(pids, before_s, strict=True)]
        speech = recorded_speech()
        marks = score(speech, await _heard(pair, call.id, speech))
        await pair.alice.hang_up(call.id)
    figures = {
        "mouth_to_ear_p50_ms": median(delays),
        "mouth_to_ear_p95_ms": quantiles(delays, n=20)[-1],
        "stoi": marks.stoi,
        "node_cpu_percent_of_a_core": max(shares),
    }
    if marks.pesq is not None:
        figures["pesq"] = marks.pesq
    return figures, {"mouth_to_ear_ms": delays, "node_cpu_percent_of_a_core": shares}


async def _chirps(pair: Pair, call_id: str, seconds: float) -> list[float]:
    """Return how long each chirp took from Alice's mouth to Bob's ear, in milliseconds."""
    frames = [
        CHIRP if number % CHIRP_EVERY == CHIRP_EVERY // 2 else SILENCE
        for number in range(round(seconds / FRAME_S))
    ]
    spoken_s, heard = await _speak(pair, call_id, frames)
    # A chirp began one frame before it was given away: only then is the frame full.
    begun_s = [
        at - FRAME_S for at, frame in zip(spoken_s, frames, strict=True) if frame is CHIRP
    ]
    return [delay for at in begun_s if (delay := delay_ms(heard, at)) is not None]


async def _heard(pair: Pair, call_id: str, speech: list[bytes]) -> list[bytes]:
    tail = [SILENCE] * 50
    _, heard = await _speak(pair, call_id, [*speech, *tail])
    return [frame for _, frame in heard]


async def _speak(
    pair: Pair, call_id: str, frames: list[bytes]
) -> tuple[list[float], list[tuple[float, bytes]]]:
    """Speak frames on time; return when each was spoken, and what was heard when."""
    heard: list[tuple[float, bytes]] = []
    async with (
        pair.alice.call_sound(call_id) as mouth,
        pair.bob.call_sound(call_id) as ear,
    ):
        listening = asyncio.create_task(_listen(ear, heard))
        draining = asyncio.create_task(_listen(mouth, []))
        spoken_s: list[float] = []
        begin_s = time.monotonic() + 0.1
        for number, frame in enumerate(frames):
            await asyncio.sleep(max(0.0, begin_s + number * FRAME_S - time.monotonic()))
            spoken_s.append(time.monotonic())
            await mouth.send(frame)
        await asyncio.sleep(0.5)
        for task in (listening, draining):
            task.cancel()
        await asyncio.gather(listening, draining, return_exceptions=True)
    return spoken_s, heard


async def _listen(sound: CallSound, heard: list[tuple[float, bytes]]) -> None:
    while (frame := await sound.next()) is not None:
        heard.append((time.monotonic(), frame))


if __name__ == "__main__":
    main()
