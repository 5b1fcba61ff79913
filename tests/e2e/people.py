"""Two people, their nodes and a supernode, by the command line alone."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from hark.app.cli.demo.stage import Stage


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    def sentence(self) -> str:
        """Return what was said about an error: one line."""
        assert self.err.startswith("hark: "), self
        assert self.err.count("\n") == 1, self
        assert "Traceback" not in self.err, self
        return self.err


@dataclass
class People:
    """Runs `hark` as somebody would type it."""

    stage: Stage

    def hark(
        self, profile: str, *arguments: str, stdin: str | bytes = "", **environment: str
    ) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "hark.app.cli", "--profile", profile, *arguments],
            env={**self.stage.environment, **environment},
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def ok(self, profile: str, *arguments: str, stdin: str | bytes = "") -> str:
        """Run a command that must succeed; return what it printed."""
        done = self.hark(profile, *arguments, stdin=stdin)
        assert done.code == 0, done
        return done.out

    def facts(self, profile: str, *arguments: str) -> dict[str, object]:
        """Run a command that prints one JSON object."""
        found = json.loads(self.ok(profile, *arguments, "--json"))
        assert isinstance(found, dict)
        return found

    def listed(self, profile: str, *arguments: str) -> list[dict[str, object]]:
        """Run a command that prints a list of JSON objects."""
        found = json.loads(self.ok(profile, *arguments, "--json"))
        assert isinstance(found, list)
        return found

    def start_chat(self, profile: str, contact: str) -> "subprocess.Popen[str]":
        """Start `hark chat` with pipes for keyboard and screen."""
        return subprocess.Popen(
            [sys.executable, "-m", "hark.app.cli", "--profile", profile, "chat", contact],
            env=self.stage.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def words_file(self, profile: str) -> Path:
        """Where the words of an account were written."""
        return self.stage.folder / f"{profile}.words"

    def move_in(self, profile: str) -> None:
        """Make an account and start its node in the background, by hand."""
        assert self.stage.address is not None
        words = ["--words-file", str(self.words_file(profile))]
        home = ["--supernode", str(self.stage.address)]
        self.ok(profile, "init", "--name", profile.title(), *words, *home)
        self.ok(profile, "up", "--detach")
        self.stage.until(
            lambda: all(home.attached for home in self.stage.client(profile).whoami().homes),
            f"{profile} has its mailboxes",
        )
