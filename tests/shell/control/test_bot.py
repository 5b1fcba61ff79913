"""Bots: no message is missed, over restarts of the bot and of the node."""

import asyncio
from pathlib import Path

import pytest

from hark.control import bot as bot_module
from hark.control.bot import Bot
from hark.control.schema import Message
from hark.control.server import ControlServer
from hark.errors import NodeNotRunningError, UnknownContactError
from tests.shell.control.fake_node import BOB, FakeNode


async def take(bot: Bot, count: int) -> list[str]:
    """Take messages; the last one stays unread, as with a bot that is killed."""
    taken: list[str] = []
    stream = bot.messages()
    async with asyncio.timeout(20):
        async for message in stream:
            taken.append(message.text)
            if len(taken) == count:
                break
    return taken


def test_a_bot_answers_messages(socket_path: Path) -> None:
    async def scene() -> None:
        node = FakeNode()
        server = ControlServer(node, socket_path)
        await server.start()
        async with Bot.connect(socket_path) as bot:
            assert (await bot.whoami()).name == "Alice"
            node.receive("before")
            taking = asyncio.create_task(take(bot, 3))
            await asyncio.sleep(0.3)
            node.receive("one")
            node.receive("two")
            assert await taking == ["before", "one", "two"]
            sent = await bot.send(BOB, "answer")
            assert node.talk[-1].id == sent.id
            with pytest.raises(UnknownContactError):
                await bot.send("eve", "answer")
        await server.close()

    asyncio.run(scene())


def test_a_bot_that_starts_again_begins_with_what_it_has_not_finished(
    socket_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot_module, "PAGE_COUNT", 2)

    async def scene() -> None:
        node = FakeNode()
        server = ControlServer(node, socket_path)
        await server.start()
        for number in range(7):
            node.receive(str(number))
            if number % 3 == 0:
                node.talk.append(outgoing(node))
        async with Bot.connect(socket_path) as bot:
            assert await take(bot, 3) == ["0", "1", "2"]
        async with Bot.connect(socket_path) as bot:
            assert await take(bot, 5) == ["2", "3", "4", "5", "6"]
        await server.close()

    asyncio.run(scene())


def test_a_bot_goes_on_when_the_node_has_been_started_again(
    socket_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot_module, "RECONNECT_S", 0.05)

    async def scene() -> None:
        node = FakeNode(started_unix_ms=1)
        server = ControlServer(node, socket_path)
        await server.start()
        async with Bot.connect(socket_path) as bot:
            taking = asyncio.create_task(take(bot, 4))
            await asyncio.sleep(0.3)
            node.receive("one")
            await asyncio.sleep(0.3)
            await server.close()
            with pytest.raises(NodeNotRunningError):
                await bot.whoami()
            # Another run counts its events anew: the bot's number means nothing to it.
            again = FakeNode(started_unix_ms=2, talk=node.talk, unread=node.unread)
            for text in ("two", "three"):
                again.receive(text)
            server = ControlServer(again, socket_path)
            await server.start()
            await asyncio.sleep(0.3)
            again.receive("four")
            assert await taking == ["one", "two", "three", "four"]
        await server.close()

    asyncio.run(scene())


def test_without_a_node_a_bot_does_not_begin(socket_path: Path) -> None:
    async def scene() -> None:
        with pytest.raises(NodeNotRunningError):
            async with Bot.connect(socket_path):
                pass

    asyncio.run(scene())


def outgoing(node: FakeNode) -> Message:
    from tests.shell.control.fake_node import message_of  # noqa: PLC0415

    return message_of(len(node.talk) + 1, "answer", outgoing=True)
