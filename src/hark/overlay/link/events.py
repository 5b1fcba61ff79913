"""Inputs and effects of the node's end of a link (spec/link.md).

The supernode's end is `hark.overlay.link.server`; its effects feed the mailbox service.
"""

from dataclasses import dataclass

from hark.machine import Instant
from hark.wire.address import Address
from hark.wire.error_codes import ErrorCode
from hark.wire.ids import MailboxId
from hark.wire.mailbox import MailboxAnswer, MailboxRequest

# Inputs: what the driver tells the machine.


@dataclass(frozen=True, slots=True)
class TransportOpened:
    """A TLS connection stands; nothing has been sent on it."""

    certificate_der: bytes
    """The certificate that the supernode showed, DER."""


@dataclass(frozen=True, slots=True)
class FrameReceived:
    """One frame, without its length."""

    frame: bytes


@dataclass(frozen=True, slots=True)
class TransportLost:
    """The connection could not be made, or is gone."""

    reason: str
    """For a person: "connection refused", "timed out", …; no address."""


ClientInput = TransportOpened | FrameReceived | TransportLost

# Effects: orders to the driver …


@dataclass(frozen=True, slots=True)
class OpenTransport:
    """Connect to the supernode."""

    address: Address


@dataclass(frozen=True, slots=True)
class SendFrame:
    """Send one frame (the driver adds the length)."""

    frame: bytes


@dataclass(frozen=True, slots=True)
class CloseTransport:
    """Close the connection; the machine treats it as gone already."""


# … and facts for the machines above.


@dataclass(frozen=True, slots=True)
class LinkUp:
    """The pin held and the hello was read: asks may go."""

    clock_offset_ms: int
    """The supernode's clock minus ours, in milliseconds."""


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The link is gone; the machine will try again at `retry_at` by itself."""

    reason: str
    cause: ErrorCode
    """Why, where the supernode said so; `NONE` otherwise."""
    wrong_supernode: bool
    """Whether another key answered at the address than the pinned one."""
    retry_at: Instant | None
    """None: it will not try again until told to (wrong version or key: hourly retry)."""


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """This mailbox is attached: its mail will be pushed."""

    mailbox: MailboxId
    prekey_count: int


@dataclass(frozen=True, slots=True)
class LoginRefused:
    """This mailbox was not attached."""

    mailbox: MailboxId
    code: ErrorCode


@dataclass(frozen=True, slots=True)
class MailArrived:
    """An envelope is here; it stays at the home until it is acknowledged."""

    mailbox: MailboxId
    sequence: int
    held_ms: int
    envelope: bytes


@dataclass(frozen=True, slots=True)
class LiveArrived:
    """A live envelope is here."""

    mailbox: MailboxId
    envelope: bytes


@dataclass(frozen=True, slots=True)
class AnswerArrived:
    """The answer to an ask."""

    request_id: int
    request: MailboxRequest
    """What had been asked."""
    answer: MailboxAnswer


@dataclass(frozen=True, slots=True)
class AskFailed:
    """The link went before the answer came. The request may have been carried out."""

    request_id: int
    request: MailboxRequest


@dataclass(frozen=True, slots=True)
class LiveOutcome:
    """Whether a live envelope was passed on."""

    request_id: int
    passed: bool


@dataclass(frozen=True, slots=True)
class PrekeysRanLow:
    """The home asks for more one-time keys."""

    mailbox: MailboxId
    prekey_count: int


ClientEffect = (
    OpenTransport
    | SendFrame
    | CloseTransport
    | LinkUp
    | LinkDown
    | LoggedIn
    | LoginRefused
    | MailArrived
    | LiveArrived
    | AnswerArrived
    | AskFailed
    | LiveOutcome
    | PrekeysRanLow
)
