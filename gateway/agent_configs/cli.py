"""`tanmai agent-config`: what agents in the plants do, said from here."""

from __future__ import annotations

import getpass
import json
import socket
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from collectors.errors import ConfigurationError
from gateway.asking import ask, out

_agent = click.argument("agent", metavar="ENTERPRISE/AGENT")
_by = click.option("--by", help="Who asks for it; the user of this machine unless given.")


@click.group("agent-config")
def agent_config() -> None:
    """Configure agents from here: buses, devices and batch. They roll back by themselves what does not work."""


@agent_config.command("key")
def key() -> None:
    """Print the public key that agents must trust (agent.trusted_config_keys)."""
    click.echo(ask("agent_config_key")["public_key"])


@agent_config.command("push")
@_agent
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@_by
def push(agent: str, file: Path, by: str | None) -> None:
    """Push a YAML file with some of buses, devices and batch; each section replaces the agent's own."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: cannot be read: {error}") from error
    if not text.strip():
        raise click.UsageError(f"{file} is empty; `tanmai agent-config withdraw` takes a configuration back.")
    _say(ask("agent_config_push", agent=agent, text=text, file=str(file), by=by or _me()))


@agent_config.command("withdraw")
@_agent
@_by
def withdraw(agent: str, by: str | None) -> None:
    """Let an agent go by its own file again."""
    _say(ask("agent_config_push", agent=agent, text="", file="", by=by or _me()))


@agent_config.command("show")
@_agent
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def show(agent: str, as_json: bool) -> None:
    """Show the newest version, what became of it, and what the agent says it goes by."""
    answer = ask("agent_config_show", agent=agent)
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
        return
    newest, said = answer["newest"], answer["agent"]
    if newest is None:
        out.print("nothing was pushed to this agent")
    else:
        out.print(f"# version {newest['version']} of {newest['made_at']} by {newest['made_by']}", markup=False)
        out.print(f"# {newest['outcome']}{': ' + newest['why'] if newest['why'] else ''}", markup=False)
        click.echo(newest["text"] or "# withdrawn: the agent goes by its own file")
    if not said:
        out.print("# the agent says nothing of configurations: does it run, and trust the key?", markup=False)
    else:
        out.print(f"# the agent goes by {_version(said.get('version'))}", markup=False)
        if said.get("last_refusal"):
            out.print(f"# it passed over a message: {said['last_refusal']}", markup=False)


@agent_config.command("history")
@_agent
def history(agent: str) -> None:
    """List all versions that were pushed, newest first."""
    table = Table("version", "made", "by", "outcome", "decided", "why", box=None)
    for row in ask("agent_config_history", agent=agent)["items"]:
        table.add_row(
            str(row["version"]),
            row["made_at"],
            escape(row["made_by"]),
            row["outcome"],
            row["decided_at"] or "",
            escape(row["why"]),
        )
    out.print(table)


def _say(answer: dict[str, object]) -> None:
    out.print(f"version {answer['version']} is made", markup=False)
    out.print("it is with the broker" if answer["published"] else f"not published yet: {answer['why']}", markup=False)


def _version(version: object) -> str:
    return f"version {version}" if version else "its own file"


def _me() -> str:
    return f"{getpass.getuser()}@{socket.gethostname()}"
