"""The load on an XMPP server: log-ins, silence, then one-to-one messages.

Messages go to full addresses, so that the server looks up one session and no presence.
"""

import asyncio
import ssl
import time

from benchmarks._processes import cpu_s, resident_bytes
from benchmarks.peers.figures import Figures, Plan
from benchmarks.peers.xmpp_client import XmppClient, log_in, trusting
from benchmarks.peers.xmpp_server import DOMAIN, LISTEN_HOST, XmppServer

LOG_INS_AT_ONCE = 16
"""Enough to keep the server busy, few enough for any backlog."""
SAMPLE_S = 60.0
"""Longest time for one sample of messages, in seconds."""


class _Pair:
    """A sender and a recipient; the recipient's messages let the next one go."""

    def __init__(self, sender: XmppClient, recipient: XmppClient, body: str) -> None:
        self._sender = sender
        self._recipient = recipient
        self._body = body
        self._waiting = 0
        self._on_way = 0
        self._done: asyncio.Future[None] | None = None
        recipient.on_message = self._arrived

    async def send(self, count: int, window_count: int) -> None:
        """Send `count` messages; return when the last has arrived."""
        self._done = asyncio.get_running_loop().create_future()
        self._waiting = count
        for _ in range(min(window_count, count)):
            self._send_one()
        await self._done

    def _send_one(self) -> None:
        self._waiting -= 1
        self._on_way += 1
        self._sender.send(self._recipient.jid, self._body)

    def _arrived(self) -> None:
        assert self._done is not None
        self._on_way -= 1
        if self._waiting:
            self._send_one()
        elif not self._on_way:
            self._done.set_result(None)


async def measure(server: XmppServer, plan: Plan) -> Figures:
    """Put the load of `plan` on a fresh server and return what it showed.

    Raises:
        XmppError: the server refused a log-in or closed a connection.
        TimeoutError: log-ins or messages did not come through in time.
    """
    context = trusting(server.certificate)
    clients: list[XmppClient] = []
    try:
        await _log_in_until(clients, plan.base_client_count, server, context)
        await asyncio.sleep(plan.settle_s)
        base_bytes = resident_bytes(server.pid)
        log_ins = await _log_in_samples(clients, plan, server, context)
        await asyncio.sleep(plan.settle_s)
        added_bytes = resident_bytes(server.pid) - base_bytes
        messages, per_s = await _message_samples(clients, plan, server.pid)
    finally:
        for client in clients:
            client.close()
    return Figures(
        bytes_per_client=added_bytes / (plan.client_count - plan.base_client_count),
        log_ins_per_cpu_s=log_ins,
        messages_per_cpu_s=messages,
        messages_per_s=per_s,
    )


async def _log_in_samples(
    clients: list[XmppClient], plan: Plan, server: XmppServer, context: ssl.SSLContext
) -> list[float]:
    samples = []
    for target in plan.log_in_targets():
        before_s, before_count = cpu_s(server.pid), len(clients)
        await _log_in_until(clients, target, server, context)
        samples.append((target - before_count) / (cpu_s(server.pid) - before_s))
    return samples


async def _log_in_until(
    clients: list[XmppClient], count: int, server: XmppServer, context: ssl.SSLContext
) -> None:
    slots = asyncio.Semaphore(LOG_INS_AT_ONCE)

    async def one(number: int) -> None:
        async with slots:
            account = server.accounts[number]
            clients.append(await log_in(LISTEN_HOST, server.port, DOMAIN, account, context))

    async with asyncio.TaskGroup() as tasks:
        for number in range(len(clients), count):
            tasks.create_task(one(number))


async def _message_samples(
    clients: list[XmppClient], plan: Plan, pid: int
) -> tuple[list[float], list[float]]:
    body = "x" * plan.body_bytes
    recipients = clients[plan.sender_count :]
    pairs = [
        _Pair(sender, recipient, body)
        for sender, recipient in zip(clients[: plan.sender_count], recipients, strict=False)
    ]
    per_pair = plan.message_count // len(pairs)
    per_cpu_s, per_s = [], []
    for _ in range(plan.sample_count):
        before_cpu_s, before_s = cpu_s(pid), time.monotonic()
        async with asyncio.timeout(SAMPLE_S):
            await asyncio.gather(*(pair.send(per_pair, plan.window_count) for pair in pairs))
        count = per_pair * len(pairs)
        per_cpu_s.append(count / (cpu_s(pid) - before_cpu_s))
        per_s.append(count / (time.monotonic() - before_s))
    return per_cpu_s, per_s
