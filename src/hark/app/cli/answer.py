"""`hark answer`."""

import asyncio
from pathlib import Path

import typer

from hark.app.cli import options, output
from hark.app.cli.command import Command
from hark.app.cli.talk.conversation import Conversation, begun
from hark.app.cli.talk.ends import open_ends
from hark.app.cli.talk.screen import Screen
from hark.app.cli.talk.wording import error_of, farewell
from hark.control.bot import Bot
from hark.control.schema import Call
from hark.errors import NoSuchCallError


def answer(
    context: typer.Context,
    name: options.Caller = "",
    profile: options.Profile = "",
    *,
    audio: options.Audio = None,
    record: options.Record = None,
    as_json: options.Json = False,
) -> None:
    """Take the call that rings here; when none does, wait until one does.

    With a NAME only a call of that contact is taken. Keys while it goes on: m mutes, h holds,
    q hangs up. `hark hangup` declines a call that rings.
    """
    account = options.client(context, profile).contact(name).account if name else ""
    screen = Screen(quiet=as_json)
    socket = options.paths(context, profile).socket
    ended = asyncio.run(_talk(socket, account, audio, record, screen))
    if as_json:
        output.print_json(ended)
    if (error := error_of(ended)) is not None:
        raise error
    screen.say(farewell(ended))


async def _talk(
    socket: Path, account: str, audio: Path | None, record: Path | None, screen: Screen
) -> Call:
    async with Bot.connect(socket) as bot:
        if audio is None:
            # The microphone stays closed while nobody is there.
            await _ringing(bot, account, screen)
        async with open_ends(audio, record, screen.say) as ends:
            taken = await _taken(bot, account, screen, recording=record is not None)
            return await Conversation(bot, taken, ends, screen).run()


async def _taken(bot: Bot, account: str, screen: Screen, *, recording: bool) -> Call:
    """Take the first call that rings, of this account or (when empty) of anybody."""
    while True:
        ringing = await _ringing(bot, account, screen)
        try:
            return await begun(bot, bot.answer_call(ringing.id, recording=recording))
        except NoSuchCallError:
            screen.say("That caller has just given up.")


async def _ringing(bot: Bot, account: str, screen: Screen) -> Call:
    """Wait until a call rings; return it."""
    for call in await bot.calls():
        if _is_wanted(call, account):
            return call
    screen.say("Nobody is calling. Waiting for a call; Ctrl-C ends that.")
    async for call in bot.incoming_calls():
        if _is_wanted(call, account):
            return call
    raise NoSuchCallError


def _is_wanted(call: Call, account: str) -> bool:
    return call.state == "incoming" and account in {"", call.contact}


COMMAND = Command(answer, "hark answer")
