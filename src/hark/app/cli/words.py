"""Showing the 24 recovery words once, and checking that they were written down."""

import random
import sys
from pathlib import Path

from hark.errors import UsageError

ASKED_COUNT = 3
"""Words asked back: whoever did not write them down notices now, not in a year."""
ATTEMPT_COUNT = 3


def refuse_to_hide(words_file: Path | None, *, as_json: bool) -> None:
    """Refuse to make an account whose words nobody would see.

    Raises:
        UsageError: JSON is wanted, but no file for the words.
    """
    if as_json and words_file is None:
        raise UsageError("--json needs --words-file: the words are not part of the JSON")


def show(words: list[str]) -> None:
    """Print the words in four columns, numbered."""
    rows = len(words) // 4
    for row in range(rows):
        numbers = [row + column * rows for column in range(4)]
        print("  ".join(f"{number + 1:>4}. {words[number]:<9}" for number in numbers))


def ask_back(words: list[str]) -> None:
    """Ask for three of the words, at a terminal.

    Raises:
        UsageError: they were not known after three attempts each.
    """
    if not sys.stdin.isatty():
        return
    # Which words are asked for is no secret.
    for place in sorted(random.sample(range(len(words)), ASKED_COUNT)):
        _ask_for(place, words[place])


def _ask_for(place: int, word: str) -> None:
    for _attempt in range(ATTEMPT_COUNT):
        if input(f"Word {place + 1}: ").strip().lower() == word:
            return
        print("That is another word. Look at what you wrote down.")
    raise UsageError(
        "the words were not written down; the account has been made, and without its words "
        "it cannot be restored. Remove it and make another one."
    )
