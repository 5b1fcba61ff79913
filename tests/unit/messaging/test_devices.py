"""Two devices of one account: both get everything, contacts learn of the second."""

from hark.messaging.events import ContactChange, ContactChanged, MessageState
from hark.messaging.provision import join_account, new_device
from hark_lab.sim.device_store import DictDeviceStore
from tests.unit.messaging.post_office import Person, World


def further_device(world: World, first: Person) -> Person:
    new = new_device(world.rng.randbytes)
    link = first.machine.let_in(new.device, world.now)
    store = DictDeviceStore()
    join_account(
        store,
        new,
        link,
        world.addresses()[:1],
        random_bytes=world.rng.randbytes,
        now_unix_ms=world.unix_ms(world.now),
    )
    second = world.join(first.name + "'s second", store)
    world.pass_time(61)
    return second


def test_a_text_reaches_both_devices_of_its_recipient_and_the_writers_own_other() -> None:
    world = World()
    alice, bob = world.friends()
    bob2 = further_device(world, bob)
    assert bob2.account == bob.account
    alice.machine.send_text(bob.account, "to both", world.now)
    world.pass_time(61)
    assert bob.texts(alice) == ["to both"] == bob2.texts(alice)
    assert alice.last(bob).state is MessageState.DELIVERED
    bob2.machine.send_text(alice.account, "from the second", world.now)
    world.pass_time(61)
    assert alice.texts(bob) == ["to both", "from the second"]
    assert bob.texts(alice) == ["to both", "from the second"]
    assert bob2.texts(alice) == ["to both", "from the second"]
    assert bob.last(alice).outgoing
    for person in (alice, bob, bob2):
        assert person.machine.diagnostics().outbox_count == 0
        assert person.machine.diagnostics().quarantine_by_cause == {}


def test_contacts_are_told_of_a_new_device_and_their_number_stays_the_same() -> None:
    world = World()
    alice, bob = world.friends()
    number = alice.machine.safety_number(bob.account)
    bob2 = further_device(world, bob)
    assert ContactChanged(bob.account, ContactChange.DEVICES) in alice.events
    assert alice.machine.contacts()[0].device_count == 2
    assert alice.machine.safety_number(bob.account) == number
    assert bob2.machine.safety_number(alice.account) == number


def test_a_contact_that_missed_the_notice_learns_of_the_device_when_it_writes() -> None:
    world = World()
    alice, bob = world.friends()
    world.pass_time(61)
    alice.go_offline()
    bob2 = further_device(world, bob)
    for home in world.homes.values():
        for box in home.boxes.values():
            box.envelopes.clear()
    bob2.machine.send_text(alice.account, "who is this?", world.now)
    world.run()
    alice.go_online()
    world.pass_time(61)
    assert alice.texts(bob) == ["who is this?"]
    assert alice.machine.diagnostics().quarantine_by_cause == {}


def test_a_contact_made_on_one_device_is_known_on_the_other() -> None:
    world = World()
    bob = world.person("bob")
    bob2 = further_device(world, bob)
    carol = world.person("carol")
    world.befriend(bob, carol)
    world.pass_time(61)
    assert [view.account_id for view in bob2.machine.contacts()] == [carol.account]
    bob2.machine.send_text(carol.account, "we have not met", world.now)
    world.pass_time(61)
    assert carol.texts(bob) == ["we have not met"]
    carol.machine.send_text(bob.account, "now we have", world.now)
    world.pass_time(61)
    assert bob.texts(carol) == bob2.texts(carol) == ["we have not met", "now we have"]


def test_what_was_read_on_one_device_is_read_on_the_other() -> None:
    world = World()
    alice, bob = world.friends()
    bob2 = further_device(world, bob)
    alice.machine.send_text(bob.account, "read me", world.now)
    world.pass_time(61)
    assert bob2.machine.contacts()[0].unread == 1
    bob.machine.mark_read(alice.account, world.now)
    world.pass_time(61)
    assert bob2.machine.contacts()[0].unread == 0
    assert alice.last(bob).state is MessageState.READ
