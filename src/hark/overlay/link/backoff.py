"""When to connect again after a link was lost (spec/link.md#reconnecting).

Every delay is drawn evenly over a whole window ("full jitter"): after a supernode's restart
its nodes come back spread out and not in waves. The window is the one that the supernode
named, since it alone knows its load; without one it grows from a second to five minutes.
"""

from hark.machine import RandomBytes

FIRST_WINDOW_S = 1.0
"""First window when the supernode named none. A blip on the path is over by then."""
MAX_WINDOW_S = 5 * 60.0
"""Largest window of our own. A person who comes back to a network waits half of it on
average at most; the driver asks for an attempt at once when the network changes."""
MAX_NAMED_WINDOW_S = 60 * 60.0
"""Largest window that we obey. A broken supernode must not silence a node for weeks."""
MIN_DELAY_S = 0.1
"""Never sooner than this, however the draw falls, so that no bug becomes a busy loop."""


def uniform(random_bytes: RandomBytes, low: float, high: float) -> float:
    """Draw a number evenly from `low` up to, but not including, `high`."""
    return low + (high - low) * int.from_bytes(random_bytes(4), "big") / 2**32


class Backoff:
    """Counts failed attempts in a row and draws the next delay."""

    __slots__ = ("_failures", "_random_bytes")

    def __init__(self, random_bytes: RandomBytes) -> None:
        self._random_bytes = random_bytes
        self._failures = 0

    def reset(self) -> None:
        """Begin anew: a link has held, or somebody asks for an attempt now."""
        self._failures = 0

    def next_delay_s(self, named_window_ms: int = 0) -> float:
        """Count one failure and return how long to wait, in seconds.

        Args:
            named_window_ms: the window that the supernode named, in milliseconds; 0 for none.
        """
        own_window_s = min(FIRST_WINDOW_S * 2.0 ** min(self._failures, 30), MAX_WINDOW_S)
        self._failures += 1
        named_window_s = min(named_window_ms / 1000, MAX_NAMED_WINDOW_S)
        window_s = named_window_s or own_window_s
        return max(MIN_DELAY_S, uniform(self._random_bytes, 0.0, window_s))
