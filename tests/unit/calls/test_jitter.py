"""The jitter buffer: what is played of packets that come as they may."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hark.calls.jitter import (
    FRAME_S,
    MAX_CONCEALED,
    MAX_DEPTH,
    MAX_SPAN,
    Conceal,
    JitterBuffer,
    Merge,
    Play,
    Recover,
    Starve,
    Take,
)
from hark.machine import Instant

FIRST = 65_536
JUMPS = [1_000, 5_000_000, 2**40, 2**63]
BEGUN_S = 0.015
"""When, after a packet has been sent, the listener's beat comes."""


def packet(counter: int) -> bytes:
    return b"%d" % counter


def listen(
    buffer: JitterBuffer,
    arrivals: Sequence[tuple[float, int]],
    beats: int,
    *,
    beat_s: float = FRAME_S,
) -> list[Take]:
    """Put packets at their moments, take at each beat, and return what was taken."""
    waiting = sorted(arrivals, reverse=True)
    taken: list[Take] = []
    for beat in range(beats):
        now = BEGUN_S + beat * beat_s
        while waiting and waiting[-1][0] <= now:
            at, counter = waiting.pop()
            buffer.put(counter, packet(counter), Instant(at))
        taken.append(buffer.take(Instant(now)))
    return taken


def sent(
    count: int,
    fate: Callable[[int], float | None] = lambda _number: 0.001,
    *,
    frame_s: float = FRAME_S,
) -> list[tuple[float, int]]:
    """Return when each packet arrives that is not lost, and its counter."""
    arrivals: list[tuple[float, int]] = []
    for number in range(count):
        way_s = fate(number)
        if way_s is not None:
            arrivals.append((number * frame_s + way_s, FIRST + number))
    return arrivals


def numbers(taken: Sequence[Take]) -> list[int]:
    """Return the packets that were played, counted from the first."""
    played: list[int] = []
    for one in taken:
        match one:
            case Play(data):
                played.append(int(data) - FIRST)
            case Merge(first, second):
                played += [int(first) - FIRST, int(second) - FIRST]
            case _:
                pass
    return played


def test_a_clean_path_is_played_whole_with_one_frame_held() -> None:
    buffer = JitterBuffer()
    taken = listen(buffer, sent(1_000), 1_000)
    assert numbers(taken) == list(range(1_000))
    assert isinstance(taken[0], Play)
    assert buffer.counters.concealed == buffer.counters.inserted == 0


def test_the_first_packet_waits_a_little_so_that_its_followers_are_not_late() -> None:
    buffer = JitterBuffer()
    buffer.put(FIRST, packet(FIRST), Instant(0.0))
    assert buffer.take(Instant(0.004)) == Starve()
    assert buffer.take(Instant(0.024)) == Play(packet(FIRST))


def test_nothing_is_played_before_anything_came() -> None:
    buffer = JitterBuffer()
    assert listen(buffer, [], 50) == [Starve()] * 50


def test_packets_that_come_in_another_order_at_the_start_are_put_in_order() -> None:
    buffer = JitterBuffer()
    for counter in (FIRST + 1, FIRST):
        buffer.put(counter, packet(counter), Instant(0.0))
    assert numbers([buffer.take(Instant(0.02)), buffer.take(Instant(0.04))]) == [0, 1]


def test_what_piled_up_before_anybody_listened_is_not_played() -> None:
    buffer = JitterBuffer()
    for number in range(300):
        buffer.put(FIRST + number, packet(FIRST + number), Instant(number * FRAME_S))
    assert buffer.take(Instant(6.0)) == Play(packet(FIRST + 298))


def test_a_single_lost_packet_is_concealed_and_delays_nothing() -> None:
    buffer = JitterBuffer()
    taken = listen(buffer, sent(100, lambda n: None if n == 50 else 0.001), 100)
    assert taken[50] == Conceal()
    assert numbers(taken[51:]) == list(range(51, 100))
    assert buffer.counters.inserted == 0


def test_when_losses_come_again_successors_are_waited_for_and_recover_them() -> None:
    buffer = JitterBuffer()
    lost = {50, 80, 110, 140, 170}
    taken = listen(buffer, sent(202, lambda n: None if n in lost else 0.001), 200)
    recovered = [one for one in taken if isinstance(one, Recover)]
    # The first shows that there are losses; in the second's time the buffer grows.
    assert [int(one.next_packet) - FIRST - 1 for one in recovered] == [80, 110, 140, 170]
    assert buffer.counters.inserted == 1
    assert buffer.depth <= 2


def test_after_losses_have_ceased_the_buffer_shrinks_again() -> None:
    buffer = JitterBuffer()
    listen(buffer, sent(3_000, lambda n: None if n < 300 and n % 10 == 5 else 0.001), 3_000)
    assert buffer.counters.inserted == buffer.counters.merged == 1
    assert buffer.depth == 0


def test_packets_that_come_late_once_are_all_played_and_the_delay_goes_away_again() -> None:
    buffer = JitterBuffer()

    def stalled(number: int) -> float:
        return max(0.001, 0.1 - (number - 100) * FRAME_S) if number >= 100 else 0.001

    taken = listen(buffer, sent(1_500, stalled), 1_500)
    assert numbers(taken) == list(range(1_500))
    assert buffer.counters.inserted == buffer.counters.merged == 5
    merged = [at for at, one in enumerate(taken) if isinstance(one, Merge)]
    # Not at once, since such things come back, and not all in one go.
    assert merged[0] >= 500
    assert all(later - earlier >= 10 for earlier, later in pairwise(merged))


def test_on_an_uneven_path_the_buffer_grows_until_nothing_is_late() -> None:
    random = Random(3)
    ways = [random.uniform(0.001, 0.06) for _ in range(2_000)]
    buffer = JitterBuffer()
    taken = listen(buffer, sent(2_000, lambda n: ways[n]), 2_000)
    settled = taken[200:]
    assert sum(isinstance(one, Play) for one in settled) >= 0.99 * len(settled)
    assert buffer.counters.inserted <= 5


def test_a_burst_of_losses_delays_nothing_that_comes_after_it() -> None:
    buffer = JitterBuffer()
    taken = listen(buffer, sent(200, lambda n: None if 100 <= n < 110 else 0.001), 200)
    assert taken[99:110] == [Play(packet(FIRST + 99))] + [Conceal()] * 10
    assert numbers(taken[110:]) == list(range(110, 200))


def test_after_a_long_gap_there_is_silence_and_then_the_voice_of_that_moment() -> None:
    buffer = JitterBuffer()
    taken = listen(buffer, sent(700, lambda n: None if 100 <= n < 600 else 0.001), 700)
    gap = taken[100:600]
    assert gap == [Conceal()] * MAX_CONCEALED + [Starve()] * (500 - MAX_CONCEALED)
    assert numbers(taken[600:]) == list(range(600, 700))


def test_packets_held_up_for_seconds_and_sent_all_at_once_leave_a_bounded_delay() -> None:
    buffer = JitterBuffer()
    taken = listen(
        buffer, sent(400, lambda n: 2.0 - (n - 100) * FRAME_S if 100 <= n < 200 else 0.001), 400
    )
    assert buffer.counters.skipped > 80
    assert numbers(taken)[-1] >= 399 - MAX_SPAN
    assert numbers(taken) == sorted(set(numbers(taken)))


def test_a_sender_that_stops_and_goes_on_is_played_without_a_lasting_delay() -> None:
    # Its counter stands still meanwhile: nothing was lost.
    buffer = JitterBuffer()
    arrivals = sent(400, lambda n: 3.0 if n >= 100 else 0.001)
    taken = listen(buffer, arrivals, 550)
    assert numbers(taken) == list(range(400))
    assert buffer.depth <= 1


@pytest.mark.parametrize("parts_per_million", [-500, -50, 50, 500])
def test_clocks_that_differ_are_followed_by_rare_steps(parts_per_million: int) -> None:
    frame_s = FRAME_S * (1 + parts_per_million / 1e6)
    count = 60 * 50 * 5
    buffer = JitterBuffer()
    taken = listen(buffer, sent(count, frame_s=frame_s), count)
    steps = buffer.counters.merged + buffer.counters.inserted
    assert steps <= abs(parts_per_million) * 1e-6 * count + 2
    assert buffer.depth <= 2
    assert buffer.counters.skipped == buffer.counters.late == 0
    assert numbers(taken) == list(range(len(numbers(taken))))


def test_late_and_double_packets_are_counted_and_not_played() -> None:
    buffer = JitterBuffer()
    listen(buffer, sent(50), 50)
    buffer.put(FIRST + 3, b"late", Instant(1.0))
    buffer.put(FIRST + 50, b"new", Instant(1.0))
    buffer.put(FIRST + 50, b"again", Instant(1.0))
    assert buffer.take(Instant(1.015)) == Play(b"new")
    assert (buffer.counters.late, buffer.counters.duplicate) == (1, 1)


@pytest.mark.parametrize("jump", JUMPS)
def test_a_counter_far_ahead_costs_nothing_and_is_gone_on_from(jump: int) -> None:
    buffer = JitterBuffer()
    listen(buffer, sent(50), 50)
    buffer.put(FIRST + jump, b"far", Instant(1.0))
    taken = [buffer.take(Instant(1.015 + beat * FRAME_S)) for beat in range(MAX_SPAN)]
    assert taken[-1] == Play(b"far")
    # From there on everything is as usual.
    for beat in range(600):
        now = Instant(2.0 + beat * FRAME_S)
        counter = FIRST + jump + 1 + beat
        buffer.put(counter, packet(counter), now)
        assert buffer.take(Instant(now + 0.012)) == Play(packet(counter))


@given(
    steps=st.lists(
        st.tuples(
            st.one_of(st.integers(-30, 30), st.integers(-(2**20), 2**64)),
            st.floats(0, 0.1),
            st.integers(0, 3),
        ),
        max_size=150,
    )
)
def test_whatever_comes_each_packet_is_played_at_most_once_in_order_and_memory_is_bounded(
    steps: list[tuple[int, float, int]],
) -> None:
    buffer = JitterBuffer()
    taken: list[Take] = []
    now, around = 0.0, FIRST
    for offset, passed_s, takes in steps:
        now += passed_s
        counter = max(0, around + offset)
        buffer.put(counter, packet(counter), Instant(now))
        around = min(counter + 1, 2**64)
        assert 0 <= buffer.depth <= MAX_SPAN
        assert len(buffer._held) <= MAX_SPAN
        taken += [buffer.take(Instant(now)) for _ in range(takes)]
    played = numbers(taken)
    assert played == sorted(set(played))
    # Once nothing comes any more it runs empty and falls silent.
    rest = [buffer.take(Instant(now + (beat + 1) * FRAME_S)) for beat in range(100)]
    assert not steps or rest[-1] == Starve()
    assert buffer.depth == 0


@given(seed=st.integers(0, 2**32), loss=st.floats(0, 0.3), uneven_s=st.floats(0, 0.1))
def test_on_any_path_that_people_can_talk_over_the_delay_stays_bounded(
    seed: int, loss: float, uneven_s: float
) -> None:
    random = Random(seed)
    ways = [
        None if random.random() < loss else 0.001 + random.uniform(0, uneven_s)
        for _ in range(600)
    ]
    buffer = JitterBuffer()
    taken = listen(buffer, sent(600, lambda n: ways[n]), 600)
    played = numbers(taken)
    assert played == sorted(set(played))
    if played:
        assert played[-1] >= 600 - MAX_DEPTH - MAX_SPAN - 10
    filled = buffer.counters.recovered + buffer.counters.concealed
    arrived = sum(way is not None for way in ways)
    assert len(played) >= arrived - buffer.counters.late - MAX_SPAN - buffer.counters.skipped
    assert filled <= 600 - arrived + buffer.counters.inserted + buffer.counters.late + MAX_SPAN
