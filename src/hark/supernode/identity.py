"""Who this supernode is: its node key and certificate, made at the first start.

The key is the supernode's identity: whoever has the file can pretend to be it, and losing it
means a new address for everybody. It opens no mail: it signs custody receipts and the TLS
handshake, and mail is sealed to keys that no supernode has.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path

from hark.crypto.certificates import make_certificate, node_id_of_key
from hark.crypto.hashing import sha256
from hark.crypto.signing import SigningKey
from hark.errors import StoreDamagedError
from hark.machine import RandomBytes
from hark.runtime.files import write_private
from hark.wire.ids import NodeId

SEED_NAME = "node.seed"
CERTIFICATE_NAME = "node.crt.pem"
KEY_NAME = "node.key.pem"


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """The key of a supernode and what follows from it."""

    key: SigningKey
    node_id: NodeId
    certificate: Path
    """PEM file, as the TLS library wants it."""
    private_key: Path
    """PEM file of the same key."""
    certificate_hash: bytes
    """SHA-256 of the certificate, DER; every login on a link signs it."""


def load_or_make_identity(data_dir: Path, random_bytes: RandomBytes) -> NodeIdentity:
    """Return the identity that lies in the data directory; make one if there is none.

    Raises:
        StoreDamagedError: the key file is there, but is not a key.
        DiskFullError: there is no room for the files.
    """
    seed_path = data_dir / SEED_NAME
    if not seed_path.exists():
        write_private(seed_path, random_bytes(32))
    return load_identity(data_dir)


def load_identity(data_dir: Path) -> NodeIdentity:
    """Return the identity that lies in the data directory.

    Raises:
        StoreDamagedError: there is no usable key.
    """
    try:
        key = SigningKey((data_dir / SEED_NAME).read_bytes())
    except (OSError, ValueError) as error:
        raise StoreDamagedError(f"{SEED_NAME} is not there or not a key") from error
    certificate_pem, key_pem = make_certificate(key)
    certificate, private_key = data_dir / CERTIFICATE_NAME, data_dir / KEY_NAME
    # Both follow from the seed; written anew only if they differ.
    for path, content in ((certificate, certificate_pem), (private_key, key_pem)):
        if not path.exists() or path.read_bytes() != content:
            write_private(path, content)
    return NodeIdentity(
        key=key,
        node_id=node_id_of_key(key.public),
        certificate=certificate,
        private_key=private_key,
        certificate_hash=sha256(ssl.PEM_cert_to_DER_cert(certificate_pem.decode("ascii"))),
    )
