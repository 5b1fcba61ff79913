"""The genesis of an account: its first root key, and nothing else.

There is no time and no randomness in it, so the words alone rebuild it; the account id is its
hash. Source: spec/identity.md#genesis.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

from hark.crypto.hashing import labelled_hash
from hark.crypto.labels import Label
from hark.crypto.signing import COMPOSITE_KEY_BYTES, CompositePublicKey
from hark.wire.ids import AccountId
from hark.wire.layout import Reader, Writer

VERSION = 1
ALGORITHM_ED25519_MLDSA65 = 1
GENESIS_BYTES = 2 + COMPOSITE_KEY_BYTES

_START = bytes([VERSION, ALGORITHM_ED25519_MLDSA65])


@dataclass(frozen=True)
class Genesis:
    """1,986 bytes: version (1) = 1, algorithm (1) = 1, root key (1,984)."""

    root: CompositePublicKey
    """The key that the first 24 words give."""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read the layout above.

        Raises:
            MalformedError: of another length, version or algorithm.
        """
        reader = Reader(data)
        reader.expect(_START)
        root = CompositePublicKey.parse(reader.take(COMPOSITE_KEY_BYTES))
        reader.end()
        return cls(root)

    def encode(self) -> bytes:
        """Write the layout above."""
        return Writer().raw(_START).raw(self.root.encode()).finish()

    @cached_property
    def account_id(self) -> AccountId:
        """The account id: SHA-256 over the label and these bytes."""
        return AccountId(labelled_hash(Label.ACCOUNT, self.encode()))
