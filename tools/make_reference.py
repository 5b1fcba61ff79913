"""Writes docs/reference/commands.md and docs/reference/state-diagrams.md from the code.

    python tools/make_reference.py

The commands are those that `--help` shows, from the same objects; the diagrams are drawn from
the tables by which the states change. A test fails when page and code differ.
"""

import argparse
import ast
import inspect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from pathlib import Path

from typer.core import TyperArgument, TyperGroup, TyperOption
from typer.main import get_command

from hark.app.cli import main as cli
from hark.app.cli.table import COMMANDS
from hark.calls.events import CallState
from hark.calls.table import TRANSITIONS as CALL_TRANSITIONS
from hark.calls.table import Move, Step
from hark.messaging.conversations import _FINAL_RANK
from hark.messaging.events import MessageState
from hark.overlay.link.client import TRANSITIONS, LinkState
from hark.supernode.__main__ import _parser

ROOT = Path(__file__).parents[1]
COMMANDS_PAGE = ROOT / "docs" / "reference" / "commands.md"
STATES_PAGE = ROOT / "docs" / "reference" / "state-diagrams.md"
OTHER_PROGRAM = "supernode"
"""The command that is a program of its own."""

COMMANDS_HEAD = """\
# Commands

Written from the program by `tools/make_reference.py`; `--help` after any command shows the
same. How they are used one after the other: [the first hour](../start/first-hour.md).

Exit codes: 0 done, 1 failed, 2 usage, 3 environment, 4 wrong passphrase or a store that cannot
be used, 5 unreachable or timed out, 6 refused by a check. An error is one sentence on the
standard error.
"""
STATES_HEAD = """\
# States

Drawn by `tools/make_reference.py` from the tables in the code by which these states change, so
that a picture and the program cannot differ.
"""
CALLS_HEAD = """\
`TRANSITIONS` in `hark.calls.table`; the rules are in
[spec/calls.md](../../spec/calls.md#states). A step that a state does not name changes nothing
there: what comes late, or twice, undoes nothing. How a call ends is a table of its own below.
"""
MESSAGES_HEAD = """\
A state only gives way to one that says more (`_FINAL_RANK` in `hark.messaging.conversations`):
news that come late, or twice, undo nothing. So a receipt can skip *held*, and a message that
has *expired* here becomes *delivered* when its receipt comes after all.
"""


@dataclass(frozen=True)
class Option:
    """An option of a command."""

    names: tuple[str, ...]
    value: str
    """What stands for its value; empty for one that takes none."""
    meaning: str


@dataclass(frozen=True)
class Description:
    """What `--help` says of a command."""

    name: str
    meaning: str
    arguments: tuple[tuple[str, str], ...]
    """What stands for each, and its meaning."""
    options: tuple[Option, ...]
    example: str = ""

    @property
    def takes_many(self) -> bool:
        """Whether the last argument may be several words."""
        return any(name.endswith("…") for name, _meaning in self.arguments)


def main() -> None:
    """Write the pages."""
    COMMANDS_PAGE.write_text(commands_page(), encoding="utf-8")
    STATES_PAGE.write_text(states_page(), encoding="utf-8")


# Commands.


def describe(name: str) -> Description:
    """Return what `--help` says of a command of `hark`, or of `hark` itself for no name."""
    program = get_command(cli.build([name] if name else []))
    assert isinstance(program, TyperGroup)
    command = program.commands[name] if name else program
    return Description(
        name=f"hark {name}".strip(),
        meaning=command.help or "",
        arguments=tuple(
            (parameter.metavar or parameter.name or "", parameter.help or "")
            for parameter in command.params
            if isinstance(parameter, TyperArgument)
        ),
        options=tuple(
            _option(parameter)
            for parameter in command.params
            if isinstance(parameter, TyperOption)
        ),
        example=(command.epilog or "").removeprefix("Example: "),
    )


def describe_supernode() -> Iterator[Description]:
    """Return what `--help` says of each command of `hark supernode`."""
    for action in _parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            meanings = {each.dest: each.help or "" for each in action._choices_actions}
            for name, parser in action.choices.items():
                yield Description(
                    name=f"hark supernode {name}",
                    meaning=f"{meanings[name][:1].upper()}{meanings[name][1:]}.",
                    arguments=(),
                    options=tuple(
                        _own_option(each)
                        for each in parser._actions
                        if "--help" not in each.option_strings
                    ),
                )


def commands_page() -> str:
    """Return the page of all commands."""
    described = [describe("")]
    described += [describe(name) for name in COMMANDS if name != OTHER_PROGRAM]
    sections = [_section(each) for each in (*described, *describe_supernode())]
    return "\n".join([COMMANDS_HEAD, *sections])


def _option(parameter: TyperOption) -> Option:
    names = (*parameter.opts, *parameter.secondary_opts)
    notes = [parameter.help or ""]
    if parameter.name == "_version":
        notes = ["Show the version."]
    if parameter.default and not parameter.is_flag:
        notes.append(f"Default: {parameter.default}.")
    if parameter.envvar:
        notes.append(f"Also `${parameter.envvar}`.")
    choices = getattr(parameter.type, "choices", None)
    value = "|".join(choices) if choices else parameter.metavar or parameter.type.name.upper()
    return Option(names, "" if parameter.is_flag else value, " ".join(filter(None, notes)))


def _own_option(action: argparse.Action) -> Option:
    value = action.metavar or getattr(action.type, "__name__", "text")
    takes_value = action.nargs != 0
    text = action.help or ""
    meaning = f"{text[:1].upper()}{text[1:]}."
    shown = str(value).upper() if takes_value else ""
    return Option(tuple(action.option_strings), shown, meaning)


def _section(described: Description) -> str:
    usage = [described.name, *(name for name, _meaning in described.arguments)]
    lines = [f"## {described.name}", "", described.meaning, ""]
    if described.arguments:
        lines[2:2] = [f"`{' '.join(usage)}`", ""]
    rows = [(f"`{name}`", meaning) for name, meaning in described.arguments]
    for option in described.options:
        typed = " ".join(filter(None, (", ".join(option.names), option.value)))
        rows.append((f"`{typed.replace('|', ' or ')}`", option.meaning))
    if rows:
        lines += ["| | |", "|---|---|", *(f"| {typed} | {text} |" for typed, text in rows), ""]
    if described.example:
        lines += [f"Example: `{described.example}`", ""]
    return "\n".join(lines)


# States.


def states_page() -> str:
    """Return the page of the diagrams."""
    link = _diagram(
        [
            (state.value, step.value, after.value)
            for state, steps in TRANSITIONS.items()
            for step, after in steps.items()
        ],
        start=LinkState.IDLE.value,
    )
    messages = _diagram(
        [(before.value, "", after.value) for before, after in message_steps()],
        start=MessageState.WAITING.value,
    )
    calls = _diagram(
        [
            (state.value, step.value, move.to.value)
            for state, step, move in call_moves()
            if move.to is not CallState.ENDED
        ],
        start=CallState.OPENING.value,
        other_start=CallState.INCOMING.value,
    )
    return "\n".join(
        [
            STATES_HEAD,
            "## A link to a supernode",
            "",
            "`TRANSITIONS` in `hark.overlay.link.client`; the rules are in "
            "[spec/link.md](../../spec/link.md).",
            "",
            link,
            _meanings(list(LinkState)),
            "## A call",
            "",
            CALLS_HEAD,
            calls,
            _meanings(list(CallState)),
            _meanings(list(Step), name="step"),
            call_ends(),
            "## A message of ours",
            "",
            MESSAGES_HEAD,
            messages,
            _meanings(own_states()),
        ]
    )


def call_moves() -> list[tuple[CallState, Step, Move]]:
    """Return every entry of the table of calls."""
    return [
        (state, step, move)
        for state, moves in CALL_TRANSITIONS.items()
        for step, move in moves.items()
    ]


def call_ends() -> str:
    """Return the table of how a call ends, and which devices of the contact are told."""
    rows = [
        f"| `{state.value}` | `{step.value}` | {_reason(move)} | {move.telling.value} |"
        for state, step, move in call_moves()
        if move.to is CallState.ENDED
    ]
    head = ["| state | step | ended as | told to |", "|---|---|---|---|"]
    return "\n".join([*head, *rows, ""])


def _reason(move: Move) -> str:
    return "what the other side says" if move.reason is None else f"`{move.reason.name}`"


def own_states() -> list[MessageState]:
    """Return the states of a message of ours; those of others, and calls, have only one."""
    only = (MessageState.RECEIVED, MessageState.NOTED)
    return [state for state in _FINAL_RANK if state not in only]


def message_steps() -> list[tuple[MessageState, MessageState]]:
    """Return which state of a message of ours gives way to which."""
    return [
        (before, after)
        for before in own_states()
        for after in own_states()
        if _FINAL_RANK[after] > _FINAL_RANK[before]
    ]


def _diagram(
    steps: Iterable[tuple[str, str, str]], *, start: str, other_start: str = ""
) -> str:
    starts = [f"    [*] --> {first}" for first in (start, other_start) if first]
    lines = ["```mermaid", "stateDiagram-v2", *starts]
    for before, step, after in steps:
        label = f": {step}" if step else ""
        lines.append(f"    {before} --> {after}{label}")
    return "\n".join([*lines, "```", ""])


def _meanings(states: Sequence[Enum], name: str = "state") -> str:
    meanings = _field_docstrings(type(states[0]))
    rows = [f"| `{state.value}` | {meanings[state.name]} |" for state in states]
    return "\n".join([f"| {name} | meaning |", "|---|---|", *rows, ""])


def _field_docstrings(described: type) -> dict[str, str]:
    """Return the docstring that follows each field of a class."""
    (body,) = ast.parse(inspect.getsource(described)).body
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for field, text in pairwise(body.body):
        match field, text:
            case ast.Assign(targets=[ast.Name(id=name)]), ast.Expr(ast.Constant(str(value))):
                found[name] = " ".join(value.split())
            case _:
                pass
    return found


if __name__ == "__main__":
    main()
