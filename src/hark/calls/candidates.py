"""The candidates of one connection, in batches: what we have told, and what we were told.

Batches count from 1; the first candidates travel inline, in the offer, the answer or the
redial. Batches may overtake each other and may come before the signal that opens their
connection. Everything is bounded, so that a peer can flood neither the ratchet nor the engine.
Source: spec/calls.md#candidates.
"""

from collections.abc import Sequence

from hark.calls.refusal import SignalRefusedError
from hark.wire.call import (
    MAX_BATCH_CANDIDATES,
    MAX_BATCHES,
    MAX_CANDIDATES,
    CallCandidate,
    CallCandidates,
    Refusal,
)
from hark.wire.codec import encode
from hark.wire.ids import CallId


class OwnCandidates:
    """What we tell of ourselves for one connection."""

    def __init__(self, call: CallId, connection: int) -> None:
        self.bodies: list[bytes] = []
        """The batches as they were sent, in order."""
        self.final = False
        """Whether the other side has been told that no more will follow."""
        self._call = call
        self._connection = connection
        self._waiting: list[CallCandidate] = []
        self._count = 0

    def first(
        self, candidates: Sequence[CallCandidate], *, final: bool
    ) -> tuple[list[CallCandidate], bool]:
        """Take the first addresses found; return what travels inline, and whether it is all.

        What does not fit waits for `more`.
        """
        self._collect(candidates)
        inline = self._next()
        self.final = final and not self._waiting
        return inline, self.final

    def more(self, candidates: Sequence[CallCandidate], *, final: bool) -> list[bytes]:
        """Take further addresses; return the batches to send now.

        The last batch that is allowed waits until everything is known.
        """
        if self.final:
            return []
        self._collect(candidates)
        before = len(self.bodies)
        while self._waiting and (final or len(self.bodies) < MAX_BATCHES - 1):
            batch = self._next()
            if len(self.bodies) == MAX_BATCHES - 1:
                self._waiting.clear()
            self._append(batch, final=final and not self._waiting)
        if final and not self.final:
            self._append([], final=True)
        return self.bodies[before:]

    def _collect(self, candidates: Sequence[CallCandidate]) -> None:
        taken = candidates[: MAX_CANDIDATES - self._count]
        self._count += len(taken)
        self._waiting += taken

    def _next(self) -> list[CallCandidate]:
        batch = self._waiting[:MAX_BATCH_CANDIDATES]
        del self._waiting[:MAX_BATCH_CANDIDATES]
        return batch

    def _append(self, batch: list[CallCandidate], *, final: bool) -> None:
        number = len(self.bodies) + 1
        signal = CallCandidates(self._call, self._connection, number, batch, final)
        self.bodies.append(encode(signal))
        self.final = final


class PeerCandidates:
    """What the other side has told of itself for one connection."""

    def __init__(self) -> None:
        self._batches: dict[int, bytes] = {}
        self._last: int | None = None
        """Number of the final batch, 0 when all came inline; None while it is not known."""
        self._count = 0
        self._fresh: list[CallCandidate] = []
        self._told_all = False

    @property
    def complete(self) -> bool:
        """Whether all that was announced has come."""
        return self._last is not None and len(self._batches) == self._last

    @property
    def bodies(self) -> list[bytes]:
        """The batches as they were carried, in order."""
        return [body for _number, body in sorted(self._batches.items())]

    def first(self, candidates: Sequence[CallCandidate], *, final: bool) -> None:
        """Take the candidates that came inline.

        Raises:
            SignalRefusedError: too many, or some have come that were not to follow.
        """
        self._add(candidates)
        if final:
            self._end_at(0)

    def take(self, signal: CallCandidates, body: bytes) -> None:
        """Take a batch; one that is known already changes nothing.

        Raises:
            SignalRefusedError: too many candidates or batches, or another batch of this number.
        """
        known = self._batches.get(signal.batch)
        if known is not None:
            if known != body:
                raise SignalRefusedError(Refusal.WRONG_TRANSCRIPT)
            return
        if self._last is not None and signal.batch > self._last:
            raise SignalRefusedError(Refusal.TOO_MANY_CANDIDATES)
        self._batches[signal.batch] = body
        self._add(signal.candidates)
        if signal.final:
            self._end_at(signal.batch)

    def take_fresh(self) -> tuple[tuple[CallCandidate, ...], bool] | None:
        """Return what the engine has not been given yet, and whether that is the end.

        None when there is nothing new.
        """
        news = self.complete and not self._told_all
        if not self._fresh and not news:
            return None
        fresh, self._fresh = tuple(self._fresh), []
        self._told_all = self.complete
        return fresh, self.complete

    def _add(self, candidates: Sequence[CallCandidate]) -> None:
        self._count += len(candidates)
        if self._count > MAX_CANDIDATES:
            raise SignalRefusedError(Refusal.TOO_MANY_CANDIDATES)
        self._fresh += candidates

    def _end_at(self, number: int) -> None:
        if self._last is not None or any(batch > number for batch in self._batches):
            raise SignalRefusedError(Refusal.TOO_MANY_CANDIDATES)
        self._last = number
