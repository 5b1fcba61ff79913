"""A node's connection: frames, and for every way to fail a reason without an address."""

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from hark.crypto.certificates import make_certificate, node_id_of_certificate, node_id_of_key
from hark.crypto.signing import SigningKey
from hark.runtime.client_transport import ClientTransport, TransportLimits
from hark.runtime.framing import with_length
from hark.runtime.tls import client_context, negotiated_group, server_context

ALPN = "test/1"
LIMITS = TransportLimits(max_frame_bytes=1000, connect_timeout_s=1.0)
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Owner:
    """Collects what a transport tells."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[tuple[str, bytes | str]] = asyncio.Queue()

    def connect(self, port: int, host: str = "127.0.0.1") -> ClientTransport:
        transport = ClientTransport(
            host=host,
            port=port,
            tls=client_context(alpn=ALPN),
            limits=LIMITS,
            on_opened=lambda der: self.told.put_nowait(("opened", der)),
            on_frame=lambda frame: self.told.put_nowait(("frame", frame)),
            on_lost=lambda reason: self.told.put_nowait(("lost", reason)),
        )
        transport.open()
        return transport

    async def next(self) -> tuple[str, bytes | str]:
        return await asyncio.wait_for(self.told.get(), 5)


class TlsServer:
    """A server with a key of its own."""

    def __init__(self, folder: Path) -> None:
        self.key = SigningKey.generate(os.urandom)
        certificate, private = make_certificate(self.key)
        (folder / "crt").write_bytes(certificate)
        (folder / "key").write_bytes(private)
        self.context = server_context(folder / "crt", folder / "key", alpn=ALPN)
        self.seen: list[ssl.SSLObject] = []

    async def start(self, serve: Serve) -> tuple[asyncio.Server, int]:
        async def remember(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.seen.append(writer.get_extra_info("ssl_object"))
            try:
                await serve(reader, writer)
            finally:
                writer.close()

        server = await asyncio.start_server(remember, "127.0.0.1", 0, ssl=self.context)
        return server, server.sockets[0].getsockname()[1]


@pytest.fixture
def tls_server(tmp_path: Path) -> TlsServer:
    return TlsServer(tmp_path)


def test_transport_shows_the_certificate_first_and_carries_frames(
    tls_server: TlsServer,
) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(with_length(await reader.readexactly(9)))
        await writer.drain()

    async def scenario() -> None:
        server, port = await tls_server.start(echo)
        owner = Owner()
        transport = owner.connect(port)
        what, der = await owner.next()
        assert what == "opened"
        assert isinstance(der, bytes)
        assert node_id_of_certificate(der) == node_id_of_key(tls_server.key.public)
        transport.send(b"hello")
        assert await owner.next() == ("frame", with_length(b"hello"))
        assert await owner.next() == ("lost", "closed by the supernode")
        server.close()

    asyncio.run(scenario())
    seen = tls_server.seen[0]
    assert seen.version() == "TLSv1.3"
    assert seen.server_hostname is None
    # On interpreters that can say it.
    assert negotiated_group(seen) in {None, "x25519", "X25519", "X25519MLKEM768"}


def test_closed_transport_tells_nothing_more(tls_server: TlsServer) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            writer.write(with_length(b"tick"))
            await asyncio.sleep(0.01)

    async def scenario() -> None:
        server, port = await tls_server.start(talk)
        owner = Owner()
        transport = owner.connect(port)
        assert (await owner.next())[0] == "opened"
        transport.close()
        transport.send(b"into the void")
        await asyncio.sleep(0.1)
        assert owner.told.empty()
        server.close()

    asyncio.run(scenario())


def test_announced_frame_that_is_too_long_ends_the_connection(tls_server: TlsServer) -> None:
    async def boast(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((1001).to_bytes(4, "big"))
        await reader.read()

    async def scenario() -> None:
        server, port = await tls_server.start(boast)
        owner = Owner()
        owner.connect(port)
        assert (await owner.next())[0] == "opened"
        assert await owner.next() == ("lost", "not a hark supernode")
        server.close()

    asyncio.run(scenario())


def test_reader_that_never_reads_ends_the_connection(tls_server: TlsServer) -> None:
    async def sleep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async def scenario() -> None:
        server, port = await tls_server.start(sleep)
        owner = Owner()
        transport = owner.connect(port)
        assert (await owner.next())[0] == "opened"
        for _ in range(20_000):
            transport.send(bytes(1000))
        assert await owner.next() == ("lost", "too slow")
        server.close()

    asyncio.run(scenario())


def test_reasons_are_words_without_addresses() -> None:
    async def reason(port: int, host: str = "127.0.0.1") -> bytes | str:
        owner = Owner()
        owner.connect(port, host)
        what, why = await owner.next()
        assert what == "lost"
        return why

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert asyncio.run(reason(port)) == "connection refused"
    assert asyncio.run(reason(1, "name.invalid")) in {"name not found", "timed out"}
    # Listens and never answers.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert asyncio.run(reason(silent.getsockname()[1])) == "timed out"


def test_plain_server_is_not_a_supernode() -> None:
    async def scenario() -> None:
        async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 smtp ready\r\n")
            await writer.drain()
            await reader.read()
            writer.close()

        server = await asyncio.start_server(plain, "127.0.0.1", 0)
        owner = Owner()
        owner.connect(server.sockets[0].getsockname()[1])
        assert await owner.next() == ("lost", "not a hark supernode")
        server.close()

    asyncio.run(scenario())
