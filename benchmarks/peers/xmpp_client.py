"""The least of an XMPP client that a load needs: TLS, SASL PLAIN, bind, messages.

It recognises what it waits for by its closing tag instead of parsing XML, because the load
generator shares the machine with what it measures. The peer is a server that we started
ourselves: this is no client for strangers' servers.

Source: RFC 6120 (streams, SASL, resource binding), RFC 6121 section 5 (messages),
RFC 7590 and XEP-0368 (TLS from the first byte).
"""

import asyncio
import base64
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

ANSWER_S = 30.0
"""Longest wait for one answer, in seconds: the server may have thousands of us to serve."""
_MESSAGE_END = b"</message>"


@dataclass(frozen=True, slots=True)
class Account:
    """Who logs in."""

    name: str
    password: str


class XmppError(Exception):
    """The server said something else than was waited for."""


class XmppClient(asyncio.Protocol):
    """One connection. Make it with `log_in`."""

    def __init__(self, domain: str) -> None:
        self.jid = ""
        """Full address (`user@domain/resource`), once bound."""
        self.on_message: Callable[[], None] | None = None
        """Called for each message that arrives."""
        self._domain = domain
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._awaited: tuple[bytes, asyncio.Future[bytes]] | None = None
        self._is_counting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._is_counting:
            self._count_messages()
        elif self._awaited is not None and self._awaited[0] in self._received:
            marker, answer = self._awaited
            end = self._received.index(marker) + len(marker)
            taken, self._received = self._received[:end], self._received[end:]
            self._awaited = None
            answer.set_result(taken)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._awaited is not None:
            self._awaited[1].set_exception(XmppError(f"connection lost: {exc}"))
            self._awaited = None

    async def authenticate(self, account: Account) -> None:
        """Open the stream, prove who we are, bind a resource.

        Raises:
            XmppError: the server refused, or closed the connection.
            TimeoutError: it did not answer.
        """
        await self._open_stream()
        secret = base64.b64encode(f"\0{account.name}\0{account.password}".encode()).decode()
        self._write(
            f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>"
        )
        if b"<success" not in (answer := await self._answer(b">")):
            raise XmppError(f"log-in refused: {answer!r}")
        await self._open_stream()
        self._write(
            "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
            "<resource>load</resource></bind></iq>"
        )
        answer = await self._answer(b"</iq>")
        if b"<jid>" not in answer:
            raise XmppError(f"no resource bound: {answer!r}")
        self.jid = answer.split(b"<jid>")[1].split(b"</jid>")[0].decode()
        self._is_counting = True
        self._count_messages()

    def send(self, recipient_jid: str, body: str) -> None:
        """Send one chat message. `body` must not need escaping."""
        self._write(f"<message to='{recipient_jid}' type='chat'><body>{body}</body></message>")

    def close(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    async def _open_stream(self) -> None:
        self._received = b""
        self._write(
            f"<stream:stream to='{self._domain}' version='1.0' xmlns='jabber:client' "
            "xmlns:stream='http://etherx.jabber.org/streams'>"
        )
        await self._answer(b"</stream:features>")

    async def _answer(self, marker: bytes) -> bytes:
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._awaited = (marker, answer)
        self.data_received(b"")
        async with asyncio.timeout(ANSWER_S):
            return await answer

    def _write(self, text: str) -> None:
        assert self._transport is not None
        self._transport.write(text.encode())

    def _count_messages(self) -> None:
        *messages, self._received = self._received.split(_MESSAGE_END)
        if self.on_message is not None:
            for _ in messages:
                self.on_message()


def trusting(certificate: Path) -> ssl.SSLContext:
    """Return a TLS context that trusts this certificate alone."""
    return ssl.create_default_context(cafile=str(certificate))


async def log_in(
    host: str, port: int, domain: str, account: Account, context: ssl.SSLContext
) -> XmppClient:
    """Connect and authenticate.

    Raises:
        XmppError: the server refused, or closed the connection.
        TimeoutError: it did not answer in time.
        OSError: no connection.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(ANSWER_S):
        _transport, client = await loop.create_connection(
            lambda: XmppClient(domain),
            host,
            port,
            ssl=context,
            server_hostname=domain,
        )
    await client.authenticate(account)
    return client
