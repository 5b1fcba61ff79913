"""A node's end of links for tests and benchmarks: the production link machine and transport,
without messaging. And a supernode as a process.
"""

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Self, TypeVar

from hark.crypto.admission import token_hash
from hark.crypto.hashing import sha256
from hark.crypto.signing import SigningKey
from hark.overlay.link import events
from hark.overlay.link.client import LinkClient
from hark.overlay.link.events import ClientEffect, ClientInput
from hark.overlay.mailbox.stamps import find_nonce
from hark.runtime.client_transport import ClientTransport, TransportLimits
from hark.runtime.clock import monotonic_now, unix_ms_at
from hark.runtime.driver import MachineDriver
from hark.runtime.tls import client_context
from hark.wire import mailbox as wire
from hark.wire.address import Address
from hark.wire.ids import MailboxId, NodeId
from hark.wire.link import ALPN, MAX_FRAME_BYTES

T = TypeVar("T")

TIMEOUT_S = 20.0


_PEERS: "list[Peer]" = []


def run(scenario: Coroutine[object, object, T]) -> T:
    """Run a scenario on a new event loop, and cut all its links in the end."""

    async def whole() -> T:
        try:
            return await scenario
        finally:
            while _PEERS:
                _PEERS.pop().cut()
            await asyncio.sleep(0.02)

    return asyncio.run(whole())


class Mailbox:
    """A mailbox and the secrets of its owner."""

    def __init__(self, mailbox: MailboxId, owner: SigningKey, token: bytes) -> None:
        self.mailbox = mailbox
        self.owner = owner
        self.token = token
        self.generation = 1
        self.instance = os.urandom(16)


class Peer:
    """One link to a supernode."""

    def __init__(self, address: Address, tls: ssl.SSLContext | None = None) -> None:
        _PEERS.append(self)
        self._tls = tls or client_context(alpn=ALPN)
        self._loop = asyncio.get_running_loop()
        self.machine = LinkClient(address, random_bytes=os.urandom, unix_ms=unix_ms_at)
        self._driver: MachineDriver[ClientInput, ClientEffect] = MachineDriver(
            self.machine, perform=self._perform, loop=self._loop
        )
        self._transport: ClientTransport | None = None
        self._answers: dict[int, asyncio.Future[wire.MailboxAnswer]] = {}
        self._outcomes: dict[int, asyncio.Future[bool]] = {}
        self.up = asyncio.Event()
        self.downs: asyncio.Queue[events.LinkDown] = asyncio.Queue()
        self.logins: asyncio.Queue[events.LoggedIn | events.LoginRefused] = asyncio.Queue()
        self.mail: asyncio.Queue[events.MailArrived] = asyncio.Queue()
        self.live: asyncio.Queue[events.LiveArrived] = asyncio.Queue()
        self.on_mail: Callable[[events.MailArrived], None] = self.mail.put_nowait

    async def connect(self) -> Self:
        self.machine.start(monotonic_now())
        self._driver.pump()
        await asyncio.wait_for(self.up.wait(), TIMEOUT_S)
        return self

    def close(self) -> None:
        self.machine.stop(monotonic_now())
        self._driver.pump()
        self._driver.close()

    def cut(self) -> None:
        """Let the connection end without a word."""
        self._driver.close()
        if self._transport is not None:
            connection = self._transport._transport
            self._transport.close()
            if connection is not None:
                connection.abort()

    async def ask(self, request: wire.MailboxRequest) -> wire.MailboxAnswer:
        return await asyncio.wait_for(self.ask_soon(request), TIMEOUT_S)

    def ask_soon(self, request: wire.MailboxRequest) -> "asyncio.Future[wire.MailboxAnswer]":
        request_id = self.machine.ask(request, monotonic_now())
        future: asyncio.Future[wire.MailboxAnswer] = self._loop.create_future()
        self._answers[request_id] = future
        self._driver.pump()
        return future

    def live_soon(self, mailbox: Mailbox, envelope: bytes) -> "asyncio.Future[bool]":
        request_id = self.machine.send_live(
            mailbox.mailbox, mailbox.token, envelope, monotonic_now()
        )
        future: asyncio.Future[bool] = self._loop.create_future()
        self._outcomes[request_id] = future
        self._driver.pump()
        return future

    async def create(self, kind: int = wire.CONTACT_MAILBOX) -> Mailbox:
        owner, token = SigningKey.generate(os.urandom), os.urandom(16)
        challenge = await self.ask(wire.GetChallenge(bytes(16)))
        assert isinstance(challenge, wire.Challenge)
        nonce = find_nonce(
            challenge.challenge,
            bytes(16),
            sha256(owner.public.raw),
            challenge.bits,
            0,
            2**26,
        )
        assert nonce is not None
        hashed = token_hash(token) if kind == wire.CONTACT_MAILBOX else bytes(32)
        created = await self.ask(
            wire.CreateMailbox(
                kind, owner.public.raw, hashed, wire.Stamp(challenge.challenge, nonce)
            )
        )
        assert isinstance(created, wire.MailboxCreated), created
        return Mailbox(MailboxId(created.mailbox), owner, token)

    async def log_in(self, mailbox: Mailbox) -> events.LoggedIn | events.LoginRefused:
        self.machine.log_in(
            mailbox.mailbox,
            mailbox.owner,
            mailbox.generation,
            mailbox.instance,
            monotonic_now(),
        )
        self._driver.pump()
        return await asyncio.wait_for(self.logins.get(), TIMEOUT_S)

    def put_soon(
        self, mailbox: Mailbox, envelope: bytes
    ) -> "asyncio.Future[wire.MailboxAnswer]":
        admission = wire.DeliveryToken(mailbox.token)
        return self.ask_soon(wire.Put(mailbox.mailbox, admission, envelope))

    async def put(self, mailbox: Mailbox, envelope: bytes) -> wire.MailboxAnswer:
        return await asyncio.wait_for(self.put_soon(mailbox, envelope), TIMEOUT_S)

    async def next_mail(self) -> events.MailArrived:
        return await asyncio.wait_for(self.mail.get(), TIMEOUT_S)

    def acknowledge(self, mailbox: Mailbox, *sequences: int) -> None:
        self.machine.acknowledge(mailbox.mailbox, sequences, monotonic_now())
        self._driver.pump()

    def _perform(self, effect: ClientEffect) -> None:
        match effect:
            case events.OpenTransport(address):
                self._open(address)
            case events.SendFrame(frame):
                assert self._transport is not None
                self._transport.send(frame)
            case events.CloseTransport():
                assert self._transport is not None
                self._transport.close()
            case events.LinkUp():
                self.up.set()
            case events.LinkDown():
                self.up.clear()
                self.downs.put_nowait(effect)
            case events.LoggedIn() | events.LoginRefused():
                self.logins.put_nowait(effect)
            case events.MailArrived():
                self.on_mail(effect)
            case events.LiveArrived():
                self.live.put_nowait(effect)
            case events.AnswerArrived(request_id, _, answer):
                self._settle(self._answers.pop(request_id), answer)
            case events.AskFailed(request_id, _):
                self._loop.call_soon(self._fail, request_id)
            case events.LiveOutcome(request_id, passed):
                self._settle(self._outcomes.pop(request_id), passed)
            case events.PrekeysRanLow():
                pass

    def _open(self, address: Address) -> None:
        feed = self._driver.feed
        self._transport = ClientTransport(
            host=address.host,
            port=address.port,
            tls=self._tls,
            limits=TransportLimits(MAX_FRAME_BYTES),
            on_opened=lambda der: feed(events.TransportOpened(der)),
            on_frame=lambda frame: feed(events.FrameReceived(frame)),
            on_lost=lambda reason: feed(events.TransportLost(reason)),
        )
        self._transport.open()

    def _fail(self, request_id: int) -> None:
        future = self._answers.pop(request_id, None)
        if future is not None and not future.done():
            future.set_exception(ConnectionError("the link went"))

    def _settle(self, future: "asyncio.Future[T]", result: T) -> None:
        if not future.done():
            future.set_result(result)


class Server:
    """A supernode as a process of its own."""

    def __init__(self, data_dir: Path, *arguments: str) -> None:
        self.program = ["-m", "hark.supernode"]
        """What Python is to run."""
        self.data_dir = data_dir
        self.arguments = arguments
        self.process: subprocess.Popen[str] | None = None
        self.port = 0
        self.admin_port = 0
        self.node_id = NodeId(b"")
        self.log = data_dir.with_name(data_dir.name + ".log")

    def start(self, *arguments: str) -> Self:
        command = [sys.executable, *self.program, "run", "--json-ready"]
        command += ["--data", str(self.data_dir), "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--admin-port", "0"]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [*command, *self.arguments, *arguments],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"exit {self.process.wait()}: {self.log.read_text()}"
        ready = json.loads(line)
        self.port, self.admin_port = ready["port"], ready["admin_port"]
        self.node_id = NodeId(bytes.fromhex(ready["node_id"]))
        return self

    @property
    def address(self) -> Address:
        return Address(self.node_id, "127.0.0.1", self.port)

    def stop(self) -> int:
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        return self._end(signal.SIGKILL)

    def children(self) -> list[int]:
        assert self.process is not None
        pid = self.process.pid
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(child) for child in text.split()]

    def _end(self, number: int) -> int:
        process = self.process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(number)
        code = process.wait(TIMEOUT_S)
        assert process.stdout is not None
        process.stdout.close()
        self.process = None
        return code
