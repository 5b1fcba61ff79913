"""The 24 recovery words: the root's 32-byte seed as a person keeps it.

The words are BIP-39 (English list): eleven bits each, the last eight bits are a checksum. Only
the entropy is used, not BIP-39's own key stretching: the seed *is* the 32 bytes. The checksum
misses one mistake in 256, and it cannot say which word is wrong.
Source: BIP-39; spec/identity.md#recovery-words.
"""

from functools import cache
from typing import NewType

from mnemonic import Mnemonic

from hark.errors import RecoveryWordsError

RootSeed = NewType("RootSeed", bytes)
"""32 secret bytes from which the root is derived. Shown once as words; never stored."""

ROOT_SEED_BYTES = 32
WORD_COUNT = 24


def words_of(seed: RootSeed) -> str:
    """Return the 24 words of a seed, separated by single spaces."""
    return _english().to_mnemonic(seed)


def seed_of(words: str) -> RootSeed:
    """Return the seed of 24 words.

    Args:
        words: as typed; upper case and any white space are accepted.

    Raises:
        RecoveryWordsError: not 24 words; some are not in the list (they are named by their
            place and spelling); or the checksum fails, so a word is wrong or swapped.
    """
    given = words.lower().split()
    unknown = [
        f"{place}: {word}" for place, word in enumerate(given, 1) if word not in _word_set()
    ]
    if unknown:
        raise RecoveryWordsError(f"not in the list of words — {', '.join(unknown)}")
    if len(given) != WORD_COUNT:
        raise RecoveryWordsError(f"{len(given)} words instead of {WORD_COUNT}")
    try:
        return RootSeed(bytes(_english().to_entropy(given)))
    except ValueError:
        raise RecoveryWordsError("all words are known, but one is wrong or swapped") from None


@cache
def _english() -> Mnemonic:
    return Mnemonic("english")


@cache
def _word_set() -> frozenset[str]:
    return frozenset(_english().wordlist)
