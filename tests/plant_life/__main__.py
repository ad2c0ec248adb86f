"""`make life SEED=17`, or `python -m tests.plant_life 17 [40]`: the story of one seed, or the verdicts on a range."""

from __future__ import annotations

import sys
import tempfile
import time
import traceback
from contextlib import closing
from pathlib import Path

import structlog

from tests.plant_life.oracle import check
from tests.plant_life.world import World


def run(seed: int, *, loud: bool) -> bool:
    """One world; says how it went."""
    memory = Path("/dev/shm")
    began_s = time.process_time()
    with tempfile.TemporaryDirectory(prefix="tanmai-life-", dir=memory if memory.is_dir() else None) as directory:
        try:
            with closing(World(seed, Path(directory), loud=loud)) as world:
                world.run()
                looked = check(world)
        except Exception as error:
            if loud:
                traceback.print_exc()
            print(f"seed {seed} FAILS: {type(error).__name__}: {error}", flush=True)
            return False
    print(f"seed {seed} holds after {time.process_time() - began_s:.1f} s of CPU: {looked}", flush=True)
    return True


def main(arguments: list[str]) -> int:
    if not 1 <= len(arguments) <= 2 or not all(argument.isdigit() for argument in arguments):
        print("usage: make life SEED=17, or python -m tests.plant_life FIRST END", file=sys.stderr)
        return 2
    first, end = int(arguments[0]), int(arguments[-1])
    one = len(arguments) == 1
    if not one:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    verdicts = [run(seed, loud=one) for seed in ([first] if one else range(first, end))]
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
