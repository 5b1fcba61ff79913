"""What the threat model says nobody can do, tried by whoever would have to be able to.

The adversary of most of these tests is a home: it sees every request and holds every envelope.
Each look for something that must not be there comes with a look for it where it is.
"""

import hashlib

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from hark.crypto.signing import SigningKey
from hark.crypto.xwing import _SUITE, EnvelopeSecret
from hark.errors import ContactUnverifiedError, ForgedError
from hark.identity.account_id import display
from hark.identity.bundle import BlobKind, open_blob, seal_blob
from hark.identity.chain import IdentityChain
from hark.identity.envelope_key import EnvelopeKeyRecord
from hark.identity.prekeys import PrekeyKind, SignedPrekey
from hark.messaging import sealing
from hark.messaging.events import (
    AskHome,
    ContactStatus,
    PresenceSeen,
    SendLive,
    Trust,
    TypingSeen,
)
from hark.messaging.tables import KEYS_BY_COUNTER, EnvelopeKeyRow
from hark.wire.bodies import TextBody
from hark.wire.codec import encode
from hark.wire.envelope import OuterEnvelope
from hark.wire.mailbox import PublishBundle, Put
from tests.unit.messaging.post_office import Person, World, quick
from tests.unit.messaging.test_devices import further_device
from tests.unit.messaging.test_hostile import bring, quarantined
from tests.unit.messaging.test_trust import account_with_seed, restored

CANARY = "canary-7f3d9c1e-songbird"


class Watched(World):
    """A world in which every request to a home is written down."""

    def __init__(self, homes: int = 1) -> None:
        super().__init__(homes, config=quick())
        self.asked: list[tuple[Person, AskHome]] = []
        self.fault = self._write_down

    def _write_down(self, person: Person, ask: AskHome) -> str:
        self.asked.append((person, ask))
        return ""

    def settled(self) -> tuple[Person, Person]:
        alice, bob = self.friends()
        alice.machine.send_text(bob.account, "hello", self.now)
        bob.machine.send_text(alice.account, "hello", self.now)
        self.pass_time(61)
        self.asked.clear()
        return alice, bob

    def puts_of(self, person: Person) -> list[Put]:
        return [
            ask.request
            for who, ask in self.asked
            if who is person and isinstance(ask.request, Put)
        ]


def envelope_key(person: Person) -> EnvelopeKeyRow:
    """Return the newest envelope key of a device, secret half included."""
    with person.store.transaction() as t:
        return t.select(KEYS_BY_COUNTER, limit=1, descending=True)[0]


def names_of(person: Person) -> list[bytes]:
    """Return what tells one account or device from others, in the forms that may be written."""
    whoami = person.machine.whoami()
    with person.machine._transaction(person.world.now) as work:
        device = work.own.device
    raw = [whoami.account_id, whoami.device_id, device.ed_key, device.curve_key]
    return [*raw, *(one.hex().encode() for one in raw), display(whoami.account_id).encode()]


# Sealing.


@pytest.mark.claim("N-2", "S-1")
def test_no_recorded_envelope_opens_with_one_half_of_the_hybrid_key() -> None:
    world = Watched()
    alice, bob = world.settled()
    alice.machine.send_text(bob.account, CANARY, world.now)
    alice.machine.open_chat(bob.account, world.now)
    alice.machine.mark_read(bob.account, world.now)
    world.pass_time(61)
    row = envelope_key(bob)
    record = sealing.parse_record(row.record)
    expanded = hashlib.shake_256(row.seed).digest(96)
    mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
    x25519 = X25519PrivateKey.from_private_bytes(expanded[64:])
    # A quantum computer gives the X25519 half; a broken lattice would give the other.
    no_mlkem = hpke.MLKEM768X25519PrivateKey(MLKEM768PrivateKey.generate(), x25519)
    no_x25519 = hpke.MLKEM768X25519PrivateKey(mlkem, X25519PrivateKey.generate())
    both = hpke.MLKEM768X25519PrivateKey(mlkem, x25519)
    recorded = [OuterEnvelope.parse(put.envelope) for put in world.puts_of(alice)]
    assert recorded
    info = sealing._info(record)
    for outer in recorded:
        assert outer.key_id == record.key_id
        for half in (no_mlkem, no_x25519):
            with pytest.raises(InvalidTag):
                _SUITE.decrypt(outer.sealed, half, info)
        opened = _SUITE.decrypt(outer.sealed, both, info)
        assert bytes(alice.account) in opened


@pytest.mark.claim("S-1")
def test_a_home_sees_no_text_and_no_name_in_all_that_it_is_asked() -> None:
    world = Watched()
    alice, bob = world.person(f"alice {CANARY}"), world.person(f"bob {CANARY}")
    world.befriend(alice, bob)
    alice.machine.send_text(bob.account, CANARY, world.now)
    bob.machine.send_text(alice.account, f"and {CANARY} back", world.now)
    world.pass_time(61)
    assert bob.received(alice) == [CANARY]
    seen = b"".join(encode(ask.request) for _, ask in world.asked)
    assert CANARY.encode() not in seen
    assert CANARY.encode().hex().encode() not in seen
    # The same look at a request whose envelope had been left open.
    (put, *_) = world.puts_of(alice)
    body = encode(TextBody(1, CANARY))
    assert CANARY.encode() in encode(Put(put.mailbox, put.admission, body))


@pytest.mark.claim("S-2")
def test_requests_of_two_senders_differ_in_nothing_but_the_sealed_part() -> None:
    world = Watched()
    alice, bob = world.settled()
    carol = world.person("carol")
    world.befriend(carol, bob)
    carol.machine.send_text(bob.account, "hello", world.now)
    bob.machine.send_text(carol.account, "hello", world.now)
    world.pass_time(61)
    world.asked.clear()
    bob.go_offline()
    for sender in (alice, carol):
        sender.machine.send_text(bob.account, "the same words", world.now)
        world.run()
    (by_alice,), (by_carol,) = world.puts_of(alice), world.puts_of(carol)
    assert (by_alice.mailbox, by_alice.admission) == (by_carol.mailbox, by_carol.admission)
    assert len(by_alice.envelope) == len(by_carol.envelope)
    clear = len(by_alice.envelope) - len(OuterEnvelope.parse(by_alice.envelope).sealed)
    assert by_alice.envelope[:clear] == by_carol.envelope[:clear]
    secret = EnvelopeSecret(envelope_key(bob).seed)
    info = sealing._info(sealing.parse_record(envelope_key(bob).record))
    for sender, put in ((alice, by_alice), (carol, by_carol)):
        request = encode(put)
        assert not [name for name in names_of(sender) if name in request]
        # They are there for the recipient alone.
        assert bytes(sender.account) in secret.open(
            info, OuterEnvelope.parse(put.envelope).sealed
        )


# Handing to somebody else.


@pytest.mark.claim("S-5", "S-4")
def test_an_envelope_opens_for_no_other_account_nor_device_whatever_key_it_names() -> None:
    world = Watched()
    alice, bob = world.settled()
    carol = world.person("carol")
    world.befriend(alice, carol)
    second = further_device(world, bob)
    world.pass_time(61)
    bob.go_offline()
    world.hold_mail = lambda person, _envelope: person is second
    alice.machine.send_text(bob.account, "for bob's first device", world.now)
    world.run()
    first_key = envelope_key(bob).key_id
    (envelope,) = [e for e in world.envelopes_for(bob) if e[2:10] == first_key]
    for other in (carol, second):
        known = set(quarantined(other))
        renamed = envelope[:2] + envelope_key(other).key_id + envelope[10:]
        assert bring(world, other, envelope, renamed) == [1000, 1001]
        assert set(quarantined(other)) - known == {"unknown_key", "not_opened"}
        assert "for bob's first device" not in other.texts(alice)


@pytest.mark.claim("S-4", "S-5")
def test_a_text_that_its_recipient_seals_again_to_a_third_person_is_refused() -> None:
    """A home and Bob together want Carol to believe that Alice wrote this to her."""
    world = Watched()
    alice, bob = world.settled()
    carol = world.person("carol")
    world.befriend(alice, carol)
    world.pass_time(61)
    world.asked.clear()
    bob.go_offline()
    alice.machine.send_text(bob.account, "I love you", world.now)
    world.run()
    (put,) = world.puts_of(alice)
    record = sealing.parse_record(envelope_key(bob).record)
    secret = EnvelopeSecret(envelope_key(bob).seed)
    inner = sealing.open_envelope(record, secret, OuterEnvelope.parse(put.envelope))
    to_carol = sealing.parse_record(envelope_key(carol).record)
    assert bring(world, carol, sealing.seal_envelope(to_carol, inner)) == [1000]
    assert carol.received(alice) == []
    assert set(quarantined(carol)) <= {"not_decrypted", "bad_bind"}


@pytest.mark.claim("S-6")
def test_a_text_that_a_home_hands_out_again_and_again_is_shown_once() -> None:
    world = Watched()
    alice, bob = world.settled()
    alice.machine.send_text(bob.account, "once", world.now)
    world.pass_time(61)
    replayed = [put.envelope for put in world.puts_of(alice)]
    for _ in range(3):
        bring(world, bob, *replayed)
        world.pass_time(120)
    bob.restart()
    world.run()
    bring(world, bob, *reversed(replayed))
    assert bob.received(alice) == ["hello", "once"]


# Keys.


@pytest.mark.claim("R-3", "S-8")
def test_a_device_list_that_the_account_key_has_not_signed_gets_nothing() -> None:
    world = Watched()
    alice, bob, eve = (world.person(name) for name in ("alice", "bob", "eve"))
    honest = world.homes[next(iter(world.homes))]
    boxes = [box for box in honest.boxes.values() if box.mailbox in bob.attached]
    before = {box.mailbox: box.bundle for box in boxes}
    eve_device = eve.machine.whoami().device_id
    with eve.machine._transaction(world.now) as work:
        eve_keys = work.own.device
    for box in boxes:
        bundle = box.bundle
        assert bundle is not None
        chain = open_blob(BlobKind.CHAIN, bob.account, bundle.chain_blob)
        with bob.machine._transaction(world.now) as work:
            mine = work.own.device
        # Eve's device in the place of Bob's; the signature is still Bob's.
        swapped = chain.replace(mine.ed_key, eve_keys.ed_key)
        swapped = swapped.replace(mine.curve_key, eve_keys.curve_key)
        swapped = swapped.replace(mine.device_id, eve_device)
        assert swapped != chain
        with pytest.raises(ForgedError):
            IdentityChain.parse(swapped)
        box.bundle = PublishBundle(
            bundle.mailbox,
            bundle.record_counter,
            seal_blob(BlobKind.CHAIN, bob.account, swapped, world.rng.randbytes),
            bundle.record_blob,
            bundle.fallback_blob,
        )
    alice.machine.add(bob.machine.contact_link(), "bob", world.now)
    world.pass_time(600)
    assert world.puts_of(alice) == []
    assert alice.machine.diagnostics().outbox_by_cause == {"keys_invalid": 1}
    # With the list that Bob has signed it goes at once.
    for box in boxes:
        box.bundle = before[box.mailbox]
    world.pass_time(3600)
    assert world.puts_of(alice) != []


@pytest.mark.claim("S-8")
@pytest.mark.parametrize("part", ["envelope key", "prekey"])
def test_a_home_that_makes_keys_in_a_persons_name_gets_nothing_sealed_to_them(
    part: str,
) -> None:
    """The home knows Bob's account id, so it can make every blob; it cannot sign as Bob."""
    world = Watched()
    alice, bob = world.person("alice"), world.person("bob")
    home = next(iter(world.homes.values()))
    boxes = [box for box in home.boxes.values() if box.mailbox in bob.attached]
    with bob.machine._transaction(world.now) as work:
        device = work.own.device.device_id
    stranger, secret = SigningKey(bytes(32)), EnvelopeSecret(bytes(32))
    row = envelope_key(bob)
    honest = sealing.parse_record(row.record)
    record = EnvelopeKeyRecord.sign(
        stranger,
        account_id=bob.account,
        device_id=device,
        key_id=honest.key_id,
        counter=honest.counter + 1,
        not_before_unix_ms=honest.not_before_unix_ms,
        not_after_unix_ms=honest.not_after_unix_ms,
        public=secret.public,
    )
    prekey = SignedPrekey.sign(
        stranger, PrekeyKind.FALLBACK, bob.account, device, secret.public[-32:]
    )

    def blob(kind: BlobKind, content: bytes) -> bytes:
        return seal_blob(kind, bob.account, content, world.rng.randbytes)

    for box in boxes:
        bundle = box.bundle
        assert bundle is not None
        made_record = blob(BlobKind.ENVELOPE_KEY, record.encode())
        made_prekey = blob(BlobKind.FALLBACK_PREKEY, prekey.encode())
        box.prekeys.clear()
        box.bundle = PublishBundle(
            bundle.mailbox,
            bundle.record_counter,
            bundle.chain_blob,
            made_record if part == "envelope key" else bundle.record_blob,
            made_prekey if part == "prekey" else bundle.fallback_blob,
        )
    alice.machine.add(bob.machine.contact_link(), "bob", world.now)
    world.pass_time(600)
    assert world.puts_of(alice) == []
    assert alice.machine.diagnostics().outbox_by_cause == {"keys_invalid": 1}


# Strangers.


@pytest.mark.claim("P-1")
def test_a_stranger_gets_no_receipt_typing_nor_presence_and_their_home_hears_nothing() -> None:
    world = Watched(2)
    first, second = world.addresses()
    alice, bob = world.person("alice", [first]), world.person("bob", [second])
    bob.machine.add(alice.machine.contact_link(), "alice", world.now)
    bob.machine.send_text(alice.account, "are you there?", world.now)
    world.pass_time(61)
    lives: list[object] = []
    perform = world._perform

    def watching(person: Person, effect: object) -> object:
        if person is alice and isinstance(effect, SendLive):
            lives.append(effect)
        return perform(person, effect)

    world._perform = watching  # type: ignore[method-assign, assignment]

    def be_there() -> None:
        alice.machine.open_chat(bob.account, world.now)
        alice.machine.typing(bob.account, world.now)
        alice.machine.mark_read(bob.account, world.now)
        world.pass_time(3600)

    def to_bobs_home() -> list[AskHome]:
        return [
            ask
            for person, ask in world.asked
            if person is alice and ask.address.node_id == second.node_id
        ]

    be_there()
    assert alice.machine.contacts()[0].status is ContactStatus.REQUESTED
    assert (lives, to_bobs_home()) == ([], [])
    assert not [e for e in bob.events if isinstance(e, TypingSeen | PresenceSeen)]
    alice.machine.accept(bob.account, world.now)
    world.pass_time(61)
    be_there()
    assert lives
    assert to_bobs_home()
    assert {TypingSeen, PresenceSeen} <= {type(event) for event in bob.events}


# Blocking.


def two_devices() -> tuple[World, Person, Person, Person]:
    """Return a world, Alice's two devices, and Bob, whose words the test can use."""
    world = World(config=quick())
    alice = world.person("alice")
    bob, seed = account_with_seed(world, "bob")
    bob.seed = seed  # type: ignore[attr-defined]
    world.befriend(alice, bob)
    world.pass_time(61)
    second = further_device(world, alice)
    world.pass_time(61)
    return world, alice, second, bob


@pytest.mark.claim("C-1")
def test_what_another_device_said_before_a_block_does_not_lift_it() -> None:
    world, alice, second, bob = two_devices()
    world.hold_mail = lambda person, _envelope: person is alice
    second.machine.verify(bob.account, world.now)
    world.pass_time(5)
    alice.machine.block(bob.account, world.now)
    world.hold_mail = lambda _person, _envelope: False
    world.pass_time(61)
    assert alice.machine.contacts()[0].status is ContactStatus.BLOCKED
    bob.machine.send_text(alice.account, "let me in", world.now)
    world.pass_time(61)
    assert alice.texts(bob) == second.texts(bob) == []
    # Said afterwards, by a person who has changed her mind, it does.
    second.machine.accept(bob.account, world.now)
    world.pass_time(61)
    assert alice.machine.contacts()[0].status is ContactStatus.ACCEPTED


# Recovery.


@pytest.mark.claim("R-1")
def test_nothing_goes_to_a_new_epoch_before_somebody_has_looked() -> None:
    world, alice, _, bob = two_devices()
    world.people.remove(bob)
    thief = restored(world, "bob", bob.seed)  # type: ignore[attr-defined]
    thief.machine.add(alice.machine.contact_link(), "alice", world.now)
    world.run()
    assert alice.machine.contacts()[0].trust is Trust.NEW_EPOCH
    with pytest.raises(ContactUnverifiedError):
        alice.machine.send_text(bob.account, "for bob alone", world.now)
    alice.machine.open_chat(bob.account, world.now)
    alice.machine.typing(bob.account, world.now)
    alice.machine.mark_read(bob.account, world.now)
    world.pass_time(3600)
    assert thief.received(alice) == []
    assert not [e for e in thief.events if isinstance(e, TypingSeen | PresenceSeen)]
    assert thief.machine.contacts()[0].status is ContactStatus.INVITED


@pytest.mark.claim("R-1")
def test_a_number_that_changed_while_it_was_compared_is_not_taken_as_looked_at() -> None:
    world, alice, _, bob = two_devices()
    shown = alice.machine.safety_number(bob.account)
    world.people.remove(bob)
    thief = restored(world, "bob", bob.seed)  # type: ignore[attr-defined]
    thief.machine.add(alice.machine.contact_link(), "alice", world.now)
    world.run()
    with pytest.raises(ContactUnverifiedError):
        alice.machine.verify(bob.account, world.now, shown)
    assert alice.machine.contacts()[0].trust is Trust.NEW_EPOCH
    now_shown = alice.machine.safety_number(bob.account)
    alice.machine.verify(bob.account, world.now, now_shown)
    assert alice.machine.contacts()[0].trust is Trust.VERIFIED


@pytest.mark.claim("R-1")
def test_that_a_number_was_looked_at_counts_for_its_own_epoch_only() -> None:
    """A home keeps back what one of our devices told another, until keys have changed."""
    world, alice, second, bob = two_devices()
    kept: list[bytes] = []

    def keep_back(person: Person, envelope: bytes) -> bool:
        if person is alice:
            kept.append(envelope)
        return person is alice

    world.hold_mail = keep_back
    second.machine.verify(bob.account, world.now)
    world.run()
    assert kept
    world.people.remove(bob)
    told_late = set(kept)
    world.hold_mail = lambda person, envelope: person is second or envelope in told_late
    thief = restored(world, "bob", bob.seed)  # type: ignore[attr-defined]
    thief.machine.add(alice.machine.contact_link(), "alice", world.now)
    world.run()
    assert alice.machine.contacts()[0].trust is Trust.NEW_EPOCH
    world.hold_mail = lambda person, _envelope: person is second
    world.pass_time(61)
    assert alice.machine.contacts()[0].trust is Trust.NEW_EPOCH
    world.hold_mail = lambda _person, _envelope: False
    world.pass_time(61)
    # Looked at again, on either device, it counts on both.
    second.machine.verify(bob.account, world.now)
    world.pass_time(61)
    assert alice.machine.contacts()[0].trust is Trust.VERIFIED


# Names.


@pytest.mark.claim("C-3")
@pytest.mark.parametrize("chosen", ["bob", "BOB", " bob ", "b\u200dob", "\uff42ob"])
def test_nobody_gets_the_name_of_another_contact_by_calling_themselves_so(chosen: str) -> None:
    world = World(config=quick())
    alice, _ = world.friends()
    stranger, invited = world.person(chosen), world.person(chosen)
    stranger.machine.add(alice.machine.contact_link(), "alice", world.now)
    invited.machine.add(alice.machine.invite(world.now), "alice", world.now)
    world.pass_time(61)
    names = {view.account_id: view.name for view in alice.machine.contacts()}
    assert len(names) == 3
    assert sorted(name[-3:] for name in names.values()) == ["(2)", "(3)", "bob"]
    # What the person chooses is up to the person.
    alice.machine.rename(stranger.account, "bob", world.now)
    world.run()
    assert [view.name for view in alice.machine.contacts()].count("bob") == 2


@pytest.mark.claim("C-3")
def test_a_stranger_who_took_a_name_first_gives_way_to_whom_the_person_calls_so() -> None:
    world = World(config=quick())
    alice, bob, carol = (world.person(name) for name in ("alice", "robert", "caroline"))
    for name in ("Bob", "Carol", "Dora"):
        world.person(name).machine.add(alice.machine.contact_link(), "alice", world.now)
    world.run()
    alice.machine.add(bob.machine.invite(world.now), "Bob", world.now)
    carol.machine.add(alice.machine.invite(world.now, "Carol"), "alice", world.now)
    world.pass_time(61)
    alice.machine.rename(carol.account, "Dora", world.now)
    names = {view.account_id: view.name for view in alice.machine.contacts()}
    assert (names[bob.account], names[carol.account]) == ("Bob", "Dora")
    assert sorted(names.values()) == ["Bob", "Bob (2)", "Carol (2)", "Dora", "Dora (2)"]
