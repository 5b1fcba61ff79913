"""How many new links a worker takes, and when nodes are told to come back.

New links are shed first, existing ones never. A node that is turned away is told a window
over which to spread its next attempt; so is every node in its hello, for the day when this
supernode restarts. The windows follow from the load: with `link_count` nodes coming back and
`links_per_s` log-ins a second that this machine can do, they need that many seconds, and
twice the time leaves room for the mail that they bring.
"""

from dataclasses import dataclass

from hark.machine import Instant

MIN_WINDOW_MS = 1_000
"""A restart takes a second by itself."""
MAX_WINDOW_MS = 5 * 60_000
"""As long as a node waits by itself at most; longer would not be obeyed the same by all."""


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """How many links one worker takes."""

    links_per_s: float
    """New links a second, lasting. Below what a core's handshakes can do (1,500)."""
    burst_count: int
    """New links at once before the rate counts."""
    max_link_count: int
    """Open links. Bounded by open files and memory (20 KB each)."""


class Admission:
    """A token bucket over new links, and the windows that follow from the load."""

    def __init__(self, limits: AdmissionLimits, now: Instant) -> None:
        self._limits = limits
        self._tokens = float(limits.burst_count)
        self._filled_at = now

    def admit(self, link_count: int, now: Instant) -> bool:
        """Take one new link, or refuse it.

        Args:
            link_count: links that are open now.
            now: the present moment.
        """
        self._fill(now)
        if link_count >= self._limits.max_link_count or self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def reconnect_window_ms(self, link_count: int) -> int:
        """Return the window over which this many nodes should spread their return."""
        window_ms = round(2_000 * link_count / self._limits.links_per_s)
        return min(max(window_ms, MIN_WINDOW_MS), MAX_WINDOW_MS)

    def retry_window_ms(self, link_count: int) -> int:
        """Return the window for a node that is turned away now: at least twice the usual."""
        return min(2 * self.reconnect_window_ms(link_count), MAX_WINDOW_MS)

    def _fill(self, now: Instant) -> None:
        gained = (now - self._filled_at) * self._limits.links_per_s
        self._tokens = min(self._tokens + gained, float(self._limits.burst_count))
        self._filled_at = now
