"""What the rest of the node may know of the media engine, without loading it.

The engine costs 60 MB and half a second, so it is loaded when the first call needs it
(`hark.node.media.engine`). Sound passes here, between the engine and whoever speaks for the
person; orders and facts are those of `hark.calls.media`.
"""

from collections.abc import Callable
from typing import Protocol

from hark.calls.media import MediaFact, MediaOrder
from hark.wire.ids import CallId

TellFact = Callable[[MediaFact], None]
"""Given every fact, on the event loop."""


class SoundPort(Protocol):
    """Where the engine takes sound from and where it gives it to, for one call.

    Both are called on the event loop every 20 ms and return at once. A frame is as
    `hark.wire.sound` says.
    """

    def take(self) -> bytes | None:
        """Return the next frame to send; None when there is none (silence is sent then)."""

    def give(self, frame: bytes) -> None:
        """Take a frame that is to be played now."""


class Engine(Protocol):
    """The media engine of a node. Everything happens on the event loop."""

    def perform(self, order: MediaOrder) -> None:
        """Carry out an order; never raises for what a peer has sent."""

    def attach(self, call: CallId, sound: SoundPort) -> None:
        """Send and play the sound of a call through `sound`; before that it is silent."""

    def detach(self, call: CallId) -> None:
        """Send silence and throw away what comes."""

    async def close(self) -> None:
        """Close every connection and wait for the end."""
