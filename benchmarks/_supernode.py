"""A supernode to be measured: its mailboxes are made beforehand, so that no stamps are needed.

Mailbox number `n` has keys and token that follow from `n`, so that a load generator in another
process needs nothing but the number.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hark.crypto.admission import token_hash
from hark.crypto.signing import SigningKey
from hark.overlay.mailbox.store import MailboxRow
from hark.supernode.storage.sqlite import SqliteMailboxStore
from hark.wire.address import Address
from hark.wire.ids import MailboxId, NodeId
from hark.wire.mailbox import CONTACT_MAILBOX

HOST = "127.0.0.1"
FAR_FUTURE_UNIX_MS = 2**52
NO_ADMISSION_LIMIT = ["--links-per-s", "100000", "--burst-count", "1000000"]


def mailbox_id(number: int) -> MailboxId:
    """Return the id of a mailbox that was made beforehand."""
    return MailboxId(_derived("mailbox", number)[:16])


def delivery_token(number: int) -> bytes:
    """Return its delivery token."""
    return _derived("token", number)[:16]


def owner(number: int) -> SigningKey:
    """Return its owner key."""
    return SigningKey(_derived("owner", number))


def make_mailboxes(data_dir: Path, count: int) -> None:
    """Make the database with mailboxes 0..count-1."""
    data_dir.mkdir(mode=0o700, exist_ok=True)
    store = SqliteMailboxStore(data_dir)
    for start in range(0, count, 1000):
        with store.transaction() as t:
            for number in range(start, min(start + 1000, count)):
                t.insert_mailbox(
                    MailboxRow(
                        mailbox=mailbox_id(number),
                        kind=CONTACT_MAILBOX,
                        owner_key=owner(number).public.raw,
                        token_hash=token_hash(delivery_token(number)),
                        generation=0,
                        instance=bytes(16),
                        expires_unix_ms=FAR_FUTURE_UNIX_MS,
                        envelope_count=0,
                        envelope_bytes=0,
                    )
                )
    store.close()


@dataclass(frozen=True, slots=True)
class RunningSupernode:
    """A supernode process."""

    address: Address
    pid: int
    data_dir: Path

    def worker_pids(self) -> list[int]:
        """Return the processes that hold links: its children, or itself."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [int(child) for child in children] or [self.pid]


@contextmanager
def supernode(mailbox_count: int, *arguments: str) -> Iterator[RunningSupernode]:
    """Run a supernode with mailboxes made beforehand."""
    with tempfile.TemporaryDirectory(prefix="hark-bench-") as name:
        data_dir = Path(name) / "data"
        make_mailboxes(data_dir, mailbox_count)
        command = [sys.executable, "-m", "hark.supernode", "run", "--json-ready"]
        command += ["--data", str(data_dir), "--host", HOST, "--port", "0"]
        with subprocess.Popen(
            [*command, *NO_ADMISSION_LIMIT, *arguments], stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stdout is not None
                ready = json.loads(process.stdout.readline())
                node_id = NodeId(bytes.fromhex(ready["node_id"]))
                address = Address(node_id, HOST, ready["port"])
                yield RunningSupernode(address, process.pid, data_dir)
            finally:
                process.terminate()


def _derived(word: str, number: int) -> bytes:
    return hashlib.sha256(f"{word} {number}".encode()).digest()
