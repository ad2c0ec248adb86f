"""Merkle trees are those of RFC 9162: known answers of Certificate Transparency, and what must hold of any tree."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.carbon.merkle import (
    EMPTY_TREE,
    GrowingTree,
    consistency_path,
    inclusion_path,
    is_consistent,
    leaf_hash,
    node_hash,
    root_of_path,
    tree_hash,
)

# The reference inputs and answers of Certificate Transparency (google/certificate-transparency, merkle_tree_test).
LEAVES = [leaf_hash(bytes.fromhex(text)) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
# (leaf, size) -> path
INCLUSIONS = {
    (0, 1): (),
    (0, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (5, 8): (
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (2, 3): ("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",),
}
# (old size, new size) -> path
CONSISTENCIES = {
    (1, 1): (),
    (1, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (6, 8): (
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (2, 5): (
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ),
}

trees = st.lists(st.binary(max_size=3), min_size=1, max_size=70).map(lambda given: [leaf_hash(one) for one in given])
other_hash = st.binary(min_size=32, max_size=32)


def by_definition(leaves: list[bytes]) -> bytes:
    """MTH as the clause says it, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    cut = max(1 << power for power in range(8) if 1 << power < len(leaves))
    return node_hash(by_definition(leaves[:cut]), by_definition(leaves[cut:]))


@pytest.mark.parametrize("size", range(9))
def test_roots_are_the_known_ones(size: int) -> None:
    assert tree_hash(LEAVES[:size]).hex() == ROOTS[size]
    assert size or tree_hash([]) == EMPTY_TREE


@pytest.mark.parametrize(("index", "size"), INCLUSIONS)
def test_inclusion_paths_are_the_known_ones(index: int, size: int) -> None:
    path = inclusion_path(LEAVES[:size], index)
    assert tuple(one.hex() for one in path) == INCLUSIONS[index, size]
    root = root_of_path(LEAVES[index], index, size, path)
    assert root is not None and root.hex() == ROOTS[size]


@pytest.mark.parametrize(("old", "new"), CONSISTENCIES)
def test_consistency_paths_are_the_known_ones(old: int, new: int) -> None:
    path = consistency_path(LEAVES[:new], old)
    assert tuple(one.hex() for one in path) == CONSISTENCIES[old, new]
    assert is_consistent(old, bytes.fromhex(ROOTS[old]), new, bytes.fromhex(ROOTS[new]), path)


@given(trees)
def test_level_by_level_is_the_tree_of_the_definition(leaves: list[bytes]) -> None:
    assert tree_hash(leaves) == by_definition(leaves)


@given(trees)
def test_a_growing_tree_has_the_same_root_at_every_size(leaves: list[bytes]) -> None:
    growing = GrowingTree()
    for size, leaf in enumerate(leaves):
        assert (growing.size, growing.root) == (size, tree_hash(leaves[:size]))
        growing.append(leaf)
    assert growing.root == tree_hash(leaves)


@given(trees, st.data())
def test_every_leaf_is_proven_and_nothing_else(leaves: list[bytes], data: st.DataObject) -> None:
    size, root = len(leaves), tree_hash(leaves)
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_path(leaves, index)
    assert len(path) <= size.bit_length()
    assert root_of_path(leaves[index], index, size, path) == root
    assert root_of_path(data.draw(other_hash), index, size, path) != root
    if path:
        place = data.draw(st.integers(0, len(path) - 1))
        spoilt = [*path[:place], data.draw(other_hash), *path[place + 1 :]]
        assert root_of_path(leaves[index], index, size, spoilt) != root
        assert root_of_path(leaves[index], index, size, path[:-1]) != root
    assert root_of_path(leaves[index], index, size, [*path, root]) is None


@given(trees, st.data())
def test_a_tree_is_consistent_with_what_it_grew_from_and_nothing_else(leaves: list[bytes], data: st.DataObject) -> None:
    new, new_root = len(leaves), tree_hash(leaves)
    old = data.draw(st.integers(1, new))
    old_root, path = tree_hash(leaves[:old]), consistency_path(leaves, old)
    assert is_consistent(old, old_root, new, new_root, path)
    changed = [*leaves[: old - 1], data.draw(other_hash)]
    assert not is_consistent(old, tree_hash(changed), new, new_root, path)
    assert not is_consistent(old, old_root, new, data.draw(other_hash), path)
    assert not is_consistent(old, old_root, new, new_root, [*path, new_root])
    if path:
        assert not is_consistent(old, old_root, new, new_root, path[:-1])


@pytest.mark.parametrize("index", [-1, 8, 9])
def test_a_leaf_that_is_not_there_has_no_path(index: int) -> None:
    with pytest.raises(ValueError, match="outside a tree of 8"):
        inclusion_path(LEAVES, index)
    assert root_of_path(LEAVES[0], index, 8, []) is None


@pytest.mark.parametrize("size", [0, 9])
def test_a_tree_grows_from_no_larger_and_no_empty_one(size: int) -> None:
    with pytest.raises(ValueError, match="did not grow"):
        consistency_path(LEAVES, size)
    assert not is_consistent(size, EMPTY_TREE, 8, tree_hash(LEAVES), [])
