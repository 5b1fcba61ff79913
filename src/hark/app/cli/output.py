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

OUTGOING_CALLS = {
    "missed": "no answer",
    "declined": "declined",
    "busy": "busy",
    "cancelled": "you gave up",
    "failed": "no connection",
}
INCOMING_CALLS = {
    "missed": "missed",
    "declined": "you declined",
    "busy": "you were in another call",
    "cancelled": "missed",
    "elsewhere": "taken by another device of yours",
    "failed": "no connection",
}
"""What became of a call, for a person; the words are those of spec/control.md."""
SHORT_ID_CHARS = 8
"""As much of a message's id as a person has to type."""


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
    if message.kind != "text":
        # Never behind a name and a colon: no text can look like it.
        return f"{at}  * {_happened(message, escape(name))}"
    who = "you" if message.outgoing else escape(name)
    head = f"{at}  {who}: "
    tail = f"   [{state_of(message)}]" if message.outgoing else ""
    return head + escape_lines(message.text, " " * (len(at) + 4)) + tail


def short_id(message: Message) -> str:
    """Return the beginning of a message's id, for `hark voicemail`."""
    return message.id[:SHORT_ID_CHARS]


def duration(duration_ms: int) -> str:
    """Return a time as minutes and seconds."""
    minutes, seconds = divmod(duration_ms // 1000, 60)
    return f"{minutes}:{seconds:02}"


def contact_line(contact: Contact) -> str:
    """Return a contact as a line of the list of contacts."""
    news = f"  {contact.unread} new" if contact.unread else ""
    trust = TRUST.get(contact.trust, escape(contact.trust))
    wish = "  would like to call you" if contact.wants_call else ""
    return f"{escape(contact.name):<20} {contact.status:<10} {trust}{news}{wish}"


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


def _happened(message: Message, name: str) -> str:
    match message.kind:
        case "call":
            who = f"You called {name}" if message.outgoing else f"{name} called"
            return f"{who}: {_outcome(message)}"
        case "voicemail" if message.outgoing:
            length = duration(message.duration_ms)
            return f"You left a spoken message, {length}   [{state_of(message)}]"
        case "voicemail":
            how = f"hark voicemail {short_id(message)}"
            return f"{name} left a spoken message, {duration(message.duration_ms)}: {how}"
        case _:
            return "Something that a newer hark can show."


def _outcome(message: Message) -> str:
    match message.outcome:
        case "going_on" | "ringing":
            return "going on" if message.outcome == "going_on" else "ringing"
        case "answered":
            return duration(message.duration_ms)
        case "interrupted":
            return f"{duration(message.duration_ms)}, broken off when hark ended"
        case outcome:
            words = OUTGOING_CALLS if message.outgoing else INCOMING_CALLS
            return words.get(outcome, escape(outcome))
