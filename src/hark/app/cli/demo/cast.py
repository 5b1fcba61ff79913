"""Who plays in the demo, and the small acts that several steps share.

An act that does not find what it must raises `DemoError`; nothing is claimed that has not been
looked at.
"""

from dataclasses import dataclass, field
from pathlib import Path

from hark.app.cli.demo.stage import DemoError, Stage
from hark.app.cli.demo.teller import Teller
from hark.control.client import Client
from hark.control.schema import Account
from hark.identity.account_id import parse_display
from hark.identity.words import seed_of

ALICE, BOB, ECHO, RESTORED = "alice", "bob", "echo", "bob-restored"

Facts = dict[str, object]
"""What a step found, for the JSON object."""


@dataclass
class Cast:
    """What later steps need of earlier ones."""

    stage: Stage
    teller: Teller
    speech_file: Path | None = None
    """What to say in the call, as the person has chosen it."""
    accounts: dict[str, Account] = field(default_factory=dict)

    canaries: set[bytes] = field(default_factory=set)
    """Bytes that must not be on the supernode's disk."""

    def client(self, profile: str) -> Client:
        """Return a client of an account's node."""
        return self.stage.client(profile)


def make_account(cast: Cast, profile: str, address: str) -> None:
    """Make an account with `hark init` and start its node."""
    stage = cast.stage
    options = ["--words-file", str(words_file(stage, profile)), "--supernode", address]
    stage.hark(profile, "init", "--name", profile.title(), *options)
    stage.start_node(profile)
    until_attached(cast, profile)
    account = cast.client(profile).whoami()
    cast.accounts[profile] = account
    words = recovery_words(stage, profile)
    # As they are written, and as they are inside the programs.
    cast.canaries |= {account.account.encode(), parse_display(account.account)}
    cast.canaries |= {words.encode(), seed_of(words)}


def until_attached(cast: Cast, profile: str) -> None:
    """Wait until an account has its mailboxes at its home."""
    cast.stage.until(
        lambda: all(home.attached for home in cast.client(profile).whoami().homes),
        f"{profile} has its mailboxes",
    )


def until_contacts(cast: Cast, inviter: str, adder: str, name: str) -> None:
    """Wait until each is a contact of the other; the inviter calls the adder `name`."""
    inviting, adding = cast.client(inviter), cast.client(adder)
    added, invited = cast.accounts[adder].account, cast.accounts[inviter].account
    cast.stage.until(
        lambda: is_contact(inviting, added) and is_contact(adding, invited),
        f"{inviter} and {adder} are contacts",
    )
    if inviting.contact(added).name != name:
        inviting.rename(added, name)


def is_contact(client: Client, account: str) -> bool:
    """Return whether an account is an accepted contact."""
    return any(
        contact.account == account and contact.status == "accepted"
        for contact in client.contacts()
    )


def same_number(cast: Cast, profile: str) -> str:
    """Return the safety number of Alice and Bob; it must be the same on both sides."""
    bob, alice = cast.accounts[BOB].account, cast.accounts[ALICE].account
    there = cast.client(profile).contact(alice).safety_number
    here = cast.client(ALICE).contact(bob).safety_number
    if here != there or len("".join(here.split())) != 60:
        raise DemoError("the safety numbers differ")
    cast.canaries.add(here.encode())
    return here


def send(cast: Cast, profile: str, contact: str, text: str) -> str:
    """Send a text; return the message's id."""
    cast.canaries.add(text.encode())
    return cast.client(profile).send(contact, text).id


def received(client: Client, contact: str) -> list[str]:
    """Return what the other side wrote, oldest first."""
    return [message.text for message in client.history(contact) if not message.outgoing]


def words_file(stage: Stage, profile: str) -> Path:
    """Return where the demo keeps the recovery words, as no person should."""
    return stage.folder / f"{profile}.words"


def recovery_words(stage: Stage, profile: str) -> str:
    """Return an account's 24 words, separated by single spaces."""
    return " ".join(words_file(stage, profile).read_text(encoding="ascii").split())


def in_rows(words: list[str], per_row: int) -> str:
    """Return words in rows."""
    return "\n".join(
        "  ".join(words[start : start + per_row]) for start in range(0, len(words), per_row)
    )
