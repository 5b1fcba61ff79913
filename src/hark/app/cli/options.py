"""Options that several commands share, and what they lead to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from hark.control.client import ANSWER_TIMEOUT_S, Client
from hark.node.paths import Paths, paths_of

DEFAULT_PROFILE = "default"

Profile = Annotated[
    str,
    typer.Option("--profile", metavar="NAME", help="Which account of this user."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The contact's name or account id.")]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        metavar="FILE",
        help="Read the passphrase from the first line of a file; - for standard input. "
        "Without it: $HARK_PASSPHRASE, else a prompt.",
    ),
]
Keyring = Annotated[
    bool,
    typer.Option(
        "--keyring", help="Keep the store's key in the system's keyring; no passphrase."
    ),
]
Supernodes = Annotated[
    list[str] | None,
    typer.Option(
        "--supernode",
        metavar="NODEID@HOST:PORT",
        help="A home for the account's mailboxes; may be given twice. "
        "Without it: the supernode that runs on this machine.",
    ),
]
Caller = Annotated[
    str, typer.Argument(metavar="[NAME]", help="A contact's name or account id; else anybody.")
]
Audio = Annotated[
    Path | None,
    typer.Option(
        "--audio",
        metavar="FILE",
        help="Play a WAV file into the call; no microphone and no speaker is used then.",
    ),
]
Record = Annotated[
    Path | None,
    typer.Option(
        "--record",
        metavar="FILE",
        help="Keep what you hear in a new WAV file. The other side is told.",
    ),
]


@dataclass(slots=True)
class GlobalOptions:
    """What was said before the name of the command."""

    profile: str = ""
    traceback: bool = False


def paths(context: typer.Context, profile: str) -> Paths:
    """Return the places of the profile that was asked for.

    Raises:
        ConfigurationError: the profile's name cannot be one.
    """
    options = context.find_root().obj
    before = options.profile if isinstance(options, GlobalOptions) else ""
    return paths_of(profile or before or DEFAULT_PROFILE)


def hint(command: str, profile: str) -> str:
    """Return a command as the person would type it for this profile."""
    return f"hark {command}" + ("" if profile == DEFAULT_PROFILE else f" --profile {profile}")


def client(
    context: typer.Context, profile: str, *, timeout_s: float = ANSWER_TIMEOUT_S
) -> Client:
    """Return a client of the profile's node, running or not."""
    return Client(paths(context, profile).socket, timeout_s=timeout_s)
