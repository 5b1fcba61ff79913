"""Seeded storms over a small world; what must hold is in `hark_lab.sim.properties`.

Links break every half minute, a fifth of the connection attempts fail, one commit in twenty
is cut by a power failure, the supernode crashes in the middle of commits and drops, doubles
and reorders mail, and calendars are up to a day wrong and are set while all of it goes on.
"""

import pytest

from hark_lab.sim.network import Path
from hark_lab.sim.properties import violations
from hark_lab.sim.supernode import Misbehaviour
from hark_lab.sim.world import Weather, World

DAY_MS = 24 * 3600 * 1000

STORM = Weather(
    path=Path(delay_s=(0.005, 0.5), mean_life_s=30.0, refuse_share=0.2),
    device_crash_share=0.05,
    supernode_crash_share=0.02,
    misbehaviour=Misbehaviour(drop=0.1, double=0.1, reorder=0.1),
    clock_error_ms=DAY_MS,
    clock_step_share=0.05,
)


def stormy_world(
    seed: int, *, device_count: int = 1, supernode_count: int = 1, weather: Weather = STORM
) -> World:
    """Let three people write to each other for some minutes in bad weather, then calm down."""
    world = World(seed, weather, supernode_count)
    people = [world.add_person(name, device_count) for name in ("anna", "ben", "cleo")]
    for place, person in enumerate(people):
        for other in people[:place]:
            world.introduce(person, other)
    world.let_it_storm()
    for _ in range(40):
        writer, reader = world.random.sample(people, 2)
        world.write(writer, reader)
        if world.random.random() < 0.3:
            world.read(reader, writer)
        if world.random.random() < weather.clock_step_share:
            world.set_clock(world.random.choice(writer.devices))
        world.clock.run_for(world.random.expovariate(1 / 5))
    world.calm_down()
    return world


def check(world: World) -> None:
    crash_count = sum(device.crash_count for device in world.devices())
    assert crash_count > 0, "no storm was seen"
    assert sum(message.message_id is not None for message in world.written) >= 20
    assert violations(world) == []


def one_is_quick(seeds: range) -> list[object]:
    """Return seeds of which only the first is tried by the quick tests."""
    first, *others = seeds
    return [first, *(pytest.param(seed, marks=pytest.mark.slow) for seed in others)]


@pytest.mark.parametrize("seed", one_is_quick(range(4)))
@pytest.mark.claim("S-5", "S-6", "S-7")
def test_world_keeps_its_promises_in_a_storm(seed: int) -> None:
    check(stormy_world(seed))


@pytest.mark.parametrize("seed", one_is_quick(range(100, 102)))
def test_people_of_two_devices_keep_one_conversation_in_a_storm(seed: int) -> None:
    check(stormy_world(seed, device_count=2))


@pytest.mark.parametrize("seed", one_is_quick(range(200, 202)))
def test_people_with_two_homes_keep_their_mail_in_a_storm(seed: int) -> None:
    check(stormy_world(seed, supernode_count=2))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(1000, 1020))
def test_world_keeps_its_promises_in_a_storm_of_another_seed(seed: int) -> None:
    check(stormy_world(seed))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(1100, 1110))
def test_people_of_two_devices_and_homes_keep_one_conversation(seed: int) -> None:
    check(stormy_world(seed, device_count=2, supernode_count=2))


def test_run_repeats_when_its_seed_repeats() -> None:
    first, second = stormy_world(7), stormy_world(7)
    assert [event for _, event in first.events] == [event for _, event in second.events]
    assert first.random.random() == second.random.random()
