"""The media engine of a node: all connections of all calls, on the event loop.

Loaded when the first call needs it: the libraries cost 60 MB and half a second.
Source: spec/calls.md#media.
"""

import asyncio
import logging
from collections.abc import Callable

from hark.calls.media import (
    AddCandidates,
    CloseMedia,
    ConnectMedia,
    EndMedia,
    MediaOrder,
    OpenMedia,
    SetPlaying,
    SetSending,
)
from hark.machine import Instant
from hark.node.media.connection import MediaConnection
from hark.node.media.port import SoundPort, TellFact
from hark.node.media.sound import CallSound
from hark.runtime.clock import monotonic_now
from hark.wire.ids import CallId

LIBRARIES = ("aioice", "aiortc", "libav")
"""They write addresses, and what peers have sent, into their messages."""


class MediaEngine:
    """Carries out the orders of calls over real sockets (`hark.node.media.port.Engine`).

    Args:
        tell: given every fact, on the event loop.
        clock: monotonic; what time of day it is does not matter to a call.
    """

    def __init__(self, *, tell: TellFact, clock: Callable[[], Instant] = monotonic_now) -> None:
        for name in LIBRARIES:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        self._tell = tell
        self._clock = clock
        self._sounds: dict[CallId, CallSound] = {}
        self._open: dict[tuple[CallId, int], MediaConnection] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def perform(self, order: MediaOrder) -> None:
        """Carry out an order. One about what is not open (any more) does nothing."""
        match order:
            case OpenMedia():
                self._open_connection(order)
            case ConnectMedia(call, number):
                if (connection := self._open.get((call, number))) is not None:
                    connection.connect(order)
            case AddCandidates(call, number):
                if (connection := self._open.get((call, number))) is not None:
                    connection.add(order)
            case SetSending(call, sending):
                self._sound(call).sending = sending
            case SetPlaying(call, playing):
                self._sound(call).playing = playing
            case CloseMedia(call, number):
                if (connection := self._open.get((call, number))) is not None:
                    self._let_go(connection)
            case EndMedia(call):
                for connection in [one for one in self._open.values() if one.call == call]:
                    self._let_go(connection)
                self._sounds.pop(call, None)

    def attach(self, call: CallId, sound: SoundPort) -> None:
        """Send and play the sound of a call through `sound`; before that it is silent."""
        self._sound(call).port = sound

    def detach(self, call: CallId) -> None:
        """Send silence and throw away what comes."""
        if (sound := self._sounds.get(call)) is not None:
            sound.port = None

    async def close(self) -> None:
        """Close every connection and wait for the end."""
        for connection in list(self._open.values()):
            self._let_go(connection)
        self._sounds.clear()
        await asyncio.gather(*self._closing)

    def _sound(self, call: CallId) -> CallSound:
        return self._sounds.setdefault(call, CallSound())

    def _open_connection(self, order: OpenMedia) -> None:
        name = order.call, order.connection
        if name not in self._open:
            connection = self._open[name] = MediaConnection(
                order,
                sound=self._sound(order.call),
                tell=self._tell,
                ended=self._let_go,
                clock=self._clock,
            )
            connection.open()

    def _let_go(self, connection: MediaConnection) -> None:
        name = connection.call, connection.number
        # Told of its end, somebody may have closed it already.
        if self._open.get(name) is not connection:
            return
        del self._open[name]
        connection.hush()
        task = asyncio.get_running_loop().create_task(connection.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
