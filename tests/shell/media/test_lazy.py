"""The media engine is loaded when it is needed, and a call hears of it when it cannot be."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from hark.calls.media import (
    EndMedia,
    MediaFact,
    MediaFailed,
    MediaFailure,
    MediaOrder,
    OpenMedia,
    SetSending,
)
from hark.errors import MissingPartError
from hark.node.media.lazy import LazyEngine, MakeEngine
from hark.node.media.port import SoundPort, TellFact
from hark.wire.ids import CallId

CALL = CallId(b"\x01" * 16)


class Port:
    """Speaks for nobody."""

    def take(self) -> bytes | None:
        return None

    def give(self, frame: bytes) -> None:
        pass


class Recorder:
    """An engine that remembers what it was told."""

    def __init__(self) -> None:
        self.orders: list[MediaOrder] = []
        self.ports: dict[CallId, SoundPort] = {}
        self.closed = False

    def perform(self, order: MediaOrder) -> None:
        self.orders.append(order)

    def attach(self, call: CallId, sound: SoundPort) -> None:
        self.ports[call] = sound

    def detach(self, call: CallId) -> None:
        self.ports.pop(call, None)

    async def close(self) -> None:
        self.closed = True


class Loader:
    """Loads the recorder when the test says so, or fails."""

    def __init__(self) -> None:
        self.engine = Recorder()
        self.may_go_on = threading.Event()
        self.count = 0
        self.error: Exception | None = None

    def __call__(self) -> MakeEngine:
        self.count += 1
        assert self.may_go_on.wait(10.0)
        if self.error is not None:
            raise self.error
        return self._make

    def _make(self, tell: TellFact) -> Recorder:
        del tell
        return self.engine


def open_media(connection: int = 1) -> OpenMedia:
    return OpenMedia(CALL, connection, True, False, ())


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10.0):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


def test_what_is_ordered_while_it_is_loaded_is_carried_out_in_its_sequence() -> None:
    async def run() -> None:
        loader, port = Loader(), Port()
        lazy = LazyEngine(lambda fact: None, loader)
        lazy.perform(SetSending(CallId(b"\x02" * 16), False))
        assert loader.count == 0
        lazy.prepare()
        orders = [open_media(), SetSending(CALL, False), open_media(2)]
        for order in orders:
            lazy.perform(order)
        lazy.attach(CALL, port)
        assert loader.engine.orders == []
        loader.may_go_on.set()
        await until(lambda: loader.engine.orders)
        lazy.perform(EndMedia(CALL))
        # Whoever was muted while it was loaded is muted when it begins to send.
        assert loader.engine.orders == [*orders, EndMedia(CALL)]
        assert loader.engine.ports == {CALL: port}
        assert loader.count == 1

    asyncio.run(run())


@pytest.mark.parametrize(
    "error",
    [
        ImportError("/home/anna/lib"),
        OSError("no such library"),
        MissingPartError("libopus"),
        ValueError("the layout of a type has changed"),
        AttributeError("a name that another version has"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_call_hears_that_no_engine_could_be_loaded_and_the_next_call_tries_again(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        loader, facts = Loader(), list[MediaFact]()
        loader.error = error
        loader.may_go_on.set()
        lazy = LazyEngine(facts.append, loader)
        for count in (1, 2):
            lazy.perform(open_media(count))
            await until(lambda count=count: len(facts) == count)
        assert facts == [MediaFailed(CALL, count, MediaFailure.ENGINE) for count in (1, 2)]
        assert loader.count == 2
        loader.error = None
        lazy.perform(open_media(3))
        await until(lambda: loader.engine.orders)
        assert loader.engine.orders == [open_media(3)]
        await lazy.close()
        assert loader.engine.closed

    asyncio.run(run())
    assert f"media engine: {type(error).__name__}" in caplog.text
    assert str(error) not in caplog.text


def test_closing_while_it_is_loaded_waits_and_closes_what_came() -> None:
    async def run() -> None:
        loader = Loader()
        lazy = LazyEngine(lambda fact: None, loader)
        lazy.perform(open_media())
        closing = asyncio.create_task(lazy.close())
        await asyncio.sleep(0.05)
        assert not closing.done()
        loader.may_go_on.set()
        await closing
        assert loader.engine.closed

    asyncio.run(run())


def test_closing_what_could_not_be_loaded_is_no_error() -> None:
    async def run() -> None:
        loader = Loader()
        loader.error = RuntimeError("a library that does not fit")
        lazy = LazyEngine(lambda fact: None, loader)
        lazy.perform(open_media())
        loader.may_go_on.set()
        await lazy.close()

    asyncio.run(run())
