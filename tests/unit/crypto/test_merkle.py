"""Every tree up to 130 leaves, every index, and what happens when a proof is damaged."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hark.crypto.merkle import (
    check_inclusion,
    check_leaf_hash,
    inclusion_path,
    root_from_path,
    tree_root,
)
from hark.errors import ForgedError

LEAVES = [bytes([number]) * (number % 5) for number in range(130)]


def rfc_root(leaves: Sequence[bytes]) -> bytes:
    """The recursive definition of RFC 9162, 2.1.1, as it stands there."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + rfc_root(leaves[:split]) + rfc_root(leaves[split:])).digest()


def test_roots_equal_the_definition_for_every_size() -> None:
    for size in range(len(LEAVES) + 1):
        assert tree_root(LEAVES[:size]) == rfc_root(LEAVES[:size])


def test_every_leaf_of_every_tree_proves_itself_and_no_other_place() -> None:
    for size in range(1, 70):
        leaves = LEAVES[:size]
        root = tree_root(leaves)
        for index in range(size):
            path = inclusion_path(leaves, index)
            assert root_from_path(leaves[index], index, size, path) == root
            for other in {index - 1, index + 1, size, 0} - {index}:
                with pytest.raises(ForgedError):
                    check_inclusion(leaves[index], other, size, path, root)


@given(
    size=st.integers(1, 130),
    index=st.integers(0, 129),
    damage=st.sampled_from(["flip", "drop", "append", "swap", "shorten"]),
    where=st.integers(0, 10**6),
)
def test_a_damaged_path_is_refused(size: int, index: int, damage: str, where: int) -> None:
    index %= size
    path = inclusion_path(LEAVES[:size], index)
    root = tree_root(LEAVES[:size])
    damaged = list(path)
    at = where % len(path) if path else 0
    if damage == "append" or not path:
        damaged.insert(at, bytes(32))
    elif damage == "flip":
        flipped = bytearray(path[at])
        flipped[where % 32] ^= 1 << (where % 8)
        damaged[at] = bytes(flipped)
    elif damage == "drop":
        del damaged[at]
    elif damage == "swap":
        damaged.reverse()
    else:
        damaged[at] = path[at][:31]
    if damaged == path:
        return
    with pytest.raises(ForgedError):
        check_inclusion(LEAVES[index], index, size, damaged, root)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 1), (1, 1), (0, 2**63), (5, 3)])
def test_an_impossible_place_is_refused(index: int, size: int) -> None:
    with pytest.raises(ForgedError):
        root_from_path(b"leaf", index, size, [])


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8])
def test_a_path_of_another_length_is_refused_before_any_root_is_compared(size: int) -> None:
    for index in range(size):
        path = inclusion_path(LEAVES[:size], index)
        for wrong in (path[:-1], [*path, bytes(32)]):
            if wrong != path:
                with pytest.raises(ForgedError):
                    root_from_path(LEAVES[index], index, size, wrong)


def test_a_leaf_hash_that_is_no_hash_is_refused() -> None:
    with pytest.raises(ForgedError):
        check_leaf_hash(b"", 0, 1, [], b"")
