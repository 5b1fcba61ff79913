"""What a person is shown: frozen values, made by one reading transaction."""

from dataclasses import dataclass
from enum import StrEnum

from hark.messaging.events import Cause, ContactStatus, MessageState, Trust
from hark.wire.address import Address
from hark.wire.call import CallOutcome
from hark.wire.ids import AccountId, DeviceId, MessageId

NEWER_HARK_TEXT = "(a newer hark is needed to read this)"
"""Shown in the place of a message whose kind this version does not know."""


@dataclass(frozen=True, slots=True)
class OwnHome:
    """A home of this device."""

    address: Address
    connected: bool
    ready: bool
    """Its mailboxes exist, are attached, and hold our newest bundle."""


@dataclass(frozen=True, slots=True)
class OwnAccount:
    """Who we are."""

    account_id: AccountId
    device_id: DeviceId
    name: str
    epoch: int
    chain_seq: int
    device_count: int
    homes: list[OwnHome]


@dataclass(frozen=True, slots=True)
class ContactView:
    """A person."""

    account_id: AccountId
    name: str
    their_name: str
    """What they call themselves."""
    status: ContactStatus
    trust: Trust
    safety_number: str
    """60 digits; empty while their keys are not known."""
    device_count: int
    unread: int
    last_unix_ms: int
    """When the newest message was written; 0 for none."""
    wants_call: bool
    """For a stranger: whether this person would like to call."""


class MessageKind(StrEnum):
    """What a message is."""

    TEXT = "text"
    CALL = "call"
    VOICEMAIL = "voicemail"
    UNKNOWN = "unknown"
    """Of a newer hark."""


@dataclass(frozen=True, slots=True)
class MessageView:
    """A message in a conversation."""

    message_id: MessageId
    contact: AccountId
    outgoing: bool
    kind: MessageKind
    text: str
    """Empty for a call and for a voicemail."""
    sent_unix_ms: int
    order: int
    position: bytes
    """Its place; `history(before=…)` takes it."""
    state: MessageState
    held_by: int
    cause: Cause
    unread: bool
    outcome: CallOutcome | None
    """What has become of a call; None for what is no call."""
    duration_ms: int
    """Of a call, from answer to end; of a voicemail; 0 otherwise."""


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """What `hark doctor` shows about messaging. Holds no names and no content."""

    generation: int
    overtaken: bool
    """A home has seen a newer copy of this store: nothing is sent or fetched any more."""
    outbox_count: int
    outbox_by_cause: dict[str, int]
    quarantine_by_cause: dict[str, int]
    clock_offset_ms: int
    """What the homes say that our clock lacks."""
    clock_is_wrong: bool
    envelope_key_ages_ms: list[int]
    """Newest first."""
    one_time_keys: int
    internal_errors: dict[str, int]
    """Bugs that single inputs met; their envelopes are in the quarantine."""
