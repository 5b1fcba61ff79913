"""What commands read: passphrases, words, addresses; what they write: files for secrets."""

import io
import stat
import sys
from pathlib import Path

import pytest

from hark.app.cli import homes, secrets, words
from hark.app.cli.output import safety_rows
from hark.app.cli.qr import draw
from hark.errors import ConfigurationError, UsageError

ADDRESS = "ab" * 32 + "@home.example:7443"


class Piped(io.TextIOWrapper):
    """Standard input that is no terminal."""

    def __init__(self, text: str) -> None:
        super().__init__(io.BytesIO(text.encode()))


class Typed(Piped):
    """Standard input that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _no_passphrase_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARK_PASSPHRASE", raising=False)
    monkeypatch.setattr(sys, "stdin", Piped(""))


def test_a_passphrase_is_the_first_line_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes("pässphrase with spaces \r\nsecond\n".encode())
    assert secrets.read_passphrase(file) == "pässphrase with spaces "


def test_a_passphrase_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARK_PASSPHRASE", "from there")
    assert secrets.read_passphrase(None) == "from there"


def test_a_passphrase_comes_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Piped("piped\n"))
    assert secrets.read_passphrase(Path("-")) == "piped"


def test_a_new_passphrase_is_asked_for_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Typed(""))
    answers = iter(["one", "one", "one", "two"])
    monkeypatch.setattr("getpass.getpass", lambda _prompt: next(answers))
    assert secrets.read_passphrase(None, new=True) == "one"
    with pytest.raises(UsageError, match="differ"):
        secrets.read_passphrase(None, new=True)


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\n", b"x" * 5000], ids=repr)
def test_a_file_without_a_passphrase_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    with pytest.raises((UsageError, ConfigurationError)):
        secrets.read_passphrase(file)


def test_without_a_terminal_nobody_is_asked() -> None:
    with pytest.raises(UsageError, match="HARK_PASSPHRASE"):
        secrets.read_passphrase(None)


def test_a_secret_file_is_for_its_owner_and_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "words"
    with secrets.new_secret_file(file) as keep:
        keep("words\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(ConfigurationError), secrets.new_secret_file(file):
        pytest.fail("it was opened")
    assert file.read_text() == "words\n"


def test_a_secret_file_goes_when_what_it_was_for_fails(tmp_path: Path) -> None:
    file = tmp_path / "words"
    with pytest.raises(UsageError), secrets.new_secret_file(file):
        raise UsageError
    assert not file.exists()


def test_supernodes_are_read_as_given() -> None:
    assert [str(home) for home in homes.parse_homes([ADDRESS, ADDRESS])] == [ADDRESS] * 2


@pytest.mark.parametrize("given", [["home.example"], [ADDRESS] * 3, ["xx@h:1"]], ids=str)
def test_a_mistyped_supernode_is_a_usage_error(given: list[str]) -> None:
    with pytest.raises(UsageError):
        homes.parse_homes(given)


def test_without_a_supernode_here_one_has_to_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(homes, "DEFAULT_DATA_DIR", tmp_path)
    with pytest.raises(UsageError, match="--supernode"):
        homes.parse_homes(None)
    record = '{"node_id":"%s","host":"127.0.0.1","port":7443,"admin_port":7444}' % ("ab" * 32)
    (tmp_path / "address.json").write_text(record)
    assert [home.port for home in homes.parse_homes(None)] == [7443]


def test_words_are_asked_back(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = [f"word{number}" for number in range(1, 25)]
    monkeypatch.setattr(sys, "stdin", Typed(""))

    def right(prompt: str) -> str:
        return f" WORD{prompt.removeprefix('Word ').removesuffix(': ')} "

    monkeypatch.setattr("builtins.input", right)
    words.ask_back(listed)
    monkeypatch.setattr("builtins.input", lambda _prompt: "another")
    with pytest.raises(UsageError, match="not written down"):
        words.ask_back(listed)


def test_words_are_shown_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    words.show([f"word{number}" for number in range(1, 25)])
    shown = capsys.readouterr().out.split()
    assert sorted(shown) == sorted(
        part for number in range(1, 25) for part in (f"{number}.", f"word{number}")
    )


def test_json_needs_a_place_for_the_words() -> None:
    with pytest.raises(UsageError, match="--words-file"):
        words.refuse_to_hide(None, as_json=True)


def test_a_safety_number_is_shown_in_groups_of_five() -> None:
    assert safety_rows("12345" * 12) == ["12345 12345 12345 12345"] * 3
    assert safety_rows("") == []


def test_a_qr_code_of_the_longest_link_fits_a_terminal() -> None:
    drawn = draw("hark:invite1" + "q" * 388).splitlines()
    assert max(len(line) for line in drawn) <= 80
