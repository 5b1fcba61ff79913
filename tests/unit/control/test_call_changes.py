"""Which of two pictures of a call is the older one."""

from itertools import pairwise

import pytest

from hark.calls.events import CallState
from hark.control.call_changes import is_older
from tests.shell.control.fake_calls import call_of, change


@pytest.mark.parametrize("state", list(CallState))
def test_a_call_that_has_ended_is_not_taken_back(state: CallState) -> None:
    ended = change(call_of(1), state="ended")
    later = change(call_of(1), state=state.value, duration_ms=5_000)
    assert is_older(later, ended) is (state is not CallState.ENDED)


def test_states_before_the_answer_come_in_one_order() -> None:
    before = ["opening", "calling", "ringing", "connecting", "active"]
    calls = [change(call_of(1), state=state) for state in before]
    for earlier, later in pairwise(calls):
        assert is_older(earlier, later)
        assert not is_older(later, earlier)


def test_in_an_answered_call_the_time_since_the_answer_decides() -> None:
    broken = change(call_of(1), state="reconnecting", duration_ms=900)
    mended = change(call_of(1), state="active", duration_ms=1_000)
    assert is_older(broken, mended)
    assert not is_older(mended, broken)
    # Muted within the same millisecond: neither is thrown away.
    muted = change(mended, muted=True)
    assert not is_older(muted, mended)
    assert not is_older(mended, muted)
