"""`hark contacts`."""

import typer

from hark.app.cli import options, output
from hark.app.cli.command import Command


def contacts(
    context: typer.Context, profile: options.Profile = "", *, as_json: options.Json = False
) -> None:
    """List contacts and requests, with what is known of their keys."""
    listed = options.client(context, profile).contacts()
    if as_json:
        output.print_json(listed)
        return
    for contact in listed:
        print(output.contact_line(contact))
    if not listed:
        print("Nobody yet. `hark invite` makes a link for somebody, `hark add` takes one.")


COMMAND = Command(contacts, "hark contacts --json")
