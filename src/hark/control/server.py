"""Serves the control app on a Unix socket that belongs to one user alone.

Who may use it: the folder is 0700 and ours, the socket is 0600, and on Linux the kernel tells
for each connection which user opened it; another one is cut off before a byte is read.

Uvicorn's protocols do the HTTP and WebSocket work; its server does not run, since its main
loop wakes ten times a second and an idle node must not wake at all
(docs/decisions/0005-quiet-control-server.md). Between requests nothing here has a timer.
"""

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Self

from starlette.applications import Starlette
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Frame

from hark.control.asgi import control_app
from hark.control.local_socket import is_same_user, listen
from hark.control.service import NodeService

MAX_CONNECTIONS = 64
"""Open control connections; more are answered 503. A person has a handful."""
MAX_WEBSOCKET_FRAME_BYTES = 4096
"""The longest that a client has to say: a frame of a call's sound."""
MAX_MESSAGE_PARTS = 64
"""WebSocket frames that one message may come in. Our own clients send it in one."""
BACKLOG = 16
DRAIN_S = 2.0
"""How long requests under way may take to end when the node stops, in seconds."""


class ControlServer:
    """The control socket of one node.

    Args:
        service: answers the requests.
        path: of the socket, 107 bytes at most. Its folder is made (0700) when it is absent.
    """

    def __init__(self, service: NodeService, path: Path) -> None:
        self._path = path
        self._config = _quiet_config(control_app(service))
        self._state = ServerState()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            ConfigurationError: the path is too long, or others may enter the folder.
            StoreInUseError: another node answers on this socket.
        """
        listener = listen(self._path)
        loop = asyncio.get_running_loop()
        # One `Config` is shared by all connections and loaded once.
        self._config.load()
        self._server = await loop.create_unix_server(
            self._protocol, sock=listener, backlog=BACKLOG
        )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop listening, let requests under way end, and remove the socket."""
        if self._server is None:
            return
        self._path.unlink(missing_ok=True)
        self._server.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._state.tasks:
            _done, late = await asyncio.wait(self._state.tasks, timeout=DRAIN_S)
            for task in late:
                task.cancel()
        self._server = None

    def _protocol(self) -> asyncio.Protocol:
        return _OwnerOnlyProtocol(self._config, self._state, app_state={})


class _OwnerOnlyProtocol(H11Protocol):
    """HTTP for our own user; a connection of anybody else is cut off."""

    def connection_made(  # type: ignore[override]  # as the parent narrows it
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("socket")
        if not is_same_user(peer):
            transport.abort()


class _BoundedWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket that no client can make grow: neither by pings nor by parts of messages."""

    def handle_ping(self) -> None:
        # Pongs are written at once, also to a client that pings and does not read.
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.transport.abort()

    def handle_cont(self, event: Frame) -> None:
        # What counts against the largest message is bytes, and a part may have none.
        if len(self.frames) < MAX_MESSAGE_PARTS:
            super().handle_cont(event)
        else:
            self.transport.abort()


def _quiet_config(app: Starlette) -> Config:
    return Config(
        app,
        http=H11Protocol,
        ws=_BoundedWebSocket,
        ws_max_size=MAX_WEBSOCKET_FRAME_BYTES,
        # A ping every 20 s would wake an idle node; the kernel tells when a client dies.
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        limit_concurrency=MAX_CONNECTIONS,
    )
