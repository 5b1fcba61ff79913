"""What a module of one command offers to the dispatcher."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """One command of `hark`. Its help is the docstring of the function."""

    run: Callable[..., None]
    """Takes what the command line says; its annotations are the options (typer)."""
    example: str
    """Shown below the help."""
