import itertools
from collections.abc import Callable

import pytest

from hark.overlay.link.backoff import (
    MAX_NAMED_WINDOW_S,
    MAX_WINDOW_S,
    MIN_DELAY_S,
    Backoff,
    uniform,
)


def always(byte: int) -> Callable[[int], bytes]:
    return lambda count: bytes([byte]) * count


HIGHEST, LOWEST = always(255), always(0)


def test_window_doubles_from_one_second_to_five_minutes() -> None:
    backoff = Backoff(HIGHEST)
    delays = [backoff.next_delay_s() for _ in range(12)]
    assert delays == pytest.approx([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300])


def test_delay_is_drawn_over_the_whole_window() -> None:
    assert Backoff(LOWEST).next_delay_s(60_000) == MIN_DELAY_S
    assert Backoff(HIGHEST).next_delay_s(60_000) == pytest.approx(60)


def test_named_window_wins_even_when_it_is_shorter() -> None:
    backoff = Backoff(HIGHEST)
    for _ in range(12):
        backoff.next_delay_s()
    assert backoff.next_delay_s(2_000) == pytest.approx(2)


def test_named_window_is_obeyed_for_an_hour_at_most() -> None:
    assert Backoff(HIGHEST).next_delay_s(2**32 - 1) == pytest.approx(MAX_NAMED_WINDOW_S)


def test_reset_begins_anew() -> None:
    backoff = Backoff(HIGHEST)
    for _ in range(5):
        backoff.next_delay_s()
    backoff.reset()
    assert backoff.next_delay_s() == pytest.approx(1)


def test_failures_without_end_do_not_overflow() -> None:
    backoff = Backoff(HIGHEST)
    for _ in range(5000):
        assert backoff.next_delay_s() <= MAX_WINDOW_S


@pytest.mark.parametrize(("low", "high"), list(itertools.combinations([0.0, 0.5, 3, 870], 2)))
def test_uniform_stays_inside_its_bounds(low: float, high: float) -> None:
    assert uniform(LOWEST, low, high) == low
    assert low < uniform(always(128), low, high) < uniform(HIGHEST, low, high) < high
