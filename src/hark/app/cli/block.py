"""`hark block`."""

import typer

from hark.app.cli import options
from hark.app.cli.command import Command
from hark.app.cli.text import escape


def block(context: typer.Context, name: options.Name, profile: options.Profile = "") -> None:
    """Block a contact or a stranger: nothing is sent, nothing is shown. They are not told."""
    contact = options.client(context, profile).block(name)
    print(f"{escape(contact.name)} is blocked.")


COMMAND = Command(block, "hark block mallory")
