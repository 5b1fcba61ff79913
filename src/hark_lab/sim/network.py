"""Connections in virtual time: ordered like TCP, with delay, and breaking when it hurts.

A connection carries frames in order in each direction, each delayed by the path. It can
break at any moment: what is under way is lost then, and each end hears of it after a while of
its own. A supernode that is down, or a path that is cut, refuses connections.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from hark.machine import Instant
from hark_lab.sim.clock import VirtualClock


@dataclass(frozen=True, slots=True)
class Path:
    """What lies between a node and a supernode."""

    delay_s: tuple[float, float] = (0.005, 0.05)
    """Shortest and longest one-way delay of a frame, in seconds."""
    mean_life_s: float = float("inf")
    """Mean time until a connection breaks by itself, in seconds."""
    refuse_share: float = 0.0
    """Share of connection attempts that fail, 0..1."""


class Connection:
    """One connection. `to_node` and `to_supernode` are called with frames, in order."""

    def __init__(self, clock: VirtualClock, random: Random, path: Path) -> None:
        self._clock = clock
        self._random = random
        self._path = path
        self._alive = True
        self._newest: dict[str, Instant] = {}
        self.to_node: Callable[[bytes], None] = _ignore
        self.to_supernode: Callable[[bytes], None] = _ignore
        self.node_lost: Callable[[], None] = _nothing
        self.supernode_lost: Callable[[], None] = _nothing
        if path.mean_life_s != float("inf"):
            clock.after(random.expovariate(1 / path.mean_life_s), self.cut)

    @property
    def alive(self) -> bool:
        """Whether frames still pass."""
        return self._alive

    def from_node(self, frame: bytes) -> None:
        """Send a frame towards the supernode."""
        self._carry("up", lambda: self.to_supernode(frame))

    def from_supernode(self, frame: bytes) -> None:
        """Send a frame towards the node."""
        self._carry("down", lambda: self.to_node(frame))

    def close_by_node(self) -> None:
        """The node closes: the supernode hears of it."""
        self._end(tell_node=False, tell_supernode=True)

    def close_by_supernode(self) -> None:
        """The supernode closes, after what it has sent: the node hears of it."""
        self._carry("down", lambda: self._end(tell_node=True, tell_supernode=False))

    def cut(self) -> None:
        """Break: what is under way is lost, both ends hear of it some time later."""
        self._end(tell_node=True, tell_supernode=True)

    def _end(self, *, tell_node: bool, tell_supernode: bool) -> None:
        if not self._alive:
            return
        self._alive = False
        if tell_node:
            self._clock.after(self._delay_s(), self.node_lost)
        if tell_supernode:
            self._clock.after(self._delay_s(), self.supernode_lost)

    def _carry(self, direction: str, arrive: Callable[[], None]) -> None:
        if not self._alive:
            return
        # In order: never before the frame that was sent before it.
        moment = max(
            Instant(self._clock.now + self._delay_s()),
            self._newest.get(direction, self._clock.now),
        )
        self._newest[direction] = moment
        self._clock.at(moment, lambda: arrive() if self._alive else None)

    def _delay_s(self) -> float:
        return self._random.uniform(*self._path.delay_s)


def _ignore(_frame: bytes) -> None:
    """Take a frame and do nothing."""


def _nothing() -> None:
    """Do nothing."""
