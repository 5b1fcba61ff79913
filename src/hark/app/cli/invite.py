"""`hark invite`."""

import sys
from typing import Annotated

import typer

from hark.app.cli import options, output
from hark.app.cli.command import Command


def invite(
    context: typer.Context,
    profile: options.Profile = "",
    *,
    qr: Annotated[
        bool | None,
        typer.Option("--qr/--no-qr", help="Draw a QR code; by default only on a terminal."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Make an invitation: a link for one person, once, within seven days.

    Give it to that person on a way that you trust; who has it becomes your contact.
    """
    invitation = options.client(context, profile).invite()
    if as_json:
        output.print_json(invitation)
        return
    print(invitation.link)
    if qr or (qr is None and sys.stdout.isatty()):
        # Drawing costs more time than asking; most calls want the link alone.
        from hark.app.cli.qr import draw  # noqa: PLC0415

        print(draw(invitation.link))
    if sys.stdout.isatty():
        print(f"For one person, until {output.clock_time(invitation.expires_unix_ms)}.")
        print("The other side runs: hark add 'LINK' YOUR_NAME")


COMMAND = Command(invite, "hark invite --json")
