"""`hark privacy`."""

from typing import Annotated

import typer

from hark.app.cli import options, output
from hark.app.cli.command import Command

SHOWN = (
    "Contacts whom you call, and who call you, can see an address of this machine: sound goes "
    "straight between the two of you."
)
HIDDEN = "Nobody sees an address of this machine. Calls need a relay between the two."


def privacy(
    context: typer.Context,
    profile: options.Profile = "",
    *,
    hide_address: Annotated[
        bool | None,
        typer.Option(
            "--hide-address/--show-address",
            help="Whether contacts too are kept from seeing an address in calls.",
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Show or change what others may learn about you."""
    client = options.client(context, profile)
    if hide_address is None:
        setting = client.privacy()
    else:
        setting = client.set_privacy(hide_address=hide_address)
    if as_json:
        output.print_json(setting)
    else:
        print(HIDDEN if setting.hide_address else SHOWN)


COMMAND = Command(privacy, "hark privacy --hide-address")
