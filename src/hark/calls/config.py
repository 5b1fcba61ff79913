"""How calls behave: every interval and bound, with unit and reason.

What two sides must agree on is not here but in `hark.wire.call` and `spec/registry.toml`.
Source: spec/calls.md#time-limits.
"""

from dataclasses import dataclass

from hark.calls.media import IceServer


@dataclass(frozen=True, slots=True)
class CallConfig:
    """Settings of one device's calls. The defaults are the protocol's; tests shorten some."""

    ice_servers: tuple[IceServer, ...] = ()
    """Servers that the media engine may use; there is never one that is not named here."""
    max_calls: int = 1
    """Calls at a time; a further one is answered *busy*."""
    open_timeout_s: float = 10.0
    """From the order to make our end of a connection to its being there. An engine that is
    loaded for the first time takes a second of it."""
    ring_s: float = 45.0
    """How long a caller waits for somebody to answer."""
    incoming_ring_s: float = 60.0
    """How long a device rings. Longer than the caller waits: the caller's word ends it."""
    ring_confirm_s: float = 5.0
    """A ring that the caller has not confirmed for so long is an old one that somebody kept
    back, or the caller is gone: the call was missed."""
    connect_timeout_s: float = 15.0
    """From the answer to a media path."""
    candidates_timeout_s: float = 10.0
    """From the other side's confirmation to the last candidates that it speaks of. They were
    sent before it."""
    check_timeout_s: float = 20.0
    """From the answer to the end of all checks. A confirmation that never comes would leave
    two people talking over a set-up that nobody has compared."""
    reconnect_timeout_s: float = 20.0
    """From the break of a path to giving the call up."""
    redial_attempt_s: float = 6.0
    """How long one attempt at a new path may take before the next."""
    redial_pause_s: float = 1.0
    """Shortest time from one attempt to the next: a peer cannot make us open more."""
    closed_wait_s: float = 1.0
    """Wait for the end that belongs to a connection which the other side has closed."""
    busy_wait_s: float = 3.0
    """After *busy* from one device: wait for another one to ring. How many there are, a caller
    does not know."""
    glare_wait_s: float = 5.0
    """After word that both called at once: wait for the other call."""
    keep_ended_s: float = 60.0
    """How long an ended call is remembered, to be shown and to answer late signals."""
    max_ended: int = 64
    """Ended calls remembered at most; the oldest is forgotten first."""
    early_s: float = 10.0
    """How long a signal is kept that has overtaken the one which it belongs to."""
    max_early: int = 64
    """Such signals kept at most, of all calls together."""
