"""Calls in words: what is new, how it does, how it ended; rows of history and contacts."""

import msgspec
import pytest

from hark.app.cli import output
from hark.app.cli.talk.screen import fitting
from hark.app.cli.talk.wording import ENDINGS, REFUSALS, STATES, error_of, news, status_line
from hark.calls.events import CallState
from hark.control.schema import Call, CallPath, CallQuality, Contact, Message
from hark.wire.call import CallOutcome, EndReason, Refusal

CALL = Call(
    id="0" * 32,
    contact="hark1bob",
    contact_name="Bob",
    outgoing=True,
    state="active",
    reason="",
    by_peer=False,
    refusal="",
    path=CallPath(
        kind="relayed", relay="re\x1blay", nat="unknown", address_shown=False, address_seen=True
    ),
    sas=[],
    heard=True,
    muted=False,
    held=True,
    recording=False,
    peer_muted=False,
    peer_held=False,
    peer_recording=False,
    quality=CallQuality(
        round_trip_ms=-1,
        loss_sent=-1,
        loss_received=0.2,
        jitter_ms=3,
        frames_played=0,
        frames_concealed=0,
        frames_refused=0,
    ),
    redials=0,
    duration_ms=3_601_000,
)
MESSAGE = Message(
    id="abcdef01" * 4,
    contact="hark1bob",
    outgoing=False,
    text="",
    sent_unix_ms=0,
    order=1,
    state="received",
    held_by=0,
    cause="none",
    kind="call",
    duration_ms=83_000,
)


def call(**fields: object) -> Call:
    return msgspec.structs.replace(CALL, **fields)


def row(**fields: object) -> str:
    shown = output.line_of(msgspec.structs.replace(MESSAGE, **fields), "Bo\x1bb")
    return shown.partition("  * ")[2]


def test_the_status_line_holds_what_counts_now() -> None:
    assert status_line(CALL, keys="q hang up") == (
        "60:01 · relayed · … ms, 20 % lost · emoji: checking · ON HOLD · q hang up"
    )
    broken = call(state="reconnecting", quality=None, sas=["🐶 Dog"] * 7, held=False)
    assert status_line(broken, keys="") == "60:01 · connecting again · relayed · "


def test_nothing_is_said_twice() -> None:
    first = list(news(None, CALL))
    assert first == [
        "Connected with Bob.",
        "The sound goes relayed by re<U+001B>lay; your address is hidden.",
        "You hold the call.",
    ]
    assert list(news(CALL, CALL)) == []
    assert list(news(CALL, call(quality=None, duration_ms=9))) == []


def test_a_call_that_is_being_made_is_said_once() -> None:
    opening = call(state="opening", path=None, held=False)
    assert list(news(None, opening)) == ["Calling Bob …"]
    assert list(news(opening, call(state="calling", path=None, held=False))) == []


@pytest.mark.parametrize("state", list(CallState), ids=str)
def test_every_state_can_be_shown(state: CallState) -> None:
    shown = call(state=state.value, contact_name="Bo\x1bb")
    assert "\x1b" not in "".join([*news(None, shown), status_line(shown, keys="")])
    assert state.value in STATES or state is CallState.ENDED


@pytest.mark.parametrize("reason", list(EndReason), ids=lambda reason: reason.name)
def test_every_end_before_an_answer_is_an_error_with_words(reason: EndReason) -> None:
    ended = call(
        state="ended", reason=reason.name.lower(), heard=False, duration_ms=0, refusal="none"
    )
    error = error_of(ended)
    assert error is not None
    assert error.exit_code in {1, 5, 6}
    assert set(ENDINGS) < {each.name.lower() for each in EndReason}


def test_a_call_that_was_talked_in_and_ended_is_no_error() -> None:
    for by_peer in (False, True):
        assert error_of(call(state="ended", reason="hung_up", by_peer=by_peer)) is None
    assert error_of(call(state="ended", reason="lost")) is not None


def test_every_refusal_has_words() -> None:
    assert set(REFUSALS) == set(Refusal)


def test_a_line_is_cut_to_the_width_of_the_terminal() -> None:
    assert fitting("abcdef", 4) == "abcd"
    assert fitting("🐶🐶🐶", 5) == "🐶🐶"
    assert fitting("☁️b", 2) == "☁️b"


@pytest.mark.parametrize("outcome", list(CallOutcome), ids=lambda outcome: outcome.name)
@pytest.mark.parametrize("outgoing", [False, True])
def test_every_outcome_of_a_call_can_be_shown(outcome: CallOutcome, *, outgoing: bool) -> None:
    shown = row(outcome=outcome.name.lower(), outgoing=outgoing)
    who = "You called Bo<U+001B>b: " if outgoing else "Bo<U+001B>b called: "
    assert shown.startswith(who)
    assert len(shown) > len(who)


def test_calls_and_spoken_messages_have_rows_that_no_text_can_look_like() -> None:
    assert row(outcome="answered") == "Bo<U+001B>b called: 1:23"
    assert row(outcome="missed") == "Bo<U+001B>b called: missed"
    assert row(outcome="missed", outgoing=True) == "You called Bo<U+001B>b: no answer"
    assert row(outcome="\x1b") == "Bo<U+001B>b called: <U+001B>"
    left = row(kind="voicemail", duration_ms=7_900)
    assert left == "Bo<U+001B>b left a spoken message, 0:07: hark voicemail abcdef01"
    sent = row(kind="voicemail", outgoing=True, state="delivered")
    assert sent == "You left a spoken message, 1:23   [delivered]"
    assert row(kind="hologram") == "Something that a newer hark can show."
    text = output.line_of(msgspec.structs.replace(MESSAGE, kind="text", text="\n  * x"), "Bob")
    head, second = text.split("\n")
    # A row of a call begins with its time.
    assert head.endswith("  Bob: ")
    assert second.startswith(" " * 8)


def test_who_would_like_to_call_is_shown_among_the_contacts() -> None:
    contact = Contact(
        account="hark1bob",
        name="Bob",
        status="requested",
        trust="unverified",
        safety_number="",
        devices=1,
        unread=0,
        last_unix_ms=0,
        wants_call=True,
    )
    assert output.contact_line(contact).endswith("not verified  would like to call you")
