"""SFrame as calls use it: sealing, opening, and what is never opened."""

import pytest

from hark.crypto.sframe import (
    COUNTER_LIMIT,
    FIRST_COUNTER,
    REPLAY_WINDOW,
    FrameKey,
    SFrameReceiver,
    SFrameSender,
    encode_header,
    parse_header,
)
from hark.errors import ForgedError, MalformedError, ProtocolError, UsageError
from hark.wire.sound import OPUS_PACKET_BYTES

BASE = bytes(range(32))
KEY_ID = 1 << 8
VOICE = bytes(OPUS_PACKET_BYTES)


def sealed_at(counter: int, key_id: int = KEY_ID) -> bytes:
    return FrameKey(BASE, key_id).seal(counter, VOICE)


def test_what_was_sealed_opens_with_its_counter() -> None:
    sender, receiver = SFrameSender(BASE, KEY_ID), SFrameReceiver(BASE, KEY_ID)
    for number in range(3):
        opened = receiver.open(sender.seal(bytes([number])))
        assert (opened.counter, opened.frame) == (FIRST_COUNTER + number, bytes([number]))
    assert sender.counter == FIRST_COUNTER + 3


def test_the_content_of_a_frame_is_not_in_its_sealed_form() -> None:
    assert b"said aloud" not in SFrameSender(BASE, KEY_ID).seal(b"said aloud")


def test_one_content_sealed_twice_gives_different_frames() -> None:
    sender = SFrameSender(BASE, KEY_ID)
    first, second = sender.seal(VOICE), sender.seal(VOICE)
    assert first[6:] != second[6:]


@pytest.mark.claim("C-6")
def test_a_frame_that_came_before_is_refused() -> None:
    receiver = SFrameReceiver(BASE, KEY_ID)
    frame = sealed_at(FIRST_COUNTER)
    receiver.open(frame)
    with pytest.raises(ProtocolError):
        receiver.open(frame)


def test_frames_out_of_order_open_once_each_within_the_window() -> None:
    receiver = SFrameReceiver(BASE, KEY_ID)
    newest = FIRST_COUNTER + REPLAY_WINDOW
    receiver.open(sealed_at(newest))
    for counter in (newest - REPLAY_WINDOW + 1, newest - 1, newest - 500):
        assert receiver.open(sealed_at(counter)).counter == counter
        with pytest.raises(ProtocolError):
            receiver.open(sealed_at(counter))


def test_a_frame_older_than_the_window_is_refused() -> None:
    receiver = SFrameReceiver(BASE, KEY_ID)
    receiver.open(sealed_at(FIRST_COUNTER + REPLAY_WINDOW))
    with pytest.raises(ProtocolError):
        receiver.open(sealed_at(FIRST_COUNTER))


def test_a_jump_beyond_the_window_forgets_nothing_that_could_come_again() -> None:
    receiver = SFrameReceiver(BASE, KEY_ID)
    receiver.open(sealed_at(FIRST_COUNTER))
    receiver.open(sealed_at(COUNTER_LIMIT - 1))
    for counter in (FIRST_COUNTER, COUNTER_LIMIT - 1):
        with pytest.raises(ProtocolError):
            receiver.open(sealed_at(counter))


@pytest.mark.parametrize("counter", [0, FIRST_COUNTER - 1, COUNTER_LIMIT, 2**64 - 1])
def test_a_counter_out_of_range_is_refused_although_the_seal_holds(counter: int) -> None:
    with pytest.raises(ProtocolError):
        SFrameReceiver(BASE, KEY_ID).open(sealed_at(counter))


def test_a_frame_under_another_key_id_is_refused() -> None:
    with pytest.raises(ProtocolError):
        SFrameReceiver(BASE, KEY_ID).open(sealed_at(FIRST_COUNTER, key_id=KEY_ID + 1))


def test_a_frame_under_another_base_key_is_refused() -> None:
    frame = SFrameSender(bytes(32), KEY_ID).seal(VOICE)
    with pytest.raises(ForgedError):
        SFrameReceiver(BASE, KEY_ID).open(frame)


def test_a_frame_whose_tag_was_altered_is_refused() -> None:
    frame = bytearray(sealed_at(FIRST_COUNTER))
    frame[-1] ^= 1
    with pytest.raises(ForgedError):
        SFrameReceiver(BASE, KEY_ID).open(bytes(frame))


def test_a_forged_frame_does_not_move_the_window() -> None:
    receiver = SFrameReceiver(BASE, KEY_ID)
    forged = encode_header(KEY_ID, COUNTER_LIMIT - 1) + bytes(96)
    with pytest.raises(ForgedError):
        receiver.open(forged)
    assert receiver.open(sealed_at(FIRST_COUNTER)).counter == FIRST_COUNTER


@pytest.mark.parametrize(
    "header",
    [
        "",  # nothing
        "08",  # a long counter that is not there
        "0a0100",  # one byte of three is missing
        "0807",  # 7 takes no byte of its own
        "090012",  # a zero in front
        "80001234",  # a key id of zero, written long
        "ff" + "ff" * 15,  # one byte of sixteen is missing
    ],
)
def test_a_header_that_is_cut_off_or_not_canonical_is_refused(header: str) -> None:
    with pytest.raises(MalformedError):
        parse_header(bytes.fromhex(header))


def test_a_header_ends_where_it_says_whatever_follows() -> None:
    header = encode_header(2**64 - 1, 2**64 - 1)
    assert parse_header(header + b"\xff") == (2**64 - 1, 2**64 - 1, 17)


@pytest.mark.parametrize("connection", [1, 255, 256, 65_535])
def test_all_headers_of_a_connection_have_one_length(connection: int) -> None:
    key_id = connection << 8
    sizes = {
        len(encode_header(key_id, counter))
        for counter in (FIRST_COUNTER, FIRST_COUNTER + 1, 2**20, COUNTER_LIMIT - 1)
    }
    assert len(sizes) == 1


def test_every_sealed_voice_packet_has_one_length() -> None:
    sender = SFrameSender(BASE, KEY_ID)
    packets = [bytes([number]) * OPUS_PACKET_BYTES for number in range(200)]
    assert {len(sender.seal(packet)) for packet in packets} == {102}


def test_the_last_counter_of_a_key_is_used_and_none_after_it() -> None:
    sender = SFrameSender(BASE, KEY_ID, first_counter=COUNTER_LIMIT - 1)
    assert SFrameReceiver(BASE, KEY_ID).open(sender.seal(VOICE)).frame == VOICE
    with pytest.raises(UsageError):
        sender.seal(VOICE)


def test_what_was_opened_does_not_show_in_its_text_form() -> None:
    opened = SFrameReceiver(BASE, KEY_ID).open(SFrameSender(BASE, KEY_ID).seal(b"aloud"))
    assert "aloud" not in repr(opened)
