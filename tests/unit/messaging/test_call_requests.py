"""Calling somebody who has not accepted: no more than a word in a request."""

import pytest

from hark.errors import ContactNotAcceptedError, UsageError
from hark.messaging.events import AskHome, ContactChange, ContactChanged, ContactStatus
from hark.messaging.tables import OUTBOX_BY_DUE
from hark.wire.bodies import CONTACT_REQUEST_PARSER, BodyType
from hark.wire.codec import encode
from hark.wire.mailbox import Put
from tests.unit.messaging.call_signals import ADDRESS, offer, signal
from tests.unit.messaging.post_office import HOUR_S, Person, World, quick
from tests.unit.messaging.test_calls import sealed_to, waiting_signals
from tests.unit.messaging.test_hostile import bring


def stranger() -> tuple[World, Person, Person]:
    """Return alice, and bob who has asked her."""
    world = World(config=quick())
    alice, bob = world.person("alice"), world.person("bob")
    bob.machine.add(alice.machine.contact_link(), "alice", world.now)
    world.run()
    return world, alice, bob


def wants_call(person: Person) -> bool:
    (view,) = person.machine.contacts()
    return view.wants_call


def call(world: World, caller: Person, callee: Person) -> None:
    with pytest.raises(ContactNotAcceptedError):
        caller.machine.call_peer(callee.account, world.now)
    world.run()


@pytest.mark.claim("P-4")
def test_a_strangers_call_rings_only_as_a_request_and_carries_no_address() -> None:
    world, alice, bob = stranger()
    requests: list[bytes] = []

    def watch(person: Person, ask: AskHome) -> str:
        if isinstance(ask.request, Put):
            assert person is bob, "not even a receipt"
            with bob.store.transaction() as t:
                requests.extend(row.body for row in t.select(OUTBOX_BY_DUE))
        return ""

    world.fault = watch
    call(world, bob, alice)
    # What a program without our rules sends: a whole offer, in time and well made.
    bob.machine.carry_calls([signal(alice.account)], world.now)
    assert waiting_signals(bob) == []
    bring(world, alice, sealed_to(bob, alice, encode(offer())))
    world.pass_time(HOUR_S)
    assert alice.signals == []
    assert alice.machine.history(bob.account) == []
    assert wants_call(alice)
    assert alice.machine.contacts()[0].status is ContactStatus.REQUESTED
    assert requests
    for body in requests:
        assert ADDRESS.encode() not in body
        assert CONTACT_REQUEST_PARSER.parse(body).wants_call
    # The look finds an address where there is one.
    assert ADDRESS.encode() in encode(offer())


def test_a_known_request_that_wants_a_call_is_told_and_a_new_one_is_a_request() -> None:
    world, alice, bob = stranger()
    assert not wants_call(alice)
    told = ContactChanged(bob.account, ContactChange.WANTS_CALL)
    assert told not in alice.events
    call(world, bob, alice)
    assert alice.events.count(told) == 1
    carol = world.person("carol")
    world.fault = lambda person, _ask: "lost request" if person is carol else ""
    carol.machine.add(alice.machine.contact_link(), "alice", world.now)
    call(world, carol, alice)
    world.fault = lambda _person, _ask: ""
    carol.restart()
    world.pass_time(600)
    assert ContactChanged(carol.account, ContactChange.REQUESTED) in alice.events
    assert ContactChanged(carol.account, ContactChange.WANTS_CALL) not in alice.events
    assert all(view.wants_call for view in alice.machine.contacts())


def test_somebody_who_has_not_accepted_is_asked_at_most_once_an_hour() -> None:
    world, alice, bob = stranger()
    told = ContactChanged(bob.account, ContactChange.WANTS_CALL)
    for _ in range(3):
        call(world, bob, alice)
        world.pass_time(HOUR_S / 2)
    assert alice.events.count(told) == 2


def test_accepting_ends_the_wish_and_the_call_can_be_made() -> None:
    world, alice, bob = stranger()
    call(world, bob, alice)
    with pytest.raises(UsageError):
        alice.machine.call_peer(bob.account, world.now)
    alice.machine.accept(bob.account, world.now)
    world.run()
    assert not wants_call(alice)
    assert bob.machine.call_peer(alice.account, world.now).account == alice.account
    assert alice.machine.call_peer(bob.account, world.now).account == bob.account


def test_an_invited_person_who_calls_before_the_answer_came_asks_again_and_rings_after_it() -> (
    None
):
    world = World(config=quick())
    alice, bob = world.person("alice"), world.person("bob")
    invitation = alice.machine.invite(world.now)
    world.run()
    world.hold_mail = lambda person, _envelope: person is bob
    bob.machine.add(invitation, "alice", world.now)
    world.run()
    call(world, bob, alice)
    world.hold_mail = lambda _person, _envelope: False
    world.pass_time(61)
    assert not wants_call(alice)
    bob.machine.carry_calls([signal(alice.account)], world.now)
    world.run()
    assert len(alice.signals) == 1
    assert bob.machine.diagnostics().outbox_count == 0


def test_the_request_that_wants_a_call_is_the_only_one_under_way() -> None:
    world, alice, bob = stranger()
    call(world, bob, alice)
    with bob.store.transaction() as t:
        rows = t.select(OUTBOX_BY_DUE)
    assert [row.body_type for row in rows] == [BodyType.CONTACT_REQUEST]
