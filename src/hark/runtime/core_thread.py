"""One machine on a thread of its own.

For a machine that commits to disk: an fsync must never stall the event loop. The thread takes
everything that waits in its inbox as one round, then hands the effects of the round to the
event loop in order. With nothing to do it sleeps, without polling, until an input arrives or
the machine's deadline comes.

A machine that raises has a bug, and what it holds in memory can no longer be trusted: the
thread ends, and the program is told so that it ends too.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from hark.machine import Instant, Machine
from hark.runtime.clock import monotonic_now

InputT = TypeVar("InputT")
EffectT = TypeVar("EffectT")
ResultT = TypeVar("ResultT")

MAX_ROUND_ITEM_COUNT = 1000
"""Inputs taken before effects are handed over, so that a flood of inputs delays nobody."""


@dataclass(frozen=True, slots=True)
class _Order(Generic[InputT, EffectT]):
    """Something to do on the machine's thread."""

    carry_out: Callable[[Machine[InputT, EffectT], Instant], None]
    refuse: Callable[[], object] | None = None
    """Called instead when the thread has ended."""


class CoreThread(Generic[InputT, EffectT]):
    """Runs one machine on a dedicated thread, and its effects on the event loop.

    Args:
        machine: opened on the thread and closed there when the thread ends, since databases
            belong to the thread that opened them.
        perform: carries out the effects of one round, in order, on the event loop.
        on_crash: called on the event loop with what the machine raised.
        name: of the thread, for debuggers.
    """

    def __init__(
        self,
        machine: Callable[[], AbstractContextManager[Machine[InputT, EffectT]]],
        *,
        perform: Callable[[list[EffectT]], None],
        on_crash: Callable[[BaseException], None],
        name: str = "hark-core",
    ) -> None:
        self._open_machine = machine
        self._perform = perform
        self._on_crash = on_crash
        self._inbox: queue.SimpleQueue[_Order[InputT, EffectT] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started: Future[None] = Future()
        self._ended: Future[None] = Future()

    async def start(self) -> None:
        """Start the thread; return when the machine is open.

        Raises:
            HarkError: whatever opening the machine raised.
        """
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        await asyncio.wrap_future(self._started)

    def post(self, item: InputT) -> None:
        """Give the machine an input. From any thread; never waits."""
        self._inbox.put(_Order(lambda machine, now: machine.handle(item, now)))

    def call(
        self, function: Callable[[Machine[InputT, EffectT], Instant], ResultT]
    ) -> "Future[ResultT]":
        """Run a function on the machine's thread, between two inputs; from any thread.

        For questions to the machine or its store. What the function raises is the caller's,
        not a crash. On the event loop: `await asyncio.wrap_future(core.call(...))`.
        """
        future: Future[ResultT] = Future()
        self._inbox.put(_Order(partial(_call_into, future, function), future.cancel))
        if self._ended.done():
            future.cancel()
        return future

    async def stop(self) -> None:
        """Let the machine work off what was posted before, then close it and end the thread."""
        self._inbox.put(None)
        await asyncio.wrap_future(self._ended)

    def _run(self) -> None:
        try:
            with self._open_machine() as machine:
                self._started.set_result(None)
                self._run_rounds(machine)
        except BaseException as error:
            self._report(error)
        finally:
            self._ended.set_result(None)
            self._refuse_the_rest()

    def _report(self, error: BaseException) -> None:
        if not self._started.done():
            self._started.set_exception(error)
        else:
            self._on_loop(self._on_crash, error)

    def _run_rounds(self, machine: Machine[InputT, EffectT]) -> None:
        self._hand_over(machine)
        running = True
        while running:
            running = self._run_round(machine)
            now = monotonic_now()
            deadline = machine.deadline()
            if deadline is not None and deadline <= now:
                machine.handle_deadline(now)
            self._hand_over(machine)

    def _run_round(self, machine: Machine[InputT, EffectT]) -> bool:
        """Wait for something to do, take all that waits; return whether to go on."""
        try:
            order = self._wait(machine.deadline())
            count = 1
            while order is not None:
                order.carry_out(machine, monotonic_now())
                if count == MAX_ROUND_ITEM_COUNT:
                    return True
                count += 1
                order = self._inbox.get_nowait()
        except queue.Empty:
            return True
        return False

    def _wait(self, deadline: Instant | None) -> _Order[InputT, EffectT] | None:
        """Return the next order, None for the end; raise `queue.Empty` at the deadline."""
        if deadline is None:
            return self._inbox.get()
        wait_s = deadline - monotonic_now()
        if wait_s <= 0:
            return self._inbox.get_nowait()
        return self._inbox.get(timeout=min(wait_s, threading.TIMEOUT_MAX))

    def _hand_over(self, machine: Machine[InputT, EffectT]) -> None:
        if effects := machine.take_effects():
            self._on_loop(self._perform, effects)

    def _on_loop(self, function: Callable[[ResultT], None], argument: ResultT) -> None:
        loop = self._loop
        assert loop is not None
        # A closed loop means that the program is over already.
        if not loop.is_closed():
            loop.call_soon_threadsafe(function, argument)

    def _refuse_the_rest(self) -> None:
        while not self._inbox.empty():
            order = self._inbox.get()
            if order is not None and order.refuse is not None:
                order.refuse()


def _call_into(
    future: "Future[ResultT]",
    function: Callable[[Machine[InputT, EffectT], Instant], ResultT],
    machine: Machine[InputT, EffectT],
    now: Instant,
) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function(machine, now))
    except Exception as error:
        # It belongs to whoever asked.
        future.set_exception(error)
