"""A supernode on real sockets: mail, live envelopes, restarts."""

import asyncio
import os
from collections.abc import Callable

import pytest

from hark.overlay.link import events
from hark.wire import mailbox as wire
from tests.shell.supernode.peer import Mailbox, Peer, Server, run

StartServer = Callable[..., Server]
WORKERS = [
    pytest.param(("--workers", "1"), id="one"),
    pytest.param(("--workers", "2"), id="two"),
]


async def two_peers(server: Server) -> tuple[Peer, Peer, Mailbox]:
    alice, bob = await Peer(server.address).connect(), await Peer(server.address).connect()
    mailbox = await bob.create()
    assert isinstance(await bob.log_in(mailbox), events.LoggedIn)
    return alice, bob, mailbox


@pytest.mark.parametrize("workers", WORKERS)
def test_supernode_pushes_mail_to_an_owner_who_is_there(
    start_server: StartServer, workers: tuple[str, ...]
) -> None:
    server = start_server(*workers)

    async def scenario() -> None:
        alice, bob, mailbox = await two_peers(server)
        envelope = os.urandom(1658)
        assert isinstance(await alice.put(mailbox, envelope), wire.Held)
        mail = await bob.next_mail()
        assert (mail.mailbox, mail.envelope) == (mailbox.mailbox, envelope)
        bob.acknowledge(mailbox, mail.sequence)

    run(scenario())
    assert server.stop() == 0


@pytest.mark.parametrize("workers", WORKERS)
def test_supernode_holds_mail_over_a_restart_until_it_is_acknowledged(
    start_server: StartServer, workers: tuple[str, ...]
) -> None:
    server = start_server(*workers)
    envelopes = [os.urandom(500) for _ in range(150)]

    async def leave() -> Mailbox:
        alice = await Peer(server.address).connect()
        mailbox = await alice.create()
        for envelope in envelopes:
            assert isinstance(await alice.put(mailbox, envelope), wire.Held)
        return mailbox

    async def fetch(mailbox: Mailbox) -> list[bytes]:
        bob = await Peer(server.address).connect()
        await bob.log_in(mailbox)
        got = []
        for _ in envelopes:
            mail = await bob.next_mail()
            got.append(mail.envelope)
            bob.acknowledge(mailbox, mail.sequence)
        # The answer to a request comes after all acknowledgements before it.
        await bob.ask(wire.GetChallenge(bytes(16)))
        return got

    async def nothing_is_left(mailbox: Mailbox) -> None:
        bob = await Peer(server.address).connect()
        await bob.log_in(mailbox)
        await bob.ask(wire.Claim(mailbox.mailbox, mailbox.token, one_time=False))
        assert bob.mail.empty()

    mailbox = run(leave())
    assert server.stop() == 0
    server.start()
    assert run(fetch(mailbox)) == envelopes
    assert server.stop() == 0
    server.start()
    run(nothing_is_left(mailbox))


@pytest.mark.parametrize("workers", WORKERS)
def test_supernode_passes_live_envelopes_and_never_keeps_them(
    start_server: StartServer, workers: tuple[str, ...]
) -> None:
    server = start_server(*workers)

    async def scenario() -> None:
        alice, bob, mailbox = await two_peers(server)
        for number in range(5):
            assert await alice.live_soon(mailbox, b"typing %d" % number)
            live = await asyncio.wait_for(bob.live.get(), 5)
            assert live.envelope == b"typing %d" % number
        wrong = Mailbox(mailbox.mailbox, mailbox.owner, os.urandom(16))
        assert not await alice.live_soon(wrong, b"wrong token")
        bob.close()
        for _ in range(100):
            if not await alice.live_soon(mailbox, b"nobody there"):
                return
            await asyncio.sleep(0.02)
        pytest.fail("a live envelope is still passed to a link that is gone")

    run(scenario())
    assert server.stop() == 0


def test_supernode_refuses_the_old_token_of_a_live_envelope_at_once(
    start_server: StartServer,
) -> None:
    server = start_server()

    async def scenario() -> None:
        alice, bob, mailbox = await two_peers(server)
        for _ in range(3):
            assert await alice.live_soon(mailbox, b"in the short cut by now")
        new_hash = os.urandom(32)
        done = await bob.ask(wire.SetToken(mailbox.mailbox, new_hash))
        assert isinstance(done, wire.Done)
        assert not await alice.live_soon(mailbox, b"old token")

    run(scenario())


def test_supernode_says_goodbye_with_a_window_when_it_stops(start_server: StartServer) -> None:
    server = start_server()

    async def scenario() -> None:
        peer = await Peer(server.address).connect()
        stopping = asyncio.get_running_loop().run_in_executor(None, server.stop)
        down = await asyncio.wait_for(peer.downs.get(), 10)
        assert down.retry_at is not None
        assert await stopping == 0

    run(scenario())
