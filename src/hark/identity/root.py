"""The root of an account: the key that the 24 words give.

It signs `create`, `recover` and `rotate_root` and is then forgotten: no device keeps it.
Source: spec/identity.md#recovery-words.
"""

from typing import Self

from hark.crypto.signing import CompositeKey
from hark.identity.genesis import Genesis
from hark.identity.words import RootSeed
from hark.wire.ids import AccountId


class Root:
    """The root key pair, for as long as a command needs it."""

    __slots__ = ("genesis", "key")

    def __init__(self, key: CompositeKey) -> None:
        self.key = key
        """The private key."""
        self.genesis = Genesis(key.public)
        """The genesis of the account that *begins* with this root."""

    @classmethod
    def from_seed(cls, seed: RootSeed) -> Self:
        """Return the root of a 32-byte seed."""
        return cls(CompositeKey.from_seed(seed))

    @property
    def account_id(self) -> AccountId:
        """Id of the account that begins with this root.

        After `rotate_root` the root in force is another than the one that the id names.
        """
        return self.genesis.account_id
