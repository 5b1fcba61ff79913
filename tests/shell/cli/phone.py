"""Somebody who calls with `hark`, and Bob at the other end, who is a fake."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from hark.control import schema
from hark.node.paths import paths_of
from tests.shell.control.conftest import Served
from tests.shell.control.fake_calls import FakeCalls, FakeSound
from tests.shell.control.fake_node import FakeNode

SAS = ["🐶 Dog", "🐱 Cat", "🦁 Lion", "🐎 Horse", "🦄 Unicorn", "🐷 Pig", "🐘 Elephant"]
PATH = schema.CallPath(
    kind="direct", relay="", nat="none", address_shown=True, address_seen=True
)
QUALITY = schema.CallQuality(
    round_trip_ms=12.3,
    loss_sent=0.01,
    loss_received=0.0,
    jitter_ms=1.0,
    frames_played=100,
    frames_concealed=0,
    frames_refused=0,
)
TIMEOUT_S = 20.0


class ListeningNode(FakeNode):
    """Knows when somebody follows a call: what changes from then on is seen."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.is_followed = False

    async def calls(self) -> list[schema.Call]:
        self.is_followed = True
        return await super().calls()


class Phone:
    """The node of the caller, whose calls the test makes go on."""

    def __init__(self, home: Path) -> None:
        self.environment = {
            **os.environ,
            "HARK_HOME": str(home),
            # Whatever sound this machine has is none of these tests' business.
            "PULSE_SERVER": "unix:/nowhere",
            "PYTHONUNBUFFERED": "1",
        }
        self.node = ListeningNode()
        self.served = Served(paths_of("default", self.environment).socket, self.node)

        self._runs = False

    def __enter__(self) -> Self:
        self.served.__enter__()
        self._runs = True
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the node, if it runs."""
        if self._runs:
            self._runs = False
            self.served.__exit__()

    @property
    def calls(self) -> FakeCalls:
        return self.served.node.phone

    def hark(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `hark` without a terminal."""
        return subprocess.Popen(
            [sys.executable, "-m", "hark.app.cli", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ring(self) -> schema.Call:
        """Let Bob call."""
        return self.served.call(self.calls.ring)

    def placed(self) -> schema.Call:
        """Wait until there is a call; return it."""
        until(lambda: self.calls.known)
        return next(iter(self.calls.known.values()))

    def sound(self) -> FakeSound:
        """Wait until a call is followed and its sound attached; return Bob's end of it."""
        until(lambda: self.calls.sounds and self.node.is_followed)
        return next(iter(self.calls.sounds.values()))

    def change(self, **fields: object) -> None:
        """Let the only call change."""
        call = self.placed()
        self.served.call(lambda: self.calls.change(call.id, **fields))

    def give(self, *frames: bytes) -> None:
        """Let Bob say something."""
        sound = self.sound()
        self.served.call(lambda: sound.give(*frames))

    def answer(self) -> None:
        """Let Bob answer, and everything be well."""
        self.change(state="ringing")
        self.change(state="connecting", duration_ms=1)
        self.change(state="active", path=PATH, sas=SAS, quality=QUALITY, duration_ms=400)

    def end(self, *, reason: str = "hung_up", by_peer: bool = True, **fields: object) -> None:
        """Let the only call end."""
        sounds = list(self.calls.sounds.values())
        self.change(state="ended", reason=reason, by_peer=by_peer, **fields)
        for sound in sounds:
            self.served.call(sound.end)


def until(condition: Callable[[], object], timeout_s: float = TIMEOUT_S) -> None:
    """Wait until something is true."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def ended(child: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for a program's end; return its exit code and what it printed."""
    out, err = child.communicate(timeout=TIMEOUT_S)
    return child.returncode, out, err
