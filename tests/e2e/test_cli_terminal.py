"""The commands that speak with a person, on a real terminal."""

import re
from collections.abc import Iterator

import pytest

from hark.app.cli.demo.stage import Stage
from tests.e2e.people import People
from tests.e2e.terminal import Terminal

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    with Stage(tmp_path_factory.mktemp("terminal") / "home") as stage:
        stage.start_supernode()
        people = People(stage)
        try:
            people.move_in("alice")
            people.move_in("bob")
            people.ok("bob", "add", str(people.facts("alice", "invite")["link"]), "Alice")
            stage.until(
                lambda: "accepted" in people.ok("alice", "contacts"), "Alice has a contact"
            )
            stage.until(lambda: "accepted" in people.ok("bob", "contacts"), "so has Bob")
            yield people
        finally:
            for profile in ("alice", "bob"):
                people.hark(profile, "down")


def environment_of(people: People) -> dict[str, str]:
    """Return the environment of somebody who types the passphrase."""
    named = people.stage.environment
    return {name: value for name, value in named.items() if name != "HARK_PASSPHRASE"}


def test_init_asks_for_a_passphrase_and_for_three_words_back(people: People) -> None:
    arguments = ["init", "--profile", "zoe", "--supernode", str(people.stage.address)]
    with Terminal(arguments, environment_of(people)) as terminal:
        terminal.wait_for("Passphrase: ")
        terminal.type("secret words\n")
        terminal.wait_for("Once more: ")
        terminal.type("secret words\n")
        words: dict[str, str] = {}
        for asked in range(3):
            while len(re.findall(r"Word \d+: ", terminal.shown)) <= asked:
                terminal.wait_for("\nWord ")
                terminal._read(0.2)
            words = dict(re.findall(r"(\d+)\. ([a-z]+)", terminal.shown))
            terminal.type(words[re.findall(r"Word (\d+): ", terminal.shown)[asked]] + "\n")
        assert terminal.wait_for_end() == 0
        assert len(words) == 24
        assert "secret" not in terminal.shown
        assert "hark up --profile zoe" in terminal.shown
    opened = people.hark("zoe", "up", "--detach", HARK_PASSPHRASE="secret words")
    assert opened.code == 0
    people.ok("zoe", "down")


def test_a_line_that_is_being_typed_survives_an_incoming_message(people: People) -> None:
    with Terminal(["chat", "Bob", "--profile", "alice"], people.stage.environment) as terminal:
        terminal.wait_for("> ")
        terminal.type("half a li")
        terminal.wait_for("half a li")
        people.ok("bob", "send", "Alice", "in between \x1b[31m")
        terminal.wait_for("Bob: in between <U+001B>[31m\r\n> half a li")
        terminal.type("ne\r")
        terminal.wait_for("you: half a line")
        assert terminal.press_until_end("\x04") == 0
    people.stage.until(
        lambda: "half a line" in people.ok("bob", "history", "Alice"), "Bob has the line"
    )


def test_a_chat_ends_with_ctrl_c(people: People) -> None:
    with Terminal(["chat", "Bob", "--profile", "alice"], people.stage.environment) as terminal:
        terminal.wait_for("> ")
        assert terminal.press_until_end("\x03") == 0
        assert "Traceback" not in terminal.shown


def test_a_chat_says_so_when_the_node_stops(people: People) -> None:
    with Terminal(["chat", "Bob", "--profile", "alice"], people.stage.environment) as terminal:
        terminal.wait_for("> ")
        people.ok("alice", "down")
        assert terminal.wait_for_end() == 5
        assert "hark: hark is not running" in terminal.shown
    people.ok("alice", "up", "--detach")


@pytest.mark.parametrize(("answer", "code"), [("n", 6), ("y", 0)])
def test_verify_asks_whether_both_see_the_same(people: People, answer: str, code: int) -> None:
    arguments = ["verify", "Bob", "--profile", "alice"]
    with Terminal(arguments, people.stage.environment) as terminal:
        terminal.wait_for("[y/N]")
        terminal.type(f"{answer}\n")
        assert terminal.wait_for_end() == code
    trust = people.listed("alice", "contacts")[0]["trust"]
    assert trust == ("verified" if code == 0 else "unverified")


def test_an_invitation_is_drawn_for_a_person(people: People) -> None:
    with Terminal(["invite", "--profile", "alice"], people.stage.environment) as terminal:
        assert terminal.wait_for_end() == 0
        assert "█" in terminal.shown
        assert "hark add" in terminal.shown


def test_up_stays_in_front_until_ctrl_c(people: People) -> None:
    people.ok("alice", "down")
    with Terminal(["up", "--profile", "alice"], environment_of(people)) as terminal:
        terminal.wait_for("Passphrase: ")
        terminal.type("demo\n")
        terminal.wait_for("hark is running for the profile alice")
        assert people.facts("alice", "whoami")["name"] == "Alice"
        assert terminal.press_until_end("\x03") == 0
    people.ok("alice", "up", "--detach")
