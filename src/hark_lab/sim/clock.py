"""Virtual time: a queue of things to happen, each at its moment.

Things of the same moment happen in the order in which they were planned. Nothing waits:
time jumps to the next thing.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

from hark.machine import Instant

FIRST_UNIX_MS = 1_800_000_000_000
"""Calendar time at virtual second 0: 2027-01-15 08:00 UTC."""


@dataclass(order=True, slots=True)
class _Planned:
    at: Instant
    order: int
    action: Callable[[], None] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)


class Timer:
    """One planned thing, so that it can be called off."""

    def __init__(self, planned: _Planned) -> None:
        self._planned = planned

    @property
    def at(self) -> Instant:
        """When it happens."""
        return self._planned.at

    def cancel(self) -> None:
        """Call it off. Harmless when it has happened."""
        self._planned.cancelled = True


class VirtualClock:
    """The time of one world."""

    def __init__(self) -> None:
        self.now = Instant(0.0)
        self._queue: list[_Planned] = []
        self._order = 0

    def at(self, moment: Instant, action: Callable[[], None]) -> Timer:
        """Plan `action` for `moment` (now, if that is over)."""
        planned = _Planned(Instant(max(moment, self.now)), self._order, action)
        self._order += 1
        heapq.heappush(self._queue, planned)
        return Timer(planned)

    def after(self, delay_s: float, action: Callable[[], None]) -> Timer:
        """Plan `action` for `delay_s` seconds from now."""
        return self.at(Instant(self.now + delay_s), action)

    def run_until(self, moment: Instant) -> None:
        """Let everything happen that is planned up to `moment`."""
        while self._queue and self._queue[0].at <= moment:
            planned = heapq.heappop(self._queue)
            if not planned.cancelled:
                self.now = planned.at
                planned.action()
        self.now = moment

    def run_for(self, duration_s: float) -> None:
        """Let `duration_s` seconds pass."""
        self.run_until(Instant(self.now + duration_s))


class Calendar:
    """The calendar of one machine, which may be wrong and may be set.

    Args:
        clock: virtual time.
        error_ms: how far the calendar is ahead of the true one, in milliseconds.
    """

    def __init__(self, clock: VirtualClock, error_ms: int = 0) -> None:
        self._clock = clock
        self.error_ms = error_ms

    def unix_ms(self, moment: Instant) -> int:
        """Return what this machine believes that the calendar time is at `moment`."""
        return FIRST_UNIX_MS + round(moment * 1000) + self.error_ms
