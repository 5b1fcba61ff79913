import pytest
from hypothesis import given
from hypothesis import strategies as st

from hark.errors import MalformedError
from hark.wire import bech32
from hark.wire.bech32 import CHARSET, MAX_CHARACTERS, decode, encode

TEXT = encode("hark", bytes(range(32)))


@given(st.binary(max_size=300))
def test_bytes_and_text_roundtrip_in_both_cases(data: bytes) -> None:
    text = encode("invite", data)
    assert decode("invite", text) == decode("invite", text.upper()) == data


def test_the_text_of_known_bytes_is_that_of_bip_350() -> None:
    # BIP-350's own valid strings, with their 5-bit values chosen so that they are whole bytes.
    assert decode("a", "A1LQFN3A") == b""
    assert decode("split", "split1checkupstagehandshakeupstreamerranterredcaperredlc445v") == (
        bytes.fromhex("c5f38b70305f519bf66d85fb6cf03058f3dde463ecd7918f2dc743918f2d")
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hark1",
        "hark",
        TEXT[:-1],
        TEXT + "q",
        TEXT.replace("hark1", "herk1"),
        TEXT[:10].upper() + TEXT[10:],
        TEXT.replace(TEXT[9], "b", 1),
        "a12uel5l",  # bech32, the older checksum
        "ſ" + TEXT,
        "hark1" + "q" * MAX_CHARACTERS,
    ],
)
def test_other_text_is_malformed(text: str) -> None:
    with pytest.raises(MalformedError):
        decode("hark", text)


@given(st.data())
def test_up_to_three_mistyped_characters_are_always_found(data: st.DataObject) -> None:
    long = encode("invite", bytes(range(200)))
    start = len("invite1")
    places = data.draw(
        st.sets(st.integers(start, len(long) - 1), min_size=1, max_size=3), label="places"
    )
    damaged = list(long)
    for place in places:
        others = CHARSET.replace(long[place], "")
        damaged[place] = data.draw(st.sampled_from(others))
    with pytest.raises(MalformedError):
        decode("invite", "".join(damaged))


def test_bits_left_over_must_be_few_and_zero() -> None:
    # One byte is two characters with two bits left over; build them by hand.
    good = encode("hark", b"\xff")
    assert decode("hark", good) == b"\xff"
    for values in ([31, 29], [31, 28, 0]):
        with pytest.raises(MalformedError):
            decode("hark", _with_checksum(values))


def _with_checksum(values: list[int]) -> str:
    padded = [*bech32._expand("hark"), *values, *([0] * 6)]
    checksum = bech32._polymod(padded) ^ bech32._BECH32M
    values = values + [(checksum >> (5 * i)) & 31 for i in reversed(range(6))]
    return "hark1" + "".join(CHARSET[value] for value in values)
