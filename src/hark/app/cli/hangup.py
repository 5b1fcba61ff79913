"""`hark hangup`."""

from contextlib import suppress

import typer

from hark.app.cli import options, output
from hark.app.cli.command import Command
from hark.app.cli.text import escape
from hark.control.client import Client
from hark.control.schema import Call
from hark.errors import NoSuchCallError


def hangup(
    context: typer.Context,
    name: options.Caller = "",
    profile: options.Profile = "",
    *,
    as_json: options.Json = False,
) -> None:
    """End the calls that go on, and decline those that ring.

    With a NAME only the calls with that contact.
    """
    client = options.client(context, profile)
    account = client.contact(name).account if name else ""
    found = [
        _ended(client, call)
        for call in client.calls()
        if call.state != "ended" and account in {"", call.contact}
    ]
    ended = [call for call in found if call is not None]
    if not ended:
        raise NoSuchCallError
    if as_json:
        output.print_json(ended)
        return
    for call in ended:
        name = escape(call.contact_name)
        print(f"Declined: {name}" if call.reason == "declined" else f"Hung up: {name}")


def _ended(client: Client, call: Call) -> Call | None:
    """End a call, or decline it; None when it is over by now: others may still go on."""
    with suppress(NoSuchCallError):
        return client.hang_up(call.id)
    return None


COMMAND = Command(hangup, "hark hangup")
