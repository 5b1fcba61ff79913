"""`hark init`."""

from pathlib import Path
from typing import Annotated

import typer

from hark.app.cli import options, secrets, words
from hark.app.cli.command import Command
from hark.app.cli.homes import parse_homes
from hark.app.cli.output import print_values

WordsFile = Annotated[
    Path | None,
    typer.Option(
        "--words-file",
        metavar="FILE",
        help="Write the 24 words to a new file (0600) instead of showing them.",
    ),
]


def init(
    context: typer.Context,
    profile: options.Profile = "",
    *,
    name: Annotated[
        str,
        typer.Option("--name", help="What others see at first; the profile's name if none."),
    ] = "",
    supernode: options.Supernodes = None,
    passphrase_file: options.PassphraseFile = None,
    keyring: options.Keyring = False,
    words_file: WordsFile = None,
    as_json: options.Json = False,
) -> None:
    """Make an account: its keys, its store, and the 24 words that can restore it.

    The words are shown once. hark keeps neither them nor the key that they stand for; who has
    them has the account.
    """
    # Loaded by this command alone: it holds everything that makes keys.
    from hark.node import accounts  # noqa: PLC0415

    paths = options.paths(context, profile)
    homes = parse_homes(supernode)
    words.refuse_to_hide(words_file, as_json=as_json)
    passphrase = None if keyring else secrets.read_passphrase(passphrase_file, new=True)
    # The file is made first: an account whose words could not be kept is of no use.
    with secrets.new_secret_file(words_file) as keep:
        made = accounts.init_account(paths, name or paths.profile, passphrase, homes)
        keep(" ".join(made.words) + "\n")
    if as_json:
        print_values(account=made.account, profile=paths.profile, folder=str(paths.data_dir))
        return
    print(f"The account {made.account}")
    print(f"has been made in {paths.data_dir}")
    if words_file is None:
        print("\nWrite these words down, on paper. They are not shown again.\n")
        words.show(made.words)
        words.ask_back(made.words)
    print(f"\nStart it: {options.hint('up', paths.profile)}")


COMMAND = Command(init, "hark init --name Alice --supernode NODEID@home.example:7443")
