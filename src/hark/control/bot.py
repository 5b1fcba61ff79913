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

A bot can call and be called too: `incoming_calls()` gives what rings, `call_sound()` the sound
of a call. A bot that keeps sound must say so: `recording=True`, and the other side is told.

`hark.app.cli.echo` is a whole bot. Source: spec/control.md.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Self

from websockets.exceptions import WebSocketException

from hark.control import routes, schema
from hark.control.call_changes import INCOMING, changes_of
from hark.control.call_sound import CallSound
from hark.control.client import parse_event
from hark.control.node_access import NodeAccess, run_of
from hark.errors import NodeNotRunningError

RECONNECT_S = 1.0
"""Pause before the next attempt while the node does not run, in seconds."""
PAGE_COUNT = 100
"""Messages asked for at once when looking for unread ones."""
REMEMBERED_COUNT = 10_000
"""Messages and calls that were given out lately, so that none is given out twice by one run."""


class Bot:
    """The node of one account, for a program.

    Every method raises what the node raised (`hark.errors`), or `NodeNotRunningError`.
    """

    def __init__(self, node: NodeAccess) -> None:
        self._node = node
        self._given = _Remembered()
        self._rung = _Remembered()

    @classmethod
    @asynccontextmanager
    async def connect(cls, socket_path: Path) -> AsyncIterator[Self]:
        """Open the API of the node that listens on `socket_path`.

        `hark.node.paths.paths_of(profile).socket` is the socket of a profile.

        Raises:
            NodeNotRunningError: no node listens there.
            ConfigurationError: the socket is not ours alone.
        """
        async with NodeAccess.open(socket_path) as node:
            yield cls(node)

    async def whoami(self) -> schema.Account:
        """Describe our own account."""
        return await self._node.ask(routes.WHOAMI)

    async def contacts(self) -> list[schema.Contact]:
        """List contacts and requests, by name."""
        return await self._node.ask(routes.CONTACTS)

    async def invite(self) -> schema.Invitation:
        """Make an invitation."""
        return await self._node.order(routes.INVITE, schema.InviteRequest())

    async def add(self, link: str, name: str) -> schema.Contact:
        """Add a contact by its link."""
        return await self._node.order(routes.ADD, schema.AddRequest(link=link, name=name))

    async def accept(self, contact: str) -> schema.Contact:
        """Accept a stranger's request."""
        return await self._node.order(routes.ACCEPT, schema.ContactRequest(contact=contact))

    async def send(self, contact: str, text: str) -> schema.Sent:
        """Send a text: durable at the node when this returns."""
        return await self._node.order(
            routes.SEND, schema.SendRequest(contact=contact, text=text)
        )

    async def chat(self, contact: str, *, is_open: bool) -> None:
        """Open or close a conversation: in an open one receipts go within 2 s (20 at most)."""
        await self._node.order(routes.CHAT, schema.ChatRequest(contact=contact, open=is_open))

    async def read(self, contact: str, messages: Sequence[str] = ()) -> None:
        """Note that these messages have been seen, 1,000 at most (none named: all)."""
        taken = schema.ReadRequest(contact=contact, messages=tuple(messages))
        await self._node.order(routes.READ, taken)

    async def history(
        self, contact: str, *, limit: int = PAGE_COUNT, before: str | None = None
    ) -> list[schema.Message]:
        """Return a page of a conversation, oldest first, up to before a message."""
        query = {"contact": contact, "limit": str(limit)}
        if before is not None:
            query["before"] = before
        return await self._node.ask(routes.HISTORY, query)

    async def calls(self) -> list[schema.Call]:
        """List the calls of this moment, and those that ended within the last minute."""
        return await self._node.ask(routes.CALLS)

    async def place_call(self, contact: str, *, recording: bool = False) -> schema.Call:
        """Call a contact on all its devices; `call_changes` tells what becomes of it.

        Args:
            contact: name or account id.
            recording: whether sound will be kept: the other side is told.

        Raises:
            CallBusyError: there are as many calls as `limit_calls` allows.
            ContactNotAcceptedError: the contact has not accepted us; it learns of the wish.
        """
        taken = schema.CallRequest(contact=contact, recording=recording)
        return await self._node.order(routes.PLACE_CALL, taken)

    async def answer_call(self, call_id: str, *, recording: bool = False) -> schema.Call:
        """Take a call that rings here.

        Raises:
            NoSuchCallError: it does not ring any more.
        """
        taken = schema.AnswerRequest(call=call_id, recording=recording)
        return await self._node.order(routes.ANSWER_CALL, taken)

    async def decline_call(self, call_id: str) -> schema.Call:
        """Do not take a call; it stops ringing everywhere."""
        return await self._node.order(routes.DECLINE_CALL, schema.CallIdRequest(call=call_id))

    async def hang_up(self, call_id: str) -> schema.Call:
        """End a call, or give up calling."""
        return await self._node.order(routes.HANG_UP, schema.CallIdRequest(call=call_id))

    async def switch_call(
        self,
        call_id: str,
        *,
        muted: bool | None = None,
        held: bool | None = None,
        recording: bool | None = None,
    ) -> schema.Call:
        """Mute, hold, or say that sound is kept from now on; None leaves it as it is."""
        taken = schema.CallSwitchRequest(
            call=call_id, muted=muted, held=held, recording=recording
        )
        return await self._node.order(routes.SWITCH_CALL, taken)

    async def limit_calls(self, count: int) -> None:
        """Take so many calls at once, 1 to 50, until the node stops; one more is *busy*."""
        await self._node.order(routes.CALL_LIMIT, schema.CallLimitRequest(calls=count))

    async def incoming_calls(self) -> AsyncIterator[schema.Call]:
        """Give every call that rings here, once. Never ends by itself.

        Goes on over restarts of the node. A call may have stopped ringing while the bot was at
        work with the one before: `answer_call` says so.
        """
        async for event in self.events():
            if event.kind == "gap":
                found = await self._calls_if_running()
            elif event.call is not None:
                found = [event.call]
            else:
                continue
            for call in found:
                if call.state == INCOMING and self._rung.add(call.id):
                    yield call

    def call_changes(self, call_id: str) -> AsyncIterator[schema.Call]:
        """Give a call as it is now and after each change; ends after `ended`.

        Raises:
            NoSuchCallError: the node has no such call.
            NodeNotRunningError: the node has stopped, and the call with it.
        """
        return changes_of(self._node, call_id)

    def call_sound(self, call_id: str) -> AbstractAsyncContextManager[CallSound]:
        """Attach to the sound of a call; leaving detaches, and the call goes on in silence.

        Raises (when it is entered):
            NoSuchCallError: there is no such call, or it is over.
            CallError: another program has its sound.
        """
        return CallSound.open(self._node.socket_path, call_id)

    async def leave_voicemail(self, contact: str, packets: bytes) -> schema.Sent:
        """Send a spoken message: durable at the node when this returns.

        Args:
            contact: name or account id.
            packets: Opus packets of 20 ms and 80 bytes, one after the other; 25 s at most.
        """
        taken = schema.VoicemailRequest(contact=contact, packets=packets)
        return await self._node.order(routes.LEAVE_VOICEMAIL, taken)

    async def voicemail(self, message_id: str) -> schema.Voicemail:
        """Return a spoken message with its sound."""
        return await self._node.ask(routes.VOICEMAIL, message_id=message_id)

    async def privacy(self) -> schema.Privacy:
        """Return what others may learn about us."""
        return await self._node.ask(routes.PRIVACY)

    async def set_privacy(self, *, hide_address: bool) -> schema.Privacy:
        """Say whether contacts too are kept from seeing our address."""
        taken = schema.Privacy(hide_address=hide_address)
        return await self._node.order(routes.SET_PRIVACY, taken)

    async def messages(self) -> AsyncIterator[schema.Message]:
        """Give every text of the other sides: first the unread ones, then as they come.

        Goes on over restarts of the node and never ends by itself. Messages of one contact come
        in the order of the conversation. Asking for the next one marks the last one as read.
        Missed calls and voicemail are left unread for whoever looks at the `history`.
        """
        async for event in self.events():
            if event.kind == "gap":
                found = await self._unread_if_running()
            elif event.kind == "message" and event.message is not None:
                found = [event.message]
            else:
                continue
            for message in found:
                if _is_for_bot(message) and self._given.add(message.id):
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
                async with self._node.event_stream(after, run) as stream:
                    present = run_of(stream)
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

    async def _calls_if_running(self) -> list[schema.Call]:
        # When the node has gone meanwhile, its return brings another gap.
        with suppress(NodeNotRunningError):
            return await self.calls()
        return []

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

    async def _mark_read(self, message: schema.Message) -> None:
        # Without a node it stays unread there, and unread is given out again: seen twice at
        # worst, by a later run of this bot.
        with suppress(NodeNotRunningError):
            await self.read(message.contact, [message.id])


def _is_for_bot(message: schema.Message) -> bool:
    # A bot that answers what was written would trip over a call, whose text is empty.
    return not message.outgoing and message.kind == "text"


class _Remembered:
    """Ids that were given out lately."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()

    def add(self, given: str) -> bool:
        """Note an id; return whether it is new."""
        if given in self._ids:
            return False
        self._ids[given] = None
        if len(self._ids) > REMEMBERED_COUNT:
            self._ids.popitem(last=False)
        return True
