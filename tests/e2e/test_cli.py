"""The command line by hand, with real processes: what works, and every way it can go wrong."""

import json
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hark.app.cli.demo.stage import Stage
from tests.e2e.people import People

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

WHOAMI_S = 0.25
"""What `hark whoami` may take, in seconds."""


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    with Stage(tmp_path_factory.mktemp("people") / "home") as stage:
        stage.start_supernode()
        people = People(stage)
        try:
            people.move_in("alice")
            people.move_in("bob")
            link = people.facts("alice", "invite")["link"]
            people.ok("bob", "add", str(link), "Alice")
            stage.until(lambda: befriended(people), "they are contacts")
            yield people
        finally:
            for profile in ("alice", "bob"):
                people.hark(profile, "down")


def befriended(people: People) -> bool:
    return all(
        [contact["status"] for contact in people.listed(profile, "contacts")] == ["accepted"]
        for profile in ("alice", "bob")
    )


def test_an_account_is_shown(people: People) -> None:
    account = people.facts("alice", "whoami")
    assert str(account["account"]).startswith("hark1")
    shown = people.ok("alice", "whoami")
    assert str(account["account"]) in shown
    assert "connected" in shown


def test_the_words_are_for_the_owner_alone(people: People) -> None:
    file = people.words_file("alice")
    assert len(file.read_text().split()) == 24
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_both_see_the_same_safety_number_and_verify(people: People) -> None:
    refused = people.hark("alice", "verify", "Bob")
    assert refused.code == 2
    assert "--yes" in refused.sentence()
    alice = people.facts("alice", "verify", "Bob", "--yes")
    bob = people.facts("bob", "verify", "Alice", "--yes")
    assert alice["safety_number"] == bob["safety_number"]
    assert len(str(alice["safety_number"])) == 60
    assert (alice["trust"], bob["trust"]) == ("verified", "verified")
    assert "verified" in people.ok("alice", "contacts")


def test_messages_are_sent_and_shown(people: People) -> None:
    held = people.facts("alice", "send", "Bob", "see", "you", "--wait", "held")
    assert held["text"] == "see you"
    assert held["state"] in {"held", "delivered", "read"}
    people.stage.until(
        lambda: "see you" in people.ok("bob", "history", "Alice"), "Bob has the message"
    )


def test_a_text_comes_from_standard_input(people: People) -> None:
    text = "two lines,\n  Grüße\n"
    sent = json.loads(people.ok("alice", "send", "Bob", "-", "--json", stdin=text))
    assert sent["text"] == text.removesuffix("\n")


def test_a_chat_shows_and_sends_and_reads(people: People) -> None:
    chat = people.start_chat("bob", "Alice")
    assert chat.stdin is not None
    assert chat.stdout is not None
    try:
        sent = people.facts("alice", "send", "Bob", "are you there?", "--wait", "read")
        assert sent["state"] == "read"
        chat.stdin.write("I am here\n")
        chat.stdin.flush()
        people.stage.until(
            lambda: "I am here" in people.ok("alice", "history", "Bob"), "Alice has the answer"
        )
        out, _err = chat.communicate(timeout=20)
    finally:
        chat.kill()
        chat.wait()
    assert chat.returncode == 0
    assert "Alice: are you there?" in out
    assert "you: I am here" in out


@pytest.mark.claim("C-2")
def test_text_of_others_cannot_steer_the_terminal(people: People) -> None:
    text = "\x1b]0;owned\x07\x1b[2J\u202egpj.exe\rfake"
    people.ok("bob", "send", "Alice", text, "--wait", "held")
    people.stage.until(
        lambda: "owned" in people.ok("alice", "history", "Bob"), "Alice has the message"
    )
    shown = people.ok("alice", "history", "Bob") + people.ok(
        "alice", "history", "Bob", "--json"
    )
    for char in "\x1b\x07\r\u202e":
        assert char not in shown
    assert "<U+001B>]0;owned<U+0007>" in shown


def test_a_message_that_is_too_long_is_refused(people: People) -> None:
    refused = people.hark("alice", "send", "Bob", "-", stdin="x" * 16_385)
    assert refused.code == 2
    assert "too long" in refused.sentence()
    assert people.hark("alice", "send", "Bob", "-", stdin="x" * 200_000).code == 2
    assert people.hark("alice", "send", "Bob", "-", stdin=b"\xff\xfe").code == 2
    assert people.hark("alice", "send", "Bob", "").code == 2


def test_a_reader_that_goes_away_does_no_harm(people: People) -> None:
    command = [sys.executable, "-m", "hark.app.cli", "--profile", "alice", "contacts"]
    program = subprocess.Popen(
        command, env=people.stage.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert program.stdout is not None
    assert program.stderr is not None
    program.stdout.close()
    complaint = program.stderr.read()
    program.stderr.close()
    assert program.wait(20) in {0, 1}
    assert b"Traceback" not in complaint
    assert b"BrokenPipe" not in complaint


def test_a_doctor_finds_all_well(people: People) -> None:
    diagnosis = people.facts("alice", "doctor")
    assert diagnosis["checks"]
    assert "LOOK" not in people.ok("alice", "doctor")


def answers(people: People, text: str) -> int:
    """Return how often Bob has written this text to Alice."""
    messages = people.listed("alice", "history", "Bob")
    return sum(message["text"] == text and not message["outgoing"] for message in messages)


def test_a_bot_answers_also_what_came_while_it_was_dead(people: People) -> None:
    stage = people.stage
    stage.start_echo("bob")
    people.ok("alice", "send", "Bob", "echo one")
    stage.until(lambda: answers(people, "echo one") == 1, "the bot answers")
    stage.kill("bob-bot")
    people.ok("alice", "send", "Bob", "echo two")
    people.ok("alice", "send", "Bob", "echo three", "--wait", "held")
    stage.start_echo("bob")
    stage.until(lambda: answers(people, "echo three") == 1, "the bot answers what it missed")
    assert answers(people, "echo two") == 1
    assert answers(people, "echo one") == 1
    stage.kill("bob-bot")


def test_an_unknown_contact_is_a_usage_error(people: People) -> None:
    for command in (["send", "Eve", "hello"], ["history", "Eve"], ["chat", "Eve"]):
        refused = people.hark("alice", *command)
        assert refused.code == 2
        assert "no contact of that name" in refused.sentence()


@pytest.mark.parametrize(
    "damage",
    [
        lambda link: link[:-1] + ("q" if link[-1] != "q" else "p"),
        lambda link: link[:-7],
        lambda link: "https://example.org/" + link,
        lambda link: link.replace("hark:", "hark:x"),
        lambda _link: "",
        lambda _link: "hark:" + "q" * 1000,
    ],
    ids=["mistyped", "cut off", "no link", "other prefix", "empty", "too long"],
)
def test_a_damaged_link_is_a_usage_error(people: People, damage: object) -> None:
    assert callable(damage)
    link = str(people.facts("alice", "invite")["link"])
    refused = people.hark("bob", "add", damage(link), "Somebody")
    assert refused.code == 2
    refused.sentence()


def test_a_link_is_read_from_input_so_that_no_other_user_sees_it(people: People) -> None:
    link = str(people.facts("alice", "invite")["link"])
    refused = people.hark("bob", "add", "-", "Alice", stdin=link[:-1] + "\n")
    assert refused.code == 2
    refused.sentence()
    taken = people.hark("bob", "add", "-", "Alice", stdin=link + "\n")
    assert taken.code == 0
    assert "Alice is in your contacts" in taken.out


def test_mistyped_words_are_a_usage_error(people: People) -> None:
    words = people.words_file("alice").read_text().split()
    assert people.stage.address is not None
    home = ["--supernode", str(people.stage.address)]
    for wrong in (words[:-1], [*words[1:], words[0]], ["zzzz", *words[1:]]):
        refused = people.hark("new", "restore", *home, stdin=" ".join(wrong))
        assert refused.code == 2
        assert "recovery words" in refused.sentence()
    assert not people.stage.paths("new").data_dir.exists()


def test_an_account_is_never_made_over_another(people: People) -> None:
    assert people.stage.address is not None
    words = people.stage.folder / "second.words"
    home = ["--supernode", str(people.stage.address)]
    refused = people.hark("alice", "init", *home, "--words-file", str(words))
    assert refused.code == 2
    assert not words.exists()
    assert people.facts("alice", "whoami")["name"] == "Alice"


def test_two_programs_on_one_store_are_refused(people: People) -> None:
    for arguments in (["up"], ["up", "--detach"]):
        refused = people.hark("alice", *arguments)
        assert refused.code == 3
        assert "Another hark program" in refused.sentence()


@pytest.mark.claim("D-1")
def test_a_wrong_passphrase_is_said(people: People) -> None:
    assert people.stage.address is not None
    words = str(people.stage.folder / "carol.words")
    home = str(people.stage.address)
    people.ok("carol", "init", "--supernode", home, "--words-file", words)
    for arguments in (["up"], ["up", "--detach"]):
        refused = people.hark("carol", *arguments, HARK_PASSPHRASE="wrong")
        assert refused.code == 4
        assert "passphrase" in refused.sentence()


@pytest.mark.parametrize("command", ["whoami", "contacts", "invite", "down", "doctor", "echo"])
def test_without_a_node_a_command_says_so(people: People, command: str) -> None:
    stopped = people.hark("carol", command)
    assert stopped.code == 5
    assert "hark up" in stopped.sentence()


def test_without_an_account_up_says_so(people: People) -> None:
    for arguments in (["up"], ["up", "--detach"], ["doctor"]):
        refused = people.hark("nobody", *arguments)
        assert refused.code == 2
        assert "hark init" in refused.sentence()


def test_whoami_loads_only_what_it_needs_and_answers_at_once(people: People) -> None:
    program = (
        "import sys; from hark.app.cli.main import run\n"
        "assert run(['--profile', 'alice', 'whoami']) == 0\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    spent: list[float] = []
    loaded: set[str] = set()
    for _attempt in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=people.stage.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        loaded = {name.partition(".")[0] for name in done.stderr.split()}
    heavy = {
        "aiortc",
        "av",
        "sounddevice",
        "starlette",
        "uvicorn",
        "httpx",
        "websockets",
        "cryptography",
    }
    heavy |= {"vodozemac", "sqlcipher3", "keyring", "segno", "asyncio", "pydantic", "mnemonic"}
    assert not loaded & heavy
    # Processor time: this machine may have other things to do.
    assert min(spent) < WHOAMI_S


def test_blocked_contacts_get_nothing(people: People) -> None:
    people.ok("alice", "block", "Bob")
    refused = people.hark("alice", "send", "Bob", "hello")
    assert refused.code == 6
    assert "blocked" in refused.sentence()
    people.ok("alice", "accept", "Bob")
    people.ok("alice", "send", "Bob", "hello again")


def test_a_node_stops_and_starts_again(people: People) -> None:
    account = people.facts("bob", "whoami")["account"]
    people.ok("bob", "down")
    assert not people.stage.paths("bob").socket.exists()
    assert people.hark("bob", "whoami").code == 5
    people.ok("bob", "up", "--detach")
    assert people.facts("bob", "whoami")["account"] == account


def test_the_supernode_is_reached_by_its_own_command(people: People) -> None:
    command = [sys.executable, "-m", "hark.app.cli", "supernode", "identity"]
    done = subprocess.run(
        [*command, "--data", str(people.stage.supernode_dir)],
        env=people.stage.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(people.stage.address)


def test_nothing_is_left_open_to_others(people: People) -> None:
    paths = people.stage.paths("alice")
    for path in (paths.data_dir, *paths.data_dir.rglob("*"), paths.socket, paths.socket.parent):
        assert not Path(path).stat().st_mode & 0o077, path
    assert os.environ.get("HARK_HOME") is None
