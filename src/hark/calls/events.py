"""What the call machine takes and gives, besides the media port (`hark.calls.media`).

It knows accounts and devices, and nothing of mailboxes, stores or sockets: signals go out and
come in as encoded bytes, and who joins the two sides is the node.
Source: spec/calls.md.
"""

from dataclasses import dataclass
from enum import StrEnum

from hark.calls.media import MediaOrder, MediaPath, MediaQuality
from hark.identity.sas import Emoji
from hark.wire.call import CallOutcome, EndReason, Refusal
from hark.wire.ids import AccountId, CallId, DeviceId


@dataclass(frozen=True, slots=True)
class Peer:
    """A contact that may be called now, and by which keys the two know each other."""

    account: AccountId
    own_epoch: int
    peer_epoch: int


# Input.


@dataclass(frozen=True, slots=True)
class SignalReceived:
    """A signal of an accepted contact has come, no later than it may ring."""

    peer: Peer
    device: DeviceId
    body: bytes
    """As it was carried."""


# Effects.


@dataclass(frozen=True, slots=True)
class SendSignal:
    """Send a signal to a contact."""

    account: AccountId
    body: bytes
    device: DeviceId | None = None
    """To this device; None: to all."""
    but_not: DeviceId | None = None
    """With `device` None: to all but this one."""


@dataclass(frozen=True, slots=True)
class RecordCall:
    """Note in the history what a call is, or has become."""

    call: CallId
    account: AccountId
    """The contact."""
    caller_device: DeviceId | None
    """Of the contact, when it is the caller; None: we are."""
    outcome: CallOutcome
    duration_ms: int


@dataclass(frozen=True, slots=True)
class CallChanged:
    """A call is new or has changed: for the faces."""

    view: "CallView"


CallEffect = SendSignal | RecordCall | CallChanged | MediaOrder


# What a person is shown.


class CallState(StrEnum):
    """Where a call is (spec/calls.md#states)."""

    OPENING = "opening"
    """We are calling; our own end is being made."""
    CALLING = "calling"
    """The offer is out; no device rings yet."""
    RINGING = "ringing"
    """We are calling, and a device of the contact rings."""
    INCOMING = "incoming"
    """We are being called."""
    ANSWERING = "answering"
    """We have taken the call; our own end is being made."""
    CONNECTING = "connecting"
    """Answered; the media path is being made."""
    ACTIVE = "active"
    """Connected: what is said on one side is heard on the other."""
    RECONNECTING = "reconnecting"
    """The path broke; another one is being made."""
    ENDED = "ended"
    """Over; shown for another minute."""


class SasState(StrEnum):
    """Whether the emoji may be compared."""

    CHECKING = "checking"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class CallView:
    """A call as it is now."""

    call: CallId
    account: AccountId
    device: DeviceId | None
    """The contact's device, once one has called or answered."""
    outgoing: bool
    state: CallState
    ring_confirmed: bool
    """For `INCOMING`: the caller has said that it is waiting."""
    reason: EndReason | None
    """For `ENDED`: why."""
    by_peer: bool
    """For `ENDED`: whether the other side ended it."""
    refusal: Refusal
    """For `ENDED` with `REFUSED`: what was wrong, and `by_peer` says to whom."""
    path: MediaPath | None
    sas_state: SasState
    sas: tuple[Emoji, ...]
    """Seven, once `READY`."""
    heard: bool
    """Whether anything of the other end has been played."""
    muted: bool
    held: bool
    records: bool
    """Whether we record; the other side has been told."""
    peer_muted: bool
    peer_held: bool
    peer_records: bool
    quality: MediaQuality | None
    connection: int
    """Number of the present connection; 0 before the first."""
    redials: int
    duration_ms: int
    """Since the answer; 0 before."""
