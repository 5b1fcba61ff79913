"""A load generator: many links in one process, with as little work for each as can be.

It speaks the real protocol (TLS, log-ins, frames), but waits, retries and remembers nothing.
Started as a process of its own with an order in JSON on the command line; prints one line of
JSON when it is ready and one when it is done. `start_load` is the other end.
"""

import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import cast

import aiofastnet
import uvloop

from benchmarks._supernode import delivery_token, mailbox_id, owner
from hark.crypto.hashing import sha256
from hark.overlay.link.login import make_login
from hark.runtime.framing import FrameSplitter, with_length
from hark.runtime.tls import NO_SERVER_NAME, client_context
from hark.wire import link as wire
from hark.wire import mailbox
from hark.wire.codec import encode
from hark.wire.ids import MailboxId

Order = Mapping[str, int | str | float]
PARALLEL_CONNECTS = 100
ENVELOPE_BYTES = 1658
"""A sealed envelope of the smallest size bucket."""


class LoadLink(asyncio.Protocol):
    """One link; what comes in goes to `on_frame`, parsed."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.hello: asyncio.Future[wire.Hello] = loop.create_future()
        self.on_frame: Callable[[wire.SupernodeFrame], None] = lambda frame: None
        self._splitter = FrameSplitter(wire.MAX_FRAME_BYTES)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        for raw in self._splitter.feed(data):
            frame = wire.SUPERNODE_FRAME_PARSER.parse(raw)
            if isinstance(frame, wire.Hello):
                self.hello.set_result(frame)
            elif isinstance(frame, wire.Goodbye):
                raise SystemExit(f"goodbye {frame.code}")
            else:
                self.on_frame(frame)

    def send(self, frame: wire.NodeFrame) -> None:
        assert self._transport is not None
        self._transport.write(with_length(encode(frame)))

    def certificate_hash(self) -> bytes:
        assert self._transport is not None
        connection = self._transport.get_extra_info("ssl_object")
        return sha256(connection.getpeercert(True))

    def close(self) -> None:
        assert self._transport is not None
        self._transport.abort()


class Load:
    """What one process does."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self._tls = client_context(alpn=wire.ALPN)
        self._certificate_hash = b""

    def number(self, name: str) -> int:
        return int(self.order[name])

    async def connect(self) -> LoadLink:
        loop = asyncio.get_running_loop()
        _, link = await aiofastnet.create_connection(
            loop,
            LoadLink,
            str(self.order["host"]),
            self.number("port"),
            ssl=self._tls,
            server_hostname=NO_SERVER_NAME,
            local_addr=(str(self.order.get("source", "127.0.0.1")), 0),
            ssl_incoming_bio_size=16448,
            ssl_outgoing_bio_size=16448,
        )
        return link

    async def log_in(self, number: int) -> LoadLink:
        link = await self.connect()
        hello = await link.hello
        self._certificate_hash = self._certificate_hash or link.certificate_hash()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def on_frame(frame: wire.SupernodeFrame) -> None:
            assert isinstance(frame, wire.LoginResult), frame
            assert frame.code == 0, frame.code
            done.set_result(None)

        link.on_frame = on_frame
        link.send(
            make_login(
                owner(number),
                mailbox_id(number),
                1,
                bytes(16),
                certificate_hash=self._certificate_hash,
                nonce=hello.nonce,
            )
        )
        await done
        return link

    async def log_in_all(self) -> list[LoadLink]:
        """Log in to this process's share of the mailboxes."""
        first, count = self.number("first"), self.number("link_count")
        gate = asyncio.Semaphore(PARALLEL_CONNECTS)

        async def one(number: int) -> LoadLink:
            async with gate:
                return await self.log_in(number)

        return await asyncio.gather(*(one(first + n) for n in range(count)))


async def idle(load: Load) -> None:
    """Hold links that are logged in and do nothing."""
    started = time.monotonic()
    links = await load.log_in_all()
    say({"links": len(links), "seconds": time.monotonic() - started})
    await wait_for_the_word()


async def log_ins(load: Load) -> None:
    """Connect, log in and leave, again and again."""
    say({})
    await wait_for_the_word()
    count, first = load.number("count"), load.number("first")
    gate = asyncio.Semaphore(load.number("window"))

    async def one(number: int) -> None:
        async with gate:
            (await load.log_in(number)).close()

    started = time.monotonic()
    await asyncio.gather(*(one(first + number) for number in range(count)))
    say({"count": count, "seconds": time.monotonic() - started})


async def put(load: Load) -> None:
    """Put envelopes, a window of them on each link, until the time is over."""
    links = [await load.connect() for _ in range(load.number("link_count"))]
    say({})
    await wait_for_the_word()
    first, window = load.number("first"), load.number("window")
    runs = [
        PutRun(link, first + number, load.number("seconds"))
        for number, link in enumerate(links)
    ]
    started = time.monotonic()
    await asyncio.gather(*(run.go(window) for run in runs))
    latencies = sorted(latency for run in runs for latency in run.latencies_s)
    say(
        {
            "held": len(latencies),
            "refused": sum(run.refused_count for run in runs),
            "seconds": time.monotonic() - started,
            "latencies_s": latencies[:: max(1, len(latencies) // 1000)],
        }
    )


class PutRun:
    """Puts on one link."""

    def __init__(self, link: LoadLink, number: int, seconds: float) -> None:
        self.latencies_s: list[float] = []
        self.refused_count = 0
        self._link = link
        self._mailbox = mailbox_id(number)
        self._admission = mailbox.DeliveryToken(delivery_token(number))
        self._sent_at: dict[int, float] = {}
        self._next_id = 0
        self._ends_at = time.monotonic() + seconds
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._body = os.urandom(ENVELOPE_BYTES - 8)

    async def go(self, window: int) -> None:
        self._link.on_frame = self._on_frame
        for _ in range(window):
            self._send()
        await self._done

    def _send(self) -> None:
        self._next_id += 1
        envelope = self._next_id.to_bytes(8, "big") + self._body
        request = mailbox.Put(self._mailbox, self._admission, envelope)
        self._sent_at[self._next_id] = time.monotonic()
        self._link.send(wire.Ask(self._next_id, encode(request)))

    def _on_frame(self, frame: wire.SupernodeFrame) -> None:
        assert isinstance(frame, wire.Answer)
        now = time.monotonic()
        taken_s = now - self._sent_at.pop(frame.request_id)
        if isinstance(mailbox.ANSWER_PARSER.parse(frame.body), mailbox.Held):
            self.latencies_s.append(taken_s)
        else:
            self.refused_count += 1
        if now < self._ends_at:
            self._send()
        elif not self._sent_at:
            self._done.set_result(None)


async def live(load: Load) -> None:
    """Send live envelopes from each link to the next one, and count those that arrive."""
    links = await load.log_in_all()
    say({})
    await wait_for_the_word()
    first, window, count = load.number("first"), load.number("window"), load.number("count")
    pairs = [
        LivePair(links[at], links[at + 1], first + at + 1, count)
        for at in range(0, len(links) - 1, 2)
    ]
    started = time.monotonic()
    await asyncio.gather(*(pair.go(window) for pair in pairs))
    say(
        {
            "arrived": sum(pair.arrived_count for pair in pairs),
            "passed": sum(pair.passed_count for pair in pairs),
            "seconds": time.monotonic() - started,
        }
    )


class LivePair:
    """A sender and a receiver."""

    def __init__(self, sender: LoadLink, receiver: LoadLink, number: int, count: int) -> None:
        self.arrived_count = 0
        self.passed_count = 0
        self._sender = sender
        self._mailbox: MailboxId = mailbox_id(number)
        self._token = delivery_token(number)
        self._to_send = self._to_come = count
        self._envelope = os.urandom(ENVELOPE_BYTES)
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sender.on_frame = self._on_result
        receiver.on_frame = self._on_live

    async def go(self, window: int) -> None:
        for _ in range(window):
            self._send()
        await self._done

    def _send(self) -> None:
        if self._to_send:
            self._to_send -= 1
            self._sender.send(
                wire.Live(self._to_send, self._mailbox, self._token, self._envelope)
            )

    def _on_live(self, frame: wire.SupernodeFrame) -> None:
        assert isinstance(frame, wire.LiveMail)
        self.arrived_count += 1

    def _on_result(self, frame: wire.SupernodeFrame) -> None:
        assert isinstance(frame, wire.LiveResult)
        self.passed_count += frame.passed
        self._to_come -= 1
        self._send()
        if not self._to_come:
            self._done.set_result(None)


def say(line: Mapping[str, object]) -> None:
    print(json.dumps(line), flush=True)


async def wait_for_the_word() -> None:
    """Wait until the other end writes a line, or goes."""
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


MODES = {"idle": idle, "log_ins": log_ins, "put": put, "live": live}


class LoadProcess:
    """A load generator, as the benchmark sees it."""

    def __init__(self, mode: str, order: Order) -> None:
        command = [sys.executable, "-m", "benchmarks._load", mode, json.dumps(order)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def wait_for_line(self) -> dict[str, float | list[float]]:
        """Wait until it is ready, or done."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the load generator ended with {self._process.wait()}"
        said: dict[str, float | list[float]] = json.loads(line)
        return said

    def go(self) -> None:
        """Give the word to begin, or to end."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def end(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()


def _on_error(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """End at the first thing that was not foreseen: a figure of half a load is none."""
    print("load generator:", repr(context.get("exception")), file=sys.stderr, flush=True)
    os._exit(1)


def main() -> None:
    mode, order = sys.argv[1], json.loads(sys.argv[2])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    loop = uvloop.new_event_loop()
    loop.set_exception_handler(_on_error)
    loop.run_until_complete(MODES[mode](Load(order)))
    sys.stdout.flush()
    # Without closing thousands of links one by one.
    os._exit(0)


if __name__ == "__main__":
    main()
