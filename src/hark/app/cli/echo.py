"""`hark echo`: a whole bot on the API that every bot uses (`hark.control.bot`).

It answers each message with the same text, and each call with a sound test. Start it beside a
node: it may be stopped at any time and goes on with what came meanwhile.
"""

import asyncio
from contextlib import suppress
from pathlib import Path

import typer

from hark.app.cli import options
from hark.app.cli.command import Command
from hark.app.sound_test.conduct import sound_test
from hark.control.bot import Bot
from hark.control.schema import Call
from hark.errors import (
    ContactBlockedError,
    ContactFrozenError,
    ContactUnverifiedError,
    NodeNotRunningError,
)

CALLS_AT_ONCE = 10
"""A sound test takes half a minute; the eleventh caller hears that the line is busy."""


def echo(context: typer.Context, profile: options.Profile = "") -> None:
    """Answer every message with the same text, and every call with a sound test.

    A caller speaks after the tone for up to ten seconds and hears that played back. Then tones
    and a message tell how the path was. It goes on until stopped with Ctrl-C.
    """
    socket_path = options.paths(context, profile).socket
    asyncio.run(answer_all(socket_path))


async def answer_all(socket_path: Path) -> None:
    """Answer all that comes to the node on this socket. Never ends by itself."""
    async with Bot.connect(socket_path) as bot, asyncio.TaskGroup() as tasks:
        tasks.create_task(answer_messages(bot))
        tasks.create_task(take_several_calls(bot))
        tasks.create_task(answer_calls(bot))
        print("echo is listening.", flush=True)


async def answer_messages(bot: Bot) -> None:
    """Answer every message with the same text."""
    async for message in bot.messages():
        # In an open chat the other side's receipts come within two seconds.
        await bot.chat(message.contact, is_open=True)
        try:
            await bot.send(message.contact, message.text)
        except (ContactBlockedError, ContactFrozenError, ContactUnverifiedError):
            # A person has to look at this contact first; a bot does not decide that.
            print("a message stays unanswered: look at `hark contacts`", flush=True)


async def take_several_calls(bot: Bot) -> None:
    """Have the node take several calls at once, again whenever it has been started."""
    async for event in bot.events():
        if event.kind == "gap":
            with suppress(NodeNotRunningError):
                await bot.limit_calls(CALLS_AT_ONCE)


async def answer_calls(bot: Bot) -> None:
    """Answer every call with a sound test, several at once."""
    async with asyncio.TaskGroup() as calls:
        async for call in bot.incoming_calls():
            calls.create_task(answer_call(bot, call))


async def answer_call(bot: Bot, call: Call) -> None:
    """Answer one call; whatever goes wrong in it is not for the others to suffer."""
    try:
        await sound_test(bot, call)
    except Exception as error:
        print(f"a sound test ended early: {type(error).__name__}", flush=True)


COMMAND = Command(echo, "hark echo --profile echo")
