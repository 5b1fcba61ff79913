"""What a person sees and presses while a call goes on.

On a terminal: lines as things happen, one line below them that is kept up to date, and keys
that work without Return. Elsewhere: the lines alone. The terminal is given back as it was,
however the call ends, short of SIGKILL and of being told to end twice.
"""

import asyncio
import os
import shutil
import sys
import termios
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CLEAR_LINE = "\r\x1b[K"
END_OF_INPUT = "\x04"
"""Ctrl-D."""
LOCAL_MODES = 3
CONTROL_CHARACTERS = 6
"""Places in what `tcgetattr` returns."""


class Screen:
    """Shows lines, and on a terminal a status line below them.

    Args:
        quiet: show nothing, because a program reads what is printed at the end.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._has_status = not quiet and is_terminal()
        self._status = ""

    def say(self, line: str) -> None:
        """Show a line."""
        if self._quiet:
            return
        if self._has_status:
            print(f"{CLEAR_LINE}{line}\n{self._status}", end="", flush=True)
        else:
            print(line, flush=True)

    def show_status(self, line: str) -> None:
        """Replace the status line, cut to the width of the terminal."""
        if not self._has_status:
            return
        status = fitting(line, shutil.get_terminal_size().columns - 1)
        if status != self._status:
            self._status = status
            print(f"{CLEAR_LINE}{status}", end="", flush=True)

    def close(self) -> None:
        """Take the status line away."""
        if self._status:
            print(CLEAR_LINE, end="", flush=True)
            self._status = ""


def is_terminal() -> bool:
    """Return whether a person can see and press something."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def fitting(line: str, columns: int) -> str:
    """Return as much of a line as fits into so many columns."""
    used = 0
    for place, char in enumerate(line):
        used += _columns_of(char)
        if used > columns:
            return line[:place]
    return line


@contextmanager
def keys(press: Callable[[str], None]) -> Iterator[None]:
    """Give each key that is pressed to `press`, on the running event loop.

    Without a terminal nothing is read. Ctrl-C stays a signal; Ctrl-Z does nothing: a program
    that stands still would send silence into a call that goes on.
    """
    if not is_terminal():
        yield
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    loop = asyncio.get_running_loop()
    try:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, _key_by_key(descriptor))
        loop.add_reader(descriptor, _read, descriptor, press, loop)
        yield
    finally:
        loop.remove_reader(descriptor)
        # What was typed meanwhile was meant for the call, not for the shell.
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)


def _key_by_key(descriptor: int) -> "list[int | list[bytes | int]]":
    modes: list[int | list[bytes | int]] = termios.tcgetattr(descriptor)
    local, control = modes[LOCAL_MODES], modes[CONTROL_CHARACTERS]
    assert isinstance(local, int)
    assert isinstance(control, list)
    modes[LOCAL_MODES] = local & ~(termios.ICANON | termios.ECHO)
    control[termios.VMIN], control[termios.VTIME] = 1, 0
    control[termios.VSUSP] = os.fpathconf(descriptor, "PC_VDISABLE").to_bytes(1, "little")
    return modes


def _read(
    descriptor: int, press: Callable[[str], None], loop: asyncio.AbstractEventLoop
) -> None:
    try:
        typed = os.read(descriptor, 64)
    except OSError:
        # The terminal has gone; a signal says so as well.
        typed = b""
    if not typed:
        loop.remove_reader(descriptor)
    for char in typed.decode(errors="replace"):
        press(char)


def _columns_of(char: str) -> int:
    if unicodedata.combining(char) or char in "\u200d\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1
