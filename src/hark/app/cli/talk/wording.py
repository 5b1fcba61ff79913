"""A call in words: what is new about it, how it does, how it ended. No input, no output."""

from collections.abc import Iterator

from hark.app.cli.output import duration
from hark.app.cli.text import escape
from hark.control.schema import Call
from hark.errors import (
    EXIT_REFUSED,
    EXIT_UNREACHABLE,
    CallError,
    CallNotMadeError,
)
from hark.wire.call import Refusal

ENDED = "ended"
TALKING = {"active", "reconnecting"}
"""States in which somebody has been there to hear."""

REFUSALS = {
    Refusal.NONE: "no reason was given",
    Refusal.MALFORMED: "a signal was no valid message",
    Refusal.REFLECTED: "something of one side's own was sent back to it",
    Refusal.WRONG_OFFER: "the answer was to another call",
    Refusal.WRONG_NONCE: "a number was not the one that had been promised",
    Refusal.WRONG_TRANSCRIPT: "the two sides have not seen the same signals",
    Refusal.TOO_MANY_CANDIDATES: "more addresses than there may be",
    Refusal.BAD_CONNECTION: "a connection out of turn",
    Refusal.KEYS_CHANGED: "the two sides do not know each other by the same keys",
    Refusal.NO_VOICE: "there was no voice that this version can receive",
    Refusal.WRONG_CERTIFICATE: "another certificate than the one that was signed for",
    Refusal.CANDIDATES_MISSING: "addresses that were announced never came",
}
"""Why a call was refused, for a person; by the words of spec/calls.md#refusals."""


class NoAnswerError(CallNotMadeError):
    """Nobody answered."""

    exit_code = EXIT_UNREACHABLE


class NoConnectionError(CallNotMadeError):
    """The two sides found no way to each other, or lost it and did not find another."""

    exit_code = EXIT_UNREACHABLE


class CallRefusedError(CallNotMadeError):
    """The call was refused, because a signal of it was not what it must be.

    If this happens again, somebody may be in between: compare the safety number.
    """

    exit_code = EXIT_REFUSED


def news(before: Call | None, call: Call) -> Iterator[str]:
    """Give a line for each thing that is new about a call.

    Args:
        before: how it was shown last; None when it has not been shown.
        call: how it is now.
    """
    name = escape(call.contact_name)
    if before is None or before.state != call.state:
        yield from _state_lines(before, call, name)
    if call.state == ENDED:
        return
    if call.path is not None and (before is None or before.path != call.path):
        yield f"The sound goes {path_of(call)}."
    if call.sas and (before is None or before.sas != call.sas):
        yield f"Compare with {name}: {', '.join(call.sas)}"
    yield from _switch_lines(before, call, name)


def path_of(call: Call) -> str:
    """Return how the sound of a call goes, and who sees whose address."""
    assert call.path is not None
    if call.path.kind == "relayed":
        way = f"relayed by {escape(call.path.relay)}" if call.path.relay else "relayed"
    else:
        way = "direct"
    if call.path.address_shown:
        return f"{way}; {escape(call.contact_name)} can see an address of yours"
    return f"{way}; your address is hidden"


def status_line(call: Call, *, keys: str) -> str:
    """Return the line that is kept up to date while a call goes on.

    Args:
        call: how it is now.
        keys: what may be pressed.
    """
    parts = [STATES.get(call.state, escape(call.state))]
    if call.state in TALKING:
        parts = [duration(call.duration_ms), *([] if call.state == "active" else parts)]
        parts += [] if call.path is None else [escape(call.path.kind)]
        parts += [quality_of(call)] if call.quality is not None else []
        parts += [] if call.sas else ["emoji: checking"]
    switched = [
        word
        for word, is_on in (
            ("MUTED", call.muted),
            ("ON HOLD", call.held),
            ("RECORDING", call.recording),
        )
        if is_on
    ]
    return " · ".join([*parts, *switched, keys])


def quality_of(call: Call) -> str:
    """Return round trip and loss of a call, as far as they are known."""
    quality = call.quality
    if quality is None:
        return ""
    round_trip = "… ms" if quality.round_trip_ms < 0 else f"{quality.round_trip_ms:.0f} ms"
    loss = max(quality.loss_sent, quality.loss_received)
    return f"{round_trip}, {100 * loss:.0f} % lost"


def farewell(call: Call) -> str:
    """Return how a call ended that somebody had answered."""
    name = escape(call.contact_name)
    who = f"{name} hung up" if call.by_peer else "You hung up"
    quality = f" ({quality_of(call)})" if call.quality is not None else ""
    return f"{who} after {duration(call.duration_ms)}{quality}."


def error_of(call: Call) -> CallError | None:
    """Return why a call that is over was none; None for one that was talked in and ended."""
    match call.reason:
        case "hung_up" if call.duration_ms > 0 or call.heard:
            return None
        case "no_answer":
            return NoAnswerError()
        case "declined" | "busy" | "elsewhere":
            return CallNotMadeError(ENDINGS[call.reason])
        case "failed" | "lost" | "no_path" | "unknown_call":
            return NoConnectionError(ENDINGS[call.reason])
        case "refused":
            side = "the other side refused it" if call.by_peer else "this side refused it"
            return CallRefusedError(f"{side}: {_refusal(call.refusal)}")
        case _:
            given_up = "the caller gave up" if call.by_peer else "you gave up"
            return CallNotMadeError(given_up)


STATES = {
    "opening": "calling",
    "calling": "calling",
    "ringing": "ringing",
    "incoming": "rings here",
    "answering": "answering",
    "connecting": "connecting",
    "active": "connected",
    "reconnecting": "connecting again",
}
"""States of a call, for a person."""

ENDINGS = {
    "declined": "the call was declined",
    "busy": "the other side is in another call",
    "elsewhere": "another device has taken the call",
    "failed": "no connection could be made",
    "lost": "the connection broke and did not come back",
    "no_path": "one side hides its address, and there is no relay between the two",
    "unknown_call": "the other side's program has been started again",
}
"""Why a call was not made, or ended; by the words of spec/control.md#calls."""


def _state_lines(before: Call | None, call: Call, name: str) -> Iterator[str]:
    match call.state:
        case "opening" | "calling" if before is None or before.state not in CALLED:
            yield f"Calling {name} …"
        case "ringing":
            yield f"It rings at {name}."
        case "incoming":
            yield f"{name} is calling."
        case "connecting" if call.outgoing:
            yield f"{name} has answered."
        case "active" if before is not None and before.state == "reconnecting":
            yield "Connected again."
        case "active":
            yield f"Connected with {name}."
        case "reconnecting":
            yield "The connection broke; another one is being made."
        case _:
            # What follows at once, or what `error_of` and `farewell` say.
            pass


CALLED = {"opening", "calling"}
"""Two states that are one to a person."""


def _switch_lines(before: Call | None, call: Call, name: str) -> Iterator[str]:
    was = (
        (False,) * 6
        if before is None
        else (
            before.muted,
            before.held,
            before.recording,
            before.peer_muted,
            before.peer_held,
            before.peer_recording,
        )
    )
    switches = (
        (was[0], call.muted, "You are muted.", "You can be heard again."),
        (was[1], call.held, "You hold the call.", "You hold the call no longer."),
        (was[2], call.recording, f"You record; {name} is told.", "You do not record any more."),
        (was[3], call.peer_muted, f"{name} is muted.", f"{name} is not muted any more."),
        (was[4], call.peer_held, f"{name} holds the call.", f"{name} is back."),
        (
            was[5],
            call.peer_recording,
            f"{name} RECORDS what you say.",
            f"{name} does not record any more.",
        ),
    )
    for was_on, is_on, on, off in switches:
        if was_on != is_on:
            yield on if is_on else off


def _refusal(word: str) -> str:
    try:
        return REFUSALS[Refusal[word.upper()]]
    except KeyError:
        # Of a newer version.
        return escape(word)
