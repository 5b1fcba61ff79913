"""One media path of a call, as the signals have described it so far."""

from hark.calls.candidates import OwnCandidates, PeerCandidates
from hark.machine import Instant
from hark.wire.call import CallTransport
from hark.wire.ids import CallId


class Connection:
    """A connection that is being made, or stands. Numbered from 1; no number comes twice."""

    def __init__(self, call: CallId, number: int) -> None:
        self.number = number
        self.since = Instant(0.0)
        """When our end was ordered."""
        self.own = OwnCandidates(call, number)
        self.theirs = PeerCandidates()
        self.local: CallTransport | None = None
        """Our end, once the engine has made it."""
        self.remote: CallTransport | None = None
        """The other end, once a signal has described it."""
        self.joined = False
        """Whether the engine has been ordered to connect the two."""
        self.stands = False
        """Whether media pass."""
