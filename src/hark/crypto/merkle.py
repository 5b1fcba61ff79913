"""The Merkle tree hash of RFC 6962: one root for a list, a short proof for each entry.

A home signs one root per batch of envelopes that it took (a custody receipt is the root's
signature, the index and the path). Leaves and inner nodes are hashed with different first
bytes, so no leaf can pass for a node. Source: RFC 9162, section 2.1; spec/identity.md#notation.
"""

from collections.abc import Sequence

from hark.crypto.hashing import HASH_BYTES, equal, sha256
from hark.errors import ForgedError

MAX_TREE_SIZE = 2**63 - 1
"""More leaves than any tree will have; keeps a path at 63 hashes."""

_LEAF = b"\x00"
_NODE = b"\x01"


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of one entry."""
    return sha256(_LEAF, leaf)


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """Return the root of the tree over `leaves`, in order; that of no leaves is SHA-256("")."""
    if not leaves:
        return sha256()
    return _subtree_root([leaf_hash(leaf) for leaf in leaves])


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the sibling hashes of leaf `index`, from the leaf to the root.

    Args:
        leaves: all entries of the tree, at least one.
        index: position, 0 <= index < len(leaves).
    """
    level = [leaf_hash(leaf) for leaf in leaves]
    path: list[bytes] = []
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        level = _next_level(level)
        index //= 2
    return path


def root_and_paths(leaves: Sequence[bytes]) -> tuple[bytes, list[list[bytes]]]:
    """Return the root over `leaves`, at least one, and the inclusion path of each.

    The same values as `tree_root` and `inclusion_path`, with every node hashed once only.
    """
    levels = [[leaf_hash(leaf) for leaf in leaves]]
    while len(levels[-1]) > 1:
        levels.append(_next_level(levels[-1]))
    paths: list[list[bytes]] = []
    for leaf_index in range(len(leaves)):
        index, path = leaf_index, []
        for level in levels[:-1]:
            sibling = index ^ 1
            if sibling < len(level):
                path.append(level[sibling])
            index //= 2
        paths.append(path)
    return levels[-1][0], paths


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Return the root to which `path` leads from entry `leaf`.

    Args:
        leaf: the exact bytes of the entry.
        index: position of the entry, 0 <= index < size.
        size: number of entries in the tree, at most `MAX_TREE_SIZE`.
        path: sibling hashes, leaf to root, 32 bytes each.

    Returns:
        A root; the caller compares it with one that it trusts (or uses `check_inclusion`).

    Raises:
        ForgedError: the index or the length of the path is impossible for this size.

    Source: RFC 9162, section 2.1.3.2.
    """
    return _root_from_leaf_hash(leaf_hash(leaf), index, size, path)


def check_inclusion(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes
) -> None:
    """Check that entry `leaf` is number `index` of the tree of `size` entries with this root.

    Raises:
        ForgedError: it is not, or the path is of the wrong length.
    """
    check_leaf_hash(leaf_hash(leaf), index, size, path, root)


def check_leaf_hash(
    hashed_leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes
) -> None:
    """Check the inclusion of an entry of which only the leaf hash is known.

    Raises:
        ForgedError: as `check_inclusion`.
    """
    if not equal(_root_from_leaf_hash(hashed_leaf, index, size, path), root):
        raise ForgedError("the inclusion path leads to another root")


def _root_from_leaf_hash(
    hashed_leaf: bytes, index: int, size: int, path: Sequence[bytes]
) -> bytes:
    if not 0 <= index < size <= MAX_TREE_SIZE:
        raise ForgedError("no such entry in a tree of this size")
    if any(len(one) != HASH_BYTES for one in (hashed_leaf, *path)):
        raise ForgedError("an inclusion proof holds something that is not a hash")
    node, last = hashed_leaf, size - 1
    for sibling in path:
        if last == 0:
            raise ForgedError("the inclusion path is too long")
        if index % 2 == 1 or index == last:
            node = sha256(_NODE, sibling, node)
            # A node without a right sibling rises to the level where it has a left one.
            while index % 2 == 0 and index != 0:
                index, last = index // 2, last // 2
        else:
            node = sha256(_NODE, node, sibling)
        index, last = index // 2, last // 2
    if last != 0:
        raise ForgedError("the inclusion path is too short")
    return node


def _subtree_root(level: list[bytes]) -> bytes:
    while len(level) > 1:
        level = _next_level(level)
    return level[0]


def _next_level(level: list[bytes]) -> list[bytes]:
    """Hash pairs; a last one without a partner rises unchanged (equal to RFC 6962's split)."""
    pairs = len(level) // 2
    above = [sha256(_NODE, level[2 * i], level[2 * i + 1]) for i in range(pairs)]
    if len(level) % 2 == 1:
        above.append(level[-1])
    return above
