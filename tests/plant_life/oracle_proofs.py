"""Proofs of entries before the standalone checker, which shares no code with the product; altered ones are refused."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tools import check_proof

if TYPE_CHECKING:
    from tests.plant_life.world import World

PROOFS = 3  # entries of a world


def proofs_hold(world: World) -> int:
    """Some entries stand under their roots, and no altered copy of what is shown does; gives how many were shown."""
    key = load_pem_public_key(world.machine.house.signer.public_pem.encode())
    rooted = world.books.ask("SELECT enterprise, first_seq, last_seq FROM ledger_spans ORDER BY enterprise, last_seq")
    booked = world.books.ask("SELECT count(*) FROM ledger_entries")[0][0]
    assert sum(last - first + 1 for _, first, last in rooted) == booked, "not every entry is under a root"
    chosen = [rooted[len(rooted) * place // PROOFS] for place in range(PROOFS)]
    for enterprise, first, last in chosen:
        proof = world.machine.ask("proof", world.now_ms, entry=f"{enterprise}-{(first + last) // 2}")
        check_proof.check(proof, key)
        for altered in _altered(proof):
            try:
                check_proof.check(altered, key)
            except check_proof.Refused:
                continue
            raise AssertionError(f"an altered proof was accepted: {altered}")
    return len(chosen)


def _altered(proof: dict[str, Any]) -> list[dict[str, Any]]:
    """A digit of the entry, of its frame and of the root, and another place in the day."""
    found = []
    for name in ("entry", "frame", "root"):
        if name not in proof:  # an adjustment carries its calculation whole
            continue
        text = proof[name]
        place = next(place for place, sign in enumerate(text) if sign.isdigit())
        other = copy.deepcopy(proof)
        other[name] = f"{text[:place]}{(int(text[place]) + 1) % 10}{text[place + 1 :]}"
        found.append(other)
    moved = copy.deepcopy(proof)
    moved["day_number"] += 1
    return [*found, moved]
