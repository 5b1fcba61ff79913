"""Both ends of the demo's call, joined by a wire in memory; and what a witness makes of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from hark.app.cli.demo.capture import Amount
from hark.app.cli.demo.conversation import Conversation, converse
from hark.app.cli.demo.stage import DemoError
from hark.app.cli.demo.traffic import Captured, Traffic
from hark.app.sound import tones
from hark.app.sound_test.conduct import sound_test
from hark.control import schema
from hark.errors import NoSuchCallError
from hark.wire.sound import SILENCE
from tests.shell.control.fake_calls import call_of, change, frame_of

DIRECT = schema.CallPath(
    kind="direct", relay="", nat="none", address_shown=True, address_seen=True
)
WORDS = [frame_of(0x2000_1000 + number) for number in range(150)]


class End:
    """`Bot` and `CallSound` of one end. A frame takes two turns to the other."""

    def __init__(self, *, outgoing: bool) -> None:
        self.call = change(call_of(1), outgoing=outgoing)
        self.other: End = self
        self.views: asyncio.Queue[schema.Call] = asyncio.Queue()
        self.on_the_way: asyncio.Queue[bytes | None] = asyncio.Queue()
        for _ in range(2):
            self.on_the_way.put_nowait(SILENCE)
        self.sent: list[str] = []
        self.gives_way = True
        """Whether the other end can be reached."""

    def show(self, **fields: object) -> None:
        self.call = change(self.call, **fields)
        self.views.put_nowait(self.call)
        if self.call.state == "ended":
            self.on_the_way.put_nowait(None)

    async def place_call(self, contact: str, *, recording: bool) -> schema.Call:
        self.show(state="calling", recording=recording)
        return self.call

    async def answer_call(self, call_id: str, *, recording: bool) -> schema.Call:
        self.show(recording=recording)
        for end in (self, self.other):
            if self.gives_way:
                end.show(state="active", path=DIRECT, heard=True)
            else:
                end.show(state="ended", reason="no_path")
        return self.call

    async def switch_call(self, call_id: str, *, recording: bool) -> schema.Call:
        self.show(recording=recording)
        return self.call

    async def hang_up(self, call_id: str) -> schema.Call:
        if self.call.state == "ended":
            raise NoSuchCallError
        self.show(state="ended", reason="hung_up")
        self.other.show(state="ended", reason="hung_up", by_peer=True)
        return self.call

    async def call_changes(self, call_id: str) -> AsyncIterator[schema.Call]:
        while True:
            view = await self.views.get()
            yield view
            if view.state == "ended":
                return

    @asynccontextmanager
    async def call_sound(self, call_id: str) -> AsyncIterator["End"]:
        yield self

    async def next(self) -> bytes | None:
        return await self.on_the_way.get()

    async def send(self, *sent: object) -> bool:
        """Send a frame (`CallSound`), or a text (`Bot`)."""
        if isinstance(sent[0], bytes):
            if self.call.state != "ended":
                self.other.on_the_way.put_nowait(sent[0])
        else:
            self.sent.append(str(sent[1]))
        return True


def play(*, gives_way: bool = True) -> tuple[Conversation, End, list[str]]:
    alice, echo = End(outgoing=True), End(outgoing=False)
    alice.other, echo.other = echo, alice
    echo.gives_way = gives_way
    told: list[str] = []

    async def scenario() -> Conversation:
        answering = asyncio.create_task(sound_test(echo, echo.call))
        try:
            return await converse(
                alice,
                "hark1echo",
                WORDS,
                on_connected=lambda call: told.append("connected"),
                on_answered=lambda call: told.append("answered"),
            )
        finally:
            await answering

    return asyncio.run(asyncio.wait_for(scenario(), 30)), echo, told


def test_the_demo_hears_its_own_words_after_the_tone_and_then_the_result() -> None:
    done, echo, told = play()
    assert told == ["connected", "answered"]
    heard = done.heard
    back = heard.index(WORDS[0])
    assert heard[back : back + len(WORDS)] == WORDS
    assert back > done.said_from + len(WORDS)
    assert heard.index(tones.begin()[-1]) < done.said_from
    result = [frame for frame in tones.summary(relayed=False, grade=1) if frame != SILENCE]
    assert heard.index(result[-1]) > back + len(WORDS)
    assert done.ended is not None
    assert done.ended.by_peer
    assert done.active is not None
    assert done.active.recording
    assert "Path: direct" in echo.sent[0]


def test_a_call_that_is_not_connected_fails_the_demo() -> None:
    with pytest.raises(DemoError, match="no_path"):
        play(gives_way=False)


CAPTURED = Captured(
    media=Amount(1_000, 130_000),
    media_elsewhere=Amount(),
    supernode_udp=Amount(),
    supernode_tcp=Amount(10, 5_000),
)
TRAFFIC = Traffic(
    seconds=10.0,
    link_bytes=5_000,
    supernode_udp_ports=0,
    captured=CAPTURED,
    not_captured="",
)


def test_signals_at_the_supernode_and_media_between_the_nodes_are_well() -> None:
    assert TRAFFIC.least_voice_bytes == 40_000
    TRAFFIC.check()
    replace(TRAFFIC, captured=None, not_captured="capturing needs root").check()


@pytest.mark.parametrize(
    "traffic",
    [
        replace(TRAFFIC, supernode_udp_ports=1),
        replace(TRAFFIC, link_bytes=40_000),
        replace(TRAFFIC, captured=replace(CAPTURED, supernode_udp=Amount(1, 100))),
        replace(TRAFFIC, captured=replace(CAPTURED, media_elsewhere=Amount(1, 100))),
        replace(TRAFFIC, captured=replace(CAPTURED, media=Amount(100, 13_000))),
    ],
    ids=["udp", "links", "to its port", "elsewhere", "nothing seen"],
)
def test_media_that_may_have_passed_elsewhere_fails_the_demo(traffic: Traffic) -> None:
    with pytest.raises(DemoError):
        traffic.check()
