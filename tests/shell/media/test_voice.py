"""A voice in packets: their size, what is made of lost ones, and of bad ones."""

import importlib.util
import math
from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hark.errors import MalformedError, MissingPartError
from hark.machine import Instant
from hark.node.media import opus
from hark.node.media.opus import CodecError, OpusDecoder, OpusEncoder
from hark.node.media.voice import NO_LOSS, VoiceEncoder, VoicePlayer, fade_over
from hark.wire.sound import (
    FRAME_BYTES,
    FRAME_MS,
    FRAME_SAMPLES,
    OPUS_PACKET_BYTES,
    SAMPLE_RATE_HZ,
    SILENCE,
)
from hark_lab.sim.voice import carry_voice, random_loss

FIRST = 65_536
FRAME_S = FRAME_MS / 1000


def tone(count: int, pitch_hz: float = 220.0) -> list[bytes]:
    """Return frames of a tone."""
    return [
        array(
            "h",
            (
                int(8000 * math.sin(math.tau * pitch_hz * sample / SAMPLE_RATE_HZ))
                for sample in range(at * FRAME_SAMPLES, (at + 1) * FRAME_SAMPLES)
            ),
        ).tobytes()
        for at in range(count)
    ]


def loudness(frame: bytes) -> float:
    """Return the root of the mean square of a frame."""
    samples = array("h", frame)
    return math.sqrt(sum(sample * sample for sample in samples) / len(samples))


TONE = tone(100)
LOUD = loudness(TONE[50])


@pytest.mark.parametrize("loss", [0.0, 0.05, 0.1, 1.0])
def test_every_packet_has_one_size_whatever_is_said(loss: float) -> None:
    encoder = OpusEncoder()
    encoder.expect_loss(loss)
    noise = [
        bytes((at * 31 + byte * byte) % 256 for byte in range(FRAME_BYTES)) for at in range(9)
    ]
    said = [*TONE[:50], *[SILENCE] * 100, *noise, *TONE[50:], b"\xff\x7f" * FRAME_SAMPLES]
    assert {len(encoder.encode(frame)) for frame in said} == {OPUS_PACKET_BYTES}


def test_what_is_said_is_heard() -> None:
    # As if the listener's beat came 17 ms after each packet.
    carried = carry_voice(TONE, random_loss(0, 1), phase_s=0.018)
    assert loudness(carried.frames[50]) == pytest.approx(LOUD, rel=0.1)
    assert carried.counters.played == len(TONE)
    assert carried.counters.concealed == carried.counters.recovered == 0


def test_a_lost_packet_is_recovered_from_the_copy_in_its_successor() -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    encoder.expect_loss(0.1)
    # The voice begins in the gap, so nothing before it could tell.
    packets = [encoder.encode(frame) for frame in [SILENCE] * 50 + TONE]
    for packet in packets[:50]:
        decoder.decode(packet)
    assert max(loudness(decoder.conceal()) for _ in range(9)) < 0.01 * LOUD
    assert max(loudness(decoder.recover(packet)) for packet in packets[61:70]) > 0.5 * LOUD


def test_a_gap_is_filled_with_what_was_heard_last_and_fades() -> None:
    encoder, player = VoiceEncoder(), VoicePlayer()
    for at, frame in enumerate(TONE):
        player.put(FIRST + at, encoder.encode(frame), Instant(at * FRAME_S))
        player.play(Instant(at * FRAME_S + 0.015))
    gap = [player.play(Instant(3 + at * FRAME_S)) for at in range(30)]
    assert loudness(gap[0]) > 0.5 * LOUD
    assert gap[11:] == [SILENCE] * 19
    assert abs(array("h", gap[10])[-1]) < 100
    assert player.counters.concealed == 10


def test_after_calm_reports_the_voice_gets_its_highs_and_after_a_loss_its_copies() -> None:
    encoder = VoiceEncoder()
    highs = tone(40, pitch_hz=12_000.0)

    def heard() -> float:
        decoder = OpusDecoder()
        return loudness([decoder.decode(encoder.encode(frame)) for frame in highs][-1])

    assert heard() < 0.1 * LOUD
    reports = 0
    while encoder.expected_loss > 0:
        encoder.expect_loss(0.0)
        reports += 1
    assert 10 <= reports <= 30
    assert heard() > 0.5 * LOUD
    encoder.expect_loss(NO_LOSS / 2)
    assert encoder.expected_loss == 0
    encoder.expect_loss(0.03)
    assert heard() < 0.1 * LOUD


def test_a_packet_that_cannot_be_decoded_is_concealed_and_counted() -> None:
    encoder, player = VoiceEncoder(), VoicePlayer()
    for at, frame in enumerate(TONE):
        packet = encoder.encode(frame) if at % 10 else b""
        player.put(FIRST + at, packet, Instant(at * FRAME_S))
        assert len(player.play(Instant(at * FRAME_S + 0.015))) == FRAME_BYTES
    assert player.counters.refused == 10
    assert player.counters.played == 90


@given(data=st.binary(max_size=1400), other=st.binary(max_size=100))
def test_no_bytes_of_a_peer_make_the_player_raise_or_break_its_frames(
    data: bytes, other: bytes
) -> None:
    player = VoicePlayer()
    for at, packet in enumerate((data, other, data)):
        player.put(FIRST + 2 * at, packet, Instant(0.0))
    for beat in range(8):
        assert len(player.play(Instant(0.02 + beat * FRAME_S))) == FRAME_BYTES


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        bytes(1276),
        # 10 ms, 60 ms, and six frames of 20 ms (RFC 6716, 3.1).
        bytes([0b0000_0000]) + bytes(40),
        bytes([0b0001_1000]) + bytes(40),
        bytes([0b0000_1011, 6]) + bytes(40),
    ],
)
def test_only_packets_of_20_ms_are_decoded(packet: bytes) -> None:
    for decode in (OpusDecoder().decode, OpusDecoder().recover):
        with pytest.raises(MalformedError):
            decode(packet)


def test_only_whole_frames_are_encoded() -> None:
    for frame in (b"", SILENCE[:-1], SILENCE * 2):
        with pytest.raises(CodecError):
            OpusEncoder().encode(frame)


def test_a_frame_that_fades_over_begins_as_the_first_and_ends_as_the_second() -> None:
    first = array("h", [20_000] * FRAME_SAMPLES).tobytes()
    second = array("h", [-32_768] * FRAME_SAMPLES).tobytes()
    faded = array("h", fade_over(first, second))
    assert faded[0] == 20_000
    assert faded[-1] == pytest.approx(-32_768, abs=100)
    assert list(faded) == sorted(faded, reverse=True)


def test_where_the_library_is_missing_the_error_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(opus.ctypes.util, "find_library", lambda _name: None)
    opus._library.cache_clear()
    try:
        with pytest.raises(MissingPartError, match="libopus"):
            VoicePlayer()
    finally:
        opus._library.cache_clear()


def test_a_library_that_does_not_load_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "libopus-broken.so"
    broken.write_bytes(b"no library")
    good = opus._candidates()
    monkeypatch.setattr(opus, "_candidates", lambda: [str(broken), *good])
    opus._library.cache_clear()
    try:
        assert OpusDecoder().conceal() == SILENCE
    finally:
        opus._library.cache_clear()
