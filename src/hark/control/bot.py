"""An asynchronous API for bots: what a person does with `hark chat`, for programs.

::

    async with Bot.connect(socket_path) as bot:
        async for message in bot.messages():
            await bot.send(message.contact, message.text)

A bot runs beside a node (`hark up`) and has no keys. It may be stopped, killed and started
again, and so may the node: `messages()` gives every message of the other side at least once.
A message counts as seen when the bot asks for the next one; until then the node keeps it
unread, and the next start begins with what is unread. A bot that is killed between its work
and that moment is given the message again, so work that must not be done twice has to
remember `message.id`.

`hark.app.cli.echo` is a whole bot. Source: spec/control.md.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Self, TypeVar
from urllib.parse import urlencode

import httpx
from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.asyncio.client import connect as WebSocketConnect  # noqa: N812 (a class)
from websockets.exceptions import WebSocketException

from hark.control import routes, schema
from hark.control.client import ANSWER_TIMEOUT_S, MAX_EVENT_BYTES, parse_answer, parse_event
from hark.control.local_socket import connect
from hark.errors import NodeNotRunningError
from hark.wire.codec import Record, encode_json

TakenT = TypeVar("TakenT", bound=Record)
GivenT = TypeVar("GivenT")

RECONNECT_S = 1.0
"""Pause before the next attempt while the node does not run, in seconds."""
PAGE_COUNT = 100
"""Messages asked for at once when looking for unread ones."""
REMEMBERED_COUNT = 10_000
"""Ids of messages that were given out lately, so that none is given out twice by one run."""


class Bot:
    """The node of one account, for a program.

    Every method raises what the node raised (`hark.errors`), or `NodeNotRunningError`.
    """

    def __init__(self, socket_path: Path, http: httpx.AsyncClient) -> None:
        self._socket_path = socket_path
        self._http = http
        self._given: OrderedDict[str, None] = OrderedDict()

    @classmethod
    @asynccontextmanager
    async def connect(cls, socket_path: Path) -> AsyncIterator[Self]:
        """Open the API of the node that listens on `socket_path`.

        `hark.node.paths.paths_of(profile).socket` is the socket of a profile.

        Raises:
            NodeNotRunningError: no node listens there.
            ConfigurationError: the socket is not ours alone.
        """
        # Checks the folder and who listens; each request makes a connection of its own.
        connect(socket_path, timeout_s=ANSWER_TIMEOUT_S).close()
        # A connection that is kept could be closed by the node just as it is used again.
        limits = httpx.Limits(max_keepalive_connections=0)
        transport = httpx.AsyncHTTPTransport(uds=str(socket_path), limits=limits)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://hark", timeout=ANSWER_TIMEOUT_S
        ) as http:
            yield cls(socket_path, http)

    async def whoami(self) -> schema.Account:
        """Describe our own account."""
        return await self._ask(routes.WHOAMI)

    async def contacts(self) -> list[schema.Contact]:
        """List contacts and requests, by name."""
        return await self._ask(routes.CONTACTS)

    async def invite(self) -> schema.Invitation:
        """Make an invitation."""
        return await self._order(routes.INVITE, schema.InviteRequest())

    async def add(self, link: str, name: str) -> schema.Contact:
        """Add a contact by its link."""
        return await self._order(routes.ADD, schema.AddRequest(link=link, name=name))

    async def accept(self, contact: str) -> schema.Contact:
        """Accept a stranger's request."""
        return await self._order(routes.ACCEPT, schema.ContactRequest(contact=contact))

    async def send(self, contact: str, text: str) -> schema.Sent:
        """Send a text: durable at the node when this returns."""
        return await self._order(routes.SEND, schema.SendRequest(contact=contact, text=text))

    async def chat(self, contact: str, *, is_open: bool) -> None:
        """Open or close a conversation: in an open one receipts go within 2 s (20 at most)."""
        await self._order(routes.CHAT, schema.ChatRequest(contact=contact, open=is_open))

    async def read(self, contact: str, messages: Sequence[str] = ()) -> None:
        """Note that these messages have been seen, 1,000 at most (none named: all)."""
        taken = schema.ReadRequest(contact=contact, messages=tuple(messages))
        await self._order(routes.READ, taken)

    async def history(
        self, contact: str, *, limit: int = PAGE_COUNT, before: str | None = None
    ) -> list[schema.Message]:
        """Return a page of a conversation, oldest first, up to before a message."""
        query = {"contact": contact, "limit": str(limit)}
        if before is not None:
            query["before"] = before
        return await self._ask(routes.HISTORY, query)

    async def messages(self) -> AsyncIterator[schema.Message]:
        """Give every message of the other sides: first the unread ones, then as they come.

        Goes on over restarts of the node and never ends by itself. Messages of one contact come
        in the order of the conversation. Asking for the next one marks the last one as read.
        """
        async for event in self.events():
            if event.kind == "gap":
                found = await self._unread_if_running()
            elif event.kind == "message" and event.message is not None:
                found = [event.message]
            else:
                continue
            for message in found:
                if not message.outgoing and self._is_new(message):
                    yield message
                    await self._mark_read(message)

    async def events(self) -> AsyncIterator[schema.Event]:
        """Give every event, over restarts of the node. Never ends by itself.

        A `gap` comes first, and again whenever events may have been lost: the present state is
        to be asked for then.
        """
        run, after = "", None
        while True:
            try:
                async with self._event_stream(after, run) as stream:
                    present = _run_of(stream)
                    if after is None:
                        yield schema.Event(seq=0, kind="gap")
                    # Of another run the node itself sends a gap first.
                    run = present
                    async for frame in stream:
                        event = parse_event(frame)
                        after = event.seq
                        yield event
            except (OSError, WebSocketException, NodeNotRunningError):
                pass
            await asyncio.sleep(RECONNECT_S)

    def _event_stream(self, after: int | None, run: str) -> WebSocketConnect:
        query = "" if after is None else "?" + urlencode({"after": after, "run": run})
        return unix_connect(
            sock=connect(self._socket_path, timeout_s=ANSWER_TIMEOUT_S),
            uri=f"ws://hark{routes.EVENTS_PATH}{query}",
            max_size=MAX_EVENT_BYTES,
            compression=None,
            ping_interval=None,
            proxy=None,
        )

    async def _unread_if_running(self) -> list[schema.Message]:
        # When the node has gone meanwhile, its return brings another gap.
        with suppress(NodeNotRunningError):
            unread = [contact for contact in await self.contacts() if contact.unread]
            return [message for contact in unread for message in await self._unread(contact)]
        return []

    async def _unread(self, contact: schema.Contact) -> list[schema.Message]:
        """Return the unread messages of one contact, oldest first."""
        found: list[schema.Message] = []
        before: str | None = None
        while len(found) < contact.unread:
            page = await self.history(contact.account, before=before)
            if not page:
                break
            before = page[0].id
            found = [message for message in page if message.unread] + found
        return found

    def _is_new(self, message: schema.Message) -> bool:
        if message.id in self._given:
            return False
        self._given[message.id] = None
        if len(self._given) > REMEMBERED_COUNT:
            self._given.popitem(last=False)
        return True

    async def _mark_read(self, message: schema.Message) -> None:
        # Without a node it stays unread there, and unread is given out again: seen twice at
        # worst, by a later run of this bot.
        with suppress(NodeNotRunningError):
            await self.read(message.contact, [message.id])

    async def _ask(
        self, ask: routes.Ask[GivenT], query: dict[str, str] | None = None
    ) -> GivenT:
        return parse_answer(ask.gives, *await self._exchange("GET", ask.path, query, None))

    async def _order(self, order: routes.Order[TakenT, GivenT], taken: TakenT) -> GivenT:
        body = encode_json(taken)
        return parse_answer(order.gives, *await self._exchange("POST", order.path, None, body))

    async def _exchange(
        self, method: str, path: str, query: dict[str, str] | None, body: bytes | None
    ) -> tuple[int, bytes]:
        try:
            response = await self._http.request(method, path, params=query, content=body)
        except httpx.TransportError as error:
            raise NodeNotRunningError("it stopped before it answered") from error
        return response.status_code, response.content


def _run_of(stream: ClientConnection) -> str:
    headers = stream.response.headers if stream.response is not None else {}
    return headers.get(routes.RUN_HEADER, "")
