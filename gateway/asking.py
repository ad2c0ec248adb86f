"""How the gateway's commands ask an operation: one answer, or the refusal in red and the right exit code."""

from __future__ import annotations

import contextlib
import getpass
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from collectors.errors import TanmaiError
from gateway import printing
from gateway.control import CallOperation, OperationFailed, operations
from gateway.settings import load_settings

out = printing.console()
err = Console(stderr=True, soft_wrap=True)

PROGRESS_S = 0.5  # between two looks at how far an operation is


def ask(name: str, /, **arguments: Any) -> dict[str, Any]:
    """Ask one operation; a refusal ends the command with its message."""
    with asking() as call, err.status(f"{name.replace('_', ' ')} …"):
        return call(name, **arguments)


def ask_watched(name: str, what: str, /, **arguments: Any) -> dict[str, Any]:
    """Ask one operation that takes long, and meanwhile its `<name>_progress`; a bar counts `what`, such as chains."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    ended = threading.Event()
    with asking() as call, Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(what, total=None)

        def watch() -> None:
            while not ended.wait(PROGRESS_S):
                with contextlib.suppress(TanmaiError):  # the operation itself says what is wrong
                    step = call(f"{name}_progress")
                    bar.update(task, completed=step["done"], total=step["total"] or None)

        watching = threading.Thread(target=watch, name="progress", daemon=True)
        watching.start()
        try:
            return call(name, **arguments)
        finally:
            ended.set()
            watching.join()


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
