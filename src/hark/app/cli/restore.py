"""`hark restore`."""

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

from hark.app.cli import options, secrets
from hark.app.cli.command import Command
from hark.app.cli.homes import parse_homes
from hark.app.cli.output import print_values


def restore(
    context: typer.Context,
    profile: options.Profile = "",
    *,
    name: Annotated[
        str,
        typer.Option("--name", help="What others see at first; the profile's name if none."),
    ] = "",
    words_file: Annotated[
        Path | None,
        typer.Option(
            "--words-file",
            metavar="FILE",
            help="Read the 24 words from a file; - for standard input. Without it: a prompt.",
        ),
    ] = None,
    supernode: options.Supernodes = None,
    passphrase_file: options.PassphraseFile = None,
    keyring: options.Keyring = False,
    as_json: options.Json = False,
) -> None:
    """Restore an account on this device from its 24 words.

    The same account begins a new epoch: all earlier devices are out, and contacts are asked to
    compare the safety number again. Contacts and messages are not in the words.
    """
    from hark.identity.words import seed_of  # noqa: PLC0415
    from hark.node import accounts  # noqa: PLC0415

    paths = options.paths(context, profile)
    homes = parse_homes(supernode)
    given = _read_words(words_file)
    # Refuse them before anything else is asked.
    seed_of(given)
    passphrase = None if keyring else secrets.read_passphrase(passphrase_file, new=True)
    made = accounts.restore_account(paths, given, name or paths.profile, passphrase, homes)
    if as_json:
        print_values(account=made.account, profile=paths.profile, folder=str(paths.data_dir))
        return
    print(f"The account {made.account}")
    print(f"has been restored in {paths.data_dir}")
    print(f"Start it:                         {options.hint('up', paths.profile)}")
    print(f"Then invite your contacts again:  {options.hint('invite', paths.profile)}")


def _read_words(file: Path | None) -> str:
    if file is not None:
        return secrets.read_secret(file)
    if not sys.stdin.isatty():
        return secrets.read_secret(secrets.STANDARD_INPUT)
    # Not shown while they are typed: somebody may look over the shoulder.
    return getpass.getpass("The 24 words, in order: ")


COMMAND = Command(restore, "hark restore --name Bob --words-file words.txt")
