"""Whether the other end of an idle link is still there (spec/link.md#liveness).

A ping goes out after a silence that grows while pongs come back, up to what the NATs and
firewalls on the path bear, and shrinks when one does not. Anything heard postpones the next
ping. What was learned about the path outlives the link: the object is told of each new link.

Budget: an idle link costs two wake-ups (ping, pong) in each interval: ten minutes after it
opened that is less than one a minute, in the end one in seven minutes.
"""

from enum import Enum

from hark.machine import Instant, RandomBytes
from hark.overlay.link.backoff import uniform

FIRST_INTERVAL_S = 30.0
"""First silence before a ping, in seconds. Short enough for every NAT that was ever seen."""
MAX_INTERVAL_S = 14.5 * 60
"""Longest silence before a ping. Common NATs and carriers forget a TCP flow at 15 minutes or
later; and a supernode hears two pings before it counts a link as silent (35 minutes)."""
GROWTH = 1.5
"""Factor after each answered ping: five minutes are reached in a quarter of an hour."""
PONG_TIMEOUT_S = 15.0
"""How long to wait for a pong. Longer than any round trip, TCP retransmissions included."""
PROBE_TIMEOUT_S = 3.0
"""The same where there is reason to doubt the link and somebody waits: enough for several
retransmissions. To be wrong costs one more connection, to wait longer would cost a call."""
JITTER = 0.1
"""Part of the interval that is drawn, downwards, so that pings of many nodes do not align."""
CAREFUL_PONGS = 8
"""Pongs in a row after a lost one before the interval grows again: the path has shown how
long it bears silence, and each try beyond costs a link."""


class Silence(Enum):
    """What the passing of time means."""

    NOTHING = "nothing"
    PING = "ping"
    """Send a ping with `nonce()` now."""
    LOST = "lost"
    """The pong did not come: the link is gone."""


class Liveness:
    """Interval and deadline of the keepalive of one path."""

    def __init__(self, random_bytes: RandomBytes) -> None:
        self._random_bytes = random_bytes
        self._interval_s = FIRST_INTERVAL_S
        self._careful_pongs = 0
        self._nonce = 0
        self._awaiting_pong = False
        self._growth_open = False
        self._in_doubt = False
        self._due: Instant = Instant(0.0)

    @property
    def interval_s(self) -> float:
        """The present silence before a ping, in seconds, without jitter."""
        return self._interval_s

    @property
    def in_doubt(self) -> bool:
        """Whether nothing has been heard since the last `probe`."""
        return self._in_doubt

    def nonce(self) -> int:
        """Return the nonce of the ping that is due or under way."""
        return self._nonce

    def link_opened(self, now: Instant) -> None:
        """Begin to watch a new link over the same path."""
        self._awaiting_pong = self._in_doubt = False
        self._growth_open = False
        self._postpone(now)

    def path_changed(self) -> None:
        """Forget what was learned: the node is on another network now."""
        self._interval_s = FIRST_INTERVAL_S
        self._careful_pongs = 0

    def heard(self, now: Instant) -> None:
        """Note that a frame came: the other end is there."""
        self._awaiting_pong = self._in_doubt = False
        self._postpone(now)

    def pong(self, nonce: int) -> None:
        """Note a pong (after `heard`). One that answers no ping of ours changes nothing."""
        if not self._growth_open or nonce != self._nonce:
            return
        self._growth_open = False
        if self._careful_pongs > 0:
            self._careful_pongs -= 1
        else:
            self._interval_s = min(self._interval_s * GROWTH, MAX_INTERVAL_S)

    def probe(self, now: Instant) -> None:
        """Make a ping due now, and wait for its pong less long: there is reason for doubt."""
        self._in_doubt = True
        soon = Instant(now + PROBE_TIMEOUT_S) if self._awaiting_pong else now
        self._due = min(self._due, soon)

    def handle_deadline(self, now: Instant) -> Silence:
        """Take the passing of time."""
        if now < self._due:
            return Silence.NOTHING
        if self._awaiting_pong:
            self._interval_s = max(self._interval_s / 2, FIRST_INTERVAL_S)
            self._careful_pongs = CAREFUL_PONGS
            return Silence.LOST
        self._awaiting_pong = self._growth_open = True
        self._nonce = int.from_bytes(self._random_bytes(4), "big")
        self._due = Instant(now + (PROBE_TIMEOUT_S if self._in_doubt else PONG_TIMEOUT_S))
        return Silence.PING

    def deadline(self) -> Instant:
        """Return when `handle_deadline` is due."""
        return self._due

    def _postpone(self, now: Instant) -> None:
        shortest = self._interval_s * (1 - JITTER)
        self._due = Instant(now + uniform(self._random_bytes, shortest, self._interval_s))
