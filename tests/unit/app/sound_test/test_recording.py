"""A recording ends after ten seconds, or when the caller has said something and is quiet."""

import math
import random
import struct

from hark.app.sound_test.recording import (
    MAX_FRAMES,
    QUIET_FRAMES,
    TAIL_FRAMES,
    Recording,
    level,
)
from hark.wire.sound import FRAME_MS, FRAME_SAMPLES, SILENCE


def noise(loudness: int, seed: int = 1) -> bytes:
    chance = random.Random(seed)
    samples = [chance.randint(-loudness, loudness) for _ in range(FRAME_SAMPLES)]
    return struct.pack(f"<{FRAME_SAMPLES}h", *samples)


VOICE = noise(6_000)
HUM = noise(1_000)
BREATH = noise(100)


def frames_until_over(*parts: tuple[bytes, int]) -> tuple[Recording, int | None]:
    """Record parts, each a frame and how often it comes; return how many were taken."""
    recording = Recording()
    taken = 0
    for frame, count in parts:
        for _ in range(count):
            taken += 1
            if recording.add(frame):
                return recording, taken
    return recording, None


def test_level_is_the_root_of_the_mean_square() -> None:
    assert level(SILENCE) == 0.0
    assert level(struct.pack("<h", -1_000) * FRAME_SAMPLES) == 1_000.0
    wave = [round(10_000 * math.sin(place / 5)) for place in range(FRAME_SAMPLES)]
    assert 6_800 < level(struct.pack(f"<{FRAME_SAMPLES}h", *wave)) < 7_300


def test_recording_ends_a_second_and_a_half_after_the_last_word() -> None:
    recording, taken = frames_until_over((SILENCE, 30), (VOICE, 50), (SILENCE, 500))
    assert taken == 80 + QUIET_FRAMES
    assert len(recording.frames) == 80 + TAIL_FRAMES
    assert recording.duration_ms == (80 + TAIL_FRAMES) * FRAME_MS


def test_pauses_between_words_do_not_end_it() -> None:
    words = [(VOICE, 20), (SILENCE, QUIET_FRAMES - 1)] * 3
    recording, taken = frames_until_over(*words, (VOICE, 20), (SILENCE, 500))
    assert taken == 3 * (20 + QUIET_FRAMES - 1) + 20 + QUIET_FRAMES
    assert recording.frames[:20] == [VOICE] * 20


def test_it_waits_ten_seconds_for_somebody_who_says_nothing() -> None:
    recording, taken = frames_until_over((BREATH, 2_000))
    assert taken == MAX_FRAMES
    assert recording.frames == []
    assert recording.duration_ms == 0


def test_it_keeps_ten_seconds_of_somebody_who_does_not_stop() -> None:
    sentence = [(VOICE, 40), (BREATH, 12)] * 20
    recording, taken = frames_until_over(*sentence)
    assert taken == MAX_FRAMES
    assert len(recording.frames) == MAX_FRAMES


def test_a_hum_is_no_voice_and_a_voice_above_it_is_heard() -> None:
    recording, taken = frames_until_over((HUM, 40), (VOICE, 50), (HUM, 500))
    assert taken == 90 + QUIET_FRAMES
    assert len(recording.frames) == 90 + TAIL_FRAMES


def test_in_doubt_whether_a_hum_is_somebody_the_recording_goes_on() -> None:
    recording, taken = frames_until_over((HUM, 2_000))
    assert taken == MAX_FRAMES
    assert len(recording.frames) == MAX_FRAMES


def test_a_click_at_the_start_does_not_hide_a_quiet_voice() -> None:
    click, quiet_voice = noise(32_000), noise(1_500)
    parts = [(click, 1), (BREATH, 20), (quiet_voice, 60), (BREATH, 500)]
    recording, taken = frames_until_over(*parts)
    assert taken == 81 + QUIET_FRAMES
    assert len(recording.frames) == 81 + TAIL_FRAMES
