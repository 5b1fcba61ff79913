"""Inputs, effects and events of messaging (spec/messaging.md).

Inputs come from the links of the homes; effects are orders to them; events are facts for the
faces. An effect becomes visible only after the transaction that gave rise to it has been
committed, so nothing leaves the device that a crash could make it forget.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from hark.wire.address import Address
from hark.wire.call import CallOutcome
from hark.wire.ids import AccountId, CallId, DeviceId, MailboxId, MessageId, NodeId
from hark.wire.mailbox import MailboxAnswer, MailboxRequest

# Inputs.


@dataclass(frozen=True, slots=True)
class HomeUp:
    """The link to a supernode stands: asks to it may go."""

    home: NodeId
    clock_offset_ms: int
    """Its clock minus ours, in milliseconds."""


@dataclass(frozen=True, slots=True)
class HomeDown:
    """The link to a supernode is gone; asks under way have failed."""

    home: NodeId
    reason: str
    """For a person; holds no address."""


@dataclass(frozen=True, slots=True)
class MailboxAttached:
    """Our mailbox is logged in to; its mail will come."""

    home: NodeId
    mailbox: MailboxId
    prekey_count: int
    """One-time keys that the home holds."""


@dataclass(frozen=True, slots=True)
class MailboxRefused:
    """Our login to a mailbox was refused."""

    home: NodeId
    mailbox: MailboxId
    code: int
    """`hark.wire.error_codes.ErrorCode`."""


@dataclass(frozen=True, slots=True)
class PrekeysLow:
    """The home wants more one-time keys for this mailbox."""

    home: NodeId
    mailbox: MailboxId
    prekey_count: int


@dataclass(frozen=True, slots=True)
class MailReceived:
    """An envelope came; it stays at the home until `AcknowledgeMail`."""

    home: NodeId
    mailbox: MailboxId
    sequence: int
    held_ms: int
    envelope: bytes


@dataclass(frozen=True, slots=True)
class LiveReceived:
    """A live envelope came."""

    envelope: bytes


@dataclass(frozen=True, slots=True)
class AnswerReceived:
    """The answer to `AskHome`."""

    ask_id: int
    answer: MailboxAnswer


@dataclass(frozen=True, slots=True)
class AskLost:
    """`AskHome` was not answered. It may have been carried out; asking again is safe."""

    ask_id: int


@dataclass(frozen=True, slots=True)
class StampFound:
    """The answer to `FindStamp`."""

    stamp_id: int
    nonce: bytes


MessagingInput = (
    HomeUp
    | HomeDown
    | MailboxAttached
    | MailboxRefused
    | PrekeysLow
    | MailReceived
    | LiveReceived
    | AnswerReceived
    | AskLost
    | StampFound
)

# Effects: orders to the node.


@dataclass(frozen=True, slots=True)
class AskHome:
    """Ask a supernode; connect to it first if there is no link."""

    ask_id: int
    address: Address
    request: MailboxRequest


@dataclass(frozen=True, slots=True)
class KeepHome:
    """Keep a link to this supernode: one of our own homes."""

    address: Address


@dataclass(frozen=True, slots=True)
class LeaveHome:
    """This supernode is no longer a home of ours."""

    home: NodeId


@dataclass(frozen=True, slots=True)
class LogInMailbox:
    """Log in to our mailbox at a kept home, now and after every reconnect."""

    home: NodeId
    mailbox: MailboxId
    owner_seed: bytes
    """Seed of the mailbox's Ed25519 owner key, 32 bytes."""
    generation: int
    instance: bytes


@dataclass(frozen=True, slots=True)
class AcknowledgeMail:
    """These envelopes are safe here: the home may delete them."""

    home: NodeId
    mailbox: MailboxId
    sequences: list[int]


@dataclass(frozen=True, slots=True)
class SendLive:
    """Pass a live envelope, if the recipient is connected. Never repeated."""

    address: Address
    mailbox: MailboxId
    token: bytes
    envelope: bytes


@dataclass(frozen=True, slots=True)
class FindStamp:
    """Find a nonce for a stamp; takes about a second of work, away from this thread."""

    stamp_id: int
    challenge: bytes
    bits: int
    mailbox: bytes
    subject_hash: bytes


# Events: facts for the faces.


class MessageState(StrEnum):
    """State of a message as a person sees it; each of them is true."""

    WAITING = "waiting"
    """Here, and safe; no home has it yet."""
    HELD = "held"
    """One or more homes have promised to hold it."""
    DELIVERED = "delivered"
    """The recipient's own receipt says so."""
    READ = "read"
    """The recipient's own receipt says so."""
    EXPIRED = "expired"
    """Not delivered within 30 days."""
    RECEIVED = "received"
    """A message from the other side."""
    NOTED = "noted"
    """A call: it stands in the history of this device and is never sent."""


class Cause(StrEnum):
    """Why something waits, failed or needs a look. Each has a sentence at the faces."""

    NONE = "none"
    NO_HOME = "no_home"
    """No link to our own or the recipient's home."""
    FETCHING_KEYS = "fetching_keys"
    NEW_EPOCH = "new_epoch"
    """The contact's account was recovered; its new number has not been looked at."""
    FROZEN = "frozen"
    """The contact's account is forked."""
    MAILBOX_FULL = "mailbox_full"
    TOKEN_STALE = "token_stale"  # noqa: S105 - a cause, not a password
    """The contact has changed its token; asking by way of its requests mailbox."""
    REFUSED = "refused"
    """The home refused; tried again later."""
    KEYS_INVALID = "keys_invalid"
    """The home gave keys that do not verify; tried again later."""
    NOT_ACCEPTED = "not_accepted"
    """The other side has not accepted the contact yet."""
    BLOCKED = "blocked"
    HEALING = "healing"
    """Sent again in a new session, since no receipt came."""


class ContactStatus(StrEnum):
    """Where a contact stands."""

    INVITED = "invited"
    """We asked; the other side has not answered."""
    REQUESTED = "requested"
    """A stranger asks us; nothing is sent before we accept."""
    ACCEPTED = "accepted"
    BLOCKED = "blocked"


class Trust(StrEnum):
    """What is known about a contact's keys."""

    UNVERIFIED = "unverified"
    VERIFIED = "verified"
    NEW_EPOCH = "new_epoch"
    """Recovered since; sending stops until the number is looked at."""
    FROZEN = "frozen"


@dataclass(frozen=True, slots=True)
class MessageAdded:
    """A message is new in a conversation (ours or theirs)."""

    contact: AccountId
    message_id: MessageId
    outgoing: bool


@dataclass(frozen=True, slots=True)
class MessageChanged:
    """A message's state or cause has changed."""

    contact: AccountId
    message_id: MessageId
    state: MessageState
    held_by: int
    """Homes that hold it, 0..2 for one device of the recipient."""
    cause: Cause


class ContactChange(StrEnum):
    """What changed about a contact."""

    ADDED = "added"
    REQUESTED = "requested"
    ACCEPTED = "accepted"
    BLOCKED = "blocked"
    VERIFIED = "verified"
    DEVICES = "devices"
    """A device was added or removed: a notice."""
    NEW_EPOCH = "new_epoch"
    FROZEN = "frozen"
    RENAMED = "renamed"
    WANTS_CALL = "wants_call"
    """A stranger who has asked before would like to call."""


@dataclass(frozen=True, slots=True)
class ContactChanged:
    """A contact is new or has changed."""

    contact: AccountId
    change: ContactChange


@dataclass(frozen=True, slots=True)
class TypingSeen:
    """A contact is writing to us now (live, never stored)."""

    contact: AccountId


@dataclass(frozen=True, slots=True)
class PresenceSeen:
    """A contact with an open chat is here now (live, never stored)."""

    contact: AccountId


@dataclass(frozen=True, slots=True)
class HomeChanged:
    """A home of ours is now reachable, unreachable, or refuses us."""

    home: NodeId
    connected: bool
    reason: str
    """For a person, empty when connected."""


@dataclass(frozen=True, slots=True)
class StoreOvertaken:
    """A home has seen a newer copy of this store: this one stops for good."""


# What calls order of messaging.


@dataclass(frozen=True, slots=True)
class CallPeer:
    """A contact that may be called now."""

    account: AccountId
    own_epoch: int
    contact_epoch: int


@dataclass(frozen=True, slots=True)
class SignalOrder:
    """Send a signal to a contact: put once, given up after a minute."""

    account: AccountId
    body: bytes = field(repr=False)
    device: DeviceId | None
    """To this device; None: to all."""
    but_not: DeviceId | None
    """With `device` None: to all but this one."""


@dataclass(frozen=True, slots=True)
class RecordOrder:
    """Note in the history what a call is, or has become."""

    call: CallId
    contact: AccountId
    caller_device: DeviceId | None
    """Of the contact, when it is the caller; None: we are."""
    outcome: CallOutcome
    duration_ms: int


CallOrder = SignalOrder | RecordOrder


Event = (
    MessageAdded
    | MessageChanged
    | ContactChanged
    | TypingSeen
    | PresenceSeen
    | HomeChanged
    | StoreOvertaken
)


@dataclass(frozen=True, slots=True)
class CallSignalled:
    """An accepted contact's device has sent a signal of a call, soon enough to matter."""

    account: AccountId
    device: DeviceId
    body: bytes = field(repr=False)
    """As it was carried (`hark.wire.call`); perhaps no signal at all."""
    own_epoch: int
    contact_epoch: int
    """Epochs of the two accounts as we know them."""


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell the faces."""

    event: Event


MessagingEffect = (
    AskHome
    | KeepHome
    | LeaveHome
    | LogInMailbox
    | AcknowledgeMail
    | SendLive
    | FindStamp
    | CallSignalled
    | Notify
)
