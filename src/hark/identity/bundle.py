"""What lies at a home for those who know an account id: sealed blobs.

The chain, the envelope-key record and the prekeys are stored at the account's homes, encrypted
under a key that is derived from the account id. So a home that does not know the id reads
nothing of them, and everybody who knows the id can. It is no secret from contacts: integrity
comes from the signatures inside. Source: spec/identity.md#sealed-blobs.
"""

from enum import IntEnum

from hark.crypto.aead import NONCE_BYTES, TAG_BYTES, AeadKey
from hark.crypto.hashing import hkdf
from hark.crypto.labels import Label
from hark.crypto.padding import pad
from hark.errors import MalformedError
from hark.machine import RandomBytes
from hark.wire.ids import AccountId
from hark.wire.layout import Reader, Writer

VERSION = 1


class BlobKind(IntEnum):
    """What a blob holds; sealed in, so that a home cannot pass one kind for another."""

    CHAIN = 1
    ENVELOPE_KEY = 2
    ONE_TIME_PREKEY = 3
    FALLBACK_PREKEY = 4


_KIB = 1024
_CHAIN_BUCKETS = (16 * _KIB, 32 * _KIB, 64 * _KIB, 128 * _KIB, 192 * _KIB)
"""A statement has 3.5 to 11 kB; the home sees at most how many doublings there are."""
_MINIMUM_BYTES = {
    BlobKind.ENVELOPE_KEY: 1536,
    BlobKind.ONE_TIME_PREKEY: 128,
    BlobKind.FALLBACK_PREKEY: 128,
}

BLOB_OVERHEAD_BYTES = 1 + NONCE_BYTES + TAG_BYTES
MAX_BLOB_BYTES = _CHAIN_BUCKETS[-1] + BLOB_OVERHEAD_BYTES


def bundle_key(account_id: AccountId) -> AeadKey:
    """Return the key of an account's blobs: known to all who know the account id."""
    return AeadKey(hkdf(account_id, Label.BUNDLE_KEY, 32))


def seal_blob(
    kind: BlobKind, account_id: AccountId, content: bytes, random_bytes: RandomBytes
) -> bytes:
    """Seal a blob for the homes.

    Layout: version (1) = 1, nonce (12), ciphertext of: length (4), content, zeros up to the
    bucket; tag (16).

    Args:
        kind: what `content` is.
        account_id: whose it is.
        content: the encoded chain, record or prekey.
        random_bytes: source of the nonce.
    """
    plaintext = _padded(kind, Writer().u32(len(content)).raw(content).finish())
    nonce = random_bytes(NONCE_BYTES)
    sealed = bundle_key(account_id).seal(nonce, plaintext, _associated_data(kind))
    return Writer().u8(VERSION).raw(nonce).raw(sealed).finish()


def open_blob(kind: BlobKind, account_id: AccountId, blob: bytes) -> bytes:
    """Return the content of a blob. What it says is then verified by its signatures.

    Raises:
        MalformedError: not a blob of version 1, or its inside is not as `seal_blob` writes it.
        ForgedError: of another kind or account, or altered.
    """
    if len(blob) > MAX_BLOB_BYTES:
        raise MalformedError("a blob is too long")
    reader = Reader(blob)
    reader.expect(bytes([VERSION]))
    nonce = reader.take(NONCE_BYTES)
    plaintext = bundle_key(account_id).open(nonce, reader.rest(), _associated_data(kind))
    inside = Reader(plaintext)
    length = inside.u32()
    content = inside.take(length)
    if plaintext != _padded(kind, Writer().u32(length).raw(content).finish()):
        raise MalformedError("a blob is not padded as it must be")
    return content


def _padded(kind: BlobKind, plaintext: bytes) -> bytes:
    if kind is not BlobKind.CHAIN:
        return pad(plaintext, _MINIMUM_BYTES[kind])
    for bucket in _CHAIN_BUCKETS:
        if len(plaintext) <= bucket:
            return plaintext.ljust(bucket, b"\0")
    raise MalformedError("a chain is too long for a blob")


def _associated_data(kind: BlobKind) -> bytes:
    return Label.BUNDLE_BLOB + bytes([kind])
