"""The states of a call as a table: what leads from one to another, and how a call ends.

Everything that can happen to a call is a `Step`; `TRANSITIONS` says what a step does in each
state. A step that is not listed for a state changes nothing there: late and repeated signals
undo nothing. The diagram in docs/reference/state-diagrams.md is drawn from this table.
Source: spec/calls.md#states.
"""

from enum import Enum
from typing import NamedTuple

from hark.calls.config import CallConfig
from hark.calls.events import CallState
from hark.wire.call import CallOutcome, EndReason


class Step(Enum):
    """What leads from one state to another."""

    OPENED = "opened"
    """Our end of the first connection exists."""
    RANG = "rang"
    """A device of the contact rings."""
    ANSWERED = "answered"
    """A device of the contact has answered, and its answer held."""
    TAKEN = "taken"
    """We answer."""
    DECLINED = "declined"
    """We do not want the call that rings here."""
    HUNG_UP = "hung_up"
    """The person here ends the call, in whatever state it is."""
    OVERRULED = "overruled"
    """Both called at once, and the other call goes on."""
    BUSY = "busy"
    """There is another call here."""
    CONNECTED = "connected"
    """A media path stands."""
    SILENT = "silent"
    """Nothing comes any more on the path."""
    BACK = "back"
    """The path that was silent speaks again."""
    NOT_CONNECTED = "not_connected"
    """The media engine cannot make the first path."""
    NO_ADDRESS = "no_address"
    """Our address is hidden, and there is no relay."""
    NOT_CONFIRMED = "not_confirmed"
    """The caller has not said that it is waiting."""
    TIME_OUT = "time_out"
    """The state has lasted as long as it may."""
    PEER_ENDED = "peer_ended"
    """The other side says that the call is over."""
    PEER_GONE = "peer_gone"
    """The other side has closed the path and says nothing."""
    REFUSED = "refused"
    """A signal was not what it must be."""


class Telling(Enum):
    """Which devices of the contact are told of an end."""

    NOBODY = "nobody"
    """None knows of the call, or none may learn that we do."""
    PEER = "peer"
    """The other end; before an answer, every device."""
    OTHERS = "others"
    """Every device but the one that has ended the call."""


class Move(NamedTuple):
    """What a step does in a state."""

    to: CallState
    reason: EndReason | None = None
    """For `ENDED`: why; None when the step brings the reason with it."""
    telling: Telling = Telling.NOBODY


def _end(reason: EndReason | None, telling: Telling = Telling.PEER) -> Move:
    return Move(CallState.ENDED, reason, telling)


_REFUSED = _end(EndReason.REFUSED)
_ENDED_BY_PEER = _end(None, Telling.NOBODY)

_UNANSWERED: dict[Step, Move] = {
    Step.RANG: Move(CallState.RINGING),
    Step.ANSWERED: Move(CallState.CONNECTING),
    Step.HUNG_UP: _end(EndReason.CANCELLED),
    Step.OVERRULED: _end(EndReason.GLARE),
    Step.NOT_CONNECTED: _end(EndReason.FAILED),
    Step.NO_ADDRESS: _end(EndReason.NO_PATH),
    Step.TIME_OUT: _end(EndReason.NO_ANSWER),
    Step.PEER_ENDED: _end(None, Telling.OTHERS),
    Step.REFUSED: _REFUSED,
}
_ON_THE_PATH: dict[Step, Move] = {
    Step.CONNECTED: Move(CallState.ACTIVE),
    Step.HUNG_UP: _end(EndReason.HUNG_UP),
    Step.PEER_ENDED: _ENDED_BY_PEER,
    Step.PEER_GONE: _end(EndReason.HUNG_UP),
    Step.REFUSED: _REFUSED,
}

TRANSITIONS: dict[CallState, dict[Step, Move]] = {
    CallState.OPENING: {
        Step.OPENED: Move(CallState.CALLING),
        Step.HUNG_UP: _end(EndReason.CANCELLED, Telling.NOBODY),
        Step.OVERRULED: _end(EndReason.GLARE, Telling.NOBODY),
        Step.NOT_CONNECTED: _end(EndReason.FAILED, Telling.NOBODY),
        Step.NO_ADDRESS: _end(EndReason.NO_PATH, Telling.NOBODY),
        Step.TIME_OUT: _end(EndReason.FAILED, Telling.NOBODY),
    },
    CallState.CALLING: _UNANSWERED,
    CallState.RINGING: _UNANSWERED,
    CallState.INCOMING: {
        Step.TAKEN: Move(CallState.ANSWERING),
        Step.DECLINED: _end(EndReason.DECLINED),
        Step.HUNG_UP: _end(EndReason.DECLINED),
        Step.OVERRULED: _end(EndReason.GLARE),
        Step.BUSY: _end(EndReason.BUSY),
        Step.NOT_CONFIRMED: _end(EndReason.NO_ANSWER, Telling.NOBODY),
        Step.TIME_OUT: _end(EndReason.NO_ANSWER, Telling.NOBODY),
        Step.PEER_ENDED: _ENDED_BY_PEER,
        Step.REFUSED: _REFUSED,
    },
    CallState.ANSWERING: {
        Step.OPENED: Move(CallState.CONNECTING),
        Step.HUNG_UP: _end(EndReason.DECLINED),
        Step.NOT_CONNECTED: _end(EndReason.FAILED),
        Step.NO_ADDRESS: _end(EndReason.NO_PATH),
        Step.TIME_OUT: _end(EndReason.FAILED),
        Step.PEER_ENDED: _ENDED_BY_PEER,
        Step.REFUSED: _REFUSED,
    },
    CallState.CONNECTING: {
        **_ON_THE_PATH,
        Step.NOT_CONNECTED: _end(EndReason.FAILED),
        Step.NO_ADDRESS: _end(EndReason.NO_PATH),
        Step.TIME_OUT: _end(EndReason.FAILED),
    },
    CallState.ACTIVE: {
        **_ON_THE_PATH,
        Step.SILENT: Move(CallState.RECONNECTING),
    },
    CallState.RECONNECTING: {
        **_ON_THE_PATH,
        Step.BACK: Move(CallState.ACTIVE),
        Step.TIME_OUT: _end(EndReason.LOST),
    },
    CallState.ENDED: {},
}
"""State → step → where it leads."""


def time_limit_s(state: CallState, config: CallConfig) -> float | None:
    """Return how long a call may be in a state, in seconds; None for as long as it likes.

    `RINGING` has no limit of its own: the one of `CALLING` goes on.
    """
    return {
        CallState.OPENING: config.open_timeout_s,
        CallState.CALLING: config.ring_s,
        CallState.INCOMING: config.incoming_ring_s,
        CallState.ANSWERING: config.open_timeout_s,
        CallState.CONNECTING: config.connect_timeout_s,
        CallState.RECONNECTING: config.reconnect_timeout_s,
    }.get(state)


_TO_CALLER: dict[EndReason, CallOutcome] = {
    # Answered, and ended by one of the two before there was a path.
    EndReason.HUNG_UP: CallOutcome.ANSWERED,
    EndReason.CANCELLED: CallOutcome.CANCELLED,
    EndReason.DECLINED: CallOutcome.DECLINED,
    EndReason.BUSY: CallOutcome.BUSY,
    EndReason.NO_ANSWER: CallOutcome.MISSED,
    EndReason.GLARE: CallOutcome.CANCELLED,
}
_TO_CALLEE: dict[EndReason, CallOutcome] = {
    EndReason.HUNG_UP: CallOutcome.ANSWERED,
    EndReason.CANCELLED: CallOutcome.MISSED,
    EndReason.DECLINED: CallOutcome.DECLINED,
    EndReason.BUSY: CallOutcome.BUSY,
    EndReason.NO_ANSWER: CallOutcome.MISSED,
    EndReason.ELSEWHERE: CallOutcome.ELSEWHERE,
    EndReason.GLARE: CallOutcome.CANCELLED,
}


def outcome_of(reason: EndReason, *, outgoing: bool, connected: bool) -> CallOutcome:
    """Return what history keeps of a call that has ended.

    Args:
        reason: why it ended, whoever ended it.
        outgoing: whether we called.
        connected: whether a media path ever stood.
    """
    if reason is EndReason.REFUSED:
        return CallOutcome.FAILED
    if connected:
        return CallOutcome.ANSWERED
    return (_TO_CALLER if outgoing else _TO_CALLEE).get(reason, CallOutcome.FAILED)
