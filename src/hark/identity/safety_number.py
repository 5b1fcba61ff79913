"""The safety number: 60 digits that two people compare to know that nobody is in between.

It covers both account ids and, of each, the root epoch and the account key in force. So it
changes when somebody recovers their account, and does not when they add a device. Either side
computes the same number. Source: spec/identity.md#safety-number.
"""

import hashlib

from hark.crypto.labels import Label
from hark.identity.chain import IdentityChain
from hark.wire.ids import AccountId

ITERATIONS = 5200
"""Makes the search for an account whose half looks alike 5,200 times as dear (3 ms once)."""

HALF_DIGITS = 30
GROUP_DIGITS = 5


def safety_number(first: IdentityChain, second: IdentityChain) -> str:
    """Return the 60 digits of two accounts, the same in either order."""
    return "".join(sorted((half_of(first), half_of(second))))


def half_of(chain: IdentityChain) -> str:
    """Return the 30 digits of one account in its present epoch."""
    return half(chain.account_id, chain.epoch, chain.account_key_hash)


def half(account_id: AccountId, epoch: int, account_key_hash: bytes) -> str:
    """Return 30 digits for an account, its root epoch and the hash of its account key.

    SHA-512 over label, account id (32), epoch (4) and key hash (32); then 5,199 times SHA-512
    over the result and the same 68 bytes; of the last result six groups of 5 bytes, each as an
    integer modulo 100,000.
    """
    subject = account_id + epoch.to_bytes(4, "big") + account_key_hash
    digest = hashlib.sha512(Label.SAFETY_NUMBER + subject).digest()
    for _ in range(ITERATIONS - 1):
        digest = hashlib.sha512(digest + subject).digest()
    groups = (digest[at : at + 5] for at in range(0, HALF_DIGITS, 5))
    return "".join(f"{int.from_bytes(group, 'big') % 100_000:05}" for group in groups)


def grouped(number: str) -> str:
    """Return the digits in groups of five, separated by spaces: twelve groups."""
    groups = (number[at : at + GROUP_DIGITS] for at in range(0, len(number), GROUP_DIGITS))
    return " ".join(groups)
