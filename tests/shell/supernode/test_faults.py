"""What goes wrong around a supernode: a sentence, an exit code, or the end of one link."""

import asyncio
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hark.overlay.link import events
from hark.overlay.mailbox.store import MailboxRow
from hark.runtime.framing import with_length
from hark.runtime.tls import client_context
from hark.supernode.declarations import DATABASE_FILE
from hark.supernode.storage.sqlite import SqliteMailboxStore
from hark.wire import mailbox as wire
from hark.wire.ids import MailboxId
from hark.wire.link import ALPN
from tests.shell.supernode.peer import Peer, Server, run

StartServer = Callable[..., Server]


def supernode(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hark.supernode", *arguments],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def run_on(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    host = ["--host", "127.0.0.1", "--admin-port", "0"]
    return supernode("run", "--data", str(data_dir), *host, *arguments)


def filled_store(data_dir: Path, envelope: bytes = b"x" * 1000) -> None:
    data_dir.mkdir(mode=0o700)
    store = SqliteMailboxStore(data_dir)
    zeros = bytes(32)
    mailbox = wire_mailbox(b"m")
    with store.transaction() as t:
        t.insert_mailbox(MailboxRow(mailbox, 0, zeros, zeros, 0, bytes(16), 2**52, 0, 0))
    for number in range(100):
        with store.transaction() as t:
            t.insert_envelope(mailbox, number.to_bytes(32, "big"), envelope, 0, 2**52)
    store.close()


def wire_mailbox(letter: bytes) -> MailboxId:
    return MailboxId(letter * 16)


def damaged_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"not a database at all")


def damaged_page(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(os.urandom(4096))


def cut_off(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("damage", [damaged_header, damaged_page, cut_off])
def test_damaged_database_stops_the_start_and_is_left_as_it_is(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    data_dir = tmp_path / "data"
    filled_store(data_dir)
    damage(data_dir / DATABASE_FILE)
    before = (data_dir / DATABASE_FILE).read_bytes()
    ended = run_on(data_dir, "--port", "0")
    assert ended.returncode == 4, ended.stderr
    assert "damaged or cut off" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert (data_dir / DATABASE_FILE).read_bytes() == before


def test_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    filled_store(data_dir)
    store = SqliteMailboxStore(data_dir)
    store._connection.execute("PRAGMA user_version = 99")
    store.close()
    ended = run_on(data_dir, "--port", "0")
    assert ended.returncode == 4
    assert "newer version" in ended.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_taken_port_is_a_sentence_and_exit_code_3(tmp_path: Path, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        ended = run_on(tmp_path / "data", "--port", port, "--workers", workers)
    assert ended.returncode == 3, ended.stderr
    assert "Another program is listening on this port" in ended.stderr


def test_two_supernodes_with_workers_never_share_a_port(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server("--workers", "2")
    ended = run_on(tmp_path / "other", "--port", str(server.port), "--workers", "2")
    assert ended.returncode == 3, ended.stderr


def test_second_supernode_on_a_data_directory_is_refused(start_server: StartServer) -> None:
    server = start_server()
    ended = run_on(server.data_dir, "--port", "0")
    assert ended.returncode == 3, ended.stderr
    assert "Another hark program is using this store" in ended.stderr


def test_data_directory_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    data_dir.chmod(0o755)
    ended = run_on(data_dir, "--port", "0")
    assert ended.returncode == 2
    assert "others may enter" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(["--workers", "0"], "workers"), (["--port", "70000"], "port")],
)
def test_setting_out_of_bounds_is_named(
    tmp_path: Path, arguments: list[str], word: str
) -> None:
    ended = run_on(tmp_path / "data", *arguments)
    assert ended.returncode == 2
    assert word in ended.stderr


@pytest.mark.needs_root
def test_full_disk_refuses_mail_and_takes_it_again_when_there_is_room(
    start_server: StartServer, tmp_path: Path
) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(mount)], check=True)
    try:
        server = start_server(name="small/data")

        async def fill() -> None:
            alice = await Peer(server.address).connect()
            mailbox = await alice.create()
            held: list[bytes] = []
            for _ in range(400):
                envelope = os.urandom(60_000)
                answer = await alice.put(mailbox, envelope)
                if isinstance(answer, wire.Refused):
                    break
                held.append(envelope)
            else:
                pytest.fail("the disk never filled up")
            assert answer.code == 14
            assert answer.retry_after_ms > 0
            (mount / "ballast").unlink()
            # What was promised is there.
            assert isinstance(await alice.log_in(mailbox), events.LoggedIn)
            for envelope in held:
                mail = await alice.next_mail()
                assert mail.envelope == envelope
                alice.acknowledge(mailbox, mail.sequence)
            assert isinstance(await alice.put(mailbox, os.urandom(60_000)), wire.Held)

        (mount / "ballast").write_bytes(bytes(2_000_000))
        run(fill())
        assert server.stop() == 0
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x00\x00\x00",
        b"\xff\xff\xff\xff" + bytes(100),
        with_length(b"\xc1 is no MessagePack"),
        with_length(b"\x92\x01"),
        with_length(bytes([0x91] * 5000)),
        b"GET / HTTP/1.1\r\nHost: here\r\n\r\n",
    ],
)
def test_bytes_that_are_no_frame_end_their_link_and_no_other(
    start_server: StartServer, garbage: bytes
) -> None:
    server = start_server()

    async def scenario() -> None:
        good = await Peer(server.address).connect()
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", server.port, ssl=client_context(alpn=ALPN), server_hostname="0.0.0.0"
        )
        writer.write(garbage)
        await asyncio.wait_for(reader.read(), 10)
        writer.close()
        assert isinstance(await good.ask(wire.GetChallenge(bytes(16))), wire.Challenge)

    run(scenario())
    assert server.stop() == 0


@pytest.mark.claim("A-3")
def test_other_protocols_and_old_tls_are_refused(start_server: StartServer) -> None:
    server = start_server()
    old = client_context(alpn=ALPN)
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.maximum_version = ssl.TLSVersion.TLSv1_2

    def greeting(context: ssl.SSLContext | None) -> bytes:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain:
            try:
                if context is None:
                    plain.sendall(b"hello\r\n\r\n")
                    return plain.recv(100)
                with context.wrap_socket(plain) as secured:
                    return secured.recv(100)
            except (ssl.SSLError, ConnectionError):
                return b""

    assert greeting(client_context(alpn=ALPN))
    assert not greeting(client_context(alpn="http/1.1"))
    assert not greeting(old)
    # At most an alert of TLS.
    assert greeting(None)[:1] in {b"", b"\x15"}
    assert server.stop() == 0


@pytest.mark.claim("S-11")
def test_supernode_contains_no_part_that_reads_messages_or_takes_calls(tmp_path: Path) -> None:
    program = (
        "import sys, hark.supernode.daemon, hark.supernode.worker_process,"
        " hark.supernode.__main__, hark.supernode.inventory, hark.supernode.disk_scan\n"
        "parts = ('messaging', 'calls', 'node', 'app')\n"
        "libraries = {'aioice', 'aiortc', 'av', 'pylibsrtp', 'sounddevice'}\n"
        "forbidden = {*libraries, *('hark.' + part for part in parts)}\n"
        "print([name for name in sys.modules"
        " if {name.split('.')[0], '.'.join(name.split('.')[:2])} & forbidden])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "[]"
