"""The `tanmai` command: a door to subcommands that other packages bring.

What stays true: a subcommand's module is imported only when it is asked for (or when help is printed), so that an
agent's machine needs none of the gateway's libraries. Subcommands are the entry points of group `tanmai.commands`.

Exit codes: 0 fine, 1 a check or a store failed, 2 usage or configuration. A mistake of ours ends with a traceback.
"""

from __future__ import annotations

import difflib
import sys
from functools import cache
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from typing import Any

import click

from collectors.errors import ConfigurationError, TanmaiError

GROUP = "tanmai.commands"
OURS = frozenset({"collectors", "edge_agent", "gateway"})  # lacking one of these is a mistake of ours


@cache
def _commands() -> dict[str, EntryPoint]:
    """Name -> where the command is found; nothing is imported."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


class LazyGroup(click.Group):
    """A click group whose subcommands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_commands()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = _commands().get(cmd_name)
        if entry is None:
            return super().get_command(ctx, cmd_name)
        try:
            command = entry.load()
        except ModuleNotFoundError as error:
            return _unavailable(cmd_name, error)
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.value} is no click command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        wanted = args[0]
        if not wanted.startswith("-") and wanted not in self.list_commands(ctx):
            near = difflib.get_close_matches(wanted, self.list_commands(ctx), n=1)
            hint = f"Did you mean “{near[0]}”?" if near else "`tanmai --help` lists the commands."
            ctx.fail(f"There is no command “{wanted}”. {hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:  # by a command that imports what it needs when it runs
            if (error.name or "").partition(".")[0] in OURS:
                raise
            raise click.UsageError(_lacking(str(ctx.invoked_subcommand), error), ctx) from error


def _lacking(name: str, error: ModuleNotFoundError) -> str:
    extra = "edge" if name == "edge" else "gateway"
    return f"“{name}” needs the module {error.name}, which is not installed: pip install 'tanmai[{extra}]'"


def _unavailable(name: str, error: ModuleNotFoundError) -> click.Command:
    """Stands for a command whose libraries are not installed: listed in the help, refused when called."""
    reason = _lacking(name, error)

    def refuse() -> None:
        raise click.UsageError(reason)

    settings = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
    return click.Command(name, callback=refuse, short_help="(not installed)", context_settings=settings)


def _version() -> str:
    try:
        return version("tanmai")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "not installed"


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(_version(), prog_name="tanmai")
def tanmai() -> None:
    """碳脉 Tanmai: from a plant's meters to carbon accounts that can be trusted."""


def main() -> None:
    """Run the command line. What is raised on purpose is printed; a wrong configuration with every problem."""
    try:
        tanmai(prog_name="tanmai")
    except ConfigurationError as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
        sys.exit(2)
    except TanmaiError as error:
        click.echo(str(error), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
