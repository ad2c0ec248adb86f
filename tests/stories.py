"""The story of one seeded world, or the verdicts on a range of seeds: `make sim` and `make life`."""

from __future__ import annotations

import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import structlog

SILENT = 50  # above every level of the logs


def main(arguments: list[str], world_of: Callable[..., Any], check: Callable[[Any], Any], usage: str) -> int:
    """One seed is told; of FIRST END each seed gets a line. 1 = a world broke, 2 = the arguments are wrong."""
    if not 1 <= len(arguments) <= 2 or not all(argument.isdigit() for argument in arguments):
        print(f"usage: {usage}", file=sys.stderr)
        return 2
    first, end = int(arguments[0]), int(arguments[-1])
    one = len(arguments) == 1
    if not one:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(SILENT))
    verdicts = [_holds(seed, world_of, check, loud=one) for seed in ([first] if one else range(first, end))]
    return 0 if all(verdicts) else 1


def _holds(seed: int, world_of: Callable[..., Any], check: Callable[[Any], Any], *, loud: bool) -> bool:
    """Run one world and say how it went."""
    memory = Path("/dev/shm")
    began_s = time.process_time()
    with tempfile.TemporaryDirectory(prefix="tanmai-world-", dir=memory if memory.is_dir() else None) as directory:
        try:
            with closing(world_of(seed, Path(directory), loud=loud)) as world:
                world.run()
                looked = check(world)
        except Exception as error:
            if loud:
                traceback.print_exc()
            print(f"seed {seed} FAILS: {type(error).__name__}: {error}", flush=True)
            return False
    print(f"seed {seed} holds after {time.process_time() - began_s:.1f} s of CPU: {looked}", flush=True)
    return True
