"""The stage of the demo: its folder, and the real processes that play in it."""

import contextlib
import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from hark.control.client import Client
from hark.errors import ConfigurationError, HarkError, NodeNotRunningError, StoreInUseError
from hark.node.paths import Paths, paths_of
from hark.wire.address import Address
from hark.wire.codec import JsonParser, Record
from hark.wire.ids import NodeId

PASSPHRASE = "demo"  # noqa: S105 (of accounts that everybody may open)
MARK = "made-by-hark-demo"
"""File that says: this folder may be thrown away."""
START_TIMEOUT_S = 60.0
"""How long anything may take before the demo calls it failed, in seconds. A busy machine is
slow, not wrong."""
STOP_TIMEOUT_S = 10.0
POLL_S = 0.05
HOST = "127.0.0.1"
HARK = ("-m", "hark.app.cli")
SUPERNODE = ("-m", "hark.supernode")


class DemoError(HarkError):
    """The demo did not go as it must."""


class Ready(Record):
    """The line that a supernode prints when it is ready."""

    node_id: str
    host: str
    port: int
    admin_port: int


_READY: JsonParser[Ready] = JsonParser(Ready)


class Stage:
    """The processes of one demo. Leaving the `with` ends all of them.

    Args:
        folder: is made anew; only a folder of an earlier demo is thrown away.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.environment = {
            **os.environ,
            "HARK_HOME": str(self.folder),
            "HARK_PASSPHRASE": PASSPHRASE,
        }
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self.address: Address | None = None
        """Of the supernode, once it has started."""
        self.admin_port = 0
        """Where its counters can be asked for."""

    def __enter__(self) -> Self:
        self._clear()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.stop_all()

    @property
    def supernode_dir(self) -> Path:
        """Where the supernode keeps its database."""
        return self.folder / "supernode"

    def paths(self, profile: str) -> Paths:
        """Return the places of one account."""
        return paths_of(profile, self.environment)

    def client(self, profile: str) -> Client:
        """Return a client of an account's node."""
        return Client(self.paths(profile).socket)

    def pid(self, name: str) -> int:
        """Return the process id of one of the programs."""
        return self._children[name].pid

    def start_supernode(self) -> Address:
        """Start the supernode, on a free port at first and later on the same one.

        Raises:
            DemoError: it does not start.
        """
        port = self.address.port if self.address else 0
        serve = ["run", "--data", str(self.supernode_dir), "--host", HOST, "--json-ready"]
        serve += ["--port", str(port), "--admin-port", "0"]
        child = self._start("supernode", [*SUPERNODE, *serve], stdout=subprocess.PIPE)
        assert child.stdout is not None
        with child.stdout as lines:
            line = lines.readline()
        if not line:
            raise DemoError(f"the supernode did not start: {self._last_words('supernode')}")
        ready = _READY.parse(line)
        self.address = Address(NodeId(bytes.fromhex(ready.node_id)), HOST, ready.port)
        self.admin_port = ready.admin_port
        return self.address

    def start_node(self, profile: str) -> Client:
        """Start an account's node; return when it answers."""
        self._start(profile, [*HARK, "--profile", profile, "up"])
        client = self.client(profile)
        self.until(lambda: self._answers(profile, client), f"{profile} has started")
        return client

    def start_echo(self, profile: str) -> None:
        """Start the bot beside the node of `profile`."""
        self._start(f"{profile}-bot", [*HARK, "--profile", profile, "echo"])

    def hark(self, profile: str, *arguments: str) -> str:
        """Run `hark` for an account to its end; return what it printed.

        Raises:
            DemoError: it failed; says what it said.
        """
        return self._run([*HARK, "--profile", profile, *arguments])

    def stop_all(self) -> None:
        """Stop every program, and wait for the end of all."""
        # Asked all at once: each takes its time to finish its work.
        for child in self._children.values():
            child.terminate()
        for name in list(self._children):
            self._reap(name)

    def stop_node(self, profile: str) -> None:
        """Stop an account's node as `hark down` does, and wait for its end."""
        self.client(profile).stop()
        self._reap(profile)

    def kill(self, name: str) -> int:
        """Kill a program with SIGKILL (`kill -9`); return what its process id was."""
        child = self._children.pop(name)
        child.send_signal(signal.SIGKILL)
        child.wait()
        return child.pid

    def until(
        self, happened: Callable[[], bool], what: str, timeout_s: float = START_TIMEOUT_S
    ) -> None:
        """Wait until something has happened.

        Raises:
            DemoError: it has not within `timeout_s` seconds; names `what`.
        """
        deadline = time.monotonic() + timeout_s
        while not happened():
            if time.monotonic() > deadline:
                raise DemoError(f"waited {timeout_s:.0f} s in vain: {what}")
            time.sleep(POLL_S)

    def _run(self, arguments: list[str]) -> str:
        done = subprocess.run(  # noqa: S603 (our own program)
            [sys.executable, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            raise DemoError(done.stderr.strip() or f"exit code {done.returncode}")
        return done.stdout

    def _start(
        self, name: str, arguments: list[str], stdout: int | None = None
    ) -> subprocess.Popen[bytes]:
        wrapper = [sys.executable, "-m", "hark.app.cli.demo.child", str(os.getpid())]
        with self._log(name).open("ab") as log:
            child = subprocess.Popen(  # noqa: S603 (our own program)
                [*wrapper, sys.executable, *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log if stdout is None else stdout,
                stderr=log,
                # Ctrl-C is for the demo, which then ends its programs in order.
                start_new_session=True,
            )
        self._children[name] = child
        return child

    def _answers(self, profile: str, client: Client) -> bool:
        if self._children[profile].poll() is not None:
            raise DemoError(f"{profile} did not start: {self._last_words(profile)}")
        with contextlib.suppress(NodeNotRunningError):
            return client.status().pid == self.pid(profile)
        return False

    def _reap(self, name: str) -> None:
        child = self._children.pop(name)
        try:
            child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _last_words(self, name: str) -> str:
        lines = self._log(name).read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-1] if lines else "it said nothing"

    def _clear(self) -> None:
        """Make the folder anew."""
        if self.folder.exists():
            if not (self.folder / MARK).exists():
                raise ConfigurationError(f"{self.folder.name} was not made by the demo")
            self._refuse_while_used()
            shutil.rmtree(self.folder)
        self.folder.mkdir(mode=0o700, parents=True)
        (self.folder / MARK).write_text("hark demo throws this folder away\n", encoding="ascii")

    def _refuse_while_used(self) -> None:
        for place in self.folder.iterdir():
            if place.is_dir() and is_locked(place / "lock"):
                raise StoreInUseError(f"{place.name} still runs from an earlier demo; stop it")


def is_locked(lock: Path) -> bool:
    """Return whether a program holds the lock file of a store."""
    try:
        with lock.open("rb") as opened:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def shell_line(words: list[str], variables: Mapping[str, str]) -> str:
    """Return a command as it is typed into a shell."""
    settings = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
    return " ".join(settings + [shlex.quote(word) for word in words])
