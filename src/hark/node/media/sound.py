"""The sound of one call, whichever of its connections carries it.

While a broken connection is replaced two are open; sound belongs to the newest that stands.
"""

from hark.node.media.port import SoundPort
from hark.wire.sound import SILENCE


class CallSound:
    """Who speaks and listens in a call, and whether that is sent and played."""

    def __init__(self) -> None:
        self.port: SoundPort | None = None
        self.sending = True
        self.playing = True
        self._standing: set[int] = set()

    def stands(self, connection: int) -> None:
        """Say that a connection carries frames from now on."""
        self._standing.add(connection)

    def falls(self, connection: int) -> None:
        """Say that a connection carries nothing any more."""
        self._standing.discard(connection)

    def take(self, connection: int) -> bytes | None:
        """Return the frame that this connection has to send now; None when there is none."""
        if self.port is None or not self._carries(connection):
            return None
        # What the microphone gave while muted is taken too, or it would be heard afterwards.
        frame = self.port.take()
        return frame if frame is None or self.sending else SILENCE

    def give(self, connection: int, frame: bytes) -> None:
        """Play a frame that came over this connection, if that is wanted."""
        if self.port is not None and self.playing and self._carries(connection):
            self.port.give(frame)

    def _carries(self, connection: int) -> bool:
        return connection == max(self._standing, default=0)
