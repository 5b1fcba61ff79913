"""Why something was asked of a home, so that its answer finds its way back.

A purpose is also what keeps two identical asks from being under way at once. All of this is
forgotten at a restart: what an ask was for follows from the store.
"""

from dataclasses import dataclass

from hark.wire.ids import AccountId, DeviceId, MessageId, NodeId


@dataclass(frozen=True, slots=True)
class RowKey:
    """One message on its way to one device."""

    message_id: MessageId
    account: AccountId
    device: DeviceId


@dataclass(frozen=True, slots=True)
class MailboxChallenge:
    """A challenge, to make a mailbox of this kind."""

    home: NodeId
    kind: int


@dataclass(frozen=True, slots=True)
class MakeMailbox:
    """Make a mailbox of this kind; also the purpose of its stamp."""

    home: NodeId
    kind: int


@dataclass(frozen=True, slots=True)
class Publish:
    """Lay this version of our bundle at the home."""

    home: NodeId
    kind: int
    version: int


@dataclass(frozen=True, slots=True)
class RefillPrekeys:
    """Add one-time keys."""

    home: NodeId


@dataclass(frozen=True, slots=True)
class ReplaceToken:
    """Tell the home our new delivery token."""

    home: NodeId
    token: bytes


@dataclass(frozen=True, slots=True)
class Register:
    """Tell the home the pass of an invitation."""

    home: NodeId
    slot: int
    token: bytes


@dataclass(frozen=True, slots=True)
class DropMailbox:
    """Delete a mailbox of a home that we leave."""

    home: NodeId
    mailbox: bytes


@dataclass(frozen=True, slots=True)
class ClaimKeys:
    """Fetch what is needed to write to a device."""

    account: AccountId
    device: DeviceId
    """Zeros while only the invitation is known."""
    slot: int
    by_requests: bool
    """Through the requests mailbox, without a token."""
    one_time: bool


@dataclass(frozen=True, slots=True)
class PutEnvelope:
    """Leave an envelope at home `slot` of its recipient."""

    key: RowKey
    slot: int


@dataclass(frozen=True, slots=True)
class PutChallenge:
    """A challenge, to leave an envelope with a stamp; also the purpose of that stamp."""

    key: RowKey
    slot: int


Purpose = (
    MailboxChallenge
    | MakeMailbox
    | Publish
    | RefillPrekeys
    | ReplaceToken
    | Register
    | DropMailbox
    | ClaimKeys
    | PutEnvelope
    | PutChallenge
)
