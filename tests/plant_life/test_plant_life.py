"""Whatever happens between stored readings and closed months: at the end the account is the truth, to the gram.

`make life SEED=…` tells the story of one seed. CI lives through 6 worlds, others through 2; LIFE_SEEDS=… says
otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.plant_life.oracle import check
from tests.plant_life.terms import Terms
from tests.plant_life.world import World

FRESH_SEEDS = int(os.environ.get("LIFE_SEEDS") or (6 if os.environ.get("CI") == "true" else 2))


def failed_once() -> list[int]:
    """The seeds of seeds.txt."""
    lines = Path(__file__).with_name("seeds.txt").read_text(encoding="utf-8").splitlines()
    return [int(line.split()[0]) for line in lines if line.strip() and not line.startswith("#")]


def _seeds() -> Iterator[object]:
    """Those that failed once, then fresh ones; with the mark of the server that a world needs."""
    once = failed_once()
    for seed in [*once, *(fresh for fresh in range(FRESH_SEEDS) if fresh not in once)]:
        yield pytest.param(seed, marks=[pytest.mark.real("postgresql")] if Terms.of(seed).postgresql else [])


@pytest.mark.parametrize("seed", list(_seeds()))
def test_in_the_end_every_account_is_what_an_omniscient_observer_computes(
    seed: int, directory: Path, request: pytest.FixtureRequest
) -> None:
    print(f"make life SEED={seed} tells the story")
    address = str(request.getfixturevalue("postgresql")) if Terms.of(seed).postgresql else ""
    with closing(World(seed, directory, postgresql=address)) as world:
        world.run()
        looked = check(world)
    assert looked.entries > 100
    assert looked.statements >= 2
    assert looked.versions >= looked.statements
    assert looked.sums >= 2
    assert looked.proofs == 3
