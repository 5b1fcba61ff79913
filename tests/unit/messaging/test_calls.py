"""Signals of calls are mail: who may send them, when they matter, how soon they are gone."""

import pytest

from hark.errors import (
    ContactBlockedError,
    ContactUnverifiedError,
    UnknownContactError,
    UsageError,
)
from hark.messaging import outbox, outgoing, peers, sessions
from hark.messaging.asks import RowKey
from hark.messaging.events import AskHome, CallPeer, LiveReceived, MailReceived, Trust
from hark.messaging.outbox import Content, seal_content
from hark.messaging.tables import OUTBOX_BY_DUE, OutboxRow
from hark.messaging.views import MessageKind, MessageView
from hark.wire.bodies import BodyType
from hark.wire.call import MAX_SIGNAL_BYTES, CallOutcome, CallRecordBody
from hark.wire.codec import encode
from hark.wire.ids import AccountId, DeviceId, MailboxId
from hark.wire.mailbox import Put
from tests.unit.messaging.call_signals import CALL, ending, offer, signal
from tests.unit.messaging.post_office import DAY_S, HOUR_S, Person, World, quick
from tests.unit.messaging.test_devices import further_device
from tests.unit.messaging.test_hostile import bring
from tests.unit.messaging.test_trust import lost_and_restored

RING_MS = 60_000


def waiting_signals(person: Person) -> list[OutboxRow]:
    with person.store.transaction() as t:
        rows = t.select(OUTBOX_BY_DUE)
    return [row for row in rows if row.body_type == BodyType.CALL]


def calls_of(person: Person, contact: Person) -> list[MessageView]:
    views = person.machine.history(contact.account, 1000)
    return [view for view in views if view.kind is MessageKind.CALL]


def outcomes(person: Person, contact: Person) -> list[CallOutcome | None]:
    return [view.outcome for view in calls_of(person, contact)]


def unread(person: Person) -> int:
    return sum(view.unread for view in person.machine.contacts())


def send_body(
    world: World, person: Person, contact: Person, kind: BodyType, body: bytes
) -> None:
    """Send any body, as a program of the sender's own making could."""
    with person.machine._command(world.now) as work:
        outgoing.send_control(work, contact.account, kind, body)
    world.run()


# On the way.


@pytest.mark.parametrize("homes", [1, 2])
def test_a_signal_arrives_once_as_it_was_given_and_leaves_nothing_to_send(homes: int) -> None:
    world = World(homes)
    alice, bob = world.friends()
    order = signal(bob.account)
    alice.machine.carry_calls([order], world.now)
    world.run()
    (came,) = bob.signals
    assert came.body == order.body
    assert (came.account, came.device) == (alice.account, alice.machine.whoami().device_id)
    assert (came.own_epoch, came.contact_epoch) == (
        bob.machine.whoami().epoch,
        alice.machine.whoami().epoch,
    )
    assert waiting_signals(alice) == []
    assert alice.machine.history(bob.account) == []


def test_a_signal_is_answered_by_no_receipt() -> None:
    world = World(config=quick())
    alice, bob = world.friends()
    world.pass_time(61)
    puts = {node: len(home.puts) for node, home in world.homes.items()}
    alice.machine.carry_calls([signal(bob.account), signal(bob.account, ending())], world.now)
    world.pass_time(HOUR_S)
    bob.machine.mark_read(alice.account, world.now)
    world.pass_time(HOUR_S)
    assert len(bob.signals) == 2
    assert {node: len(home.puts) - 2 for node, home in world.homes.items()} == puts


@pytest.mark.parametrize(
    ("to", "reached"),
    [("all", [True, True]), ("first", [True, False]), ("all but first", [False, True])],
)
def test_a_signal_goes_to_the_devices_that_it_is_for(to: str, reached: list[bool]) -> None:
    world = World()
    alice, bob = world.friends()
    second = further_device(world, bob)
    first = bob.machine.whoami().device_id
    order = signal(
        bob.account,
        device=first if to == "first" else None,
        but_not=first if to == "all but first" else None,
    )
    alice.machine.carry_calls([order], world.now)
    world.run()
    assert [bool(person.signals) for person in (bob, second)] == reached


def test_a_signal_that_no_home_has_taken_for_a_minute_is_given_up() -> None:
    world = World()
    alice, bob = world.friends()
    world.fault = lambda _person, _ask: "lost request"
    alice.machine.carry_calls([signal(bob.account)], world.now)
    world.pass_time(59)
    assert waiting_signals(alice)
    world.pass_time(3)
    assert waiting_signals(alice) == []
    world.fault = lambda _person, _ask: ""
    world.pass_time(DAY_S)
    assert bob.signals == []
    assert calls_of(bob, alice) == []


def test_a_signal_is_put_again_until_a_home_has_taken_it() -> None:
    world = World()
    alice, bob = world.friends()
    lost: list[AskHome] = []

    def lose_twice(_person: Person, ask: AskHome) -> str:
        if isinstance(ask.request, Put) and len(lost) < 2:
            lost.append(ask)
            return "lost request" if len(lost) == 1 else "lost answer"
        return ""

    world.fault = lose_twice
    alice.machine.carry_calls([signal(bob.account)], world.now)
    world.pass_time(40)
    assert len(lost) == 2
    assert len(bob.signals) == 1
    assert waiting_signals(alice) == []


def test_nothing_of_a_call_goes_to_somebody_whose_new_keys_nobody_has_looked_at() -> None:
    world = World(config=quick())
    alice, _, bob = lost_and_restored(world)
    bob.machine.add(alice.machine.contact_link(), "alice", world.now)
    world.run()
    with pytest.raises(ContactUnverifiedError):
        alice.machine.call_peer(bob.account, world.now)
    alice.machine.carry_calls([signal(bob.account)], world.now)
    assert waiting_signals(alice) == []
    alice.machine.verify(bob.account, world.now)
    world.pass_time(600)
    assert bob.signals == []
    assert alice.machine.call_peer(bob.account, world.now).contact_epoch > 0


def test_nothing_of_a_call_goes_to_somebody_who_is_blocked() -> None:
    world = World()
    alice, bob = world.friends()
    alice.machine.block(bob.account, world.now)
    with pytest.raises(ContactBlockedError):
        alice.machine.call_peer(bob.account, world.now)
    alice.machine.carry_calls([signal(bob.account)], world.now)
    assert waiting_signals(alice) == []


def test_a_signal_that_waits_is_dropped_when_its_contact_is_blocked() -> None:
    world = World()
    alice, bob = world.friends()
    world.fault = lambda _person, _ask: "lost request"
    alice.machine.carry_calls([signal(bob.account)], world.now)
    alice.machine.block(bob.account, world.now)
    assert waiting_signals(alice) == []


def test_only_contacts_can_be_called_and_never_oneself() -> None:
    world = World()
    alice, bob = world.friends()
    assert alice.machine.call_peer(bob.account, world.now) == CallPeer(
        bob.account, alice.machine.whoami().epoch, bob.machine.whoami().epoch
    )
    with pytest.raises(UsageError):
        alice.machine.call_peer(alice.account, world.now)
    with pytest.raises(UnknownContactError):
        alice.machine.call_peer(AccountId(bytes(32)), world.now)


def test_orders_for_somebody_unknown_are_passed_over() -> None:
    world = World()
    alice, _ = world.friends()
    stranger = AccountId(bytes(32))
    alice.machine.carry_calls([signal(stranger)], world.now)
    assert waiting_signals(alice) == []


# Arriving.


@pytest.mark.parametrize("held_ms", [0, RING_MS])
def test_an_offer_that_comes_in_time_rings_and_is_in_the_history(held_ms: int) -> None:
    world = World()
    alice, bob = world.friends()
    world.held_ms = held_ms
    alice.machine.carry_calls([signal(bob.account)], world.now)
    world.run()
    assert len(bob.signals) == 1
    (view,) = calls_of(bob, alice)
    assert (view.message_id, view.outcome) == (CALL, CallOutcome.RINGING)
    assert (view.outgoing, view.unread, view.text) == (False, False, "")


@pytest.mark.claim("S-13")
def test_an_offer_that_comes_late_does_not_ring_and_is_a_missed_call() -> None:
    world = World()
    alice, bob = world.friends()
    world.held_ms = RING_MS + 1
    alice.machine.carry_calls([signal(bob.account), signal(bob.account, ending())], world.now)
    world.run()
    assert bob.signals == []
    assert outcomes(bob, alice) == [CallOutcome.MISSED]
    assert unread(bob) == 1
    bob.machine.mark_read(alice.account, world.now)
    assert unread(bob) == 0


@pytest.mark.parametrize("late_first", [True, False])
def test_the_first_of_two_copies_decides_whether_a_call_rings(late_first: bool) -> None:
    world = World(2)
    alice, bob = world.friends()
    held_back: list[bytes] = []
    world.hold_mail = lambda person, envelope: person is bob and not held_back.append(envelope)
    alice.machine.carry_calls([signal(bob.account)], world.now)
    world.run()
    assert len({*held_back}) == 1
    copy = held_back[0]
    home, mailbox = next(iter(world.homes)), MailboxId(next(iter(bob.attached)))
    for held_ms in (RING_MS + 1, 0) if late_first else (0, RING_MS + 1):
        bob.machine.handle(MailReceived(home, mailbox, 1, held_ms, copy), world.now)
        world.run()
    assert len(bob.signals) == (0 if late_first else 1)
    expected = CallOutcome.MISSED if late_first else CallOutcome.RINGING
    assert outcomes(bob, alice) == [expected]


@pytest.mark.slow
@pytest.mark.claim("S-13")
def test_a_home_that_repeats_an_offer_for_days_makes_nothing_ring_again() -> None:
    world = World()
    alice, bob = world.friends()
    alice.machine.carry_calls([signal(bob.account)], world.now)
    world.run()
    (home,) = world.homes.values()
    repeated = [*home.puts]
    for _ in range(3):
        bring(world, bob, *repeated)
        bob.restart()
        world.pass_time(2 * DAY_S)
    assert len(bob.signals) == 1
    assert len(calls_of(bob, alice)) == 1


def test_an_offer_encrypted_anew_under_its_message_id_rings_once() -> None:
    world = World()
    alice, bob = world.friends()
    body = encode(offer())
    with alice.machine._command(world.now) as work:
        key = RowKey(outgoing.new_message_id(work), bob.account, device_of(bob))
        outbox.enqueue(work, key, BodyType.CALL, body)
    world.run()
    with alice.machine._command(world.now) as work:
        outbox.enqueue(work, key, BodyType.CALL, body)
    world.run()
    assert len(bob.signals) == 1


def test_an_offer_of_a_call_that_was_here_before_does_not_ring_again() -> None:
    world = World()
    alice, bob = world.friends()
    alice.machine.carry_calls([signal(bob.account)], world.now)
    alice.machine.carry_calls([signal(bob.account)], world.now)
    world.run()
    assert len(bob.signals) == 1
    assert outcomes(bob, alice) == [CallOutcome.RINGING]


def device_of(person: Person) -> DeviceId:
    return person.machine.whoami().device_id


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (BodyType.CALL, b""),
        (BodyType.CALL, encode(offer())[:-1]),
        (BodyType.CALL, b"\x92\x63\xc0"),
        (BodyType.CALL, bytes(MAX_SIGNAL_BYTES + 1)),
        (BodyType.CALL_RECORD, encode(CallRecordBody(CallOutcome.MISSED, 0))),
    ],
)
def test_what_is_no_signal_is_counted_and_neither_shown_nor_confirmed(
    kind: BodyType, body: bytes
) -> None:
    world = World(config=quick())
    alice, bob = world.friends()
    world.pass_time(61)
    puts = sum(len(home.puts) for home in world.homes.values())
    send_body(world, alice, bob, kind, body)
    world.pass_time(30)
    # The calls hear of it, to end what goes on with that device; a record is nothing to them.
    assert [came.body for came in bob.signals] == [body] * (kind is BodyType.CALL)
    assert bob.machine.history(alice.account) == []
    assert bob.machine.diagnostics().internal_errors == {"malformed_body": 1}
    assert sum(len(home.puts) for home in world.homes.values()) == puts + 1


def test_an_offer_that_no_home_has_stored_does_not_ring() -> None:
    world = World()
    alice, bob = world.friends()
    (home,) = world.homes.values()
    world.hold_mail = lambda person, _envelope: person is bob
    alice.machine.carry_calls([signal(bob.account)], world.now)
    world.run()
    bob.machine.handle(LiveReceived(home.puts[-1]), world.now)
    world.run()
    assert bob.signals == []
    assert outcomes(bob, alice) == [CallOutcome.MISSED]


def test_a_contact_whose_new_keys_nobody_has_looked_at_leaves_a_missed_call() -> None:
    world = World(config=quick())
    alice, _, bob = lost_and_restored(world)
    bob.machine.add(alice.machine.contact_link(), "alice", world.now)
    world.run()
    assert alice.machine.contacts()[0].trust is Trust.NEW_EPOCH
    # Without our acceptance it has no card of ours; a home may lend it one.
    envelope = sealed_to(bob, alice, encode(offer()))
    bring(world, alice, envelope)
    assert alice.signals == []
    assert outcomes(alice, bob) == [CallOutcome.MISSED]


def test_signals_of_somebody_blocked_leave_nothing() -> None:
    world = World()
    alice, bob = world.friends()
    alice.machine.carry_calls([signal(bob.account)], world.now)
    bob.machine.block(alice.account, world.now)
    world.run()
    assert bob.signals == []
    assert calls_of(bob, alice) == []


def test_a_signal_of_a_contact_with_an_old_token_comes_by_the_other_door() -> None:
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
    carol.machine.carry_calls([signal(alice.account)], world.now)
    carol.go_online()
    world.pass_time(10)
    assert len(alice.signals) == 1
    carol.machine.carry_calls([signal(alice.account, ending())], world.now)
    world.run()
    assert len(alice.signals) == 2


def sealed_to(sender: Person, recipient: Person, body: bytes) -> bytes:
    """Return a signal sealed for a device, whose sender was told none of its mailboxes."""
    with sender.machine._command(sender.world.now) as work:
        (peer,) = peers.devices_of(work, recipient.account)
        session = sessions.newest_session(work, recipient.account, DeviceId(peer.device))
        assert session is not None
        content = Content(outgoing.new_message_id(work), 1, BodyType.CALL, body)
        return seal_content(work, peer, session, content)
