"""Passphrases and recovery words: read without leaving a trace, shown once.

A passphrase is never an argument of the command line, which every user of the machine can
read.
"""

import getpass
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hark.errors import ConfigurationError, UsageError

PASSPHRASE_VARIABLE = "HARK_PASSPHRASE"  # noqa: S105 (its name, not its value)
MAX_SECRET_BYTES = 4096
"""Longest passphrase or list of words that is read. The words are at most 215 characters."""
STANDARD_INPUT = Path("-")


def read_passphrase(file: Path | None, *, new: bool = False) -> str:
    """Return the passphrase: from `file`, else `$HARK_PASSPHRASE`, else from a prompt.

    Args:
        file: its first line; `-` is standard input.
        new: a new one is asked for twice at a prompt.

    Raises:
        UsageError: it is empty, typed differently the second time, or nobody can be asked.
        ConfigurationError: the file cannot be read.
    """
    if file is not None:
        passphrase = read_secret(file).split("\n", 1)[0].rstrip("\r")
    elif PASSPHRASE_VARIABLE in os.environ:
        passphrase = os.environ[PASSPHRASE_VARIABLE]
    elif sys.stdin.isatty():
        passphrase = _prompt(new=new)
    else:
        raise UsageError(
            "no passphrase: set HARK_PASSPHRASE, use --passphrase-file, or use a terminal"
        )
    if not passphrase:
        raise UsageError("the passphrase is empty")
    return passphrase


def read_secret(file: Path) -> str:
    """Return the text of a file, or of standard input for `-`; bounded.

    Raises:
        ConfigurationError: it cannot be read, is no text or is too long.
    """
    try:
        if file == STANDARD_INPUT:
            raw = sys.stdin.buffer.read(MAX_SECRET_BYTES + 1)
        else:
            with file.open("rb") as opened:
                raw = opened.read(MAX_SECRET_BYTES + 1)
        text = raw.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the file {file.name} cannot be read as text") from error
    if len(raw) > MAX_SECRET_BYTES:
        raise ConfigurationError(f"the file {file.name} is longer than 4,096 bytes")
    return text


@contextmanager
def new_secret_file(file: Path | None) -> Iterator[Callable[[str], object]]:
    """Make a new file that only its owner can read (0600); give what writes into it.

    When the `with` fails, the file is removed. Without a file nothing is written.

    Raises:
        ConfigurationError: it exists already or cannot be made; none is ever overwritten.
    """
    if file is None:
        yield lambda _text: None
        return
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ConfigurationError(f"the file {file.name} cannot be made") from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            yield opened.write
    except BaseException:
        file.unlink()
        raise


def _prompt(*, new: bool) -> str:
    passphrase = getpass.getpass("Passphrase: ")
    if new and getpass.getpass("Once more: ") != passphrase:
        raise UsageError("the two passphrases differ")
    return passphrase
