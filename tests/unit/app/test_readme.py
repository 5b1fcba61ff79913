"""Every `hark …` command in the documents exists, and so do its options."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from hark.app.cli.table import COMMANDS
from hark.supernode.__main__ import _parser
from tools import make_reference

REPOSITORY = Path(__file__).parents[3]
DOCUMENTS = [
    *sorted(REPOSITORY.glob("*.md")),
    *(
        path
        for folder in ("docs", "spec")
        for path in sorted((REPOSITORY / folder).rglob("*.md"))
    ),
]
SHELLS = {"", "console", "sh", "shell"}
INLINE = re.compile(r"`(hark [^`\n]+)`")


def commands_of(document: Path) -> list[str]:
    """Return the commands in the code blocks and the text of a document."""
    found: list[str] = []
    block: list[str] | None = None
    language = ""
    for line in document.read_text(encoding="utf-8").splitlines():
        if not line.lstrip().startswith("```"):
            if block is None:
                found += INLINE.findall(line)
            else:
                block.append(line.strip())
        elif block is None:
            # A second word says who types it (`tests/e2e/test_by_hand.py`).
            language, block = line.strip().removeprefix("```").partition(" ")[0], []
        else:
            found += typed_in(block) if language in SHELLS else []
            block = None
    return found


def typed_in(block: list[str]) -> list[str]:
    """Return the commands of a block; where there are prompts, the other lines are output."""
    prompted = [line.removeprefix("$ ") for line in block if line.startswith("$ ")]
    return [line for line in prompted or block if line.startswith("hark ")]


CASES = [(path.name, command) for path in DOCUMENTS for command in commands_of(path)]


def options_of(name: str) -> dict[str, bool]:
    """Return the options of a command, and whether each takes a value."""
    described = make_reference.describe(name).options
    takes_value = {word: bool(option.value) for option in described for word in option.names}
    return {"--help": False} | takes_value


def argument_counts(name: str) -> tuple[int, float]:
    """Return how many arguments a command takes at least and at most."""
    described = make_reference.describe(name)
    most = len(described.arguments)
    least = sum(not name.startswith("[") for name, _meaning in described.arguments)
    return least, float("inf") if described.takes_many else most


def check_own(words: list[str]) -> None:
    """Check a command line, without what comes before the command's name."""
    name, *rest = words
    assert name in COMMANDS, f"there is no command {name}"
    options, arguments = options_of(name), 0
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            arguments += 1
            continue
        option, equals, _value = word.partition("=")
        assert option in options, f"hark {name} has no option {option}"
        if options[option] and not equals:
            rest.pop(0)
    least, most = argument_counts(name)
    assert arguments <= most, f"hark {name} takes fewer arguments"
    # `hark verify` alone names the command in a sentence.
    assert not words[1:] or arguments >= least or "--help" in words


def check_supernode(words: list[str]) -> None:
    """Check a command line of `hark supernode`."""
    parsers = [
        action.choices
        for action in _parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    ]
    if not words:
        return
    command = parsers[0][words[0]]
    for word in words[1:]:
        if word.startswith("--"):
            assert word.partition("=")[0] in command._option_string_actions


@pytest.mark.parametrize(
    ("document", "command"), CASES, ids=[f"{name}: {command}" for name, command in CASES]
)
def test_a_command_in_the_documents_exists(document: str, command: str) -> None:
    assert document
    words = shlex.split(command.replace("…", "x").split("#")[0])[1:]
    while words and words[0] in {"--profile", "--traceback", "--version", "--help"}:
        words = words[2:] if words[0] == "--profile" else words[1:]
    if words[:1] == ["supernode"]:
        check_supernode(words[1:])
    elif words:
        check_own(words)


def test_the_readme_shows_commands() -> None:
    assert any(name == "README.md" for name, _command in CASES)
