"""Loads the media engine when the first call needs it.

The engine brings aiortc with it: 60 MB and half a second that a node without calls never
spends. Loading happens on a thread; what is ordered meanwhile waits in its sequence.
"""

import asyncio
import logging
from collections.abc import Callable

from hark.calls.media import MediaFailed, MediaFailure, MediaOrder, OpenMedia
from hark.node.media.port import Engine, SoundPort, TellFact
from hark.runtime.logs import where
from hark.wire.ids import CallId

log = logging.getLogger(__name__)

MakeEngine = Callable[[TellFact], Engine]
"""Makes the engine; called on the event loop, once."""


class LazyEngine:
    """A media engine that is not there before it is needed (`hark.node.media.port.Engine`).

    Args:
        tell: given every fact.
        load: imports what the engine needs, on a thread; returns what makes the engine.
    """

    def __init__(self, tell: TellFact, load: Callable[[], MakeEngine]) -> None:
        self._tell = tell
        self._load = load
        self._engine: Engine | None = None
        self._loading: asyncio.Task[None] | None = None
        self._orders: list[MediaOrder] = []
        self._attached: dict[CallId, SoundPort] = {}

    def prepare(self) -> None:
        """Load the engine now, because a call is likely to come."""
        if self._engine is None and self._loading is None:
            self._loading = asyncio.get_running_loop().create_task(self._load_engine())

    def perform(self, order: MediaOrder) -> None:
        """Carry out an order, now or as soon as the engine is there."""
        if self._engine is not None:
            self._engine.perform(order)
            return
        if isinstance(order, OpenMedia):
            self.prepare()
        # Before anything was opened there is nothing to change or to close.
        if self._loading is not None:
            self._orders.append(order)

    def attach(self, call: CallId, sound: SoundPort) -> None:
        """Send and play the sound of a call through `sound`."""
        if self._engine is not None:
            self._engine.attach(call, sound)
        else:
            self._attached[call] = sound

    def detach(self, call: CallId) -> None:
        """Send silence and throw away what comes."""
        if self._engine is not None:
            self._engine.detach(call)
        else:
            self._attached.pop(call, None)

    async def close(self) -> None:
        """Close every connection and wait for the end."""
        if self._loading is not None:
            await self._loading
        if self._engine is not None:
            await self._engine.close()

    async def _load_engine(self) -> None:
        try:
            make = await asyncio.to_thread(self._load)
            self._engine = make(self._tell)
        except Exception as error:  # A library that does not fit fails in many ways.
            log.error("media engine: %s", where(error))
            self._fail()
        self._loading = None
        if self._engine is not None:
            self._catch_up(self._engine)

    def _catch_up(self, engine: Engine) -> None:
        for call, sound in self._attached.items():
            engine.attach(call, sound)
        for order in self._orders:
            engine.perform(order)
        self._attached, self._orders = {}, []

    def _fail(self) -> None:
        """Tell every connection that waited that there is no engine."""
        orders, self._orders = self._orders, []
        for order in orders:
            if isinstance(order, OpenMedia):
                failed = MediaFailed(order.call, order.connection, MediaFailure.ENGINE)
                self._tell(failed)


def load_engine() -> MakeEngine:
    """Import the media engine and return what makes it.

    Raises:
        ImportError: a library that it needs is missing or does not fit this system.
    """
    from hark.node.media.engine import MediaEngine  # noqa: PLC0415 (the whole point)

    return lambda tell: MediaEngine(tell=tell)
