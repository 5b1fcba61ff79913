"""`hark send`."""

import sys
import time
from enum import StrEnum
from typing import Annotated

import typer

from hark.app.cli import options, output
from hark.app.cli.command import Command
from hark.control.client import Client, EventStream
from hark.control.schema import Message
from hark.errors import EXIT_UNREACHABLE, HarkError, MessageTooLongError, UsageError
from hark.wire.text import MAX_TEXT_CHARS

STANDARD_INPUT = "-"
MAX_INPUT_BYTES = 4 * MAX_TEXT_CHARS + 2
"""Read from standard input: the longest text in UTF-8 with its line end, and one byte more."""
DEFAULT_TIMEOUT_S = 60.0


class Goal(StrEnum):
    """How far a message shall have come."""

    HELD = "held"
    DELIVERED = "delivered"
    READ = "read"


REACHED = {
    Goal.HELD: {"held", "delivered", "read"},
    Goal.DELIVERED: {"delivered", "read"},
    Goal.READ: {"read"},
}
"""States in which a message has come that far."""


class NotYetError(HarkError):
    """The message is safe here and goes on its way, but has not come that far yet."""

    exit_code = EXIT_UNREACHABLE


def send(
    context: typer.Context,
    name: options.Name,
    text: Annotated[
        list[str],
        typer.Argument(metavar="TEXT…", help="The message; - reads it from standard input."),
    ],
    profile: options.Profile = "",
    *,
    wait: Annotated[
        Goal | None, typer.Option("--wait", help="Wait until the message has come that far.")
    ] = None,
    timeout_s: Annotated[
        float, typer.Option("--timeout", min=0, help="How long to wait, in seconds.")
    ] = DEFAULT_TIMEOUT_S,
    as_json: options.Json = False,
) -> None:
    """Send a message. It is safe on this device when the command ends.

    The node keeps it and sends it until the other side's own receipt has come.
    """
    client = options.client(context, profile)
    content = _text_of(text)
    if wait is None:
        message = client.message(client.send(name, content).id)
    else:
        with client.events() as events:
            sent = client.send(name, content)
            message = wait_for(client, events, sent.id, REACHED[wait], timeout_s)
    if as_json:
        output.print_json(message)
    else:
        print(output.state_of(message))
    if wait is not None and message.state not in REACHED[wait]:
        raise NotYetError(output.state_of(message))


def wait_for(
    client: Client, events: EventStream, message_id: str, states: set[str], timeout_s: float
) -> Message:
    """Wait until a message is in one of the states, or the time is over.

    Args:
        client: of the node that sends the message.
        events: opened before the message was sent.
        message_id: of a message of ours.
        states: which to wait for; `expired` ends the waiting as well.
        timeout_s: in seconds.
    """
    deadline = time.monotonic() + timeout_s
    message = client.message(message_id)
    while message.state not in states | {"expired"}:
        event = events.next(timeout_s=max(0.0, deadline - time.monotonic()))
        if event is None:
            break
        if event.kind == "gap" or (event.message and event.message.id == message_id):
            message = client.message(message_id)
    return message


def _text_of(words: list[str]) -> str:
    if words == [STANDARD_INPUT]:
        raw = sys.stdin.buffer.read(MAX_INPUT_BYTES)
    else:
        raw = " ".join(words).encode(errors="surrogateescape")
    try:
        text = raw.decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise UsageError("the message is not text in UTF-8") from None
    if not text:
        raise UsageError("the message is empty")
    if len(text) > MAX_TEXT_CHARS:
        raise MessageTooLongError(f"more than {MAX_TEXT_CHARS} characters")
    return text


COMMAND = Command(send, "hark send bob 'see you at eight' --wait delivered")
