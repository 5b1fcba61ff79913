"""Calls over the control socket: requests, what rings, what becomes of a call."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hark.control import bot as bot_module
from hark.control.bot import Bot
from hark.control.client import Client
from hark.control.schema import Call, Event, Message
from hark.control.server import ControlServer
from hark.errors import (
    CallBusyError,
    NodeNotRunningError,
    NoSuchCallError,
    UnknownContactError,
    UsageError,
)
from hark.wire.sound import MAX_VOICEMAIL_BYTES, OPUS_PACKET_BYTES
from tests.shell.control.conftest import Served
from tests.shell.control.fake_calls import change
from tests.shell.control.fake_node import BOB, FakeNode

NO_CALL = "f" * 32


@asynccontextmanager
async def bot_of(node: FakeNode, socket_path: Path) -> AsyncIterator[Bot]:
    """Serve a node and open its API."""
    async with ControlServer(node, socket_path), Bot.connect(socket_path) as bot:
        yield bot


async def take(calls: AsyncIterator[Call], count: int) -> list[Call]:
    async with asyncio.timeout(20):
        taken = []
        async for call in calls:
            taken.append(call)
            if len(taken) == count:
                break
        return taken


def test_a_client_places_changes_and_ends_a_call(served: Served) -> None:
    client = Client(served.socket_path)
    placed = client.place_call("bob", recording=True)
    assert (placed.state, placed.outgoing, placed.recording) == ("opening", True, True)
    assert [call.id for call in client.calls()] == [placed.id]
    muted = client.switch_call(placed.id, muted=True)
    assert (muted.muted, muted.held, muted.recording) == (True, False, True)
    changed = client.switch_call(placed.id, held=True, recording=False)
    assert (changed.muted, changed.held, changed.recording) == (True, True, False)
    assert client.hang_up(placed.id).state == "ended"


def test_a_client_takes_one_call_and_declines_another(served: Served) -> None:
    client = Client(served.socket_path)
    first = served.call(served.node.phone.ring)
    second = served.call(lambda: served.node.phone.ring(2))
    assert client.answer_call(first.id, recording=True).recording
    assert client.decline_call(second.id).reason == "declined"


def test_a_client_is_told_why_there_is_no_call(served: Served) -> None:
    client = Client(served.socket_path)
    with pytest.raises(UnknownContactError):
        client.place_call("eve")
    client.place_call("bob")
    with pytest.raises(CallBusyError):
        client.place_call("bob")
    client.limit_calls(10)
    client.place_call("bob")
    for request in (client.answer_call, client.decline_call, client.hang_up):
        with pytest.raises(NoSuchCallError):
            request(NO_CALL)
    with pytest.raises(NoSuchCallError):
        client.switch_call(NO_CALL, muted=True)


@pytest.mark.parametrize("count", [0, 51, -1])
def test_a_limit_of_calls_outside_its_bounds_is_refused(served: Served, count: int) -> None:
    with pytest.raises(UsageError):
        Client(served.socket_path).limit_calls(count)
    assert served.node.phone.limit == 1


def test_the_longest_voicemail_goes_both_ways_unchanged(served: Served) -> None:
    client = Client(served.socket_path)
    packets = bytes(range(250)) * (MAX_VOICEMAIL_BYTES // 250)
    sent = client.leave_voicemail("bob", packets)
    found = client.voicemail(sent.id)
    assert found.packets == packets
    assert found.message.kind == "voicemail"


@pytest.mark.parametrize("size", [0, OPUS_PACKET_BYTES - 1, MAX_VOICEMAIL_BYTES + 1])
def test_voicemail_outside_its_bounds_is_refused(served: Served, size: int) -> None:
    with pytest.raises(UsageError):
        Client(served.socket_path).leave_voicemail("bob", bytes(size))
    assert served.node.phone.voicemail == b""


def test_whether_our_address_is_hidden_can_be_asked_and_said(served: Served) -> None:
    client = Client(served.socket_path)
    assert not client.privacy().hide_address
    assert client.set_privacy(hide_address=True).hide_address
    assert client.privacy().hide_address


def test_a_bot_can_do_all_that_a_client_can(socket_path: Path) -> None:
    async def scene() -> None:
        node = FakeNode()
        async with bot_of(node, socket_path) as bot:
            await bot.limit_calls(2)
            placed = await bot.place_call(BOB, recording=True)
            assert [call.id for call in await bot.calls()] == [placed.id]
            assert (await bot.switch_call(placed.id, held=True)).held
            assert (await bot.hang_up(placed.id)).reason == "hung_up"
            first, second = node.phone.ring(8), node.phone.ring(9)
            assert (await bot.answer_call(first.id)).state == "connecting"
            assert (await bot.decline_call(second.id)).reason == "declined"
            sent = await bot.leave_voicemail(BOB, bytes(OPUS_PACKET_BYTES))
            assert (await bot.voicemail(sent.id)).packets == bytes(OPUS_PACKET_BYTES)
            assert (await bot.set_privacy(hide_address=True)).hide_address
            assert (await bot.privacy()).hide_address
            with pytest.raises(NoSuchCallError):
                await bot.answer_call(NO_CALL)

    asyncio.run(scene())


def test_a_bot_is_given_each_call_that_rings_once(socket_path: Path) -> None:
    async def scene() -> None:
        node = FakeNode()
        node.phone.ring(1)
        async with bot_of(node, socket_path) as bot:
            ringing = bot.incoming_calls()
            assert [call.id for call in await take(ringing, 1)] == [f"{1:032x}"]
            ringing = bot.incoming_calls()
            taking = asyncio.create_task(take(ringing, 2))
            await asyncio.sleep(0.3)
            # Told again, lost and asked for again, placed by ourselves: none of these rings.
            node.phone.change(f"{1:032x}", heard=True)
            node.phone.ring(2)
            node.publish("gap")
            node.phone.change(f"{2:032x}", state="active")
            node.phone.limit = 9
            await bot.place_call(BOB)
            node.phone.ring(4)
            assert [call.id for call in await taking] == [f"{2:032x}", f"{4:032x}"]

    asyncio.run(scene())


def test_a_bot_is_given_calls_over_a_restart_of_the_node(
    socket_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot_module, "RECONNECT_S", 0.05)

    async def scene() -> None:
        node = FakeNode(started_unix_ms=1)
        async with ControlServer(node, socket_path) as served, Bot.connect(socket_path) as bot:
            taking = asyncio.create_task(take(bot.incoming_calls(), 2))
            await asyncio.sleep(0.3)
            node.phone.ring(1)
            await asyncio.sleep(0.3)
            await served.close()
            again = FakeNode(started_unix_ms=2)
            again.phone.ring(2)
            async with ControlServer(again, socket_path):
                assert [call.id for call in await taking] == [f"{1:032x}", f"{2:032x}"]

    asyncio.run(scene())


def test_what_becomes_of_a_call_is_told_from_its_present_state_to_its_end(
    socket_path: Path,
) -> None:
    async def scene() -> None:
        node = FakeNode()
        other, call = node.phone.ring(1), node.phone.ring(2)
        async with bot_of(node, socket_path) as bot:
            seen: list[tuple[str, bool]] = []
            async with asyncio.timeout(20):
                async for news in bot.call_changes(call.id):
                    assert news.id == call.id
                    seen.append((news.state, news.muted))
                    if len(seen) == 1:
                        node.phone.change(other.id, state="active")
                        node.phone.change(call.id, state="connecting")
                        node.phone.change(call.id, state="active", duration_ms=10)
                        node.phone.change(call.id, muted=True)
                        node.phone.end(call.id, by_peer=True)
            assert seen == [
                ("incoming", False),
                ("connecting", False),
                ("active", False),
                ("active", True),
                ("ended", True),
            ]

    asyncio.run(scene())


def test_a_call_that_is_over_is_told_and_that_is_all(socket_path: Path) -> None:
    async def scene() -> None:
        node = FakeNode()
        node.phone.end(node.phone.ring(1).id)
        async with bot_of(node, socket_path) as bot, asyncio.timeout(20):
            seen = [call.state async for call in bot.call_changes(f"{1:032x}")]
            assert seen == ["ended"]
            with pytest.raises(NoSuchCallError):
                await take(bot.call_changes(NO_CALL), 1)

    asyncio.run(scene())


def test_events_that_were_on_their_way_do_not_take_a_call_back(socket_path: Path) -> None:
    async def scene() -> None:
        node = FakeNode()
        call = node.phone.ring(1)
        answered = change(call, state="active", duration_ms=500)
        async with bot_of(node, socket_path) as bot, asyncio.timeout(20):
            seen = []
            async for news in bot.call_changes(call.id):
                seen.append(news.state)
                if len(seen) == 1:
                    # An answer that knows more than the events that follow it.
                    node.phone.known[call.id] = answered
                    node.publish("gap")
                elif len(seen) == 2:
                    node.publish("call", call=change(call, state="connecting"))
                    node.publish("call", call=change(answered, state="reconnecting"))
                    node.phone.end(call.id)
            assert seen == ["incoming", "active", "reconnecting", "ended"]

    asyncio.run(scene())


def test_a_call_does_not_outlive_its_node(socket_path: Path) -> None:
    async def scene() -> None:
        node = FakeNode()
        call = node.phone.ring(1)
        server = ControlServer(node, socket_path)
        await server.start()
        async with Bot.connect(socket_path) as bot:
            changes = bot.call_changes(call.id)
            assert (await anext(changes)).state == "incoming"
            await server.close()
            with pytest.raises(NodeNotRunningError):
                await anext(changes)
            with pytest.raises(NodeNotRunningError):
                await anext(bot.call_changes(call.id))

    asyncio.run(scene())


def test_an_event_carries_a_call_as_it_is(served: Served) -> None:
    with Client(served.socket_path).events() as events:
        call = served.call(served.node.phone.ring)
        event = events.next(timeout_s=10)
        assert isinstance(event, Event)
        assert (event.kind, event.contact, event.call) == ("call", BOB, call)


def test_a_bot_that_answers_texts_is_not_given_calls_and_voicemail(socket_path: Path) -> None:
    async def scene() -> None:
        node = FakeNode()
        for kind in ("call", "text", "voicemail", "unknown", "text"):
            node.receive("" if kind != "text" else f"text {len(node.talk)}", kind=kind)

        async def texts(bot: Bot) -> list[str]:
            taken: list[Message] = []
            async with asyncio.timeout(20):
                async for message in bot.messages():
                    taken.append(message)
                    if message.text == "last":
                        break
            return [message.text for message in taken]

        async with bot_of(node, socket_path) as bot:
            taking = asyncio.create_task(texts(bot))
            await asyncio.sleep(0.3)
            node.receive("", kind="call")
            node.receive("last")
            assert await taking == ["text 1", "text 4", "last"]
        assert len(node.unread) == 5

    asyncio.run(scene())
