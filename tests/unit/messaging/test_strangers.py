"""Strangers: asked by a stamp, answered by a person or not at all."""

from dataclasses import replace

import pytest

from hark.errors import InvitationError, UnreachableError
from hark.messaging.config import MessagingConfig
from hark.messaging.events import (
    AskHome,
    Cause,
    ContactChange,
    ContactChanged,
    ContactStatus,
    FindStamp,
    MessageState,
)
from hark.wire.mailbox import Put, Stamp
from hark_lab.sim.device_store import DictDeviceStore
from tests.unit.messaging.post_office import DAY_S, Person, World, quick


@pytest.mark.claim("P-1")
def test_a_stranger_waits_for_a_decision_and_hears_nothing_before_it() -> None:
    world = World(config=quick())
    alice, bob = world.person("alice"), world.person("bob")
    home = next(iter(world.homes.values()))
    bob.machine.add(alice.machine.contact_link(), "alice", world.now)
    bob.machine.send_text(alice.account, "please", world.now)
    world.run()
    (view,) = alice.machine.contacts()
    assert (view.status, view.their_name) == (ContactStatus.REQUESTED, "bob")
    assert ContactChanged(bob.account, ContactChange.REQUESTED) in alice.events
    asked = []

    def watch(person: Person, ask: AskHome) -> str:
        asked.append((person, type(ask.request)))
        return ""

    world.fault = watch
    home.puts.clear()
    world.pass_time(20 * DAY_S)
    assert (alice, Put) not in asked, "not even a receipt"
    assert len(home.puts) == 1, "and the stranger asks once more"
    assert bob.last(alice).cause is Cause.NOT_ACCEPTED
    alice.machine.accept(bob.account, world.now)
    world.pass_time(61)
    assert bob.machine.contacts()[0].status is ContactStatus.ACCEPTED
    assert alice.texts(bob) == ["please"]
    assert bob.last(alice).state is MessageState.DELIVERED


def test_a_stranger_pays_with_a_stamp_and_an_invited_person_does_not() -> None:
    world = World()
    alice, bob, carol = (world.person(name) for name in ("alice", "bob", "carol"))
    stamps = []
    original = world._perform

    def counting(person: object, effect: object) -> object:
        if isinstance(effect, FindStamp):
            stamps.append(person)
        return original(person, effect)  # type: ignore[arg-type]

    world._perform = counting  # type: ignore[method-assign, assignment]
    bob.machine.add(alice.machine.contact_link(), "", world.now)
    world.run()
    assert stamps == [bob]
    world.befriend(alice, carol)
    assert stamps == [bob]


def test_every_first_request_has_the_same_size_with_and_without_an_invitation() -> None:
    world = World()
    alice, bob, carol = (world.person(name) for name in ("alice", "b", "c" * 60))
    bob.machine.add(alice.machine.contact_link(), "", world.now)
    world.run()
    world.befriend(alice, carol)
    home = next(iter(world.homes.values()))
    sizes = [len(envelope) for envelope in home.puts if len(envelope) > 10_000]
    assert sizes == [1146 + 16 * 1024] * 2


@pytest.mark.claim("P-2")
def test_an_invitation_works_once_and_the_second_user_is_a_stranger() -> None:
    world = World()
    alice, bob, carol = (world.person(name) for name in ("alice", "bob", "carol"))
    invitation = alice.machine.invite(world.now, "my friend")
    world.run()
    bob.machine.add(invitation, "", world.now)
    world.run()
    carol.machine.add(invitation, "", world.now)
    world.pass_time(600)
    views = {view.account_id: view for view in alice.machine.contacts()}
    assert views[bob.account].status is ContactStatus.ACCEPTED
    assert views[bob.account].name == "my friend"
    assert views[carol.account].status is ContactStatus.REQUESTED


def test_an_expired_invitation_and_ones_own_are_refused_before_anything_is_sent() -> None:
    world = World(config=quick())
    alice, bob = world.person("alice"), world.person("bob")
    invitation = alice.machine.invite(world.now)
    with pytest.raises(InvitationError):
        alice.machine.add(invitation, "me", world.now)
    world.pass_time(8 * DAY_S)
    with pytest.raises(InvitationError):
        bob.machine.add(invitation, "alice", world.now)
    assert bob.machine.contacts() == []


def test_an_invitation_needs_a_mailbox_that_some_home_has_made() -> None:
    world = World()
    alice = world.person("alice")
    assert isinstance(alice.store, DictDeviceStore)
    world.fault = lambda _person, _ask: "lost request"
    bob = world.person("bob")
    with pytest.raises(UnreachableError):
        bob.machine.invite(world.now)


def test_two_people_who_ask_each_other_are_contacts_without_a_further_question() -> None:
    world = World()
    alice, bob = world.person("alice"), world.person("bob")
    to_alice, to_bob = alice.machine.contact_link(), bob.machine.contact_link()
    alice.machine.add(to_bob, "bob", world.now)
    bob.machine.add(to_alice, "alice", world.now)
    world.pass_time(61)
    for person in (alice, bob):
        assert [view.status for view in person.machine.contacts()] == [ContactStatus.ACCEPTED]
    alice.machine.send_text(bob.account, "hello", world.now)
    world.run()
    assert bob.texts(alice) == ["hello"]


def test_only_so_many_strangers_can_wait_and_the_rest_lie_in_the_quarantine() -> None:
    world = World(config=replace(MessagingConfig(), max_requests=2))
    alice = world.person("alice")
    for number in range(4):
        stranger = world.person(f"stranger {number}")
        stranger.machine.add(alice.machine.contact_link(), "", world.now)
        world.run()
    assert len(alice.machine.contacts()) == 2
    assert alice.machine.diagnostics().quarantine_by_cause == {"too_many_requests": 2}


@pytest.mark.claim("C-1")
def test_a_blocked_person_is_not_heard_and_everybody_else_is_told_the_new_token() -> None:
    world = World()
    alice, bob = world.friends()
    carol = world.person("carol")
    world.befriend(alice, carol)
    world.pass_time(61)
    alice.machine.block(bob.account, world.now)
    bob.machine.send_text(alice.account, "hello?", world.now)
    carol.machine.send_text(alice.account, "hello!", world.now)
    world.pass_time(61)
    assert alice.received(bob) == []
    assert alice.received(carol) == ["hello!"]
    assert bob.last(alice).state is not MessageState.DELIVERED
    assert carol.last(alice).state is MessageState.DELIVERED


def test_a_contact_with_an_old_token_comes_by_the_requests_mailbox_and_learns_the_new() -> None:
    world = World()
    alice, bob = world.friends()
    carol = world.person("carol")
    world.befriend(alice, carol)
    world.pass_time(61)
    carol.go_offline()
    alice.machine.block(bob.account, world.now)
    world.run()
    # The card is lost with the home's disk; carol has the old token only.
    for home in world.homes.values():
        for box in home.boxes.values():
            box.envelopes.clear()
    stamped = []

    def watch(person: Person, ask: AskHome) -> str:
        put = ask.request
        if person is carol and isinstance(put, Put) and isinstance(put.admission, Stamp):
            stamped.append(put)
        return ""

    world.fault = watch
    carol.machine.send_text(alice.account, "by the other door", world.now)
    carol.go_online()
    world.pass_time(61)
    assert alice.received(carol) == ["by the other door"]
    assert carol.last(alice).state is MessageState.DELIVERED
    assert len(stamped) == 1
    carol.machine.send_text(alice.account, "by the front door", world.now)
    world.run()
    assert alice.received(carol) == ["by the other door", "by the front door"]
    assert len(stamped) == 1


def test_a_block_that_is_lifted_lets_both_write_again() -> None:
    world = World()
    alice, bob = world.friends()
    alice.machine.block(bob.account, world.now)
    world.pass_time(61)
    alice.machine.accept(bob.account, world.now)
    world.pass_time(61)
    alice.machine.send_text(bob.account, "sorry", world.now)
    bob.machine.send_text(alice.account, "well", world.now)
    world.pass_time(2 * 3600)
    assert bob.received(alice) == ["sorry"]
    assert alice.received(bob) == ["well"]
