"""Somebody on the line between two media engines, who sees and decides about every datagram.

Each engine is told the address of a socket here in place of the other's, so that everything
passes. ICE is passed on: whoever is on the line needs no more for it.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self, cast

from aioice.ice import get_host_addresses
from aiortc.rtcdtlstransport import RTCCertificate

from hark.calls.media import AddCandidates, ConnectMedia, LocalMedia, MediaFailure
from hark.node.media.candidates import own_addresses
from hark.node.media.dtls import SecureMedia, own_fingerprint
from hark.node.media.ice import IceConnection
from hark.wire.call import CallCandidate, CallTransport, CandidateKind
from hark.wire.ids import CallId
from tests.shell.media.ends import CALL, End, keys_of

Address = tuple[str, int]
Decide = Callable[["Socket", bytes], list[bytes]]
"""Given a datagram and where it came in: what goes out on the other side."""


def is_stun(data: bytes) -> bool:
    """Return whether a datagram is a check of ICE. Source: RFC 7983."""
    return data[0] < 4


def is_dtls(data: bytes) -> bool:
    return 20 <= data[0] <= 63


def is_voice(data: bytes) -> bool:
    return data[0] >= 128 and data[1] & 0x7F == 111


class Socket(asyncio.DatagramProtocol):
    """What one engine takes for the other; also what DTLS of our own can speak through."""

    def __init__(self, between: "Between") -> None:
        self.refused = 0
        self.waiting: asyncio.Queue[bytes] = asyncio.Queue()
        self._between = between
        self._end: Address | None = None
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._end = addr
        self._between.passes(self, data)

    @property
    def candidate(self) -> CallCandidate:
        host, port = self._transport.get_extra_info("sockname")[:2]
        return CallCandidate(CandidateKind.HOST, host, port, 2_000_000_000, "between")

    def give(self, data: bytes) -> None:
        """Send a datagram to the engine on this side."""
        if self._end is not None:
            self._transport.sendto(data, self._end)

    async def recv(self) -> bytes:
        return await self.waiting.get()

    async def send(self, data: bytes) -> None:
        self.give(data)

    def close(self) -> None:
        self._transport.close()


class Between:
    """The line itself; open within `async with`. Without more it passes everything on."""

    def __init__(self) -> None:
        self.left = Socket(self)
        self.right = Socket(self)
        self.seen: list[tuple[Socket, bytes]] = []
        """Every datagram, by the side that it came from."""
        self.decide: Decide = lambda _side, data: [data]

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        host = own_addresses(get_host_addresses(use_ipv4=True, use_ipv6=False))[0]
        for side in (self.left, self.right):
            await loop.create_datagram_endpoint(
                lambda side=side: side,  # type: ignore[misc]
                local_addr=(host, 0),
            )
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        for side in (self.left, self.right):
            side.close()

    def other(self, side: Socket) -> Socket:
        return self.right if side is self.left else self.left

    def passes(self, side: Socket, data: bytes) -> None:
        self.seen.append((side, data))
        for one in self.decide(side, data):
            self.other(side).give(one)

    def recorded(self, side: Socket) -> list[bytes]:
        """Return the packets of voice that came from one side."""
        return [data for where, data in self.seen if where is side and is_voice(data)]

    async def introduce(
        self,
        left: End,
        right: End,
        *,
        call: CallId = CALL,
        change: Callable[[CallTransport], CallTransport] = lambda transport: transport,
    ) -> None:
        """Let two ends connect, each to its socket here.

        Args:
            left: the caller.
            right: the callee.
            call: that is theirs.
            change: what becomes of their descriptions on the way.
        """
        left.open(controlling=True, call=call)
        right.open(controlling=False, call=call)
        described = [await end.wait(LocalMedia, call=call) for end in (left, right)]
        for end, peer, local, side in (
            (left, right, described[1], self.left),
            (right, left, described[0], self.right),
        ):
            transport = change(local.transport)
            keys = keys_of(end.name, peer.name)
            end.engine.perform(ConnectMedia(call, 1, transport, keys))
            end.engine.perform(AddCandidates(call, 1, (side.candidate,), final=True))


class Impostor:
    """Ends the encryption of both sides with a certificate of its own.

    Args:
        between: the line.
    """

    def __init__(self, between: Between) -> None:
        self.certificate = RTCCertificate.generateCertificate()
        self.heard: list[tuple[Socket, bytes]] = []
        """Packets of voice whose outer encryption it has opened, by where they came from."""
        self.change: Callable[[bytes], bytes] = lambda packet: packet
        self._between = between
        self._tasks: set[asyncio.Task[MediaFailure | None]] = set()
        self._sends: set[asyncio.Task[None]] = set()
        # The caller is the server of DTLS: so here, the client.
        self._media = {
            between.left: self._end_of(between.left, server=False),
            between.right: self._end_of(between.right, server=True),
        }
        between.decide = self._take

    @property
    def fingerprint(self) -> bytes:
        return own_fingerprint(self.certificate)

    def begin(self, left: bytes, right: bytes) -> None:
        """Shake hands with both, whose fingerprints everybody sees in their handshakes."""
        for side, fingerprint in ((self._between.left, left), (self._between.right, right)):
            task = asyncio.create_task(self._media[side].establish(fingerprint))
            self._tasks.add(task)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, *self._sends, return_exceptions=True)
        for media in self._media.values():
            await media.stop()

    def _end_of(self, side: Socket, *, server: bool) -> SecureMedia:
        return SecureMedia(
            cast(IceConnection, side),
            self.certificate,
            server=server,
            on_rtp=lambda packet: self._hear(side, packet),
            on_rtcp=lambda _data: None,
        )

    def _take(self, side: Socket, data: bytes) -> list[bytes]:
        if is_stun(data):
            return [data]
        side.waiting.put_nowait(data)
        return []

    def _hear(self, side: Socket, packet: bytes) -> None:
        self.heard.append((side, packet))
        other = self._media[self._between.other(side)]
        if other.state == "connected":
            task = asyncio.create_task(other.send(self.change(packet)))
            self._sends.add(task)
            task.add_done_callback(self._sends.discard)
