"""Offers of calls in bad weather and under hostile supernodes, as far as they are mail.

Nobody takes these calls: what is looked at is what the callee's history says of them, and that
none rings twice, too late, or in another conversation.
"""

from dataclasses import replace

import pytest

from hark.messaging import events as m
from hark.messaging.views import MessageKind, MessageView
from hark.wire.call import CallOutcome
from hark.wire.ids import CallId
from hark_lab.sim.device_store import AFTER_COMMIT, Crash
from hark_lab.sim.node import SimNode
from hark_lab.sim.properties import calls_shown_wrongly, leftovers, misdelivered_messages
from hark_lab.sim.supernode import Misbehaviour
from hark_lab.sim.world import Person, Weather, World
from tests.sim.test_bad_weather import STORM
from tests.sim.test_supernode_of_an_enemy import two_people
from tests.unit.messaging.call_signals import offer, signal

LONGER_THAN_A_RING_S = 61.0


def place(world: World, caller: Person, callee: Person) -> CallId:
    """Have a running device of the caller send an offer."""
    call = CallId(world.random.randbytes(16))
    device = next(device for device in caller.devices if device.up)
    order = signal(callee.account, offer(call))
    device.do(lambda messaging, now: messaging.carry_calls([order], now))
    return call


def calls(device: SimNode, contact: Person) -> list[MessageView]:
    views = device.ask(lambda messaging: messaging.history(contact.account, 1000))
    return [view for view in views if view.kind is MessageKind.CALL]


def missed(person: Person, contact: Person) -> list[bool]:
    """Return for each call in a history whether it is a missed one, not looked at yet."""
    views = calls(person.devices[0], contact)
    return [view.outcome is CallOutcome.MISSED and view.unread for view in views]


def started_again(world: World) -> None:
    for device in world.devices():
        device.stop()
        device.start()
    world.clock.run_for(60.0)


@pytest.mark.parametrize("away_s", [0.0, 30.0])
def test_call_rings_when_its_offer_comes_within_a_minute(away_s: float) -> None:
    world, anna, ben = two_people(1)
    if away_s:
        ben.devices[0].stop()
    place(world, anna, ben)
    world.clock.run_for(away_s)
    if away_s:
        ben.devices[0].start()
    added: list[m.Event] = []
    ben.devices[0].told = added.append
    world.clock.run_for(2.0)
    assert len(calls(ben.devices[0], anna)) == 1
    assert sum(isinstance(event, m.MessageAdded) for event in added) == 1


def test_call_is_a_missed_one_when_the_callee_was_away_for_more_than_a_minute() -> None:
    world, anna, ben = two_people(2)
    ben.devices[0].stop()
    place(world, anna, ben)
    world.clock.run_for(LONGER_THAN_A_RING_S)
    ben.devices[0].start()
    world.clock.run_for(2.0)
    assert missed(ben, anna) == [True]


def test_call_is_a_missed_one_when_a_supernode_keeps_its_offer_back() -> None:
    world, anna, ben = two_people(3, Weather(misbehaviour=Misbehaviour(drop=1.0)))
    world.let_it_storm()
    place(world, anna, ben)
    world.clock.run_for(LONGER_THAN_A_RING_S)
    assert calls(ben.devices[0], anna) == []
    world.calm_down(60.0)
    assert missed(ben, anna) == [True]


def test_call_rings_once_when_a_supernode_gives_its_offer_again_and_again() -> None:
    world, anna, ben = two_people(4, Weather(misbehaviour=Misbehaviour(double=1.0)))
    added: list[m.Event] = []
    ben.devices[0].told = added.append
    world.let_it_storm()
    placed = [place(world, anna, ben) for _ in range(5)]
    world.clock.run_for(30.0)
    told = [event for event in added if isinstance(event, m.MessageAdded)]
    assert sorted(event.message_id for event in told) == sorted(placed)
    world.calm_down(60.0)
    assert len(calls(ben.devices[0], anna)) == len(placed)


def test_call_rings_once_when_two_homes_bring_its_offer() -> None:
    world, anna, ben = two_people(5, supernode_count=2)
    added: list[m.Event] = []
    ben.devices[0].told = added.append
    place(world, anna, ben)
    world.clock.run_for(10.0)
    assert sum(isinstance(event, m.MessageAdded) for event in added) == 1
    assert len(calls(ben.devices[0], anna)) == 1


def test_call_is_a_missed_one_when_the_callee_dies_before_it_has_acknowledged_the_offer() -> (
    None
):
    world, anna, ben = two_people(6)
    device = ben.devices[0]
    world.clock.run_for(120.0)
    before = device.store.fault
    device.on_crash = lambda _node: None

    seen: list[m.Event] = []
    device.told = seen.append

    def dies(moment: str) -> None:
        if moment == AFTER_COMMIT:
            raise Crash

    place(world, anna, ben)
    device.store.fault = dies
    world.clock.run_for(5.0)
    assert device.crash_count == 1
    assert not any(isinstance(event, m.MessageAdded) for event in seen), "nobody heard it"
    device.store.fault = before
    device.start()
    world.clock.run_for(5.0)
    assert missed(ben, anna) == [True]
    assert leftovers(world) == []


def test_offer_is_given_up_after_a_minute_without_a_supernode() -> None:
    world, anna, ben = two_people(7)
    supernode = next(iter(world.supernodes.values()))
    supernode.crash()
    place(world, anna, ben)
    world.clock.run_for(LONGER_THAN_A_RING_S)
    assert anna.devices[0].ask(lambda messaging: messaging.diagnostics()).outbox_count == 0
    supernode.start()
    world.calm_down(3600.0)
    assert calls(ben.devices[0], anna) == []


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "seed", [300, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(301, 306))]
)
def test_calls_in_a_storm_stand_once_each_where_they_belong_and_none_stays_open(
    seed: int,
) -> None:
    world = World(seed, replace(STORM, clock_step_share=0.0), 2)
    people = [world.add_person(name, 2 if name == "anna" else 1) for name in ("anna", "ben")]
    world.introduce(people[1], people[0])
    world.let_it_storm()
    placed: list[CallId] = []
    for _ in range(40):
        caller, callee = world.random.sample(people, 2)
        if any(device.up for device in caller.devices):
            placed.append(place(world, caller, callee))
            world.write(caller, callee)
        world.clock.run_for(world.random.expovariate(1 / 10))
    world.calm_down(24 * 3600.0)
    started_again(world)
    assert sum(device.crash_count for device in world.devices()) > 0, "no storm was seen"
    shown = {
        view.message_id
        for owner, contact in (people, reversed(people))
        for device in owner.devices
        for view in calls(device, contact)
    }
    assert len(shown) > len(placed) / 2
    assert shown <= set(placed)
    assert calls_shown_wrongly(world) == []
    assert misdelivered_messages(world) == []
    assert leftovers(world) == []
