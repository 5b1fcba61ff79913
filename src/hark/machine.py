"""The contract of a protocol: a machine without I/O.

A machine takes inputs and the passing of time and returns effects, which its driver performs.
It opens no socket, reads no clock and draws no randomness of its own, so the same code runs
on real ports in production and in virtual time in the simulator.

Rules that every machine keeps:

1. `handle` never raises `PeerError`: a bad peer is an effect (a close, a refusal, a reason).
2. `handle_deadline` is harmless when called early.
3. Effects come out in the order in which they became due, each once.
4. A driver feeds inputs, takes the effects, and re-arms one timer only if the deadline moved.
"""

from collections.abc import Callable
from typing import NewType, Protocol, TypeVar

Instant = NewType("Instant", float)
"""A moment, in seconds on the local monotonic clock. Never sent to a peer."""

RandomBytes = Callable[[int], bytes]
"""A source of unpredictable bytes: `random_bytes(count)`."""

UnixMs = Callable[[Instant], int]
"""Turns a moment into calendar time, in milliseconds since 1970-01-01 UTC."""

InputT_contra = TypeVar("InputT_contra", contravariant=True)
EffectT = TypeVar("EffectT")


class Machine(Protocol[InputT_contra, EffectT]):
    """What every protocol machine offers to its driver."""

    def handle(self, item: InputT_contra, now: Instant) -> None:
        """Take one input. Never raises `PeerError`: a bad peer is an effect."""

    def handle_deadline(self, now: Instant) -> None:
        """Take the passing of time. Harmless when called early."""

    def deadline(self) -> Instant | None:
        """Return when to call `handle_deadline` next, or None for never."""

    def take_effects(self) -> list[EffectT]:
        """Return what must be done now, oldest first, and forget it."""
