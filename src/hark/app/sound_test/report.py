"""What a sound test found, in plain words, told to the caller.

The callee looks at its own end of the call; the report turns every sentence round, so that
*you* is the caller. Quality is a word for numbers that were measured, not for what anybody
has heard, and says which numbers they are.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from hark.control.schema import Call, CallPath, CallQuality


class Grade(IntEnum):
    """How well a call does."""

    BAD = 1
    FAIR = 2
    GOOD = 3
    VERY_GOOD = 4


WORDS = {
    Grade.BAD: "bad",
    Grade.FAIR: "fair",
    Grade.GOOD: "good",
    Grade.VERY_GOOD: "very good",
}
TITLE = "Sound test"
"""First line of every report."""
LOSS_LIMITS = (0.01, 0.05, 0.15)
"""Largest share for very good, good and fair. Voice with concealment and error correction loses
little to 5 %, and is hard to follow beyond 15 %."""
ROUND_TRIP_LIMITS_MS = (200.0, 400.0, 700.0)
"""Up to 150 ms one way, the path and both ends together, nobody notices; beyond 400 ms people
interrupt each other. Source: ITU-T G.114."""
JITTER_LIMITS_MS = (20.0, 40.0, 80.0)
"""One, two and four frames: what it takes to wait for late ones is added to the delay."""


@dataclass
class Findings:
    """What the callee has seen of a call until now."""

    call: Call | None = None
    """As it was last."""
    path: CallPath | None = None
    """The last path that stood."""
    qualities: list[CallQuality] = field(default_factory=list)
    """Every measurement, oldest first."""
    recorded_ms: int | None = None
    """How much the caller said; None while that is not over."""

    def take(self, call: Call) -> None:
        """Take the call as it is now."""
        self.call = call
        self.path = call.path or self.path
        quality = call.quality
        if quality is not None and (not self.qualities or quality != self.qualities[-1]):
            self.qualities.append(quality)

    @property
    def relayed(self) -> bool:
        """Whether the last path was relayed."""
        return self.path is not None and self.path.kind == "relayed"

    @property
    def measured(self) -> "Measured":
        """All measurements in one."""
        return _together(self.qualities)


@dataclass(frozen=True, slots=True)
class Measured:
    """A whole call in numbers; None: not known."""

    round_trip_ms: float | None = None
    jitter_ms: float | None = None
    loss_to_caller: float | None = None
    loss_from_caller: float | None = None
    made_up: float | None = None
    """Share of what was played here that had not arrived."""
    refused_count: int = 0

    def grade(self) -> Grade:
        """Return the worst of what is known; nothing known is bad."""
        pairs = (
            (self.loss_to_caller, LOSS_LIMITS),
            (self.loss_from_caller, LOSS_LIMITS),
            (self.made_up, LOSS_LIMITS),
            (self.round_trip_ms, ROUND_TRIP_LIMITS_MS),
            (self.jitter_ms, JITTER_LIMITS_MS),
        )
        known = [_grade(value, limits) for value, limits in pairs if value is not None]
        return min(known, default=Grade.BAD)


def report(found: Findings) -> str:
    """Return the report as the text of a message."""
    return "\n".join(_lines(found))


def _lines(found: Findings) -> Iterator[str]:
    yield TITLE
    path = found.path
    if path is None:
        yield _not_connected(found.call)
        return
    yield from _end(found)
    if path.kind == "relayed":
        yield f"Path: relayed by {path.relay}, which cannot hear what it passes on."
    else:
        yield "Path: direct, from your node to mine; nothing in between passes it on."
    yield _nat(path)
    # What we show is what the caller sees.
    yield f"Addresses: {_seen(path)}."
    yield from _numbers(found.measured)
    if found.recorded_ms == 0:
        yield "I heard nothing that I could play back."
    elif found.recorded_ms is not None:
        yield f"I recorded {found.recorded_ms / 1000:.1f} s in memory, and have forgotten it."


def _not_connected(call: Call | None) -> str:
    if call is not None and call.by_peer:
        return "You hung up before we were connected."
    return "We were not connected: no path between your node and mine was found."


def _end(found: Findings) -> Iterator[str]:
    call = found.call
    if call is None:
        return
    if call.redials:
        yield f"The path broke and was made anew ({call.redials} ×)."
    if call.reason == "hung_up" and call.by_peer:
        yield "You hung up before the test was over; this is what I saw until then."
    elif call.state == "ended":
        yield "The call broke off before the test was over; this is what I saw until then."


def _nat(path: CallPath) -> str:
    if path.nat == "none":
        return "NAT: none in between."
    return "NAT: of what kind is not known."


def _seen(path: CallPath) -> str:
    match path.address_seen, path.address_shown:
        case True, True:
            return "I could see one of yours, and you one of mine"
        case True, False:
            return "I could see one of yours; you could see none of mine"
        case False, True:
            return "you could see one of mine; I could see none of yours"
        case _:
            return "neither of us could see one of the other"


def _numbers(measured: Measured) -> Iterator[str]:
    if measured == Measured():
        yield "Nothing was measured: for that the call was too short."
        return
    yield f"Round trip: {_ms(measured.round_trip_ms)}. Jitter: {_ms(measured.jitter_ms)}."
    yield (
        f"Loss: {_share(measured.loss_from_caller)} from you to me, "
        f"{_share(measured.loss_to_caller)} from me to you."
    )
    if measured.refused_count:
        yield f"I refused {measured.refused_count} frames: damaged, repeated, or not yours."
    yield (
        f"Quality: {WORDS[measured.grade()]}, judged by loss, round trip, jitter, and the "
        f"{_share(measured.made_up)} of your voice that had to be made up; not by listening."
    )


def _together(qualities: list[CallQuality]) -> Measured:
    if not qualities:
        return Measured()
    last = qualities[-1]
    played = last.frames_played + last.frames_concealed
    return Measured(
        round_trip_ms=_mean([quality.round_trip_ms for quality in qualities]),
        jitter_ms=_mean([quality.jitter_ms for quality in qualities]),
        loss_to_caller=_mean([quality.loss_sent for quality in qualities]),
        loss_from_caller=_mean([quality.loss_received for quality in qualities]),
        made_up=last.frames_concealed / played if played else None,
        refused_count=last.frames_refused,
    )


def _mean(values: list[float]) -> float | None:
    # A negative one stands for "not known yet".
    known = [value for value in values if value >= 0]
    return sum(known) / len(known) if known else None


def _grade(value: float, limits: tuple[float, float, float]) -> Grade:
    better = sum(value <= limit for limit in limits)
    return Grade(Grade.BAD + better)


def _ms(value: float | None) -> str:
    return "not known" if value is None else f"{value:.1f} ms"


def _share(value: float | None) -> str:
    return "an unknown share" if value is None else f"{value:.1%}".replace("%", " %")
