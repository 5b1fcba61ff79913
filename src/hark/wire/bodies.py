"""The bodies of messages: what one device tells another inside the ratchet.

A body is a MessagePack message; which one is said by the `type` of the payload
(`hark.wire.envelope`). A type that this version does not know is kept as it came, so that a
newer version can read it: it is never an error. Source: spec/messaging.md#bodies.
"""

from enum import IntEnum
from typing import Annotated

from msgspec import Meta

from hark.wire.address import MAX_HOST_BYTES, MAX_PORT
from hark.wire.codec import Message, Parser
from hark.wire.mailbox import U53, Bytes16, Bytes32
from hark.wire.sound import MAX_VOICEMAIL_BYTES, OPUS_PACKET_BYTES
from hark.wire.text import MAX_TEXT_CHARS

MAX_NAME_CHARS = 64
MAX_DEVICES = 10
"""Devices of one account (`spec/identity.md`)."""
MAX_HOMES = 2
MAX_RECEIPT_IDS = 256
"""Receipts in one body: 4 KiB."""
MAX_CHAIN_BYTES = 64 * 1024
"""A shortened chain with four changes of the root, 11 kB each."""

Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT_CHARS)]
Name = Annotated[str, Meta(max_length=MAX_NAME_CHARS)]
ChainBytes = Annotated[bytes, Meta(max_length=MAX_CHAIN_BYTES)]
MessageIds = Annotated[list[Bytes16], Meta(min_length=1, max_length=MAX_RECEIPT_IDS)]


class BodyType(IntEnum):
    """Number of a body in the payload. Numbers are never used again for something else."""

    TEXT = 1
    RECEIPT = 2
    CONTACT_REQUEST = 3
    CONTACT_ACCEPT = 4
    CARD = 5
    CHAIN = 6
    SYNC = 7
    TYPING = 8
    PRESENCE = 9
    CALL = 10
    """A signal of a call (`hark.wire.call`)."""
    VOICEMAIL = 11
    CALL_RECORD = 12
    """A call in the history; never sent."""


class HomeCard(Message):
    """One home of a device: where its mail goes. Travels end to end only."""

    node_id: Bytes32
    host: Annotated[str, Meta(min_length=1, max_length=MAX_HOST_BYTES)]
    port: Annotated[int, Meta(ge=1, le=MAX_PORT)]
    contact_mailbox: Bytes16
    requests_mailbox: Bytes16
    token: Bytes16
    """The contact mailbox's delivery token."""


class DeviceCard(Message):
    """Where one device of an account has its mailboxes."""

    device: Bytes16
    counter: U53
    """Grows with every change; the highest counts."""
    homes: Annotated[list[HomeCard], Meta(max_length=MAX_HOMES)]


Cards = Annotated[list[DeviceCard], Meta(max_length=MAX_DEVICES)]


class TextBody(Message):
    """A text."""

    order: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    """One more than the highest order that the writer has seen in this conversation."""
    text: Text


VoicePackets = Annotated[
    bytes, Meta(min_length=OPUS_PACKET_BYTES, max_length=MAX_VOICEMAIL_BYTES)
]


class VoicemailBody(Message):
    """A spoken message: Opus packets of `OPUS_PACKET_BYTES` each, one after the other."""

    order: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    """As in `TextBody`."""
    packets: VoicePackets

    def __post_init__(self) -> None:
        if len(self.packets) % OPUS_PACKET_BYTES:
            raise ValueError("a voicemail that is cut off within a packet")


class ReceiptKind(IntEnum):
    """What a receipt says."""

    DELIVERED = 0
    READ = 1


class ReceiptBody(Message):
    """These messages of yours are here, or have been read."""

    kind: Annotated[int, Meta(ge=0, le=1)]
    message_ids: MessageIds


class ContactRequestBody(Message):
    """May I write to you? Answer to these mailboxes."""

    name: Name
    """What the sender calls itself; the recipient may choose another name."""
    invitation_token: Annotated[bytes, Meta(max_length=16)]
    """The token of an invitation, 16 bytes; empty for a stranger."""
    cards: Cards
    wants_call: bool = False
    """Whether the sender would like to call. A stranger's call is no more than this word."""


class ContactAcceptBody(Message):
    """Yes; here are my mailboxes."""

    name: Name
    cards: Cards


class CardBody(Message):
    """My mailboxes or tokens have changed."""

    cards: Cards


class ChainBody(Message):
    """My chain of statements has grown."""

    chain: ChainBytes


class SyncText(Message, tag=1):
    """Another device of this account has written a text, or knows more about it."""

    contact: Bytes32
    message_id: Bytes16
    sent_unix_ms: U53
    text: TextBody
    state: Annotated[str, Meta(max_length=16)]
    """What the writing device has heard: `held` (nothing yet), `delivered` or `read`."""


class SyncContact(Message, tag=2):
    """Another device of this account has learned or changed a contact."""

    contact: Bytes32
    name: Name
    status: Annotated[str, Meta(max_length=16)]
    trust: Annotated[str, Meta(max_length=16)]
    chain: ChainBytes
    cards: Cards


class SyncRead(Message, tag=3):
    """Another device of this account has read these."""

    contact: Bytes32
    message_ids: MessageIds


SyncBody = SyncText | SyncContact | SyncRead


class EmptyBody(Message):
    """Typing, or presence: that it came is what it says."""


TEXT_PARSER: Parser[TextBody] = Parser(TextBody)
VOICEMAIL_PARSER: Parser[VoicemailBody] = Parser(VoicemailBody)
RECEIPT_PARSER: Parser[ReceiptBody] = Parser(ReceiptBody)
CONTACT_REQUEST_PARSER: Parser[ContactRequestBody] = Parser(ContactRequestBody)
CONTACT_ACCEPT_PARSER: Parser[ContactAcceptBody] = Parser(ContactAcceptBody)
CARD_PARSER: Parser[CardBody] = Parser(CardBody)
CHAIN_PARSER: Parser[ChainBody] = Parser(ChainBody)
SYNC_PARSER: Parser[SyncBody] = Parser(SyncBody)
EMPTY_PARSER: Parser[EmptyBody] = Parser(EmptyBody)
DEVICE_CARD_PARSER: Parser[DeviceCard] = Parser(DeviceCard)
