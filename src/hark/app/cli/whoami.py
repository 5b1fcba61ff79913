"""`hark whoami`."""

import typer

from hark.app.cli import options, output
from hark.app.cli.command import Command
from hark.app.cli.text import escape


def whoami(
    context: typer.Context, profile: options.Profile = "", *, as_json: options.Json = False
) -> None:
    """Show the account: its id, its device, its homes."""
    account = options.client(context, profile).whoami()
    if as_json:
        output.print_json(account)
        return
    print(f"name     {escape(account.name)}")
    print(f"account  {account.account}")
    print(f"device   {account.device}")
    print(f"epoch    {account.epoch} (statement {account.chain_seq} of the account's chain)")
    for home in account.homes:
        state = "connected" if home.connected else f"not connected: {escape(home.reason)}"
        print(f"home     {escape(home.address)}\n         {state}")


COMMAND = Command(whoami, "hark whoami --json")
