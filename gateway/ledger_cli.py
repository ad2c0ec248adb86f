"""`tanmai reopen` and `tanmai adjustments`: what operators do to the books by hand, with a name and a reason."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import click

from gateway import printing
from gateway.asking import ask, out, person

_enterprise = click.option("--enterprise", required=True, help="Unified Social Credit Code.")
_reason = click.option("--reason", required=True, help="Why; it is kept with your name and the time.")
_json = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
_number = click.argument("number", type=int)
_by = click.option("--by", default=None, help="Who does it; the name you are logged in by unless given.")


@click.command()
@click.argument("period")
@_enterprise
@_reason
@_by
def reopen(period: str, enterprise: str, reason: str, by: str | None) -> None:
    """Open a closed month again, such as 2026-10: the next version follows the ledger until `tanmai close`."""
    answer = ask("reopen", period=period, enterprise=enterprise, reason=reason, by=by or person())
    out.print(
        f"{enterprise} {answer['period']} is open again as version {answer['version']}; version "
        f"{answer['predecessor']} stays as it is. Close it with `tanmai close {answer['period']} --enterprise "
        f"{enterprise}`",
        markup=False,
        highlight=False,
    )


@click.group()
def adjustments() -> None:
    """What operators add to a source's day by hand, with a reason, evidence and a second person's approval."""


@adjustments.command("request")
@click.argument("source")
@click.argument("day")
@_enterprise
@click.option("--emission-kg", default="0", help="kg CO2e to add; below zero takes off.")
@click.option("--energy-kgce", default="0", help="kg of standard coal to add; below zero takes off.")
@click.option("--evidence", required=True, help="A file that shows it, or the SHA-256 of one that was kept before.")
@_reason
@_by
def adjustments_request(
    source: str,
    day: str,
    enterprise: str,
    emission_kg: str,
    energy_kgce: str,
    evidence: str,
    reason: str,
    by: str | None,
) -> None:
    """Ask for an adjustment of SOURCE on DAY. Above TANMAI_ADJUSTMENT_APPROVAL_KG it waits for a second person."""
    given: dict[str, Any] = {"evidence": evidence}
    path = Path(evidence)
    if path.is_file():
        given = {"name": path.name, "content": base64.b64encode(path.read_bytes()).decode()}
    answer = ask(
        "adjustment_request",
        enterprise=enterprise,
        source=source,
        day=day,
        emission_kg=emission_kg,
        energy_kgce=energy_kgce,
        reason=reason,
        by=by or person(),
        **given,
    )
    _print_one(answer)


@adjustments.command("approve")
@_number
@_enterprise
@_reason
@_by
def adjustments_approve(number: int, enterprise: str, reason: str, by: str | None) -> None:
    """Approve an adjustment: anybody but its author. The next roll-up books it."""
    _print_one(ask("adjustment_approve", enterprise=enterprise, number=number, reason=reason, by=by or person()))


@adjustments.command("withdraw")
@_number
@_enterprise
@_reason
@_by
def adjustments_withdraw(number: int, enterprise: str, reason: str, by: str | None) -> None:
    """Withdraw an adjustment: what was booked for it is taken back by the next roll-up."""
    _print_one(ask("adjustment_withdraw", enterprise=enterprise, number=number, reason=reason, by=by or person()))


@adjustments.command("list")
@_enterprise
@_json
def adjustments_list(enterprise: str, as_json: bool) -> None:
    """List an enterprise's adjustments: those that wait, those that stand, those that were withdrawn."""
    answer = ask("adjustment_list", enterprise=enterprise)
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
        return
    header = ("number", "status", "source", "day", "kgCO2e", "kgce", "by", "reason", "decided")
    rows = [
        (
            str(one["number"]),
            one["status"],
            one["source"],
            one["day"],
            f"{one['emission_kg']:+,.3f}",
            f"{one['energy_kgce']:+,.3f}",
            one["author"],
            one["why"],
            ", ".join(f"{own['decision']} by {own['by']}" for own in one["decisions"]),
        )
        for one in answer["items"]
    ]
    printing.listing(out, header, rows)


def _print_one(one: dict[str, Any]) -> None:
    waits = "; it waits for a second person: tanmai adjustments approve" if one["status"] == "pending" else ""
    out.print(
        f"adjustment {one['number']} of {one['source']} on {one['day']}: {one['emission_kg']:+,.3f} kgCO2e, "
        f"{one['energy_kgce']:+,.3f} kgce, {one['status']}{waits}",
        markup=False,
        highlight=False,
    )
