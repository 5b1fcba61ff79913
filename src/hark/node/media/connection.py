"""One connection of a call: addresses, path, handshake, and then a voice each way.

Each step is a task of the connection. An error in one ends this connection and nothing else;
the end is told once, and afterwards nothing.
Source: spec/calls.md#media.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine

from aiortc.rtcdtlstransport import RTCCertificate

from hark.calls.media import (
    AddCandidates,
    ConnectMedia,
    LocalCandidates,
    LocalMedia,
    MediaClosed,
    MediaConnected,
    MediaFact,
    MediaFailed,
    MediaFailure,
    OpenMedia,
)
from hark.machine import Instant
from hark.node.media.dtls import SecureMedia, own_fingerprint
from hark.node.media.ice import IceConnection
from hark.node.media.port import TellFact
from hark.node.media.sound import CallSound
from hark.node.media.voice_loop import VoiceLoop
from hark.runtime.logs import where
from hark.wire.call import CallTransport

log = logging.getLogger(__name__)

CANCEL_AGAIN_S = 0.1
"""A step may not hear that it is to end: before Python 3.12 `asyncio.wait_for`, in which the
libraries wait for datagrams, forgets it when one comes at that very moment."""

Ended = Callable[["MediaConnection"], None]


class MediaConnection:
    """One connection, from `OpenMedia` to its end.

    Args:
        order: what it is.
        sound: of its call.
        tell: given its facts.
        ended: called once when it has ended by itself; it still wants `close`.
        clock: monotonic.
    """

    def __init__(
        self,
        order: OpenMedia,
        *,
        sound: CallSound,
        tell: TellFact,
        ended: Ended,
        clock: Callable[[], Instant],
    ) -> None:
        self.call = order.call
        self.number = order.connection
        self._order = order
        self._sound = sound
        self._tell = tell
        self._on_ended = ended
        self._clock = clock
        self._certificate = RTCCertificate.generateCertificate()
        self._ice = IceConnection(
            controlling=order.controlling, hide_address=order.hide_address
        )
        self._media: SecureMedia | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._hosts_known = asyncio.Event()
        self._connecting = False
        self._over = False

    def open(self) -> None:
        """Gather our addresses."""
        self._spawn(self._gather())

    def connect(self, order: ConnectMedia) -> None:
        """Connect to the other end; once."""
        if not self._connecting:
            self._connecting = True
            self._spawn(self._connect(order))

    def add(self, order: AddCandidates) -> None:
        """Try further addresses of the other end."""
        self._spawn(self._add(order))

    def hush(self) -> None:
        """Tell nothing from now on, and let go of sound."""
        self._over = True
        self._sound.falls(self.number)

    async def close(self) -> None:
        """Say farewell to the other end and let go of everything; after `hush`."""
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=CANCEL_AGAIN_S)
        try:
            if self._media is not None:
                await self._media.stop()
            await self._ice.close()
        except Exception as error:  # As in `_guard`: it is over either way.
            log.error("media: %s", where(error))

    async def _gather(self) -> None:
        order = self._order
        hosts = await self._ice.gather_hosts()
        if not hosts and not order.ice_servers:
            self._end_with(MediaFailure.NO_CANDIDATES)
            return
        self._hosts_known.set()
        final = not order.ice_servers
        transport = CallTransport(
            username=self._ice.local_username,
            password=self._ice.local_password,
            fingerprint=own_fingerprint(self._certificate),
        )
        self._say(LocalMedia(self.call, self.number, transport, hosts, final))
        more = await self._ice.gather_servers(order.ice_servers)
        if not hosts and not more:
            self._end_with(MediaFailure.NO_CANDIDATES)
        elif not final:
            self._say(LocalCandidates(self.call, self.number, more, final=True))

    async def _add(self, order: AddCandidates) -> None:
        await self._hosts_known.wait()
        await self._ice.add_remote(order.candidates, final=order.final)

    async def _connect(self, order: ConnectMedia) -> None:
        await self._hosts_known.wait()
        try:
            await self._ice.establish(order.remote.username, order.remote.password)
        except ConnectionError:
            self._end_with(MediaFailure.NOT_CONNECTED)
            return
        voice = VoiceLoop(
            self.call,
            self.number,
            keys=order.keys,
            sound=self._sound,
            tell=self._say,
            clock=self._clock,
        )
        media = self._media = SecureMedia(
            self._ice,
            self._certificate,
            server=self._order.controlling,
            on_rtp=voice.on_rtp,
            on_rtcp=voice.on_rtcp,
        )
        failure = await media.establish(order.remote.fingerprint)
        if self._over:
            return
        if failure is not None:
            self._end_with(failure)
            return
        self._spawn(self._watch(media))
        self._sound.stands(self.number)
        self._say(MediaConnected(self.call, self.number, self._ice.path()))
        await voice.run(media)

    async def _watch(self, media: SecureMedia) -> None:
        if await media.wait_closed():
            self._end(MediaClosed(self.call, self.number))
        else:
            self._end_with(MediaFailure.NOT_CONNECTED)

    def _end_with(self, cause: MediaFailure) -> None:
        self._end(MediaFailed(self.call, self.number, cause))

    def _end(self, fact: MediaFact) -> None:
        if not self._over:
            self._say(fact)
            self._over = True
            self._on_ended(self)

    def _say(self, fact: MediaFact) -> None:
        if not self._over:
            self._tell(fact)

    def _spawn(self, step: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._guard(step))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # A step that was cancelled before it began would be complained about.
        task.add_done_callback(lambda _task: step.close())

    async def _guard(self, step: Coroutine[None, None, None]) -> None:
        try:
            await step
        except Exception as error:  # Whatever it is, it must not reach other calls.
            log.error("media: %s", where(error))
            self._end_with(MediaFailure.ENGINE)
