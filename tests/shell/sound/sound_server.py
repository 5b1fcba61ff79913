"""A sound server of a test's own, with devices that are made of nothing."""

import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

START_TIMEOUT_S = 20.0


def is_installed() -> bool:
    """Return whether this machine has what `SoundServer` starts."""
    return shutil.which("pulseaudio") is not None and shutil.which("pactl") is not None


class SoundServer:
    """PulseAudio without anything of this machine: no configuration, no hardware, no bus."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        socket = folder / "native"
        home = {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
        self.environment = {**os.environ, "PULSE_SERVER": f"unix:{socket}"}
        self._child = subprocess.Popen(
            [
                "pulseaudio",
                "-n",
                "--daemonize=no",
                "--exit-idle-time=-1",
                "--log-level=error",
                "-L",
                f"module-native-protocol-unix socket={socket} auth-anonymous=1",
            ],
            env={**os.environ, **home},
            stderr=subprocess.DEVNULL,
        )
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not socket.exists():
            assert self._child.poll() is None, "pulseaudio did not start"
            assert time.monotonic() < deadline_s
            time.sleep(0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._child.terminate()
        self._child.wait(10)

    def plug_in(self, name: str) -> str:
        """Add a speaker, and a microphone that hears it; return what `pull_out` takes."""
        return self._order("load-module", "module-null-sink", f"sink_name={name}", "rate=48000")

    def pull_out(self, module: str) -> None:
        """Take a device away."""
        self._order("unload-module", module)

    def use(self, *, speaker: str, microphone: str) -> None:
        """Choose what programs get that name no device."""
        self._order("set-default-sink", speaker)
        self._order("set-default-source", f"{microphone}.monitor")

    def _order(self, *words: str) -> str:
        done = subprocess.run(
            ["pactl", *words], env=self.environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()
