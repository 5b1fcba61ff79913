"""What does a call cost the one who holds it, and do ten in one program keep the beat?

Two programs on this machine hold the calls with each other, over real sockets: both speak all
the time, seals and encryption included. Measured is one of them: its processor time for each
call, and how late it takes each frame from the microphone. First with one call, then with ten.

    python -m benchmarks.bench_call_cpu --seconds 20
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks._report import Goal, write_report
from hark.app.sound.speech import find_speech
from hark.calls.media import (
    AddCandidates,
    ConnectMedia,
    FirstSound,
    LocalMedia,
    MediaFact,
    MediaKeys,
    MediaQuality,
    OpenMedia,
)
from hark.node.media.engine import MediaEngine
from hark.wire.call import CallAnswer, CallStream, parse_signal
from hark.wire.codec import encode
from hark.wire.ids import CallId
from hark.wire.sound import FRAME_MS

WARM_UP_S = 3.0
MANY = 10
KEYS = MediaKeys(b"\x01" * 32, b"\x01" * 32, 256, 256)


class Speaker:
    """Says the same over and over, and notes when it was asked."""

    def __init__(self, frames: list[bytes]) -> None:
        self._frames = frames
        self.asked_s: list[float] = []

    def take(self) -> bytes | None:
        self.asked_s.append(time.monotonic())
        return self._frames[len(self.asked_s) % len(self._frames)]

    def give(self, frame: bytes) -> None:
        pass

    def late_ms(self, begin: int) -> list[float]:
        """Return how late each frame was taken, by the steadiest beat that fits."""
        times = self.asked_s[begin:]
        offsets = [at - place * FRAME_MS / 1000 for place, at in enumerate(times)]
        return [(offset - min(offsets)) * 1000 for offset in offsets]


class End:
    """One of the two programs: an engine with all its calls."""

    def __init__(self, calls: list[CallId], frames: list[bytes], *, caller: bool) -> None:
        self.engine = MediaEngine(tell=self._on_fact)
        self.described: asyncio.Queue[LocalMedia] = asyncio.Queue()
        self.heard: asyncio.Queue[FirstSound] = asyncio.Queue()
        self.quality: dict[CallId, MediaQuality] = {}
        self.speakers = {call: Speaker(frames) for call in calls}
        for call, speaker in self.speakers.items():
            self.engine.attach(call, speaker)
            self.engine.perform(OpenMedia(call, 1, caller, hide_address=False, ice_servers=()))

    def _on_fact(self, fact: MediaFact) -> None:
        match fact:
            case LocalMedia():
                self.described.put_nowait(fact)
            case FirstSound():
                self.heard.put_nowait(fact)
            case MediaQuality(call):
                self.quality[call] = fact
            case _:
                pass

    async def describe(self) -> list[bytes]:
        """Return what each call says of itself, as an answer would carry it."""
        facts = [await self.described.get() for _ in self.speakers]
        return [
            encode(
                CallAnswer(
                    call=fact.call,
                    offer_hash=bytes(32),
                    nonce=bytes(32),
                    secret=bytes(32),
                    streams=[CallStream(0, 0)],
                    transport=fact.transport,
                    candidates=list(fact.candidates),
                    final=True,
                    records=False,
                )
            )
            for fact in facts
        ]

    def connect(self, description: bytes) -> None:
        answer = parse_signal(description)
        assert isinstance(answer, CallAnswer)
        call = CallId(answer.call)
        self.engine.perform(ConnectMedia(call, 1, answer.transport, KEYS))
        self.engine.perform(AddCandidates(call, 1, tuple(answer.candidates), final=True))


@dataclass(frozen=True, slots=True)
class Held:
    """What holding some calls has cost."""

    cpu_percent_per_call: float
    late_ms: list[float]
    first_sound_ms: float
    """From the first order to connect until all calls were heard."""
    played_share: float


def speech() -> list[bytes]:
    with tempfile.TemporaryDirectory() as cache:
        return find_speech(None, Path(cache)).frames


def names(count: int) -> list[CallId]:
    return [CallId(bytes([number]) * 16) for number in range(count)]


async def hold(count: int, seconds: float) -> Held:
    """Hold `count` calls with another program."""
    frames = speech()
    far = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.bench_call_cpu", "--far-end", str(count)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert far.stdin is not None
    assert far.stdout is not None
    end = End(names(count), frames, caller=True)
    far.stdin.write(b"".join(one.hex().encode() + b"\n" for one in await end.describe()))
    descriptions = [bytes.fromhex((await far.stdout.readline()).decode()) for _ in range(count)]
    ordered = time.monotonic()
    for description in descriptions:
        end.connect(description)
    for _ in range(count):
        await end.heard.get()
    heard = time.monotonic()
    await asyncio.sleep(WARM_UP_S)
    begins = {call: len(speaker.asked_s) for call, speaker in end.speakers.items()}
    begin, used = time.monotonic(), time.process_time()
    await asyncio.sleep(seconds)
    passed, used = time.monotonic() - begin, time.process_time() - used
    late = [
        late_ms
        for call, speaker in end.speakers.items()
        for late_ms in speaker.late_ms(begins[call])
    ]
    played = sum(one.frames_played for one in end.quality.values())
    made_up = sum(one.frames_concealed for one in end.quality.values())
    far.stdin.close()
    await far.wait()
    await end.engine.close()
    return Held(
        cpu_percent_per_call=100 * used / passed / count,
        late_ms=late,
        first_sound_ms=(heard - ordered) * 1000,
        played_share=played / max(1, played + made_up),
    )


async def far_end(count: int) -> None:
    """Be the other program, until standard input ends."""
    end = End(names(count), speech(), caller=False)
    for description in await end.describe():
        print(description.hex(), flush=True)
    for _ in range(count):
        end.connect(bytes.fromhex(await asyncio.to_thread(sys.stdin.readline)))
    await asyncio.to_thread(sys.stdin.read)
    await end.engine.close()


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[int(share * (len(values) - 1))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--far-end", type=int, metavar="CALLS", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.far_end:
        asyncio.run(far_end(options.far_end))
        return
    os.environ.setdefault("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    one = asyncio.run(hold(1, options.seconds))
    many = asyncio.run(hold(MANY, options.seconds))
    write_report(
        "call_cpu",
        question="What does a call cost the one who holds it, and do ten keep the beat?",
        parameters={"seconds": options.seconds, "many": MANY, "frame_ms": FRAME_MS},
        figures={
            "cpu_percent_per_call": one.cpu_percent_per_call,
            "cpu_percent_per_call_of_ten": many.cpu_percent_per_call,
            "late_ms_p50": statistics.median(one.late_ms),
            "late_ms_p99": percentile(one.late_ms, 0.99),
            "late_ms_p99_of_ten": percentile(many.late_ms, 0.99),
            "first_sound_ms": one.first_sound_ms,
            "first_sound_ms_of_ten": many.first_sound_ms,
            "played_share_of_ten": many.played_share,
        },
        samples={
            "late_ms": [round(value, 2) for value in one.late_ms],
            "late_ms_of_ten_first_call": [
                round(value, 2) for value in many.late_ms[: len(many.late_ms) // MANY]
            ],
        },
        goals=[
            Goal("cpu_percent_per_call", at_most=10),
            Goal("late_ms_p99_of_ten", at_most=20),
            Goal("played_share_of_ten", at_least=0.99),
        ],
    )


if __name__ == "__main__":
    main()
