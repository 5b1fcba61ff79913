"""A control server on a thread with an event loop of its own, over a fake node."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self, TypeVar

import pytest

from hark.control.server import ControlServer
from tests.shell.control.fake_node import FakeNode

T = TypeVar("T")


class Served:
    """A served fake node."""

    def __init__(self, socket_path: Path, node: FakeNode | None = None) -> None:
        self.socket_path = socket_path
        self.node = node or FakeNode()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._server = ControlServer(self.node, socket_path)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result(10)
        return self

    def __exit__(self, *_error: object) -> None:
        asyncio.run_coroutine_threadsafe(self._server.close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def call(self, function: Callable[[], T]) -> T:
        """Run a function on the node's event loop."""

        async def run() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)


@pytest.fixture
def socket_path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "test.sock"


@pytest.fixture
def served(socket_path: Path) -> Iterator[Served]:
    with Served(socket_path) as served:
        yield served
