from hypothesis import given
from hypothesis import strategies as st

from hark.crypto.padding import pad, padded_length, padme


def test_padme_gives_the_published_examples() -> None:
    # From the definition: E = floor(log2 L), S = floor(log2 E) + 1, last E - S bits zero.
    assert [padme(length) for length in range(10)] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 10]
    assert padme(1000) == 1024
    assert padme(1025) == 1088
    assert padme(1_000_000) == 1_015_808


@given(st.integers(0, 2**40))
def test_padme_never_shrinks_and_adds_at_most_twelve_percent(length: int) -> None:
    padded = padme(length)
    assert length <= padded <= length * 1.12 + 1
    assert padme(padded) == padded


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_padme_keeps_order(first: int, second: int) -> None:
    low, high = sorted((first, second))
    assert padme(low) <= padme(high)


def test_few_lengths_are_left_to_tell_messages_apart() -> None:
    assert len({padded_length(length, 512) for length in range(4096)}) < 50


@given(st.binary(max_size=2000), st.integers(0, 1000))
def test_padding_appends_zeros_only(data: bytes, minimum: int) -> None:
    padded = pad(data, minimum)
    assert len(padded) == padded_length(len(data), minimum) >= minimum
    assert padded[: len(data)] == data
    assert not any(padded[len(data) :])
