"""Recovery, forks, new devices: what a contact's chain may change, and what it stops."""

import pytest

from hark.errors import (
    ContactBlockedError,
    ContactFrozenError,
    ContactUnverifiedError,
    UnknownContactError,
    UsageError,
)
from hark.identity.words import RootSeed
from hark.messaging.events import Cause, ContactStatus, MessageState, Trust
from hark.messaging.provision import create_account, restore_account
from hark_lab.sim.device_store import DictDeviceStore
from tests.unit.messaging.post_office import Person, World


def account_with_seed(world: World, name: str) -> tuple[Person, RootSeed]:
    seed, store = RootSeed(world.rng.randbytes(32)), DictDeviceStore()
    create_account(
        store,
        seed,
        name,
        world.addresses()[:1],
        random_bytes=world.rng.randbytes,
        now_unix_ms=world.unix_ms(world.now),
    )
    return world.join(name, store), seed


def restored(world: World, name: str, seed: RootSeed) -> Person:
    store = DictDeviceStore()
    restore_account(
        store,
        seed,
        name,
        world.addresses()[:1],
        random_bytes=world.rng.randbytes,
        now_unix_ms=world.unix_ms(world.now),
    )
    return world.join(name, store)


def lost_and_restored(world: World) -> tuple[Person, Person, Person]:
    """Return alice, bob as he was (gone), bob as he came back."""
    alice = world.person("alice")
    bob, seed = account_with_seed(world, "bob")
    world.befriend(alice, bob)
    alice.machine.verify(bob.account, world.now)
    bob.go_offline()
    world.people.remove(bob)
    return alice, bob, restored(world, "bob", seed)


@pytest.mark.claim("R-1")
def test_a_restored_contact_that_asks_again_is_stopped_until_its_number_was_looked_at() -> None:
    world = World()
    alice, old, bob = lost_and_restored(world)
    assert old.account == bob.account
    number = alice.machine.safety_number(bob.account)
    alice.machine.send_text(bob.account, "are you there?", world.now)
    world.run()
    bob.machine.add(alice.machine.contact_link(), "alice", world.now)
    world.run()
    (view,) = alice.machine.contacts()
    assert view.trust is Trust.NEW_EPOCH
    assert view.status is ContactStatus.ACCEPTED
    assert alice.machine.safety_number(bob.account) != number
    with pytest.raises(ContactUnverifiedError):
        alice.machine.send_text(bob.account, "too early", world.now)
    world.pass_time(600)
    assert bob.machine.contacts()[0].status is ContactStatus.INVITED
    assert alice.last(bob).state in {MessageState.HELD, MessageState.WAITING}
    alice.machine.verify(bob.account, world.now)
    world.pass_time(600)
    assert bob.machine.contacts()[0].status is ContactStatus.ACCEPTED
    assert bob.texts(alice) == ["are you there?"]
    assert alice.last(bob).state is MessageState.DELIVERED
    bob.machine.send_text(alice.account, "yes", world.now)
    world.pass_time(61)
    assert alice.texts(bob) == ["are you there?", "yes"]
    assert len(alice.machine.contacts()) == 1


def test_a_restored_contact_may_also_invite_and_the_conversation_goes_on() -> None:
    world = World()
    alice, _, bob = lost_and_restored(world)
    alice.machine.send_text(bob.account, "before", world.now)
    alice.machine.add(bob.machine.invite(world.now), "bob", world.now)
    world.pass_time(60)
    assert alice.machine.contacts()[0].trust is Trust.NEW_EPOCH
    alice.machine.verify(bob.account, world.now)
    world.pass_time(600)
    assert bob.machine.contacts()[0].status is ContactStatus.ACCEPTED
    assert bob.texts(alice) == ["before"]
    alice.machine.send_text(bob.account, "after", world.now)
    bob.machine.send_text(alice.account, "hello again", world.now)
    world.pass_time(600)
    assert set(bob.texts(alice)) == {"before", "after", "hello again"}
    assert alice.texts(bob) == bob.texts(alice)


@pytest.mark.claim("R-1")
def test_two_recoveries_of_one_moment_freeze_the_contact_for_both_its_copies() -> None:
    world = World()
    alice = world.person("alice")
    bob, seed = account_with_seed(world, "bob")
    world.befriend(alice, bob)
    world.people.remove(bob)
    first, second = restored(world, "bob", seed), restored(world, "bob", seed)
    first.machine.add(alice.machine.contact_link(), "alice", world.now)
    world.run()
    assert alice.machine.contacts()[0].trust is Trust.NEW_EPOCH
    second.machine.add(alice.machine.contact_link(), "alice", world.now)
    world.run()
    assert alice.machine.contacts()[0].trust is Trust.FROZEN
    with pytest.raises(ContactFrozenError):
        alice.machine.send_text(bob.account, "which of you?", world.now)
    with pytest.raises(ContactFrozenError):
        alice.machine.verify(bob.account, world.now)


def test_a_queued_text_says_why_it_waits_when_the_contact_has_a_new_epoch() -> None:
    world = World()
    alice, _, bob = lost_and_restored(world)
    bob.machine.add(alice.machine.contact_link(), "alice", world.now)
    alice.go_offline()
    alice.machine.send_text(bob.account, "queued", world.now)
    world.run()
    alice.go_online()
    world.pass_time(60)
    view = alice.last(bob)
    assert (view.state, view.cause) in {
        (MessageState.WAITING, Cause.NEW_EPOCH),
        (MessageState.HELD, Cause.NEW_EPOCH),
        (MessageState.HELD, Cause.NONE),
    }
    assert bob.machine.contacts()[0].status is ContactStatus.INVITED


def test_the_faces_are_told_why_something_cannot_be_sent() -> None:
    world = World()
    alice, bob = world.friends()
    carol = world.person("carol")
    with pytest.raises(UnknownContactError):
        alice.machine.send_text(carol.account, "hello", world.now)
    alice.machine.block(bob.account, world.now)
    with pytest.raises(ContactBlockedError):
        alice.machine.send_text(bob.account, "hello", world.now)
    with pytest.raises(UsageError):
        bob.machine.send_text(alice.account, "", world.now)
    with pytest.raises(UsageError):
        bob.machine.send_text(alice.account, "x" * 16_385, world.now)
    with pytest.raises(UsageError):
        bob.machine.send_text(alice.account, "\ud800", world.now)


def test_nobody_is_verified_before_there_is_a_number_to_compare() -> None:
    world = World()
    alice, bob = world.person("alice"), world.person("bob")
    link = bob.machine.contact_link()
    alice.go_offline()
    alice.machine.add(link, "bob", world.now)
    assert alice.machine.safety_number(bob.account) == ""
    with pytest.raises(UsageError):
        alice.machine.verify(bob.account, world.now)
    alice.go_online()
    world.pass_time(600)
    assert alice.machine.contacts()[0].trust is Trust.UNVERIFIED
    alice.machine.verify(bob.account, world.now)
    assert alice.machine.contacts()[0].trust is Trust.VERIFIED
