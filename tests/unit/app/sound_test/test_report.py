"""The report says from the caller's side what the callee's end of the call has shown."""

from dataclasses import replace

import msgspec
import pytest

from hark.app.sound_test.report import Findings, Grade, Measured, report
from hark.control.schema import Call, CallPath, CallQuality

DIRECT = CallPath(kind="direct", relay="", nat="none", address_shown=True, address_seen=True)
QUALITY = CallQuality(
    round_trip_ms=12.0,
    loss_sent=0.02,
    loss_received=0.004,
    jitter_ms=3.0,
    frames_played=990,
    frames_concealed=10,
    frames_refused=0,
)
CALL = Call(
    id="0" * 32,
    contact="hark1example",
    contact_name="Alice",
    outgoing=False,
    state="active",
    reason="",
    by_peer=False,
    refusal="",
    path=DIRECT,
    sas=[],
    heard=True,
    muted=False,
    held=False,
    recording=False,
    peer_muted=False,
    peer_held=False,
    peer_recording=False,
    quality=QUALITY,
    redials=0,
    duration_ms=9_000,
)


def changed(call: Call, **fields: object) -> Call:
    return msgspec.structs.replace(call, **fields)


def path(**fields: object) -> CallPath:
    return msgspec.structs.replace(DIRECT, **fields)


def quality(**fields: object) -> CallQuality:
    return msgspec.structs.replace(QUALITY, **fields)


def report_of(*calls: Call, recorded_ms: int | None = 4_200) -> str:
    findings = Findings(recorded_ms=recorded_ms)
    for call in calls:
        findings.take(call)
    return report(findings)


def test_report_of_a_direct_call_says_all_that_was_measured() -> None:
    assert report_of(CALL).splitlines() == [
        "Sound test",
        "Path: direct, from your node to mine; nothing in between passes it on.",
        "NAT: none in between.",
        "Addresses: I could see one of yours, and you one of mine.",
        "Round trip: 12.0 ms. Jitter: 3.0 ms.",
        "Loss: 0.4 % from you to me, 2.0 % from me to you.",
        "Quality: good, judged by loss, round trip, jitter, and the 1.0 % of your voice that "
        "had to be made up; not by listening.",
        "I recorded 4.2 s in memory, and have forgotten it.",
    ]


def test_report_of_a_relayed_call_names_the_relay_and_the_unknown_nat() -> None:
    relayed = path(kind="relayed", relay="relay.example", nat="unknown")
    text = report_of(changed(CALL, path=relayed))
    assert "Path: relayed by relay.example, which cannot hear what it passes on." in text
    assert "NAT: of what kind is not known." in text


@pytest.mark.parametrize(
    ("seen", "shown", "sentence"),
    [
        (True, True, "I could see one of yours, and you one of mine."),
        (True, False, "I could see one of yours; you could see none of mine."),
        (False, True, "you could see one of mine; I could see none of yours."),
        (False, False, "neither of us could see one of the other."),
    ],
)
def test_addresses_are_told_from_the_callers_side(
    seen: bool, shown: bool, sentence: str
) -> None:
    here = path(address_seen=seen, address_shown=shown)
    assert f"Addresses: {sentence}\n" in report_of(changed(CALL, path=here))


def test_refused_frames_are_told_when_there_were_any() -> None:
    assert "refused" not in report_of(CALL)
    assert "I refused 7 frames" in report_of(changed(CALL, quality=quality(frames_refused=7)))


def test_what_is_not_known_is_not_made_up() -> None:
    unknown = quality(round_trip_ms=-1.0, loss_sent=-1.0)
    text = report_of(changed(CALL, quality=unknown))
    assert "Round trip: not known." in text
    assert "an unknown share from me to you" in text


def test_hanging_up_early_is_told_with_what_was_seen() -> None:
    ended = changed(CALL, state="ended", reason="hung_up", by_peer=True, path=None)
    text = report_of(CALL, ended, recorded_ms=None)
    assert "You hung up before the test was over" in text
    assert "Path: direct" in text
    assert "recorded" not in text


def test_a_call_too_short_to_measure_says_so() -> None:
    assert "Nothing was measured" in report_of(changed(CALL, quality=None))


def test_a_call_that_broke_off_and_one_that_never_connected_say_so() -> None:
    assert "broke off" in report_of(changed(CALL, state="ended", reason="lost"))
    never = changed(CALL, state="ended", reason="no_path", path=None, quality=None)
    assert report_of(never).splitlines()[1].startswith("We were not connected")
    gone = changed(never, reason="hung_up", by_peer=True)
    assert report_of(gone).splitlines()[1:] == ["You hung up before we were connected."]


def test_redials_are_told() -> None:
    assert "made anew (2 ×)" in report_of(changed(CALL, redials=2))


def test_silence_is_told() -> None:
    assert "I heard nothing" in report_of(CALL, recorded_ms=0)


def test_measurements_are_taken_together_over_the_whole_call() -> None:
    findings = Findings()
    for loss in (0.0, 0.0, 0.3):
        findings.take(changed(CALL, quality=quality(loss_received=loss, loss_sent=-1.0)))
    assert findings.measured.loss_from_caller == pytest.approx(0.15)
    assert findings.measured.loss_to_caller is None
    assert len(findings.qualities) == 2


GOOD_CALL = Measured(
    round_trip_ms=20.0, jitter_ms=2.0, loss_to_caller=0.0, loss_from_caller=0.0, made_up=0.0
)


@pytest.mark.parametrize(
    ("measured", "grade"),
    [
        (GOOD_CALL, Grade.VERY_GOOD),
        (replace(GOOD_CALL, loss_to_caller=0.04), Grade.GOOD),
        (replace(GOOD_CALL, loss_from_caller=0.1), Grade.FAIR),
        (replace(GOOD_CALL, made_up=0.2), Grade.BAD),
        (replace(GOOD_CALL, round_trip_ms=300.0), Grade.GOOD),
        (replace(GOOD_CALL, round_trip_ms=900.0), Grade.BAD),
        (replace(GOOD_CALL, jitter_ms=50.0), Grade.FAIR),
        (replace(GOOD_CALL, jitter_ms=None), Grade.VERY_GOOD),
        (Measured(), Grade.BAD),
    ],
)
def test_the_worst_of_what_is_known_is_the_grade(measured: Measured, grade: Grade) -> None:
    assert measured.grade() == grade
