"""Calls in the history: never sent, never unfinished for ever, and what is over stays so."""

import pytest

from hark.messaging.events import MessageAdded, MessageChanged, MessageState, RecordOrder
from hark.messaging.tables import OPEN_CALLS_BY_ID
from hark.messaging.views import MessageKind
from hark.wire.bodies import BodyType, ReceiptBody
from hark.wire.call import CallOutcome
from hark.wire.codec import encode
from hark.wire.ids import AccountId, CallId, MessageId
from hark_lab.sim.device_store import AFTER_COMMIT, BEFORE_COMMIT, Crash
from tests.unit.messaging.call_signals import CALL, OTHER_CALL, offer, record, signal
from tests.unit.messaging.post_office import HOUR_S, Person, World, quick
from tests.unit.messaging.test_calls import calls_of, device_of, outcomes, send_body, unread
from tests.unit.messaging.test_devices import further_device

OPEN = (CallOutcome.RINGING, CallOutcome.GOING_ON)
FINAL = [outcome for outcome in CallOutcome if outcome not in OPEN]


def note(world: World, person: Person, *orders: RecordOrder) -> None:
    person.machine.carry_calls(orders, world.now)
    world.run()


def open_calls(person: Person) -> int:
    with person.store.transaction() as t:
        return len(t.select(OPEN_CALLS_BY_ID))


def test_a_call_of_ours_is_in_the_history_between_the_texts_that_surround_it() -> None:
    world = World(config=quick())
    alice, bob = world.friends()
    alice.machine.send_text(bob.account, "I will call", world.now)
    note(world, alice, record(bob.account, CallOutcome.RINGING))
    note(world, alice, record(bob.account, CallOutcome.GOING_ON))
    alice.machine.send_text(bob.account, "can you hear me?", world.now)
    note(world, alice, record(bob.account, CallOutcome.ANSWERED, duration_ms=61_000))
    views = alice.machine.history(bob.account)
    assert [view.text for view in views] == ["I will call", "", "can you hear me?"]
    call = views[1]
    assert (call.message_id, call.kind, call.outgoing) == (CALL, MessageKind.CALL, True)
    assert (call.outcome, call.duration_ms) == (CallOutcome.ANSWERED, 61_000)
    assert (call.state, call.held_by, call.unread) == (MessageState.NOTED, 0, False)
    assert [view.outcome for view in views[::2]] == [None, None]
    assert open_calls(alice) == 0


def test_faces_hear_of_each_change_of_a_call_once() -> None:
    world = World()
    alice, bob = world.friends()
    alice.events.clear()
    for outcome in (CallOutcome.RINGING, CallOutcome.RINGING, CallOutcome.DECLINED):
        note(world, alice, record(bob.account, outcome))
    noted = (MessageState.NOTED, 0, "none")
    assert alice.events == [
        MessageAdded(bob.account, MessageId(CALL), True),
        MessageChanged(bob.account, MessageId(CALL), *noted),  # type: ignore[arg-type]
    ]


@pytest.mark.parametrize("final", FINAL, ids=lambda outcome: outcome.name)
@pytest.mark.parametrize("late", OPEN, ids=lambda outcome: outcome.name)
def test_a_call_that_is_over_does_not_begin_again(
    final: CallOutcome, late: CallOutcome
) -> None:
    world = World()
    alice, bob = world.friends()
    note(world, alice, record(bob.account, final), record(bob.account, late))
    assert outcomes(alice, bob) == [final]
    assert open_calls(alice) == 0


def test_a_missed_call_is_unread_until_it_is_looked_at_and_no_other_is() -> None:
    world = World(config=quick())
    alice, bob = world.friends()
    world.pass_time(61)
    puts = sum(len(home.puts) for home in world.homes.values())
    device = device_of(bob)
    for outcome in CallOutcome:
        call = CallId(bytes([outcome]) * 16)
        note(world, alice, record(bob.account, outcome, call=call, caller_device=device))
        note(world, alice, record(bob.account, outcome, call=call))
    missed = [view for view in calls_of(alice, bob) if view.unread]
    assert [(view.outcome, view.outgoing) for view in missed] == [(CallOutcome.MISSED, False)]
    assert unread(alice) == 1
    alice.machine.mark_read(bob.account, world.now)
    world.pass_time(HOUR_S)
    assert unread(alice) == 0
    assert sum(len(home.puts) for home in world.homes.values()) == puts, "nobody is told"


def test_a_call_that_rang_and_is_missed_becomes_unread_and_one_taken_after_all_is_not() -> None:
    world = World()
    alice, bob = world.friends()
    alice.machine.carry_calls([signal(bob.account)], world.now)
    world.run()
    assert unread(bob) == 0
    device = device_of(alice)
    note(world, bob, record(alice.account, CallOutcome.MISSED, caller_device=device))
    assert unread(bob) == 1
    note(world, bob, record(alice.account, CallOutcome.ELSEWHERE, caller_device=device))
    assert outcomes(bob, alice) == [CallOutcome.ELSEWHERE]
    assert unread(bob) == 0


def test_reading_on_one_device_reads_a_missed_call_on_the_other() -> None:
    world = World(config=quick())
    alice, bob = world.friends()
    second = further_device(world, bob)
    world.held_ms = 60_001
    alice.machine.carry_calls([signal(bob.account)], world.now)
    world.run()
    assert (unread(bob), unread(second)) == (1, 1)
    world.held_ms = 0
    second.machine.mark_read(alice.account, world.now)
    world.pass_time(61)
    assert (unread(bob), unread(second)) == (0, 0)


def test_no_record_of_a_call_leaves_the_device_even_when_everything_is_sent_again() -> None:
    world = World(config=quick())
    alice, bob = world.friends()
    further_device(world, alice)
    note(world, alice, record(bob.account, CallOutcome.DECLINED))
    puts = sum(len(home.puts) for home in world.homes.values())
    further_device(world, bob)
    world.pass_time(HOUR_S)
    alice.machine.verify(bob.account, world.now)
    world.pass_time(HOUR_S)
    assert sum(len(home.puts) for home in world.homes.values()) > puts
    for person in world.people:
        contact = bob if person.account == alice.account else alice
        assert len(person.machine.history(contact.account)) == (person is alice)


def test_a_receipt_for_a_call_changes_nothing() -> None:
    world = World(config=quick())
    alice, bob = world.friends()
    note(world, alice, record(bob.account, CallOutcome.DECLINED))
    before = calls_of(alice, bob)
    for kind in (0, 1):
        body = encode(ReceiptBody(kind, [CALL]))
        send_body(world, bob, alice, BodyType.RECEIPT, body)
    assert calls_of(alice, bob) == before


def test_a_contact_cannot_turn_a_message_into_a_call_by_its_name() -> None:
    world = World(config=quick())
    alice, bob = world.friends()
    text_id = alice.machine.send_text(bob.account, "a text", world.now)
    world.run()
    alice.machine.carry_calls([signal(bob.account, offer(CallId(text_id)))], world.now)
    world.run()
    assert bob.texts(alice) == ["a text"]
    assert bob.signals == []
    device = device_of(alice)
    order = record(
        alice.account, CallOutcome.MISSED, call=CallId(text_id), caller_device=device
    )
    note(world, bob, order)
    assert bob.texts(alice) == ["a text"]


def test_a_record_of_somebody_unknown_is_passed_over() -> None:
    world = World()
    alice, _ = world.friends()
    stranger = AccountId(bytes(32))
    note(world, alice, record(stranger, CallOutcome.MISSED))
    assert alice.machine.message(MessageId(CALL)) is None


# Across starts.


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (CallOutcome.RINGING, CallOutcome.MISSED),
        (CallOutcome.GOING_ON, CallOutcome.INTERRUPTED),
        (CallOutcome.DECLINED, CallOutcome.DECLINED),
    ],
)
@pytest.mark.parametrize("incoming", [True, False])
def test_a_start_settles_the_calls_that_were_not_over(
    before: CallOutcome, after: CallOutcome, incoming: bool
) -> None:
    world = World()
    alice, bob = world.friends()
    device = device_of(bob) if incoming else None
    note(world, alice, record(bob.account, before, caller_device=device))
    alice.restart()
    world.run()
    assert outcomes(alice, bob) == [after]
    assert unread(alice) == (1 if incoming and after is CallOutcome.MISSED else 0)
    assert open_calls(alice) == 0
    if before is not after:
        assert any(isinstance(event, MessageChanged) for event in alice.events)


@pytest.mark.parametrize("phase", [BEFORE_COMMIT, AFTER_COMMIT])
def test_a_power_cut_while_a_call_arrives_leaves_a_missed_call_and_rings_at_most_once(
    phase: str,
) -> None:
    world = World()
    alice, bob = world.friends()

    def fault(moment: str) -> None:
        if moment == phase:
            bob.store.fault = None
            raise Crash

    world.hold_mail = lambda person, _envelope: person is bob
    alice.machine.carry_calls([signal(bob.account)], world.now)
    world.run()
    world.hold_mail = lambda _person, _envelope: False
    bob.store.fault = fault
    with pytest.raises(Crash):
        world.deliver(bob)
    bob.restart()
    world.run()
    # Before the commit nothing was kept, and the home brings it again; after it the ring that
    # nobody heard is a missed call.
    assert len(bob.signals) == (1 if phase is BEFORE_COMMIT else 0)
    expected = CallOutcome.RINGING if phase is BEFORE_COMMIT else CallOutcome.MISSED
    assert outcomes(bob, alice) == [expected]
    assert world.envelopes_for(bob) == []
    bob.restart()
    world.run()
    assert outcomes(bob, alice) == [CallOutcome.MISSED]
    assert unread(bob) == 1


def test_several_calls_are_settled_each_in_its_conversation() -> None:
    world = World()
    alice, bob = world.friends()
    carol = world.person("carol")
    world.befriend(alice, carol)
    note(world, alice, record(bob.account, CallOutcome.GOING_ON))
    note(world, alice, record(carol.account, CallOutcome.RINGING, call=OTHER_CALL))
    alice.restart()
    assert outcomes(alice, bob) == [CallOutcome.INTERRUPTED]
    assert outcomes(alice, carol) == [CallOutcome.MISSED]
