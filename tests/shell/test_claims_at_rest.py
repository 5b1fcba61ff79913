"""What lies on disks: a supernode's after a conversation, its logs, and a device's store.

Real programs; each look for what must not be there comes with a look where it is.
"""

import base64
import json
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hark.app.cli.demo.stage import PASSPHRASE, Stage
from hark.control.client import Client
from hark.errors import StoreDamagedError, WrongPassphraseError
from hark.identity.account_id import parse_display
from hark.node.storage.keyfile import read_keyfile, unlock
from hark.node.storage.sqlcipher import SqlcipherDeviceStore
from hark.supernode.declarations import DATABASE_FILE
from tests.e2e.wire import found_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

LOUD = """
import logging
logging.basicConfig(level=1)
# Whatever a program sets, it logs everything that its own code says at any level.
set_level = logging.Logger.setLevel
logging.Logger.setLevel = lambda self, level: set_level(self, 1)
logging.getLogger("hark").setLevel(1)
logging.getLogger("hark.start").debug("everything is logged")
"""
"""Runs at the start of every Python program of the test (`sitecustomize`)."""
MIN_ARGON2_KIB = 64 * 1024


def canary(what: str) -> str:
    return f"{what}-{os.urandom(9).hex()}"


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class Conversation:
    """Alice and Bob, contacts, with a few texts between them."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.names = {profile: canary(f"name-{profile}") for profile in ("alice", "bob")}
        home = str(stage.start_supernode())
        for profile, name in self.names.items():
            words = str(stage.folder / f"{profile}.words")
            options = ["--name", name, "--words-file", words, "--supernode", home]
            stage.hark(profile, "init", *options)
            stage.start_node(profile)
        self.alice, self.bob = stage.client("alice"), stage.client("bob")
        for client in (self.alice, self.bob):
            self.wait_for_mailboxes(client)
        self.bob.add(self.alice.invite().link, self.names["alice"])
        stage.until(self.are_contacts, "contacts")
        self.texts = [canary("first"), canary("second")]
        self.open_chats()
        self.deliver(self.alice, self.texts[0])
        self.deliver(self.bob, self.texts[1])

    def wait_for_mailboxes(self, client: Client) -> None:
        self.stage.until(
            lambda: all(home.attached for home in client.whoami().homes), "mailboxes"
        )

    def are_contacts(self) -> bool:
        clients = (self.alice, self.bob)
        return all([c.status for c in client.contacts()] == ["accepted"] for client in clients)

    def open_chats(self) -> None:
        for client in (self.alice, self.bob):
            client.chat(client.contacts()[0].account, is_open=True)

    def deliver(self, sender: Client, text: str) -> None:
        message_id = sender.send(sender.contacts()[0].account, text).id
        self.stage.until(lambda: sender.message(message_id).state == "delivered", "the receipt")

    def secrets(self) -> dict[str, bytes]:
        """Return what a supernode must not know, by name."""
        found = {f"text {number}": text.encode() for number, text in enumerate(self.texts)}
        for profile, name in self.names.items():
            account = self.stage.client(profile).whoami().account
            found[f"name of {profile}"] = name.encode()
            found[f"account of {profile}"] = bytes(parse_display(account))
            found[f"account of {profile}, as shown"] = account.encode()
        return found


@pytest.fixture(scope="module")
def conversation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conversation]:
    folder = tmp_path_factory.mktemp("claims")
    loud = folder / "loud"
    loud.mkdir()
    (loud / "sitecustomize.py").write_text(LOUD)
    with Stage(folder / "home") as stage:
        path = os.pathsep.join(filter(None, [str(loud), os.environ.get("PYTHONPATH")]))
        stage.environment["PYTHONPATH"] = path
        yield Conversation(stage)


def mailbox_rows(folder: Path) -> list[tuple[bytes, bytes]]:
    with closing(sqlite3.connect(folder / DATABASE_FILE)) as database:
        return database.execute("SELECT mailbox, owner_key FROM mailbox").fetchall()


def held_envelopes(folder: Path) -> list[bytes]:
    with closing(sqlite3.connect(folder / DATABASE_FILE)) as database:
        rows = database.execute("SELECT envelope FROM envelope").fetchall()
    return [envelope for (envelope,) in rows]


@pytest.mark.claim("S-1", "S-3")
def test_a_running_supernode_has_no_text_name_nor_account_in_any_file(
    conversation: Conversation,
) -> None:
    folder = conversation.stage.supernode_dir
    files = files_in(folder)
    assert DATABASE_FILE in files
    assert files[DATABASE_FILE + "-wal"]
    everything = b"".join(files.values())
    secrets = conversation.secrets()
    assert found_in(everything, secrets) == []
    # What it does hold is found by the same look.
    rows = mailbox_rows(folder)
    known = {f"mailbox {number}": row[0] for number, row in enumerate(rows)}
    assert len(known) == 4
    assert found_in(everything, known) == sorted(known)


@pytest.mark.claim("S-10")
def test_logs_hold_no_name_id_address_nor_key_even_when_everything_is_logged(
    conversation: Conversation,
) -> None:
    stage = conversation.stage
    logs = {path.name: path.read_bytes() for path in stage.folder.glob("*.log")}
    assert {"supernode.log", "alice.log", "bob.log"} <= set(logs)
    secrets = conversation.secrets()
    for number, (mailbox, owner) in enumerate(mailbox_rows(stage.supernode_dir)):
        secrets |= {f"mailbox {number}": mailbox, f"owner {number}": owner}
    assert stage.address is not None
    secrets["supernode"] = stage.address.node_id
    for name, content in logs.items():
        assert b"everything is logged" in content, name
        assert found_in(content, secrets) == [], name
    assert b"127.0.0.1" not in logs["supernode.log"]
    planted = b"INFO somebody logged " + secrets["mailbox 0"].hex().encode()
    assert found_in(planted, secrets) == ["mailbox 0"]


@pytest.mark.claim("D-1")
def test_a_store_shows_nothing_without_its_passphrase_and_each_guess_is_dear(
    conversation: Conversation,
) -> None:
    stage = conversation.stage
    paths = stage.paths("alice")
    files = files_in(paths.data_dir)
    assert files[paths.database.name]
    assert len(files[paths.database.name + "-wal"]) > 4096
    secrets = conversation.secrets()
    secrets["own words"] = (stage.folder / "alice.words").read_bytes()[:24]
    assert found_in(b"".join(files.values()), secrets) == []
    assert b"SQLite format 3" not in files[paths.database.name]
    keyfile = read_keyfile(paths.keyfile)
    with pytest.raises(WrongPassphraseError):
        unlock(keyfile, PASSPHRASE + "!")
    wrapped = base64.b64decode(json.loads(paths.keyfile.read_bytes())["wrapped"])
    memory_kib, passes, lanes = (
        int.from_bytes(wrapped[1:5]),
        int.from_bytes(wrapped[5:9]),
        wrapped[9],
    )
    assert memory_kib >= MIN_ARGON2_KIB
    assert passes >= 3
    assert lanes >= 1


@pytest.mark.claim("D-1")
def test_a_copied_store_opens_with_its_own_key_only(
    conversation: Conversation, tmp_path: Path
) -> None:
    paths = conversation.stage.paths("alice")
    for name, content in files_in(paths.data_dir).items():
        if name.startswith(paths.database.name) and not name.endswith("-shm"):
            (tmp_path / name).write_bytes(content)
    copied = tmp_path / paths.database.name
    with pytest.raises(StoreDamagedError):
        SqlcipherDeviceStore(copied, os.urandom(32))
    key = unlock(read_keyfile(paths.keyfile), PASSPHRASE)
    store = SqlcipherDeviceStore(copied, key)
    texts = [
        row[0] for row in store._connection.execute("SELECT body FROM messages").fetchall()
    ]
    store.close()
    # So the texts were there, and the look above could have found them.
    assert {text.encode() for text in conversation.texts} <= set(texts)
    assert key not in b"".join(files_in(paths.data_dir).values())


@pytest.mark.claim("D-1")
def test_the_passphrase_is_in_no_argument_of_a_running_node_and_files_are_its_owners(
    conversation: Conversation,
) -> None:
    stage = conversation.stage
    for profile in ("alice", "bob"):
        arguments = Path(f"/proc/{stage.pid(profile)}/cmdline").read_bytes().split(b"\0")
        assert PASSPHRASE.encode() not in arguments
        folder = stage.paths(profile).data_dir
        for path in [folder, *folder.rglob("*")]:
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path.name


@pytest.mark.claim("D-1")
def test_a_node_in_the_background_does_not_keep_the_passphrase_in_its_environment(
    conversation: Conversation,
) -> None:
    stage = conversation.stage
    words = str(stage.folder / "carol.words")
    stage.hark("carol", "init", "--words-file", words, "--supernode", str(stage.address))
    stage.hark("carol", "up", "--detach")
    try:
        process = Path(f"/proc/{stage.client('carol').status().pid}")
        environment = (process / "environ").read_bytes()
        assert b"HARK_HOME=" in environment
        assert b"HARK_PASSPHRASE" not in environment
        assert PASSPHRASE.encode() not in (process / "cmdline").read_bytes().split(b"\0")
    finally:
        stage.hark("carol", "down")


@pytest.mark.claim("S-9", "S-1")
def test_an_envelope_is_on_the_disk_until_it_is_acknowledged_and_then_nowhere(
    conversation: Conversation,
) -> None:
    stage = conversation.stage
    folder = stage.supernode_dir
    stage.stop_node("bob")
    contact = conversation.alice.contacts()[0].account
    message_id = conversation.alice.send(contact, canary("for later")).id
    stage.until(
        lambda: conversation.alice.message(message_id).state == "held", "a home holds it"
    )
    pieces = {
        f"envelope {number}": envelope[200:232]
        for number, envelope in enumerate(held_envelopes(folder))
    }
    assert pieces
    assert found_in(b"".join(files_in(folder).values()), pieces) == sorted(pieces)
    stage.start_node("bob")
    stage.until(
        lambda: conversation.alice.message(message_id).state == "delivered", "the receipt"
    )
    stage.until(lambda: held_envelopes(folder) == [], "everything is acknowledged")
    stage.stop_node("alice")
    stage.stop_node("bob")
    # Stopping in order empties the write-ahead log, as the clock does while it runs.
    stage.stop_all()
    assert found_in(b"".join(files_in(folder).values()), pieces) == []
