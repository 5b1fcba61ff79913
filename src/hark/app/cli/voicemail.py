"""`hark voicemail`."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from hark.app.cli import options, output
from hark.app.cli.command import Command
from hark.app.cli.talk.screen import Screen
from hark.app.cli.text import escape
from hark.control.client import Client
from hark.control.schema import Contact, Message
from hark.errors import UsageError


def voicemail(
    context: typer.Context,
    message_id: Annotated[
        str,
        typer.Argument(
            metavar="[ID]", help="Which message to play: the beginning of its id is enough."
        ),
    ] = "",
    profile: options.Profile = "",
    *,
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="FILE", help="Write it as a WAV file; do not play it."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """List the spoken messages of all contacts; with an ID play that one, or save it.

    What was played or saved counts as read. A key ends the playing.
    """
    client = options.client(context, profile)
    messages = _all_of(client)
    if message_id:
        _hear(client, _found(messages, message_id), save)
    elif save is not None:
        raise UsageError("--save needs the ID of a message")
    elif as_json:
        output.print_json([message for _contact, message in messages])
    else:
        _list(messages)


def _all_of(client: Client) -> list[tuple[Contact, Message]]:
    """Return the spoken messages that others have left, oldest first."""
    found = [
        (contact, message)
        for contact in client.contacts()
        for message in client.history(contact.account)
        if message.kind == "voicemail" and not message.outgoing
    ]
    return sorted(found, key=lambda each: each[1].sent_unix_ms)


def _list(messages: list[tuple[Contact, Message]]) -> None:
    for contact, message in messages:
        new = "  new" if message.unread else ""
        print(
            f"{output.short_id(message)}  {output.clock_time(message.sent_unix_ms)}  "
            f"{escape(contact.name):<20} {output.duration(message.duration_ms)}{new}"
        )
    if not messages:
        print("There are no spoken messages.")


def _found(messages: list[tuple[Contact, Message]], message_id: str) -> Message:
    found = [message for _contact, message in messages if message.id.startswith(message_id)]
    if len(found) != 1:
        raise UsageError(
            "several spoken messages begin with this id"
            if found
            else "there is no spoken message with this id: `hark voicemail` lists them"
        )
    return found[0]


def _hear(client: Client, message: Message, save: Path | None) -> None:
    from hark.app.cli.talk.spoken import frames_of, play_message  # noqa: PLC0415

    frames = list(frames_of(client.voicemail(message.id).packets))
    if save is None:
        asyncio.run(play_message(frames, Screen()))
    else:
        from hark.app.sound.wav import WavWriter  # noqa: PLC0415

        writer = WavWriter(save)
        try:
            for frame in frames:
                writer.write(frame)
        finally:
            writer.close()
        print(f"Written to {escape(save.name)}.")
    client.read(message.contact, [message.id])


COMMAND = Command(voicemail, "hark voicemail 0a1b2c3d --save message.wav")
