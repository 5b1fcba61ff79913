"""Between a node and its supernode: a forwarder that writes every byte down, and a supernode
that is not what it says. And the look for what must not be seen, in every form it could have.
"""

import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from hark.crypto.certificates import make_certificate, node_id_of_key
from hark.crypto.signing import SigningKey
from hark.runtime.framing import with_length
from hark.wire.address import Address
from hark.wire.codec import encode
from hark.wire.ids import NodeId
from hark.wire.link import ALPN, PROTOCOL_VERSION, Hello

HOST = "127.0.0.1"
PIECE_BYTES = 64 * 1024


def forms_of(secret: bytes) -> set[bytes]:
    """Return the ways in which a byte string could stand in something else."""
    forms = {secret, secret.hex().encode(), secret.hex().upper().encode(), secret[::-1]}
    with contextlib.suppress(UnicodeDecodeError):
        text = secret.decode()
        forms |= {text.encode("utf-16-le"), text.encode("utf-16-be")}
    for before in range(3):
        # In base64 the neighbours change the first and last characters.
        for encoded in (base64.b64encode, base64.urlsafe_b64encode):
            forms.add(encoded(bytes(before) + secret)[4 if before else 0 : -4])
    return forms


def found_in(haystack: bytes, secrets: Mapping[str, bytes]) -> list[str]:
    """Return the names of those secrets that are in `haystack` in any form."""
    return [
        name
        for name, secret in secrets.items()
        if any(form in haystack for form in forms_of(secret))
    ]


class Listener:
    """A socket on the loopback, served by threads that end with the `with`."""

    def __init__(self) -> None:
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._begin(self._accept)
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            sockets = [self._listener, *self._sockets]
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(10)

    def keep(self, one: socket.socket) -> socket.socket:
        with self._lock:
            self._sockets.append(one)
        return one

    def serve(self, accepted: socket.socket) -> None:
        raise NotImplementedError

    def _begin(self, target: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                accepted, _ = self._listener.accept()
                self._begin(self.serve, self.keep(accepted))


class Forwarder(Listener):
    """Passes TCP on and keeps all of it, both directions of every connection in one place."""

    def __init__(self, target_port: int) -> None:
        super().__init__()
        self._target_port = target_port
        self._kept: list[bytearray] = []

    def capture(self) -> bytes:
        """Return everything so far, each direction in one piece."""
        return b"".join(bytes(kept) for kept in self._kept)

    def serve(self, accepted: socket.socket) -> None:
        onward = self.keep(socket.create_connection((HOST, self._target_port), timeout=10))
        onward.settimeout(None)
        self._begin(self._pass_on, onward, accepted)
        self._pass_on(accepted, onward)

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        kept = bytearray()
        self._kept.append(kept)
        with contextlib.suppress(OSError):
            while piece := source.recv(PIECE_BYTES):
                kept += piece
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)


class FakeSupernode(Listener):
    """Speaks TLS, greets as a supernode does, and keeps what it is then told.

    Args:
        folder: for its certificate.
        key: its node key.
        newest_tls: the highest version that it speaks.
    """

    def __init__(
        self,
        folder: Path,
        key: SigningKey,
        newest_tls: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    ) -> None:
        super().__init__()
        self.node_id = node_id_of_key(key.public)
        self.handshake_count = 0
        self.refused_count = 0
        """Connections that ended in the handshake."""
        self.told = bytearray()
        """Every byte of application data."""
        certificate, private = make_certificate(key)
        (folder / "crt.pem").write_bytes(certificate)
        (folder / "key.pem").write_bytes(private)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "crt.pem", folder / "key.pem")
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context.maximum_version = newest_tls
        self._context.set_alpn_protocols([ALPN])

    def address(self, node_id: NodeId | None = None) -> Address:
        """Return where it is, under its own name or one that it only claims."""
        return Address(node_id or self.node_id, HOST, self.port)

    def serve(self, accepted: socket.socket) -> None:
        accepted.settimeout(10)
        try:
            secured = self.keep(self._context.wrap_socket(accepted, server_side=True))
        except OSError:
            self.refused_count += 1
            return
        hello = Hello(PROTOCOL_VERSION, bytes(range(32)), 1_800_000_000_000, 1000)
        with contextlib.suppress(OSError):
            secured.sendall(with_length(encode(hello)))
            self.handshake_count += 1
            while piece := secured.recv(PIECE_BYTES):
                self.told += piece
