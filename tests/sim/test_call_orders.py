"""All orders of what can happen in a call of two devices: none leads astray.

The explorer tries every event at every state; states that were met before are not tried
again, so the number of orders is counted, not walked. Wherever nothing is in flight any more,
the rest of the call is played out on a copy and looked at.
"""

from dataclasses import dataclass, field, replace

import pytest

from hark.calls.events import CallState, SasState
from hark.wire.call import CallOutcome
from tests.sim.call_orders import (
    Budget,
    World,
    events,
    happen,
    live_calls,
    new_world,
    settle,
    thawed,
)

O = CallOutcome  # noqa: E741 (a table of pairs follows)
Pair = tuple[CallOutcome | None, CallOutcome | None]
AGREE: frozenset[Pair] = frozenset(
    {
        (O.ANSWERED, O.ANSWERED),
        (O.CANCELLED, O.MISSED),
        (O.CANCELLED, O.CANCELLED),
        (O.CANCELLED, None),
        (O.MISSED, O.MISSED),
        (O.DECLINED, O.DECLINED),
        (O.BUSY, O.BUSY),
        (O.CANCELLED, O.BUSY),
        # Two words that have crossed.
        (O.CANCELLED, O.DECLINED),
        (O.CANCELLED, O.ANSWERED),
    }
)
"""What a caller and a callee may keep of a call, when nothing went wrong."""
AGREE_AFTER_FAULTS = AGREE | frozenset(
    {
        (O.MISSED, None),
        (O.MISSED, O.DECLINED),
        (O.MISSED, O.BUSY),
        (O.MISSED, O.FAILED),
        (O.FAILED, O.MISSED),
        (O.ANSWERED, O.FAILED),
        (O.FAILED, O.ANSWERED),
        (O.FAILED, O.FAILED),
    }
)
AGREE_AFTER_RESTART = AGREE_AFTER_FAULTS | frozenset(
    {
        (O.ANSWERED, O.INTERRUPTED),
        (O.CANCELLED, O.INTERRUPTED),
        (O.FAILED, O.INTERRUPTED),
        (O.MISSED, O.INTERRUPTED),
        (O.INTERRUPTED, O.ANSWERED),
        (O.INTERRUPTED, O.FAILED),
        (O.INTERRUPTED, O.MISSED),
    }
)


@dataclass
class Exploration:
    """What one exploration has seen."""

    pairs: frozenset[Pair]
    """Outcomes of caller and callee that are allowed."""
    orders: dict[int, int] = field(default_factory=dict)
    """State → number of orders of events from there to the end."""
    events: int = 0
    ends: int = 0

    def explore(self, world: World) -> int:
        """Try everything from here; return how many orders there are."""
        frozen = world.frozen()
        key = hash(frozen)
        if key in self.orders:
            return self.orders[key]
        if not any(side.inbox for side in world.sides):
            self.check_rest(thawed(frozen))
        count = 0
        for event in list(events(world)):
            after = thawed(frozen)
            happen(after, event)
            check_now(after)
            count += self.explore(after)
            self.events += 1
        self.orders[key] = max(count, 1)
        return self.orders[key]

    def check_rest(self, world: World) -> None:
        """Play the rest out; whoever still talks then agrees, and hangs up."""
        self.ends += 1
        settle(world)
        check_talk(world)
        for number, side in enumerate(world.sides):
            for place, view in enumerate(side.calls.views()):
                if view.state is not CallState.ENDED:
                    world.budget = replace(world.budget, hang_ups=1)
                    happen(world, ("hang_up", number, place))
                    settle(world)
        assert not any(live_calls(side) for side in world.sides), "a call lives for ever"
        self.check_outcomes(world)

    def check_outcomes(self, world: World) -> None:
        for side, other in (world.sides, world.sides[::-1]):
            for call in side.called:
                pair = (side.outcomes[call], other.outcomes.get(call))
                assert pair in self.pairs, pair
            known = [view.call for view in side.calls.views()]
            assert set(known) <= set(side.ended), "a call that is over has let go of nothing"


def check_now(world: World) -> None:
    """What holds at every moment: two who see emoji see the same."""
    views = [{view.call: view for view in side.calls.views()} for side in world.sides]
    for call in views[0].keys() & views[1].keys():
        first, second = (each[call] for each in views)
        if first.sas and second.sas:
            assert first.sas == second.sas


def check_talk(world: World) -> None:
    """Whoever still talks: both do, over the same connection, checked, with keys that fit."""
    live = [live_calls(side) for side in world.sides]
    assert len(live[0]) == len(live[1]) <= 1
    for first, second in zip(*live, strict=True):
        assert first.call == second.call
        assert first.state is second.state is CallState.ACTIVE
        assert first.sas_state is second.sas_state is SasState.READY
        assert first.connection == second.connection
        here, there = (side.joined[first.call, first.connection] for side in world.sides)
        assert here[1:] == there[:0:-1]
        assert here[1] != here[2]


@dataclass(frozen=True)
class Scene:
    """Where an exploration begins, and what may happen."""

    budget: Budget
    pairs: frozenset[Pair] = AGREE
    trickles: bool = False
    talking: bool = False
    """Whether it begins when the two talk already."""

    def begin(self) -> World:
        """Return its first state."""
        if not self.talking:
            return new_world(self.budget, trickles=self.trickles)
        world = new_world(Budget(), trickles=self.trickles)
        happen(world, ("place", 0, 0))
        happen(world, ("deliver", 1, 0))
        happen(world, ("answer", 1, 0))
        settle(world)
        world.budget = replace(self.budget, places=(False, False))
        return world


ONE = Budget()
BOTH = Budget(places=(True, True))
SCENES = {
    "people": Scene(replace(ONE, declines=1, hang_ups=1)),
    "people_and_candidates": Scene(replace(ONE, hang_ups=1), trickles=True),
    "both_hang_up": Scene(replace(ONE, hang_ups=2)),
    "loss": Scene(replace(ONE, losses=1), AGREE_AFTER_FAULTS, trickles=True),
    "two_losses": Scene(replace(ONE, losses=2), AGREE_AFTER_FAULTS),
    "loss_and_hanging_up": Scene(replace(ONE, hang_ups=1, losses=1), AGREE_AFTER_FAULTS),
    "loss_and_repeat": Scene(replace(ONE, losses=1, repeats=1), AGREE_AFTER_FAULTS),
    "repeat": Scene(replace(ONE, repeats=1)),
    "time_outs": Scene(replace(ONE, declines=1, time_outs=2), AGREE_AFTER_FAULTS),
    "restart": Scene(replace(ONE, restarts=1), AGREE_AFTER_RESTART),
    "glare": Scene(BOTH),
    "glare_and_hanging_up": Scene(replace(BOTH, answers=0, hang_ups=1)),
    "glare_and_loss": Scene(replace(BOTH, answers=0, losses=1), AGREE_AFTER_FAULTS),
    "glare_and_repeat": Scene(replace(BOTH, answers=0, repeats=1)),
    "break": Scene(replace(ONE, breaks=2), trickles=True, talking=True),
    "break_and_hanging_up": Scene(replace(ONE, breaks=1, hang_ups=2), talking=True),
    "break_and_loss": Scene(replace(ONE, breaks=1, losses=2), trickles=True, talking=True),
    "break_and_repeat": Scene(replace(ONE, breaks=1, repeats=2), talking=True),
    "break_and_loss_and_repeat": Scene(
        replace(ONE, breaks=1, losses=1, repeats=1), talking=True
    ),
    "break_and_restart": Scene(
        replace(ONE, breaks=1, restarts=1), AGREE_AFTER_RESTART, talking=True
    ),
    "break_and_time_out": Scene(replace(ONE, breaks=1, time_outs=1), talking=True),
}


LONG = ("people_and_candidates", "glare_and_hanging_up", "glare_and_repeat")
"""Scenes of more than two seconds, which the quick tests leave out."""


@pytest.mark.claim("C-4")
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if name in LONG else []) for name in SCENES],
)
def test_no_order_of_events_leads_two_devices_astray(name: str) -> None:
    explorer = Exploration(SCENES[name].pairs)
    count = explorer.explore(SCENES[name].begin())
    print(
        f"{name}: {len(explorer.orders):,} states, {explorer.events:,} events, "
        f"{count:,} orders, {explorer.ends:,} played out"
    )
