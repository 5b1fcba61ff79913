"""Sealing to a device's envelope key: HPKE base mode with the X-Wing hybrid KEM.

X-Wing joins ML-KEM-768 and X25519, so that a sealed envelope stays shut unless both are
broken. Suite: KEM 0x647A, HKDF-SHA256, ChaCha20-Poly1305. Whoever knows a public key can seal
to it: this layer says nothing about who did.

A secret key is its 32-byte seed, expanded by SHAKE-256 to an ML-KEM seed and an X25519 key.
Source: draft-connolly-cfrg-xwing-kem, draft-ietf-hpke-pq, RFC 9180;
spec/identity.md#envelope-key-record.
"""

import hashlib
from functools import lru_cache
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import (
    MLKEM768PrivateKey,
    MLKEM768PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey,
    X25519PublicKey,
)

from hark.errors import ForgedError, MalformedError
from hark.machine import RandomBytes

SEED_BYTES = 32
PUBLIC_BYTES = 1216
"""ML-KEM-768 (1,184), X25519 (32)."""
ENCAPSULATION_BYTES = 1120
"""ML-KEM-768 ciphertext (1,088), X25519 share (32)."""
TAG_BYTES = 16
OVERHEAD_BYTES = ENCAPSULATION_BYTES + TAG_BYTES

_MLKEM_PUBLIC_BYTES = 1184
_MLKEM_SEED_BYTES = 64
_SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)


def seal(public: bytes, info: bytes, plaintext: bytes) -> bytes:
    """Seal `plaintext` so that only the holder of the secret key reads it.

    Args:
        public: the recipient's public key, 1,216 bytes.
        info: the context; opening needs the same bytes.
        plaintext: of any length; the result shows its length.

    Returns:
        The encapsulated key (1,120 bytes), then the ciphertext (16 bytes longer than
        `plaintext`). It differs each time.

    Raises:
        MalformedError: `public` is not a usable key.
    """
    try:
        # An X25519 point of small order shows only when it is used.
        return _SUITE.encrypt(plaintext, _public_key(public), info)
    except ValueError:
        raise MalformedError("not a usable envelope key") from None


@lru_cache(maxsize=64)
def _public_key(public: bytes) -> hpke.MLKEM768X25519PublicKey:
    """Expand a public key; kept for the next message to it, which is a quarter faster then."""
    return hpke.MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(public[:_MLKEM_PUBLIC_BYTES]),
        X25519PublicKey.from_public_bytes(public[_MLKEM_PUBLIC_BYTES:]),
    )


class EnvelopeSecret:
    """The secret half of an envelope key, kept as its 32-byte seed."""

    __slots__ = ("_private", "public", "seed")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise ValueError("an envelope key seed has 32 bytes")
        self.seed = seed
        """The secret, 32 bytes."""
        expanded = hashlib.shake_256(seed).digest(_MLKEM_SEED_BYTES + 32)
        mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:_MLKEM_SEED_BYTES])
        x25519 = X25519PrivateKey.from_private_bytes(expanded[_MLKEM_SEED_BYTES:])
        self._private = hpke.MLKEM768X25519PrivateKey(mlkem, x25519)
        self.public: bytes = (
            mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
        )
        """The public half, 1,216 bytes."""

    @classmethod
    def generate(cls, random_bytes: RandomBytes) -> Self:
        """Make a new key from 32 bytes of `random_bytes`."""
        return cls(random_bytes(SEED_BYTES))

    def open(self, info: bytes, sealed: bytes) -> bytes:
        """Open what `seal` made for this key under the same `info`.

        Raises:
            ForgedError: made for another key or another `info`, altered, or cut off.
        """
        try:
            return _SUITE.decrypt(sealed, self._private, info)
        except (InvalidTag, ValueError):
            raise ForgedError("a sealed envelope does not open") from None
