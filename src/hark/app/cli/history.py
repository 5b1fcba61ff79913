"""`hark history`."""

from typing import Annotated

import typer

from hark.app.cli import options, output
from hark.app.cli.command import Command
from hark.control.schema import MAX_HISTORY

DEFAULT_LIMIT = 20


def history(
    context: typer.Context,
    name: options.Name,
    profile: options.Profile = "",
    *,
    limit: Annotated[
        int, typer.Option(min=1, max=MAX_HISTORY, help="How many messages at most.")
    ] = DEFAULT_LIMIT,
    read: Annotated[
        bool, typer.Option("--read", help="Tell the other side that they have been read.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Show the newest messages of a conversation, oldest first."""
    client = options.client(context, profile)
    contact = client.contact(name)
    messages = client.history(contact.account, limit=limit)
    if as_json:
        output.print_json(messages)
    else:
        for message in messages:
            print(output.line_of(message, contact.name))
    if read and messages:
        client.read(contact.account, [message.id for message in messages])


COMMAND = Command(history, "hark history bob --limit 50 --json")
