"""Merkle trees as RFC 9162, clause 2.1, defines them, with SHA-256: tree hash, inclusion and consistency proofs.

What stays true:
- The hash of a leaf begins with 0x00 and that of a node with 0x01, so neither can be passed off as the other.
- A tree of n leaves is cut at the largest power of two below n. Hashing level by level, with a last node without a
  partner moving up as it is, gives that same tree.
- A proof is a list of hashes from the leaf's side up. What is checked never depends on what the prover says of its
  shape: index and sizes decide which side each hash stands on.

Functions take hashes of leaves (`leaf_hash` of the data), 32 bytes each. A tree is held whole: some 10⁵ leaves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

EMPTY_TREE = hashlib.sha256(b"").digest()  # RFC 9162, 2.1.1: the hash of an empty list is that of an empty string


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf that holds this data."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of the node above two others."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree_hash(leaves: Sequence[bytes]) -> bytes:
    """The root over hashes of leaves, in their order."""
    *_, root = _levels(leaves)
    return root[0] if root else EMPTY_TREE


def _levels(leaves: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """The leaves, the nodes above them, and so on up to the root."""
    level = leaves
    yield level
    while len(level) > 1:
        above = [node_hash(level[left], level[left + 1]) for left in range(0, len(level) - 1, 2)]
        level = above + list(level[len(above) * 2 :])
        yield level


class GrowingTree:
    """A tree that leaves are appended to; keeps one hash per complete subtree, and gives the root at any time."""

    def __init__(self) -> None:
        self.size = 0
        self._subtrees: list[bytes] = []  # from the largest on the left to the smallest on the right

    def append(self, leaf: bytes) -> None:
        size, node = self.size, leaf
        while size % 2:
            node = node_hash(self._subtrees.pop(), node)
            size //= 2
        self._subtrees.append(node)
        self.size += 1

    @property
    def root(self) -> bytes:
        if not self._subtrees:
            return EMPTY_TREE
        *left, node = self._subtrees
        for subtree in reversed(left):
            node = node_hash(subtree, node)
        return node


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The hashes that lead from the leaf at `index` to the root (2.1.3.1)."""
    if not 0 <= index < len(leaves):
        raise ValueError(f"leaf {index} is outside a tree of {len(leaves)}")
    path = []
    for level in _levels(leaves):
        beside = index ^ 1
        if beside < len(level):
            path.append(level[beside])
        index //= 2
    return path


def root_of_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that a leaf and its path give (2.1.3.2); None if a tree of this size has no such path."""
    if not 0 <= index < size:
        return None
    last, current = size - 1, leaf
    for beside in path:
        if last == 0:
            return None
        if index % 2 or index == last:
            current = node_hash(beside, current)
            while not index % 2 and index:
                index, last = index // 2, last // 2
        else:
            current = node_hash(current, beside)
        index, last = index // 2, last // 2
    return current if last == 0 else None


def consistency_path(leaves: Sequence[bytes], size: int) -> list[bytes]:
    """The hashes that show that the tree of the first `size` leaves is where this tree grew from (2.1.4.1)."""
    if not 0 < size <= len(leaves):
        raise ValueError(f"a tree of {len(leaves)} did not grow from one of {size}")
    path: list[bytes] = []
    low, high, known = 0, len(leaves), True  # known: the checker has the hash of [low, low + size) already
    parts: list[bytes] = []
    while size < high - low:
        cut = low + _largest_power_below(high - low)
        if size <= cut - low:
            parts.append(tree_hash(leaves[cut:high]))
            high = cut
        else:
            parts.append(tree_hash(leaves[low:cut]))
            size, low, known = size - (cut - low), cut, False
    if not known:
        path.append(tree_hash(leaves[low:high]))
    return path + parts[::-1]


def _largest_power_below(count: int) -> int:
    """The largest power of two below a count of two or more."""
    return 1 << ((count - 1).bit_length() - 1)


def is_consistent(old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Did the tree of the new root grow from that of the old one (2.1.4.2)?"""
    if not 0 < old_size <= new_size:
        return False
    if old_size == new_size:
        return not path and old_root == new_root
    hashes = list(path) if old_size & (old_size - 1) else [old_root, *path]
    if not hashes:
        return False
    index, last = old_size - 1, new_size - 1
    while index % 2:
        index, last = index // 2, last // 2
    old = new = hashes[0]
    for beside in hashes[1:]:
        if last == 0:
            return False
        if index % 2 or index == last:
            old, new = node_hash(beside, old), node_hash(beside, new)
            while not index % 2 and index:
                index, last = index // 2, last // 2
        else:
            new = node_hash(new, beside)
        index, last = index // 2, last // 2
    return last == 0 and (old, new) == (old_root, new_root)
