"""What the mailbox service needs of a database: a synchronous transactional store.

Implemented over SQLite in `hark.supernode.storage` and over dictionaries in `hark_lab.sim`;
one set of contract tests holds both to the same behaviour. Everything inside one
`transaction()` becomes durable together when the block ends, or not at all when it raises.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from hark.wire.ids import MailboxId


@dataclass(frozen=True, slots=True)
class MailboxRow:
    """One mailbox. It names no account, no handle and no person."""

    mailbox: MailboxId
    kind: int
    """`CONTACT_MAILBOX` or `REQUESTS_MAILBOX`."""
    owner_key: bytes
    """Ed25519 public key of this mailbox's owner, 32 bytes."""
    token_hash: bytes
    """SHA-256 of the delivery token; zeros for a requests mailbox."""
    generation: int
    """Highest store generation that has logged in."""
    instance: bytes
    """Instance of that generation, 16 bytes; zeros before the first login."""
    expires_unix_ms: int
    """When the mailbox goes if nobody logs in before."""
    envelope_count: int
    """Envelopes held."""
    envelope_bytes: int
    """Their size together, in bytes."""


@dataclass(frozen=True, slots=True)
class HeldEnvelope:
    """One envelope as held."""

    sequence: int
    """Grows with every envelope of this home; never used twice."""
    arrived_unix_ms: int
    envelope: bytes


@dataclass(frozen=True, slots=True)
class BundleRow:
    """The sealed blobs that lie with a mailbox."""

    record_counter: int
    chain_blob: bytes
    record_blob: bytes
    fallback_blob: bytes


@dataclass(frozen=True, slots=True)
class Swept:
    """What an expiry sweep deleted."""

    mailbox_count: int
    envelope_count: int
    pass_count: int


class MailboxTransaction(Protocol):
    """Reads and writes of one transaction."""

    def mailbox(self, mailbox: MailboxId) -> MailboxRow | None:
        """Return the mailbox, or None."""

    def mailbox_of_owner(self, owner_key: bytes, kind: int) -> MailboxRow | None:
        """Return the mailbox of this kind made with this owner key, or None."""

    def insert_mailbox(self, row: MailboxRow) -> None:
        """Add a new mailbox."""

    def set_token_hash(self, mailbox: MailboxId, token_hash: bytes) -> None:
        """Replace the hash of the delivery token."""

    def set_login(
        self, mailbox: MailboxId, generation: int, instance: bytes, expires_unix_ms: int
    ) -> None:
        """Note the newest login and the life that it gives the mailbox."""

    def delete_mailbox(self, mailbox: MailboxId) -> None:
        """Delete the mailbox and everything that belongs to it."""

    def held_until(self, mailbox: MailboxId, envelope_hash: bytes) -> int | None:
        """Return when the held envelope of this hash expires (Unix ms), or None."""

    def insert_envelope(
        self,
        mailbox: MailboxId,
        envelope_hash: bytes,
        envelope: bytes,
        arrived_unix_ms: int,
        expires_unix_ms: int,
    ) -> int:
        """Add an envelope, count it in the mailbox's row, and return its sequence."""

    def envelopes_after(
        self, mailbox: MailboxId, sequence: int, limit: int
    ) -> list[HeldEnvelope]:
        """Return up to `limit` envelopes with a higher sequence, lowest first."""

    def delete_envelopes(self, mailbox: MailboxId, sequences: Sequence[int]) -> int:
        """Delete those of `sequences` that are held; return how many there were."""

    def bundle(self, mailbox: MailboxId) -> BundleRow | None:
        """Return the sealed blobs, or None before the first publication."""

    def set_bundle(self, mailbox: MailboxId, row: BundleRow) -> None:
        """Replace the sealed blobs."""

    def add_prekeys(self, mailbox: MailboxId, blobs: Sequence[bytes]) -> None:
        """Add one-time keys, to be given out in this order."""

    def take_prekey(self, mailbox: MailboxId) -> bytes | None:
        """Remove and return the oldest one-time key, or None."""

    def prekey_count(self, mailbox: MailboxId) -> int:
        """Return how many one-time keys are held."""

    def insert_pass(self, mailbox: MailboxId, pass_hash: bytes, expires_unix_ms: int) -> None:
        """Add an invitation pass (replaces one of the same hash)."""

    def take_pass(self, mailbox: MailboxId, pass_hash: bytes, now_unix_ms: int) -> bool:
        """Remove the pass; whether it was there and had not expired."""

    def pass_count(self, mailbox: MailboxId) -> int:
        """Return how many passes are registered."""

    def sweep(self, now_unix_ms: int) -> Swept:
        """Delete every mailbox, envelope and pass whose time is over."""


class MailboxStore(Protocol):
    """A durable place for mailboxes."""

    def transaction(self) -> AbstractContextManager[MailboxTransaction]:
        """Open a transaction: committed when the block ends, undone when it raises.

        Raises:
            DiskFullError: there is no room to commit; nothing of the block is kept.
            StoreDamagedError: the database is not readable.
        """
