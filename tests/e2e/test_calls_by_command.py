"""Calls as two people make them from their terminals, with sound files instead of devices."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hark.app.cli.demo.stage import Stage
from hark.app.sound.score import stoi
from hark.app.sound.wav import WavReader
from tests.e2e.callers import ALICE, BOB, move_in
from tests.e2e.people import People

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

SPEECH = Path("/usr/share/sounds/alsa")
PATIENCE_S = 40
UNDERSTOOD_STOI = 0.8


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("calls") / "stage") as made:
        move_in(made)
        yield made


def speech(name: str) -> str:
    path = SPEECH / f"{name}.wav"
    if not path.exists():
        pytest.skip("needs the recordings of alsa-utils")
    return str(path)


def begin(stage: Stage, profile: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "hark.app.cli", "--profile", profile, *arguments],
        env=stage.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def until_said(process: "subprocess.Popen[str]", words: str) -> str:
    """Read what a command prints until it has said something; return all of it."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if words in line:
            return said
    raise AssertionError(f"it never said {words!r}, but: {said}")


def end_of(process: "subprocess.Popen[str]") -> str:
    out, _ = process.communicate(timeout=PATIENCE_S)
    return out


def frames_of(path: Path) -> list[bytes]:
    with WavReader(path) as reader:
        return list(iter(reader.next, None))


def emoji_in(said: str) -> str:
    return next(line.partition(": ")[2] for line in said.splitlines() if "Compare" in line)


def test_two_people_call_answer_hear_each_other_and_hang_up(
    stage: Stage, tmp_path: Path
) -> None:
    people = People(stage)
    heard_here, heard_there = tmp_path / "here.wav", tmp_path / "there.wav"
    said_here, said_there = speech("Front_Center"), speech("Rear_Left")
    caller = begin(stage, ALICE, "call", BOB, "--audio", said_here, "--record", str(heard_here))
    until_said(caller, "It rings")
    callee = begin(stage, BOB, "answer", "--audio", said_there, "--record", str(heard_there))
    there = until_said(callee, "The sound goes direct")
    here = until_said(caller, "The sound goes direct")
    assert emoji_in(here) == emoji_in(there)
    assert "RECORDS what you say" in here
    with pytest.raises(subprocess.TimeoutExpired):
        caller.wait(4)
    assert "Hung up" in people.ok(BOB, "hangup")
    assert "bob hung up" in end_of(caller)
    assert "You hung up" in end_of(callee)
    assert (caller.returncode, callee.returncode) == (0, 0)
    assert stoi(frames_of(Path(said_there)), frames_of(heard_here)) > UNDERSTOOD_STOI
    assert stoi(frames_of(Path(said_here)), frames_of(heard_there)) > UNDERSTOOD_STOI
    assert "You called bob: 0:0" in people.ok(ALICE, "history", BOB)
    assert "alice called: 0:0" in people.ok(BOB, "history", ALICE)


def test_who_is_not_there_finds_a_spoken_message_and_a_declined_call(
    stage: Stage, tmp_path: Path
) -> None:
    people = People(stage)
    message = speech("Side_Left")
    caller = begin(
        stage, ALICE, "call", BOB, "--audio", speech("Front_Center"), "--voicemail", message
    )
    until_said(caller, "It rings")
    assert "Declined" in people.ok(BOB, "hangup")
    assert "your message has been left" in end_of(caller)
    assert caller.returncode == 0
    stage.until(lambda: people.ok(BOB, "voicemail", "--json").strip() != "[]", "it has come")
    listed = json.loads(people.ok(BOB, "voicemail", "--json"))
    saved = tmp_path / "message.wav"
    people.ok(BOB, "voicemail", str(listed[0]["id"])[:8], "--save", str(saved))
    assert stoi(frames_of(Path(message)), frames_of(saved)) > UNDERSTOOD_STOI
    history = people.ok(BOB, "history", ALICE)
    assert "you declined" in history
    assert "left a spoken message" in history


def test_a_hidden_address_and_no_relay_end_a_call_with_a_sentence(stage: Stage) -> None:
    people = People(stage)
    assert people.ok(ALICE, "privacy", "--hide-address")
    try:
        done = people.hark(ALICE, "call", BOB, "--audio", speech("Front_Center"))
    finally:
        people.ok(ALICE, "privacy", "--show-address")
    assert done.code != 0
    assert "relay" in done.sentence()


def test_a_call_to_a_stranger_is_a_wish_that_the_stranger_sees(stage: Stage) -> None:
    people = People(stage)
    carol = "carol"
    home = str(stage.address)
    words = ["--words-file", str(stage.folder / "carol.words")]
    people.ok(carol, "init", "--name", carol, *words, "--supernode", home)
    client = stage.start_node(carol)
    stage.until(lambda: all(one.attached for one in client.whoami().homes), "mailboxes")
    people.ok(carol, "add", stage.client(BOB).whoami().link, BOB)
    done = people.hark(carol, "call", BOB, "--audio", speech("Front_Center"))
    assert done.code == 6
    assert "has not accepted you" in done.sentence()
    wishing = {"status": "requested", "wants_call": True}.items()
    stage.until(
        lambda: any(wishing <= one.items() for one in people.listed(BOB, "contacts")),
        "Bob sees the wish",
    )
    assert all(call.state == "ended" for call in stage.client(BOB).calls())
