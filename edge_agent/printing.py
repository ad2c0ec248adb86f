"""What the commands of `tanmai edge` share: exit codes, friendly refusals, and how counts and times are written."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import click

from collectors import clock
from collectors.errors import ConfigurationError, StoreError

P = ParamSpec("P")
FAILED = 1
REFUSED = 2


def friendly(command: Callable[P, None]) -> Callable[P, None]:
    """Configuration problems, all of them, on stderr and exit 2; a store that gives nothing is exit 1."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except ConfigurationError as error:
            for problem in error.problems:
                click.echo(str(problem), err=True)
            click.echo(f"Nothing was started: {counted(len(error.problems), 'problem')} to mend.", err=True)
            sys.exit(REFUSED)
        except StoreError as error:
            click.echo(str(error), err=True)
            sys.exit(FAILED)

    return run


def counted(number: int, noun: str) -> str:
    """`1 batch`, `2 batches`."""
    plural = noun + ("es" if noun.endswith(("ch", "s")) else "s")
    return f"{number:,} {noun if number == 1 else plural}"


def moment(at_ms: int | None) -> str:
    return "never" if at_ms is None else clock.from_ms(at_ms).strftime("%Y-%m-%d %H:%M:%S UTC")
