"""What others wrote cannot steer a terminal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hark.app.cli.output import line_of
from hark.app.cli.text import escape, escape_lines
from hark.control.schema import Message


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("Grüße, 你好, שלום", "Grüße, 你好, שלום"),
        ("👩‍👩‍👧 and 🏳️‍🌈", "👩‍👩‍👧 and 🏳️‍🌈"),
        ("\x1b[2Jgone", "<U+001B>[2Jgone"),
        ("\x9b31m", "<U+009B>31m"),
        ("bell\x07", "bell<U+0007>"),
        ("a\rb", "a<U+000D>b"),
        ("a\nb", "a<U+000A>b"),
        ("\u202egnp.exe", "<U+202E>gnp.exe"),
        ("\u2066x\u2069", "<U+2066>x<U+2069>"),
        ("\u2028", "<U+2028>"),
        ("\U000e0041", "<U+E0041>"),
        ("\ud800", "<U+D800>"),
        ("", ""),
    ],
)
@pytest.mark.claim("C-2")
def test_text_is_shown_with_controls_made_visible(text: str, shown: str) -> None:
    assert escape(text) == shown


@given(st.text(st.characters(), max_size=50))
@pytest.mark.claim("C-2")
def test_nothing_that_steers_a_terminal_is_left(text: str) -> None:
    for char in escape(text):
        assert unicodedata.category(char) not in {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}
        assert unicodedata.bidirectional(char) not in {"RLO", "LRO", "RLE", "LRE", "RLI", "LRI"}


@pytest.mark.claim("C-2")
def test_each_character_of_the_terminals_language_is_escaped_alone() -> None:
    # Every control and bidirectional character of Unicode, tried one by one.
    for number in (*range(0x20), *range(0x7F, 0xA0), 0x061C, 0x200E, 0x200F, 0xFEFF):
        assert escape(chr(number)) == f"<U+{number:04X}>"


def test_further_lines_are_indented_so_that_nobody_speaks_in_anothers_name() -> None:
    assert escape_lines("hello\n2026-01-01 10:00  you: yes", "    ") == (
        "hello\n    2026-01-01 10:00  you: yes"
    )
    message = Message(
        id="0" * 32,
        contact="hark1x",
        outgoing=False,
        text="one\ntwo\x1b[0m",
        sent_unix_ms=0,
        order=1,
        state="received",
        held_by=0,
        cause="none",
    )
    first, second = line_of(message, "mal\x1blory").split("\n")
    assert first.endswith("mal<U+001B>lory: one")
    assert second.startswith(" " * 8)
    assert second.endswith("two<U+001B>[0m")
