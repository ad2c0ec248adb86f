"""`make sim SEED=17`, or `python -m tests.simulation 17 [40]`: the story of one seed, or the verdicts on a range."""

from __future__ import annotations

import sys

from tests import stories
from tests.simulation.oracle import check
from tests.simulation.world import World

if __name__ == "__main__":
    usage = "make sim SEED=17, or python -m tests.simulation FIRST END"
    sys.exit(stories.main(sys.argv[1:], World, check, usage))
