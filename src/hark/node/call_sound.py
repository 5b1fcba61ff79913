"""The sound of the calls of a node, between its faces and the media engine.

One face at a time speaks and listens for the person in a call. What it sends and what it is
to play waits here for a few frames at most: sound that is late is worth nothing, so the oldest
makes way. Everything happens on the event loop.
"""

import asyncio
from collections import deque

from hark.errors import CallError
from hark.node.media.port import Engine
from hark.wire.ids import CallId

MAX_WAITING_TO_SEND = 5
"""Frames of a face that wait to be sent: 100 ms."""
MAX_WAITING_TO_PLAY = 25
"""Frames that wait for a face that reads slowly: half a second."""


class SoundFeed:
    """The sound of one call for one face (`hark.control.service.SoundFeed`), and for the
    engine (`hark.node.media.port.SoundPort`).
    """

    def __init__(self, sounds: "CallSounds", call: CallId) -> None:
        self._sounds = sounds
        self._call = call
        self._to_send: deque[bytes] = deque(maxlen=MAX_WAITING_TO_SEND)
        self._to_play: deque[bytes] = deque(maxlen=MAX_WAITING_TO_PLAY)
        self._news = asyncio.Event()
        self._over = False

    async def next(self) -> bytes | None:
        """Wait for the next frame to play; None when the call is over."""
        while not self._to_play:
            if self._over:
                return None
            self._news.clear()
            await self._news.wait()
        return self._to_play.popleft()

    def push(self, frame: bytes) -> None:
        """Give a frame to send."""
        self._to_send.append(frame)

    def close(self) -> None:
        """Let go of the call's sound."""
        self._sounds.drop(self._call, self)

    def take(self) -> bytes | None:
        """Return the next frame to send, if there is one."""
        return self._to_send.popleft() if self._to_send else None

    def give(self, frame: bytes) -> None:
        """Take a frame that is to be played now."""
        self._to_play.append(frame)
        self._news.set()

    def end(self) -> None:
        """The call is over: what waits may still be played."""
        self._over = True
        self._news.set()


class CallSounds:
    """Who speaks and listens in which call."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._feeds: dict[CallId, SoundFeed] = {}

    def attach(self, call: CallId) -> SoundFeed:
        """Give the sound of a call to a face.

        Raises:
            CallError: another face has it.
        """
        if call in self._feeds:
            raise CallError("another program speaks and listens in this call")
        feed = self._feeds[call] = SoundFeed(self, call)
        self._engine.attach(call, feed)
        return feed

    def drop(self, call: CallId, feed: SoundFeed) -> None:
        """Take the sound of a call back."""
        if self._feeds.get(call) is feed:
            del self._feeds[call]
            self._engine.detach(call)

    def ended(self, call: CallId) -> None:
        """A call is over."""
        feed = self._feeds.pop(call, None)
        if feed is not None:
            self._engine.detach(call)
            feed.end()
