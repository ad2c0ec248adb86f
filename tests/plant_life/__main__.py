"""`make life SEED=17`, or `python -m tests.plant_life 17 [40]`: the story of one seed, or the verdicts on a range."""

from __future__ import annotations

import sys

from tests import stories
from tests.plant_life.oracle import check
from tests.plant_life.world import World

if __name__ == "__main__":
    usage = "make life SEED=17, or python -m tests.plant_life FIRST END"
    sys.exit(stories.main(sys.argv[1:], World, check, usage))
