"""Every `hark …` command in the documents exists, and so do its options."""

import argparse
import inspect
import re
import shlex
from pathlib import Path
from typing import get_args

import pytest
from typer.models import ArgumentInfo, OptionInfo

from hark.app.cli import main
from hark.app.cli.table import COMMANDS
from hark.supernode.__main__ import _parser

REPOSITORY = Path(__file__).parents[3]
DOCUMENTS = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(?:console|sh|shell)?\n(.*?)^```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`(hark [^`\n]+)`")


def commands_of(document: Path) -> list[str]:
    """Return the commands in the code blocks and the text of a document."""
    text = document.read_text(encoding="utf-8")
    lines = [line for block in BLOCK.findall(text) for line in block.splitlines()]
    typed = [line.strip().removeprefix("$ ") for line in lines]
    return [line for line in typed if line.startswith("hark ")] + INLINE.findall(text)


CASES = [(path.name, command) for path in DOCUMENTS for command in commands_of(path)]


def options_of(name: str) -> dict[str, bool]:
    """Return the options of a command, and whether each takes a value."""
    found = {"--help": False}
    for parameter in inspect.signature(main.load(name).run).parameters.values():
        for info in get_args(parameter.annotation):
            if isinstance(info, OptionInfo):
                declared = info.param_decls or (f"--{parameter.name.replace('_', '-')}",)
                names = [part for text in declared for part in text.split("/")]
                takes_value = get_args(parameter.annotation)[0] not in {bool, bool | None}
                found |= dict.fromkeys(names, takes_value)
    return found


def argument_counts(name: str) -> tuple[int, float]:
    """Return how many arguments a command takes at least and at most."""
    least, most = 0, 0.0
    for parameter in inspect.signature(main.load(name).run).parameters.values():
        annotation = get_args(parameter.annotation)
        if any(isinstance(info, ArgumentInfo) for info in annotation):
            least += 1
            most += float("inf") if annotation[0] == list[str] else 1
    return least, most


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
