"""Whatever happens between stored readings and closed months: at the end the account is the truth, to the gram.

A `World` lives for two to four months of simulated time, out of one seed; then `oracle.check` works the account out
from what truly passed and compares. Nothing waits, and nothing but the seed decides. In this folder:

- the plants: `layouts` (what there is), `instruments` (what truly passes and what is shown of it), `deliveries` (what
  arrives, when), `papers` (business records), `plants` (their registry file);
- what happens: `script` (drawn before it begins), `world` (people, gateways and time);
- the gateway: `terms` (settings by seed), `machine` (killed and started again), `process` (the real house), `turns`
  (two of them side by side), `quick_store`, `books` (its database as an auditor reads it);
- the platforms: `receivers` (who the change feed is brought to, and what goes wrong there);
- the truth: `truth` (usage by the hour), `knowledge` (published factors), `account` (entries), `expected` (statements);
- the verdict: `oracle`, and a file for each kind of paper: `oracle_statements`, `oracle_sums`, `oracle_ratings`,
  `oracle_kept` (raw readings given up), `oracle_proofs`, `oracle_receivers`. `test_planted` shows that it would see a
  fault.

The truth is worked out without the product's accounting. `make life SEED=…` tells the story of one seed. CI lives
through 6 worlds, others through 2; LIFE_SEEDS=… says otherwise. A seed that fails goes into `seeds.txt` with what it
found.
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
    assert looked.brought > 50
