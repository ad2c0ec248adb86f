"""How the gateway's commands ask an operation: one answer, or the refusal in red and the right exit code."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from gateway import printing
from gateway.control import CallOperation, OperationFailed, operations
from gateway.settings import load_settings

out = printing.console()
err = Console(stderr=True, soft_wrap=True)


def ask(name: str, /, **arguments: Any) -> dict[str, Any]:
    """Ask one operation; a refusal ends the command with its message."""
    with asking() as call, err.status(f"{name.replace('_', ' ')} …"):
        return call(name, **arguments)


@contextmanager
def asking() -> Iterator[CallOperation]:
    """The operations, for a command that asks several times; a refusal ends the command with its message."""
    settings = load_settings(os.environ)
    try:
        with operations(settings) as call:
            yield call
    except OperationFailed as error:
        err.print(str(error), style="red", markup=False, highlight=False)
        sys.exit(1 if error.check_failed else 2)


def person() -> str:
    """Whom to name as the one who acts, unless a command was told: the name that one is logged in by."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run under a number without a name
        return ""
