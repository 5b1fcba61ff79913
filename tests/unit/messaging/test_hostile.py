"""Envelopes that somebody has altered, made up, or turned against a third person."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hark.identity.bundle import BlobKind, open_blob, seal_blob
from hark.messaging import opening, peers, sessions
from hark.messaging.events import LiveReceived, MailReceived, MessageState
from hark.messaging.sealing import Party, bind_of, parse_record, seal_envelope
from hark.messaging.tables import (
    CONTACTS,
    PEERS_BY_ACCOUNT,
    QUARANTINE,
    QUARANTINE_BY_TIME,
    SESSIONS_OF_DEVICE,
    PeerDeviceRow,
)
from hark.messaging.views import MessageKind
from hark.messaging.work import Work
from hark.wire.bodies import BodyType, ReceiptBody, SyncText, TextBody
from hark.wire.codec import encode
from hark.wire.envelope import InnerMessage, Payload
from hark.wire.ids import AccountId, DeviceId, MailboxId, MessageId
from hark.wire.mailbox import PublishBundle
from tests.unit.messaging.post_office import Person, World, quick


def bring(world: World, person: Person, *envelopes: bytes) -> list[int]:
    """Bring envelopes to a person, all in one batch; return what was acknowledged."""
    home, mailbox = next(iter(world.homes)), MailboxId(next(iter(person.attached)))
    world.acknowledged.clear()
    items = [
        MailReceived(home, mailbox, 1000 + number, 0, envelope)
        for number, envelope in enumerate(envelopes)
    ]
    person.machine.handle_batch(items, world.now)
    world.run()
    return world.acknowledged


def forged(
    writer: Person,
    reader: Person,
    *,
    body_type: int = BodyType.TEXT,
    body: bytes = b"",
    spoil: str = "",
    claim: tuple[AccountId, DeviceId] | None = None,
) -> bytes:
    """Return an envelope as `writer` could make it with its own keys, rightly or not."""
    machine = writer.machine
    with machine._transaction(machine._now) as work:
        (row,) = work.t.select(PEERS_BY_ACCOUNT, reader.account)
        return _seal(work, row, (body_type, body), spoil, claim)


def _seal(
    work: Work,
    row: PeerDeviceRow,
    content: tuple[int, bytes],
    spoil: str,
    claim: tuple[AccountId, DeviceId] | None,
) -> bytes:
    sender = Party(work.own.account, work.own.device)
    record = parse_record(row.record)
    recipient = peers.party_of(row)
    if spoil == "bind":
        other = replace(recipient, account=AccountId(bytes(32)))
        bind = bind_of(sender, other, record.record_hash)
    else:
        bind = bind_of(sender, recipient, record.record_hash)
    payload = Payload(
        bind,
        MessageId(work.random_bytes(16)),
        1,
        work.own.chain.chain_seq,
        1,
        work.own.key_counter,
        content[0],
        content[1],
    )
    session = sessions.newest_session(work, recipient.account, recipient.device.device_id)
    assert session is not None
    olm = sessions.encrypt(work, session, payload.encode())
    account, device = claim or (sender.account, sender.device.device_id)
    return seal_envelope(record, InnerMessage(account, device, *olm, b""))


def settled() -> tuple[World, Person, Person]:
    world = World(config=quick())
    alice, bob = world.friends()
    alice.machine.send_text(bob.account, "hello", world.now)
    bob.machine.send_text(alice.account, "hello", world.now)
    world.pass_time(61)
    return world, alice, bob


def quarantined(person: Person) -> dict[str, int]:
    return person.machine.diagnostics().quarantine_by_cause


@pytest.mark.claim("S-5")
def test_a_message_bound_to_somebody_else_is_not_shown() -> None:
    world, alice, bob = settled()
    text = encode(TextBody(9, "for another"))
    envelope = forged(alice, bob, body=text, spoil="bind")
    assert bring(world, bob, envelope) == [1000]
    assert bob.received(alice) == ["hello"]
    assert quarantined(bob) == {"bad_bind": 1}


@pytest.mark.claim("C-3", "S-4")
def test_a_contact_cannot_write_in_the_name_of_another_contact() -> None:
    world, alice, bob = settled()
    carol = world.person("carol")
    world.befriend(carol, bob)
    world.pass_time(61)
    carol_device = carol.machine.whoami().device_id
    text = encode(TextBody(9, "I am carol"))
    envelope = forged(alice, bob, body=text, claim=(carol.account, carol_device))
    assert bring(world, bob, envelope) == [1000]
    assert bob.received(carol) == []
    assert quarantined(bob) == {"not_decrypted": 1}
    # Carol's session is untouched: nothing was reset because of a failure.
    carol.machine.send_text(bob.account, "the real carol", world.now)
    world.run()
    assert bob.received(carol) == ["the real carol"]


@pytest.mark.claim("S-4")
def test_a_device_cannot_write_to_itself_in_its_own_name() -> None:
    world, alice, bob = settled()
    me = bob.machine.whoami()
    text = encode(SyncText(alice.account, bytes(16), 1, TextBody(9, "I wrote this"), "held"))
    claim = (me.account_id, me.device_id)
    envelope = forged(alice, bob, body_type=BodyType.SYNC, body=text, claim=claim)
    bring(world, bob, envelope)
    assert quarantined(bob) == {"unknown_sender": 1}
    assert "I wrote this" not in bob.texts(alice)


@pytest.mark.claim("C-3")
def test_a_contact_cannot_say_what_only_our_own_devices_may() -> None:
    world, alice, bob = settled()
    text = encode(SyncText(alice.account, bytes(16), 1, TextBody(9, "I wrote this"), "held"))
    bring(world, bob, forged(alice, bob, body_type=BodyType.SYNC, body=text))
    assert "I wrote this" not in bob.texts(alice)


@pytest.mark.claim("C-3")
def test_a_receipt_of_one_contact_does_not_move_a_message_to_another() -> None:
    world, alice, bob = settled()
    carol = world.person("carol")
    world.befriend(carol, bob)
    world.pass_time(61)
    carol.go_offline()
    message_id = bob.machine.send_text(carol.account, "for carol", world.now)
    world.run()
    receipt = encode(ReceiptBody(1, [message_id]))
    bring(world, bob, forged(alice, bob, body_type=BodyType.RECEIPT, body=receipt))
    assert bob.last(carol).state is MessageState.HELD


def test_a_message_of_a_kind_that_is_not_known_yet_is_kept_and_shown_as_such() -> None:
    world, alice, bob = settled()
    bring(world, bob, forged(alice, bob, body_type=999, body=b"\xff from the future"))
    view = bob.last(alice)
    assert view.kind is MessageKind.UNKNOWN
    assert "newer hark" in view.text
    assert quarantined(bob) == {}


@pytest.mark.claim("C-2")
def test_a_body_that_does_not_parse_is_no_message_and_stops_nothing() -> None:
    world, alice, bob = settled()
    for body_type in BodyType:
        bring(world, bob, forged(alice, bob, body_type=body_type, body=b"\xc1 nonsense"))
    assert bob.received(alice) == ["hello"]
    alice.machine.send_text(bob.account, "fine", world.now)
    world.run()
    assert bob.received(alice) == ["hello", "fine"]


@pytest.mark.claim("C-2")
def test_an_order_at_the_end_of_all_numbers_does_not_keep_the_last_place() -> None:
    world, alice, bob = settled()
    text = encode(TextBody(2**53 - 1, "last for ever"))
    bring(world, bob, forged(alice, bob, body=text))
    alice.machine.send_text(bob.account, "after all", world.now)
    bob.machine.send_text(alice.account, "after that", world.now)
    world.run()
    texts = bob.texts(alice)
    assert texts[-1] == "after that"
    assert texts.index("last for ever") < texts.index("after that")


def test_a_stranger_can_say_nothing_but_that_it_wants_to_be_a_contact() -> None:
    world, _, bob = settled()
    eve = world.person("eve")
    world.befriend(bob, eve)
    world.pass_time(61)
    text = encode(TextBody(1, "let me in"))
    envelope = forged(eve, bob, body=text)
    # Bob has no such contact any more (restored from an older state, say).
    with bob.machine._transaction(world.now) as work:
        work.t.delete(CONTACTS, eve.account)
    assert bring(world, bob, envelope) == [1000]
    assert quarantined(bob) == {"not_contact": 1}


@pytest.mark.claim("C-2")
def test_a_poisoned_input_does_not_take_others_of_its_batch_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, alice, bob = settled()
    bob.go_offline()
    for number in range(3):
        alice.machine.send_text(bob.account, f"text {number}", world.now)
        world.run()
    first, poisoned, last = world.envelopes_for(bob)
    bob.go_online()
    world.hold_mail = lambda _person, _envelope: True
    real = opening.open_received

    def failing(work: Work, envelope: bytes) -> object:
        if envelope == poisoned:
            raise ZeroDivisionError("a bug of ours")
        return real(work, envelope)

    monkeypatch.setattr(opening, "open_received", failing)
    assert bring(world, bob, first, poisoned, last) == [1000, 1001, 1002]
    assert bob.received(alice) == ["hello", "text 0", "text 2"]
    assert quarantined(bob) == {"internal": 1}
    assert bob.machine.diagnostics().internal_errors == {"ZeroDivisionError": 1}


def test_the_quarantine_is_bounded_and_keeps_what_may_still_open() -> None:
    config = replace(quick(), max_quarantine=8)
    world = World(config=config)
    alice, bob = world.friends()
    world.pass_time(61)
    text = encode(TextBody(9, "?"))
    precious = forged(alice, bob, body=text, claim=(alice.account, DeviceId(b"d" * 16)))
    bring(world, bob, precious)
    for number in range(20):
        bring(world, bob, bytes([1, 1, number]) + bytes(1700))
    counts = quarantined(bob)
    assert 7 <= sum(counts.values()) <= 8
    assert counts["unknown_sender"] == 1
    world.pass_time(8 * 24 * 3600)
    assert quarantined(bob) == {}


_WORLD: list[tuple[World, Person, Person, bytes]] = []


def damaged_world() -> tuple[World, Person, Person, bytes]:
    """One world for all examples: what does not open must leave no trace but quarantine."""
    if not _WORLD:
        world, alice, bob = settled()
        bob.go_offline()
        alice.machine.send_text(bob.account, "never to be seen", world.now)
        world.run()
        (envelope,) = world.envelopes_for(bob)
        world.hold_mail = lambda _person, _envelope: True
        bob.go_online()
        _WORLD.append((world, alice, bob, envelope))
    return _WORLD[0]


@given(st.data())
@pytest.mark.claim("S-4")
def test_a_damaged_envelope_is_acknowledged_and_quarantined_and_never_shown(
    data: st.DataObject,
) -> None:
    """Invariant: no single change of a valid envelope raises, shows or changes anything."""
    world, alice, bob, envelope = damaged_world()
    kind = data.draw(st.sampled_from(["flip", "cut", "append", "swap"]))
    place = data.draw(st.integers(0, len(envelope) - 1))
    if kind == "flip":
        bit = 1 << data.draw(st.integers(0, 7))
        damaged = bytearray(envelope)
        damaged[place] ^= bit
    elif kind == "cut":
        damaged = bytearray(envelope[:place])
    elif kind == "append":
        damaged = bytearray(envelope + data.draw(st.binary(min_size=1, max_size=64)))
    else:
        damaged = bytearray(envelope[place:] + envelope[:place])
    if bytes(damaged) == envelope:
        return
    with bob.machine._transaction(world.now) as work:
        # The quarantine is bounded; what earlier examples left must not crowd this one out.
        for row in work.t.select(QUARANTINE_BY_TIME):
            work.t.delete(QUARANTINE, row.envelope_hash)
        before = work.t.select(SESSIONS_OF_DEVICE, alice.account)
    assert bring(world, bob, bytes(damaged)) == [1000]
    bob.machine.handle(LiveReceived(bytes(damaged)), world.now)
    with bob.machine._transaction(world.now) as work:
        assert work.t.select(SESSIONS_OF_DEVICE, alice.account) == before
        newest = work.t.select(QUARANTINE_BY_TIME, descending=True)
        assert bytes(damaged) in [row.envelope for row in newest]
        assert {row.cause for row in newest} <= set(opening.FAILURES)
    assert bob.received(alice) == ["hello"]
    assert bob.machine.diagnostics().internal_errors == {}


def test_after_all_damage_the_valid_envelope_still_opens() -> None:
    world, alice, bob, envelope = damaged_world()
    bring(world, bob, envelope)
    assert bob.received(alice) == ["hello", "never to be seen"]
    _WORLD.clear()


@pytest.mark.claim("S-8")
def test_a_home_that_swaps_keys_gets_nothing_sealed_to_them() -> None:
    """A claim whose record or prekey another device signed is refused, loudly waiting."""
    world = World(homes=1)
    alice, bob, eve = (world.person(name) for name in ("alice", "bob", "eve"))
    home = next(iter(world.homes.values()))
    eve_box = next(box for box in home.boxes.values() if box.mailbox in eve.attached)
    bob_boxes = [box for box in home.boxes.values() if box.mailbox in bob.attached]
    assert eve_box.bundle is not None
    record = open_blob(BlobKind.ENVELOPE_KEY, eve.account, eve_box.bundle.record_blob)
    for box in bob_boxes:
        assert box.bundle is not None
        honest = box.bundle
        box.bundle = PublishBundle(
            honest.mailbox,
            honest.record_counter,
            honest.chain_blob,
            seal_blob(BlobKind.ENVELOPE_KEY, bob.account, record, world.rng.randbytes),
            honest.fallback_blob,
        )
    home.puts.clear()
    alice.machine.add(bob.machine.contact_link(), "bob", world.now)
    world.pass_time(600)
    assert home.puts == []
    assert alice.machine.diagnostics().outbox_by_cause == {"keys_invalid": 1}
