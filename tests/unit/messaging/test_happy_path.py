"""Two people find each other by an invitation and write to each other."""

import pytest

from hark.messaging.events import ContactStatus, MessageState, Trust
from tests.unit.messaging.post_office import World


@pytest.mark.parametrize("homes", [1, 2])
def test_an_invitation_makes_two_people_contacts_of_each_other(homes: int) -> None:
    world = World(homes)
    alice, bob = world.friends()
    (a,), (b,) = alice.machine.contacts(), bob.machine.contacts()
    assert (a.account_id, a.status) == (bob.account, ContactStatus.ACCEPTED)
    assert (b.account_id, b.status) == (alice.account, ContactStatus.ACCEPTED)
    assert a.trust is Trust.UNVERIFIED
    assert a.safety_number == b.safety_number
    assert len(a.safety_number) == 60


@pytest.mark.parametrize("homes", [1, 2])
def test_texts_go_both_ways_and_are_delivered_and_read(homes: int) -> None:
    world = World(homes)
    alice, bob = world.friends()
    alice.machine.send_text(bob.account, "hello", world.now)
    world.run()
    assert bob.texts(alice) == ["hello"]
    assert alice.states(bob) == [MessageState.HELD]
    assert alice.last(bob).held_by == homes
    world.pass_time(61)
    assert alice.states(bob) == [MessageState.DELIVERED]
    bob.machine.mark_read(alice.account, world.now)
    world.pass_time(61)
    assert alice.states(bob) == [MessageState.READ]
    bob.machine.send_text(alice.account, "hello yourself", world.now)
    world.pass_time(61)
    assert alice.texts(bob) == ["hello", "hello yourself"] == bob.texts(alice)
    assert alice.machine.diagnostics().outbox_count == 0
    assert bob.machine.diagnostics().outbox_count == 0
