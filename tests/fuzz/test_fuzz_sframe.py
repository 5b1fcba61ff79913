"""Hostile frames of a call.

Invariant: a receiver opens exactly what its sender sealed, each frame once; everything else is
refused by one of our own errors, and changes nothing for the frames that come after it.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from hark.errors import MalformedError, PeerError, ProtocolError

BASE = bytes(range(32))
KEY_ID = 3 << 8 | 1
KEY = FrameKey(BASE, KEY_ID)

u64 = st.integers(0, 2**64 - 1)
counters = st.integers(FIRST_COUNTER, COUNTER_LIMIT - 1)
frames = st.binary(max_size=100)


def assert_good_frames_still_open(receiver: SFrameReceiver, counter: int) -> None:
    assert receiver.open(KEY.seal(counter, b"next")).frame == b"next"


@given(st.binary(max_size=200))
def test_bytes_that_nobody_sealed_never_open(data: bytes) -> None:
    receiver = SFrameReceiver(BASE, KEY_ID)
    with pytest.raises(PeerError):
        receiver.open(data)
    assert_good_frames_still_open(receiver, FIRST_COUNTER)


@given(u64, u64, st.binary(max_size=120))
def test_a_header_before_any_bytes_never_opens(key_id: int, counter: int, rest: bytes) -> None:
    receiver = SFrameReceiver(BASE, KEY_ID)
    with pytest.raises(PeerError):
        receiver.open(encode_header(key_id, counter) + rest)
    with pytest.raises(PeerError):
        receiver.open(encode_header(KEY_ID, counter) + rest)
    assert_good_frames_still_open(receiver, FIRST_COUNTER)


@given(counters, frames, st.data())
def test_a_frame_that_was_changed_anywhere_never_opens(
    counter: int, frame: bytes, data: st.DataObject
) -> None:
    sealed = bytearray(KEY.seal(counter, frame))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    receiver = SFrameReceiver(BASE, KEY_ID)
    with pytest.raises(PeerError):
        receiver.open(bytes(sealed))
    assert_good_frames_still_open(receiver, counter)


@given(counters, frames, st.data())
def test_a_frame_that_was_cut_or_lengthened_never_opens(
    counter: int, frame: bytes, data: st.DataObject
) -> None:
    sealed = KEY.seal(counter, frame)
    cut = data.draw(st.integers(0, len(sealed) - 1))
    more = data.draw(st.binary(min_size=1, max_size=40))
    receiver = SFrameReceiver(BASE, KEY_ID)
    for damaged in (sealed[:cut], sealed + more, more + sealed):
        with pytest.raises(PeerError):
            receiver.open(damaged)
    assert receiver.open(sealed).frame == frame


@given(st.binary(min_size=16, max_size=32), u64, counters, frames)
def test_a_frame_under_another_key_or_key_id_never_opens(
    base: bytes, key_id: int, counter: int, frame: bytes
) -> None:
    receiver = SFrameReceiver(BASE, KEY_ID)
    if base != BASE:
        with pytest.raises(PeerError):
            receiver.open(FrameKey(base, KEY_ID).seal(counter, frame))
    if key_id != KEY_ID:
        with pytest.raises(ProtocolError):
            receiver.open(FrameKey(BASE, key_id).seal(counter, frame))
    assert_good_frames_still_open(receiver, counter)


steps = st.lists(st.integers(0, 2_100), max_size=60)


@given(counters, steps)
def test_each_frame_opens_at_most_once_and_new_ones_open_whatever_the_order(
    base: int, offsets: list[int]
) -> None:
    receiver = SFrameReceiver(BASE, KEY_ID)
    opened: set[int] = set()
    for counter in (min(base + offset, COUNTER_LIMIT - 1) for offset in offsets):
        expected = counter not in opened and (
            not opened or counter > max(opened) - REPLAY_WINDOW
        )
        try:
            assert receiver.open(KEY.seal(counter, b"frame")).counter == counter
        except ProtocolError:
            assert not expected
        else:
            assert expected
            opened.add(counter)


@given(st.lists(frames, max_size=20))
def test_frames_in_order_open_as_they_were_sealed(contents: list[bytes]) -> None:
    sender, receiver = SFrameSender(BASE, KEY_ID), SFrameReceiver(BASE, KEY_ID)
    assert [receiver.open(sender.seal(one)).frame for one in contents] == contents


@given(st.binary(max_size=40))
def test_a_header_that_parses_is_the_only_form_of_its_numbers(data: bytes) -> None:
    try:
        header = parse_header(data)
    except MalformedError:
        return
    assert encode_header(header.key_id, header.counter) == data[: header.size]


@given(u64, u64, st.binary(max_size=20))
def test_every_header_parses_as_it_was_written(key_id: int, counter: int, rest: bytes) -> None:
    encoded = encode_header(key_id, counter)
    assert parse_header(encoded + rest) == (key_id, counter, len(encoded))
