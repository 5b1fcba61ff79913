"""`hark verify`."""

import sys
from typing import Annotated

import typer

from hark.app.cli import options, output
from hark.app.cli.command import Command
from hark.app.cli.text import escape
from hark.errors import CheckFailedError, UsageError


def verify(
    context: typer.Context,
    name: options.Name,
    profile: options.Profile = "",
    *,
    yes: Annotated[
        bool, typer.Option("--yes", help="They have been compared, and they are the same.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Show the safety number, and note that both sides have the same.

    Read it to each other by telephone or side by side. If the numbers differ, somebody is in
    between, or one of you has another account than the other believes.
    """
    client = options.client(context, profile)
    contact = client.contact(name)
    if not as_json:
        print(f"The safety number with {escape(contact.name)}:")
        output.print_safety_number(contact)
    if not yes and not _same_on_both_sides():
        raise CheckFailedError("the numbers differ; the contact stays as it was")
    contact = client.verify(contact.account, contact.safety_number)
    if as_json:
        output.print_json(contact)
    else:
        print(f"{escape(contact.name)} is verified.")


def _same_on_both_sides() -> bool:
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked here: compare the numbers, then add --yes")
    return typer.confirm("Does the other side see the same?", default=False)


COMMAND = Command(verify, "hark verify bob")
