"""Tells the demo: to a person in plain sentences as it happens, to a program not at all."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from rich.console import Console
from rich.markup import escape as escape_markup
from rich.text import Text

from hark.app.cli.text import escape

STEP_COUNT = 8


class Teller:
    """What the audience sees.

    Args:
        silent: tell nothing; the facts go into the JSON object.
    """

    def __init__(self, *, silent: bool) -> None:
        # Piped output keeps its lines whole; a terminal has the width that it has.
        width = None if sys.stdout.isatty() else 100
        self._console = Console(highlight=False, quiet=silent, width=width, soft_wrap=True)

    def step(self, number: int, title: str) -> None:
        """Begin one of the eight steps."""
        self._console.print(f"\n[bold]{number}/{STEP_COUNT}  {escape_markup(title)}[/bold]")

    def say(self, sentence: str) -> None:
        """Tell one sentence."""
        self._console.print(Text(f"  {escape(sentence)}"))

    def fact(self, name: str, value: str) -> None:
        """Tell a fact in two columns."""
        self._console.print(Text(f"    {name:<16} {escape(value)}"))

    def show(self, block: str) -> None:
        """Show a block of lines as it is: a drawing, the output of a program of ours."""
        self._console.print(Text("\n".join(f"    {line}" for line in block.splitlines())))

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Show that something takes its time."""
        if self._console.is_terminal and not self._console.quiet:
            with self._console.status(f"  {escape_markup(what)} …"):
                yield
        else:
            with nullcontext():
                yield
