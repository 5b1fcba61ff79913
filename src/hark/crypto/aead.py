"""Authenticated encryption under a shared key: ChaCha20-Poly1305. Source: RFC 8439."""

from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from hark.errors import ForgedError
from hark.machine import RandomBytes

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16


class AeadKey:
    """A secret key of 32 bytes that seals and opens."""

    __slots__ = ("_cipher", "raw")

    def __init__(self, raw: bytes) -> None:
        if len(raw) != KEY_BYTES:
            raise ValueError("an AEAD key has 32 bytes")
        self.raw = raw
        """The secret, 32 bytes."""
        self._cipher = ChaCha20Poly1305(raw)

    @classmethod
    def generate(cls, random_bytes: RandomBytes) -> Self:
        """Make a new key from 32 bytes of `random_bytes`."""
        return cls(random_bytes(KEY_BYTES))

    def seal(self, nonce: bytes, plaintext: bytes, aad: bytes = b"") -> bytes:
        """Encrypt `plaintext` and authenticate it together with `aad`.

        Args:
            nonce: 12 bytes, never used twice under one key with different content. Random
                ones are good for 2**32 messages.
            plaintext: of any length.
            aad: associated data, authenticated but not part of the result.

        Returns:
            The ciphertext, 16 bytes longer than `plaintext`; the nonce is not part of it.
        """
        return self._cipher.encrypt(nonce, plaintext, aad)

    def open(self, nonce: bytes, sealed: bytes, aad: bytes = b"") -> bytes:
        """Open what `seal` made under the same nonce and `aad`.

        Raises:
            ForgedError: altered, cut off, or made under another key, nonce or `aad`.
        """
        try:
            return self._cipher.decrypt(nonce, sealed, aad)
        except (InvalidTag, ValueError):
            raise ForgedError("a sealed value does not open") from None
