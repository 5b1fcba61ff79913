"""A forwarder of TCP connections on loopback that counts what goes through it."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

HOST = "127.0.0.1"
_CHUNK_BYTES = 64 * 1024
# Offsets in `struct tcp_info` of <linux/tcp.h>: segments out and in, after 8 bytes of small
# fields, 24 words of 32 bits and 4 of 64 bits. Stable since Linux 4.2.
_SEGMENTS_AT = 8 + 24 * 4 + 4 * 8
_SEGMENTS = struct.Struct("@II")


@dataclass(frozen=True, slots=True)
class Traffic:
    """What has passed between one side and the forwarder so far, both directions together."""

    payload_bytes: int
    """Bytes of TCP payload: TLS records, handshakes included."""
    segment_count: int
    """TCP segments, acknowledgements included."""
    connection_count: int
    """Connections ever opened."""


class Forwarder:
    """Forwards every connection to one port. Make it with `forwarding_to`."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._listener = socket.create_server((HOST, 0))
        # Only grows; several threads write, so each addition is under the lock.
        self._lock = threading.Lock()
        self._payload_bytes = 0
        self._near_sockets: list[socket.socket] = []
        self._far_sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    def traffic(self) -> Traffic:
        """Return what has passed between those who connect and the forwarder."""
        with self._lock:
            near = list(self._near_sockets)
            payload_bytes = self._payload_bytes
        return Traffic(payload_bytes, sum(_segments(one) for one in near), len(near))

    def close(self) -> None:
        """Close everything."""
        with self._lock:
            everything = [self._listener, *self._near_sockets, *self._far_sockets]
        for one in everything:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _address = self._listener.accept()
                far = socket.create_connection((HOST, self._target_port))
            except OSError:
                return
            with self._lock:
                self._near_sockets.append(near)
                self._far_sockets.append(far)
            for source, sink in ((near, far), (far, near)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        # Ends with the connection; the sockets stay open for their counters.
        with contextlib.suppress(OSError):
            while chunk := source.recv(_CHUNK_BYTES):
                with self._lock:
                    self._payload_bytes += len(chunk)
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def forwarding_to(port: int) -> Iterator[Forwarder]:
    """Forward a free port to this one until the end of the block."""
    forwarder = Forwarder(port)
    try:
        yield forwarder
    finally:
        forwarder.close()


def _segments(one: socket.socket) -> int:
    info = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return sum(_SEGMENTS.unpack_from(info, _SEGMENTS_AT))
