"""The two clocks of this machine: the monotonic one, and the calendar."""

import time

from hark.machine import Instant


def monotonic_now() -> Instant:
    """Return this moment on the monotonic clock, the one that machines are given."""
    return Instant(time.monotonic())


def unix_now_ms() -> int:
    """Return calendar time, in milliseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000_000


def unix_ms_at(moment: Instant) -> int:
    """Return the calendar time of a moment, in milliseconds since 1970-01-01 UTC.

    The calendar may be set while the program runs, so the distance between the two clocks is
    taken anew each time.
    """
    return unix_now_ms() + round((moment - time.monotonic()) * 1000)
