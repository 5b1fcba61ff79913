"""The connection of a node to one supernode: TLS and frames on the event loop.

A transport lives once: it opens, carries frames and ends. It tells its owner three things,
all on the event loop: `on_opened` (with the certificate the supernode showed; nothing has
been sent yet), `on_frame`, and `on_lost` with a reason in plain words. `on_lost` comes once
and last, and not at all after `close()`. The reason never holds an address.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from hark.errors import MalformedError
from hark.runtime.framing import FrameSplitter, with_length
from hark.runtime.tls import NO_SERVER_NAME, peer_certificate_der

_REASONS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset",
    errno.ECONNABORTED: "connection reset",
    errno.EPIPE: "connection reset",
    errno.ETIMEDOUT: "timed out",
    errno.ENETUNREACH: "no network",
    errno.ENETDOWN: "no network",
    errno.EHOSTUNREACH: "no way to that machine",
    errno.EADDRNOTAVAIL: "no network",
    errno.EMFILE: "too many open files",
}


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """Bounds of one connection."""

    max_frame_bytes: int
    """Largest frame, without its length; agreed in the wire format."""
    connect_timeout_s: float = 10.0
    """For name look-up, TCP and TLS together. Ten seconds hold three lost SYNs (1 + 2 + 4)."""
    max_write_buffer_bytes: int = 4 * 1024 * 1024
    """Unsent bytes at which the connection counts as stuck. Sixteen of the largest frames."""


class ClientTransport:
    """One connection, as its owner sees it. Everything happens on the running event loop."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        tls: ssl.SSLContext,
        limits: TransportLimits,
        on_opened: Callable[[bytes], None],
        on_frame: Callable[[bytes], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._limits = limits
        self._on_opened = on_opened
        self._on_frame = on_frame
        self._on_lost = on_lost
        self._splitter = FrameSplitter(limits.max_frame_bytes)
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._over = False

    def open(self) -> None:
        """Begin to connect."""
        self._task = asyncio.get_running_loop().create_task(self._connect())

    def send(self, frame: bytes) -> None:
        """Send one frame. Dropped when the connection is not, or no longer, open."""
        transport = self._transport
        if transport is None or self._over:
            return
        if transport.get_write_buffer_size() > self._limits.max_write_buffer_bytes:
            self._lose("too slow")
            return
        transport.write(with_length(frame))

    def close(self) -> None:
        """End the connection after what was sent; `on_lost` is not called any more."""
        self._over = True
        if self._task is not None:
            self._task.cancel()
        if self._transport is not None:
            self._transport.close()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._limits.connect_timeout_s):
                await loop.create_connection(
                    lambda: _FrameProtocol(self),
                    self._host,
                    self._port,
                    ssl=self._tls,
                    server_hostname=NO_SERVER_NAME,
                )
        except (OSError, TimeoutError) as error:
            self._lose(_reason(error))

    def connected(self, transport: asyncio.Transport) -> None:
        """Protocol callback."""
        if self._over:
            transport.abort()
            return
        self._transport = transport
        connection = cast(ssl.SSLObject, transport.get_extra_info("ssl_object"))
        self._on_opened(peer_certificate_der(connection))

    def received(self, data: bytes) -> None:
        """Protocol callback."""
        if self._over:
            return
        try:
            frames = self._splitter.feed(data)
        except MalformedError:
            self._lose("not a hark supernode")
            return
        for frame in frames:
            # The owner may close at any frame.
            if not self._over:
                self._on_frame(frame)

    def ended(self, error: Exception | None) -> None:
        """Protocol callback."""
        self._lose("closed by the supernode" if error is None else _reason(error))

    def _lose(self, reason: str) -> None:
        if self._over:
            return
        self._over = True
        if self._transport is not None:
            self._transport.abort()
        self._on_lost(reason)


class _FrameProtocol(asyncio.Protocol):
    """Hands what asyncio says to the transport."""

    def __init__(self, owner: ClientTransport) -> None:
        self._owner = owner

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._owner.connected(cast(asyncio.Transport, transport))

    def data_received(self, data: bytes) -> None:
        self._owner.received(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._owner.ended(error)


def _reason(error: Exception) -> str:
    """Return why a connection failed, for a person; never with an address."""
    # The order matters: several of these are subclasses of OSError.
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, ssl.SSLError):
        return "not a hark supernode"
    if isinstance(error, socket.gaierror):
        return "name not found"
    if isinstance(error, OSError):
        return _REASONS.get(error.errno or 0, "connection failed")
    return "connection failed"
