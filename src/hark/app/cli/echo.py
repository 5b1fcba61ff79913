"""`hark echo`: a whole bot on the API that every bot uses (`hark.control.bot`).

It answers each message with the same text. Start it beside a node: it may be stopped at any
time and goes on with what came meanwhile.
"""

import asyncio
from pathlib import Path

import typer

from hark.app.cli import options
from hark.app.cli.command import Command
from hark.control.bot import Bot
from hark.errors import ContactBlockedError, ContactFrozenError, ContactUnverifiedError


def echo(context: typer.Context, profile: options.Profile = "") -> None:
    """Answer every message with the same text, until stopped with Ctrl-C."""
    socket_path = options.paths(context, profile).socket
    asyncio.run(answer_all(socket_path))


async def answer_all(socket_path: Path) -> None:
    """Answer every message that the node on this socket gets. Never ends by itself."""
    async with Bot.connect(socket_path) as bot:
        print("echo is listening.", flush=True)
        async for message in bot.messages():
            # In an open chat the other side's receipts come within two seconds.
            await bot.chat(message.contact, is_open=True)
            try:
                await bot.send(message.contact, message.text)
            except (ContactBlockedError, ContactFrozenError, ContactUnverifiedError):
                # A person has to look at this contact first; a bot does not decide that.
                print("a message stays unanswered: look at `hark contacts`", flush=True)


COMMAND = Command(echo, "hark echo --profile echo")
