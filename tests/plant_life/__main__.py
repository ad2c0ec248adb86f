"""`make life SEED=17`, or `python -m tests.plant_life 17 [40]`: the story of one seed, or the verdicts on a range."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from tests import stories
from tests.plant_life.oracle import check
from tests.plant_life.terms import Terms
from tests.plant_life.world import World
from tests.real_postgresql import empty_database, running_server

if __name__ == "__main__":
    usage = "make life SEED=17, or python -m tests.plant_life FIRST END"
    with ExitStack() as at_the_end:

        @cache
        def server() -> str:
            """Started for the first world that needs it."""
            return at_the_end.enter_context(running_server())

        def world_of(seed: int, directory: Path, *, loud: bool) -> World:
            needed = Terms.of(seed).postgresql
            address = at_the_end.enter_context(empty_database(server())) if needed else ""
            return World(seed, directory, loud=loud, postgresql=address)

        status = stories.main(sys.argv[1:], world_of, check, usage)
    sys.exit(status)
