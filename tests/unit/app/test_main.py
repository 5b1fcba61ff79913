"""The dispatcher: every command has help with an example; every error a sentence and a code."""

import subprocess
import sys

import pytest

from hark.app.cli import main
from hark.app.cli.command import Command
from hark.app.cli.table import COMMANDS
from hark.errors import (
    ConfigurationError,
    HarkError,
    NodeNotRunningError,
    StoreInUseError,
    UnknownContactError,
    WrongPassphraseError,
)

OWN_COMMANDS = [name for name in COMMANDS if name != "supernode"]


@pytest.mark.parametrize("name", OWN_COMMANDS)
def test_a_command_explains_itself_with_an_example(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--help" in shown
    assert "Example: hark" in shown
    assert "AssertionError" not in shown


@pytest.mark.parametrize("name", OWN_COMMANDS)
def test_an_example_is_of_its_own_command(name: str) -> None:
    assert main.load(name).example.split()[:2] == ["hark", name]


def test_the_list_of_commands_loads_none_of_them() -> None:
    program = (
        "import sys; from hark.app.cli import main\n"
        "assert main.run(['--help']) == 0\n"
        "print([name for name in sys.modules if name.startswith('hark.')], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    for name, entry in COMMANDS.items():
        assert name in done.stdout
        assert entry.summary.split()[0] in done.stdout
        assert f"'hark.app.cli.{entry.module}'" not in done.stderr
    assert "hark.crypto" not in done.stderr


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("hark 0.")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnknownContactError(), 2),
        (ConfigurationError("x"), 2),
        (StoreInUseError("process 7 has it open"), 3),
        (WrongPassphraseError(), 4),
        (NodeNotRunningError(), 5),
        (HarkError("x"), 1),
        (ValueError("a secret that must not be shown"), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_is_one_sentence_and_an_exit_code(
    error: Exception,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(main, "load", lambda _name: Command(fail, "hark whoami"))
    assert main.run(["whoami"]) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("hark: ")
    assert shown.err.count("\n") == 1
    assert "secret" not in shown.err
    assert "Traceback" not in shown.err


def test_the_particulars_follow_the_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.show_error(StoreInUseError("process 7 has it open")) == 3
    assert capsys.readouterr().err == (
        "hark: Another hark program is using this store. Only one may run on it at a time. "
        "(process 7 has it open)\n"
    )


def test_a_traceback_comes_only_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise ValueError

    monkeypatch.setattr(main, "load", lambda _name: Command(fail, "hark whoami"))
    assert main.run(["--traceback", "whoami"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["nothing"], ["whoami", "--nothing"], ["history"], ["history", "bob", "--limit", "0"]],
    ids=" ".join,
)
def test_a_mistyped_command_is_a_usage_error(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(arguments) == 2
    assert capsys.readouterr().err.startswith("hark: ")


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, EOFError])
def test_an_interrupted_command_ends_quietly(
    interruption: type[BaseException],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupt() -> None:
        raise interruption

    monkeypatch.setattr(main, "load", lambda _name: Command(interrupt, "hark whoami"))
    assert main.run(["whoami"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_supernode_becomes_another_program(monkeypatch: pytest.MonkeyPatch) -> None:
    became: list[list[str]] = []

    def execv(_path: str, arguments: list[str]) -> None:
        became.append(arguments)
        raise SystemExit

    monkeypatch.setattr("os.execv", execv)
    for given, passed in ([["inventory", "--json"]] * 2, [[], ["run"]]):
        with pytest.raises(SystemExit):
            main.run(["supernode", *given])
        assert became.pop() == [sys.executable, "-m", "hark.supernode", *passed]
