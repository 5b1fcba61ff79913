"""Events for the faces: numbered, kept for a while, bounded for slow readers.

Every event gets the next number. The newest `KEPT_EVENTS` are kept, so that a face that lost
its connection goes on where it was; one that was away for longer, or reads too slowly, gets
one `gap` and asks for the present state instead. Everything happens on the event loop.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from hark.control.schema import Event

KEPT_EVENTS = 1_000
"""Events kept for faces that come back. Some hundred kilobytes at most."""


class EventHub:
    """Gives out events to any number of feeds."""

    def __init__(self) -> None:
        self._kept: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self._next_seq = 1
        self._feeds: set[Feed] = set()

    def publish(self, make: Callable[[int], Event]) -> None:
        """Number an event and give it to every feed.

        Args:
            make: returns the event, given its number.
        """
        event = make(self._next_seq)
        self._next_seq += 1
        self._kept.append(event)
        for feed in self._feeds:
            feed.wake()

    def feed(self, after_seq: int | None) -> "Feed":
        """Subscribe to the events after `after_seq`; None: from now on."""
        newest = self._next_seq - 1
        # A number from the future is one of an earlier run of this node.
        lost = after_seq is not None and after_seq > newest
        position = newest if after_seq is None or lost else after_seq
        feed = Feed(self, position, gap=lost)
        self._feeds.add(feed)
        return feed

    def drop(self, feed: "Feed") -> None:
        """Forget a feed."""
        self._feeds.discard(feed)

    def after(self, seq: int) -> Event | None:
        """Return the kept event that follows `seq`, a `gap` if it is gone, None if none yet."""
        if seq >= self._next_seq - 1:
            return None
        oldest = self._kept[0].seq
        if seq + 1 < oldest:
            return self.gap()
        return self._kept[seq + 1 - oldest]

    def gap(self) -> Event:
        """Return the event that says: some were lost, ask for the present state."""
        return Event(seq=self._next_seq - 1, kind="gap")


class Feed:
    """One subscriber (`hark.control.service.EventFeed`)."""

    def __init__(self, hub: EventHub, position: int, *, gap: bool) -> None:
        self._hub = hub
        self._position = position
        self._gap = gap
        self._news = asyncio.Event()

    async def next(self) -> Event:
        """Wait for the next event."""
        while (event := self.take()) is None:
            self._news.clear()
            await self._news.wait()
        return event

    def take(self) -> Event | None:
        """Return the next event if there is one already."""
        event = self._hub.gap() if self._gap else self._hub.after(self._position)
        if event is not None:
            self._gap = False
            self._position = event.seq
        return event

    def wake(self) -> None:
        """There is a new event."""
        self._news.set()

    def close(self) -> None:
        """Stop."""
        self._hub.drop(self)
