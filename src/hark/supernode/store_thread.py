"""The store on a thread of its own, behind a queue: group commit.

While one commit waits for the disk, inputs of all workers pile up; the next commit takes up
to `MAX_BATCH_COUNT` of them together. So the rate of commits adapts to the disk by itself.
Outputs go back to their workers after the commit that they follow from, in one batch each.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from hark.machine import Instant
from hark.overlay.mailbox.events import ServiceInput, ServiceOutput
from hark.runtime.clock import monotonic_now
from hark.supernode.counters import Counters
from hark.supernode.store_engine import WORKER_SHIFT, StoreEngine

MAX_BATCH_COUNT = 200
"""Inputs in one commit. Measured: 100 to 200 give nearly all of the gain."""

Sink = Callable[[list[ServiceOutput], int], None]
"""Takes a worker's outputs and the number of its inputs that are done; from any thread."""


@dataclass(frozen=True, slots=True)
class _Inputs:
    worker_index: int
    items: list[ServiceInput]


@dataclass(frozen=True, slots=True)
class _Join:
    worker_index: int
    sink: Sink


@dataclass(frozen=True, slots=True)
class _Leave:
    worker_index: int


class _Stop:
    """The end of the thread, after all that was put before."""


_Order = _Inputs | _Join | _Leave | _Stop


class StoreThread:
    """Runs a `StoreEngine`.

    Args:
        open_engine: called on the thread, since the database belongs to the thread that opened
            it. What it raises, `start` raises.
        counters: of this thread; read by others.
        on_crash: called on this thread with whatever ended it early (damage, a bug).
    """

    def __init__(
        self,
        open_engine: Callable[[], StoreEngine],
        *,
        counters: Counters,
        on_crash: Callable[[BaseException], None],
    ) -> None:
        self._open_engine = open_engine
        self._counters = counters
        self._on_crash = on_crash
        self._orders: queue.SimpleQueue[_Order] = queue.SimpleQueue()
        self._pending: deque[tuple[int, ServiceInput]] = deque()
        self._sinks: dict[int, Sink] = {}
        self._started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="hark-store", daemon=True)

    def start(self) -> None:
        """Start the thread and wait until the store is open.

        Raises:
            StoreError: the store cannot be used.
        """
        self._thread.start()
        self._started.result()

    def join_worker(self, worker_index: int, sink: Sink) -> None:
        """Give a worker's outputs to `sink` from now on."""
        self._orders.put(_Join(worker_index, sink))

    def put(self, worker_index: int, items: list[ServiceInput]) -> None:
        """Take inputs of a worker. Never waits."""
        self._orders.put(_Inputs(worker_index, items))

    def leave_worker(self, worker_index: int) -> None:
        """Detach all links of a worker that is gone."""
        self._orders.put(_Leave(worker_index))

    def stop(self) -> None:
        """Work off what was put before, close the store, end the thread; wait for that."""
        self._orders.put(_Stop())
        self._thread.join()

    def _run(self) -> None:
        try:
            engine = self._open_engine()
        except BaseException as error:
            self._started.set_exception(error)
            return
        self._started.set_result(None)
        try:
            while self._run_round(engine):
                pass
            engine.close()
        except BaseException as error:
            self._on_crash(error)

    def _run_round(self, engine: StoreEngine) -> bool:
        """Take what waits, apply one batch; return whether to go on."""
        running = self._collect(engine)
        self._counters.set("store_queue", len(self._pending))
        if self._pending:
            self._apply_batch(engine)
        now = monotonic_now()
        if now >= engine.deadline():
            self._hand_out(engine.handle_deadline(now), {})
        return running or bool(self._pending)

    def _collect(self, engine: StoreEngine) -> bool:
        """Move orders that wait into the batch to come; wait for one if there are none."""
        running = True
        order = self._next_order(None if self._pending else engine.deadline())
        while order is not None:
            if isinstance(order, _Stop):
                running = False
            elif isinstance(order, _Inputs):
                self._pending.extend((order.worker_index, item) for item in order.items)
            elif isinstance(order, _Join):
                self._sinks[order.worker_index] = order.sink
            else:
                self._forget_worker(engine, order.worker_index)
            full = len(self._pending) >= MAX_BATCH_COUNT
            order = None if full else self._next_order(None)
        # A stop was the last order that anybody put, but its batch may be cut.
        if not running and self._pending:
            self._orders.put(_Stop())
        return running

    def _next_order(self, wait_until: Instant | None) -> _Order | None:
        try:
            if wait_until is None:
                return self._orders.get_nowait()
            return self._orders.get(timeout=max(0.0, wait_until - monotonic_now()))
        except queue.Empty:
            return None

    def _apply_batch(self, engine: StoreEngine) -> None:
        count = min(len(self._pending), MAX_BATCH_COUNT)
        taken: dict[int, int] = {}
        batch: list[ServiceInput] = []
        for _ in range(count):
            worker_index, item = self._pending.popleft()
            taken[worker_index] = taken.get(worker_index, 0) + 1
            batch.append(item)
        self._hand_out(engine.apply(batch, monotonic_now()), taken)

    def _forget_worker(self, engine: StoreEngine, worker_index: int) -> None:
        self._sinks.pop(worker_index, None)
        self._pending = deque(entry for entry in self._pending if entry[0] != worker_index)
        self._hand_out(engine.forget_worker(worker_index, monotonic_now()), {})

    def _hand_out(self, outputs: list[ServiceOutput], taken: dict[int, int]) -> None:
        """Give each worker its outputs, in order, and how much of its own was taken."""
        by_worker: dict[int, list[ServiceOutput]] = {index: [] for index in taken}
        for output in outputs:
            by_worker.setdefault(output.link >> WORKER_SHIFT, []).append(output)
        for worker_index, items in by_worker.items():
            sink = self._sinks.get(worker_index)
            if sink is not None:
                sink(items, taken.get(worker_index, 0))
