"""A node without keys or network, for tests of the control contract."""

import asyncio
from dataclasses import dataclass, field

from hark.control import schema
from hark.errors import (
    ContactUnverifiedError,
    MessageTooLongError,
    RefusedError,
    UnknownContactError,
)
from hark.wire.bodies import MAX_TEXT_CHARS
from tests.shell.control.fake_calls import FakeCalls, FakeSound

BOB = "hark1bob"


class FakeFeed:
    def __init__(self, node: "FakeNode", position: int) -> None:
        self._node = node
        self._position = position
        self.closed = False

    async def next(self) -> schema.Event:
        while self._position >= len(self._node.published):
            await self._node.news.wait()
        self._position += 1
        return self._node.published[self._position - 1]

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeNode:
    """Implements `NodeService` from what it is given."""

    started_unix_ms: int = 1_000
    talk: list[schema.Message] = field(default_factory=list)
    """The conversation with Bob."""
    unread: list[str] = field(default_factory=list)
    published: list[schema.Event] = field(default_factory=list)
    feeds: list[FakeFeed] = field(default_factory=list)
    trust: str = "unverified"
    said: list[str] = field(default_factory=list)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    phone: FakeCalls = field(init=False)

    def __post_init__(self) -> None:
        self.phone = FakeCalls(lambda call: self.publish("call", call=call))

    def publish(
        self,
        kind: schema.EventKind,
        message: schema.Message | None = None,
        call: schema.Call | None = None,
    ) -> None:
        self.published.append(
            schema.Event(
                seq=len(self.published) + 1,
                kind=kind,
                contact=BOB,
                message=message,
                change="verified",
                call=call,
            )
        )
        self.news.set()
        self.news = asyncio.Event()

    def receive(self, text: str, kind: str = "text") -> None:
        """Take a message from Bob."""
        message = message_of(len(self.talk) + 1, text, outgoing=False, kind=kind)
        self.talk.append(message)
        self.unread.append(message.id)
        self.publish("message", message)

    def _bob(self, name: str) -> schema.Contact:
        if name not in {BOB, "bob"}:
            raise UnknownContactError("nobody is called that here")
        return schema.Contact(
            account=BOB,
            name="bob",
            status="accepted",
            trust=self.trust,
            safety_number="12345" * 12,
            devices=1,
            unread=len(self.unread),
            last_unix_ms=0,
        )

    async def status(self) -> schema.Status:
        return schema.Status(
            version="0",
            control_version=1,
            pid=1,
            profile="test",
            data_dir="/nowhere",
            started_unix_ms=self.started_unix_ms,
        )

    async def whoami(self) -> schema.Account:
        return schema.Account(
            account="hark1alice",
            name="Alice",
            device="00" * 16,
            epoch=0,
            chain_seq=1,
            homes=[],
            link="hark:test",
        )

    async def contacts(self) -> list[schema.Contact]:
        return [self._bob("bob")]

    async def invite(self) -> schema.Invitation:
        raise RefusedError("too many", code=12, retry_after_ms=3_000)

    async def add(self, request: schema.AddRequest) -> schema.Contact:
        return self._bob("bob")

    async def accept(self, request: schema.ContactRequest) -> schema.Contact:
        return self._bob(request.contact)

    async def block(self, request: schema.ContactRequest) -> schema.Contact:
        raise RuntimeError("secret content of a bug")

    async def verify(self, request: schema.VerifyRequest) -> schema.Contact:
        self.trust = "verified"
        return self._bob(request.contact)

    async def rename(self, request: schema.RenameRequest) -> schema.Contact:
        return self._bob(request.contact)

    async def send(self, request: schema.SendRequest) -> schema.Sent:
        self._bob(request.contact)
        if request.text == "unverified":
            raise ContactUnverifiedError
        if len(request.text) > MAX_TEXT_CHARS:
            raise MessageTooLongError
        message = message_of(len(self.talk) + 1, request.text, outgoing=True)
        self.talk.append(message)
        return schema.Sent(id=message.id, contact=BOB)

    async def message(self, message_id: str) -> schema.Message:
        return next(message for message in self.talk if message.id == message_id)

    async def history(
        self, contact: str, limit: int, before: str | None
    ) -> list[schema.Message]:
        self._bob(contact)
        ids = [message.id for message in self.talk]
        end = len(ids) if before is None else ids.index(before)
        return [
            message_of(
                message.order,
                message.text,
                outgoing=message.outgoing,
                unread=message.id in self.unread,
                kind=message.kind,
            )
            for message in self.talk[:end][-limit:]
        ]

    async def read(self, request: schema.ReadRequest) -> None:
        self._bob(request.contact)
        seen = request.messages or self.unread
        self.unread = [message_id for message_id in self.unread if message_id not in seen]

    async def chat(self, request: schema.ChatRequest) -> None:
        self.said.append(f"chat {request.contact} {request.open}")

    async def typing(self, request: schema.ContactRequest) -> None:
        self.said.append(f"typing {request.contact}")

    async def calls(self) -> list[schema.Call]:
        return list(self.phone.known.values())

    async def place_call(self, request: schema.CallRequest) -> schema.Call:
        self._bob(request.contact)
        return self.phone.place(request)

    async def answer_call(self, request: schema.AnswerRequest) -> schema.Call:
        return self.phone.change(request.call, state="connecting", recording=request.recording)

    async def decline_call(self, request: schema.CallIdRequest) -> schema.Call:
        return self.phone.change(request.call, state="ended", reason="declined")

    async def hang_up(self, request: schema.CallIdRequest) -> schema.Call:
        return self.phone.end(request.call)

    async def switch_call(self, request: schema.CallSwitchRequest) -> schema.Call:
        return self.phone.switch(request)

    async def limit_calls(self, request: schema.CallLimitRequest) -> None:
        self.phone.limit = request.calls

    async def call_sound(self, call: str) -> FakeSound:
        return self.phone.attach(call)

    async def leave_voicemail(self, request: schema.VoicemailRequest) -> schema.Sent:
        self._bob(request.contact)
        self.phone.voicemail = request.packets
        return schema.Sent(id=f"{1:032x}", contact=BOB)

    async def voicemail(self, message_id: str) -> schema.Voicemail:
        message = message_of(1, "", outgoing=False, kind="voicemail")
        return schema.Voicemail(message=message, packets=self.phone.voicemail)

    async def privacy(self) -> schema.Privacy:
        return schema.Privacy(hide_address=self.phone.hide_address)

    async def set_privacy(self, request: schema.Privacy) -> schema.Privacy:
        self.phone.hide_address = request.hide_address
        return request

    async def diagnose(self) -> schema.Diagnosis:
        return schema.Diagnosis(checks=[schema.Check(name="store", ok=True, sentence="fine")])

    async def stop(self) -> None:
        self.stopped.set()

    def events(self, after_seq: int | None) -> FakeFeed:
        feed = FakeFeed(self, len(self.published) if after_seq is None else after_seq)
        self.feeds.append(feed)
        return feed


def message_of(
    order: int, text: str, *, outgoing: bool, unread: bool = False, kind: str = "text"
) -> schema.Message:
    """Return a message of the conversation with Bob."""
    return schema.Message(
        id=f"{order:032x}",
        contact=BOB,
        outgoing=outgoing,
        text=text,
        sent_unix_ms=order,
        order=order,
        state="waiting" if outgoing else "received",
        held_by=0,
        cause="none",
        unread=unread,
        kind=kind,
    )
