"""A terminal with a person before it: types, and reads what is shown."""

import os
import pty
import select
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self


class Terminal:
    """Runs `hark` on a terminal of its own."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str]) -> None:
        self.shown = ""
        self.code: int | None = None
        command = [sys.executable, "-m", "hark.app.cli", *arguments]
        self._pid, self._descriptor = pty.fork()
        if self._pid == 0:
            os.execve(command[0], command, {**environment, "TERM": "xterm"})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self.code is None:
            os.kill(self._pid, 9)
            os.waitpid(self._pid, 0)
        os.close(self._descriptor)

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._descriptor, text.encode())

    def wait_for(self, text: str, timeout_s: float = 20.0) -> None:
        """Wait until `text` is shown."""
        deadline = time.monotonic() + timeout_s
        while text not in self.shown:
            assert time.monotonic() < deadline, (text, self.shown)
            assert self._read(0.2), (text, self.shown)

    def press_until_end(self, key: str) -> int:
        """Press a key once a second until the program ends; return its exit code.

        A key that is pressed just as the program changes the mode of the terminal is lost.
        """
        pressed = 0.0
        deadline = time.monotonic() + 20
        while self._read(0.2):
            assert time.monotonic() < deadline, self.shown
            if time.monotonic() > pressed + 1:
                pressed = time.monotonic()
                self.type(key)
        return self._ended()

    def wait_for_end(self, timeout_s: float = 20.0) -> int:
        """Wait until the program ends; return its exit code."""
        deadline = time.monotonic() + timeout_s
        while self._read(0.2):
            assert time.monotonic() < deadline, self.shown
        return self._ended()

    def _ended(self) -> int:
        _pid, status = os.waitpid(self._pid, 0)
        self.code = os.waitstatus_to_exitcode(status)
        return self.code

    def _read(self, timeout_s: float) -> bool:
        """Take what is shown; return whether the program still has the terminal."""
        readable, _, _ = select.select([self._descriptor], [], [], timeout_s)
        if not readable:
            return True
        try:
            data = os.read(self._descriptor, 65536)
        except OSError:
            # Linux says so when the last program has left the terminal.
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)
