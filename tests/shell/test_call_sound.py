"""The few frames that wait between a face and the media engine."""

import asyncio
import struct

import pytest

from hark.errors import CallError
from hark.node.call_sound import (
    MAX_WAITING_TO_PLAY,
    MAX_WAITING_TO_SEND,
    CallSounds,
    SoundFeed,
)
from hark.node.media.port import SoundPort
from hark.wire.ids import CallId
from hark.wire.sound import FRAME_SAMPLES, SILENCE

CALL = CallId(bytes(16))


class Engine:
    """Remembers who speaks in which call."""

    def __init__(self) -> None:
        self.attached: dict[CallId, SoundPort] = {}

    def perform(self, order: object) -> None:
        raise AssertionError(order)

    def attach(self, call: CallId, sound: SoundPort) -> None:
        self.attached[call] = sound

    def detach(self, call: CallId) -> None:
        del self.attached[call]

    async def close(self) -> None:
        raise AssertionError


def attached() -> tuple[Engine, CallSounds, SoundFeed]:
    engine = Engine()
    sounds = CallSounds(engine)
    return engine, sounds, sounds.attach(CALL)


def loud(number: int) -> bytes:
    return struct.pack("<h", 5_000 + number) * FRAME_SAMPLES


def test_frames_are_sent_in_the_order_in_which_they_came() -> None:
    _, _, feed = attached()
    for number in range(3):
        feed.push(loud(number))
    assert [feed.take() for _ in range(4)] == [loud(0), loud(1), loud(2), None]


def test_a_face_that_runs_ahead_loses_its_oldest_frames() -> None:
    _, _, feed = attached()
    for number in range(MAX_WAITING_TO_SEND + 3):
        feed.push(loud(number))
    assert feed.take() == loud(3)


def test_a_face_that_stays_ahead_loses_nothing_not_even_a_pause() -> None:
    _, _, feed = attached()
    frames = [loud(n) if n % 3 else SILENCE for n in range(200)]
    feed.push(frames[0])
    for number in range(1, len(frames)):
        feed.push(frames[number])
        assert feed.take() == frames[number - 1]


def test_a_slow_reader_gets_the_newest_half_second_and_then_the_end() -> None:
    _, sounds, feed = attached()
    for number in range(MAX_WAITING_TO_PLAY + 10):
        feed.give(loud(number))
    sounds.ended(CALL)

    async def read() -> list[bytes | None]:
        return [await feed.next() for _ in range(MAX_WAITING_TO_PLAY + 2)]

    heard = asyncio.run(read())
    assert heard[0] == loud(10)
    assert heard[-2:] == [None, None]


def test_one_face_at_a_time_has_the_sound_of_a_call() -> None:
    engine, sounds, feed = attached()
    with pytest.raises(CallError):
        sounds.attach(CALL)
    feed.close()
    assert engine.attached == {}
    second = sounds.attach(CALL)
    # A face that has let go already takes nothing away from the next one.
    feed.close()
    assert engine.attached == {CALL: second}
