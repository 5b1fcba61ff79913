"""What the network path sees and what it can make of a node: real programs, every byte kept."""

import base64
import os
import socket
import sqlite3
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hark.app.cli.demo.stage import Stage
from hark.control.client import Client
from hark.crypto.certificates import node_id_of_key
from hark.crypto.signing import SigningKey
from hark.identity.account_id import parse_display
from hark.identity.invitation import Invitation
from hark.supernode.declarations import DATABASE_FILE
from hark.wire.address import Address
from hark.wire.link import ALPN
from tests.e2e.wire import HOST, FakeSupernode, Forwarder, Listener, found_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path / "home") as stage:
        yield stage


def canary(what: str) -> str:
    return f"{what}-{os.urandom(9).hex()}"


def move_in(stage: Stage, profile: str, home: Address, name: str = "") -> None:
    """Make an account and start its node."""
    words = str(stage.folder / f"{profile}.words")
    options = ["--name", name or profile, "--words-file", words, "--supernode", str(home)]
    stage.hark(profile, "init", *options)
    stage.start_node(profile)


def is_attached(stage: Stage, profile: str) -> bool:
    return all(home.attached for home in stage.client(profile).whoami().homes)


def deliver(stage: Stage, sender: Client, text: str) -> None:
    """Send a text to the only contact, and wait for its receipt."""
    message_id = sender.send(sender.contacts()[0].account, text).id
    stage.until(lambda: sender.message(message_id).state == "delivered", "the receipt")


class Echo(Listener):
    """The plain stream of the positive control."""

    def serve(self, accepted: socket.socket) -> None:
        while piece := accepted.recv(4096):
            accepted.sendall(piece)


@pytest.mark.claim("N-1")
def test_a_listener_on_both_links_reads_no_message_name_account_nor_mailbox(
    stage: Stage,
) -> None:
    supernode = stage.start_supernode()
    secrets: dict[str, bytes] = {}
    with Forwarder(supernode.port) as by_alice, Forwarder(supernode.port) as by_bob:
        captures = {"alice": by_alice, "bob": by_bob}
        names = {profile: canary(f"name-{profile}") for profile in captures}
        for profile, forwarder in captures.items():
            home = Address(supernode.node_id, HOST, forwarder.port)
            move_in(stage, profile, home, names[profile])
        alice, bob = stage.client("alice"), stage.client("bob")
        stage.until(
            lambda: all(is_attached(stage, profile) for profile in captures), "mailboxes"
        )
        link = alice.invite().link
        bob.add(link, names["alice"])
        stage.until(lambda: [c.status for c in alice.contacts()] == ["accepted"], "contacts")
        for client in (alice, bob):
            # With the conversation open receipts, typing and presence go at once.
            client.chat(client.contacts()[0].account, is_open=True)
            client.typing(client.contacts()[0].account)
        texts = [canary("text"), canary("answer"), canary("long") * 50]
        for sender, text in ((alice, texts[0]), (bob, texts[1]), (alice, texts[2])):
            deliver(stage, sender, text)
        for number, text in enumerate(texts):
            secrets[f"text {number}"] = text.encode()[:24]
        invitation = Invitation.parse(link)
        assert invitation.token is not None
        secrets["invitation token"] = invitation.token
        for profile in captures:
            account = stage.client(profile).whoami().account
            secrets[f"name of {profile}"] = names[profile].encode()
            secrets[f"account of {profile}, as shown"] = account.encode()
            secrets[f"account of {profile}"] = bytes(parse_display(account))
        stage.stop_all()
        seen = {profile: forwarder.capture() for profile, forwarder in captures.items()}
    with closing(sqlite3.connect(stage.supernode_dir / DATABASE_FILE)) as database:
        rows = database.execute("SELECT mailbox, owner_key FROM mailbox").fetchall()
    assert len(rows) == 4
    for number, (mailbox, owner) in enumerate(rows):
        secrets[f"mailbox {number}"] = mailbox
        secrets[f"owner key {number}"] = owner
    for profile, capture in seen.items():
        # It is their link: the protocol's name is seen, and so is how much passed.
        assert ALPN.encode() in capture
        assert len(capture) > 20_000
        assert found_in(capture, secrets) == [], profile
    # The same look at the same forwarder, where nothing is encrypted.
    with Echo() as echo, Forwarder(echo.port) as plain:
        with socket.create_connection((HOST, plain.port), timeout=10) as connection:
            for secret in secrets.values():
                connection.sendall(b"<" + secret + b">")
                connection.recv(4096)
                encoded = base64.b64encode(b"in a sentence: " + secret + b", and more")
                connection.sendall(encoded)
                connection.recv(4096)
        assert sorted(found_in(plain.capture(), secrets)) == sorted(secrets)


@pytest.mark.claim("A-1")
def test_a_supernode_with_another_key_is_told_nothing(stage: Stage, tmp_path: Path) -> None:
    honest = SigningKey(os.urandom(32))
    with FakeSupernode(tmp_path, SigningKey(os.urandom(32))) as fake:
        move_in(stage, "alice", fake.address(node_id_of_key(honest.public)))
        stage.until(
            lambda: "another supernode" in stage.client("alice").whoami().homes[0].reason,
            "the node has seen whose key it is",
        )
        assert fake.handshake_count > 0
        assert bytes(fake.told) == b""
    # Whoever holds the pinned key is asked for mailboxes at once.
    with FakeSupernode(tmp_path, honest) as true_one:
        move_in(stage, "bob", true_one.address())
        stage.until(lambda: len(true_one.told) > 0, "the node asks")


@pytest.mark.claim("A-3")
def test_a_node_does_not_speak_to_its_supernode_by_an_older_tls(
    stage: Stage, tmp_path: Path
) -> None:
    key = SigningKey(os.urandom(32))
    with FakeSupernode(tmp_path, key, ssl.TLSVersion.TLSv1_2) as old:
        move_in(stage, "alice", old.address())
        stage.until(lambda: old.refused_count >= 2, "the node has tried twice")
        assert (old.handshake_count, bytes(old.told)) == (0, b"")
