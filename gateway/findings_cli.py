"""`tanmai findings`: what is odd in the data, and taking note of it."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from gateway.asking import ask, out, person

MARKS = {"info": "[dim]·[/]", "warning": "[yellow]▲[/]", "error": "[red]■[/]"}

_enterprise = click.argument("enterprise")
_id = click.argument("finding_id", type=int)
_reason = click.option("--reason", required=True, help="Why; it is kept with your name and the time.")
_by = click.option("--by", default=None, help="Who decides; the name you are logged in by unless given.")
_json = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")


@click.group()
def findings() -> None:
    """What is odd in the data: open, acknowledged with a reason, or resolved."""


@findings.command("list")
@_enterprise
@click.option("--status", type=click.Choice(["open", "acknowledged", "resolved"]), default=None)
@click.option("--after", default=0, help="Only findings with a higher id.")
@click.option("--limit", default=100, show_default=True)
@_json
def show_list(enterprise: str, status: str | None, after: int, limit: int, as_json: bool) -> None:
    """List an enterprise's findings in the order they were first made."""
    answer = ask("finding_list", enterprise=enterprise, status=status, after=after, limit=limit)
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
        return
    table = Table("", "id", "at", "finding", "about", "status", "what", box=None)
    for row in answer["items"]:
        table.add_row(
            MARKS[row["severity"]],
            str(row["id"]),
            row["at"],
            row["name"],
            escape(row["subject"]),
            row["status"],
            escape(row["text"]["en"]),
        )
    out.print(table)


@findings.command("show")
@_enterprise
@_id
def show_one(enterprise: str, finding_id: int) -> None:
    """Show a finding with its values, and who decided what about it."""
    _history(ask("finding_show", enterprise=enterprise, id=finding_id))


@findings.command("acknowledge")
@_enterprise
@_id
@_reason
@_by
def acknowledge(enterprise: str, finding_id: int, reason: str, by: str | None) -> None:
    """Take note of a finding: it is no longer open unless its values change."""
    _history(ask("finding_acknowledge", enterprise=enterprise, id=finding_id, reason=reason, by=by or person()))


@findings.command("reopen")
@_enterprise
@_id
@_reason
@_by
def reopen(enterprise: str, finding_id: int, reason: str, by: str | None) -> None:
    """Open an acknowledged finding again."""
    _history(ask("finding_reopen", enterprise=enterprise, id=finding_id, reason=reason, by=by or person()))


def _history(answer: dict[str, Any]) -> None:
    finding = answer["finding"]
    out.print(
        f"{MARKS[finding['severity']]} [bold]{finding['id']} {finding['name']}[/] about {escape(finding['subject'])} "
        f"at {finding['at']}: [bold]{finding['status']}[/]",
        highlight=False,
    )
    out.print(f"  {escape(finding['text']['zh'])}\n  {escape(finding['text']['en'])}", highlight=False)
    for one in answer["decisions"]:
        out.print(f"  {one['at']} {one['status']} by {escape(one['by'])}: {escape(one['why'])}", highlight=False)
