"""`hark call`, `answer` and `hangup` before a person and for a script, over a fake node."""

import array
import asyncio
import functools
import json
import signal
import termios
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from hark.app.cli.talk.spoken import packets_of
from hark.app.sound.wav import WavReader, WavWriter
from hark.control.schema import Call, Message
from hark.errors import NoSuchCallError
from hark.wire.sound import FRAMES_PER_S, OPUS_PACKET_BYTES
from tests.e2e.terminal import Terminal
from tests.shell.cli.phone import PATH, SAS, TIMEOUT_S, Phone, ended, until
from tests.shell.control.fake_calls import change, frame_of
from tests.shell.control.fake_node import FakeNode, message_of

SLOW_S = 0.5
"""How long a busy node takes to place or answer a call."""


@pytest.fixture
def phone(tmp_path: Path) -> Iterator[Phone]:
    with Phone(tmp_path / "home") as phone:
        yield phone


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """One second of numbered frames."""
    return wav_of(tmp_path / "in.wav", [frame_of(number) for number in range(FRAMES_PER_S)])


def wav_of(path: Path, frames: list[bytes]) -> Path:
    writer = WavWriter(path)
    for frame in frames:
        writer.write(frame)
    writer.close()
    return path


def frames_in(path: Path) -> list[bytes]:
    with WavReader(path) as reader:
        return list(iter(reader.next, None))


@pytest.mark.claim("C-8")
def test_a_script_calls_with_a_file_and_keeps_what_it_hears(
    phone: Phone, speech: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.wav"
    child = phone.hark("call", "bob", "--audio", str(speech), "--record", str(out))
    assert phone.placed().recording
    sound = phone.sound()
    phone.answer()
    answered_s = time.monotonic()
    until(lambda: len(sound.pushed) >= FRAMES_PER_S)
    # Never faster than it is spoken; the first frame goes at once.
    assert time.monotonic() - answered_s > (FRAMES_PER_S - 2) * 0.02
    phone.give(*(frame_of(1_000 + number) for number in range(9)))
    time.sleep(0.3)
    phone.end(duration_ms=61_000)
    code, shown, complaint = ended(child)
    assert (code, complaint) == (0, "")
    assert sound.pushed == [frame_of(number) for number in range(FRAMES_PER_S)]
    assert frames_in(out) == [frame_of(1_000 + number) for number in range(9)]
    assert shown.splitlines() == [
        "Calling bob …",
        "You record; bob is told.",
        "It rings at bob.",
        "bob has answered.",
        "Connected with bob.",
        "The sound goes direct; bob can see an address of yours.",
        f"Compare with bob: {', '.join(SAS)}",
        "bob hung up after 1:01 (12 ms, 1 % lost).",
    ]


def test_a_program_reads_how_the_call_ended(phone: Phone, speech: Path) -> None:
    child = phone.hark("call", "bob", "--audio", str(speech), "--json")
    phone.sound()
    phone.answer()
    phone.end()
    code, shown, _complaint = ended(child)
    assert code == 0
    assert json.loads(shown)["reason"] == "hung_up"


@pytest.mark.parametrize(
    ("fields", "code", "sentence"),
    [
        ({"reason": "no_answer", "by_peer": False}, 5, "Nobody answered."),
        ({"reason": "declined"}, 1, "the call was declined"),
        ({"reason": "busy"}, 1, "the other side is in another call"),
        ({"reason": "failed"}, 5, "no connection could be made"),
        ({"reason": "lost", "duration_ms": 9_000}, 5, "the connection broke"),
        ({"reason": "no_path"}, 5, "there is no relay"),
        ({"reason": "unknown_call"}, 5, "has been started again"),
        ({"reason": "cancelled", "by_peer": False}, 1, "you gave up"),
        (
            {"reason": "refused", "refusal": "wrong_transcript", "by_peer": False},
            6,
            "this side refused it: the two sides have not seen the same signals",
        ),
        (
            {"reason": "refused", "refusal": "wrong_certificate"},
            6,
            "the other side refused it: another certificate",
        ),
        ({"reason": "refused", "refusal": "of_2030\x1b"}, 6, "of_2030<U+001B>"),
    ],
    ids=lambda value: (
        value.get("refusal") or value["reason"] if isinstance(value, dict) else ""
    ),
)
def test_a_call_that_was_none_says_why_and_how(
    phone: Phone, speech: Path, fields: dict[str, str], code: int, sentence: str
) -> None:
    out = speech.with_name("out.wav")
    child = phone.hark("call", "bob", "--audio", str(speech), "--record", str(out))
    phone.sound()
    phone.end(**fields)
    given, _shown, complaint = ended(child)
    assert given == code
    assert complaint.startswith("hark: ")
    assert sentence in complaint
    assert complaint.count("\n") == 1
    assert not out.exists()


def test_a_name_cannot_steer_the_terminal(phone: Phone, speech: Path) -> None:
    child = phone.hark("call", "bob", "--audio", str(speech))
    phone.sound()
    phone.change(contact_name="b\x1b[2Job", state="ringing")
    phone.end()
    assert "It rings at b<U+001B>[2Job." in ended(child)[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_hangs_up(phone: Phone, speech: Path, number: signal.Signals) -> None:
    child = phone.hark("call", "bob", "--audio", str(speech))
    phone.sound()
    phone.answer()
    assert child.stdout is not None
    while "Compare" not in child.stdout.readline():
        pass
    child.send_signal(number)
    assert ended(child)[0] == 0
    assert phone.placed().reason == "hung_up"
    assert not phone.placed().by_peer


def test_a_node_that_stops_ends_the_call(phone: Phone, speech: Path) -> None:
    child = phone.hark("call", "bob", "--audio", str(speech))
    phone.sound()
    phone.answer()
    phone.stop()
    code, _shown, complaint = ended(child)
    assert code == 5
    assert complaint.startswith("hark: hark is not running")


def test_a_wrong_file_is_noticed_before_anybody_is_called(phone: Phone, tmp_path: Path) -> None:
    text = tmp_path / "in.wav"
    text.write_text("no sound")
    for option in ("--audio", "--voicemail"):
        code, _shown, complaint = ended(phone.hark("call", "bob", option, str(text)))
        assert code == 2
        assert "in.wav is no WAV file" in complaint
    assert phone.calls.known == {}


@pytest.mark.skipif(
    Path("/dev/snd/controlC0").exists(), reason="this machine has a sound card of its own"
)
def test_without_any_sound_device_files_are_offered(phone: Phone) -> None:
    code, _shown, complaint = ended(phone.hark("call", "bob"))
    assert code == 3
    assert "--audio in.wav --record out.wav" in complaint
    assert complaint.count("\n") == 1
    assert phone.calls.known == {}


def test_nobody_is_called_by_a_name_that_is_unknown(phone: Phone, speech: Path) -> None:
    assert ended(phone.hark("call", "eve", "--audio", str(speech)))[0] == 2
    assert phone.calls.known == {}


def test_who_finds_nobody_leaves_a_message(phone: Phone, speech: Path, tmp_path: Path) -> None:
    long = wav_of(tmp_path / "long.wav", [bytes(1920)] * (26 * FRAMES_PER_S))
    child = phone.hark("call", "bob", "--audio", str(speech), "--voicemail", str(long))
    phone.sound()
    phone.end(reason="no_answer", by_peer=False)
    code, shown, complaint = ended(child)
    assert code == 0
    assert "only the first 25 s of long.wav" in complaint
    assert "your message has been left (0:25)" in shown
    assert len(phone.calls.voicemail) == 25 * FRAMES_PER_S * OPUS_PACKET_BYTES


@pytest.mark.claim("C-8")
def test_keys_mute_hold_record_and_hang_up(phone: Phone, speech: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.wav"
    arguments = ["call", "bob", "--audio", str(speech), "--record", str(out)]
    with Terminal(arguments, phone.environment) as terminal:
        before = termios.tcgetattr(terminal._descriptor)
        phone.sound()
        phone.answer()
        terminal.wait_for("q hang up")
        terminal.wait_for("0:00 · direct · 12 ms, 1 % lost · RECORDING · m mute")
        terminal.type("m")
        terminal.wait_for("You are muted.")
        terminal.wait_for("· MUTED")
        terminal.type("h")
        terminal.wait_for("You hold the call.")
        terminal.type("m")
        terminal.wait_for("You can be heard again.")
        terminal.type("r")
        terminal.wait_for("You do not record any more.")
        phone.give(frame_of(1))
        phone.change(peer_recording=True)
        terminal.wait_for("bob RECORDS what you say.")
        terminal.type("\x1a")
        terminal.type("r")
        until(lambda: phone.placed().recording)
        time.sleep(0.1)
        phone.give(frame_of(2))
        time.sleep(0.3)
        terminal.type("q")
        assert terminal.wait_for_end() == 0
        assert "You hung up after" in terminal.shown
        assert termios.tcgetattr(terminal._descriptor) == before
    assert frames_in(out) == [frame_of(2)]


def test_the_terminal_is_given_back_when_the_node_stops(phone: Phone, speech: Path) -> None:
    arguments = ["call", "bob", "--audio", str(speech)]
    with Terminal(arguments, phone.environment) as terminal:
        before = termios.tcgetattr(terminal._descriptor)
        phone.sound()
        phone.answer()
        terminal.wait_for("Compare with bob")
        assert termios.tcgetattr(terminal._descriptor) != before
        phone.stop()
        assert terminal.wait_for_end() == 5
        assert termios.tcgetattr(terminal._descriptor) == before


def test_a_relayed_call_and_a_broken_one_are_told(phone: Phone, speech: Path) -> None:
    child = phone.hark("call", "bob", "--audio", str(speech))
    phone.sound()
    phone.answer()
    phone.change(state="reconnecting")
    relayed = change_path(kind="relayed", relay="relay.example", address_shown=False)
    phone.change(state="active", path=relayed, duration_ms=900)
    phone.change(peer_held=True, duration_ms=950)
    phone.end()
    shown = ended(child)[1]
    assert "The connection broke; another one is being made." in shown
    assert "Connected again." in shown
    assert "relayed by relay.example; your address is hidden" in shown
    assert "bob holds the call." in shown


def change_path(**fields: object) -> object:
    return msgspec.structs.replace(PATH, **fields)


def test_when_both_call_at_once_the_call_that_stays_goes_on(phone: Phone, speech: Path) -> None:
    phone.calls.limit = 2
    child = phone.hark("call", "bob", "--audio", str(speech))
    first = phone.placed()
    phone.sound()
    other = change(first, id="f" * 32, state="connecting", outgoing=False)
    phone.served.call(lambda: phone.calls._note(other))
    phone.end(reason="glare")
    until(lambda: "f" * 32 in phone.calls.sounds)
    sound = phone.calls.sounds["f" * 32]
    phone.served.call(lambda: phone.calls.change("f" * 32, state="active", duration_ms=1))
    until(lambda: sound.pushed)
    phone.served.call(lambda: phone.calls.end("f" * 32, by_peer=True))
    code, shown, _complaint = ended(child)
    assert code == 0
    assert "Connected with bob." in shown


def test_what_rings_is_answered(phone: Phone, speech: Path) -> None:
    phone.ring()
    child = phone.hark("answer", "--audio", str(speech))
    until(lambda: phone.placed().state == "connecting")
    phone.change(state="active", duration_ms=10)
    sound = phone.sound()
    until(lambda: sound.pushed)
    phone.end()
    code, shown, _complaint = ended(child)
    assert code == 0
    assert "Nobody is calling" not in shown
    assert "Connected with bob." in shown


def test_who_answers_before_it_rings_waits(phone: Phone, speech: Path) -> None:
    child = phone.hark("answer", "bob", "--audio", str(speech))
    assert child.stdout is not None
    assert child.stdout.readline().startswith("Nobody is calling. Waiting")
    phone.ring()
    until(lambda: phone.placed().state == "connecting")
    phone.end(duration_ms=2_000)
    assert ended(child)[0] == 0


def test_a_caller_who_gives_up_too_soon_is_waited_for_again(
    phone: Phone, speech: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = phone.ring()

    def gone(_call_id: str, **_fields: object) -> object:
        monkeypatch.undo()
        phone.calls.change(first.id, state="ended", reason="cancelled", by_peer=True)
        raise NoSuchCallError

    monkeypatch.setattr(phone.calls, "change", gone)
    child = phone.hark("answer", "--audio", str(speech))
    assert child.stdout is not None
    assert child.stdout.readline() == "That caller has just given up.\n"
    phone.served.call(lambda: phone.calls.ring(2))
    until(lambda: phone.calls.known["0" * 31 + "2"].state == "connecting")
    phone.served.call(lambda: phone.calls.end("0" * 31 + "2", by_peer=True))
    assert ended(child)[0] == 1


def test_a_chat_tells_of_whoever_calls_and_of_what_became_of_it(phone: Phone) -> None:
    with Terminal(["chat", "bob"], phone.environment) as terminal:
        terminal.wait_for("> ")
        phone.ring()
        terminal.wait_for("(bob is calling: hark answer)")
        phone.change(muted=True)
        rung = message_of(7, "", outgoing=False, kind="call")
        for outcome in ("ringing", "missed"):
            message = change_message(rung, outcome=outcome, unread=outcome == "missed")
            publish = functools.partial(phone.served.node.publish, "state", message)
            phone.served.call(publish)
        terminal.wait_for("* bob called: missed")
        assert terminal.shown.count("is calling") == 1
        assert "ringing" not in terminal.shown
        assert terminal.press_until_end("\x04") == 0


def change_message(message: Message, **fields: object) -> Message:
    return msgspec.structs.replace(message, **fields)


def test_ctrl_c_ends_the_waiting(phone: Phone, speech: Path) -> None:
    child = phone.hark("answer", "--audio", str(speech))
    assert child.stdout is not None
    child.stdout.readline()
    child.send_signal(signal.SIGINT)
    code, _shown, complaint = ended(child)
    assert (code, complaint) == (130, "")


@pytest.mark.parametrize("command", ["call", "answer"])
def test_ctrl_c_while_the_node_is_about_it_leaves_no_call_behind(
    command: str, tmp_path: Path, speech: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()

    def slowly(method: Callable[..., Awaitable[Call]]) -> Callable[..., Awaitable[Call]]:
        async def slow(node: FakeNode, request: object) -> Call:
            asked.set()
            await asyncio.sleep(SLOW_S)
            return await method(node, request)

        return slow

    for name in ("place_call", "answer_call"):
        monkeypatch.setattr(FakeNode, name, slowly(getattr(FakeNode, name)))
    with Phone(tmp_path / "home") as phone:
        if command == "answer":
            phone.ring()
        child = phone.hark(command, "bob", "--audio", str(speech))
        assert asked.wait(TIMEOUT_S)
        child.send_signal(signal.SIGINT)
        code, _shown, complaint = ended(child)
        time.sleep(SLOW_S)
        assert (code, complaint) == (130, "")
        assert phone.placed().state == "ended"


def test_hangup_ends_what_goes_on_and_declines_what_rings(phone: Phone) -> None:
    phone.ring()
    assert ended(phone.hark("hangup", "bob"))[:2] == (0, "Declined: bob\n")
    phone.change(state="active", reason="")
    assert ended(phone.hark("hangup"))[:2] == (0, "Hung up: bob\n")
    code, _shown, complaint = ended(phone.hark("hangup"))
    assert code == 1
    assert "There is no such call" in complaint


def test_hangup_ends_the_other_calls_when_one_is_over_at_that_moment(
    phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone.ring()
    second = phone.served.call(lambda: phone.calls.ring(2))
    end = phone.calls.end

    def first_has_gone(call_id: str, *, by_peer: bool = False) -> Call:
        if call_id != second.id:
            raise NoSuchCallError
        return end(call_id, by_peer=by_peer)

    monkeypatch.setattr(phone.calls, "end", first_has_gone)
    assert ended(phone.hark("hangup"))[:2] == (0, "Declined: bob\n")
    assert phone.calls.known[second.id].state == "ended"


def test_privacy_is_shown_and_changed(phone: Phone) -> None:
    assert "can see an address" in ended(phone.hark("privacy"))[1]
    assert "Nobody sees" in ended(phone.hark("privacy", "--hide-address"))[1]
    assert phone.calls.hide_address
    assert json.loads(ended(phone.hark("privacy", "--json"))[1]) == {"hide_address": True}
    assert "can see" in ended(phone.hark("privacy", "--show-address"))[1]


def test_a_spoken_message_is_listed_saved_and_read(
    phone: Phone, speech: Path, tmp_path: Path
) -> None:
    message = message_of(7, "", outgoing=False, unread=True, kind="voicemail")
    phone.served.node.talk.append(message)
    phone.served.node.unread.append(message.id)
    phone.calls.voicemail = packets_of(frames_in(speech)) + b"\xff" * OPUS_PACKET_BYTES
    listed = ended(phone.hark("voicemail"))[1]
    assert listed.startswith("00000000  ")
    assert listed.endswith("new\n")
    out = tmp_path / "message.wav"
    code, _shown, _complaint = ended(phone.hark("voicemail", "0000", "--save", str(out)))
    assert code == 0
    frames = frames_in(out)
    # The last packet is none; something is played in its place.
    assert len(frames) == FRAMES_PER_S + 1
    assert max(array.array("h", b"".join(frames))) > 100
    assert phone.served.node.unread == []
    assert ended(phone.hark("voicemail", "1"))[0] == 2
    assert ended(phone.hark("voicemail", "--save", "x.wav"))[0] == 2
