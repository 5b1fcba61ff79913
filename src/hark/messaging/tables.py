"""The rows that a device stores, and the orders in which they are read.

One row type for each table; the first columns are the key. Times are calendar time in
milliseconds. Enumerations are stored as their value. The schema in
`hark/node/storage/schema/` has the same names; a test compares them.
Source: spec/messaging.md#storage.
"""

from typing import NamedTuple

from hark.messaging.store import Index, Table

NEVER_UNIX_MS = 2**53 - 1
"""Stands for "no time" in columns that are read in order."""


class OwnRow(NamedTuple):
    """Who this device is. One row."""

    id: int
    account: bytes
    device: bytes
    name: str
    chain: bytes
    account_key_seed: bytes
    pickle_key: bytes
    generation: int
    """Starts of this store, counted before anything else is done."""
    stale: int
    """1: a home has seen a newer copy of this store."""
    card_counter: int
    started_unix_ms: int
    hide_address: int
    """1: contacts too are kept from seeing our address in a call."""


class OlmAccountRow(NamedTuple):
    """The device's long-lived ratchet keys. One row."""

    id: int
    pickle: bytes
    fallback_blob: bytes
    fallback_made_unix_ms: int
    one_time_count: int
    """One-time keys made and not yet used by anybody."""


class HomeRow(NamedTuple):
    """A home of this device."""

    node: bytes
    host: str
    port: int
    added_unix_ms: int
    reached_unix_ms: int
    """When it last attached a mailbox of ours."""


class MailboxRow(NamedTuple):
    """A mailbox of this device, made or still to be made."""

    node: bytes
    kind: int
    mailbox: bytes
    """Empty until the home has made it."""
    owner_seed: bytes
    token: bytes
    """The delivery token, 16 bytes; empty for a requests mailbox."""
    token_set: int
    """1: the home has this token."""
    published: int
    """Number of the published bundle that lies there (`bundle.version`)."""


class BundleRow(NamedTuple):
    """What is to lie at our homes. One row."""

    id: int
    version: int
    """Grows with every change of chain, record or fallback key."""


class EnvelopeKeyRow(NamedTuple):
    """One of our envelope keys."""

    key_id: bytes
    seed: bytes
    record: bytes
    counter: int
    made_unix_ms: int
    bundle_version: int
    """The first published bundle that holds it."""
    retired_unix_ms: int
    """When its successor had been published everywhere; 0 before."""


class ContactRow(NamedTuple):
    """A person."""

    account: bytes
    name: str
    their_name: str
    status: str
    trust: str
    epoch: int
    chain_seq: int
    invitation: str
    """The link that we were given, until the contact is accepted on both sides."""
    created_unix_ms: int
    changed_unix_ms: int
    wants_call: int
    """1: a stranger who would like to call."""


class ChainRow(NamedTuple):
    """The verified chain of an account."""

    account: bytes
    chain: bytes


class ConversationRow(NamedTuple):
    """What moves with every message of a contact."""

    account: bytes
    highest_order: int
    unread: int
    last_unix_ms: int


class PeerDeviceRow(NamedTuple):
    """A device that we write to: of a contact, or another one of ours."""

    account: bytes
    device: bytes
    ed_key: bytes
    curve_key: bytes
    card: bytes
    """Its `DeviceCard`, encoded; empty when we have none."""
    card_counter: int
    record: bytes
    """Its newest verified envelope-key record; empty when we have none."""
    record_counter: int
    gossip_counter: int
    """Highest counter that the device itself has named to us."""
    gossip_unix_ms: int
    claimed_unix_ms: int
    """When its home last gave us its bundle."""
    session_made_unix_ms: int
    """When we last opened a session to it."""


class SessionRow(NamedTuple):
    """One ratchet with a device."""

    account: bytes
    device: bytes
    session_id: str
    pickle: bytes
    rank: int
    """Grows at each use by the peer; the highest is sent on."""
    generation: int
    """The start of this store in which it was opened; no later one sends on it."""


class MessageRow(NamedTuple):
    """A message of a conversation, ours or theirs."""

    message_id: bytes
    author: bytes
    author_device: bytes
    contact: bytes
    position: bytes
    """Place in the conversation: order 8 ‖ author 32 ‖ author device 16 ‖ message id 16."""
    body_type: int
    body: bytes
    """UTF-8 for a text, packets for a voicemail, a `CallRecordBody` for a call, the raw body
    of a type that is not known yet."""
    sent_unix_ms: int
    state: str
    held_by: int
    cause: str
    unread: int


class OpenCallRow(NamedTuple):
    """A call of the history that is not over: a message of type `CALL_RECORD`."""

    call: bytes
    caller: bytes
    caller_device: bytes


class OutboxRow(NamedTuple):
    """A message on its way to one device."""

    account: bytes
    device: bytes
    message_id: bytes
    serial: int
    """Place in the queue of this device."""
    conversation: bytes
    """Contact whose conversation shows the message; empty for what is not shown."""
    body_type: int
    body: bytes
    sent_unix_ms: int
    expires_unix_ms: int
    due_unix_ms: int
    """When to look at it next."""
    envelope: bytes
    """As sealed and put; empty before."""
    key_counter: int
    """Counter of the envelope key that it was sealed to."""
    first_put_unix_ms: int
    """When a home first held this envelope; 0 before."""
    held: int
    """Bit i: home i of the device's card holds it."""
    tries: int
    """Puts of this envelope so far."""
    resends: int
    route: int
    """0: contact mailbox; 1: requests mailbox."""
    cause: str


class CustodyRow(NamedTuple):
    """A home's signed promise, until the recipient's receipt makes it needless."""

    message_id: bytes
    account: bytes
    device: bytes
    node: bytes
    receipt: bytes
    held_until_unix_ms: int


class ReceiptRow(NamedTuple):
    """A receipt that we owe."""

    account: bytes
    device: bytes
    """The device that wrote."""
    kind: int
    message_id: bytes
    due_unix_ms: int


class SeenRow(NamedTuple):
    """An envelope that was opened, for as long as its key lives."""

    key_id: bytes
    envelope_hash: bytes
    account: bytes
    device: bytes
    message_id: bytes
    body_type: int
    answered_unix_ms: int
    """When a repeat of it last made us send the receipt again."""


class ReceivedRow(NamedTuple):
    """A message that was taken, so that a resend is not shown again."""

    account: bytes
    device: bytes
    message_id: bytes
    received_unix_ms: int


class QuarantineRow(NamedTuple):
    """An envelope that could not be taken yet."""

    envelope_hash: bytes
    received_unix_ms: int
    cause: str
    account: bytes
    device: bytes
    envelope: bytes
    tries: int


class InvitationRow(NamedTuple):
    """An invitation that we gave."""

    token: bytes
    expires_unix_ms: int
    name: str
    registered: int
    """Bit i: home i has the pass."""


OWN = Table("own", OwnRow._fields, 1, OwnRow._make)
OLM_ACCOUNT = Table("olm_account", OlmAccountRow._fields, 1, OlmAccountRow._make)
HOMES = Table("homes", HomeRow._fields, 1, HomeRow._make)
MAILBOXES = Table("mailboxes", MailboxRow._fields, 2, MailboxRow._make)
BUNDLE = Table("bundle", BundleRow._fields, 1, BundleRow._make)
ENVELOPE_KEYS = Table("envelope_keys", EnvelopeKeyRow._fields, 1, EnvelopeKeyRow._make)
CONTACTS = Table("contacts", ContactRow._fields, 1, ContactRow._make)
CHAINS = Table("chains", ChainRow._fields, 1, ChainRow._make)
CONVERSATIONS = Table("conversations", ConversationRow._fields, 1, ConversationRow._make)
PEER_DEVICES = Table("peer_devices", PeerDeviceRow._fields, 2, PeerDeviceRow._make)
SESSIONS = Table("sessions", SessionRow._fields, 3, SessionRow._make)
MESSAGES = Table("messages", MessageRow._fields, 3, MessageRow._make)
OPEN_CALLS = Table("open_calls", OpenCallRow._fields, 3, OpenCallRow._make)
OUTBOX = Table("outbox", OutboxRow._fields, 3, OutboxRow._make)
CUSTODY = Table("custody", CustodyRow._fields, 4, CustodyRow._make)
RECEIPTS = Table("receipts", ReceiptRow._fields, 4, ReceiptRow._make)
SEEN = Table("seen", SeenRow._fields, 2, SeenRow._make)
RECEIVED = Table("received", ReceivedRow._fields, 3, ReceivedRow._make)
QUARANTINE = Table("quarantine", QuarantineRow._fields, 1, QuarantineRow._make)
INVITATIONS = Table("invitations", InvitationRow._fields, 1, InvitationRow._make)

HOMES_BY_AGE = Index("homes_by_age", HOMES, ("added_unix_ms",))
MAILBOXES_BY_HOME = Index("mailboxes_by_home", MAILBOXES, ("node",))
KEYS_BY_COUNTER = Index("keys_by_counter", ENVELOPE_KEYS, ("counter",))
CONTACTS_BY_STATUS = Index("contacts_by_status", CONTACTS, ("status", "created_unix_ms"))
PEERS_BY_ACCOUNT = Index("peers_by_account", PEER_DEVICES, ("account",))
SESSIONS_OF_DEVICE = Index("sessions_of_device", SESSIONS, ("account", "device"))
MESSAGES_BY_ID = Index("messages_by_id", MESSAGES, ("message_id",))
MESSAGES_BY_POSITION = Index(
    "messages_by_position", MESSAGES, ("contact", "position"), unique=True
)
OPEN_CALLS_BY_ID = Index("open_calls_by_id", OPEN_CALLS, ("call",))
OUTBOX_BY_DUE = Index("outbox_by_due", OUTBOX, ("due_unix_ms",))
OUTBOX_BY_DEVICE = Index("outbox_by_device", OUTBOX, ("account", "device"))
CUSTODY_BY_MESSAGE = Index("custody_by_message", CUSTODY, ("message_id", "account", "device"))
RECEIPTS_BY_DUE = Index("receipts_by_due", RECEIPTS, ("due_unix_ms",))
RECEIPTS_BY_PEER = Index("receipts_by_peer", RECEIPTS, ("account", "device", "kind"))
SEEN_BY_KEY = Index("seen_by_key", SEEN, ("key_id",))
RECEIVED_BY_TIME = Index("received_by_time", RECEIVED, ("received_unix_ms",))
QUARANTINE_BY_TIME = Index("quarantine_by_time", QUARANTINE, ("received_unix_ms",))
QUARANTINE_BY_CAUSE = Index("quarantine_by_cause", QUARANTINE, ("cause", "received_unix_ms"))
INVITATIONS_BY_TIME = Index("invitations_by_time", INVITATIONS, ("expires_unix_ms",))
