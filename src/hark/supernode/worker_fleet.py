"""The worker processes of a supernode, as the store process sees them (`--workers N`).

Each worker is a child with one end of a socket pair; batches of inputs come up, batches of
outputs go down. A worker that dies is replaced by one with a new index (a link's number is
never used twice) and its links are detached at the store. Workers die with this process.
"""

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from hark.errors import MalformedError
from hark.overlay.mailbox.events import ServiceOutput
from hark.runtime.clock import monotonic_now
from hark.runtime.framing import FrameSplitter, with_length
from hark.supernode.config import SupernodeConfig
from hark.supernode.counters import Counters
from hark.supernode.store_thread import StoreThread
from hark.supernode.worker_codec import input_from_wire, output_to_wire
from hark.wire.codec import encode, encode_json
from hark.wire.worker import (
    INPUT_BATCH_PARSER,
    MAX_BATCH_BYTES,
    OutputBatch,
    WorkerCounts,
    WorkerSettings,
    WorkerStarted,
)

log = logging.getLogger(__name__)

START_PATIENCE_S = 20.0
"""For a worker to begin to listen."""
STOP_PATIENCE_S = 6.0
"""For a worker to say its goodbyes; it gives up on slow nodes by itself before."""
QUICK_DEATH_S = 10.0
"""A worker that lived for less is restarted more and more slowly."""
MAX_RESTART_DELAY_S = 10.0


@dataclass(slots=True)
class _Child:
    """One worker process."""

    index: int
    process: "subprocess.Popen[bytes]"
    started_at: float
    listening: "asyncio.Future[None]"
    transport: asyncio.Transport | None = None
    counts: Mapping[str, int] | None = None


class WorkerFleet:
    """Starts, feeds, restarts and stops the workers. On the event loop.

    Args:
        config: of the supernode.
        port: on which the workers listen, all of them.
        store: takes their inputs.
        counters: of this process.
    """

    def __init__(
        self, config: SupernodeConfig, *, port: int, store: StoreThread, counters: Counters
    ) -> None:
        self._config = config
        self._port = port
        self._store = store
        self._counters = counters
        self._loop = asyncio.get_running_loop()
        self._children: dict[int, _Child] = {}
        self._next_index = 1
        self._quick_death_count = 0
        self._stopping = False
        self._past_counts: list[Mapping[str, int]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start all workers; return when they listen.

        Raises:
            TimeoutError: a worker did not come up.
        """
        children = [await self._start_one() for _ in range(self._config.workers)]
        async with asyncio.timeout(START_PATIENCE_S):
            for child in children:
                await child.listening

    async def stop(self) -> None:
        """Have the workers say goodbye and end; kill those that do not."""
        self._stopping = True
        children = list(self._children.values())
        for child in children:
            child.process.send_signal(signal.SIGTERM)
        for child in children:
            await self._loop.run_in_executor(None, _wait_or_kill, child.process)
        for task in list(self._tasks):
            task.cancel()

    def counts(self) -> list[Mapping[str, int]]:
        """Return what each worker has counted, those that are gone included."""
        living = [child.counts for child in self._children.values() if child.counts]
        return [*living, *self._past_counts]

    async def _start_one(self) -> _Child:
        index, self._next_index = self._next_index, self._next_index + 1
        ours, process = self._spawn(index)
        child = _Child(index, process, monotonic_now(), self._loop.create_future())
        self._children[index] = child
        await self._loop.create_unix_connection(lambda: _ChildProtocol(self, child), sock=ours)
        return child

    def _spawn(self, index: int) -> "tuple[socket.socket, subprocess.Popen[bytes]]":
        """Start a worker; return our end of the connection to it."""
        ours, theirs = socket.socketpair()
        with theirs:
            # Our own program with our own settings.
            process = subprocess.Popen(  # noqa: S603
                self._command(index, theirs.fileno()),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        ours.setblocking(False)
        return ours, process

    def _command(self, index: int, descriptor: int) -> list[str]:
        config = self._config
        settings = WorkerSettings(
            worker_index=index,
            parent_pid=os.getpid(),
            store_descriptor=descriptor,
            data_dir=str(config.data_dir),
            host=config.host,
            port=self._port,
            links_per_s=config.links_per_s,
            burst_count=config.burst_count,
            max_link_count=config.max_link_count,
        )
        module = "hark.supernode.worker_process"
        return [sys.executable, "-m", module, encode_json(settings).decode()]

    # What the children's connections call.

    def connected(self, child: _Child, transport: asyncio.Transport) -> None:
        """Give the child's outputs to its connection."""
        child.transport = transport

        def sink(outputs: list[ServiceOutput], taken_count: int) -> None:
            # On the store's thread: encoding here keeps the event loop free.
            items = [output_to_wire(output) for output in outputs]
            batch = with_length(encode(OutputBatch(taken_count, items)))
            self._loop.call_soon_threadsafe(transport.write, batch)

        self._store.join_worker(child.index, sink)

    def received(self, child: _Child, frame: bytes) -> None:
        """Take a batch of a child."""
        inputs = []
        for item in INPUT_BATCH_PARSER.parse(frame).items:
            if isinstance(item, WorkerCounts):
                child.counts = item.values
            elif isinstance(item, WorkerStarted):
                if not child.listening.done():
                    child.listening.set_result(None)
            else:
                inputs.append(input_from_wire(item))
        if inputs:
            self._store.put(child.index, inputs)

    def lost(self, child: _Child) -> None:
        """Replace a worker that is gone."""
        self._children.pop(child.index, None)
        self._store.leave_worker(child.index)
        if child.counts:
            self._past_counts.append({**child.counts, "links_open": 0})
        if self._stopping:
            return
        child.process.kill()
        log.error("a worker died and is started again")
        self._counters.add("workers_restarted")
        task = self._loop.create_task(self._replace(child))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _replace(self, child: _Child) -> None:
        await self._loop.run_in_executor(None, child.process.wait)
        lived_s = monotonic_now() - child.started_at
        self._quick_death_count = self._quick_death_count + 1 if lived_s < QUICK_DEATH_S else 0
        delay_s = 0.1 * 2.0 ** min(self._quick_death_count, 10)
        await asyncio.sleep(min(delay_s, MAX_RESTART_DELAY_S))
        if not self._stopping:
            await self._start_one()


class _ChildProtocol(asyncio.Protocol):
    """The connection to one child."""

    def __init__(self, fleet: WorkerFleet, child: _Child) -> None:
        self._fleet = fleet
        self._child = child
        self._splitter = FrameSplitter(MAX_BATCH_BYTES)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._fleet.connected(self._child, self._transport)

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._splitter.feed(data):
                self._fleet.received(self._child, frame)
        except MalformedError:
            # A worker that writes nonsense is broken; its death starts another one.
            assert self._transport is not None
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._fleet.lost(self._child)


def _wait_or_kill(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(STOP_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
