"""Puts the packets of a voice in order and decides, every 20 ms, what is played.

Packets come early, late, twice, in clumps or not at all; a voice has to go on regardless. The
buffer holds as few frames as it can: one on a clean path, more where packets come unevenly or
are lost. What it goes by is the *slack* of each packet: how long before its turn it was there.

- A packet that is not there in its turn is recovered from the copy in its successor, if that
  is there, and concealed otherwise.
- When packets turn out to be late, not lost, the concealment that stood in for them stays
  inserted: from then on everything is played that much later.
- When packets are lost, one frame more is held, so that the successor is there in time.
- When for seconds every packet had a frame of slack to spare, two frames are played in the
  time of one.

The same four rules follow a sender's clock that runs faster or slower than ours.
Source: spec/calls.md#jitter-buffer.
"""

from collections import deque
from dataclasses import dataclass
from itertools import islice

from hark.machine import Instant
from hark.wire.sound import FRAME_MS

FRAME_S = FRAME_MS / 1000
MAX_DEPTH = 10
"""Frames. 200 ms on top of the path: with more, people begin to talk over each other."""
MAX_SPAN = MAX_DEPTH + 2
"""No packet is held that is this many frames older than the newest."""
MAX_CONCEALED = 10
"""Frames in a row; what is made up after that is nothing like the voice."""

FIRST_SLACK_S = 0.010
"""The first packet has to lie here this long: packets that come a little later than the first
should not be late at once."""
SHRINK_SLACK_S = FRAME_S + FIRST_SLACK_S
"""The buffer shrinks by a frame when all had this slack beyond what is needed …"""
SHRINK_SAMPLES = 500
"""… for this many packets (ten seconds): what delays packets often comes back every few."""
SHRINK_EVERY = 10
"""Takes between two such steps: each is faintly audible."""
GROW_SAMPLES = 150
"""Whether successors come in time is seen by this many packets (three seconds)."""
LATE_ON_ANY_PATH = 150
"""One packet in so many may be late without a reason to wait for it."""

HOLE_WEIGHT = 1 / 250
"""How much one packet counts in the share of holes: it looks back over some five seconds."""
LOSSY_FROM = 0.006
"""Share of holes from which on successors are waited for: two within a few seconds, …"""
LOSSY_UNTIL = 0.002
"""… and until which they are."""


@dataclass(frozen=True, slots=True)
class Play:
    """Decode this packet."""

    packet: bytes


@dataclass(frozen=True, slots=True)
class Merge:
    """Decode both packets and play them in the time of one: there is too much in the buffer."""

    first: bytes
    second: bytes


@dataclass(frozen=True, slots=True)
class Recover:
    """A packet is missing; take the copy of it out of its successor."""

    next_packet: bytes


@dataclass(frozen=True, slots=True)
class Conceal:
    """Nothing is there for this moment: go on from what was heard last."""


@dataclass(frozen=True, slots=True)
class Starve:
    """Nothing has come yet, or nothing for so long that there is only silence to play."""


Take = Play | Merge | Recover | Conceal | Starve


@dataclass(slots=True)
class JitterCounters:
    """What has become of packets and moments (of 20 ms) since the start."""

    late: int = 0
    """Packets that came after their turn."""
    duplicate: int = 0
    """Packets that were there already."""
    skipped: int = 0
    """Packets thrown away because much newer ones came."""
    merged: int = 0
    """Moments in which two packets were played."""
    inserted: int = 0
    """Moments by which everything is played later than at first."""
    recovered: int = 0
    """Moments filled from a successor's copy."""
    concealed: int = 0
    """Moments filled with nothing to go by."""


class JitterBuffer:
    """Orders packets by counter and gives what to play, once every 20 ms.

    Memory is bounded, and so is the work of each call: a peer may put any counter.
    """

    def __init__(self) -> None:
        self.counters = JitterCounters()
        self._held: dict[int, bytes] = {}
        self._next = 0
        """Counter whose turn is next; before playing begins, the lowest that has come."""
        self._newest = 0
        self._first_put: Instant | None = None
        """When the first packet came; None before it."""
        self._last_take: Instant | None = None
        """When something was last played; None before playing begins."""
        self._owed = 0
        """Moments filled while nothing was here, until it shows what they stood for."""
        self._slack = SlackHistory()
        self._hole_share = 0.0
        self._lossy = False
        """Whether so much is lost that successors are waited for."""
        self._came_late = False
        """Whether a packet came after its turn since the buffer last grew."""
        self._waited_for = -1
        """Counter of the last missing packet for which a moment was inserted: one for each."""
        self._takes_to_shrink = SHRINK_EVERY

    @property
    def depth(self) -> int:
        """How many moments lie between what is played next and the newest packet."""
        return self._newest - self._next + 1 if self._held else 0

    def put(self, counter: int, packet: bytes, now: Instant) -> None:
        """Take a packet that has come; `counter` grows by one from frame to frame."""
        if self._first_put is None:
            self._first_put = now
            self._next = self._newest = counter
        elif self._last_take is None and counter < self._next:
            self._next = max(counter, self._newest - MAX_SPAN + 1)
        if self._last_take is not None:
            turns = counter - self._next + 1 - self._owed
            self._slack.add(self._last_take + turns * FRAME_S - now)
        if counter < self._next:
            self.counters.late += 1
            self._came_late = True
        elif counter in self._held:
            self.counters.duplicate += 1
        else:
            self._held[counter] = packet
            self._newest = max(self._newest, counter)
            self._skip_to(self._newest - MAX_SPAN + 1)

    def take(self, now: Instant) -> Take:
        """Return what fills the next 20 ms."""
        if self._last_take is None:
            if self._first_put is None or now - self._first_put < FIRST_SLACK_S:
                return Starve()
            # What has piled up before anybody listened would only be delay.
            self._skip_to(self._newest - 1)
        self._last_take = now
        self._takes_to_shrink -= 1
        if not self._held:
            self._owed += 1
            return self._conceal() if self._owed <= MAX_CONCEALED else Starve()
        self._settle()
        if self._next in self._held:
            return self._play()
        return self._fill_hole()

    def _settle(self) -> None:
        """Set the moments that were filled while nothing was here against what is missing.

        Those beyond it stood for packets that were late, not lost: they stay inserted.
        """
        if self._owed == 0:
            return
        missing = min(self._held) - self._next
        covered = min(self._owed, missing)
        if covered > 0:
            self._note_hole(1)
            if self._owed == covered and self._wants_more():
                covered -= 1
        self._next += covered
        self._insert(self._owed - covered)
        self._owed = 0

    def _play(self) -> Take:
        packet = self._held.pop(self._next)
        self._next += 1
        self._note_hole(0)
        if self._takes_to_shrink > 0 or self._next not in self._held or not self._is_too_deep():
            return Play(packet)
        self._takes_to_shrink = SHRINK_EVERY
        second = self._held.pop(self._next)
        self._next += 1
        self.counters.merged += 1
        self._slack.shift(-FRAME_S)
        return Merge(packet, second)

    def _fill_hole(self) -> Take:
        """Fill the moment of a packet that is not here while newer ones are."""
        if self._waited_for != self._next and self._wants_more():
            self._waited_for = self._next
            self._insert(1)
            return self._conceal()
        self._note_hole(1)
        self._next += 1
        successor = self._held.get(self._next)
        if successor is None:
            return self._conceal()
        self.counters.recovered += 1
        return Recover(successor)

    def _conceal(self) -> Conceal:
        self.counters.concealed += 1
        return Conceal()

    def _insert(self, moments: int) -> None:
        if moments > 0:
            self.counters.inserted += moments
            self._slack.shift(moments * FRAME_S)
            self._came_late = False

    def _skip_to(self, counter: int) -> None:
        """Give up what is older than `counter`."""
        skipped = counter - self._next
        if skipped <= 0:
            return
        covered = min(skipped, self._owed)
        self._owed -= covered
        self._next = counter
        self._slack.shift((covered - skipped) * FRAME_S)
        for old in [held for held in self._held if held < counter]:
            del self._held[old]
            self.counters.skipped += 1

    def _note_hole(self, share: int) -> None:
        self._hole_share += (share - self._hole_share) * HOLE_WEIGHT
        if self._hole_share >= LOSSY_FROM:
            self._lossy = True
        elif self._hole_share <= LOSSY_UNTIL:
            self._lossy = False

    def _wants_more(self) -> bool:
        """Return whether the next chance to play everything a frame later is to be taken."""
        if self.depth >= MAX_DEPTH:
            return False
        floor = self._slack.floor(GROW_SAMPLES)
        short = floor is not None and floor < FRAME_S
        return self._came_late or (self._lossy and short)

    def _is_too_deep(self) -> bool:
        """Return whether every packet could have come a frame later, for a while now."""
        needed = FRAME_S if self._lossy else 0.0
        return self._slack.was_at_least(needed + SHRINK_SLACK_S)


class SlackHistory:
    """How long before their turns the last packets came, in seconds; less than 0 when after.

    On any path a packet is late now and then: those few are left out of account.
    """

    def __init__(self) -> None:
        self._slacks: deque[float] = deque(maxlen=SHRINK_SAMPLES)
        """Each less `_shift` of its time."""
        self._shift = 0.0

    def add(self, slack_s: float) -> None:
        """Take in one more."""
        self._slacks.append(slack_s - self._shift)

    def shift(self, by_s: float) -> None:
        """Take into account that everything is played later by so much than was assumed."""
        if abs(by_s) > MAX_SPAN * FRAME_S:
            # A jump: what was before it says nothing about what comes.
            self._slacks.clear()
            self._shift = 0.0
        else:
            self._shift += by_s

    def floor(self, count: int) -> float | None:
        """Return the least of the last `count`; None when there is none."""
        if not self._slacks:
            return None
        last = sorted(islice(reversed(self._slacks), count))
        return last[len(last) // LATE_ON_ANY_PATH] + self._shift

    def was_at_least(self, slack_s: float) -> bool:
        """Return whether all that it looks back to, ten seconds of them, were so good."""
        floor = self.floor(SHRINK_SAMPLES)
        return len(self._slacks) == SHRINK_SAMPLES and floor is not None and floor >= slack_s
