"""What a supernode has acknowledged survives `kill -9`, of whichever of its processes."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hark.overlay.link import events
from hark.wire import mailbox as wire
from tests.shell.supernode.peer import Mailbox, Peer, Server, run

StartServer = Callable[..., Server]
IN_FLIGHT = 60


class Load:
    """Puts envelopes as fast as they are answered; remembers which were acknowledged."""

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox
        self.sent: set[bytes] = set()
        self.held: set[bytes] = set()
        self.over = False

    async def run(self, peer: Peer) -> None:
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(*(self._put_again_and_again(peer) for _ in range(IN_FLIGHT)))

    async def _put_again_and_again(self, peer: Peer) -> None:
        while not self.over:
            envelope = os.urandom(600)
            self.sent.add(envelope)
            answer = await peer.put_soon(self.mailbox, envelope)
            if isinstance(answer, wire.Held):
                self.held.add(envelope)
            else:
                assert isinstance(answer, wire.Refused)
                await asyncio.sleep(answer.retry_after_ms / 1000)


async def make_mailbox(server: Server) -> Mailbox:
    return await (await Peer(server.address).connect()).create()


async def fetch_all(server: Server, mailbox: Mailbox) -> list[bytes]:
    """Take everything out of a mailbox."""
    owner = await Peer(server.address).connect()
    mailbox.generation += 1
    assert isinstance(await owner.log_in(mailbox), events.LoggedIn)
    fetched: list[bytes] = []
    while True:
        try:
            mail = await asyncio.wait_for(owner.mail.get(), 1.0)
        except TimeoutError:
            return fetched
        fetched.append(mail.envelope)
        owner.acknowledge(mailbox, mail.sequence)


def check(load: Load, fetched: list[bytes]) -> None:
    assert load.held, "the load never began"
    assert load.held <= set(fetched), "an acknowledged envelope is lost"
    assert set(fetched) <= load.sent, "an envelope that nobody sent"
    assert len(fetched) == len(set(fetched)), "an envelope twice"


@pytest.mark.parametrize("round_number", range(4))
def test_killed_supernode_loses_nothing_acknowledged(
    start_server: StartServer, round_number: int
) -> None:
    server = start_server()

    async def scenario() -> Load:
        load = Load(await make_mailbox(server))
        peer = await Peer(server.address).connect()
        loading = asyncio.create_task(load.run(peer))
        await asyncio.sleep(random.uniform(0.2, 0.6))
        server.kill()
        load.over = True
        await asyncio.wait_for(loading, 5)
        return load

    load = run(scenario())
    server.start()
    check(load, run(fetch_all(server, load.mailbox)))


def test_killed_store_process_takes_its_workers_with_it_and_loses_nothing(
    start_server: StartServer,
) -> None:
    server = start_server("--workers", "2")
    workers = server.children()
    assert len(workers) == 2

    async def scenario() -> Load:
        load = Load(await make_mailbox(server))
        peer = await Peer(server.address).connect()
        loading = asyncio.create_task(load.run(peer))
        await asyncio.sleep(0.4)
        server.kill()
        load.over = True
        await asyncio.wait_for(loading, 5)
        return load

    load = run(scenario())
    deadline = time.monotonic() + 5
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < deadline, "a worker outlived its store"
        time.sleep(0.05)
    server.start()
    check(load, run(fetch_all(server, load.mailbox)))


def test_killed_worker_is_replaced_and_its_nodes_come_back(start_server: StartServer) -> None:
    server = start_server("--workers", "2")

    async def scenario() -> tuple[Load, int]:
        load = Load(await make_mailbox(server))
        peers = [await Peer(server.address).connect() for _ in range(4)]
        owner = await Peer(server.address).connect()
        await owner.log_in(load.mailbox)
        loading = [asyncio.create_task(load.run(peer)) for peer in peers]
        for _ in range(2):
            await asyncio.sleep(0.3)
            os.kill(server.children()[0], signal.SIGKILL)
        await asyncio.gather(*(asyncio.wait_for(task, 20) for task in loading[:0]))
        await asyncio.sleep(0.5)
        load.over = True
        await asyncio.wait(loading, timeout=20)
        await asyncio.wait_for(owner.up.wait(), 20)
        return load, len(server.children())

    load, worker_count = run(scenario())
    assert worker_count == 2
    check(load, run(fetch_all(server, load.mailbox)))
    assert server.stop() == 0
