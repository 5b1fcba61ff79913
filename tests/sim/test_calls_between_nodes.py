"""Whole calls in virtual time: real cores, simulated supernodes and media, and bad days.

Signals go as mail through the simulated supernodes; the media engines check keys as real ones
do. What two people see must agree, nothing may go on for ever, and no key may be used twice.
"""

import contextlib
import itertools
from dataclasses import dataclass, replace

import pytest

from hark.calls.events import CallState, CallView, SasState
from hark.errors import CallError, UsageError
from hark.machine import Instant
from hark.messaging.views import MessageKind
from hark.node.core import NodeCore
from hark.wire.call import CallOutcome, EndReason
from hark.wire.ids import CallId
from hark_lab.sim.media import SimAir, SimMedia
from hark_lab.sim.node import SimNode
from hark_lab.sim.world import Person, Weather, World
from tests.sim.test_bad_weather import DAY_MS, STORM

LONGEST_CALL_S = 120.0
"""Ringing, an attempt to reconnect and the memory of ended calls are over by then."""
GUSTY = replace(STORM, device_crash_share=0.005, supernode_crash_share=0.002)
"""Calls are set up now and then, in spite of everything."""
OPEN = {CallOutcome.RINGING, CallOutcome.GOING_ON}


@dataclass
class Town:
    """A world whose people have telephones."""

    world: World
    air: SimAir
    engines: dict[int, SimMedia]

    @classmethod
    def of(
        cls, seed: int, weather: Weather, names: dict[str, int], supernodes: int = 1
    ) -> "Town":
        """Make people with so many devices each; each is a contact of the next."""
        world = World(seed, weather, supernodes)
        town = cls(world, SimAir(world.clock), {})
        people = [world.add_person(name, count) for name, count in names.items()]
        for first, second in itertools.pairwise(people):
            world.introduce(first, second)
        for device in world.devices():
            town._equip(device)
        return town

    def _equip(self, device: SimNode) -> None:
        engine = SimMedia(self.air, self.world.random, device.tell_media)
        self.engines[id(device)] = engine
        device.on_media_order = engine.perform
        on_crash = device.on_crash

        def crashed(node: SimNode) -> None:
            engine.kill()
            on_crash(node)

        device.on_crash = crashed

    def call(self, caller: SimNode, callee: Person) -> CallId:
        """Let a device call somebody, in calm weather."""
        placed: list[CallId] = []

        def place(core: NodeCore, now: Instant) -> None:
            placed.append(core.place_call(callee.account, now, records=False))

        assert caller.call(place)
        return placed[0]

    def answer(self, device: SimNode, call: CallId) -> None:
        """Let a device take a call."""
        assert device.call(lambda core, now: core.answer_call(call, now, records=False))

    def hang_up(self, device: SimNode, call: CallId) -> None:
        """Let a device end a call."""
        assert device.call(lambda core, now: core.calls(now).hang_up(call, now))

    def run(self, seconds: float) -> None:
        self.world.clock.run_for(seconds)

    def restart(self, device: SimNode) -> None:
        """Kill a node and start it again."""
        self.engines[id(device)].kill()
        device.crash()
        device.start()


def two(seed: int = 1, devices: int = 1) -> tuple[Town, SimNode, Person, Person]:
    town = Town.of(seed, Weather(), {"anna": 1, "ben": devices})
    anna, ben = town.world.people
    return town, anna.devices[0], anna, ben


def view(device: SimNode, call: CallId) -> CallView:
    return device.calls[call]


def outcomes(device: SimNode, contact: Person) -> list[CallOutcome | None]:
    history = device.ask(lambda messaging: messaging.history(contact.account, 1000))
    return [one.outcome for one in history if one.kind is MessageKind.CALL]


def talk(town: Town, caller: SimNode, callee: Person) -> CallId:
    """Let the first device of the callee take a call; return it when both hear each other."""
    call = town.call(caller, callee)
    town.run(2.0)
    town.answer(callee.devices[0], call)
    town.run(5.0)
    for device in (caller, callee.devices[0]):
        assert view(device, call).state is CallState.ACTIVE
        assert view(device, call).heard
    return call


def test_a_call_rings_on_every_device_and_goes_on_on_the_one_that_takes_it() -> None:
    town, caller, _anna, ben = two(devices=2)
    call = town.call(caller, ben)
    town.run(2.0)
    assert [view(device, call).state for device in ben.devices] == [CallState.INCOMING] * 2
    assert all(view(device, call).ring_confirmed for device in ben.devices)
    assert view(caller, call).state is CallState.RINGING
    town.answer(ben.devices[1], call)
    town.run(5.0)
    here, there = view(caller, call), view(ben.devices[1], call)
    assert here.sas_state is there.sas_state is SasState.READY
    assert len(here.sas) == 7
    assert here.sas == there.sas
    elsewhere = view(ben.devices[0], call)
    assert (elsewhere.state, elsewhere.reason) == (CallState.ENDED, EndReason.ELSEWHERE)


def test_a_broken_path_is_made_anew_within_three_seconds_with_the_same_emoji() -> None:
    town, caller, _anna, ben = two()
    call = talk(town, caller, ben)
    before = view(caller, call).sas
    town.air.cut(call)
    town.run(3.0)
    for device in (caller, ben.devices[0]):
        assert view(device, call).state is CallState.ACTIVE
        assert view(device, call).redials == 1
    assert view(caller, call).sas == before
    assert town.air.reused_keys == 0


@pytest.mark.claim("A-6")
def test_a_path_that_stays_broken_ends_the_call_on_both_sides() -> None:
    town, caller, _anna, ben = two()
    call = talk(town, caller, ben)
    town.air.down = True
    town.air.cut(call)
    town.run(30.0)
    for device in (caller, ben.devices[0]):
        assert view(device, call).state is CallState.ENDED
        assert view(device, call).reason is EndReason.LOST


@pytest.mark.parametrize("who", ["caller", "callee"])
def test_a_node_that_starts_again_in_a_call_ends_it_and_says_so_in_its_history(
    who: str,
) -> None:
    town, caller, anna, ben = two()
    call = talk(town, caller, ben)
    callee = ben.devices[0]
    killed, other = (caller, callee) if who == "caller" else (callee, caller)
    town.restart(killed)
    town.run(LONGEST_CALL_S)
    contact = ben if killed is caller else anna
    assert outcomes(killed, contact)[-1] is CallOutcome.INTERRUPTED
    assert view(other, call).state is CallState.ENDED
    assert view(other, call).reason in {EndReason.UNKNOWN_CALL, EndReason.LOST}


def test_two_who_call_each_other_at_once_are_in_one_call() -> None:
    for seed in range(8):
        town, caller, anna, ben = two(seed)
        callee = ben.devices[0]
        calls = {town.call(caller, ben), town.call(callee, anna)}
        town.run(8.0)
        for device in (caller, callee):
            states = {call: device.calls[call].state for call in calls if call in device.calls}
            assert sorted(states.values()) == [CallState.ACTIVE, CallState.ENDED]
            assert states[min(calls)] is CallState.ACTIVE


def test_a_callee_who_comes_back_after_a_minute_finds_a_missed_call() -> None:
    town, caller, anna, ben = two()
    callee = ben.devices[0]
    callee.stop()
    call = town.call(caller, ben)
    town.run(90.0)
    callee.start()
    town.run(10.0)
    assert call not in callee.calls
    assert outcomes(callee, anna) == [CallOutcome.MISSED]
    assert view(caller, call).reason is EndReason.NO_ANSWER


def test_a_call_goes_on_while_every_supernode_is_down() -> None:
    town, caller, _anna, ben = two()
    call = talk(town, caller, ben)
    for supernode in town.world.supernodes.values():
        supernode.crash()
    town.run(60.0)
    assert view(caller, call).state is CallState.ACTIVE
    town.hang_up(caller, call)
    town.run(3.0)
    ended = view(ben.devices[0], call)
    assert (ended.state, ended.by_peer) == (CallState.ENDED, True)


@pytest.mark.parametrize("step_ms", [-DAY_MS, DAY_MS])
def test_a_clock_that_is_set_anew_changes_nothing_in_a_call(step_ms: int) -> None:
    town, caller, anna, ben = two()
    callee = ben.devices[0]
    call = town.call(caller, ben)
    town.run(2.0)
    caller.calendar.error_ms += step_ms
    town.answer(callee, call)
    town.run(5.0)
    callee.calendar.error_ms -= step_ms
    town.run(5.0)
    town.air.cut(call)
    town.run(5.0)
    for device in (caller, callee):
        assert view(device, call).state is CallState.ACTIVE
        assert view(device, call).redials == 1
    town.hang_up(callee, call)
    town.run(5.0)
    assert outcomes(caller, ben) == outcomes(callee, anna) == [CallOutcome.ANSWERED]


def do_something(town: Town, device: SimNode, contact: Person) -> None:
    """Let a person do one of the things that people do with a telephone."""
    random = town.world.random

    def act(core: NodeCore, now: Instant) -> None:
        calls = core.calls(now)
        going = [one for one in calls.views() if one.state is not CallState.ENDED]
        if not going:
            core.place_call(contact.account, now, records=random.random() < 0.2)
            return
        one = random.choice(going)
        if one.state is CallState.INCOMING and random.random() < 0.9:
            core.answer_call(one.call, now, records=False)
        elif random.random() < 0.2:
            calls.hang_up(one.call, now)
        else:
            muted, held = random.random() < 0.5, random.random() < 0.3
            calls.switch(one.call, now, muted=muted, held=held, records=None)

    # What a person wanted may not be possible at this moment: they are told, nothing else.
    with contextlib.suppress(CallError, UsageError):
        device.call(act)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "seed", [500, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(501, 511))]
)
def test_in_a_storm_no_key_is_used_twice_and_in_the_end_every_call_is_over(seed: int) -> None:
    town = Town.of(seed, GUSTY, {"anna": 2, "ben": 1}, 2)
    world = town.world
    anna, ben = world.people
    world.let_it_storm()
    emoji: dict[CallId, set[tuple[object, ...]]] = {}
    for _ in range(120):
        person, contact = world.random.sample([anna, ben], 2)
        device = world.random.choice(person.devices)
        if device.up:
            do_something(town, device, contact)
        if world.random.random() < 0.1 and device.calls:
            town.air.cut(world.random.choice(list(device.calls)))
        town.run(world.random.expovariate(1 / 3))
        for one in world.devices():
            for seen in one.calls.values():
                if seen.sas:
                    emoji.setdefault(seen.call, set()).add(seen.sas)
    assert len(emoji) > 3, "hardly a call was ever connected"
    assert town.air.reused_keys == 0
    assert [call for call, seen in emoji.items() if len(seen) > 1] == []
    world.calm_down(LONGEST_CALL_S + 3600.0)
    for device in world.devices():
        contact = ben if device in anna.devices else anna
        assert not OPEN & {outcome for outcome in outcomes(device, contact) if outcome}
        assert device.ask(lambda _messaging: True)
