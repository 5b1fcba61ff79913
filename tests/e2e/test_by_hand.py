"""The pages that a new person follows, typed command by command, and what they say is shown.

A block of commands may name who types it (```` ```console bob ````); each has a home folder of
their own. Lines after a command are what it prints, in this order, with other lines between
them; `…` stands for anything, and a number for any number. In a chat, `> ` is what is typed.
"""

import contextlib
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hark.app.cli.demo.stage import Stage
from tests.e2e.people import People
from tests.e2e.terminal import Terminal

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

REPOSITORY = Path(__file__).parents[2]
PAGES = [REPOSITORY / "README.md", REPOSITORY / "docs/start/first-hour.md"]
BLOCK = re.compile(r"^```console ?(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
LOOKING = {"contacts", "history", "doctor"}
"""Commands that change nothing: they are typed again until they show what the page says."""
TALKING = {"verify", "chat"}
"""Commands that need a person at a terminal."""
PATIENCE_S = 60.0


@dataclass
class Step:
    """One command of a page."""

    who: str
    command: str
    lines: list[str] = field(default_factory=list)
    """What the page says that it prints, or that is typed into it."""

    @property
    def words(self) -> list[str]:
        """The arguments of `hark`."""
        return shlex.split(self.command)[1:]

    @property
    def name(self) -> str:
        """The command's name."""
        words = self.words
        return words[2] if words[0] == "--profile" else words[0]


def steps_of(page: Path) -> list[Step]:
    """Return the commands of a page, in order; those of make and the shell are not played."""
    steps: list[Step] = []
    for who, block in BLOCK.findall(page.read_text("utf-8")):
        shown = None
        for line in block.splitlines():
            if line.startswith("$ "):
                shown = Step(who, line.removeprefix("$ "))
                steps.append(shown)
            else:
                assert shown is not None, line
                shown.lines.append(line)
    return [step for step in steps if step.command.startswith("hark ")]


def pattern_of(line: str) -> str:
    """Return a pattern for what the page says is shown."""
    return re.sub(r"\\?…", ".*", re.escape(plain(line)))


def plain(text: str) -> str:
    """Return a text with every number replaced by 0, since they are different each time."""
    return re.sub(r"\d+", "0", text)


def shows(output: str, lines: list[str]) -> bool:
    """Return whether lines are in the output, in this order."""
    rest = iter(plain(output).splitlines())
    return all(any(re.fullmatch(pattern_of(line), seen) for seen in rest) for line in lines)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        assert isinstance(port, int)
        return port


class Players:
    """The people of a page, each with a home folder, and their supernode."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self._names = {"chat.example": "127.0.0.1", ":7443": f":{self.port}"}
        self._supernode: subprocess.Popen[str] | None = None
        self._started: list[tuple[str, list[str]]] = []

    def environment(self, who: str) -> dict[str, str]:
        """Return the environment of somebody who has just logged in."""
        home = self._folder / (who or "me")
        home.mkdir(exist_ok=True)
        ours = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HARK_", "XDG_"))
        }
        return ours | {
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(home),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HARK_PASSPHRASE": "typed at the prompt",
            "HARK_SUPERNODE_PORT": str(self.port),
            "HARK_SUPERNODE_ADMIN_PORT": "0",
        }

    def play(self, step: Step) -> None:
        """Type a command and compare what is shown."""
        for placeholder, value in self._names.items():
            step.command = step.command.replace(placeholder, value)
            step.lines = [line.replace(placeholder, value) for line in step.lines]
        if step.command.startswith("hark supernode run"):
            self._run_supernode(step)
        elif step.name in TALKING:
            self._talk(step)
        else:
            self._type(step)

    def end(self) -> None:
        """Stop every program."""
        for who, words in self._started:
            command = ["hark", *words[: words.index("up")], "down"]
            subprocess.run(command, env=self.environment(who), check=False, capture_output=True)
        if self._supernode is not None:
            self._supernode.terminate()
            self._supernode.communicate(timeout=20)

    def _run_supernode(self, step: Step) -> None:
        self._supernode = subprocess.Popen(
            shlex.split(step.command),
            env=self.environment(step.who),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._supernode.stdout is not None
        output = "".join(self._supernode.stdout.readline() for _line in range(2))
        assert shows(output, step.lines), output
        self._names["NODEID"] = output.splitlines()[1].partition("@")[0]

    def _type(self, step: Step) -> None:
        if step.name == "up":
            self._started.append((step.who, step.words))
        deadline = time.monotonic() + PATIENCE_S
        while True:
            done = subprocess.run(
                ["bash", "-c", step.command],
                env=self.environment(step.who),
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
                check=False,
            )
            well = done.returncode == 0 and shows(done.stdout, step.lines)
            if well or step.name not in LOOKING or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        assert well, (step, done)
        if step.name == "invite":
            self._names["hark:…"] = done.stdout.strip()

    def _talk(self, step: Step) -> None:
        """Type a command at a terminal; answer yes, say what the page says, and leave."""
        contact = step.words[-1]
        before = step.words[: step.words.index(step.name)]
        look = ["hark", *before, "contacts"]
        self._type(Step(step.who, shlex.join(look), [f"{contact} … accepted …"]))
        with Terminal(step.words, self.environment(step.who)) as terminal:
            if step.name == "verify":
                terminal.wait_for("the same?")
                terminal.type("y\n")
            for line in step.lines:
                self._converse(terminal, line)
            if step.name == "chat":
                terminal.wait_for("> ")
                terminal.type("\x04")
            assert terminal.wait_for_end() == 0, terminal.shown

    @staticmethod
    def _converse(terminal: Terminal, line: str) -> None:
        if line.startswith("> "):
            terminal.type(line.removeprefix("> ") + "\n")
            return
        deadline = time.monotonic() + PATIENCE_S
        while not re.search(pattern_of(line), plain(terminal.shown)):
            assert time.monotonic() < deadline, (line, terminal.shown)
            terminal._read(0.2)


@pytest.fixture
def players() -> Iterator[Players]:
    # The path of a socket is short; that of a folder of pytest is not.
    with tempfile.TemporaryDirectory(prefix="hark-") as folder:
        found = Players(Path(folder))
        with contextlib.ExitStack() as stack:
            stack.callback(found.end)
            yield found


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_a_page_works_as_it_stands(page: Path, players: Players) -> None:
    steps = steps_of(page)
    assert len(steps) > 5
    for step in steps:
        players.play(step)


def test_the_bot_of_the_page_answers(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs/how-to/write-a-bot.md").read_text("utf-8")
    # The programs after it speak in calls (tests/shell/control).
    program, *_ = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    file = tmp_path / "my_bot.py"
    file.write_text(program)
    with Stage(tmp_path / "home") as stage:
        stage.start_supernode()
        people = People(stage)
        bot: subprocess.Popen[bytes] | None = None
        try:
            people.move_in("echo")
            people.move_in("alice")
            people.ok("alice", "add", str(people.facts("echo", "invite")["link"]), "Echo")
            stage.until(lambda: "accepted" in people.ok("alice", "contacts"), "they know")
            bot = subprocess.Popen([sys.executable, str(file)], env=stage.environment)
            people.ok("alice", "send", "Echo", "Is anybody there?")
            stage.until(
                lambda: "Echo: Is anybody there?" in people.ok("alice", "history", "Echo"),
                "the bot has answered",
            )
            assert bot.poll() is None
        finally:
            if bot is not None:
                bot.kill()
                bot.wait()
            for profile in ("alice", "echo"):
                people.hark(profile, "down")
