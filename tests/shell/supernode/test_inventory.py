"""What a supernode leaves on its disk: declared, deleted when it says so, and nothing else."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hark.overlay.link import events
from hark.overlay.mailbox.store import MailboxRow
from hark.supernode.declarations import DATABASE_FILE, TABLES
from hark.supernode.disk_scan import scan
from hark.supernode.inventory import inventory_of
from hark.supernode.storage.sqlite import SqliteMailboxStore
from hark.wire import mailbox as wire
from hark.wire.ids import MailboxId
from tests.shell.supernode.peer import Peer, Server, run

StartServer = Callable[..., Server]
MAILBOX = MailboxId(b"m" * 16)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def store(data_dir: Path) -> SqliteMailboxStore:
    store = SqliteMailboxStore(data_dir)
    zeros = bytes(32)
    with store.transaction() as t:
        t.insert_mailbox(MailboxRow(MAILBOX, 0, zeros, zeros, 0, bytes(16), 2**52, 0, 0))
    return store


@pytest.mark.claim("S-3")
def test_inventory_of_a_real_database_declares_every_column_and_index(
    data_dir: Path, store: SqliteMailboxStore
) -> None:
    store.close()
    inventory = inventory_of(data_dir)
    assert inventory.findings == []
    declared = {(table, column) for table, columns in TABLES.items() for column in columns}
    assert declared <= {(entry.where, entry.name) for entry in inventory.entries}
    assert all(entry.why and entry.until for entry in inventory.entries)
    assert "who writes to whom" in inventory.as_text()


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ("ALTER TABLE mailbox ADD COLUMN last_address TEXT", "mailbox.last_address"),
        ("CREATE TABLE log (line TEXT)", "table log"),
        ("CREATE INDEX by_size ON envelope (length(envelope))", "index by_size"),
        ("CREATE VIEW senders AS SELECT 1 AS sender", "view senders"),
        (
            "CREATE TRIGGER watch AFTER INSERT ON envelope BEGIN SELECT 1; END",
            "trigger watch",
        ),
        ("DROP INDEX envelope_expiry", "index envelope_expiry"),
    ],
)
@pytest.mark.claim("S-3")
def test_inventory_finds_what_somebody_adds_to_the_database(
    data_dir: Path, store: SqliteMailboxStore, change: str, finding: str
) -> None:
    store.close()
    connection = sqlite3.connect(data_dir / DATABASE_FILE)
    connection.execute(change)
    connection.commit()
    connection.close()
    assert any(finding in found for found in inventory_of(data_dir).findings)


def test_inventory_and_scan_find_an_undeclared_file(
    data_dir: Path, store: SqliteMailboxStore
) -> None:
    store.close()
    (data_dir / "access.log").write_text("somebody was here")
    for findings in (inventory_of(data_dir).findings, scan(data_dir).findings):
        assert any("access.log" in finding for finding in findings)


@pytest.mark.claim("S-9")
def test_deleted_envelopes_are_nowhere_after_a_checkpoint(
    data_dir: Path, store: SqliteMailboxStore
) -> None:
    canaries = [os.urandom(24) for _ in range(50)]
    for number, canary in enumerate(canaries):
        with store.transaction() as t:
            # Of all sizes: within a page, a whole page, several pages.
            envelope = canary * (number * 5 + 1)
            t.insert_envelope(MAILBOX, number.to_bytes(32, "big"), envelope, 0, 2**52)
    store.checkpoint()
    assert len(scan(data_dir, canaries).findings) == len(canaries)
    for sequence in range(1, 51):
        with store.transaction() as t:
            assert t.delete_envelopes(MAILBOX, [sequence]) == 1
    report = scan(data_dir, canaries)
    assert any("-wal holds" in note for note in report.notes)
    assert store.checkpoint()
    report = scan(data_dir, canaries)
    assert report.findings == []
    assert any("-wal is empty" in note for note in report.notes)
    store.close()


def test_scan_notices_when_deleted_content_is_not_overwritten(
    data_dir: Path, store: SqliteMailboxStore
) -> None:
    store._connection.execute("PRAGMA secure_delete = OFF").fetchall()
    with store.transaction() as t:
        for number in range(200):
            content = os.urandom(3000)
            t.insert_envelope(MAILBOX, number.to_bytes(32, "big"), content, 0, 2**52)
    with store.transaction() as t:
        t.delete_envelopes(MAILBOX, range(1, 201))
    store.close()
    assert any("free page" in finding for finding in scan(data_dir).findings)


def test_scan_notices_content_between_the_cells_of_a_page(
    data_dir: Path, store: SqliteMailboxStore
) -> None:
    store._connection.execute("PRAGMA secure_delete = OFF").fetchall()
    for number in range(2):
        with store.transaction() as t:
            t.insert_envelope(MAILBOX, number.to_bytes(32, "big"), os.urandom(900), 0, 2**52)
    for sequence in (2, 1):
        with store.transaction() as t:
            t.delete_envelopes(MAILBOX, [sequence])
    store.close()
    assert any("between its cells" in finding for finding in scan(data_dir).findings)


@pytest.mark.claim("S-10", "S-9")
def test_acknowledged_mail_and_what_was_never_given_leave_no_trace(
    start_server: StartServer,
) -> None:
    server = start_server()
    canary = os.urandom(32)

    async def scenario() -> None:
        alice, bob = await Peer(server.address).connect(), await Peer(server.address).connect()
        mailbox = await bob.create()
        assert isinstance(await bob.log_in(mailbox), events.LoggedIn)
        for number in range(20):
            envelope = canary + os.urandom(1626)
            assert isinstance(await alice.put(mailbox, envelope), wire.Held), number
            mail = await bob.next_mail()
            bob.acknowledge(mailbox, mail.sequence)
        # The answer comes after the commit of the acknowledgements before it.
        await bob.ask(wire.Claim(mailbox.mailbox, mailbox.token, one_time=False))

    run(scenario())
    assert server.stop() == 0
    addresses = [b"127.0.0.1"]
    report = scan(server.data_dir, [canary])
    assert report.findings == []
    stored = (server.data_dir / DATABASE_FILE).read_bytes()
    assert not any(address in stored for address in addresses)
    logs = server.log.read_bytes()
    for secret in (canary, canary.hex().encode(), *addresses, server.node_id.hex().encode()):
        assert secret not in logs


def test_expired_mail_and_mailboxes_are_gone_once_the_supernode_runs(
    start_server: StartServer, tmp_path: Path
) -> None:
    data_dir = tmp_path / "supernode"
    data_dir.mkdir(mode=0o700)
    store = SqliteMailboxStore(data_dir)
    canary, zeros = os.urandom(32), bytes(32)
    other = MailboxId(b"o" * 16)
    with store.transaction() as t:
        t.insert_mailbox(MailboxRow(MAILBOX, 0, zeros, zeros, 0, bytes(16), 2**52, 0, 0))
        t.insert_mailbox(MailboxRow(other, 1, zeros, zeros, 0, bytes(16), 1000, 0, 0))
        for mailbox in (MAILBOX, other):
            t.insert_envelope(mailbox, bytes(32), canary * 100, 0, 1000)
    store.close()
    assert scan(data_dir, [canary]).findings
    server = start_server()
    assert server.stop() == 0
    assert scan(data_dir, [canary]).findings == []
    counts = inventory_of(data_dir).row_counts
    assert (counts["mailbox"], counts["envelope"]) == (1, 0)


@pytest.mark.parametrize("command", ["inventory", "scan"])
def test_command_tells_the_truth_of_a_running_supernode(
    start_server: StartServer, command: str
) -> None:
    server = start_server()
    arguments = [command, "--data", str(server.data_dir), "--json"]
    ended = subprocess.run(
        [sys.executable, "-m", "hark.supernode", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert json.loads(ended.stdout)["findings"] == []


def test_scan_command_fails_when_a_canary_is_there(
    tmp_path: Path, data_dir: Path, store: SqliteMailboxStore
) -> None:
    canary = os.urandom(16)
    with store.transaction() as t:
        t.insert_envelope(MAILBOX, bytes(32), b"before" + canary + b"after", 0, 2**52)
    store.close()
    canaries = tmp_path / "canaries"
    canaries.write_text(canary.hex())
    arguments = ["scan", "--data", str(data_dir), "--canaries", str(canaries)]
    ended = subprocess.run(
        [sys.executable, "-m", "hark.supernode", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 6
    assert "canary 1 is in mailboxes.sqlite" in ended.stdout
