"""Drives a machine on the event loop: feed, pump effects, re-arm one timer if it moved."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from hark.machine import Instant, Machine
from hark.runtime.clock import monotonic_now

InputT = TypeVar("InputT")
EffectT = TypeVar("EffectT")


class MachineDriver(Generic[InputT, EffectT]):
    """Drives one machine whose effects are carried out on the same event loop.

    Performing an effect may feed the machine again: that input waits until the effects before
    it are done, so effects stay in order.

    Args:
        machine: driven by nobody else.
        perform: carries out one effect.
        loop: event loop that this driver is used on.
        now: monotonic clock; the one of `loop.time()` in effect.
    """

    def __init__(
        self,
        machine: Machine[InputT, EffectT],
        *,
        perform: Callable[[EffectT], None],
        loop: asyncio.AbstractEventLoop,
        now: Callable[[], Instant] = monotonic_now,
    ) -> None:
        self._machine = machine
        self._perform = perform
        self._loop = loop
        self._now = now
        self._inbox: deque[InputT] = deque()
        self._pumping = False
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for: Instant | None = None
        self._closed = False

    def feed(self, item: InputT) -> None:
        """Give the machine an input, carry out what follows."""
        self._inbox.append(item)
        self.pump()

    def pump(self) -> None:
        """Carry out what the machine wants; for use after it was touched from outside."""
        if self._pumping or self._closed:
            return
        self._pumping = True
        try:
            self._pump_until_quiet()
        finally:
            self._pumping = False
        self._arm()

    def close(self) -> None:
        """Let go of the machine: no timer, no further effects."""
        self._closed = True
        self._inbox.clear()
        self._disarm()

    def _pump_until_quiet(self) -> None:
        while not self._closed:
            for effect in self._machine.take_effects():
                self._perform(effect)
            if not self._inbox:
                return
            self._machine.handle(self._inbox.popleft(), self._now())

    def _arm(self) -> None:
        deadline = None if self._closed else self._machine.deadline()
        if deadline == self._armed_for:
            return
        self._disarm()
        if deadline is not None:
            delay_s = max(0.0, deadline - self._now())
            self._timer = self._loop.call_later(delay_s, self._on_timer)
            self._armed_for = deadline

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed_for = None

    def _on_timer(self) -> None:
        self._timer = None
        self._armed_for = None
        self._machine.handle_deadline(self._now())
        self.pump()
