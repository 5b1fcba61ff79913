"""A TLS server for very many connections, on the fastest event loop that is installed.

With `uvloop` and `aiofastnet` an idle connection costs a few kilobytes; plain asyncio needs
277 KB for one, but works everywhere. `aiofastnet` reads inside the interpreter's own TLS
objects, so on an interpreter that it was not built for the import fails and plain asyncio
takes over.
"""

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Protocol

from hark.errors import ConfigurationError, PortTakenError

try:
    import uvloop

    HAS_UVLOOP = True
except ImportError:  # not on Windows
    HAS_UVLOOP = False

try:
    import aiofastnet

    HAS_AIOFASTNET = True
except ImportError:
    HAS_AIOFASTNET = False

log = logging.getLogger(__name__)

HANDSHAKE_TIMEOUT_S = 10.0
"""From the TCP connection to the end of the TLS handshake; three lost packets."""
SHUTDOWN_TIMEOUT_S = 2.0
"""For the other side's farewell in TLS, which we do not need."""
BACKLOG_COUNT = 512
"""Connections that wait to be accepted, and that are accepted in one turn of the loop."""
UNUSED_BUFFER_BYTES = 16 * 1024 + 64
"""Buffers between socket and TLS that `aiofastnet` asks for; not used with `_READ_SOCKET`."""
_READ_SOCKET = "_aiofastnet_force_socket_bio"
"""Set on a context, lets OpenSSL read and write the socket itself, the way `aiofastnet` uses
for TLS in the kernel. Without the buffers in between an idle link costs 18 KB and not 33 KB,
and a live envelope a third less time. A test notices if a new version ignores it."""


class StoppableServer(Protocol):
    """What is left to do with a server that runs."""

    def close(self) -> None:
        """Stop accepting. Open connections stay."""


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a new event loop of the fastest kind."""
    if not HAS_UVLOOP:
        log.warning("uvloop is not installed: using the slower event loop")
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def bind_listener(host: str, port: int, *, shared: bool) -> socket.socket:
    """Return a socket bound to the address; it does not listen yet.

    Args:
        host: name or address of this machine; `::` means every address, IPv4 too.
        port: 0 for a free one.
        shared: whether several processes of ours are going to bind it, each for a share of
            the connections.

    Raises:
        PortTakenError: another program has the port.
        ConfigurationError: there is no such address here, or this user may not use the port.
    """
    try:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )
    except socket.gaierror as error:
        raise ConfigurationError("the host to listen on cannot be resolved") from error
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
    except PermissionError as error:
        listener.close()
        raise ConfigurationError(f"this user may not listen on port {port}") from error
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(f"port {port}") from error
        raise ConfigurationError(
            "this machine does not have the address to listen on"
        ) from error
    return listener


async def serve_tls(
    make_protocol: Callable[[], asyncio.BufferedProtocol],
    listener: socket.socket,
    context: ssl.SSLContext,
) -> StoppableServer:
    """Accept connections on a bound socket; each gets a protocol after its TLS handshake.

    Raises:
        PortTakenError: another program began to listen in the meantime.
    """
    loop = asyncio.get_running_loop()
    try:
        if not HAS_AIOFASTNET:
            log.warning("aiofastnet is not usable here: connections cost more memory")
            return await loop.create_server(
                make_protocol,
                sock=listener,
                ssl=context,
                backlog=BACKLOG_COUNT,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S,
                ssl_shutdown_timeout=SHUTDOWN_TIMEOUT_S,
            )
        setattr(context, _READ_SOCKET, True)
        return await aiofastnet.create_server(
            loop,
            make_protocol,
            sock=listener,
            ssl=context,
            backlog=BACKLOG_COUNT,
            ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S,
            ssl_shutdown_timeout=SHUTDOWN_TIMEOUT_S,
            ssl_incoming_bio_size=UNUSED_BUFFER_BYTES,
            ssl_outgoing_bio_size=UNUSED_BUFFER_BYTES,
        )
    except OSError as error:
        raise PortTakenError("the port was taken before it could be used") from error
