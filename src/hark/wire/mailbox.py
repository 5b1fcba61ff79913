"""What a node asks of a home, and what the home answers (spec/mailbox.md).

Each request and answer is a MessagePack message of its own. On the link it travels as the
opaque body of an `Ask` or `Answer` frame (`hark.wire.link`); forwarding will seal the same
bodies. Owner requests (marked so) are allowed only on a link that has logged in to the
mailbox that they name.

Limits stand beside the type that they bound, with the reason for the number; the numbers
are the same as in `spec/registry.toml`, section `limits.mailbox`.
"""

from typing import Annotated

from msgspec import Meta

from hark.wire.codec import Message, Parser

MAX_ENVELOPE_BYTES = 128 * 1024
"""Largest envelope. Half a frame, so that an envelope and its wrapping always fit one."""
MAX_CHAIN_BLOB_BYTES = 200 * 1024
"""Largest sealed chain. The longest chain that identity allows fits (spec/identity.md#limits),
and with the other blobs of a bundle still one frame."""
MAX_BLOB_BYTES = 32 * 1024
"""Largest sealed envelope-key record; twenty times what it has today."""
MAX_PREKEY_BLOB_BYTES = 512
"""Largest sealed one-time or fallback key."""
MAX_PREKEYS_PER_REQUEST = 50
"""One-time keys in one request; a home holds at most this many for a mailbox."""
MAX_CUSTODY_PATH = 16
"""Hashes in a custody receipt's path: batches of up to 65,536 envelopes."""
MAX_U53 = 2**53 - 1
"""Largest counter or time in milliseconds, so that every language reads it exactly."""

Bytes16 = Annotated[bytes, Meta(min_length=16, max_length=16)]
Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
Bytes64 = Annotated[bytes, Meta(min_length=64, max_length=64)]
Envelope = Annotated[bytes, Meta(min_length=1, max_length=MAX_ENVELOPE_BYTES)]
ChainBlob = Annotated[bytes, Meta(max_length=MAX_CHAIN_BLOB_BYTES)]
Blob = Annotated[bytes, Meta(max_length=MAX_BLOB_BYTES)]
PrekeyBlob = Annotated[bytes, Meta(max_length=MAX_PREKEY_BLOB_BYTES)]
U53 = Annotated[int, Meta(ge=0, le=MAX_U53)]
U32 = Annotated[int, Meta(ge=0, le=2**32 - 1)]
U8 = Annotated[int, Meta(ge=0, le=255)]

CONTACT_MAILBOX = 0
"""Mailbox kind: mail from accepted contacts, admitted by a delivery token."""
REQUESTS_MAILBOX = 1
"""Mailbox kind: mail from strangers, admitted by an invitation pass or a stamp."""


class DeliveryToken(Message, tag=1):
    """Admission of an accepted contact: the mailbox's present token."""

    token: Bytes16


class InvitationPass(Message, tag=2):
    """Admission by invitation: valid once, until the invitation expires."""

    invitation_pass: Bytes16


class Stamp(Message, tag=3):
    """Admission by work: `SHA-256(label ‖ challenge ‖ mailbox ‖ subject hash ‖ nonce)` has
    the leading zero bits that the challenge asked for (`hark.overlay.mailbox.stamps`).
    """

    challenge: Bytes32
    nonce: Annotated[bytes, Meta(min_length=8, max_length=8)]


Admission = DeliveryToken | InvitationPass | Stamp


class GetChallenge(Message, tag=1):
    """Ask for a fresh challenge for a stamp. 16 zero bytes: for making a mailbox."""

    mailbox: Bytes16


class CreateMailbox(Message, tag=2):
    """Make a mailbox. Asking again with the same owner key gives the same mailbox."""

    kind: Annotated[int, Meta(ge=0, le=1)]
    owner_key: Bytes32
    """Ed25519 key made for this mailbox alone."""
    token_hash: Bytes32
    """`hark.crypto.admission.token_hash`; 32 zero bytes for a requests mailbox."""
    stamp: Stamp
    """Subject hash: SHA-256 of the owner key; mailbox: 16 zero bytes."""


class Put(Message, tag=3):
    """Leave an envelope. Idempotent by the envelope's hash while it is held."""

    mailbox: Bytes16
    admission: Admission
    envelope: Envelope


class Claim(Message, tag=4):
    """Fetch what is needed to write to a device: its sealed chain, record and prekeys."""

    mailbox: Bytes16
    token: Annotated[bytes, Meta(max_length=16)]
    """The delivery token for a contact mailbox; empty for a requests mailbox."""
    one_time: bool
    """Whether to take a one-time key (contact mailboxes only)."""


class SetToken(Message, tag=5):
    """Owner: replace the delivery token. The old one is refused from now on."""

    mailbox: Bytes16
    token_hash: Bytes32
    """`hark.crypto.admission.token_hash` of the new token."""


class PublishBundle(Message, tag=6):
    """Owner: replace the sealed chain, envelope-key record and fallback key."""

    mailbox: Bytes16
    record_counter: U53
    """The envelope-key record's counter. A lower one than the held is refused."""
    chain_blob: ChainBlob
    record_blob: Blob
    fallback_blob: PrekeyBlob


class AddPrekeys(Message, tag=7):
    """Owner: add one-time keys."""

    mailbox: Bytes16
    prekey_blobs: Annotated[list[PrekeyBlob], Meta(max_length=MAX_PREKEYS_PER_REQUEST)]


class RegisterPass(Message, tag=8):
    """Owner of a requests mailbox: admit one envelope that shows the pass of this hash."""

    mailbox: Bytes16
    pass_hash: Bytes32
    """`hark.crypto.admission.pass_hash` of the pass."""
    expires_unix_ms: U53


class DeleteMailbox(Message, tag=9):
    """Owner: delete the mailbox and everything in it, at once."""

    mailbox: Bytes16


MailboxRequest = (
    GetChallenge
    | CreateMailbox
    | Put
    | Claim
    | SetToken
    | PublishBundle
    | AddPrekeys
    | RegisterPass
    | DeleteMailbox
)


class Refused(Message, tag=1):
    """The request was not carried out."""

    code: U8
    """Error code, `spec/registry.toml`, section `error`."""
    retry_after_ms: U32
    """When to ask again, in milliseconds; 0: asking again will not help by itself."""


class Challenge(Message, tag=2):
    """A challenge for one stamp."""

    challenge: Bytes32
    bits: Annotated[int, Meta(ge=0, le=32)]
    valid_ms: U32


class MailboxCreated(Message, tag=3):
    """The mailbox is there."""

    mailbox: Bytes16
    expires_unix_ms: U53
    """When it is deleted if its owner does not log in before."""


class Held(Message, tag=4):
    """The envelope is on disk: a custody receipt.

    The signature is over the Merkle root and the size of the commit batch; `index` and `path`
    lead from this envelope's leaf to that root (`hark.overlay.mailbox.custody`).
    """

    held_until_unix_ms: U53
    batch_size: U32
    index: U32
    path: Annotated[list[Bytes32], Meta(max_length=MAX_CUSTODY_PATH)]
    signature: Bytes64


class Bundle(Message, tag=5):
    """What a `Claim` gives. A blob is empty when there is none."""

    record_counter: U53
    chain_blob: ChainBlob
    record_blob: Blob
    fallback_blob: PrekeyBlob
    one_time_blob: PrekeyBlob


class Done(Message, tag=6):
    """The request was carried out, durably."""


class PrekeyCount(Message, tag=7):
    """How many one-time keys the home holds now."""

    count: U32


MailboxAnswer = Refused | Challenge | MailboxCreated | Held | Bundle | Done | PrekeyCount

REQUEST_PARSER: Parser[MailboxRequest] = Parser(MailboxRequest)
ANSWER_PARSER: Parser[MailboxAnswer] = Parser(MailboxAnswer)
