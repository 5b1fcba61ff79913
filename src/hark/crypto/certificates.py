"""The TLS certificate of a supernode: self-signed, over its node key.

Nothing in it is believed but the key: the node id is the SHA-256 of the key, TLS proves that
the server holds it, and the client compares the id with the one it expects. The certificate
is the same each time for the same key; its dates are constants, because no clock decides
anything here. Source: spec/identity.md#node-ids.
"""

import warnings
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from hark.crypto.hashing import sha256
from hark.crypto.signing import SigningKey, VerifyKey
from hark.errors import MalformedError
from hark.wire.ids import NodeId

NOT_BEFORE = datetime(2020, 1, 1, tzinfo=UTC)
NOT_AFTER = datetime(2120, 1, 1, tzinfo=UTC)
"""A hundred years: the key ends a supernode's identity, not a date."""

MAX_CERTIFICATE_BYTES = 64 * 1024
"""Far above any certificate (ours has about 220 bytes); bounds what the parser sees."""

_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hark")])


def make_certificate(key: SigningKey) -> tuple[bytes, bytes]:
    """Make the self-signed certificate of a node key.

    Returns:
        The certificate and the private key, each as PEM, as TLS servers take them.
    """
    private = Ed25519PrivateKey.from_private_bytes(key.seed)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_NAME)
        .issuer_name(_NAME)
        .public_key(private.public_key())
        # Serial numbers have at most 20 bytes and are positive.
        .serial_number(int.from_bytes(node_id_of_key(key.public)[:16], "big") | 1)
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
        .sign(private, None)
    )
    return (
        certificate.public_bytes(Encoding.PEM),
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


def node_id_of_key(key: VerifyKey) -> NodeId:
    """Return the node id of a supernode's key: its SHA-256."""
    return NodeId(sha256(key.raw))


def key_of_certificate(der: bytes) -> VerifyKey:
    """Return the Ed25519 key of a certificate.

    Raises:
        MalformedError: not a certificate, or one with a key of another kind.
    """
    if len(der) > MAX_CERTIFICATE_BYTES:
        raise MalformedError("a certificate is too long")
    try:
        with warnings.catch_warnings():
            # Oddities of a stranger's certificate are no news for our standard error.
            warnings.simplefilter("ignore")
            key = x509.load_der_x509_certificate(der).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise MalformedError("not a certificate") from None
    if not isinstance(key, Ed25519PublicKey):
        raise MalformedError("the key of the certificate is not an Ed25519 key")
    return VerifyKey(key.public_bytes_raw())


def node_id_of_certificate(der: bytes) -> NodeId:
    """Return the node id that a certificate speaks for.

    The caller has it from a finished TLS 1.3 handshake, which proves that the other side holds
    the key; the certificate's own signature, names and dates mean nothing.

    Raises:
        MalformedError: as `key_of_certificate`.
    """
    return node_id_of_key(key_of_certificate(der))
