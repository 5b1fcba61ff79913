"""The store key under a passphrase: Argon2id, then ChaCha20-Poly1305.

Layout of the wrapped key, 98 bytes::

    0   1   version = 1
    1   4   memory, in KiB, big-endian
    5   4   passes
    9   1   lanes
    10  16  salt, random
    26  12  nonce, random
    38  48  the sealed store key (32) and its tag (16); bytes 0 to 37 are its associated data
    86  12  the first 12 bytes of SHA-256 over bytes 0 to 85

The hash at the end is no secret and no protection: it tells damage, which no passphrase opens,
from a wrong passphrase. The parameters are stored so that they can grow; they are bounded on
reading, so that a damaged record cannot ask for all memory. Source: RFC 9106, section 4.
"""

from dataclasses import dataclass

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from hark.crypto.aead import NONCE_BYTES, TAG_BYTES, AeadKey
from hark.crypto.hashing import sha256
from hark.crypto.labels import Label
from hark.errors import ForgedError, StoreDamagedError, StoreVersionError, WrongPassphraseError
from hark.machine import RandomBytes

STORE_KEY_BYTES = 32
VERSION = 1
SALT_BYTES = 16
CHECK_BYTES = 12
HEADER_BYTES = 1 + 4 + 4 + 1 + SALT_BYTES + NONCE_BYTES
WRAPPED_KEY_BYTES = HEADER_BYTES + STORE_KEY_BYTES + TAG_BYTES + CHECK_BYTES

MAX_MEMORY_KIB = 1024 * 1024
"""1 GiB: sixteen times what we write."""
MAX_PASSES = 16
MAX_LANES = 16


@dataclass(frozen=True, slots=True)
class Argon2Cost:
    """How much work one guess of a passphrase costs."""

    memory_kib: int = 64 * 1024
    """64 MiB, the second recommended choice of RFC 9106: 0.2 s here; 256 MiB took 3 s."""
    passes: int = 3
    lanes: int = 4

    def is_allowed(self) -> bool:
        """Return whether the bounds above and those of Argon2 are kept."""
        return (
            1 <= self.passes <= MAX_PASSES
            and 1 <= self.lanes <= MAX_LANES
            and 8 * self.lanes <= self.memory_kib <= MAX_MEMORY_KIB
        )


DEFAULT_COST = Argon2Cost()


def wrap_store_key(
    store_key: bytes,
    passphrase: str,
    random_bytes: RandomBytes,
    cost: Argon2Cost = DEFAULT_COST,
) -> bytes:
    """Seal the store key under a passphrase.

    Args:
        store_key: 32 bytes.
        passphrase: as typed; its UTF-8 bytes count, nothing is trimmed or normalised.
        random_bytes: source of the salt and the nonce.
        cost: the work per guess; it is stored in the result.

    Returns:
        The layout above, 98 bytes.
    """
    if len(store_key) != STORE_KEY_BYTES or not cost.is_allowed():
        raise ValueError("a store key has 32 bytes, and the cost is bounded")
    salt, nonce = random_bytes(SALT_BYTES), random_bytes(NONCE_BYTES)
    header = (
        bytes([VERSION])
        + cost.memory_kib.to_bytes(4, "big")
        + cost.passes.to_bytes(4, "big")
        + bytes([cost.lanes])
        + salt
        + nonce
    )
    sealed = _key(passphrase, salt, cost).seal(nonce, store_key, Label.STORE_KEY + header)
    record = header + sealed
    return record + sha256(record)[:CHECK_BYTES]


def unwrap_store_key(wrapped: bytes, passphrase: str) -> bytes:
    """Return the store key that `wrap_store_key` sealed.

    Raises:
        StoreDamagedError: the record is cut off or altered.
        StoreVersionError: a newer hark wrote it.
        WrongPassphraseError: the record is whole, the passphrase is not the one.
    """
    record, check = wrapped[:-CHECK_BYTES], wrapped[-CHECK_BYTES:]
    if not record or sha256(record)[:CHECK_BYTES] != check:
        raise StoreDamagedError("the wrapped store key is damaged")
    if record[0] > VERSION:
        raise StoreVersionError("the wrapped store key is of a newer version")
    header, sealed = record[:HEADER_BYTES], record[HEADER_BYTES:]
    cost = Argon2Cost(
        memory_kib=int.from_bytes(header[1:5], "big"),
        passes=int.from_bytes(header[5:9], "big"),
        lanes=int.from_bytes(header[9:10], "big"),
    )
    if record[0] != VERSION or len(wrapped) != WRAPPED_KEY_BYTES or not cost.is_allowed():
        raise StoreDamagedError("the wrapped store key is not one of ours")
    salt, nonce = header[10:26], header[26:]
    try:
        return _key(passphrase, salt, cost).open(nonce, sealed, Label.STORE_KEY + header)
    except ForgedError:
        raise WrongPassphraseError from None


def _key(passphrase: str, salt: bytes, cost: Argon2Cost) -> AeadKey:
    """Derive the wrapping key. Lone surrogates (undecodable terminal input) count too."""
    derivation = Argon2id(
        salt=salt,
        length=STORE_KEY_BYTES,
        iterations=cost.passes,
        lanes=cost.lanes,
        memory_cost=cost.memory_kib,
    )
    return AeadKey(derivation.derive(passphrase.encode("utf-8", "surrogatepass")))
