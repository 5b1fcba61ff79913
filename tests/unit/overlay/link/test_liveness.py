from random import Random

import pytest

from hark.machine import Instant
from hark.overlay.link.liveness import (
    CAREFUL_PONGS,
    FIRST_INTERVAL_S,
    MAX_INTERVAL_S,
    PONG_TIMEOUT_S,
    PROBE_TIMEOUT_S,
    Liveness,
    Silence,
)

ROUND_TRIP_S = 0.2


def opened() -> Liveness:
    liveness = Liveness(Random(1).randbytes)
    liveness.link_opened(Instant(0.0))
    return liveness


def answered_ping(liveness: Liveness) -> float:
    """Let one ping go out and be answered; return when."""
    due = liveness.deadline()
    assert liveness.handle_deadline(due) is Silence.PING
    now = Instant(due + ROUND_TRIP_S)
    liveness.heard(now)
    liveness.pong(liveness.nonce())
    return now


def lose_ping(liveness: Liveness) -> None:
    assert liveness.handle_deadline(liveness.deadline()) is Silence.PING
    assert liveness.handle_deadline(liveness.deadline()) is Silence.LOST


def test_interval_grows_to_its_maximum_while_pongs_come() -> None:
    liveness = opened()
    intervals = []
    for _ in range(15):
        answered_ping(liveness)
        intervals.append(liveness.interval_s)
    assert intervals[:3] == [45.0, 67.5, 101.25]
    assert intervals[-1] == MAX_INTERVAL_S


def test_idle_link_wakes_at_most_twice_a_minute_after_ten_minutes() -> None:
    liveness = opened()
    moments = []
    while not moments or moments[-1] < 4 * 3600:
        moments.append(answered_ping(liveness))
    for start in range(600, 3 * 3600, 30):
        pings = sum(start <= moment < start + 60 for moment in moments)
        # A ping that goes out and the pong that comes are two wake-ups.
        assert 2 * pings <= 2


def test_interval_is_halved_after_a_lost_pong_and_grows_again_only_later() -> None:
    liveness = opened()
    for _ in range(15):
        answered_ping(liveness)
    lose_ping(liveness)
    assert liveness.interval_s == MAX_INTERVAL_S / 2
    liveness.link_opened(liveness.deadline())
    for _ in range(CAREFUL_PONGS):
        answered_ping(liveness)
        assert liveness.interval_s == MAX_INTERVAL_S / 2
    answered_ping(liveness)
    assert liveness.interval_s > MAX_INTERVAL_S / 2


def test_interval_is_never_shorter_than_the_first() -> None:
    liveness = opened()
    for _ in range(5):
        lose_ping(liveness)
        liveness.link_opened(liveness.deadline())
    assert liveness.interval_s == FIRST_INTERVAL_S


def test_anything_heard_postpones_the_ping() -> None:
    liveness = opened()
    for second in range(100):
        liveness.heard(Instant(float(second)))
        assert liveness.handle_deadline(Instant(second + 20.0)) is Silence.NOTHING


def test_anything_heard_in_place_of_a_pong_keeps_the_link() -> None:
    liveness = opened()
    due = liveness.deadline()
    assert liveness.handle_deadline(due) is Silence.PING
    liveness.heard(Instant(due + 1))
    assert liveness.handle_deadline(Instant(due + PONG_TIMEOUT_S)) is Silence.NOTHING
    assert liveness.interval_s == FIRST_INTERVAL_S


@pytest.mark.parametrize("wrong", [0, 1, 2**32 - 1])
def test_pong_that_answers_no_ping_does_not_grow_the_interval(wrong: int) -> None:
    liveness = opened()
    liveness.pong(liveness.nonce())
    liveness.handle_deadline(liveness.deadline())
    liveness.pong(wrong)
    assert liveness.interval_s == FIRST_INTERVAL_S
    liveness.pong(liveness.nonce())
    liveness.pong(liveness.nonce())
    assert liveness.interval_s == 1.5 * FIRST_INTERVAL_S


def test_early_call_changes_nothing() -> None:
    liveness = opened()
    due = liveness.deadline()
    assert liveness.handle_deadline(Instant(due - 1)) is Silence.NOTHING
    assert liveness.deadline() == due


def test_jitter_only_shortens_the_interval() -> None:
    dues = set()
    for seed in range(50):
        liveness = Liveness(Random(seed).randbytes)
        liveness.link_opened(Instant(0.0))
        dues.add(liveness.deadline())
        assert 0.9 * FIRST_INTERVAL_S <= liveness.deadline() < FIRST_INTERVAL_S
    assert len(dues) == 50


def test_probe_makes_a_ping_due_and_a_changed_path_forgets_what_was_learned() -> None:
    liveness = opened()
    for _ in range(5):
        answered_ping(liveness)
    liveness.path_changed()
    liveness.probe(Instant(1000.0))
    assert liveness.handle_deadline(Instant(1000.0)) is Silence.PING
    assert liveness.interval_s == FIRST_INTERVAL_S


def test_in_doubt_a_pong_is_waited_for_less_long() -> None:
    liveness = opened()
    liveness.probe(Instant(1.0))
    assert liveness.handle_deadline(Instant(1.0)) is Silence.PING
    assert liveness.handle_deadline(Instant(0.9 + PROBE_TIMEOUT_S)) is Silence.NOTHING
    assert liveness.handle_deadline(Instant(1.0 + PROBE_TIMEOUT_S)) is Silence.LOST


def test_doubt_shortens_the_wait_for_a_pong_that_is_under_way_but_never_lengthens_it() -> None:
    liveness = opened()
    sent = liveness.deadline()
    assert liveness.handle_deadline(sent) is Silence.PING
    liveness.probe(sent)
    liveness.probe(Instant(sent + 1))
    assert liveness.deadline() == sent + PROBE_TIMEOUT_S


def test_doubt_ends_with_anything_heard() -> None:
    liveness = opened()
    liveness.probe(Instant(1.0))
    assert liveness.handle_deadline(Instant(1.0)) is Silence.PING
    liveness.heard(Instant(1.1))
    sent = liveness.deadline()
    assert liveness.handle_deadline(sent) is Silence.PING
    assert liveness.deadline() == sent + PONG_TIMEOUT_S
