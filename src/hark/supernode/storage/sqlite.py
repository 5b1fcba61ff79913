"""The mailbox store over SQLite (`hark.overlay.mailbox.store`), for one thread.

A transaction keeps the mailbox rows that it has touched, so that a batch of envelopes for one
mailbox reads and counts its row once. A row's counts go to the database before the commit.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from hark.overlay.mailbox.store import BundleRow, HeldEnvelope, MailboxRow, Swept
from hark.supernode.declarations import DATABASE_FILE
from hark.supernode.storage.database import as_store_errors, open_database
from hark.wire.ids import MailboxId

_MAILBOX_COLUMNS = (
    "id, mailbox, kind, owner_key, token_hash, generation, instance, expires_unix_ms,"
    " envelope_count, envelope_bytes"
)


class SqliteMailboxStore:
    """Mailboxes in one SQLite file. Used by the thread that opened it.

    Args:
        directory: private folder for the database and its `-wal` and `-shm`.

    Raises:
        StoreDamagedError: the file is damaged or cut off.
        StoreVersionError: a newer version of hark wrote it.
        DiskFullError: there is no room for it.
    """

    def __init__(self, directory: Path) -> None:
        self._connection = open_database(directory / DATABASE_FILE)

    @contextmanager
    def transaction(self) -> "Iterator[SqliteMailboxTransaction]":
        """Open a transaction (`MailboxStore.transaction`)."""
        with as_store_errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                transaction = SqliteMailboxTransaction(self._connection)
                yield transaction
                transaction.write_counts()
                self._connection.execute("COMMIT")
            except BaseException:
                # SQLite has undone it by itself after some errors, such as a full disk.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def checkpoint(self) -> bool:
        """Move the `-wal` into the database and cut it to nothing; whether that was possible.

        Until then the `-wal` holds older images of pages, with what was deleted from them.
        A reader of another process can be in the way; the next checkpoint will do it.
        """
        with as_store_errors():
            busy = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        return not busy

    def give_back_room(self) -> None:
        """Give pages that are free now back to the disk."""
        with as_store_errors():
            # Each step frees one page. `execute` takes one step when a statement has no
            # columns; `executescript` goes to the end.
            self._connection.executescript("PRAGMA incremental_vacuum")

    def close(self) -> None:
        """Empty the `-wal` and close the file."""
        self.checkpoint()
        self._connection.close()


@dataclass(slots=True)
class _Touched:
    """A mailbox row as it will be at the end of the transaction."""

    row_id: int
    row: MailboxRow
    counts_changed: bool = False

    def count(self, envelopes: int, envelope_bytes: int) -> None:
        self.row = replace(
            self.row,
            envelope_count=self.row.envelope_count + envelopes,
            envelope_bytes=self.row.envelope_bytes + envelope_bytes,
        )
        self.counts_changed = True


class SqliteMailboxTransaction:
    """Reads and writes of one transaction (`MailboxTransaction`)."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute
        self._executemany = connection.executemany
        self._touched: dict[MailboxId, _Touched] = {}

    def mailbox(self, mailbox: MailboxId) -> MailboxRow | None:
        """Return the mailbox, or None."""
        touched = self._touch(mailbox)
        return None if touched is None else touched.row

    def mailbox_of_owner(self, owner_key: bytes, kind: int) -> MailboxRow | None:
        """Return the mailbox of this kind made with this owner key, or None."""
        found = self._execute(
            "SELECT mailbox FROM mailbox WHERE owner_key = ? AND kind = ?", (owner_key, kind)
        ).fetchone()
        return None if found is None else self.mailbox(MailboxId(found[0]))

    def insert_mailbox(self, row: MailboxRow) -> None:
        """Add a new mailbox."""
        cursor = self._execute(
            "INSERT INTO mailbox (mailbox, kind, owner_key, token_hash, generation, instance,"
            " expires_unix_ms, envelope_count, envelope_bytes)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                row.mailbox,
                row.kind,
                row.owner_key,
                row.token_hash,
                row.generation,
                row.instance,
                row.expires_unix_ms,
                row.envelope_count,
                row.envelope_bytes,
            ),
        )
        assert cursor.lastrowid is not None
        self._touched[row.mailbox] = _Touched(cursor.lastrowid, row)

    def set_token_hash(self, mailbox: MailboxId, token_hash: bytes) -> None:
        """Replace the hash of the delivery token."""
        touched = self._known(mailbox)
        self._execute(
            "UPDATE mailbox SET token_hash = ? WHERE id = ?", (token_hash, touched.row_id)
        )
        touched.row = replace(touched.row, token_hash=token_hash)

    def set_login(
        self, mailbox: MailboxId, generation: int, instance: bytes, expires_unix_ms: int
    ) -> None:
        """Note the newest login and the life that it gives the mailbox."""
        touched = self._known(mailbox)
        self._execute(
            "UPDATE mailbox SET generation = ?, instance = ?, expires_unix_ms = ? WHERE id = ?",
            (generation, instance, expires_unix_ms, touched.row_id),
        )
        touched.row = replace(
            touched.row,
            generation=generation,
            instance=instance,
            expires_unix_ms=expires_unix_ms,
        )

    def delete_mailbox(self, mailbox: MailboxId) -> None:
        """Delete the mailbox and everything that belongs to it."""
        self._execute("DELETE FROM mailbox WHERE mailbox = ?", (mailbox,))
        self._touched.pop(mailbox, None)

    def held_until(self, mailbox: MailboxId, envelope_hash: bytes) -> int | None:
        """Return when the held envelope of this hash expires (Unix ms), or None."""
        touched = self._touch(mailbox)
        if touched is None:
            return None
        found = self._execute(
            "SELECT expires_unix_ms FROM envelope WHERE mailbox_id = ? AND envelope_hash = ?",
            (touched.row_id, envelope_hash),
        ).fetchone()
        return None if found is None else int(found[0])

    def insert_envelope(
        self,
        mailbox: MailboxId,
        envelope_hash: bytes,
        envelope: bytes,
        arrived_unix_ms: int,
        expires_unix_ms: int,
    ) -> int:
        """Add an envelope, count it in the mailbox's row, and return its sequence."""
        touched = self._known(mailbox)
        cursor = self._execute(
            "INSERT INTO envelope (mailbox_id, envelope_hash, arrived_unix_ms,"
            " expires_unix_ms, envelope) VALUES (?, ?, ?, ?, ?)",
            (touched.row_id, envelope_hash, arrived_unix_ms, expires_unix_ms, envelope),
        )
        touched.count(1, len(envelope))
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def envelopes_after(
        self, mailbox: MailboxId, sequence: int, limit: int
    ) -> list[HeldEnvelope]:
        """Return up to `limit` envelopes with a higher sequence, lowest first."""
        touched = self._touch(mailbox)
        if touched is None:
            return []
        rows = self._execute(
            "SELECT sequence, arrived_unix_ms, envelope FROM envelope"
            " INDEXED BY envelope_queue"
            " WHERE mailbox_id = ? AND sequence > ? ORDER BY sequence LIMIT ?",
            (touched.row_id, sequence, limit),
        )
        return [HeldEnvelope(*row) for row in rows]

    def delete_envelopes(self, mailbox: MailboxId, sequences: Sequence[int]) -> int:
        """Delete those of `sequences` that are held; return how many there were."""
        touched = self._touch(mailbox)
        if touched is None:
            return 0
        count = size = 0
        for sequence in sequences:
            deleted = self._execute(
                "DELETE FROM envelope WHERE sequence = ? AND mailbox_id = ?"
                " RETURNING length(envelope)",
                (sequence, touched.row_id),
            ).fetchall()
            count += len(deleted)
            size += sum(length for (length,) in deleted)
        touched.count(-count, -size)
        return count

    def bundle(self, mailbox: MailboxId) -> BundleRow | None:
        """Return the sealed blobs, or None before the first publication."""
        touched = self._touch(mailbox)
        if touched is None:
            return None
        found = self._execute(
            "SELECT record_counter, chain_blob, record_blob, fallback_blob FROM bundle"
            " WHERE mailbox_id = ?",
            (touched.row_id,),
        ).fetchone()
        return None if found is None else BundleRow(*found)

    def set_bundle(self, mailbox: MailboxId, row: BundleRow) -> None:
        """Replace the sealed blobs."""
        self._execute(
            "REPLACE INTO bundle (mailbox_id, record_counter, chain_blob, record_blob,"
            " fallback_blob) VALUES (?, ?, ?, ?, ?)",
            (
                self._known(mailbox).row_id,
                row.record_counter,
                row.chain_blob,
                row.record_blob,
                row.fallback_blob,
            ),
        )

    def add_prekeys(self, mailbox: MailboxId, blobs: Sequence[bytes]) -> None:
        """Add one-time keys, to be given out in this order."""
        row_id = self._known(mailbox).row_id
        self._executemany(
            "INSERT INTO prekey (mailbox_id, blob) VALUES (?, ?)",
            [(row_id, blob) for blob in blobs],
        )

    def take_prekey(self, mailbox: MailboxId) -> bytes | None:
        """Remove and return the oldest one-time key, or None."""
        touched = self._touch(mailbox)
        if touched is None:
            return None
        taken = self._execute(
            "DELETE FROM prekey WHERE id = (SELECT min(id) FROM prekey WHERE mailbox_id = ?)"
            " RETURNING blob",
            (touched.row_id,),
        ).fetchall()
        return bytes(taken[0][0]) if taken else None

    def prekey_count(self, mailbox: MailboxId) -> int:
        """Return how many one-time keys are held."""
        return self._count("SELECT count(*) FROM prekey WHERE mailbox_id = ?", mailbox)

    def insert_pass(self, mailbox: MailboxId, pass_hash: bytes, expires_unix_ms: int) -> None:
        """Add an invitation pass (replaces one of the same hash)."""
        self._execute(
            "REPLACE INTO invitation_pass (mailbox_id, pass_hash, expires_unix_ms)"
            " VALUES (?, ?, ?)",
            (self._known(mailbox).row_id, pass_hash, expires_unix_ms),
        )

    def take_pass(self, mailbox: MailboxId, pass_hash: bytes, now_unix_ms: int) -> bool:
        """Remove the pass; whether it was there and had not expired."""
        touched = self._touch(mailbox)
        if touched is None:
            return False
        taken = self._execute(
            "DELETE FROM invitation_pass WHERE mailbox_id = ? AND pass_hash = ?"
            " RETURNING expires_unix_ms",
            (touched.row_id, pass_hash),
        ).fetchall()
        return bool(taken) and int(taken[0][0]) > now_unix_ms

    def pass_count(self, mailbox: MailboxId) -> int:
        """Return how many passes are registered."""
        return self._count("SELECT count(*) FROM invitation_pass WHERE mailbox_id = ?", mailbox)

    def sweep(self, now_unix_ms: int) -> Swept:
        """Delete every mailbox, envelope and pass whose time is over."""
        self.write_counts()
        self._touched.clear()
        mailbox_count = self._execute(
            "DELETE FROM mailbox WHERE expires_unix_ms <= ?", (now_unix_ms,)
        ).rowcount
        self._discount_expired(now_unix_ms)
        envelope_count = self._execute(
            "DELETE FROM envelope WHERE expires_unix_ms <= ?", (now_unix_ms,)
        ).rowcount
        pass_count = self._execute(
            "DELETE FROM invitation_pass WHERE expires_unix_ms <= ?", (now_unix_ms,)
        ).rowcount
        return Swept(mailbox_count, envelope_count, pass_count)

    def write_counts(self) -> None:
        """Write the counts that changed."""
        for touched in self._touched.values():
            if touched.counts_changed:
                row = touched.row
                self._execute(
                    "UPDATE mailbox SET envelope_count = ?, envelope_bytes = ? WHERE id = ?",
                    (row.envelope_count, row.envelope_bytes, touched.row_id),
                )
                touched.counts_changed = False

    def _discount_expired(self, now_unix_ms: int) -> None:
        expired = self._execute(
            "SELECT count(*), sum(length(envelope)), mailbox_id FROM envelope"
            " WHERE expires_unix_ms <= ? GROUP BY mailbox_id",
            (now_unix_ms,),
        ).fetchall()
        self._executemany(
            "UPDATE mailbox SET envelope_count = envelope_count - ?,"
            " envelope_bytes = envelope_bytes - ? WHERE id = ?",
            expired,
        )

    def _touch(self, mailbox: MailboxId) -> _Touched | None:
        touched = self._touched.get(mailbox)
        if touched is not None:
            return touched
        found = self._execute(
            f"SELECT {_MAILBOX_COLUMNS} FROM mailbox WHERE mailbox = ?",  # noqa: S608
            (mailbox,),
        ).fetchone()
        if found is None:
            return None
        touched = _Touched(found[0], MailboxRow(*found[1:]))
        self._touched[mailbox] = touched
        return touched

    def _known(self, mailbox: MailboxId) -> _Touched:
        touched = self._touch(mailbox)
        assert touched is not None, "the caller has looked it up"
        return touched

    def _count(self, sql: str, mailbox: MailboxId) -> int:
        touched = self._touch(mailbox)
        if touched is None:
            return 0
        return int(self._execute(sql, (touched.row_id,)).fetchone()[0])
