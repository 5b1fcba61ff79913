"""A supernode that breaks its promises: the sender's outbox makes good for it."""

import pytest

from hark.messaging.events import MessageState
from hark_lab.sim.mailbox_store import MailboxDisk
from hark_lab.sim.properties import violations
from hark_lab.sim.supernode import Misbehaviour
from hark_lab.sim.world import Person, Weather, World


def two_people(
    seed: int, weather: Weather | None = None, supernode_count: int = 1
) -> tuple[World, Person, Person]:
    world = World(seed, weather or Weather(), supernode_count)
    anna, ben = world.add_person("anna"), world.add_person("ben")
    world.introduce(anna, ben)
    return world, anna, ben


def states(person: Person, other: Person) -> list[MessageState]:
    history = person.devices[0].ask(lambda messaging: messaging.history(other.account, 1000))
    return [view.state for view in history if view.outgoing]


@pytest.mark.claim("S-7")
def test_message_is_sent_again_when_a_supernode_drops_half_of_what_it_holds() -> None:
    world, anna, ben = two_people(1, Weather(misbehaviour=Misbehaviour(drop=0.5)))
    world.let_it_storm()
    for _ in range(20):
        world.write(anna, ben)
        world.clock.run_for(1.0)
    world.calm_down()
    assert violations(world) == []


@pytest.mark.claim("S-7")
def test_message_is_not_called_delivered_while_a_supernode_withholds_it() -> None:
    world, anna, ben = two_people(2, Weather(misbehaviour=Misbehaviour(drop=1.0)))
    world.let_it_storm()
    world.write(anna, ben)
    world.clock.run_for(3600.0)
    assert states(anna, ben) == [MessageState.HELD]
    world.calm_down()
    assert violations(world) == []


@pytest.mark.claim("S-6")
def test_message_is_shown_once_and_in_order_when_everything_comes_twice_and_late() -> None:
    weather = Weather(misbehaviour=Misbehaviour(double=0.5, reorder=0.5))
    world, anna, ben = two_people(3, weather)
    world.let_it_storm()
    for _ in range(30):
        world.write(anna, ben)
        world.write(ben, anna)
        world.clock.run_for(0.2)
    world.calm_down()
    assert violations(world) == []


@pytest.mark.claim("S-7")
def test_mail_arrives_when_the_supernode_loses_its_disk() -> None:
    world, anna, ben = two_people(4, supernode_count=2)
    ben.devices[0].stop()
    for _ in range(5):
        world.write(anna, ben)
    world.clock.run_for(60.0)
    lost = next(iter(world.supernodes.values()))
    lost.crash()
    lost.disk.boxes.clear()
    ben.devices[0].start()
    world.clock.run_for(600.0)
    assert states(anna, ben) == [MessageState.DELIVERED] * 5


def test_messages_wait_and_go_when_the_only_supernode_comes_back() -> None:
    world, anna, ben = two_people(5)
    supernode = next(iter(world.supernodes.values()))
    supernode.crash()
    for _ in range(5):
        world.write(anna, ben)
    world.clock.run_for(3600.0)
    assert states(anna, ben) == [MessageState.WAITING] * 5
    supernode.start()
    world.calm_down(3600.0)
    assert violations(world) == []


@pytest.mark.claim("R-2")
def test_copy_of_a_store_is_refused_when_the_newer_one_has_been_used() -> None:
    world, anna, ben = two_people(6)
    device = anna.devices[0]
    copy = device.store.copy()
    device.stop()
    device.start()
    world.clock.run_for(60.0)
    device.stop()
    # The copy counts one start, the store that was used after it has counted one as well.
    device.store = copy
    device.start()
    world.clock.run_for(60.0)
    device.stop()
    device.start()
    assert device.overtaken
    assert not device.do(lambda messaging, now: messaging.send_text(ben.account, "?", now))


def test_deleted_mail_is_gone_from_the_disk() -> None:
    world, anna, ben = two_people(7)
    world.write(anna, ben)
    world.calm_down(3600.0)
    disks: list[MailboxDisk] = [one.disk for one in world.supernodes.values()]
    assert all(box.row.envelope_count == 0 for disk in disks for box in disk.boxes.values())
