"""`hark call`."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from hark.app.cli import options, output
from hark.app.cli.command import Command
from hark.app.cli.talk.conversation import Conversation, begun
from hark.app.cli.talk.ends import open_ends
from hark.app.cli.talk.screen import Screen, is_terminal
from hark.app.cli.talk.wording import error_of, farewell
from hark.control.bot import Bot
from hark.control.client import Client
from hark.control.schema import Call
from hark.wire.sound import FRAME_MS, MAX_VOICEMAIL_S

NOT_TAKEN = {"no_answer", "declined", "busy"}
"""Why nobody took a call, when a spoken message may be left instead."""


def call(
    context: typer.Context,
    name: options.Name,
    profile: options.Profile = "",
    *,
    audio: options.Audio = None,
    record: options.Record = None,
    voicemail: Annotated[
        Path | None,
        typer.Option(
            "--voicemail",
            metavar="FILE",
            help="A WAV file to leave as a spoken message when nobody takes the call.",
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Call a contact and talk, by microphone and speaker or with sound files.

    While the call goes on: m mutes, h holds, q hangs up. Ctrl-C hangs up as well, and so does
    `hark hangup`.
    """
    client = options.client(context, profile)
    contact = client.contact(name)
    message = None if voicemail is None else _message_of(voicemail)
    screen = Screen(quiet=as_json)
    socket = options.paths(context, profile).socket
    ended = asyncio.run(_talk(socket, contact.account, audio, record, screen))
    error = error_of(ended)
    if as_json:
        output.print_json(ended)
    if error is None:
        screen.say(farewell(ended))
        return
    if ended.reason in NOT_TAKEN and not ended.heard:
        if message is None and audio is None and not as_json and is_terminal():
            message = _asked(error, screen)
        if message:
            _leave(client, contact.account, message, screen)
            return
    raise error


async def _talk(
    socket: Path, account: str, audio: Path | None, record: Path | None, screen: Screen
) -> Call:
    async with Bot.connect(socket) as bot, open_ends(audio, record, screen.say) as ends:
        placed = await begun(bot, bot.place_call(account, recording=record is not None))
        return await Conversation(bot, placed, ends, screen).run()


def _message_of(path: Path) -> list[bytes]:
    """Read the message before anybody is called, so that a wrong file is noticed then."""
    from hark.app.cli.talk.spoken import read_message  # noqa: PLC0415

    frames, is_cut = read_message(path)
    if is_cut:
        output.complain(f"only the first {MAX_VOICEMAIL_S} s of {path.name} would be left")
    return frames


def _asked(error: Exception, screen: Screen) -> list[bytes]:
    """Ask whether to leave a message; return its frames, none when not."""
    from hark.app.cli.talk.spoken import record_message  # noqa: PLC0415

    screen.say(str(error) or "Nobody answered.")
    if not typer.confirm(f"Leave a spoken message of up to {MAX_VOICEMAIL_S} s?"):
        return []
    return asyncio.run(record_message(screen))


def _leave(client: Client, account: str, frames: list[bytes], screen: Screen) -> None:
    from hark.app.cli.talk.spoken import packets_of  # noqa: PLC0415

    client.leave_voicemail(account, packets_of(frames))
    length = output.duration(len(frames) * FRAME_MS)
    screen.say(f"Nobody took the call; your message has been left ({length}).")


COMMAND = Command(call, "hark call bob --audio in.wav --record out.wav")
