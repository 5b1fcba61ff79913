"""The real connections of a node: carries out what its core orders, on the event loop.

A connection is named by the number that the core gave it. News of a connection that the core
has closed does not reach it.
"""

import ssl
from collections.abc import Callable
from functools import partial

from hark.node.links import (
    CloseConnection,
    ConnectionInput,
    ConnectionOrder,
    OpenConnection,
    SendOnConnection,
)
from hark.overlay.link.events import FrameReceived, TransportLost, TransportOpened
from hark.runtime.client_transport import ClientTransport, TransportLimits
from hark.wire.address import Address
from hark.wire.link import MAX_FRAME_BYTES


class Connections:
    """All open connections.

    Args:
        tls: client context; the pin is checked by the link machine.
        post: gives news to the core.
    """

    def __init__(self, tls: ssl.SSLContext, post: Callable[[ConnectionInput], None]) -> None:
        self._tls = tls
        self._post = post
        self._limits = TransportLimits(max_frame_bytes=MAX_FRAME_BYTES)
        self._open: dict[int, ClientTransport] = {}

    def perform(self, order: ConnectionOrder) -> None:
        """Carry out one order."""
        match order:
            case OpenConnection(connection, address):
                self._connect(connection, address)
            case SendOnConnection(connection, frame):
                if (transport := self._open.get(connection)) is not None:
                    transport.send(frame)
            case CloseConnection(connection):
                if (transport := self._open.pop(connection, None)) is not None:
                    transport.close()

    def close(self) -> None:
        """Close everything."""
        for transport in self._open.values():
            transport.close()
        self._open.clear()

    def _connect(self, connection: int, address: Address) -> None:
        transport = ClientTransport(
            host=address.host,
            port=address.port,
            tls=self._tls,
            limits=self._limits,
            on_opened=partial(self._on_opened, connection),
            on_frame=partial(self._on_frame, connection),
            on_lost=partial(self._on_lost, connection),
        )
        self._open[connection] = transport
        transport.open()

    def _on_opened(self, connection: int, certificate_der: bytes) -> None:
        self._post(ConnectionInput(connection, TransportOpened(certificate_der)))

    def _on_frame(self, connection: int, frame: bytes) -> None:
        self._post(ConnectionInput(connection, FrameReceived(frame)))

    def _on_lost(self, connection: int, reason: str) -> None:
        self._open.pop(connection, None)
        self._post(ConnectionInput(connection, TransportLost(reason)))
