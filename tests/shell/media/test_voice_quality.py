"""How a voice sounds after a bad path, judged by PESQ and STOI on recordings of people.

The limits are those below which a change must not fall; the goals are higher
(benchmarks/bench_voice_quality.py measures them).
"""

from collections.abc import Sequence
from statistics import median

import pytest

from hark.app.sound.score import PESQ_MISSING, pesq, stoi
from hark.wire.sound import FRAMES_PER_S
from hark_lab.sim.voice import burst, carry_voice, random_loss, recorded_speech

SEEDS = range(5)
BURST_PACKETS = 10
"""200 ms."""


@pytest.fixture(scope="module")
def speech() -> list[bytes]:
    frames = recorded_speech()
    if len(frames) < 8 * FRAMES_PER_S:
        pytest.skip("there are no recordings of people who speak; install alsa-utils")
    return frames


def quality(said: Sequence[bytes], heard: Sequence[bytes]) -> float:
    found = pesq(said, heard)
    if found is None:
        pytest.skip(PESQ_MISSING)
    return found


@pytest.mark.parametrize(("loss", "least"), [(0.0, 4.0), (0.1, 2.7), (0.2, 2.0)])
def test_a_voice_stays_good_when_packets_are_lost_at_random(
    speech: list[bytes], loss: float, least: float
) -> None:
    marks = [
        quality(speech, carry_voice(speech, random_loss(loss, seed)).frames)
        for seed in (SEEDS if loss else (0,))
    ]
    assert median(marks) >= least, marks


@pytest.mark.parametrize("first", [100, 167, 234, 301, 368, 435])
def test_a_gap_of_200_ms_leaves_a_voice_understandable(speech: list[bytes], first: int) -> None:
    carried = carry_voice(speech, burst(first, BURST_PACKETS))
    assert stoi(speech, carried.frames) >= 0.9
    # The burst is over when it is over: nothing is played later for it.
    assert carried.counters.concealed <= BURST_PACKETS


def test_an_uneven_path_without_loss_costs_a_voice_little(speech: list[bytes]) -> None:
    steps = [0.001, 0.030, 0.012, 0.045, 0.020]
    carried = carry_voice(speech, lambda number: steps[number % len(steps)])
    assert quality(speech, carried.frames) >= 3.5
