"""Tones are whole frames, do not click, and say what they mean by pitch and number."""

import itertools
import struct

import pytest

from hark.app.sound import tones
from hark.wire.sound import FRAME_BYTES, FRAMES_PER_S, SAMPLE_RATE_HZ, SILENCE


def samples_of(frames: tones.Frames) -> list[int]:
    data = b"".join(frames)
    return list(struct.unpack(f"<{len(data) // 2}h", data))


def sounds_of(frames: tones.Frames) -> list[tones.Frames]:
    """Return what lies between the silences."""
    groups = itertools.groupby(frames, key=lambda frame: frame == SILENCE)
    return [tuple(group) for is_silent, group in groups if not is_silent]


def pitch_hz(sound: tones.Frames) -> float:
    """Return how often a second the samples go from negative to positive."""
    samples = samples_of(sound)
    rises = sum(one < 0 <= next_one for one, next_one in itertools.pairwise(samples))
    return rises * SAMPLE_RATE_HZ / len(samples)


@pytest.mark.parametrize("relayed", [False, True])
@pytest.mark.parametrize("grade", [1, 2, 3, 4])
def test_summary_rises_for_direct_falls_for_relayed_and_counts_the_grade(
    relayed: bool, grade: int
) -> None:
    first, second, *count = sounds_of(tones.summary(relayed=relayed, grade=grade))
    assert (pitch_hz(first) > pitch_hz(second)) == relayed
    assert len(count) == grade
    assert all(len(sound) < len(first) for sound in count)


@pytest.mark.parametrize(
    "frames", [tones.begin(), tones.summary(relayed=False, grade=4), tones.tone(440.0, 60)]
)
def test_tones_are_whole_frames_that_neither_click_nor_clip(frames: tones.Frames) -> None:
    assert {len(frame) for frame in frames} == {FRAME_BYTES}
    samples = samples_of(frames)
    # A sine of this loudness and pitch moves no faster; a click would.
    fastest = 2 * 3.1416 * 1000 / SAMPLE_RATE_HZ * tones.AMPLITUDE
    steps = [abs(next_one - one) for one, next_one in itertools.pairwise([0, *samples, 0])]
    assert max(steps) <= fastest
    assert 0.9 * tones.AMPLITUDE < max(samples) <= tones.AMPLITUDE


def test_tone_has_the_pitch_that_was_asked_for() -> None:
    assert pitch_hz(tones.tone(500.0, 1000)) == pytest.approx(500.0, abs=2)


def test_the_longest_summary_takes_less_than_three_seconds() -> None:
    assert len(tones.summary(relayed=True, grade=4)) < 3 * FRAMES_PER_S
