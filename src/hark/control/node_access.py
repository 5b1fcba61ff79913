"""The control contract for programs on an event loop: requests, events and the sound of a call.

What the methods of `hark.control.bot.Bot` stand on. Source: spec/control.md.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self, TypeVar
from urllib.parse import quote, urlencode

import httpx
from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.asyncio.client import connect as WebSocketConnect  # noqa: N812 (a class)

from hark.control import routes
from hark.control.client import ANSWER_TIMEOUT_S, MAX_EVENT_BYTES, parse_answer
from hark.control.local_socket import connect
from hark.errors import NodeNotRunningError
from hark.wire.codec import Record, encode_json

TakenT = TypeVar("TakenT", bound=Record)
GivenT = TypeVar("GivenT")


class NodeAccess:
    """Asks one node.

    Every method raises what the node raised (`hark.errors`), or `NodeNotRunningError`.
    """

    def __init__(self, socket_path: Path, http: httpx.AsyncClient) -> None:
        self.socket_path = socket_path
        self._http = http

    @classmethod
    @asynccontextmanager
    async def open(cls, socket_path: Path) -> AsyncIterator[Self]:
        """Open the node that listens on `socket_path`.

        Raises:
            NodeNotRunningError: no node listens there.
            ConfigurationError: the socket is not ours alone.
        """
        # Checks the folder and who listens; each request makes a connection of its own.
        connect(socket_path, timeout_s=ANSWER_TIMEOUT_S).close()
        # A connection that is kept could be closed by the node just as it is used again.
        limits = httpx.Limits(max_keepalive_connections=0)
        transport = httpx.AsyncHTTPTransport(uds=str(socket_path), limits=limits)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://hark", timeout=ANSWER_TIMEOUT_S
        ) as http:
            yield cls(socket_path, http)

    async def ask(
        self, ask: routes.Ask[GivenT], query: dict[str, str] | None = None, **parts: str
    ) -> GivenT:
        """Send a request without a body; `parts` fill the path."""
        path = ask.path.format(**{name: quote(part, safe="") for name, part in parts.items()})
        return parse_answer(ask.gives, *await self._exchange("GET", path, query, None))

    async def order(self, order: routes.Order[TakenT, GivenT], taken: TakenT) -> GivenT:
        """Send a request with a body."""
        body = encode_json(taken)
        return parse_answer(order.gives, *await self._exchange("POST", order.path, None, body))

    def event_stream(self, after: int | None = None, run: str = "") -> WebSocketConnect:
        """Return the stream of events, to be entered; its frames are for `parse_event`.

        Args:
            after: number of the last event that has been seen; None: from now on.
            run: of the node, as `run_of` told it.

        Raises:
            NodeNotRunningError: no node listens there.
        """
        query = "" if after is None else "?" + urlencode({"after": after, "run": run})
        return unix_connect(
            sock=connect(self.socket_path, timeout_s=ANSWER_TIMEOUT_S),
            uri=f"ws://hark{routes.EVENTS_PATH}{query}",
            max_size=MAX_EVENT_BYTES,
            compression=None,
            ping_interval=None,
            proxy=None,
        )

    async def _exchange(
        self, method: str, path: str, query: dict[str, str] | None, body: bytes | None
    ) -> tuple[int, bytes]:
        try:
            response = await self._http.request(method, path, params=query, content=body)
        except httpx.TransportError as error:
            raise NodeNotRunningError("it stopped before it answered") from error
        return response.status_code, response.content


def run_of(stream: ClientConnection) -> str:
    """Return which run of the node an open stream of events belongs to."""
    headers = stream.response.headers if stream.response is not None else {}
    return headers.get(routes.RUN_HEADER, "")
