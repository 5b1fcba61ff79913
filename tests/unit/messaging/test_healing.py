"""Envelope keys, prekeys and sessions: renewed, deleted, and healed when they are lost."""

from dataclasses import replace

import pytest

from hark.errors import StoreStaleError
from hark.messaging.config import MessagingConfig
from hark.messaging.events import (
    Cause,
    HomeUp,
    MessageChanged,
    MessageState,
    StoreOvertaken,
)
from hark.messaging.tables import (
    CUSTODY_BY_MESSAGE,
    ENVELOPE_KEYS,
    KEYS_BY_COUNTER,
    OLM_ACCOUNT,
    PEER_DEVICES,
    PEERS_BY_ACCOUNT,
    SEEN_BY_KEY,
    SESSIONS,
    SESSIONS_OF_DEVICE,
)
from hark_lab.sim.device_store import DictDeviceStore
from tests.unit.messaging.post_office import DAY_S, HOUR_S, Person, World, quick


def settled(config: MessagingConfig | None = None) -> tuple[World, Person, Person]:
    world = World(config=config or quick())
    alice, bob = world.friends()
    alice.machine.send_text(bob.account, "hello", world.now)
    bob.machine.send_text(alice.account, "hello", world.now)
    world.pass_time(61)
    return world, alice, bob


def key_counters(person: Person) -> list[int]:
    with person.store.transaction() as t:
        return [row.counter for row in t.select(KEYS_BY_COUNTER)]


def forget_sessions(person: Person, contact: Person) -> None:
    with person.store.transaction() as t:
        for row in t.select(SESSIONS_OF_DEVICE, contact.account):
            t.delete(SESSIONS, row.account, row.device, row.session_id)


def test_a_new_envelope_key_is_made_each_day_and_old_ones_are_deleted_three_days_later() -> (
    None
):
    world, alice, bob = settled()
    assert key_counters(alice) == [1]
    world.pass_time(DAY_S + 3 * HOUR_S)
    assert key_counters(alice) == [1, 2]
    world.pass_time(10 * DAY_S)
    counters = key_counters(alice)
    assert counters[-1] >= 11
    assert len(counters) <= 5
    with alice.store.transaction() as t:
        kept = {row.key_id for row in t.select(KEYS_BY_COUNTER)}
        seen = {row.key_id for row in t.select(SEEN_BY_KEY)}
    assert seen <= kept, "what was seen is forgotten with its key"
    alice.machine.send_text(bob.account, "still here", world.now)
    world.pass_time(61)
    assert bob.texts(alice)[-1] == "still here"


def test_a_device_that_was_away_keeps_its_last_key_until_its_mail_is_fetched() -> None:
    world, alice, bob = settled()
    bob.go_offline()
    alice.machine.send_text(bob.account, "long ago", world.now)
    world.pass_time(12 * DAY_S)
    bob.go_online()
    world.pass_time(61)
    assert bob.received(alice) == ["hello", "long ago"]
    assert alice.last(bob).state is MessageState.DELIVERED


def test_a_recipient_that_lost_its_session_is_healed_once_it_was_there() -> None:
    world, alice, bob = settled()
    forget_sessions(bob, alice)
    message_id = alice.machine.send_text(bob.account, "can you read this?", world.now)
    world.pass_time(HOUR_S)
    assert bob.received(alice) == ["hello"]
    assert bob.machine.diagnostics().quarantine_by_cause == {"not_decrypted": 1}
    assert alice.last(bob).state is MessageState.HELD
    alice.events.clear()
    world.pass_time(2 * DAY_S)
    assert bob.received(alice) == ["hello", "can you read this?"]
    assert alice.last(bob).state is MessageState.DELIVERED
    assert alice.last(bob).message_id == message_id
    causes = [event.cause for event in alice.events if isinstance(event, MessageChanged)]
    assert Cause.NEW_EPOCH not in causes
    bob.machine.send_text(alice.account, "yes", world.now)
    world.pass_time(HOUR_S)
    assert alice.received(bob) == ["hello", "yes"]


def test_a_recipient_without_the_key_it_was_sealed_to_is_healed() -> None:
    world, alice, bob = settled()
    bob.go_offline()
    alice.machine.send_text(bob.account, "sealed to a lost key", world.now)
    world.run()
    with bob.store.transaction() as t:
        for row in t.select(KEYS_BY_COUNTER):
            t.delete(ENVELOPE_KEYS, row.key_id)
            t.put(ENVELOPE_KEYS, row._replace(key_id=bytes(8)))
    bob.machine._volatile.drop_caches()
    bob.go_online()
    world.pass_time(61)
    assert bob.machine.diagnostics().quarantine_by_cause == {"unknown_key": 1}
    world.pass_time(3 * DAY_S)
    assert bob.received(alice) == ["hello", "sealed to a lost key"]
    assert alice.last(bob).state is MessageState.DELIVERED


def test_new_sessions_are_opened_at_most_once_an_hour_for_a_device() -> None:
    world, alice, bob = settled()
    bob.go_offline()
    for number in range(3):
        alice.machine.send_text(bob.account, f"text {number}", world.now)
        with alice.store.transaction() as t:
            (peer,) = t.select(PEERS_BY_ACCOUNT, bob.account)
            t.put(
                PEER_DEVICES,
                peer._replace(record_counter=peer.record_counter, gossip_counter=99),
            )
        world.pass_time(HOUR_S / 4)
    with alice.store.transaction() as t:
        sessions = t.select(SESSIONS_OF_DEVICE, bob.account)
    assert len(sessions) <= 3


def test_nothing_is_reset_because_of_an_envelope_that_failed() -> None:
    world, alice, bob = settled()
    with alice.store.transaction() as t:
        before = t.select(SESSIONS_OF_DEVICE, bob.account)
    home = next(iter(world.homes.values()))
    for envelope in list(home.puts):
        for box in home.boxes.values():
            home.sequence += 1
            box.envelopes[home.sequence] = envelope[:-1] + bytes([envelope[-1] ^ 1])
    claims = home.claims
    world.pass_time(HOUR_S)
    with alice.store.transaction() as t:
        assert t.select(SESSIONS_OF_DEVICE, bob.account) == before
    assert home.claims == claims


@pytest.mark.parametrize(("homes", "wanted"), [(1, 50), (2, 25)])
def test_one_time_keys_are_topped_up_at_half(homes: int, wanted: int) -> None:
    world = World(homes, config=quick())
    alice = world.person("alice")
    boxes = [b for h in world.homes.values() for b in h.boxes.values() if not b.kind]
    assert [len(box.prekeys) for box in boxes] == [wanted] * homes
    if homes == 2:
        assert not set(boxes[0].prekeys) & set(boxes[1].prekeys)
    del boxes[0].prekeys[: wanted // 2 - 1]
    alice.go_offline()
    alice.go_online()
    world.run()
    assert len(boxes[0].prekeys) == wanted - (wanted // 2 - 1), "above half: left alone"
    del boxes[0].prekeys[:2]
    alice.go_offline()
    alice.go_online()
    world.run()
    assert len(boxes[0].prekeys) == wanted


def test_the_fallback_key_changes_after_a_week() -> None:
    world, alice, _ = settled()

    def fallback() -> bytes:
        with alice.store.transaction() as t:
            row = t.get(OLM_ACCOUNT, 0)
            assert row is not None
            return row.fallback_blob

    first = fallback()
    world.pass_time(6 * DAY_S)
    assert fallback() == first
    world.pass_time(1.2 * DAY_S)
    assert fallback() != first
    home = next(iter(world.homes.values()))
    published = [b.bundle for b in home.boxes.values() if b.mailbox in alice.attached]
    assert {bundle.fallback_blob for bundle in published if bundle} == {fallback()}


def test_custody_receipts_are_kept_until_the_message_is_delivered() -> None:
    world, alice, bob = settled()
    bob.go_offline()
    message_id = alice.machine.send_text(bob.account, "held", world.now)
    world.run()
    with alice.store.transaction() as t:
        assert len(t.select(CUSTODY_BY_MESSAGE, message_id)) == 1
    bob.go_online()
    world.pass_time(61)
    with alice.store.transaction() as t:
        assert t.select(CUSTODY_BY_MESSAGE, message_id) == []


@pytest.mark.claim("R-2")
def test_a_copied_store_stops_for_good_when_the_other_copy_has_gone_on() -> None:
    world, alice, bob = settled()
    copy = DictDeviceStore()
    copy._rows = {name: dict(rows) for name, rows in alice.store._rows.items()}
    copy._orders = {name: list(keys) for name, keys in alice.store._orders.items()}
    alice.restart()
    world.run()
    twin = Person(world, "alice's copy", copy)
    world.people.append(twin)
    twin.machine.start(world.now)
    world.run()
    assert StoreOvertaken() in twin.events
    with pytest.raises(StoreStaleError):
        twin.machine.send_text(bob.account, "from the past", world.now)
    with pytest.raises(StoreStaleError):
        twin.restart()
    world.people.remove(twin)
    alice.machine.send_text(bob.account, "from the present", world.now)
    world.pass_time(61)
    assert bob.received(alice) == ["hello", "from the present"]


def test_a_mailbox_that_its_home_has_forgotten_is_made_again_and_told() -> None:
    world, alice, bob = settled()
    home = next(iter(world.homes.values()))
    old = set(bob.attached)
    for mailbox in old:
        del home.boxes[mailbox]
    bob.go_offline()
    bob.go_online()
    world.pass_time(61)
    assert bob.attached
    assert not bob.attached & old
    alice.machine.send_text(bob.account, "found you", world.now)
    world.pass_time(61)
    assert bob.received(alice) == ["hello", "found you"]


def test_a_second_home_is_told_to_contacts_and_the_first_can_be_left() -> None:
    world = World(2, config=quick())
    first, second = world.addresses()
    alice, bob = world.person("alice", [first]), world.person("bob", [first])
    world.befriend(alice, bob)
    world.pass_time(61)
    bob.machine.add_home(second, world.now)
    world.pass_time(61)
    alice.machine.send_text(bob.account, "to both", world.now)
    world.run()
    assert alice.last(bob).held_by == 2
    bob.machine.leave_home(first, world.now)
    world.pass_time(61)
    assert len(bob.machine.whoami().homes) == 1
    alice.machine.send_text(bob.account, "to the new one", world.now)
    world.pass_time(61)
    assert bob.received(alice) == ["to both", "to the new one"]


def test_typing_and_presence_reach_an_open_chat_and_are_limited_in_rate() -> None:
    world, alice, bob = settled()
    alice.machine.typing(bob.account, world.now)
    world.run()
    assert not [e for e in bob.events if type(e).__name__ == "TypingSeen"]
    alice.machine.open_chat(bob.account, world.now)
    for _ in range(5):
        alice.machine.typing(bob.account, world.now)
    world.run()
    names = [type(event).__name__ for event in bob.events]
    assert names.count("TypingSeen") == names.count("PresenceSeen") == 1
    alice.machine.close_chat(bob.account, world.now)
    world.pass_time(DAY_S / 2)
    assert [type(e).__name__ for e in bob.events].count("PresenceSeen") == 1


def test_wrong_clocks_are_corrected_by_the_homes_and_warned_about() -> None:
    world = World(config=replace(quick(), maintenance_ms=10_000))
    alice = world.person("alice")
    assert not alice.machine.diagnostics().clock_is_wrong
    node = next(iter(world.homes))
    alice.machine.handle(HomeUp(node, 10 * 60 * 1000), world.now)
    found = alice.machine.diagnostics()
    assert found.clock_is_wrong
    assert found.clock_offset_ms == 10 * 60 * 1000
