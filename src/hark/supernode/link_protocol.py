"""One link of a worker on the event loop: bytes in, frames to its machine, bytes out.

There are many of these, so an instance has slots, no task, no timer, and no buffer of its own
while idle: all links of a worker read into one shared buffer.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol, cast

from hark.errors import MalformedError
from hark.machine import Instant
from hark.overlay.link.server import LinkServer
from hark.runtime.framing import FrameSplitter
from hark.supernode.counters import Counters
from hark.wire.link import MAX_FRAME_BYTES

READ_BUFFER_BYTES = 256 * 1024
"""The shared buffer: as much as the TLS layer hands over at once."""
WRITE_HIGH_BYTES = 256 * 1024
"""Unsent bytes at which a link counts as stalled. A window of 64 common envelopes fits."""
WRITE_MAX_BYTES = 10 * 1024 * 1024
"""Unsent bytes at which a link is closed: a window of 64 of the largest envelopes, and then
some. More than that nobody is owed."""


class LinkOwner(Protocol):
    """What a link needs of its worker."""

    read_buffer: memoryview
    counters: Counters

    def link_opened(self, link: "LinkProtocol") -> LinkServer | None:
        """Take a new link, or return None when it has been turned away."""

    def link_progressed(self, link: "LinkProtocol") -> None:
        """Perform the effects of the link's machine."""

    def link_breached(self, link: "LinkProtocol") -> None:
        """End a link whose bytes are no frames."""

    def link_closed(self, link: "LinkProtocol") -> None:
        """Forget a link."""

    def now(self) -> Instant:
        """Return this moment."""


class LinkProtocol(asyncio.BufferedProtocol):
    """One link."""

    __slots__ = ("_owner", "_splitter", "machine", "stalled_since", "transport")

    def __init__(self, owner: LinkOwner) -> None:
        self._owner = owner
        self._splitter = FrameSplitter(MAX_FRAME_BYTES)
        self.machine: LinkServer | None = None
        """Set while the worker knows this link."""
        self.transport: asyncio.Transport | None = None
        self.stalled_since: Instant | None = None
        """Since when there has been more unsent than `WRITE_HIGH_BYTES`."""

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection whose TLS handshake is done."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
        self.machine = self._owner.link_opened(self)
        if self.machine is not None:
            self._owner.link_progressed(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the shared buffer; `buffer_updated` follows before anybody else reads."""
        return self._owner.read_buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read."""
        machine = self.machine
        if machine is None:
            return
        self._owner.counters.add("link_bytes_received", nbytes)
        try:
            frames = self._splitter.feed(self._owner.read_buffer[:nbytes])
        except MalformedError:
            self._owner.link_breached(self)
            return
        if frames:
            now = self._owner.now()
            for frame in frames:
                machine.receive_frame(frame, now)
            self._owner.link_progressed(self)

    def pause_writing(self) -> None:
        """Note that the node does not read as fast as we write."""
        self.stalled_since = self._owner.now()

    def resume_writing(self) -> None:
        """Note that the node has caught up."""
        self.stalled_since = None

    def eof_received(self) -> bool | None:
        """Close when the node does."""
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the link, whatever the reason."""
        self._owner.link_closed(self)
        self.transport = None

    # What the worker calls.

    def send(self, frames: Sequence[bytes]) -> bool:
        """Send frames with their lengths; return False if the node is too slow."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return True
        data = join_frames(frames)
        self._owner.counters.add("link_bytes_sent", len(data))
        transport.write(data)
        return transport.get_write_buffer_size() <= WRITE_MAX_BYTES

    def close(self) -> None:
        """Close the connection after what was sent."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Cut the connection."""
        if self.transport is not None:
            self.transport.abort()


def join_frames(frames: Sequence[bytes]) -> bytes:
    """Return the frames as they go on the stream, as one piece: one TLS record for many."""
    parts: list[bytes] = []
    for frame in frames:
        parts.append(len(frame).to_bytes(4, "big"))
        parts.append(frame)
    return b"".join(parts)
