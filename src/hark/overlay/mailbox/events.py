"""What goes into the mailbox service and what comes out (spec/mailbox.md).

The service is fed batches of inputs by whoever owns the links (workers), and returns outputs
for them after the batch has been committed. A link is named by a number that its worker
chose; the service never learns an address.
"""

from dataclasses import dataclass
from typing import NewType

from hark.wire.error_codes import ErrorCode
from hark.wire.ids import MailboxId
from hark.wire.mailbox import MailboxAnswer, MailboxRequest

LinkRef = NewType("LinkRef", int)
"""A link of some worker: worker index << 32 | number that this worker never reuses."""


@dataclass(frozen=True, slots=True)
class Attach:
    """A link proved the owner key of a mailbox (the signature has been checked)."""

    link: LinkRef
    mailbox: MailboxId
    owner_key: bytes
    generation: int
    instance: bytes


@dataclass(frozen=True, slots=True)
class Detach:
    """A link is gone, with all its attached mailboxes."""

    link: LinkRef


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of a link, parsed."""

    link: LinkRef
    request_id: int
    request: MailboxRequest


@dataclass(frozen=True, slots=True)
class Acked:
    """A link has these envelopes safe; they are deleted."""

    link: LinkRef
    mailbox: MailboxId
    sequences: list[int]


@dataclass(frozen=True, slots=True)
class LiveAsked:
    """A live envelope to pass on, or not."""

    link: LinkRef
    request_id: int
    mailbox: MailboxId
    token: bytes
    envelope: bytes


ServiceInput = Attach | Detach | Asked | Acked | LiveAsked


@dataclass(frozen=True, slots=True)
class Attached:
    """Outcome of an `Attach`; mail follows as `Deliver` when `code` is `NONE`."""

    link: LinkRef
    mailbox: MailboxId
    code: ErrorCode
    prekey_count: int
    retry_after_ms: int


@dataclass(frozen=True, slots=True)
class Superseded:
    """A newer link has attached this link's mailbox; the older link is to be closed."""

    link: LinkRef


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to an `Asked`."""

    link: LinkRef
    request_id: int
    answer: MailboxAnswer


@dataclass(frozen=True, slots=True)
class Deliver:
    """Held mail for an attached mailbox."""

    link: LinkRef
    mailbox: MailboxId
    sequence: int
    held_ms: int
    envelope: bytes


@dataclass(frozen=True, slots=True)
class LiveAnswered:
    """Whether a `LiveAsked` was passed on."""

    link: LinkRef
    request_id: int
    passed: bool


@dataclass(frozen=True, slots=True)
class LiveDelivered:
    """A live envelope for an attached mailbox."""

    link: LinkRef
    mailbox: MailboxId
    envelope: bytes


@dataclass(frozen=True, slots=True)
class PrekeysRunLow:
    """The one-time keys of an attached mailbox are at or below the refill mark."""

    link: LinkRef
    mailbox: MailboxId
    prekey_count: int


ServiceOutput = (
    Attached | Superseded | Answered | Deliver | LiveAnswered | LiveDelivered | PrekeysRunLow
)
