"""What a worker does to protect itself, and what the operator can see of it."""

import asyncio
import contextlib
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import aiofastnet
import pytest

from hark.runtime.tls import client_context, server_context
from hark.runtime.tls_server import bind_listener, new_event_loop, serve_tls
from hark.supernode.identity import load_or_make_identity
from hark.wire import mailbox as wire
from hark.wire.link import ALPN
from tests.shell.supernode.peer import Peer, Server, run

StartServer = Callable[..., Server]


def metrics(server: Server) -> dict[str, int]:
    url = f"http://127.0.0.1:{server.admin_port}/metrics"
    with urllib.request.urlopen(url, timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    pairs = [line.split() for line in lines if not line.startswith("#")]
    return {name: int(value) for name, value in pairs}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_admin_listener_shows_totals_and_nothing_else(
    start_server: StartServer, workers: str
) -> None:
    server = start_server("--workers", workers)

    async def scenario() -> None:
        peer = await Peer(server.address).connect()
        await peer.log_in(await peer.create())
        values = await asyncio.to_thread(metrics, server)
        # Workers of their own report every two seconds.
        for _ in range(50):
            if values["hark_supernode_links_open"] == 1:
                break
            await asyncio.sleep(0.1)
            values = await asyncio.to_thread(metrics, server)
        assert values["hark_supernode_links_open"] == 1
        assert values["hark_supernode_store_inputs_total"] >= 3
        assert values["hark_supernode_link_bytes_received_total"] > 100
        assert values["hark_supernode_link_bytes_sent_total"] > 100

    run(scenario())
    health = f"http://127.0.0.1:{server.admin_port}/health"
    assert urllib.request.urlopen(health, timeout=5).read() == b"ok\n"
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"http://127.0.0.1:{server.admin_port}/mailboxes", timeout=5)


def test_links_beyond_the_number_are_told_when_to_come_back(start_server: StartServer) -> None:
    server = start_server("--max-link-count", "2")

    async def scenario() -> None:
        peers = [await Peer(server.address).connect() for _ in range(2)]
        late = Peer(server.address)
        await late.connect()
        # The hello came before the goodbye, so the reason is known.
        down = await asyncio.wait_for(late.downs.get(), 5)
        assert all(peer.up.is_set() for peer in peers)
        assert down.cause.name == "OVERLOADED"
        assert down.retry_at is not None

    run(scenario())
    assert metrics(server)["hark_supernode_links_shed_total"] >= 1


def test_link_that_does_not_read_is_cut_and_its_mail_waits(start_server: StartServer) -> None:
    server = start_server()

    async def scenario() -> None:
        alice, bob = await Peer(server.address).connect(), await Peer(server.address).connect()
        mailbox = await bob.create()
        await bob.log_in(mailbox)
        transport = bob._transport
        assert transport is not None
        assert transport._transport is not None
        transport._transport.pause_reading()
        # Live envelopes are not windowed: they pile up at a link that does not read.
        for _ in range(100):
            results = [alice.live_soon(mailbox, bytes(100_000)) for _ in range(5)]
            # The sender never waits for somebody else's link.
            await asyncio.wait_for(asyncio.gather(*results), 5)
            values = await asyncio.to_thread(metrics, server)
            if values["hark_supernode_links_slow_total"]:
                return
        pytest.fail("50 MB are piled up for a link that does not read")

    run(scenario())


def test_supernode_serves_on_plain_asyncio_where_nothing_faster_is_installed(
    tmp_path: Path,
) -> None:
    server = Server(tmp_path / "plain")
    program = (
        "import sys; sys.modules['uvloop'] = sys.modules['aiofastnet'] = None;"
        " from hark.supernode.__main__ import main; sys.exit(main())"
    )
    server.program = ["-c", program]
    server.start()
    try:

        async def scenario() -> None:
            alice = await Peer(server.address).connect()
            bob = await Peer(server.address).connect()
            mailbox = await bob.create()
            await bob.log_in(mailbox)
            for size in (1, 1658, 128 * 1024):
                envelope = os.urandom(size)
                assert isinstance(await alice.put(mailbox, envelope), wire.Held)
                assert (await bob.next_mail()).envelope == envelope

        run(scenario())
        assert server.stop() == 0
        assert "aiofastnet is not usable here" in server.log.read_text()
    finally:
        server.kill()


def test_openssl_reads_the_socket_without_buffers_in_between(tmp_path: Path) -> None:
    # The memory of a link depends on an attribute that `aiofastnet` does not document.
    identity = load_or_make_identity(tmp_path, bytes)
    seen: list[bool] = []

    class Server(asyncio.BufferedProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            seen.append(transport.get_extra_info("ssl_incoming_use_membio"))
            assert isinstance(transport, asyncio.Transport)
            transport.abort()

    async def scenario() -> None:
        context = server_context(identity.certificate, identity.private_key, alpn=ALPN)
        listener = bind_listener("127.0.0.1", 0, shared=False)
        server = await serve_tls(Server, listener, context)
        port = listener.getsockname()[1]
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client_context(alpn=ALPN), server_hostname="0.0.0.0"
        )
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        server.close()

    loop = new_event_loop()
    loop.run_until_complete(scenario())
    loop.close()
    assert aiofastnet.__version__ == "1.2.0"
    assert seen == [False]
