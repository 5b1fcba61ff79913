"""Frames on a byte stream: a 4-byte big-endian length and that many bytes (spec/link.md).

The splitter does no I/O. A length is judged as soon as its four bytes are there, so a peer
that announces too much is refused before anything is kept for it. Between frames a splitter
holds nothing: 100,000 idle links cost no buffers.
"""

from hark.errors import MalformedError

LENGTH_BYTES = 4
"""Size of the length in front of a frame."""


def with_length(frame: bytes) -> bytes:
    """Return the frame as it goes on the stream."""
    return len(frame).to_bytes(LENGTH_BYTES, "big") + frame


class FrameSplitter:
    """Cuts a stream into frames.

    Args:
        max_frame_bytes: largest frame, without its length.
    """

    __slots__ = ("_max_frame_bytes", "_partial")

    def __init__(self, max_frame_bytes: int) -> None:
        self._max_frame_bytes = max_frame_bytes
        self._partial: bytearray | None = None

    def feed(self, data: bytes | bytearray | memoryview) -> list[bytes]:
        """Take received bytes and return the frames that are now complete.

        `data` may be a view of a buffer that is used again afterwards: what is kept is copied.

        Raises:
            MalformedError: a length is zero or above the limit. The stream cannot be read any
                further and is to be closed.
        """
        if self._partial is not None:
            self._partial += data
            stream = memoryview(self._partial)
        else:
            stream = memoryview(data)
        frames: list[bytes] = []
        position = 0
        while (end := self._end_of_frame(stream, position)) is not None:
            frames.append(bytes(stream[position + LENGTH_BYTES : end]))
            position = end
        self._keep(stream, position)
        return frames

    def pending_bytes(self) -> int:
        """Return how much of an unfinished frame is held, in bytes."""
        return 0 if self._partial is None else len(self._partial)

    def _end_of_frame(self, stream: memoryview, position: int) -> int | None:
        """Return where the frame at `position` ends, or None if it is not complete."""
        if len(stream) - position < LENGTH_BYTES:
            return None
        length = int.from_bytes(stream[position : position + LENGTH_BYTES], "big")
        if not 1 <= length <= self._max_frame_bytes:
            raise MalformedError("a frame's length is out of bounds")
        end = position + LENGTH_BYTES + length
        return end if end <= len(stream) else None

    def _keep(self, stream: memoryview, position: int) -> None:
        rest = bytearray(stream[position:]) if position < len(stream) else None
        # A bytearray cannot be resized while a view of it lives.
        stream.release()
        self._partial = rest
