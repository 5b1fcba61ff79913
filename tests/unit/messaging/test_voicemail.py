"""Voicemail: a message like a text, as long as a message can be."""

import pytest

from hark.errors import ContactBlockedError, MessageTooLongError, UsageError
from hark.messaging.events import MessageState
from hark.messaging.views import MessageKind
from hark.wire.bodies import BodyType
from hark.wire.ids import MessageId
from hark.wire.sound import MAX_VOICEMAIL_BYTES, OPUS_PACKET_BYTES
from tests.unit.messaging.post_office import HOUR_S, World, quick
from tests.unit.messaging.test_calls import send_body
from tests.unit.messaging.test_devices import further_device

HOME_MAX_ENVELOPE_BYTES = 131_072
"""spec/mailbox.md#limits"""
SECOND = bytes(range(OPUS_PACKET_BYTES)) * 50


@pytest.mark.parametrize("homes", [1, 2])
def test_the_longest_voicemail_fits_an_envelope_and_is_delivered_and_heard(homes: int) -> None:
    world = World(homes, config=quick())
    alice, bob = world.friends()
    longest = SECOND * 25
    assert len(longest) == MAX_VOICEMAIL_BYTES
    message_id = alice.machine.send_voicemail(bob.account, longest, world.now)
    world.run()
    sizes = [len(envelope) for home in world.homes.values() for envelope in home.puts]
    assert MAX_VOICEMAIL_BYTES < max(sizes) <= HOME_MAX_ENVELOPE_BYTES
    view = bob.last(alice)
    assert (view.message_id, view.kind, view.text) == (message_id, MessageKind.VOICEMAIL, "")
    assert (view.duration_ms, view.outcome, view.unread) == (25_000, None, True)
    assert bob.machine.voicemail(message_id) == longest == alice.machine.voicemail(message_id)
    world.pass_time(61)
    assert alice.last(bob).state is MessageState.DELIVERED
    bob.machine.mark_read(alice.account, world.now)
    world.pass_time(61)
    assert alice.last(bob).state is MessageState.READ
    assert alice.machine.diagnostics().outbox_count == 0


def test_a_voicemail_waits_for_its_recipient_in_its_place_among_the_texts() -> None:
    world = World(config=quick())
    alice, bob = world.friends()
    bob.go_offline()
    message_id = alice.machine.send_voicemail(bob.account, SECOND, world.now)
    alice.machine.send_text(bob.account, "call me back", world.now)
    world.pass_time(HOUR_S)
    assert alice.states(bob) == [MessageState.HELD] * 2
    bob.go_online()
    world.pass_time(61)
    kinds = [view.kind for view in bob.machine.history(alice.account)]
    assert kinds == [MessageKind.VOICEMAIL, MessageKind.TEXT]
    assert bob.machine.voicemail(message_id) == SECOND
    assert alice.last(bob).state is MessageState.DELIVERED


def test_a_voicemail_goes_to_every_device_of_the_contact_and_to_no_other_of_ours() -> None:
    world = World(config=quick())
    alice, bob = world.friends()
    own, other = further_device(world, alice), further_device(world, bob)
    message_id = alice.machine.send_voicemail(bob.account, SECOND, world.now)
    world.pass_time(61)
    assert bob.machine.voicemail(message_id) == SECOND == other.machine.voicemail(message_id)
    assert own.machine.voicemail(message_id) is None
    assert own.machine.history(bob.account) == []


@pytest.mark.parametrize("homes", [1, 2])
def test_a_voicemail_for_an_old_token_waits_while_a_word_knocks_at_the_other_door(
    homes: int,
) -> None:
    world = World(homes)
    alice, bob = world.friends()
    carol = world.person("carol")
    world.befriend(alice, carol)
    world.pass_time(61)
    carol.go_offline()
    alice.machine.block(bob.account, world.now)
    world.run()
    # The card is lost with the homes' disks; carol has the old token only.
    for home in world.homes.values():
        for box in home.boxes.values():
            box.envelopes.clear()
    message_id = carol.machine.send_voicemail(alice.account, SECOND * 20, world.now)
    carol.go_online()
    world.pass_time(61)
    assert alice.machine.voicemail(message_id) == SECOND * 20
    assert carol.last(alice).state is MessageState.DELIVERED
    assert carol.machine.diagnostics().outbox_count == 0


@pytest.mark.parametrize("packets", [b"", bytes(OPUS_PACKET_BYTES - 1), bytes(81)])
def test_what_is_not_made_of_whole_packets_is_refused_here(packets: bytes) -> None:
    world = World()
    alice, bob = world.friends()
    with pytest.raises(UsageError):
        alice.machine.send_voicemail(bob.account, packets, world.now)
    assert alice.machine.history(bob.account) == []


def test_a_voicemail_that_is_too_long_or_for_somebody_blocked_is_refused_here() -> None:
    world = World()
    alice, bob = world.friends()
    with pytest.raises(MessageTooLongError):
        alice.machine.send_voicemail(
            bob.account, bytes(MAX_VOICEMAIL_BYTES + OPUS_PACKET_BYTES), world.now
        )
    alice.machine.block(bob.account, world.now)
    with pytest.raises(ContactBlockedError):
        alice.machine.send_voicemail(bob.account, SECOND, world.now)


def test_a_voicemail_that_is_cut_off_within_a_packet_is_not_shown() -> None:
    world = World(config=quick())
    alice, bob = world.friends()
    send_body(world, alice, bob, BodyType.VOICEMAIL, b"\x92\x01\xc4\x51" + bytes(81))
    assert bob.machine.history(alice.account) == []
    assert bob.machine.diagnostics().internal_errors == {"malformed_body": 1}


def test_only_a_voicemail_has_packets() -> None:
    world = World()
    alice, bob = world.friends()
    text_id = alice.machine.send_text(bob.account, "a text", world.now)
    assert alice.machine.voicemail(text_id) is None
    assert alice.machine.voicemail(MessageId(bytes(16))) is None


def test_hiding_the_address_is_kept_over_a_start() -> None:
    world = World()
    alice = world.person("alice")
    assert not alice.machine.hide_address()
    alice.machine.set_hide_address(True, world.now)
    alice.restart()
    assert alice.machine.hide_address()
    alice.machine.set_hide_address(False, world.now)
    assert not alice.machine.hide_address()
