"""Whatever the paths lose, repeat or reorder: each text is shown once, and in order."""

import itertools

import pytest

from hark.messaging.config import MessagingConfig
from hark.messaging.events import Cause, LiveReceived, MailReceived, MessageState
from hark.messaging.tables import SESSIONS, SESSIONS_OF_DEVICE
from hark.wire.error_codes import ErrorCode
from hark.wire.ids import MailboxId, NodeId
from hark.wire.mailbox import Claim, MailboxAnswer, MailboxRequest, Put, Refused
from tests.unit.messaging.post_office import DAY_S, HOUR_S, Person, World, quick


def mail(world: World, person: Person, envelope: bytes) -> None:
    """Bring an envelope to a person by hand."""
    home = next(iter(world.homes))
    mailbox = next(iter(person.attached))
    item = MailReceived(NodeId(home), MailboxId(mailbox), 999, 0, envelope)
    person.machine.handle(item, world.now)
    world.run()


def test_a_text_written_offline_goes_once_the_link_is_back() -> None:
    world = World()
    alice, bob = world.friends()
    alice.go_offline()
    alice.machine.send_text(bob.account, "later", world.now)
    world.pass_time(600)
    assert alice.last(bob).state is MessageState.WAITING
    assert alice.last(bob).cause is Cause.NO_HOME
    alice.go_online()
    world.run()
    assert bob.texts(alice) == ["later"]
    world.pass_time(61)
    assert alice.last(bob).state is MessageState.DELIVERED
    assert alice.last(bob).cause is Cause.NONE


@pytest.mark.claim("S-7")
def test_a_text_to_somebody_offline_is_held_and_delivered_when_they_return() -> None:
    world = World()
    alice, bob = world.friends()
    bob.go_offline()
    alice.machine.send_text(bob.account, "for later", world.now)
    world.pass_time(HOUR_S)
    assert alice.last(bob).state is MessageState.HELD
    assert bob.texts(alice) == []
    bob.go_online()
    world.pass_time(61)
    assert bob.texts(alice) == ["for later"]
    assert alice.last(bob).state is MessageState.DELIVERED


@pytest.mark.parametrize("fate", ["lost request", "lost answer"])
@pytest.mark.parametrize("kind", [Put, Claim])
def test_asks_that_are_lost_a_few_times_change_nothing_in_the_end(
    fate: str, kind: type[MailboxRequest]
) -> None:
    world = World()
    alice, bob = world.friends()
    left = 3

    def fault(person: Person, ask: object) -> str:
        nonlocal left
        if person is alice and isinstance(getattr(ask, "request", None), kind) and left:
            left -= 1
            return fate
        return ""

    world.fault = fault
    for number in range(3):
        alice.machine.send_text(bob.account, f"text {number}", world.now)
    world.pass_time(HOUR_S)
    assert bob.texts(alice) == ["text 0", "text 1", "text 2"]
    assert alice.states(bob) == [MessageState.DELIVERED] * 3


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
@pytest.mark.claim("S-6")
def test_texts_that_overtake_each_other_are_shown_in_the_order_of_their_writing(
    order: tuple[int, ...],
) -> None:
    world = World()
    alice, bob = world.friends()
    world.pass_time(61)
    bob.go_offline()
    for number in range(4):
        alice.machine.send_text(bob.account, f"text {number}", world.now)
        world.run()
    envelopes = world.envelopes_for(bob)
    bob.go_online()
    world.hold_mail = lambda _person, _envelope: True
    for place in order:
        mail(world, bob, envelopes[place])
    assert bob.texts(alice) == [f"text {number}" for number in range(4)]


@pytest.mark.claim("S-6")
def test_an_envelope_that_comes_again_is_shown_once_and_its_receipt_is_repeated() -> None:
    world = World(config=quick())
    alice, bob = world.friends()
    world.pass_time(5)
    home = next(iter(world.homes.values()))
    home.puts.clear()
    alice.machine.send_text(bob.account, "once", world.now)
    world.pass_time(5)
    (envelope, receipt) = home.puts
    assert receipt != envelope
    world.pass_time(120)
    home.puts.clear()
    mail(world, bob, envelope)
    world.pass_time(5)
    assert bob.texts(alice) == ["once"]
    assert len(home.puts) == 1, "one receipt"
    for _ in range(5):
        mail(world, bob, envelope)
    world.pass_time(5)
    assert len(home.puts) == 1, "the repeats are limited in rate"


def test_a_receipt_that_its_home_loses_comes_again_because_the_text_does() -> None:
    world = World(config=quick())
    alice, bob = world.friends()
    world.pass_time(5)
    lost: list[bytes] = []

    def lose(person: Person, envelope: bytes) -> bool:
        if person is alice and len(lost) < 2:
            lost.append(envelope)
            for home in world.homes.values():
                for box in home.boxes.values():
                    for sequence in [s for s, e in box.envelopes.items() if e == envelope]:
                        del box.envelopes[sequence]
            return True
        return False

    world.hold_mail = lose
    alice.machine.send_text(bob.account, "sure?", world.now)
    world.pass_time(30)
    assert alice.last(bob).state is MessageState.HELD
    world.pass_time(HOUR_S)
    assert alice.last(bob).state is MessageState.DELIVERED
    assert len(lost) == 2
    assert bob.texts(alice) == ["sure?"]


@pytest.mark.claim("S-7")
def test_a_home_that_loses_its_disk_gets_the_same_bytes_again() -> None:
    world = World(config=quick())
    alice, bob = world.friends()
    world.pass_time(5)
    bob.go_offline()
    alice.machine.send_text(bob.account, "precious", world.now)
    world.run()
    (first,) = world.envelopes_for(bob)
    for home in world.homes.values():
        for box in home.boxes.values():
            box.envelopes.clear()
    world.pass_time(6 * 60)
    (second,) = world.envelopes_for(bob)
    assert second == first
    bob.go_online()
    world.pass_time(5)
    assert bob.texts(alice) == ["precious"]


@pytest.mark.claim("S-6")
def test_a_replayed_first_message_on_a_fallback_key_makes_no_second_session() -> None:
    world = World()
    alice, bob = world.friends()
    home = next(iter(world.homes.values()))
    replayed = list(home.puts)
    for envelope in replayed:
        mail(world, bob, envelope)
        mail(world, alice, envelope)
    # Not even when the session that it once made has been given up: the library would take a
    # message on a fallback key again.
    with alice.store.transaction() as t:
        for row in t.select(SESSIONS_OF_DEVICE, bob.account):
            t.delete(SESSIONS, row.account, row.device, row.session_id)
    for envelope in replayed:
        mail(world, alice, envelope)
    with alice.store.transaction() as t:
        assert t.select(SESSIONS_OF_DEVICE, bob.account) == []
    # What was for the other one was sealed to a key that is not there; nothing else is odd.
    for person in (alice, bob):
        assert set(person.machine.diagnostics().quarantine_by_cause) <= {"unknown_key"}
        assert len(person.machine.contacts()) == 1


def test_a_burst_keeps_at_most_forty_puts_for_a_device_under_way() -> None:
    world = World()
    alice, bob = world.friends()
    world.pass_time(61)
    texts = [f"text {number}" for number in range(150)]
    alice.machine.send_texts(bob.account, texts, world.now)
    effects = alice.machine.take_effects()
    puts = [e for e in effects if isinstance(getattr(e, "request", None), Put)]
    assert len(puts) == 40
    inputs = [item for effect in effects for item in world._perform(alice, effect)]
    alice.machine.handle_batch(inputs, world.now)
    world.pass_time(61)
    assert bob.texts(alice) == texts
    assert set(alice.states(bob)) == {MessageState.DELIVERED}


def test_a_text_that_nobody_fetches_expires_after_thirty_days() -> None:
    world = World(config=MessagingConfig(maintenance_ms=6 * 60 * 60 * 1000))
    alice, bob = world.friends()
    bob.go_offline()
    bob.machine.deadline = lambda: None  # type: ignore[method-assign]
    alice.machine.send_text(bob.account, "too late", world.now)
    world.pass_time(29 * DAY_S)
    assert alice.last(bob).state is MessageState.HELD
    world.pass_time(2 * DAY_S)
    assert alice.last(bob).state is MessageState.EXPIRED
    assert alice.machine.diagnostics().outbox_count == 0


@pytest.mark.claim("S-6")
def test_a_live_envelope_that_is_a_text_is_shown_once_even_if_it_comes_by_mail_too() -> None:
    world = World()
    alice, bob = world.friends()
    world.hold_mail = lambda person, _envelope: person is bob
    alice.machine.send_text(bob.account, "twice", world.now)
    world.run()
    (envelope,) = world.envelopes_for(bob)
    bob.machine.handle(LiveReceived(envelope), world.now)
    world.hold_mail = lambda _person, _envelope: False
    world.run()
    assert bob.texts(alice) == ["twice"]


def test_a_home_that_asks_for_weeks_of_silence_is_asked_again_after_an_hour() -> None:
    world = World(config=quick())
    alice, bob = world.friends()
    (home,) = world.homes.values()
    honest = home.apply

    def broken(request: MailboxRequest, who: Person) -> MailboxAnswer:
        if isinstance(request, Put | Claim):
            return Refused(ErrorCode.RATE_LIMITED, 2**32 - 1)
        return honest(request, who)

    home.apply = broken  # type: ignore[method-assign]
    alice.machine.send_text(bob.account, "in the end", world.now)
    world.run()
    home.apply = honest  # type: ignore[method-assign]
    world.pass_time(3 * HOUR_S)
    assert bob.received(alice) == ["in the end"]
