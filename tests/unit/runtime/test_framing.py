"""The frame splitter: every way to cut a stream gives the same frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hark.errors import MalformedError
from hark.runtime.framing import FrameSplitter, with_length

MAX_FRAME_BYTES = 50


def split(stream: bytes, cuts: list[int]) -> list[bytes]:
    splitter = FrameSplitter(MAX_FRAME_BYTES)
    frames: list[bytes] = []
    start = 0
    # One buffer for all reads, as the supernode does it: what is kept must be copied.
    shared = bytearray(len(stream) + 1)
    for end in [*sorted(cuts), len(stream)]:
        part = stream[start:end]
        shared[: len(part)] = part
        frames += splitter.feed(memoryview(shared)[: len(part)])
        shared[:] = b"\xee" * len(shared)
        start = end
    assert splitter.pending_bytes() == 0
    return frames


@given(st.lists(st.binary(min_size=1, max_size=MAX_FRAME_BYTES)), st.data())
def test_splitter_gives_the_same_frames_however_the_stream_is_cut(
    frames: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(with_length(frame) for frame in frames)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    assert split(stream, cuts) == frames


def test_splitter_gives_frames_one_byte_at_a_time() -> None:
    stream = with_length(b"first") + with_length(b"2")
    assert split(stream, list(range(len(stream)))) == [b"first", b"2"]


@pytest.mark.parametrize("length", [0, MAX_FRAME_BYTES + 1, 2**32 - 1])
def test_splitter_refuses_a_length_before_its_frame_has_come(length: int) -> None:
    splitter = FrameSplitter(MAX_FRAME_BYTES)
    with pytest.raises(MalformedError):
        splitter.feed(length.to_bytes(4, "big"))


def test_splitter_takes_the_largest_frame() -> None:
    frame = bytes(MAX_FRAME_BYTES)
    assert FrameSplitter(MAX_FRAME_BYTES).feed(with_length(frame)) == [frame]


def test_splitter_holds_nothing_between_frames() -> None:
    splitter = FrameSplitter(MAX_FRAME_BYTES)
    splitter.feed(with_length(b"whole"))
    assert splitter.pending_bytes() == 0
    splitter.feed(with_length(b"part")[:-1])
    assert splitter.pending_bytes() == 7
