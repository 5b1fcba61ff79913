"""What the XMPP servers that we run beside ours have in common: how they start and stop.

Each runs on loopback, as a user without rights, on files in a temporary folder that goes away
with it.
"""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from benchmarks.peers.xmpp_client import Account

LISTEN_HOST = "127.0.0.1"
DOMAIN = "localhost"
START_S = 60.0
"""Time for a server to open its port, in seconds; accounts may be made before that."""
STOP_S = 20.0
"""Time for a server to end after SIGTERM, in seconds; then it is killed."""
_LOOK_AGAIN_S = 0.1


@dataclass(frozen=True, slots=True)
class XmppServer:
    """A running server."""

    pid: int
    """The process that serves the clients."""
    port: int
    """Of `LISTEN_HOST`; TLS from the first byte."""
    certificate: Path
    """Self-signed, for `DOMAIN`: what a client trusts."""
    accounts: list[Account]


@contextmanager
def server_folder() -> Iterator[Path]:
    """Make a temporary folder that any user may pass through; remove it at the end."""
    with tempfile.TemporaryDirectory(prefix="hark-peer-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@contextmanager
def running(
    command: Sequence[str],
    *,
    folder: Path,
    user_name: str,
    port: int,
    environment: Mapping[str, str],
    ready_file: Path | None = None,
) -> Iterator[int]:
    """Run a server until the end of the block; yield its process id once it is ready.

    Args:
        command: program and arguments; it must stay in the foreground.
        folder: its working folder; it is given to the user it runs as.
        user_name: whom to run it as if we are root and that user exists, else `nobody`.
        port: of loopback, that it will open.
        environment: variables besides ours.
        ready_file: for servers that do more after opening the port: exists when it is done.

    Raises:
        RuntimeError: it did not come up; what it printed is in the message.
    """
    user = _plain_user(user_name, folder)
    output = folder / "output.txt"
    with output.open("wb") as sink:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            user=user and user.pw_uid,
            group=user and user.pw_gid,
            extra_groups=[] if user else None,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    try:
        if not _comes_up(process, port, ready_file):
            raise RuntimeError(f"{command[0]} did not come up: {output.read_text()}")
        yield process.pid
    finally:
        _stop(process)


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.create_server((LISTEN_HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def make_accounts(count: int) -> list[Account]:
    """Return the accounts `user0`, `user1`, … with a password each."""
    return [Account(f"user{number}", f"password{number}") for number in range(count)]


def package_version(package: str) -> str:
    """Return the installed version of a Debian package; `unknown` elsewhere."""
    if shutil.which("dpkg-query") is None:
        return "unknown"
    query = ["dpkg-query", "--show", "--showformat=${Version}", package]
    found = subprocess.run(query, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def write_certificate(folder: Path) -> Path:
    """Write `key.pem`, `certificate.pem` and both in `both.pem`; return the certificate.

    The key is P-256, the cheapest at log-in of those that XMPP servers commonly have.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, DOMAIN)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(DOMAIN)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_pem = certificate.public_bytes(serialization.Encoding.PEM)
    key_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / "certificate.pem"
    path.write_bytes(certificate_pem)
    (folder / "key.pem").write_bytes(key_pem)
    (folder / "both.pem").write_bytes(key_pem + certificate_pem)
    return path


def _plain_user(name: str, folder: Path) -> pwd.struct_passwd | None:
    """Return the user to run as, who now owns `folder`; None for the one we are."""
    if os.geteuid() != 0:
        return None
    users = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = users.get(name, users["nobody"])
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, user.pw_uid, user.pw_gid)
    return user


def _comes_up(process: subprocess.Popen[bytes], port: int, ready_file: Path | None) -> bool:
    for _ in range(int(START_S / _LOOK_AGAIN_S)):
        with contextlib.suppress(OSError):
            socket.create_connection((LISTEN_HOST, port), timeout=1).close()
            if ready_file is None or ready_file.exists():
                return True
        # Waiting for its end is the pause between two looks.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_LOOK_AGAIN_S)
            return False
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
