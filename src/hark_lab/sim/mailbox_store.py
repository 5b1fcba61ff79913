"""A mailbox store in memory, with a disk that outlives it (`hark.overlay.mailbox.store`).

What has been committed lies in a `MailboxDisk`. A crash is: throw the store and the service
away, make new ones over the same disk. Two hooks stand for what can happen around a commit;
one that raises before it loses the transaction, one that raises after it has only lost the
news of it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from hark.overlay.mailbox.store import BundleRow, HeldEnvelope, MailboxRow, Swept
from hark.wire.ids import MailboxId


@dataclass(frozen=True, slots=True)
class _Envelope:
    held: HeldEnvelope
    envelope_hash: bytes
    expires_unix_ms: int


@dataclass(slots=True)
class _Box:
    """One mailbox with everything that belongs to it."""

    row: MailboxRow
    envelopes: dict[int, _Envelope] = field(default_factory=dict)
    by_hash: dict[bytes, int] = field(default_factory=dict)
    bundle: BundleRow | None = None
    prekeys: list[bytes] = field(default_factory=list)
    passes: dict[bytes, int] = field(default_factory=dict)

    def copy(self) -> "_Box":
        return _Box(
            self.row,
            dict(self.envelopes),
            dict(self.by_hash),
            self.bundle,
            list(self.prekeys),
            dict(self.passes),
        )

    def remove(self, sequence: int) -> bool:
        """Remove an envelope; whether it was there."""
        gone = self.envelopes.pop(sequence, None)
        if gone is None:
            return False
        del self.by_hash[gone.envelope_hash]
        self._count(-1, -len(gone.held.envelope))
        return True

    def add(self, envelope: _Envelope) -> None:
        """Add an envelope."""
        self.envelopes[envelope.held.sequence] = envelope
        self.by_hash[envelope.envelope_hash] = envelope.held.sequence
        self._count(1, len(envelope.held.envelope))

    def _count(self, envelopes: int, envelope_bytes: int) -> None:
        self.row = replace(
            self.row,
            envelope_count=self.row.envelope_count + envelopes,
            envelope_bytes=self.row.envelope_bytes + envelope_bytes,
        )


class MailboxDisk:
    """What a crash leaves."""

    def __init__(self) -> None:
        self.boxes: dict[MailboxId, _Box] = {}
        self.last_sequence = 0

    def contains(self, needle: bytes) -> bool:
        """Whether these bytes are in any envelope held: a disk scan, as the wiretap does it."""
        return any(
            needle in envelope.held.envelope
            for box in self.boxes.values()
            for envelope in box.envelopes.values()
        )


def _nothing() -> None:
    return None


class MemoryMailboxStore:
    """A `MailboxStore` over a `MailboxDisk`.

    Args:
        disk: committed state; shared with the stores before and after a crash. None: empty.
        before_commit: called when a transaction is about to become durable; what it raises
            undoes the transaction.
        after_commit: called when it has; what it raises changes nothing on the disk.
    """

    def __init__(
        self,
        disk: MailboxDisk | None = None,
        *,
        before_commit: Callable[[], None] = _nothing,
        after_commit: Callable[[], None] = _nothing,
    ) -> None:
        self.disk = MailboxDisk() if disk is None else disk
        self.before_commit = before_commit
        self.after_commit = after_commit

    @contextmanager
    def transaction(self) -> "Iterator[MemoryMailboxTransaction]":
        """Open a transaction (`MailboxStore.transaction`)."""
        transaction = MemoryMailboxTransaction(self.disk)
        yield transaction
        self.before_commit()
        transaction.write_to_disk()
        self.after_commit()


class MemoryMailboxTransaction:
    """Reads and writes of one transaction (`MailboxTransaction`)."""

    def __init__(self, disk: MailboxDisk) -> None:
        self._disk = disk
        self._touched: dict[MailboxId, _Box | None] = {}
        """Copies of the boxes that are changed; None for a deleted one."""
        self._last_sequence = disk.last_sequence

    def mailbox(self, mailbox: MailboxId) -> MailboxRow | None:
        """Return the mailbox, or None."""
        box = self._read(mailbox)
        return None if box is None else box.row

    def mailbox_of_owner(self, owner_key: bytes, kind: int) -> MailboxRow | None:
        """Return the mailbox of this kind made with this owner key, or None."""
        for mailbox in {**self._disk.boxes, **self._touched}:
            row = self.mailbox(mailbox)
            if row is not None and row.owner_key == owner_key and row.kind == kind:
                return row
        return None

    def insert_mailbox(self, row: MailboxRow) -> None:
        """Add a new mailbox."""
        self._touched[row.mailbox] = _Box(row)

    def set_token_hash(self, mailbox: MailboxId, token_hash: bytes) -> None:
        """Replace the hash of the delivery token."""
        box = self._write(mailbox)
        box.row = replace(box.row, token_hash=token_hash)

    def set_login(
        self, mailbox: MailboxId, generation: int, instance: bytes, expires_unix_ms: int
    ) -> None:
        """Note the newest login and the life that it gives the mailbox."""
        box = self._write(mailbox)
        box.row = replace(
            box.row,
            generation=generation,
            instance=instance,
            expires_unix_ms=expires_unix_ms,
        )

    def delete_mailbox(self, mailbox: MailboxId) -> None:
        """Delete the mailbox and everything that belongs to it."""
        self._touched[mailbox] = None

    def held_until(self, mailbox: MailboxId, envelope_hash: bytes) -> int | None:
        """Return when the held envelope of this hash expires (Unix ms), or None."""
        box = self._read(mailbox)
        sequence = None if box is None else box.by_hash.get(envelope_hash)
        if box is None or sequence is None:
            return None
        return box.envelopes[sequence].expires_unix_ms

    def insert_envelope(
        self,
        mailbox: MailboxId,
        envelope_hash: bytes,
        envelope: bytes,
        arrived_unix_ms: int,
        expires_unix_ms: int,
    ) -> int:
        """Add an envelope, count it in the mailbox's row, and return its sequence."""
        self._last_sequence += 1
        held = HeldEnvelope(self._last_sequence, arrived_unix_ms, envelope)
        self._write(mailbox).add(_Envelope(held, envelope_hash, expires_unix_ms))
        return held.sequence

    def envelopes_after(
        self, mailbox: MailboxId, sequence: int, limit: int
    ) -> list[HeldEnvelope]:
        """Return up to `limit` envelopes with a higher sequence, lowest first."""
        box = self._read(mailbox)
        if box is None:
            return []
        found = sorted(number for number in box.envelopes if number > sequence)
        return [box.envelopes[number].held for number in found[:limit]]

    def delete_envelopes(self, mailbox: MailboxId, sequences: Sequence[int]) -> int:
        """Delete those of `sequences` that are held; return how many there were."""
        if self._read(mailbox) is None:
            return 0
        box = self._write(mailbox)
        return sum(box.remove(sequence) for sequence in sequences)

    def bundle(self, mailbox: MailboxId) -> BundleRow | None:
        """Return the sealed blobs, or None before the first publication."""
        box = self._read(mailbox)
        return None if box is None else box.bundle

    def set_bundle(self, mailbox: MailboxId, row: BundleRow) -> None:
        """Replace the sealed blobs."""
        self._write(mailbox).bundle = row

    def add_prekeys(self, mailbox: MailboxId, blobs: Sequence[bytes]) -> None:
        """Add one-time keys, to be given out in this order."""
        self._write(mailbox).prekeys.extend(blobs)

    def take_prekey(self, mailbox: MailboxId) -> bytes | None:
        """Remove and return the oldest one-time key, or None."""
        box = self._read(mailbox)
        if box is None or not box.prekeys:
            return None
        return self._write(mailbox).prekeys.pop(0)

    def prekey_count(self, mailbox: MailboxId) -> int:
        """Return how many one-time keys are held."""
        box = self._read(mailbox)
        return 0 if box is None else len(box.prekeys)

    def insert_pass(self, mailbox: MailboxId, pass_hash: bytes, expires_unix_ms: int) -> None:
        """Add an invitation pass (replaces one of the same hash)."""
        self._write(mailbox).passes[pass_hash] = expires_unix_ms

    def take_pass(self, mailbox: MailboxId, pass_hash: bytes, now_unix_ms: int) -> bool:
        """Remove the pass; whether it was there and had not expired."""
        box = self._read(mailbox)
        if box is None or pass_hash not in box.passes:
            return False
        return self._write(mailbox).passes.pop(pass_hash) > now_unix_ms

    def pass_count(self, mailbox: MailboxId) -> int:
        """Return how many passes are registered."""
        box = self._read(mailbox)
        return 0 if box is None else len(box.passes)

    def sweep(self, now_unix_ms: int) -> Swept:
        """Delete every mailbox, envelope and pass whose time is over."""
        mailbox_count = envelope_count = pass_count = 0
        for mailbox in list({**self._disk.boxes, **self._touched}):
            box = self._read(mailbox)
            if box is None:
                continue
            if box.row.expires_unix_ms <= now_unix_ms:
                self.delete_mailbox(mailbox)
                mailbox_count += 1
                continue
            box = self._write(mailbox)
            for sequence, envelope in list(box.envelopes.items()):
                if envelope.expires_unix_ms <= now_unix_ms:
                    envelope_count += box.remove(sequence)
            for pass_hash, expires_unix_ms in list(box.passes.items()):
                if expires_unix_ms <= now_unix_ms:
                    del box.passes[pass_hash]
                    pass_count += 1
        return Swept(mailbox_count, envelope_count, pass_count)

    def write_to_disk(self) -> None:
        """Make the changes durable, all at once."""
        self._disk.last_sequence = self._last_sequence
        for mailbox, box in self._touched.items():
            if box is None:
                self._disk.boxes.pop(mailbox, None)
            else:
                self._disk.boxes[mailbox] = box

    def _read(self, mailbox: MailboxId) -> _Box | None:
        if mailbox in self._touched:
            return self._touched[mailbox]
        return self._disk.boxes.get(mailbox)

    def _write(self, mailbox: MailboxId) -> _Box:
        """Return a copy to change; the mailbox is known to be there."""
        box = self._read(mailbox)
        assert box is not None, "the service writes to mailboxes that it has read"
        if mailbox not in self._touched:
            box = self._touched[mailbox] = box.copy()
        return box
