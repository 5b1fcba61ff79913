"""SHA-256, HKDF and comparison, always with a label. Source: spec/identity.md#notation."""

import hashlib
import hmac

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hark.crypto.labels import Label

HASH_BYTES = 32


def sha256(*parts: bytes) -> bytes:
    """Return SHA-256 over `parts`, one after the other.

    The parts are not separated: all but one must be of fixed length, or carry their length.
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()


def labelled_hash(label: Label, *parts: bytes) -> bytes:
    """Return SHA-256 over the label and `parts`, 32 bytes."""
    return sha256(label, *parts)


def hkdf(secret: bytes, label: Label, length: int, *, salt: bytes = b"") -> bytes:
    """Derive `length` bytes from `secret` by HKDF-SHA256 with the label as `info`.

    Args:
        secret: input keying material of at least 16 unpredictable bytes (or, where the result
            is meant for all who know `secret`, any bytes).
        label: the purpose; another label gives an unrelated result.
        length: bytes wanted, 1 to 8,160.
        salt: further context, of any length.

    Source: RFC 5869.
    """
    return HKDF(hashes.SHA256(), length, salt or None, bytes(label)).derive(secret)


def equal(first: bytes, second: bytes) -> bool:
    """Compare two byte strings in a time that does not depend on where they differ."""
    return hmac.compare_digest(first, second)
