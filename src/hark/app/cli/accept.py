"""`hark accept`."""

import typer

from hark.app.cli import options
from hark.app.cli.command import Command
from hark.app.cli.text import escape


def accept(context: typer.Context, name: options.Name, profile: options.Profile = "") -> None:
    """Accept a stranger's request: from then on you can write to each other."""
    contact = options.client(context, profile).accept(name)
    print(f"{escape(contact.name)} is now a contact.")


COMMAND = Command(accept, "hark accept carol")
