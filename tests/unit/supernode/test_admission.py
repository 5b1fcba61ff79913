"""New links are shed by rate and number; windows follow the load."""

from hark.machine import Instant
from hark.supernode.admission import (
    MAX_WINDOW_MS,
    MIN_WINDOW_MS,
    Admission,
    AdmissionLimits,
)

LIMITS = AdmissionLimits(links_per_s=10, burst_count=5, max_link_count=100)


def at(seconds: float) -> Instant:
    return Instant(1000.0 + seconds)


def test_burst_is_taken_and_then_the_rate_counts() -> None:
    admission = Admission(LIMITS, at(0))
    assert [admission.admit(0, at(0)) for _ in range(7)] == [True] * 5 + [False] * 2
    assert [admission.admit(0, at(0.2)) for _ in range(3)] == [True, True, False]


def test_bucket_holds_no_more_than_the_burst_after_a_long_silence() -> None:
    admission = Admission(LIMITS, at(0))
    assert sum(admission.admit(0, at(10_000)) for _ in range(50)) == 5


def test_no_link_is_taken_beyond_the_number_and_its_token_is_kept() -> None:
    admission = Admission(LIMITS, at(0))
    assert not admission.admit(100, at(0))
    assert sum(admission.admit(99, at(0)) for _ in range(50)) == 5


def test_windows_grow_with_the_load_between_their_bounds() -> None:
    admission = Admission(LIMITS, at(0))
    assert admission.reconnect_window_ms(0) == MIN_WINDOW_MS
    assert admission.reconnect_window_ms(100) == 20_000
    assert admission.retry_window_ms(100) == 40_000
    assert admission.reconnect_window_ms(10**9) == MAX_WINDOW_MS
    assert admission.retry_window_ms(10**9) == MAX_WINDOW_MS


def test_nodes_that_obey_the_window_come_back_at_half_the_rate_that_is_possible() -> None:
    admission = Admission(LIMITS, at(0))
    for link_count in (50, 500, 1_000):
        window_s = admission.reconnect_window_ms(link_count) / 1000
        assert link_count / window_s <= LIMITS.links_per_s / 2
