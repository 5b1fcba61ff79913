"""The operator's own listener, on 127.0.0.1 only: `/metrics` and `/health`.

Never on the port that nodes use: even coarse counters help somebody who correlates
(`hark.supernode.counters`). One short request per connection; anything else is refused.
"""

import asyncio
from collections.abc import Callable, Mapping

from hark.supernode.counters import prometheus_text

LOOPBACK = "127.0.0.1"
REQUEST_TIMEOUT_S = 5.0
MAX_REQUEST_BYTES = 4096
"""Request line and headers of a scraper."""

Values = Callable[[], Mapping[str, int]]


class AdminServer:
    """Answers the operator.

    Args:
        values: returns the counters of the whole program.
    """

    def __init__(self, values: Values) -> None:
        self._values = values
        self._server: asyncio.Server | None = None

    async def start(self, port: int) -> int:
        """Listen, and return the port.

        Raises:
            OSError: the port is taken.
        """
        self._server = await asyncio.start_server(
            self._serve, LOOPBACK, port, limit=MAX_REQUEST_BYTES
        )
        name: tuple[str, int] = self._server.sockets[0].getsockname()
        return name[1]

    def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                request = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._answer(request))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    def _answer(self, request: bytes) -> bytes:
        method, _, rest = request.partition(b" ")
        path = rest.partition(b" ")[0]
        if method != b"GET":
            return _response("405 Method Not Allowed", "only GET\n")
        if path == b"/metrics":
            return _response("200 OK", prometheus_text(self._values()))
        if path == b"/health":
            return _response("200 OK", "ok\n")
        return _response("404 Not Found", "there is /metrics and /health\n")


def _response(status: str, text: str) -> bytes:
    body = text.encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
