"""Hashes by which a mailbox knows what admits an envelope, without knowing the secrets.

Both ends compute them: the device when it tells its home a new token or pass, the home when
somebody shows one. Source: spec/mailbox.md#admission.
"""

from hark.crypto.hashing import labelled_hash, sha256
from hark.crypto.labels import Label


def token_hash(token: bytes) -> bytes:
    """Return the hash under which a home keeps a delivery token (16 bytes)."""
    return labelled_hash(Label.DELIVERY_TOKEN, token)


def pass_hash(invitation_pass: bytes) -> bytes:
    """Return the hash under which a home keeps an invitation pass (16 bytes)."""
    return labelled_hash(Label.PUT_PASS, invitation_pass)


def envelope_hash(envelope: bytes) -> bytes:
    """Return the SHA-256 of an envelope: its name in stamps, receipts and de-duplication."""
    return sha256(envelope)
