"""`hark add`."""

from typing import Annotated

import typer

from hark.app.cli import options, output, secrets
from hark.app.cli.command import Command
from hark.app.cli.text import escape


def add(
    context: typer.Context,
    link: Annotated[
        str, typer.Argument(metavar="LINK", help="hark:… (in quotes); - reads it from input.")
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="What you call this person.")],
    profile: options.Profile = "",
    *,
    as_json: options.Json = False,
) -> None:
    """Add a contact by an invitation, or ask for contact by an address link.

    Other users of this machine can see what a command is given; with - they cannot.
    """
    if link == str(secrets.STANDARD_INPUT):
        link = secrets.read_secret(secrets.STANDARD_INPUT)
    contact = options.client(context, profile).add(link, name)
    if as_json:
        output.print_json(contact)
        return
    print(f"{escape(contact.name)} is in your contacts ({contact.status}).")
    if contact.trust == "new_epoch":
        print("Their keys are new since you last compared: nothing is sent before you do.")
    print(f"Compare the safety number when you can: hark verify {escape(contact.name)}")


COMMAND = Command(add, "hark add 'hark:…' bob")
