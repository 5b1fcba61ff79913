"""Signals that have overtaken the offer or answer which they belong to.

Mail may overtake mail. What comes for a call that is not known yet, or from a device whose
answer is not here yet, is kept for a moment and looked at again. Few are kept, and the oldest
go first: a lost one costs a call at worst, never memory.
"""

from hark.calls.events import SignalReceived
from hark.machine import Instant
from hark.wire.ids import AccountId, CallId, DeviceId

Sender = tuple[AccountId, DeviceId, CallId]


class EarlySignals:
    """The signals that wait, oldest first.

    Args:
        keep_s: how long one is kept, in seconds.
        max_count: how many are kept.
    """

    def __init__(self, keep_s: float, max_count: int) -> None:
        self._keep_s = keep_s
        self._max_count = max_count
        self._kept: list[tuple[Instant, Sender, SignalReceived]] = []

    def keep(self, item: SignalReceived, call: CallId, now: Instant) -> None:
        """Keep a signal for later."""
        sender = (item.peer.account, item.device, call)
        self._kept.append((now, sender, item))
        del self._kept[: -self._max_count]

    def take(
        self, account: AccountId, device: DeviceId, call: CallId, now: Instant
    ) -> list[SignalReceived]:
        """Return what a device has sent for a call before its time, and forget it."""
        sender = (account, device, call)
        oldest = now - self._keep_s
        found = [item for at, who, item in self._kept if who == sender and at >= oldest]
        self._kept = [kept for kept in self._kept if kept[1] != sender and kept[0] >= oldest]
        return found
