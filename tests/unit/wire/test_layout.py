import pytest
from hypothesis import given
from hypothesis import strategies as st

from hark.errors import MalformedError
from hark.wire.layout import Reader, Writer


def test_fields_roundtrip() -> None:
    data = Writer().u8(1).u16(2).u32(3).u64(4).sized(b"five").raw(b"six").finish()
    reader = Reader(data)
    assert (reader.u8(), reader.u16(), reader.u32(), reader.u64()) == (1, 2, 3, 4)
    assert (reader.sized(4), reader.take(3)) == (b"five", b"six")
    reader.end()


@given(st.binary(max_size=20), st.integers(0, 19))
def test_a_layout_that_is_cut_off_or_too_long_is_malformed(data: bytes, cut: int) -> None:
    whole = Writer().u32(7).sized(data).finish()
    for wrong in (whole[: min(cut, len(whole) - 1)], whole + b"\0"):
        reader = Reader(wrong)
        with pytest.raises(MalformedError):  # noqa: PT012 — one of them raises
            reader.u32()
            reader.sized(20)
            reader.end()


def test_a_field_above_its_limit_is_malformed_before_it_is_read() -> None:
    with pytest.raises(MalformedError, match="too long"):
        Reader(Writer().sized(bytes(5)).finish()).sized(4)


def test_a_constant_must_be_the_constant() -> None:
    Reader(b"label").expect(b"label")
    with pytest.raises(MalformedError):
        Reader(b"Label").expect(b"label")


def test_rest_takes_everything() -> None:
    reader = Reader(b"abc")
    assert (reader.u8(), reader.rest()) == (97, b"bc")
    reader.end()


def test_a_number_out_of_range_is_our_own_mistake() -> None:
    with pytest.raises(OverflowError):
        Writer().u8(256)
