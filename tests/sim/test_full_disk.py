"""A device whose disk is full: nothing is lost, the person is told, it goes on by itself."""

import pytest

from hark.errors import DiskFullError
from hark_lab.sim.properties import violations
from hark_lab.sim.world import Weather, World


def disk_is_full(_place: str) -> None:
    raise DiskFullError("no room in the device store")


def test_mail_that_comes_while_the_disk_is_full_is_there_afterwards() -> None:
    world = World(1, Weather())
    anna, ben = world.add_person("anna"), world.add_person("ben")
    world.introduce(anna, ben)
    store = ben.devices[0].store
    weather, store.fault = store.fault, disk_is_full
    for _ in range(10):
        world.write(anna, ben)
        world.clock.run_for(10.0)
    assert ben.devices[0].up
    with pytest.raises(DiskFullError):
        world.write(ben, anna)
    store.fault = weather
    world.calm_down()
    assert violations(world) == []
    assert len(world.written) == 10


def test_command_that_could_not_be_stored_has_not_happened() -> None:
    world = World(2, Weather())
    anna, ben = world.add_person("anna"), world.add_person("ben")
    world.introduce(anna, ben)
    store = ben.devices[0].store
    weather, store.fault = store.fault, disk_is_full
    with pytest.raises(DiskFullError):
        ben.devices[0].do(lambda msg, now: msg.send_text(anna.account, "lost?", now))
    store.fault = weather
    world.calm_down(3600.0)
    history = ben.devices[0].ask(lambda msg: msg.history(anna.account, 100))
    assert history == []
