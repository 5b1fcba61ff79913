"""How the commands show things to people and to programs."""

import json
import sys
import time

from hark.app.cli.text import escape, escape_lines
from hark.control.schema import Contact, Message
from hark.wire.codec import encode_json

CAUSES = {
    "no_home": "no link to a home of yours or theirs",
    "fetching_keys": "fetching their keys",
    "new_epoch": "their keys are new: compare the safety number with `hark verify`",
    "frozen": "their account is forked; nothing goes until they have recovered it",
    "mailbox_full": "their mailbox is full",
    "token_stale": "their address has changed; asking for the new one",
    "refused": "their home refuses it for now",
    "keys_invalid": "their home gave keys that do not verify",
    "not_accepted": "they have not accepted you yet",
    "blocked": "you have blocked them",
    "healing": "sent again with fresh keys",
}
"""Why a message waits, for a person; by the words of spec/control.md#causes."""

TRUST = {
    "unverified": "not verified",
    "verified": "verified",
    "new_epoch": "NEW KEYS: look at the safety number",
    "frozen": "FORKED ACCOUNT",
}
"""What is known of a contact's keys, for a person."""


def print_json(value: object) -> None:
    """Print a record, or a list of records, as JSON in ASCII."""
    # msgspec writes what is there; ASCII keeps a terminal safe from what peers wrote.
    print(json.dumps(json.loads(encode_json(value)), indent=2))


def print_values(**values: str) -> None:
    """Print an object of texts as JSON in ASCII."""
    print(json.dumps(values, indent=2))


def complain(sentence: str) -> None:
    """Print a sentence for a person to the standard error."""
    print(f"hark: {sentence}", file=sys.stderr)


def state_of(message: Message) -> str:
    """Return the state of a message for a person, with the reason why it waits."""
    if message.state == "held":
        homes = "1 home" if message.held_by == 1 else f"{message.held_by} homes"
        state = f"held by {homes}"
    else:
        state = message.state
    cause = CAUSES.get(message.cause)
    return f"{state} ({cause})" if cause else state


def line_of(message: Message, name: str) -> str:
    """Return a message as a line of a conversation; more lines are indented.

    Args:
        message: of the conversation.
        name: the contact's name.
    """
    at = clock_time(message.sent_unix_ms)
    who = "you" if message.outgoing else escape(name)
    head = f"{at}  {who}: "
    tail = f"   [{state_of(message)}]" if message.outgoing else ""
    return head + escape_lines(message.text, " " * (len(at) + 4)) + tail


def contact_line(contact: Contact) -> str:
    """Return a contact as a line of the list of contacts."""
    news = f"  {contact.unread} new" if contact.unread else ""
    trust = TRUST.get(contact.trust, escape(contact.trust))
    return f"{escape(contact.name):<20} {contact.status:<10} {trust}{news}"


def clock_time(unix_ms: int) -> str:
    """Return a moment as local date and time."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(unix_ms / 1000))


def print_safety_number(contact: Contact) -> None:
    """Print a contact's safety number."""
    for row in safety_rows(contact.safety_number):
        print(f"    {row}")


def safety_rows(number: str) -> list[str]:
    """Return a safety number in three rows of four groups of five digits."""
    groups = [number[start : start + 5] for start in range(0, len(number), 5)]
    return [" ".join(groups[start : start + 4]) for start in range(0, len(groups), 4)]
